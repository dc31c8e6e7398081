//! Entry sets of folders: a file entry, a stream entry and the entries of the name.
//!
//! A deleted set has the in-use bit of each entry's type cleared and is otherwise as it was, so its
//! check sum still tells whether its entries belong together. Nothing of a set is trusted.
//!
//! Source: Microsoft, "exFAT file system specification", sections 6.3 "Generic primary
//! DirectoryEntry template", 7.4 "File", 7.6 "Stream Extension" and 7.7 "File Name".

use crate::bytes::{Block, Truncated};
use crate::item::{TimeSource, Times, Timestamp, escape};

/// Bytes of an entry.
pub(super) const ENTRY: usize = 32;

/// The bit of a type that says that the entry is in use.
pub(super) const IN_USE: u8 = 0x80;

/// Types without that bit.
pub(super) const FILE: u8 = 0x05;
const STREAM: u8 = 0x40;
const NAME: u8 = 0x41;
const VENDOR_ALLOCATION: u8 = 0x61;

/// True for the type of an entry that follows a primary one.
pub(super) const fn is_secondary(kind: u8) -> bool {
    kind & 0x40 != 0
}

/// Clusters as an entry states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// True where the clusters follow each other and the FAT does not count.
    pub(super) contiguous: bool,
    pub(super) first: u32,
    pub(super) len: u64,
    /// Bytes that were ever written; what follows reads as zeros.
    pub(super) valid: u64,
}

/// A file or folder as its entries state it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntrySet {
    /// Byte of the volume of the first entry.
    pub(super) at: u64,
    /// True where the in-use bit of its first entry is set.
    pub(super) in_use: bool,
    /// True where all entries that the first one announces are there.
    pub(super) complete: bool,
    /// True where the check sum holds, the in-use bits taken as set.
    pub(super) sum_holds: bool,
    pub(super) attributes: u16,
    pub(super) times: Times,
    pub(super) time_source: TimeSource,
    /// True where a time has fields that no time has.
    pub(super) odd_time: bool,
    pub(super) stream: Option<Stream>,
    pub(super) name: Vec<u8>,
    /// True where the name has as many units as the stream entry says.
    pub(super) name_complete: bool,
    /// Clusters of a vendor's own entries.
    pub(super) vendor: Vec<Stream>,
}

impl EntrySet {
    pub(super) const fn is_folder(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Attributes as letters in fixed places: read-only, hidden, system, folder, archive.
    pub(super) fn letters(&self) -> String {
        [(0x01, 'r'), (0x02, 'h'), (0x04, 's'), (0x10, 'd'), (0x20, 'a')]
            .into_iter()
            .map(|(bit, letter)| if self.attributes & bit != 0 { letter } else { '-' })
            .collect()
    }
}

/// The set whose entries are `entries`, the first of which stands at byte `at` and is a file entry.
pub(super) fn parse(entries: &[[u8; ENTRY]], at: u64) -> Result<EntrySet, Truncated> {
    let first = entries.first().copied().unwrap_or_default();
    let head = Block::new(&first, at);
    let (times, time_source, odd_time) = times(&head)?;
    let mut set = EntrySet {
        at,
        in_use: head.u8(0)? & IN_USE != 0,
        complete: entries.len() == usize::from(head.u8(1)?).saturating_add(1),
        sum_holds: checksum(entries) == head.u16_le(2)?,
        attributes: head.u16_le(4)?,
        times,
        time_source,
        odd_time,
        stream: None,
        name: Vec::new(),
        name_complete: false,
        vendor: Vec::new(),
    };
    let mut units = Vec::new();
    let mut name_len = 0;
    for (number, bytes) in entries.iter().enumerate().skip(1) {
        let entry = Block::new(bytes, 0);
        match entry.u8(0)? & !IN_USE {
            STREAM if number == 1 => {
                set.stream = Some(stream(&entry)?);
                name_len = usize::from(entry.u8(3)?);
            }
            NAME if set.stream.is_some() => {
                for at in (2..ENTRY).step_by(2) {
                    units.push(entry.u16_le(at)?);
                }
            }
            VENDOR_ALLOCATION => {
                let stream = stream(&entry)?;
                set.vendor.push(Stream { valid: stream.len, ..stream });
            }
            _ => {}
        }
    }
    set.name_complete = name_len > 0 && units.len().div_ceil(15) == name_len.div_ceil(15);
    units.truncate(name_len);
    set.name = escape::utf16_name(units);
    Ok(set)
}

fn stream(entry: &Block<'_>) -> Result<Stream, Truncated> {
    Ok(Stream {
        contiguous: entry.u8(1)? & 2 != 0,
        valid: entry.u64_le(8)?,
        first: entry.u32_le(20)?,
        len: entry.u64_le(24)?,
    })
}

/// The check sum over all bytes of a set but its own two, the in-use bits taken as set.
fn checksum(entries: &[[u8; ENTRY]]) -> u16 {
    let mut sum = 0_u16;
    for (number, entry) in entries.iter().enumerate() {
        for (at, byte) in entry.iter().enumerate() {
            let byte = if at == 0 { byte | IN_USE } else { *byte };
            if number > 0 || !matches!(at, 2 | 3) {
                sum = sum.rotate_right(1).wrapping_add(u16::from(byte));
            }
        }
    }
    sum
}

/// Created, modified and accessed; who wrote them; whether one of them is no time.
fn times(head: &Block<'_>) -> Result<(Times, TimeSource, bool), Truncated> {
    let stated = [
        (head.u32_le(8)?, Some(head.u8(20)?), head.u8(22)?),
        (head.u32_le(12)?, Some(head.u8(21)?), head.u8(23)?),
        (head.u32_le(16)?, None, head.u8(24)?),
    ];
    let [created, modified, accessed] = stated.map(|(time, fine, zone)| time_of(time, fine, zone));
    let is_odd = |(time, stated): (Option<Timestamp>, (u32, Option<u8>, u8))| {
        time.is_none() && stated.0 != 0
    };
    let odd = [created, modified, accessed].into_iter().zip(stated).any(is_odd);
    let offset = [created, modified, accessed].iter().flatten().any(|time| time.utc);
    let source = if offset { TimeSource::ExfatOffset } else { TimeSource::ExfatLocal };
    Ok((Times { created, modified, accessed, ..Times::default() }, source, odd))
}

/// A time of two-second steps, its hundredths up to two seconds, and its zone in quarters of an
/// hour, which counts where its highest bit is set.
fn time_of(time: u32, hundredths: Option<u8>, zone: u8) -> Option<Timestamp> {
    let bits = |low: u32, count: u32| i64::from(time >> low & (1_u32 << count).saturating_sub(1));
    let (second, minute, hour) = (bits(0, 5).saturating_mul(2), bits(5, 6), bits(11, 5));
    let (day, month, year) = (bits(16, 5), bits(21, 4), bits(25, 7).saturating_add(1980));
    if second > 58 || minute > 59 || hour > 23 {
        return None;
    }
    let days = days(year, month, day)?;
    let parts = [(days, 86_400), (hour, 3600), (minute, 60), (second, 1)];
    let sum = |sum: i64, (count, unit): (i64, i64)| sum.saturating_add(count.saturating_mul(unit));
    let mut seconds = parts.into_iter().fold(0, sum);
    let hundredths = hundredths.filter(|&fine| fine < 200);
    let fine = hundredths.unwrap_or_default();
    if fine >= 100 {
        seconds = seconds.saturating_add(1);
    }
    let utc = zone & 0x80 != 0;
    if utc {
        let quarters = i64::from(zone & 0x7F);
        let quarters = if quarters > 63 { quarters.saturating_sub(128) } else { quarters };
        seconds = seconds.saturating_sub(quarters.saturating_mul(900));
    }
    let nanos = u32::from(fine.rem_euclid(100)).saturating_mul(10_000_000);
    Some(Timestamp { seconds, nanos, digits: if hundredths.is_some() { 2 } else { 0 }, utc })
}

/// The number of a day from 1980 to 2107, 1970-01-01 being 0; `None` where no month has it.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year.rem_euclid(4) == 0 && year != 2100;
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if day < 1 || day > *lengths.get(before)? {
        return None;
    }
    let years = year.checked_sub(1970)?;
    // Leap years since 1968, of which 2100 is none.
    let leaps = year.saturating_sub(1969).div_euclid(4).saturating_sub(i64::from(year > 2100));
    let months = lengths.iter().take(before).fold(0_i64, |sum, len| sum.saturating_add(*len));
    let days = years.saturating_mul(365).saturating_add(leaps).saturating_add(months);
    Some(days.saturating_add(day).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_one_counts_them() {
        let mut expected = 3652; // 1980-01-01
        for year in 1980..2108 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(found) = days(year, month, day) {
                        assert_eq!(found, expected, "{year}-{month}-{day}");
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, 50_403, "2108-01-01");
        assert_eq!((days(2100, 2, 29), days(2000, 13, 1), days(2000, 0, 1)), (None, None, None));
    }

    #[test]
    fn a_stated_offset_makes_a_time_universal() {
        // 2024-02-29 13:45:58, at two hours east, three and a half west, and unknown.
        let time = (44 << 25) | (2 << 21) | (29 << 16) | (13 << 11) | (45 << 5) | 29;
        let text = |fine, zone| time_of(time, fine, zone).unwrap().to_string();
        assert_eq!(text(Some(150), 0x88), "2024-02-29T11:45:59.50Z");
        assert_eq!(text(Some(9), 0xF2), "2024-02-29T17:15:58.09Z");
        assert_eq!(text(Some(9), 0x08), "2024-02-29T13:45:58.09");
        assert_eq!(text(Some(200), 0x80), "2024-02-29T13:45:58Z");
        assert_eq!(text(None, 0x80), "2024-02-29T13:45:58Z");
        assert_eq!(time_of(0, None, 0), None);
        assert_eq!(time_of(u32::MAX, None, 0), None);
    }
}
