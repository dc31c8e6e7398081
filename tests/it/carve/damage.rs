//! Hostile and damaged space: mutations, prefixes, false beginnings without end, bad sectors.

use super::*;
use assay::bytes::Unreadable;
use assay::problem::Code;

#[test]
fn nothing_panics_on_mutations_and_every_find_lies_in_the_volume() {
    let files = [
        jpeg(61, 40),
        golden("progressive.jpg"),
        golden("restarts.jpg"),
        encoded(62, ImageFormat::Gif),
        encoded(63, ImageFormat::Png),
        encoded(64, ImageFormat::Tiff),
        encoded(65, ImageFormat::WebP),
    ];
    let mut random = Random(17);
    for file in &files {
        for _ in 0..40 {
            let mut bytes = file[..file.len().min(60_000)].to_vec();
            for _ in 0..=random.next() % 4 {
                let at = random.next() as usize % bytes.len().min(1 << (random.next() % 16 + 1));
                bytes[at] = random.next() as u8;
            }
            let len = bytes.len() as u64;
            let found = carved(bytes, vec![(0, len)], 512);
            for one in &found.carved {
                assert_eq!(found.bytes(one).len() as u64, one.len);
            }
        }
    }
}

#[test]
fn no_prefix_panics() {
    for file in [golden("tiny.jpg"), encoded(66, ImageFormat::Gif)] {
        for end in (0..file.len().min(3000)).chain([file.len()]) {
            let found = carved(file[..end].to_vec(), vec![(0, end as u64)], 512);
            assert_eq!(
                found.carved.iter().filter(|one| one.validated).count(),
                usize::from(end == file.len())
            );
        }
    }
}

#[test]
fn a_volume_of_false_beginnings_ends_and_says_what_it_left_out() {
    let header = golden("progressive.jpg");
    let scan = header.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    // Each is a whole header, and its data are all headers behind it.
    let disk = header[..scan + 2].repeat(24 * 1024 * 1024 / scan);
    let len = disk.len() as u64;
    let found = carved(disk, vec![(0, len)], 512);
    assert_eq!(found.list(), []);
    assert!(found.summary.candidates > 1000);
    let marks = b"%PDF-1.4 PK\x03\x04GIF89a\xff\xd8\xff\xe0RIFFxxxxWEBP".repeat(200_000);
    let len = marks.len() as u64;
    let found = carved(marks, vec![(0, len)], 512);
    assert_eq!(found.list(), []);
}

#[test]
fn bytes_that_cannot_be_read_are_passed_over_and_counted() {
    struct Torn(Vec<u8>);
    impl ReadAt for Torn {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
            let range = 16 * BLOCK as u64..16 * BLOCK as u64 + 1024;
            if range.contains(&at) {
                let detail = String::new();
                return Err(Unreadable { range, code: Code::IoError, detail }.into_error());
            }
            let most = if at < range.start { (range.start - at) as usize } else { buf.len() };
            let n = most.min(buf.len());
            self.0.as_slice().read_at(at, &mut buf[..n])
        }
    }
    let (first, second) = (encoded(67, ImageFormat::Jpeg), encoded(68, ImageFormat::Jpeg));
    let bytes = disk(&[&first[..BLOCK.min(first.len())], &vec![0; 9 * BLOCK], &second]);
    let volume: Arc<dyn ReadAt> = Arc::new(Torn(bytes.clone()));
    let space = Space { runs: vec![(0, bytes.len() as u64)], block: BLOCK as u64 };
    let mut found = Vec::new();
    let summary = carve(&volume, &space, &AtomicBool::new(false), &mut |one| {
        found.push(one);
        ControlFlow::Continue(())
    });
    assert_eq!(summary.bytes_unreadable, 1024);
    assert_eq!(summary.bytes_searched, bytes.len() as u64 - 1024);
    assert_eq!(found.last().map(|one| one.len), Some(second.len() as u64));
}

#[test]
fn a_receiver_or_an_examiner_can_stop_it() {
    let file = encoded(69, ImageFormat::Jpeg);
    let bytes: Arc<[u8]> = disk(&[&file, &file, &file]).into();
    let space = Space { runs: vec![(0, ReadAt::len(&*bytes))], block: BLOCK as u64 };
    let volume: Arc<dyn ReadAt> = Arc::new(bytes);
    let mut given = 0;
    let summary = carve(&volume, &space, &AtomicBool::new(false), &mut |_| {
        given += 1;
        ControlFlow::Break(())
    });
    assert!(summary.stopped && given == 1);
    let summary = carve(&volume, &space, &AtomicBool::new(true), &mut |_| panic!("cancelled"));
    assert!(summary.stopped);
}
