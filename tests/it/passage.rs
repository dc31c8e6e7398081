//! An image that is verified while its objects are read: the same tables and the same words as without
//! that, for the cost of one reading.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay::digest::{Algorithm, Hasher, Selection};
use assay::report::RunManifest;
use assay::scan::{Counters, Follow, Outcome, ScanPlan, VerifyImage};
use assay::sys::{Kernel, Seam};

use crate::image::acquire;
use crate::runs::{cells, plan, run, tables};
use crate::support::tool;
use crate::tree::Tree;

/// Bytes of the medium.
const SIZE: u64 = 48 << 20;

/// An ext4 medium of some 200 files that shrink by half or not at all, and its E01; `None` where a
/// tool for it is not installed.
fn image(tree: &Tree) -> Option<(PathBuf, PathBuf)> {
    let raw = tree.beside("disk.dd");
    fs::File::create(&raw).unwrap().set_len(SIZE).unwrap();
    let mut state = 1_u64;
    for n in 0..200_usize {
        let folder = tree.path().join(format!("{}", n % 7));
        fs::create_dir_all(&folder).unwrap();
        let noise = (0..20_000 + n * 1_500).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if n % 2 == 0 { state as u8 & 15 } else { state as u8 }
        });
        fs::write(folder.join(format!("{n}.bin")), noise.collect::<Vec<u8>>()).unwrap();
    }
    let (from, to) = (tree.path(), raw.clone());
    let arguments = ["-q", "-F", "-t", "ext4", "-d", from.to_str()?, to.to_str()?];
    let output = tool("mke2fs", &arguments)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packed = acquire(tree, &raw, "disk", "1400MiB")?;
    Some((raw, packed))
}

/// A plan of the image, and the seam that its files are read through.
fn planned(image: &Path, out: &Path, threads: usize, verify: VerifyImage) -> (ScanPlan, Arc<Seam>) {
    let seam = Arc::new(Seam::default());
    let kernel = Kernel::through(Arc::clone(&seam));
    let threads = NonZeroUsize::new(threads).unwrap();
    (ScanPlan { threads, verify_image: Some(verify), kernel, ..plan(image, out) }, seam)
}

fn digests(out: &Path) -> (String, std::collections::BTreeMap<String, String>) {
    let run = fs::read(out.join("run.json")).unwrap();
    let run: RunManifest = serde_json::from_slice(&run).unwrap();
    let source = run.sources.into_iter().next().unwrap();
    (source.verdict.to_string(), source.image_digests)
}

#[test]
fn an_image_that_is_verified_beside_the_scan_is_read_once_and_its_tables_are_the_same() {
    let tree = Tree::new();
    let Some((raw, image)) = image(&tree) else { return };
    let size = fs::metadata(&image).unwrap().len();
    let bytes = fs::read(&raw).unwrap();
    let mut expected = None;
    for (verify, all) in [
        (VerifyImage::Before, [2].as_slice()),
        (VerifyImage::Alongside, &[1, 2, 8]),
        (VerifyImage::Off, &[1, 8]),
    ] {
        for threads in all {
            let out = tree.beside(&format!("{verify}{threads}"));
            let (plan, seam) = planned(&image, &out, *threads, verify);
            assert_eq!(run(&plan).unwrap().outcome, Outcome::Complete);
            let found = tables(&out);
            assert!(*expected.get_or_insert_with(|| found.clone()) == found, "{verify} {threads}");
            if verify == VerifyImage::Off {
                continue;
            }
            let (verdict, digests) = digests(&out);
            assert_eq!(verdict, "match");
            for algorithm in [Algorithm::Md5, Algorithm::Sha1] {
                let mut hasher = Hasher::new(Selection::only(algorithm));
                hasher.update(&bytes);
                let digest = hasher.finish().get(algorithm).unwrap().to_string();
                assert_eq!(digests[&format!("computed_{algorithm}")], digest);
            }
            let read = seam.bytes.load(Ordering::Relaxed);
            // Twice and more, where nothing is kept.
            let once = verify == VerifyImage::Alongside;
            assert_eq!(read < size + size / 2, once, "{verify} {threads}: {read} of {size}");
        }
    }
}

#[test]
fn a_damaged_chunk_is_told_as_where_nothing_is_read_beside() {
    let tree = Tree::new();
    let Some((_, image)) = image(&tree) else { return };
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&image, bytes).unwrap();
    let mut expected = None;
    for (verify, threads) in [
        (VerifyImage::Before, 2),
        (VerifyImage::Alongside, 1),
        (VerifyImage::Alongside, 2),
        (VerifyImage::Alongside, 8),
    ] {
        let out = tree.beside(&format!("{verify}{threads}"));
        let (plan, _) = planned(&image, &out, threads, verify);
        assert_eq!(run(&plan).unwrap().outcome, Outcome::Incomplete);
        let found = (tables(&out), digests(&out));
        assert_eq!(found.1.0, "not_verified");
        assert!(*expected.get_or_insert_with(|| found.clone()) == found, "{verify} {threads}");
        let told = cells(&out, "exceptions.csv", ["object_path", "code", "detail"]);
        let told: Vec<_> = told.iter().filter(|[_, code, _]| code == "image_damaged").collect();
        assert!(told.len() >= 2 && told.iter().all(|row| row[2].contains("EWF chunk")), "{told:?}");
    }
}

#[test]
fn a_run_that_is_cancelled_waits_for_no_digest() {
    let tree = Tree::new();
    let Some((_, image)) = image(&tree) else { return };
    for (n, stop_after) in [1, 40, 150].into_iter().enumerate() {
        let out = tree.beside(&format!("out{n}"));
        let (mut plan, _) = planned(&image, &out, 2, VerifyImage::Alongside);
        let (counters, cancel) = (Counters::default(), Arc::new(AtomicBool::new(false)));
        let (mut count, mut stopped) = (0, None);
        let mut stop = |_: &assay::report::Record| {
            count += 1;
            if count == stop_after {
                cancel.store(true, Ordering::Relaxed);
                stopped = Some(Instant::now());
            }
            Ok(())
        };
        let follow = Follow { counters: &counters, cancel: &cancel, record: &mut stop };
        let summary = assay::scan::run(&plan, follow, None).unwrap();
        assert_eq!(summary.outcome, Outcome::Interrupted);
        assert!(stopped.unwrap().elapsed() < Duration::from_secs(5), "{stop_after}");
        plan.resume = true;
        assert_eq!(run(&plan).unwrap().outcome, Outcome::Complete);
        assert_eq!(digests(&out).0, "match");
    }
}
