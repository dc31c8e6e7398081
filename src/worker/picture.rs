//! One picture: decoded and hashed.

use serde::{Deserialize, Serialize};

use crate::media::{self, Limits, MediaStatus};
use crate::perceptual::{self, Hashes, Samples, View};

/// What is known of a picture's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureAnswer {
    /// What became of decoding it.
    pub status: MediaStatus,
    /// What the decoder said; short, and the same for the same bytes.
    pub detail: String,
    /// Width in pixels as its header states it; 0 where it states none.
    pub width: u32,
    /// Height in pixels as its header states it; 0 where it states none.
    pub height: u32,
    /// Its hashes, where pixels came out.
    pub hashes: Option<Hashes>,
}

/// Decodes a picture and hashes what came out.
///
/// ```
/// use assay::{media::MediaStatus, worker::read_picture};
/// let answer = read_picture(b"no picture", &assay::media::Limits::default());
/// assert_eq!((answer.status, answer.hashes), (MediaStatus::Unsupported, None));
/// ```
pub fn read_picture(bytes: &[u8], limits: &Limits) -> PictureAnswer {
    let decoded = media::decode(bytes, limits);
    let hashes = decoded.picture.as_ref().and_then(|picture| {
        let samples = match picture.channels() {
            1 => Samples::Luma(picture.samples()),
            _ => Samples::Rgb(picture.samples()),
        };
        let side = |pixels: u32| usize::try_from(pixels).ok();
        let view = View::new(side(picture.width())?, side(picture.height())?, samples).ok()?;
        Some(perceptual::hashes(&view))
    });
    let media::Decoded { status, detail, width, height, .. } = decoded;
    PictureAnswer { status, detail, width, height, hashes }
}
