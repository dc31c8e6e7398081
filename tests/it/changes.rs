//! Every single-byte change, and every deleted, doubled, swapped or truncated line, of the files of
//! a report.

use assay::report::verify::{Source, VerifyOptions, verify_source};

const VALUES: [fn(u8) -> u8; 5] =
    [|byte| byte ^ 1, |byte| byte ^ 0x20, |byte| byte ^ 0x80, |_| 0, |_| b'\n'];

/// One changed file of the report, and the line the change begins at (0 is the first).
pub(crate) struct Change {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    line: u64,
    what: String,
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

fn line_of(bytes: &[u8], at: usize) -> u64 {
    u64::try_from(bytes[..at].iter().filter(|byte| **byte == b'\n').count()).unwrap()
}

pub(crate) fn changes(name: &str, bytes: &[u8]) -> Vec<Change> {
    let mut all = Vec::new();
    let mut push =
        |bytes, line, what| all.push(Change { name: name.to_owned(), bytes, line, what });
    for at in 0..bytes.len() {
        for value in VALUES {
            let mut changed = bytes.to_vec();
            changed[at] = value(bytes[at]);
            if changed != bytes {
                push(changed, line_of(bytes, at), format!("byte {at}"));
            }
        }
        push(bytes[..at].to_vec(), line_of(bytes, at), format!("cut at {at}"));
    }
    let split = lines(bytes);
    for at in 0..split.len() {
        let line = u64::try_from(at).unwrap();
        let without: Vec<_> = split.iter().enumerate().filter(|(n, _)| *n != at).collect();
        push(without.iter().flat_map(|(_, l)| l.to_vec()).collect(), line, format!("no line {at}"));
        let twice = [&split[..=at], &split[at..]].concat().concat();
        push(twice, line + 1, format!("line {at} twice"));
        if at + 1 < split.len() && split[at] != split[at + 1] {
            let mut swapped = split.clone();
            swapped.swap(at, at + 1);
            push(swapped.concat(), line, format!("lines {at} and {} swapped", at + 1));
        }
    }
    all
}

/// Verifies a report with a change in it; gives what is wrong with the answer. For a table the
/// first difference of the changed file must be the row that was changed.
pub(crate) fn judge(
    changed: &impl Source,
    options: &VerifyOptions,
    change: &Change,
) -> Option<String> {
    let answer = verify_source(changed, options).unwrap();
    let of_file = answer.differences.iter().find(|d| d.file == change.name);
    let right = match of_file {
        None => false,
        Some(first) if change.name.ends_with(".csv") => first.record == Some(change.line),
        Some(_) => true,
    };
    let Change { name, what, line, .. } = change;
    (!right).then(|| format!("{name}, {what}, line {line}: {of_file:?}"))
}
