//! The public hostile pictures: through the pool as in process, nothing lost, memory stated.

use assay::media::{Limits, MediaStatus};
use assay::worker::Pool;

use super::Test;
use super::pool::product;

pub(crate) const TESTS: &[Test] = &[("hostile_pictures_give_the_same_answers", hostile)];

fn hostile() {
    let Some(corpora) = std::env::var_os("ASSAY_CORPORA") else {
        println!("skipped: ASSAY_CORPORA is not set");
        return;
    };
    let mut files: Vec<_> =
        std::fs::read_dir(std::path::Path::new(&corpora).join("hostile-images"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
    files.sort();
    std::panic::set_hook(Box::new(|_| {}));
    let options = product(2);
    let expected: Vec<_> =
        files.iter().map(|file| in_process(file, &options.large_limits)).collect();
    let _ = std::panic::take_hook();
    let pool = Pool::start(options).unwrap();
    let begun = std::time::Instant::now();
    for (file, expected) in files.iter().zip(&expected) {
        let answer = pool.read_picture(&std::fs::read(file).unwrap());
        assert_eq!(answer, *expected, "{}", file.display());
    }
    let worker = pool.idle().into_iter().map(|pid| peak(&pid.to_string())).max();
    println!(
        "{} pictures in {:.2} s, {:?}, peak of a worker {} kB, of this process (which decoded \
         them too) {} kB",
        files.len(),
        begun.elapsed().as_secs_f64(),
        pool.counts(),
        worker.unwrap_or(0),
        peak("self"),
    );
    assert!(files.len() >= 100);
    assert_eq!(pool.counts().not_started, 0);
}

fn in_process(file: &std::path::Path, large: &Limits) -> assay::worker::PictureAnswer {
    let bytes = std::fs::read(file).unwrap();
    let answer = assay::worker::read_picture(&bytes, &Limits::default());
    match answer.status {
        MediaStatus::Memory => assay::worker::read_picture(&bytes, large),
        _ => answer,
    }
}

/// Most memory a process held, in kB.
fn peak(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
