//! A decoder that does what its content says.

#![allow(clippy::exit, reason = "one of the things it is told to do")]

use std::hint::black_box;

use assay::media::{Limits, MediaStatus};
use assay::worker::PictureAnswer;

/// What a content of this beginning makes the worker do.
pub(crate) const ORDER: &str = "stub:";

/// Obeys an order; reads everything else as the picture it may be.
pub(crate) fn read_picture(bytes: &[u8], limits: &Limits) -> PictureAnswer {
    let text = std::str::from_utf8(bytes.get(..64.min(bytes.len())).unwrap_or_default());
    match text.ok().and_then(|text| text.strip_prefix(ORDER)) {
        Some(order) => said(&obey(order.split('\0').next().unwrap_or_default())),
        None => assay::worker::read_picture(bytes, limits),
    }
}

fn said(detail: &str) -> PictureAnswer {
    PictureAnswer {
        status: MediaStatus::Unsupported,
        detail: detail.to_owned(),
        width: 0,
        height: 0,
        hashes: None,
    }
}

fn obey(order: &str) -> String {
    match order {
        "panic" => {
            let caught = std::panic::catch_unwind(|| panic!("as ordered"));
            format!("caught {}", caught.is_err())
        }
        "uncaught" => panic!("as ordered"),
        "abort" => std::process::abort(),
        "overflow" => overflow(1).to_string(),
        "loop" => endless(),
        "sleep" => loop {
            std::thread::sleep(std::time::Duration::from_secs(3_600));
        },
        "allocate" => allocate(),
        "garbage" => {
            raw_write(&[0xff; 64]);
            "wrote".into()
        }
        "two-answers" => {
            // A frame of the right form with another object's number, before the true answer.
            raw_write(&[7, 0, 0, 0, 1, 99, 3, 0, 0, 0, 0]);
            "wrote".into()
        }
        "half-a-frame" => {
            raw_write(&[200, 0, 0, 0, 1]);
            std::process::exit(0)
        }
        "exit" => std::process::exit(0),
        "control" => "line\nbreak".into(),
        "open" => outcome(std::fs::File::open("/etc/passwd").map(|_| ())),
        "open-proc" => outcome(std::fs::read("/proc/self/environ").map(|_| ())),
        "create" => outcome(std::fs::write("/tmp/assay-worker-was-here", b"x")),
        "list" => outcome(std::fs::read_dir("/").map(|_| ())),
        "unlink" => outcome(std::fs::remove_file("/tmp/assay-worker-no-such-file")),
        "thread" => outcome(std::thread::Builder::new().spawn(|| {}).map(|_| ())),
        "execve" => {
            use std::os::unix::process::CommandExt as _;
            outcome(Err(std::process::Command::new("/bin/true").exec()))
        }
        "fork" => outcome(std::process::Command::new("/bin/true").status().map(|_| ())),
        "socket" => outcome(std::net::TcpStream::connect("127.0.0.1:9").map(|_| ())),
        "unix-socket" => outcome(std::os::unix::net::UnixDatagram::unbound().map(|_| ())),
        "kill" => {
            let own = rustix::process::getpid();
            outcome(rustix::process::kill_process(own, rustix::process::Signal::CONT))
        }
        "raise-limit" => {
            let limit = rustix::process::Rlimit { current: Some(1 << 40), maximum: Some(1 << 40) };
            outcome(rustix::process::setrlimit(rustix::process::Resource::As, limit))
        }
        "executable-memory" => outcome(executable()),
        "environment" => format!("{} variables", std::env::vars_os().count()),
        other => match other.strip_prefix("mutated:").and_then(|words| words.split_once(':')) {
            Some((seed, number)) => mutated(seed.parse().unwrap(), number.parse().unwrap()),
            None => format!("no such order {other}"),
        },
    }
}

/// What a call that should be refused gave.
fn outcome<E: std::fmt::Debug + Into<std::io::Error>>(result: Result<(), E>) -> String {
    match result {
        Ok(()) => "done".into(),
        Err(error) => format!("refused {:?}", error.into().kind()),
    }
}

fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 512]);
    if frame[0] == u64::MAX {
        return 0;
    }
    black_box(overflow(frame[0] + 1) + frame[511])
}

fn endless() -> String {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn allocate() -> String {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(black_box(vec![1; 1 << 20]));
    }
}

/// Writes a reply of the right form, some bytes of it changed, and is done.
fn mutated(seed: u32, number: u16) -> ! {
    let mut random = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random
    };
    // Length; Picture, the number as postcard writes 14 bits, status 3, detail of 4 bytes, width,
    // height, no hashes.
    let mut bytes = b"\x0c\0\0\0\x01nn\x03\x04text\x05\x06\0".to_vec();
    (bytes[5], bytes[6]) = (number as u8 | 0x80, (number >> 7) as u8);
    for _ in 0..=next() % 3 {
        let at = next() as usize % bytes.len();
        bytes[at] = next() as u8;
    }
    raw_write(&bytes);
    std::process::exit(0)
}

fn raw_write(bytes: &[u8]) {
    let _ = rustix::io::write(std::io::stdin(), bytes);
}

#[allow(unsafe_code, reason = "asks for executable memory, which has no safe wrapper")]
fn executable() -> rustix::io::Result<()> {
    use rustix::mm::{MapFlags, ProtFlags};
    let protection = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: a new anonymous mapping at an address the kernel picks; nothing refers to it.
    unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), 4096, protection, MapFlags::PRIVATE) }
        .map(|_| ())
}
