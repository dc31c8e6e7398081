//! VICS of any bytes: the same whatever the length of the blocks it comes in, and never fewer
//! records than another JSON reader finds.

#![no_main]

use assay::hashset::fuzzing;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(init: seed(), |bytes: &[u8]| {
    let Some((block, text)) = bytes.split_first() else { return };
    let Some(whole) = fuzzing::vics(text, usize::MAX) else { return };
    let Some(cut) = fuzzing::vics(text, usize::from(*block) + 1) else { return };
    assert_eq!(whole, cut);
    let counts = whole.counts;
    let sum = counts.accepted + counts.rejected + counts.rows_emptied + counts.duplicates;
    assert!(whole.error.is_some() || counts.rows_read <= sum, "{counts:?}");
    let utf16 = text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff");
    let case = text.windows(7).any(|word| word.eq_ignore_ascii_case(b"\"media\""));
    let key = text.windows(7).any(|word| word.eq_ignore_ascii_case(b"\"value\""));
    let plain = !text.contains(&b'\\') && whole.entries.iter().all(|(_, e)| !e.id.is_empty());
    if whole.error.is_none() && !utf16 && !case && plain && (key || text.contains(&b'[')) {
        let rows = whole.entries.iter().map(|(row, _)| *row).collect::<std::collections::BTreeSet<_>>();
        let emptied = counts.rows_emptied as usize;
        if let Some(records) = fuzzing::records_by_serde(text) {
            assert!(rows.len() + whole.rejects.len() + emptied >= records, "{counts:?}");
        }
    }
    // A series is met only behind a whole record with a digest.
    #[cfg(feature = "planted")]
    assert!(whole.entries.iter().all(|(_, e)| e.series.is_none()), "planted: a series");
});

/// Members that seeds do not have. Single bytes never become one, and a word put in anywhere is
/// damage nearly always.
const MEMBERS: [&str; 8] = [
    "\"Series\":\"a\",",
    "\"SHA-256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",",
    "\"MediaSize\":1,",
    "\"Category\":\"b\",",
    "\"VictimIdentified\":true,",
    "\"MediaFiles\":[{\"MD5\":\"fedcba9876543210fedcba9876543210\"}],",
    "\"x\":[{\"\\ud83d\\ude00\":-1.5e3},null],",
    "\"y\":\"\\\\\\\"\",",
];

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    put_member(data, size, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});

/// Puts a member where one may stand, every other time; the rest is left to the fuzzer.
fn put_member(data: &mut [u8], size: usize, seed: u32) -> Option<usize> {
    let mut seed = seed as usize;
    let mut pick = |of: usize| {
        let picked = seed % of.max(1);
        seed /= of.max(1);
        picked
    };
    if pick(2) == 0 {
        return None;
    }
    let member = MEMBERS[pick(MEMBERS.len())].as_bytes();
    let text = &data[..size];
    let places: Vec<usize> = (0..size).filter(|at| matches!(text[*at], b'{' | b',')).collect();
    let at = places.get(pick(places.len()))? + 1;
    let end = size + member.len();
    if end > data.len() {
        return None;
    }
    data.copy_within(at..size, at + member.len());
    data[at..at + member.len()].copy_from_slice(member);
    Some(end)
}

/// Writes a document of each form where run.sh looks for first inputs.
fn seed() {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let folder = std::path::Path::new(&folder);
    let model = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata";
    let md5 = "0123456789ABCDEF0123456789ABCDEF";
    let dna = "AQEB".repeat(48);
    let record = format!(
        "{{\"MediaID\":1,\"Category\":2,\"MD5\":\"{md5}\",\"SHA1\":\"{md5}01234567\",\"MediaSize\":\"3\",\
         \"VictimIdentified\":\"false\",\"AlternativeHashes\":[{{\"HashName\":\"PhotoDNA\",\
         \"HashValue\":\"{dna}\"}}],\"MediaFiles\":[{{\"MD5\":\"{md5}\",\"FileName\":\"a\\\"\"}}]}}"
    );
    let short = format!("{{\"md5\":\"{md5}\"}}");
    for (name, text) in [
        ("media", format!("{{\"@odata.context\":\"{model}#Media\",\"value\":[{record},\n{short}]}}")),
        ("cases", format!("{{\"value\":[{{\"CaseID\":1,\"Media\":[{record}]}}],\"odata.metadata\":\"{model}#Cases\"}}")),
        ("lines", format!("{short}\n{record}\n")),
        ("array", format!("[{short},{short}]")),
    ] {
        let _ = std::fs::write(folder.join(name), [b"\x20".as_slice(), text.as_bytes()].concat());
    }
}
