//! Work on hostile content, away from the evidence and the report.
//!
//! Everything here runs third-party decoders. The answers are small and hold no content.

mod picture;

pub use picture::{PictureAnswer, read_picture};
