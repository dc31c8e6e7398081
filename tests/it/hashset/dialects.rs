//! Lists written in every way there is, cut and changed.

use super::{assert_no_value, md5s, options, pool, read};
use assay::digest::{Algorithm, Digest};
use assay::hashset::load;
use proptest::prelude::*;

/// How a list may be written.
#[derive(Debug, Clone, Copy)]
struct Dialect {
    format: usize,
    encoding: usize,
    end: &'static str,
    upper: bool,
    last_end: bool,
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let ends = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    (0_usize..8, 0_usize..4, ends, any::<bool>(), any::<bool>()).prop_map(
        |(format, encoding, end, upper, last_end)| Dialect {
            format,
            encoding,
            end,
            upper,
            last_end,
        },
    )
}

/// The list, and the number of its lines before the first row.
fn written(digests: &[[u8; 16]], dialect: Dialect) -> (Vec<u8>, u64) {
    let (header, row): (&[&str], fn(&str) -> String) = match dialect.format {
        0 => (&[], |hex| format!(" {hex}\t")),
        1 => (&["# a", ""], |hex| hex.to_owned()),
        2 => (&[], |hex| format!("{hex} *a, \u{e9}\u{1f600}")),
        3 => (&[], |hex| format!("MD5 (x) = y) = {hex}")),
        4 => (&["name,md5"], |hex| format!("\"a,\u{e9}\",{hex}")),
        5 => (&["MD5 hash;name;"], |hex| format!("\"{hex}\";\u{1f600};")),
        6 => (&["hash\tx"], |hex| format!("{hex}\t")),
        _ => (&["%%%% HASHDEEP-1.0", "%%%% size,md5,filename", "## c"], |hex| {
            format!("1,{hex},\"a,\u{20ac}")
        }),
    };
    let hex = |digest: &[u8; 16]| {
        let hex = Digest::new(digest).unwrap().to_string();
        row(&if dialect.upper { hex.to_uppercase() } else { hex })
    };
    let rows = header.iter().map(|line| (*line).to_owned()).chain(digests.iter().map(hex));
    let mut list = rows.collect::<Vec<_>>().join(dialect.end);
    list.extend(dialect.last_end.then_some(dialect.end));
    let utf16 = |bytes: fn(u16) -> [u8; 2]| {
        std::iter::once(0xfeff).chain(list.encode_utf16()).flat_map(bytes).collect()
    };
    let list = match dialect.encoding {
        0 => list.clone().into_bytes(),
        1 => format!("\u{feff}{list}").into_bytes(),
        2 => utf16(u16::to_le_bytes),
        _ => utf16(u16::to_be_bytes),
    };
    (list, header.len() as u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_dialect_gives_the_same_entries(
        digests in proptest::collection::hash_set(1_u128.., 1..20),
        dialect in dialects(),
    ) {
        let digests: Vec<[u8; 16]> = digests.into_iter().map(u128::to_be_bytes).collect();
        let (list, before) = written(&digests, dialect);
        let set = read(list).unwrap();
        let got: Vec<_> = set.entries.iter().map(|e| e.digests.get(Algorithm::Md5)).collect();
        prop_assert_eq!(got, digests.iter().map(|d| Digest::new(d)).collect::<Vec<_>>());
        let lines = (before + 1..).map(|line| format!("line:{line}").into_boxed_str());
        let ids: Vec<_> = set.entries.into_iter().map(|e| e.id).collect();
        prop_assert_eq!(ids, lines.take(digests.len()).collect::<Vec<_>>());
    }

    /// The `csv` package writes, with quotes where RFC 4180 needs them.
    #[test]
    fn quoted_cells_are_read_as_another_writer_means_them(
        series in proptest::collection::vec("[a-z\",;\t |\n\u{e9}]{0,12}", 1..20),
        delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
    ) {
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        writer.write_record(["md5", "series", "size"]).unwrap();
        for (n, series) in (1_u128..).zip(&series) {
            writer.write_record([&format!("{n:032x}"), series, &n.to_string()]).unwrap();
        }
        let set = read(writer.into_inner().unwrap()).unwrap();
        let got: Vec<_> = set.entries.iter().map(|e| e.series.as_deref().unwrap_or("")).collect();
        let want: Vec<_> = series.iter().map(|text| text.trim_ascii()).collect();
        prop_assert_eq!(got, want);
        prop_assert!((1..).zip(&set.entries).all(|(n, entry)| entry.size == Some(n)));
    }
}

/// Good lists, one of each format.
fn samples() -> Vec<Vec<u8>> {
    let digests: Vec<[u8; 16]> = (1..6_u8).map(|n| [n.wrapping_mul(37); 16]).collect();
    let dialect = |format, encoding, end| Dialect {
        format,
        encoding,
        end,
        upper: format % 2 == 0,
        last_end: true,
    };
    let plain = (0..8).map(|format| written(&digests, dialect(format, 0, "\n")).0);
    let utf16 = (0..8).map(|format| written(&digests, dialect(format, 2, "\r\n")).0);
    plain.chain(utf16).collect()
}

#[test]
fn a_list_cut_anywhere_gives_its_first_entries_or_an_error() {
    for list in samples() {
        let whole = md5s(&read(&list).unwrap());
        for end in 0..list.len() {
            if let Ok(part) = read(&list[..end]) {
                let part = md5s(&part);
                assert!(!part.is_empty() && whole.starts_with(&part), "{end}");
            }
        }
    }
}

#[test]
fn a_changed_list_never_panics_and_never_shows_a_value() {
    let samples = samples();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list");
    let mut refused = 0;
    for _ in 0..10_000 {
        let mut list = samples[random(samples.len())].clone();
        for _ in 0..=random(3) {
            let at = random(list.len());
            match random(4) {
                0 => list[at] = random(256) as u8,
                1 => list[at] = b"\",;\n\r\t #%(\\0"[random(12)],
                2 => drop(list.drain(at..(at + random(40)).min(list.len() - 1).max(at))),
                _ => list.insert(at, b"\"\n,0"[random(4)]),
            }
        }
        std::fs::write(&path, &list).unwrap();
        match load(&options(&path), pool()) {
            Ok(set) => assert!(!set.entries.is_empty()),
            Err(error) => {
                refused += 1;
                let utf8: Vec<u8> = list.iter().copied().filter(|byte| *byte != 0).collect();
                assert_no_value(&error, &utf8);
            }
        }
    }
    assert!(refused > 3_000, "{refused}");
}
