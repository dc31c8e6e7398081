//! Directory records and their times.
//!
//! Source: ECMA-119, sections 9.1 and 8.4.26.1.

use super::volume::both32;
use crate::bytes::Block;
use crate::item::Timestamp;
use crate::problem::Problem;

/// A record of a directory.
#[derive(Debug, Clone)]
pub(super) struct Record<'a> {
    /// Byte of the volume where it stands.
    pub(super) at: u64,
    /// First logical block of the content, extended attributes passed over.
    pub(super) block: u64,
    /// First logical block of the extent.
    pub(super) extent: u32,
    pub(super) len: u32,
    pub(super) flags: u8,
    /// Blocks of other files lie between its own.
    pub(super) is_interleaved: bool,
    pub(super) time: Option<Timestamp>,
    pub(super) name: &'a [u8],
    /// What follows the name: entries of SUSP.
    pub(super) system: &'a [u8],
    pub(super) problems: Vec<Problem>,
}

pub(super) const HIDDEN: u8 = 1;
pub(super) const DIRECTORY: u8 = 2;
pub(super) const MORE: u8 = 0x80;

impl<'a> Record<'a> {
    /// The record at `at` bytes into a sector; `Ok(None)` where the sector holds no more.
    ///
    /// # Errors
    /// Where it does not fit.
    pub(super) fn parse(sector: &Block<'a>, at: usize) -> Result<Option<(Self, usize)>, ()> {
        let len = usize::from(sector.u8(at).unwrap_or(0));
        if len == 0 {
            return Ok(None);
        }
        let block = sector.slice(at, len).map_err(|_| ())?;
        Self::fields(&block).map(|record| Some((record, len))).ok_or(())
    }

    fn fields(block: &Block<'a>) -> Option<Self> {
        let mut problems = Vec::new();
        let extent = both32(block, 2, "the place of its content", &mut problems)?;
        let len = both32(block, 10, "its size", &mut problems)?;
        let name_len = usize::from(block.u8(32).ok()?);
        let name = block.slice(33, name_len).ok()?.bytes();
        // A name of even length is followed by a byte of padding.
        let after =
            33_usize.checked_add(name_len)?.checked_add(usize::from(name_len.is_multiple_of(2)))?;
        Some(Self {
            at: block.position(0).0,
            block: u64::from(extent).checked_add(block.u8(1).ok()?.into())?,
            extent,
            len,
            flags: block.u8(25).ok()?,
            is_interleaved: block.u8(26).ok()? != 0 || block.u8(27).ok()? != 0,
            time: short_time(&block.array(18).ok()?),
            name,
            system: block.bytes().get(after..).unwrap_or_default(),
            problems,
        })
    }

    /// True for the records of the directory itself and of its parent.
    pub(super) fn is_self_or_parent(&self) -> bool {
        matches!(self.name, [0] | [1])
    }
}

/// A time of seven bytes, in universal time.
pub(super) fn short_time(bytes: &[u8; 7]) -> Option<Timestamp> {
    let [year, month, day, hour, minute, second, offset] = *bytes;
    let year = i64::from(year).saturating_add(1900);
    let seconds = seconds(year, [month, day, hour, minute, second])?;
    Some(stamp(seconds, 0, 0, offset))
}

/// A time of seventeen bytes: sixteen digits and an offset.
pub(super) fn long_time(bytes: &[u8; 17]) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| {
        let digits = bytes.get(range)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits).ok().filter(|_| all)?.parse::<u16>().ok()
    };
    let two = |at: usize| u8::try_from(number(at..at.checked_add(2)?)?).ok();
    let rest = [two(4)?, two(6)?, two(8)?, two(10)?, two(12)?];
    let seconds = seconds(number(0..4)?.into(), rest)?;
    Some(stamp(seconds, two(14)?, 2, bytes.last().copied()?))
}

fn stamp(seconds: i64, hundredths: u8, digits: u8, offset: u8) -> Timestamp {
    let quarters = i64::from(i8::from_le_bytes([offset]));
    let seconds = seconds.saturating_sub(quarters.saturating_mul(900));
    let nanos = u32::from(hundredths).saturating_mul(10_000_000);
    Timestamp { seconds, nanos, digits, utc: true }
}

/// Seconds since 1970 of a date and time; `None` where there is no such date.
fn seconds(year: i64, [month, day, hour, minute, second]: [u8; 5]) -> Option<i64> {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let february = if leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::from(month).checked_sub(1)?;
    let longest = months.get(before).copied()?;
    if !(1..=longest).contains(&i64::from(day)) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let past = year.checked_sub(1)?;
    let leaps =
        past.div_euclid(4).checked_sub(past.div_euclid(100))?.checked_add(past.div_euclid(400))?;
    let days = past.checked_mul(365)?.checked_add(leaps)?;
    let days = days.checked_add(months.iter().take(before).sum::<i64>())?;
    let days = days.checked_add(i64::from(day))?.checked_sub(719_163)?;
    let hours = days.checked_mul(24)?.checked_add(hour.into())?;
    hours.checked_mul(60)?.checked_add(minute.into())?.checked_mul(60)?.checked_add(second.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moved_to_universal_time() {
        let text = |bytes| short_time(&bytes).map(|time| time.to_string());
        assert_eq!(text([100, 2, 29, 1, 0, 5, 8]).as_deref(), Some("2000-02-28T23:00:05Z"));
        assert_eq!(text([70, 1, 1, 0, 0, 0, 0]).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(text([101, 2, 29, 1, 0, 5, 8]), None);
        let long = long_time(b"2026112401020399\xec").map(|time| time.to_string());
        assert_eq!(long.as_deref(), Some("2026-11-24T06:02:03.99Z"));
    }
}
