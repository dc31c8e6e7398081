//! What every decoder is given and gives back.

/// How large a picture may be. Checked against the header, before any allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels.
    pub max_pixels: u64,
    /// Longest side.
    pub max_side: u32,
    /// Most bytes that decoding may take, the result among them.
    pub max_memory: u64,
}

impl Default for Limits {
    /// 200 million pixels, 65,535 a side, 448 MiB: what a worker of 512 MiB has to give.
    fn default() -> Self {
        Self { max_pixels: 200_000_000, max_side: 65_535, max_memory: 448 << 20 }
    }
}

impl Limits {
    /// Checks a size from a header; `bytes_per_pixel` is what decoding takes at its peak.
    pub(super) fn check(
        &self,
        width: u32,
        height: u32,
        bytes_per_pixel: u64,
    ) -> Result<(), Failure> {
        let pixels = u64::from(width).saturating_mul(u64::from(height));
        if width > self.max_side || height > self.max_side || pixels > self.max_pixels {
            return Err(Failure::TooLarge(width, height));
        }
        if pixels == 0 {
            return Err(Failure::Damaged("a side of 0 pixels".into()));
        }
        let need = pixels.saturating_mul(bytes_per_pixel);
        if need > self.max_memory {
            return Err(Failure::Memory(format!("decoding needs {need} bytes")));
        }
        Ok(())
    }
}

/// Decoded samples, row by row from the top left, no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    channels: u8,
    samples: Vec<u8>,
}

impl Picture {
    /// A picture of one (luma) or three (red, green, blue) channels.
    pub(super) fn new(
        (width, height): (u32, u32),
        channels: u8,
        samples: Vec<u8>,
    ) -> Result<Self, Failure> {
        let need = byte_count(width, height, u64::from(channels))?;
        if samples.len() != need || !matches!(channels, 1 | 3) {
            return Err(Failure::Damaged(format!("{} samples instead of {need}", samples.len())));
        }
        Ok(Self { width, height, channels, samples })
    }

    /// Pixels in a row, at least 1.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows, at least 1.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// 1: luma; 3: red, green, blue.
    pub const fn channels(&self) -> u8 {
        self.channels
    }

    /// The samples: `width * height * channels` bytes.
    pub fn samples(&self) -> &[u8] {
        &self.samples
    }
}

/// Number of bytes of a picture, as a length of memory.
pub(super) fn byte_count(width: u32, height: u32, per_pixel: u64) -> Result<usize, Failure> {
    u64::from(width)
        .checked_mul(u64::from(height))
        .and_then(|pixels| pixels.checked_mul(per_pixel))
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(Failure::TooLarge(width, height))
}

/// A decoded picture and how much of it came from the file.
pub(super) struct Frame {
    pub(super) picture: Picture,
    pub(super) rows_decoded: u32,
    /// What was wrong, where something was.
    pub(super) damage: Option<String>,
}

/// Why there is no picture.
pub(super) enum Failure {
    Damaged(String),
    Unsupported(String),
    Memory(String),
    TooLarge(u32, u32),
}

/// At most 160 printable ASCII characters: a decoder's message may quote the file.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(160).collect()
}

/// Length in memory of a number from a header; both are at most 64 bits here.
pub(super) fn len(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A count of rows back as a number of the header's kind.
pub(super) fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
