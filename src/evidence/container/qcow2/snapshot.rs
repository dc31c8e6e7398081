//! The list of internal snapshots: other states of the medium, named and not examined.
//!
//! Source: QEMU, docs/interop/qcow2.txt, "Snapshots".

use super::header::Header;
use crate::bytes::{Block, ReadAt as _};
use crate::evidence::container::raw::ImageFile;

/// Snapshots that are named; all are counted.
const NAMED: u32 = 64;
/// Bytes of a name that are told.
const LONGEST: u64 = 255;
/// Bytes of an entry before its texts.
const FIXED: usize = 40;

/// What the list says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshots {
    /// Their names, or identifiers where they have none.
    pub(super) names: Vec<String>,
    /// How many also keep the machine's memory, of those that are named.
    pub(super) with_memory: u32,
    /// Why the list could not be read to the end.
    pub(super) broken: Option<String>,
}

/// Reads the list as far as it goes.
pub(super) fn read(file: &ImageFile, header: &Header) -> Snapshots {
    let mut found = Snapshots::default();
    let mut at = header.snapshots_offset;
    for number in 0..header.snapshots.min(NAMED) {
        match entry(file, at) {
            Some((name, memory, end)) => {
                found.names.push(name);
                found.with_memory = found.with_memory.saturating_add(u32::from(memory));
                at = end;
            }
            None => {
                let which = number.saturating_add(1);
                found.broken =
                    Some(format!("entry {which} of the list of snapshots, at byte {at}"));
                break;
            }
        }
    }
    found
}

/// The name of a snapshot, whether it has the machine's memory, and where its entry ends.
fn entry(file: &ImageFile, at: u64) -> Option<(String, bool, u64)> {
    let fixed = bytes(file, at, FIXED)?;
    let block = Block::new(&fixed, at);
    let id_len = u64::from(block.u16_be(12).ok()?);
    let name_len = u64::from(block.u16_be(14).ok()?);
    let memory = block.u32_be(32).ok()?;
    let extra = u64::from(block.u32_be(36).ok()?);
    let texts = at.checked_add(u64::try_from(FIXED).ok()?)?.checked_add(extra)?;
    let name_at = texts.checked_add(id_len)?;
    let end = name_at.checked_add(name_len)?.checked_next_multiple_of(8)?;
    let (from, len) = if name_len > 0 { (name_at, name_len) } else { (texts, id_len) };
    let text = bytes(file, from, usize::try_from(len.min(LONGEST)).ok()?)?;
    // A larger state of the machine is kept in the extra data of version 3.
    let larger = match extra {
        8.. => Block::new(&bytes(file, texts.checked_sub(extra)?, 8)?, 0).u64_be(0).ok()?,
        _ => 0,
    };
    Some((String::from_utf8_lossy(&text).into_owned(), memory > 0 || larger > 0, end))
}

fn bytes(file: &ImageFile, at: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    (file.fill_at(at, &mut bytes).ok()? == len).then_some(bytes)
}
