//! A report that was finished by a process that ended before it had cleaned up.

use crate::output::OutputDir;
use crate::report::{Built, Manifest, ReportError, RunManifest, SignatureHook, build, schema};

/// Completes and cleans up a report whose manifest is there: signs it where that was still to be
/// done, and removes the journal. `None` where there is no manifest; nothing is touched then.
///
/// # Errors
/// [`ReportError`].
pub fn finished(
    out: &OutputDir,
    sign: Option<SignatureHook<'_>>,
) -> Result<Option<(RunManifest, Built)>, ReportError> {
    let Some(manifest) = out.read(schema::MANIFEST)? else { return Ok(None) };
    let run = out.read(schema::RUN_JSON)?.unwrap_or_default();
    let run: RunManifest = serde_json::from_slice(&run).map_err(ReportError::RunDamaged)?;
    if let Some(sign) = sign.filter(|_| !out.has(schema::SIGNATURE)) {
        let signature = sign(&manifest).map_err(ReportError::Sign)?;
        out.write_whole(schema::SIGNATURE, |file| file.write_all(&signature))?;
    }
    let mut built = Built {
        seal: seal(out)?,
        balance: run.balance.unwrap_or_default(),
        rows: run.rows,
        alerts: 0,
        near: 0,
        pictures_not_read: 0,
        not_examined: run.not_examined,
        manifest: Manifest::default(),
    };
    count(out, &mut built)?;
    build::clean(out)?;
    Ok(Some((run, built)))
}

/// The last chain value of custody.csv.
fn seal(out: &OutputDir) -> Result<String, ReportError> {
    let custody = out.read(schema::CUSTODY.file)?.unwrap_or_default();
    let custody = String::from_utf8_lossy(&custody);
    let last = custody.lines().next_back().and_then(|line| line.rsplit(',').next());
    Ok(last.unwrap_or_default().to_owned())
}

/// Counts again what is told at the end of a run and stands in no file as a number.
fn count(out: &OutputDir, built: &mut Built) -> Result<(), ReportError> {
    let file = schema::FILES.file;
    let failed = |source| ReportError::Row { file, source };
    let mut reader = csv::Reader::from_reader(out.open(file)?);
    let place = |column| schema::FILES.column(column).unwrap_or(usize::MAX);
    let (disposition, media) = (place("disposition"), place("media_status"));
    let mut row = csv::ByteRecord::new();
    while reader.read_byte_record(&mut row).map_err(failed)? {
        match row.get(disposition) {
            Some(b"alert") => built.alerts += 1,
            Some(b"near") => built.near += 1,
            _ => {}
        }
        if matches!(row.get(media), Some(b"timeout" | b"memory" | b"too_large")) {
            built.pictures_not_read += 1;
        }
    }
    Ok(())
}
