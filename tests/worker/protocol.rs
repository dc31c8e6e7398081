//! A worker of the product, spoken to by somebody who does not keep to the protocol.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Test;

pub(crate) const TESTS: &[Test] = &[
    ("called_by_a_person_it_ends_at_once", called_by_a_person_it_ends_at_once),
    ("it_is_no_option_of_the_command_line", it_is_no_option_of_the_command_line),
    ("broken_frames_end_the_worker_and_nothing_else", broken_frames),
];

fn start() -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let own = std::process::id().to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args([assay::worker::ARGUMENT, "ordinary", "536870912", &own])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, ours)
}

/// Reads the frame that says the worker is ready.
fn ready(mut socket: &UnixStream) {
    let mut len = [0; 4];
    socket.read_exact(&mut len).unwrap();
    let mut frame = vec![0; u32::from_le_bytes(len) as usize];
    socket.read_exact(&mut frame).unwrap();
}

/// A request for 4 bytes of inline content, as postcard writes it: number 7, ordinary profile,
/// DecodePicture with three limits, Inline(4). With its length in front and the content behind.
fn request() -> Vec<u8> {
    let mut frame = vec![7, 0, 0];
    frame.extend([0x80, 0xad, 0xe2, 0x04]); // 10 million pixels
    frame.extend([0xff, 0xff, 0x03]); // side 65,535
    frame.extend([0x80, 0x80, 0x80, 0x20]); // 64 MiB
    frame.extend([0, 4]);
    let mut bytes = (frame.len() as u32).to_le_bytes().to_vec();
    bytes.extend(frame);
    bytes.extend(b"none");
    bytes
}

fn called_by_a_person_it_ends_at_once() {
    for arguments in [&[][..], &["ordinary"], &["ordinary", "1", "x"], &["ordinary", "99", "1"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_assay"))
            .arg(assay::worker::ARGUMENT)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

fn it_is_no_option_of_the_command_line() {
    let help = Command::new(env!("CARGO_BIN_EXE_assay")).arg("--help").output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("worker"));
    let later = Command::new(env!("CARGO_BIN_EXE_assay"))
        .args(["scan", assay::worker::ARGUMENT])
        .output()
        .unwrap();
    assert_eq!(later.status.code(), Some(2));
}

fn broken_frames() {
    let (mut child, mut socket) = start();
    ready(&socket);
    socket.write_all(&request()).unwrap();
    ready(&socket); // the request written by hand is a good one: there is an answer
    drop(socket);
    assert_eq!(child.wait().unwrap().code(), Some(0), "the end of the stream is no error");

    let mut random = 2_463_534_242_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random
    };
    let (mut refused, mut answered) = (0, 0);
    for _ in 0..2_000 {
        let mut bytes = request();
        for _ in 0..=next() % 4 {
            let at = next() as usize % bytes.len();
            bytes[at] = next() as u8;
        }
        bytes.truncate(bytes.len() - (next() % 3) as usize * (next() % 5) as usize);
        let (mut child, mut socket) = start();
        ready(&socket);
        let _ = socket.write_all(&bytes);
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).or_else(gone).unwrap();
        assert!(answer.len() < 1_000);
        match child.wait().unwrap().code() {
            Some(0) => answered += 1,
            Some(2) => refused += 1,
            other => panic!("{other:?} after {bytes:02x?}"),
        }
    }
    println!("2,000 mutated requests: {refused} refused, {answered} answered");
    assert!(refused > 500);
}

/// A socket whose other end went away with bytes unread.
fn gone(error: std::io::Error) -> std::io::Result<usize> {
    match error.kind() {
        std::io::ErrorKind::ConnectionReset => Ok(0),
        _ => Err(error),
    }
}
