//! Perceptual hashes of a decoded picture: PDQ in its two conventions, and pHash, dHash, aHash.
//!
//! The samples were decoded from hostile bytes: any value, any size and any aspect is handled, and
//! nothing here panics. Every hash has one fixed order of floating-point operations and no fused
//! multiply-add, so that the same samples give the same bits on every CPU. Trigonometry is
//! computed by [`trig`], not by the system's mathematics library, whose last bit may vary.
//!
//! Sources: PDQ from facebook/ThreatExchange, `pdq/` (README and C++ reference); pHash, dHash and
//! aHash from Python ImageHash 4.3 over Pillow's `convert("L")` and `resize(..., LANCZOS)`.
//! docs/perceptual.md has the definitions and the measured differences.

mod filter;
mod hash;
mod imagehash;
mod kernels;
mod pdq;
mod reduce;
mod resample;
mod trig;

pub use hash::{Hash64, PdqHash, PdqQuality};
pub use pdq::{Coefficients, Transform};

/// The samples of a picture: row by row from the top left, no padding.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// One byte a pixel: grey, or the Y plane of a JPEG.
    Luma(&'a [u8]),
    /// Three bytes a pixel: red, green, blue.
    Rgb(&'a [u8]),
}

/// A picture to hash: its size and exactly the samples that size asks for.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    width: usize,
    height: usize,
    samples: Samples<'a>,
}

/// The number of samples does not fit the width and height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{width} x {height} pixels need another number of samples than {samples}")]
pub struct WrongLength {
    width: usize,
    height: usize,
    samples: usize,
}

impl<'a> View<'a> {
    /// A picture of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`WrongLength`] where the samples are not exactly as many as the size asks for, or where a
    /// side is 0 or over 65,535.
    pub fn new(width: usize, height: usize, samples: Samples<'a>) -> Result<Self, WrongLength> {
        let (len, channels) = match samples {
            Samples::Luma(bytes) => (bytes.len(), 1),
            Samples::Rgb(bytes) => (bytes.len(), 3),
        };
        let need = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(channels));
        let sides = 1..=usize::from(u16::MAX);
        if need != Some(len) || !sides.contains(&width) || !sides.contains(&height) {
            return Err(WrongLength { width, height, samples: len });
        }
        Ok(Self { width, height, samples })
    }

    /// Pixels in a row.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub const fn height(&self) -> usize {
        self.height
    }
}

/// Every hash of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hashes {
    /// PDQ of the picture at its full size.
    pub pdq: PdqHash,
    /// PDQ after nearest-neighbour reduction to at most 512 x 512, the C++ convention.
    pub pdq_nn512: PdqHash,
    /// `pdq` in its eight query forms, in the order of [`Transform::ALL`].
    pub pdq_forms: [PdqHash; 8],
    /// `pdq_nn512` in its eight query forms.
    pub pdq_nn512_forms: [PdqHash; 8],
    /// Quality of `pdq`.
    pub pdq_quality: PdqQuality,
    /// DCT hash as Python ImageHash's `phash`.
    pub phash: Hash64,
    /// Gradient hash as Python ImageHash's `dhash`.
    pub dhash: Hash64,
    /// Mean hash as Python ImageHash's `average_hash`.
    pub ahash: Hash64,
}

/// Every hash of the picture, in one pass over its samples.
///
/// ```
/// use assay::perceptual::{Samples, View, hashes};
/// let luma: Vec<u8> = (0..96 * 64).map(|i| (i * 7 % 251) as u8).collect();
/// let hashes = hashes(&View::new(96, 64, Samples::Luma(&luma)).unwrap());
/// assert_eq!(hashes.pdq, hashes.pdq_nn512, "no side is over 512");
/// ```
pub fn hashes(view: &View<'_>) -> Hashes {
    let (full, reduced) = filter::matrix_and_reduced(view);
    let full = Coefficients::of(view, &full);
    let forms = full.forms();
    let small = nn512(view);
    let pdq = full.hash();
    Hashes {
        pdq,
        pdq_nn512: small.as_ref().map_or(pdq, Coefficients::hash),
        pdq_forms: forms,
        pdq_nn512_forms: small.as_ref().map_or(forms, Coefficients::forms),
        pdq_quality: full.quality(),
        phash: imagehash::phash(&reduced),
        dhash: imagehash::dhash(&reduced),
        ahash: imagehash::ahash(&reduced),
    }
}

/// The PDQ coefficients of the picture at its full size: hash, quality and the eight query forms.
pub fn pdq(view: &View<'_>) -> Coefficients {
    Coefficients::of(view, &filter::matrix(view))
}

/// The PDQ coefficients in the C++ convention: a picture with a side over 512 is first reduced to
/// 512 x 512 by nearest neighbour, its aspect ignored.
pub fn pdq_nn512(view: &View<'_>) -> Coefficients {
    nn512(view).unwrap_or_else(|| pdq(view))
}

/// The NN512 coefficients where they differ from the full-size ones.
fn nn512(view: &View<'_>) -> Option<Coefficients> {
    const SIDE: usize = 512;
    if view.width <= SIDE && view.height <= SIDE {
        return None;
    }
    let columns: [usize; SIDE] = std::array::from_fn(|x| x * view.width / SIDE);
    let rows = (0..SIDE).map(|y| y * view.height / SIDE);
    let form = match view.samples {
        Samples::Luma(bytes) => {
            let mut picked = Vec::with_capacity(SIDE * SIDE);
            for y in rows {
                let row = &bytes[y * view.width..(y + 1) * view.width];
                picked.extend(columns.iter().map(|&x| row[x]));
            }
            let small = View { width: SIDE, height: SIDE, samples: Samples::Luma(&picked) };
            pdq(&small)
        }
        Samples::Rgb(bytes) => {
            let (pixels, _) = bytes.as_chunks::<3>();
            let mut picked = Vec::with_capacity(SIDE * SIDE);
            for y in rows {
                let row = &pixels[y * view.width..(y + 1) * view.width];
                picked.extend(columns.iter().map(|&x| row[x]));
            }
            let samples = Samples::Rgb(picked.as_flattened());
            let small = View { width: SIDE, height: SIDE, samples };
            pdq(&small)
        }
    };
    Some(form)
}
