//! Reads made-up lists and says what it cost: bytes and rows for each second of processor time, and
//! the most memory that was resident, beyond what it was before.
//!
//! `cargo bench --bench lists -- vics 400000` and `-- nsrl 10000000`: the format, the number of rows,
//! and the number of threads (1). The sink counts and keeps nothing. The list is made in `TMPDIR`,
//! read once to have it in the page cache, then three times.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench makes its own files and says what it measured"
)]

use assay::hashset::{
    ListOptions, Reject, RowName, RowSink, SetEntry, SetError, SetKind, read_list,
};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let format = words.first().map_or("vics", String::as_str);
    let number =
        |at: usize, or: u64| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(or);
    let (rows, threads) = (number(1, 20_000), number(2, 1));
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("list");
    match format {
        "vics" => vics(&path, rows)?,
        _ => nsrl(&path, rows)?,
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::try_from(threads)?).build()?;
    let options = ListOptions {
        path: path.clone(),
        kind: SetKind::Info,
        algorithm: None,
        scheme: None,
        accept_polarity: true,
    };
    let bytes = path.metadata()?.len();
    let before = resident("VmRSS")?;
    for round in 0..4 {
        let (clock, cpu) = (Instant::now(), processor()?);
        let mut sink = Count::default();
        let (info, counts) = read_list(&options, &pool, &mut sink)?;
        let (cpu, wall) = (processor()? - cpu, clock.elapsed().as_secs_f64());
        assert_eq!((counts.rows_read, sink.entries), (rows, counts.accepted));
        if round > 0 {
            println!(
                "{}: {bytes} bytes, {rows} rows, {} entries: {cpu:.2} s cpu, {wall:.2} s, {:.0} MB/s cpu",
                info.format,
                sink.entries,
                bytes as f64 / 1e6 / cpu
            );
        }
    }
    let most = resident("VmHWM")?;
    println!("resident: {before} KiB before, {most} KiB at most, {} KiB more", most - before);
    Ok(())
}

#[derive(Default)]
struct Count {
    entries: u64,
}

impl RowSink for Count {
    fn entry(&mut self, _: SetEntry, _: RowName) -> Result<(), SetError> {
        self.entries += 1;
        Ok(())
    }

    fn reject(&mut self, reject: Reject) -> Result<(), SetError> {
        Err(reject.into_error())
    }
}

/// Records of about 720 bytes, as sets with PhotoDNA have them.
fn vics(path: &Path, rows: u64) -> Outcome<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let model = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media";
    write!(out, "{{\"@odata.context\":\"{model}\",\"value\":[")?;
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for row in 0..rows {
        let mut noise = Noise(row);
        let hash: Vec<u8> = (0..192).map(|_| digits[noise.next() as usize % 64]).collect();
        let comma = if row == 0 { "" } else { ",\r\n" };
        write!(
            out,
            "{comma}{{\"odata.id\":\"Media({row})\",\"MediaID\":{row},\"Category\":null,\
             \"MD5\":\"{:016X}{:016X}\",\"SHA1\":\"{:016X}{:016X}{:08X}\",\"MediaSize\":{},\
             \"VictimIdentified\":\"false\",\"OffenderIdentified\":false,\"IsDistributed\":true,\
             \"Series\":\"series {}\",\"Tags\":\"\",\"Comments\":null,\
             \"DateUpdated\":\"2024-05-06T07:08:09.1234567+00:00\",\"MimeType\":\"image/jpeg\",\
             \"AlternativeHashes\":[{{\"HashName\":\"PhotoDNA\",\"HashValue\":\"{}\"}}],\
             \"MediaFiles\":[]}}",
            noise.next(),
            noise.next(),
            noise.next(),
            noise.next(),
            noise.next() >> 32,
            noise.next() >> 44,
            row % 1000,
            std::str::from_utf8(&hash)?
        )?;
    }
    out.write_all(b"]}")?;
    Ok(out.flush()?)
}

/// Rows of `NSRLFile.txt`.
fn nsrl(path: &Path, rows: u64) -> Outcome<()> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(
        b"\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"SpecialCode\"\r\n",
    )?;
    for row in 0..rows {
        let mut noise = Noise(row);
        write!(
            out,
            "\"{:016X}{:016X}{:08X}\",\"{:016X}{:016X}\",\"{:08X}\",\"file{row}.dll\",{},{},\"358\",\"\"\r\n",
            noise.next(),
            noise.next(),
            noise.next() >> 32,
            noise.next(),
            noise.next(),
            noise.next() >> 32,
            noise.next() >> 44,
            row % 9000
        )?;
    }
    Ok(out.flush()?)
}

/// SplitMix64.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z ^= z >> 27;
        z = z.wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// Processor time of this process, user and system, in seconds.
fn processor() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let behind = stat.rsplit(") ").next().unwrap_or_default();
    let times = behind.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(times.sum::<Result<f64, _>>()? / 100.0)
}

/// A line of the process's status, in KiB.
fn resident(name: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}
