//! Times as evidence states them.

/// A time with the resolution and the zone its source has.
///
/// Text form: RFC 3339 with as many fraction digits as the source keeps; `Z` only where the source
/// is in universal time, no zone where it is local time of an unknown zone. A year that four digits
/// do not hold is `invalid:SECONDS`.
///
/// ```
/// use assay::item::Timestamp;
/// let time = Timestamp { seconds: 951_782_400, nanos: 500_000_000, digits: 3, utc: true };
/// assert_eq!(time.to_string(), "2000-02-29T00:00:00.500Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00, in the source's own zone.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, less than 1,000,000,000.
    pub nanos: u32,
    /// How many digits of the fraction the source keeps, 0 to 9.
    pub digits: u8,
    /// True where the source is in universal time.
    pub utc: bool,
}

const SECONDS_A_DAY: i64 = 86_400;

/// Bytes of the longest text of a time that has one.
const LONGEST: usize = 30;

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.text(&mut [0; LONGEST]) {
            Some(text) => f.write_str(text),
            None => write!(f, "invalid:{}", self.seconds),
        }
    }
}

impl Timestamp {
    /// Appends its text form.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match self.text(&mut [0; LONGEST]) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => out.extend_from_slice(self.to_string().as_bytes()),
        }
    }

    /// Its text form, put together in `text`; `None` for a year that four digits do not hold. A
    /// report has several times a row: digits are put in place, not formatted one by one.
    fn text<'a>(&self, text: &'a mut [u8; LONGEST]) -> Option<&'a str> {
        let (year, month, day) = civil(self.seconds.div_euclid(SECONDS_A_DAY));
        if !(0..=9999).contains(&year) || self.nanos >= 1_000_000_000 {
            return None;
        }
        let second = self.seconds.rem_euclid(SECONDS_A_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        *text = *b"0000-00-00T00:00:00.000000000Z";
        let number = |number: i64| u32::try_from(number).unwrap_or_default();
        put(text, 0, 4, number(year));
        for (at, field) in [(5, month), (8, day), (11, hour), (14, minute), (17, second)] {
            put(text, at, 2, number(field));
        }
        put(text, 20, 9, self.nanos);
        let fraction = usize::from(self.digits.min(9));
        let length = if fraction > 0 { 20 + fraction } else { 19 };
        if self.utc {
            text.iter_mut().skip(length).take(1).for_each(|byte| *byte = b'Z');
        }
        let length = length + usize::from(self.utc);
        std::str::from_utf8(text.get(..length)?).ok()
    }
}

/// Puts the last digits of a number at a place of a text.
fn put(text: &mut [u8], at: usize, digits: usize, mut number: u32) {
    for digit in text.iter_mut().skip(at).take(digits).rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// Year, month and day of a day number of the Gregorian calendar, day 0 being 1970-01-01.
///
/// The year is counted from March, so that the leap day is the last of its year; 400 years have
/// 146,097 days.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day.saturating_add(719_468); // days from 0000-03-01
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let first = (153 * month + 2) / 5;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + carry, month, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_agrees_with_counting_days() {
        let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        let mut day = -719_528; // 0000-01-01
        for year in 0..=2500 {
            let february = if leap(year) { 29 } else { 28 };
            let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, days) in (1..).zip(months) {
                for d in 1..=days {
                    assert_eq!(civil(day), (year, month, d));
                    day += 1;
                }
            }
        }
    }

    #[test]
    fn extremes_are_stated_and_never_panic() {
        let text = |seconds| Timestamp { seconds, nanos: 0, digits: 9, utc: true }.to_string();
        assert_eq!(text(-1), "1969-12-31T23:59:59.000000000Z");
        assert_eq!(text(253_402_300_800), "invalid:253402300800");
        assert_eq!(text(i64::MAX), format!("invalid:{}", i64::MAX));
        assert_eq!(text(i64::MIN), format!("invalid:{}", i64::MIN));
    }
}
