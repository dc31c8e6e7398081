//! Dates and times of folder entries: local time of an unknown zone.
//!
//! Source: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03, "Date and Time
//! Formats".

use crate::item::Timestamp;

/// When an object was made: to 10 ms.
///
/// - `hundredths`: 0 to 199, added to a time that counts in steps of two seconds.
pub(super) fn created(date: u16, time: u16, hundredths: u8) -> Option<Timestamp> {
    let base = stamp(date, time)?;
    if hundredths > 199 {
        return Some(base);
    }
    let seconds = base.seconds.saturating_add(i64::from(hundredths / 100));
    let nanos = u32::from(hundredths % 100).saturating_mul(10_000_000);
    Some(Timestamp { seconds, nanos, digits: 2, ..base })
}

/// When its content was written: to two seconds.
pub(super) fn modified(date: u16, time: u16) -> Option<Timestamp> {
    stamp(date, time)
}

/// When it was read: the day alone, given as its midnight.
pub(super) fn accessed(date: u16) -> Option<Timestamp> {
    stamp(date, 0)
}

/// `None` for a date or time that is none, such as the month 13 or all zeros.
fn stamp(date: u16, time: u16) -> Option<Timestamp> {
    let year = 1980_i64.saturating_add(i64::from(date >> 9));
    let (month, day) = (i64::from(date >> 5 & 0x0F), i64::from(date & 0x1F));
    let (hour, minute) = (i64::from(time >> 11), i64::from(time >> 5 & 0x3F));
    let second = i64::from(time & 0x1F).saturating_mul(2);
    let day_number = day_of(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let minutes = hour.saturating_mul(60).saturating_add(minute);
    let seconds = day_number
        .saturating_mul(86_400)
        .saturating_add(minutes.saturating_mul(60))
        .saturating_add(second);
    Some(Timestamp { seconds, nanos: 0, digits: 0, utc: false })
}

/// Days from 1970-01-01 to a date from 1980 on; `None` where the calendar has no such day.
fn day_of(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    if !(1..=*months.get(index)?).contains(&day) {
        return None;
    }
    let before: i64 = months.get(..index)?.iter().sum();
    let past = year.saturating_sub(1970);
    // 1972 is the first leap year after 1970; 2100 is none.
    let leaps = (past.saturating_add(1) / 4).saturating_sub(i64::from(year > 2100));
    let days = past.saturating_mul(365).saturating_add(leaps).saturating_add(before);
    Some(days.saturating_add(day).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: u16, month: u16, day: u16) -> u16 {
        (year - 1980) << 9 | month << 5 | day
    }

    #[test]
    fn dates_agree_with_counting_days() {
        let mut number = 3652; // 1980-01-01
        for year in 1980..=2107_u16 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(stamp) = accessed(date(year, month, day)) {
                        assert_eq!(stamp.seconds, number * 86_400, "{year}-{month}-{day}");
                        number += 1;
                    }
                }
            }
        }
        assert_eq!(number, 50_403); // 2108-01-01
    }

    #[test]
    fn what_is_no_time_is_none() {
        for bad in [0, date(2001, 0, 1), date(2001, 13, 1), date(2001, 2, 29), date(2001, 4, 31)] {
            assert_eq!(accessed(bad), None);
        }
        let good = date(2024, 2, 29);
        for time in [24 << 11, 60 << 5, 30] {
            assert_eq!(modified(good, time), None);
        }
        let made = created(good, 23 << 11 | 59 << 5 | 29, 199).unwrap();
        assert_eq!(made.to_string(), "2024-02-29T23:59:59.99");
        assert_eq!(created(good, 0, 200).unwrap().to_string(), "2024-02-29T00:00:00");
    }
}
