//! Archives and documents, made by Python's own writers, and films of boxes.

use super::*;
use std::process::Command;

/// What a line of Python writes to its standard output.
fn python(program: &str) -> Option<Vec<u8>> {
    let out = Command::new("python3").args(["-c", program]).output();
    let Ok(out) = out else {
        crate::support::skip("python3 is not installed");
        return None;
    };
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(out.stdout)
}

const ARCHIVES: [&str; 4] = [
    "with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a', bytes(90000)); z.writestr('b', r.randbytes(70000))",
    "with zipfile.ZipFile(b, 'w') as z:\n  with z.open('big', 'w', force_zip64=True) as f: f.write(r.randbytes(50000))\n  z.comment = b'a word'",
    "b = Pipe()\nwith zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a', r.randbytes(30000)); z.writestr('b', b'')",
    "with zipfile.ZipFile(b, 'w') as z: z.writestr('[Content_Types].xml', '<Types/>'); z.writestr('word/document.xml', 'x' * 9000)",
];

fn archive(program: &str) -> Option<Vec<u8>> {
    python(&format!(
        "import io, sys, zipfile, random\nr = random.Random(4)\nclass Pipe(io.RawIOBase):\n  def __init__(s): s.b = b''\n  def writable(s): return True\n  def write(s, d): s.b += bytes(d); return len(d)\n  def getvalue(s): return s.b\nb = io.BytesIO()\n{program}\nsys.stdout.buffer.write(b.getvalue())"
    ))
}

#[test]
fn archives_end_where_their_end_record_does() {
    for (number, program) in ARCHIVES.iter().enumerate() {
        let Some(file) = archive(program) else { return };
        let found = all(disk(&[&file, &Random(6).bytes(100)]));
        found.is_whole(&[&file]);
        let kind = if number == 3 { FileType::Docx } else { FileType::Zip };
        assert_eq!(found.carved[0].kind, kind);
        // Without the last byte of the directory's end there is no archive.
        assert_eq!(all(disk(&[&file[..file.len() - 30]])).list(), []);
    }
}

#[test]
fn an_archive_around_another_file_is_put_together() {
    let Some(file) = archive(ARCHIVES[0]) else { return };
    let other = jpeg(81, 80);
    let (head, tail) = file.split_at(4 * BLOCK);
    all(disk(&[head, &other, tail])).is_whole(&[&file, &other]);
}

/// A document with objects, a table and an end; then changed once, which adds another end.
fn document(changes: usize) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    for change in 0..=changes {
        let object = out.len();
        out.extend(format!("{} 0 obj\n<< /Length 5000 >>\nstream\n", change + 1).bytes());
        out.extend(Random(change as u64 + 3).bytes(5000));
        out.extend(b"\nendstream\nendobj\n");
        let table = out.len();
        out.extend(format!("xref\n0 1\n{object:010} 00000 n \ntrailer\n<< /Size 2 >>\n").bytes());
        out.extend(format!("startxref\n{table}\n%%EOF\n").bytes());
    }
    out
}

#[test]
fn a_document_ends_behind_its_last_end_that_fits() {
    for changes in [0, 1, 3] {
        let file = document(changes);
        all(disk(&[&file])).is_whole(&[&file]);
    }
    // What overwrote the last change is not part of it.
    let (whole, before) = (document(1), document(0));
    let cut = [&whole[..before.len() + 2000], &[0; 9000]].concat();
    all(disk(&[&cut])).is_whole(&[&before]);
    // An end whose table stands elsewhere belongs to another file.
    let mut moved = before.clone();
    moved.splice(9..9, [b' '; 700]);
    assert_eq!(all(disk(&[&moved])).list(), []);
}

fn film_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&len[..], name, content].concat()
}

#[test]
fn a_film_ends_behind_its_last_box() {
    let movie = film_box(b"moov", &film_box(b"mvhd", &[0; 100]));
    let data = film_box(b"mdat", &Random(5).bytes(60_000));
    let file = [film_box(b"ftyp", b"isom\0\0\x02\0isommp41"), data, movie].concat();
    all(disk(&[&file])).is_whole(&[&file]);
    assert_eq!(all(disk(&[&file[..40_000]])).list(), []);
    let other = jpeg(82, 80);
    let (head, tail) = file.split_at(5 * BLOCK);
    all(disk(&[head, &other, tail])).is_whole(&[&file, &other]);
}
