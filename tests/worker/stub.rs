//! A decoder that does what its content says.

#![allow(clippy::exit, reason = "one of the things it is told to do")]

use std::hint::black_box;

use std::ops::ControlFlow;

use assay::bytes::ReadAt;
use assay::item::ObjectKind;
use assay::media::{Limits, MediaStatus};
use assay::unpack::{self, Child, Children, End, Format};
use assay::worker::{Decoders, PictureAnswer};

/// What a content of this beginning makes the worker do.
pub(crate) const ORDER: &str = "stub:";

/// The stub in the place of every decoder.
pub(crate) fn decoders() -> Decoders {
    Decoders { read_picture, expand }
}

/// Gives one child, then obeys an order inside a second one; opens everything else as what it is.
fn expand(format: Format, source: &dyn ReadAt, children: &mut dyn Children) -> End {
    let mut head = [0; 64];
    let n = source.fill_at(0, &mut head).unwrap_or(0);
    let text = std::str::from_utf8(&head[..n]);
    let Some(order) = text.ok().and_then(|text| text.strip_prefix(ORDER)) else {
        return unpack::expand(format, source, children);
    };
    let order = order.split('\0').next().unwrap_or_default();
    child(children, b"first", b"whole");
    match order {
        "children" => {
            for n in 0..1_000_u32 {
                child(children, &n.to_be_bytes(), b"x");
            }
        }
        "bytes" => {
            let _ = children.begin(&named(b"second"));
            while children.bytes(&[0; 100_000]).is_continue() {}
        }
        "requests" => {
            let _ = children.begin(&named(b"second"));
            while source.read_at(1, &mut [0]).is_ok() {}
        }
        "nested" => {
            let _ = children.begin(&named(b"outer"));
            let _ = children.begin(&named(b"inner"));
        }
        "unfinished" => {}
        "second" => child(children, b"second", &vec![7; 300_000]),
        order => {
            let _ = children.begin(&named(b"second"));
            let _ = children.bytes(b"some");
            let said = obey(order);
            let _ = children.bytes(said.as_bytes());
        }
    }
    match order {
        "unfinished" => drop(children.begin(&named(b"second"))),
        "children" => {}
        _ => drop(children.end(&End::Whole)),
    }
    End::Whole
}

fn named(name: &[u8]) -> Child {
    let kind = ObjectKind::ArchiveMember;
    Child { name: name.to_vec(), stated_size: Some(5), kind, modified: None }
}

fn child(children: &mut dyn Children, name: &[u8], bytes: &[u8]) {
    let _ = children.begin(&named(name));
    let _: ControlFlow<()> = children.bytes(bytes);
    let _ = children.end(&End::Whole);
}

/// Obeys an order; reads everything else as the picture it may be.
fn read_picture(bytes: &[u8], limits: &Limits) -> PictureAnswer {
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
