//! Rock Ridge: POSIX names, modes, links and times in the system use fields of records.
//!
//! Source: IEEE P1281 (SUSP 1.12) and P1282 (RRIP 1.12) drafts.

use std::collections::HashSet;

use super::record::{long_time, short_time};
use crate::bytes::{Block, ReadAt};
use crate::item::Times;

/// Most areas that one record may go on to.
const MOST_AREAS: usize = 64;

/// What the entries of a record say.
#[derive(Debug, Clone, Default)]
pub(super) struct Extra {
    pub(super) name: Option<Vec<u8>>,
    /// Mode, links, user, group.
    pub(super) posix: Option<(u32, u32, u32, u32)>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) times: Times,
    /// The directory that this record stands for lies in this block.
    pub(super) child: Option<u32>,
    /// This directory is listed where it was moved to.
    pub(super) is_moved: bool,
    /// Its content is compressed (zisofs).
    pub(super) is_compressed: bool,
    /// Its areas lead in circles or out of the volume.
    pub(super) is_damaged: bool,
    /// Where its entries go on: byte of the volume and length.
    pub(super) areas: Vec<(u64, u32)>,
    parts: Parts,
}

#[derive(Debug, Clone, Default)]
struct Parts {
    name_goes_on: bool,
    component_goes_on: bool,
}

/// How many bytes of each system use field to pass over; `None` without SUSP. Given the field of
/// the root's record of itself.
pub(super) fn skip(system: &[u8]) -> Option<usize> {
    let block = Block::new(system, 0);
    let is_sp = block.array(0) == Ok(*b"SP") && block.array(4) == Ok([0xBE, 0xEF]);
    is_sp.then(|| block.u8(6).map_or(0, usize::from))
}

/// Reads all entries of a record. `block_size`: bytes of a logical block.
pub(super) fn read(volume: &dyn ReadAt, block_size: u64, system: &[u8], skip: usize) -> Extra {
    let mut extra = Extra::default();
    let mut area = system.get(skip..).unwrap_or_default().to_vec();
    let mut seen = HashSet::new();
    for _ in 0..MOST_AREAS {
        let Some((at, len)) = entries(&area, block_size, &mut extra) else { return extra };
        let mut next = vec![0; usize::try_from(len.min(1 << 16)).unwrap_or(0)];
        let got = volume.fill_at(at, &mut next).unwrap_or(0);
        if !seen.insert(at) || got < next.len() {
            break;
        }
        extra.areas.push((at, len));
        area = next;
    }
    extra.is_damaged = true;
    extra
}

/// Takes in one area; gives place and length of the one it goes on to.
fn entries(area: &[u8], block_size: u64, extra: &mut Extra) -> Option<(u64, u32)> {
    let mut next = None;
    let mut rest = area;
    while let [a, b, len, _, ..] = rest {
        let Some((entry, after)) = rest.split_at_checked((*len).into()).filter(|_| *len >= 4)
        else {
            break;
        };
        let block = Block::new(entry, 0);
        match &[*a, *b] {
            b"ST" => break,
            b"CE" => next = more(&block, block_size),
            b"NM" => name(entry, extra),
            b"PX" => extra.posix = posix(&block),
            b"SL" => link(entry, extra),
            b"TF" => extra.times = times(entry).unwrap_or(extra.times),
            b"CL" => extra.child = block.u32_le(4).ok(),
            b"RE" => extra.is_moved = true,
            b"ZF" => extra.is_compressed = true,
            _ => {}
        }
        rest = after;
    }
    next
}

fn more(block: &Block<'_>, block_size: u64) -> Option<(u64, u32)> {
    let start = u64::from(block.u32_le(4).ok()?).checked_mul(block_size)?;
    Some((start.checked_add(block.u32_le(12).ok()?.into())?, block.u32_le(20).ok()?))
}

fn posix(block: &Block<'_>) -> Option<(u32, u32, u32, u32)> {
    let field = |at| block.u32_le(at).ok();
    Some((field(4)?, field(12)?, field(20)?, field(28)?))
}

fn name(entry: &[u8], extra: &mut Extra) {
    let [_, _, _, _, flags, text @ ..] = entry else { return };
    let whole = extra.name.get_or_insert_default();
    if !extra.parts.name_goes_on {
        whole.clear();
    }
    match flags & 6 {
        2 => whole.push(b'.'),
        4 => whole.extend_from_slice(b".."),
        _ => whole.extend_from_slice(text),
    }
    extra.parts.name_goes_on = flags & 1 != 0;
}

fn link(entry: &[u8], extra: &mut Extra) {
    let [_, _, _, _, _, components @ ..] = entry else { return };
    let target = extra.target.get_or_insert_default();
    let mut rest = components;
    while let [flags, len, after @ ..] = rest {
        let Some((text, after)) = after.split_at_checked((*len).into()) else { break };
        let joins = extra.parts.component_goes_on || target.is_empty() || target == b"/";
        if !joins {
            target.push(b'/');
        }
        match flags & 0xE {
            2 => target.push(b'.'),
            4 => target.extend_from_slice(b".."),
            8 => target.push(b'/'),
            _ => target.extend_from_slice(text),
        }
        extra.parts.component_goes_on = flags & 1 != 0;
        rest = after;
    }
}

fn times(entry: &[u8]) -> Option<Times> {
    let [_, _, _, _, flags, rest @ ..] = entry else { return None };
    let (is_long, mut rest) = (flags & 0x80 != 0, rest);
    let mut stamps = [None; 4]; // created, modified, accessed, changed
    for (stamp, bit) in stamps.iter_mut().zip(0..4) {
        if flags >> bit & 1 == 0 {
            continue;
        }
        if is_long {
            let (bytes, after) = rest.split_first_chunk::<17>()?;
            (*stamp, rest) = (long_time(bytes), after);
        } else {
            let (bytes, after) = rest.split_first_chunk::<7>()?;
            (*stamp, rest) = (short_time(bytes), after);
        }
    }
    let [created, modified, accessed, changed] = stamps;
    Some(Times { created, modified, accessed, changed, ..Times::default() })
}
