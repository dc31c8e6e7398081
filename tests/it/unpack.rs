//! Containers as `unpack` opens them, compared with the tools people use.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};

use assay::bytes::{ReadAt, Slice};
use assay::item::ObjectKind;
use assay::unpack::{Child, Children, End, Format, LONGEST_NAME, expand};

use crate::support;

/// Everything that came out.
#[derive(Default)]
struct Kept {
    children: Vec<(Child, Vec<u8>, End)>,
    open: bool,
}

impl Children for Kept {
    fn begin(&mut self, child: &Child) -> ControlFlow<()> {
        assert!(!std::mem::replace(&mut self.open, true));
        self.children.push((child.clone(), Vec::new(), End::Whole));
        ControlFlow::Continue(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        assert!(self.open && !bytes.is_empty());
        self.children.last_mut().unwrap().1.extend_from_slice(bytes);
        ControlFlow::Continue(())
    }

    fn end(&mut self, end: &End) -> ControlFlow<()> {
        assert!(std::mem::take(&mut self.open));
        self.children.last_mut().unwrap().2 = end.clone();
        ControlFlow::Continue(())
    }
}

/// The children of a gzip and its own end.
fn gunzip(bytes: &[u8]) -> (Vec<(Child, Vec<u8>, End)>, End) {
    let mut kept = Kept::default();
    let end = expand(Format::Gzip, &Slice(bytes), &mut kept);
    assert!(!kept.open, "every child ends");
    (kept.children, end)
}

/// What a program makes of its standard input, and whether it was content.
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> (Vec<u8>, bool) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    (output.stdout, output.status.success())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    piped("gzip", &["-nc"], content).0
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| b"an examiner reads what a person wrote; "[i * i / 7 % 39]).collect()
}

fn partial(what: &str) -> End {
    End::Partial(what.into())
}

#[test]
fn content_is_what_gzip_writes_whatever_the_members() {
    for lens in [&[0][..], &[1], &[70_000], &[5, 0, 200_000, 1]] {
        let contents: Vec<_> = lens.iter().map(|len| text(*len)).collect();
        let file: Vec<u8> = contents.iter().flat_map(|content| gzip(content)).collect();
        let (children, end) = gunzip(&file);
        assert_eq!((children.len(), end), (1, End::Whole));
        assert!(children[0].1 == contents.concat());
        assert!(children[0].1 == piped("gzip", &["-dc"], &file).0);
    }
}

#[test]
fn name_and_time_come_from_the_first_header() {
    let script = "import gzip,sys\n\
        out = sys.stdout.buffer\n\
        for name, time in ((b'holiday \\xff.jpg', 951782400), (b'other', 1)):\n\
        \x20f = gzip.GzipFile(filename=name, mode='wb', fileobj=out, mtime=time)\n\
        \x20f.write(b'content'); f.close()\n";
    let (file, good) = piped("python3", &["-c", script], b"");
    assert!(good);
    let (children, end) = gunzip(&file);
    let (child, content, _) = &children[0];
    assert_eq!((child.name.as_slice(), &end), (b"holiday \xff.jpg".as_slice(), &End::Whole));
    assert_eq!(child.modified.unwrap().to_string(), "2000-02-29T00:00:00Z");
    assert_eq!((child.kind, child.stated_size), (ObjectKind::ArchiveMember, None));
    assert_eq!(content, b"contentcontent");
    let (children, _) = gunzip(&gzip(b"x"));
    assert_eq!((children[0].0.name.as_slice(), children[0].0.modified), (b"".as_slice(), None));
}

/// A member with these flags, fields as they stand and "a" as content.
fn member(flags: u8, fields: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
    bytes.extend(fields);
    bytes.extend(b"\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0");
    bytes
}

#[test]
fn every_field_of_a_header_is_followed() {
    let crc = |mut bytes: Vec<u8>, fields: usize| {
        let header = bytes.len() - 11;
        let at = header - 2;
        let sum = crc32fast::hash(&bytes[..at]) as u16;
        bytes[at..header].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(fields, header - 10);
        bytes
    };
    let extra = b"\x05\0extra";
    let cases = [
        (member(1, b""), b"".as_slice()),
        (member(4, extra), b""),
        (member(8, b"name\0"), b"name"),
        (member(16, b"comment\0"), b""),
        (crc(member(2, b"??"), 2), b""),
        (crc(member(30, &[extra, b"name\0comment\0??".as_slice()].concat()), 22), b"name"),
    ];
    for (file, name) in cases {
        let (children, end) = gunzip(&file);
        assert_eq!((children[0].0.name.as_slice(), end), (name, End::Whole), "{file:02x?}");
        assert_eq!(children[0].1, b"a");
        assert_eq!(piped("gzip", &["-dc"], &file).0, b"a", "the member of this test is a good one");
    }
    let wrong = gunzip(&member(2, b"??"));
    assert_eq!((wrong.0.len(), wrong.1), (0, partial("checksum mismatch in the gzip header at 0")));
    let unknown = gunzip(&member(0x20, b""));
    assert_eq!((unknown.0.len(), unknown.1), (0, partial("unknown flags in the gzip header at 0")));
    let long = member(8, &[vec![b'n'; LONGEST_NAME + 1], vec![0]].concat());
    let (children, end) = gunzip(&long);
    assert_eq!(children[0].0.name.len(), LONGEST_NAME);
    assert_eq!(end, partial("a name of more than 4096 bytes"));
}

#[test]
fn what_follows_the_last_member_is_told() {
    let content = text(3_000);
    let file = gzip(&content);
    let after = |tail: &[u8]| {
        let (children, end) = gunzip(&[file.as_slice(), tail].concat());
        assert!(children[0].1 == content);
        (children[0].2.clone(), end)
    };
    let at = file.len();
    assert_eq!(after(&[0; 100_000]), (End::Whole, End::Whole));
    let told = |n: usize| partial(&format!("{n} bytes after the last member, at {at}"));
    assert_eq!(after(b"hidden"), (End::Whole, told(6)));
    assert_eq!(after(&[vec![0; 99_999], vec![1]].concat()), (End::Whole, told(100_000)));
    assert_eq!(after(&[0x1f]), (End::Whole, told(1)));
    let cut = partial(&format!("the content ends early at {}", at + 5));
    assert_eq!(after(&[0x1f, 0x8b, 8, 0, 0]), (cut.clone(), cut));
}

#[test]
fn one_changed_byte_never_gives_wrong_content_as_whole() {
    let content = text(400);
    let file = [gzip(&content), gzip(b"second")].concat();
    let truth = [content, b"second".to_vec()].concat();
    let mut whole = 0;
    for at in 0..file.len() {
        for change in [1, 0x80, 0xff] {
            let mut file = file.clone();
            file[at] ^= change;
            let (children, end) = gunzip(&file);
            if end == End::Whole {
                assert!(children[0].1 == truth, "byte {at} changed by {change:#x}");
                whole += 1;
            }
        }
    }
    // Time, level and system of either header, and the flag for text, change nothing.
    assert!((10..=50).contains(&whole), "{whole}");
}

#[test]
fn a_cut_gzip_gives_what_is_there_and_is_never_whole() {
    let content = text(2_000);
    let file = gzip(&content);
    for len in 0..file.len() {
        let (children, end) = gunzip(&file[..len]);
        assert!(!end.is_whole(), "cut at {len}");
        for (_, bytes, end) in children {
            assert!(content.starts_with(&bytes) && !end.is_whole());
        }
    }
}

#[test]
fn a_lying_length_is_found() {
    let mut file = gzip(b"abc");
    let at = file.len() - 4;
    file[at] = 4;
    let (children, end) = gunzip(&file);
    assert_eq!(children[0].1, b"abc");
    assert_eq!(end, partial("length mismatch in the member whose data start at 10"));
}

#[test]
fn a_receiver_that_breaks_off_is_given_nothing_more() {
    struct Once(u32);
    impl Children for Once {
        fn begin(&mut self, _: &Child) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
        fn bytes(&mut self, _: &[u8]) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Break(())
        }
        fn end(&mut self, _: &End) -> ControlFlow<()> {
            panic!("given after a break");
        }
    }
    let file = gzip(&text(1_000_000));
    let mut once = Once(0);
    assert!(!expand(Format::Gzip, &Slice(&file), &mut once).is_whole());
    assert_eq!(once.0, 1);
}

#[test]
fn a_stream_that_fails_to_read_is_told_with_its_place() {
    struct Bad(Vec<u8>);
    impl ReadAt for Bad {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
            if at > 0 {
                return Err(std::io::Error::other("this machine's text"));
            }
            self.0.as_slice().read_at(at, buf)
        }
    }
    let mut random = 2_463_534_242_u32;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random as u8
    };
    let noise: Vec<u8> = (0..200_000).map(|_| next()).collect();
    let mut kept = Kept::default();
    let end = expand(Format::Gzip, &Bad(gzip(&noise)), &mut kept);
    assert_eq!(end, partial("unreadable from 65536 on"));
    assert!(noise.starts_with(&kept.children[0].1) && !kept.children[0].1.is_empty());
}

#[test]
fn public_files_give_what_gzip_gives() {
    let Some(corpora) = std::env::var_os("ASSAY_CORPORA") else {
        return support::skip("ASSAY_CORPORA is not set");
    };
    for name in ["syslog.gz", "syslog.tgz", "corrupt1.gz"] {
        let file = std::fs::read(std::path::Path::new(&corpora).join("dfvfs").join(name)).unwrap();
        let (content, good) = piped("gzip", &["-dc"], &file);
        let (children, end) = gunzip(&file);
        assert_eq!(end.is_whole(), good, "{name}: {end:?}");
        let ours = children.first().map(|(_, bytes, _)| bytes.as_slice()).unwrap_or_default();
        assert!(ours.starts_with(&content) && (!good || ours == content), "{name}");
    }
}
