//! One compressed block of a virtual disk: exactly the bytes it has to have, or why not.
//!
//! Sources: RFC 1950, RFC 1951, RFC 8878.

use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flate2::{Decompress, FlushDecompress, Status};

/// Most bytes that a Zstandard frame may ask its decoder to look back: four of the largest blocks.
const LARGEST_WINDOW: u64 = 8 << 20;

/// How a block is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// A bare deflate stream, without a check sum.
    Deflate,
    /// A zlib stream with its Adler-32.
    Zlib,
    /// A Zstandard frame.
    Zstd,
}

/// Gives the block at the start of `packed`; what is behind it is left alone.
///
/// - `full`: bytes of a block.
/// - `least`: bytes of this one that the medium has, fewer for the last one alone.
///
/// # Errors
/// Why nobody vouches for the bytes, for a person.
pub(super) fn inflate(
    packing: Packing,
    packed: &[u8],
    full: usize,
    least: usize,
) -> Result<Vec<u8>, String> {
    let mut out = vec![0; full];
    let came = match packing {
        Packing::Deflate => deflate(packed, &mut out, false)?,
        Packing::Zlib => deflate(packed, &mut out, true)?,
        Packing::Zstd => {
            // The decoder is others' work and its input hostile: a panic costs this block.
            let decoded = catch_unwind(AssertUnwindSafe(|| zstd(packed, &mut out)));
            decoded.unwrap_or_else(|_| Err("the Zstandard decoder stopped by itself".to_owned()))?
        }
    };
    if came != full && (least == full || came < least) {
        return Err(format!("it inflates to {came} bytes, not {full}"));
    }
    Ok(out)
}

fn deflate(packed: &[u8], out: &mut [u8], zlib: bool) -> Result<usize, String> {
    let mut inflater = Decompress::new(zlib);
    let ended = inflater
        .decompress(packed, out, FlushDecompress::Finish)
        .map_err(|error| format!("its stream is damaged: {error}"))?;
    match ended {
        Status::StreamEnd => Ok(usize::try_from(inflater.total_out()).unwrap_or(usize::MAX)),
        _ => Err(format!("its stream does not end after {} bytes", out.len())),
    }
}

fn zstd(packed: &[u8], out: &mut [u8]) -> Result<usize, String> {
    use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(LARGEST_WINDOW);
    let damaged = |error: &dyn std::fmt::Display| format!("its frame is damaged: {error}");
    let mut frame =
        StreamingDecoder::new_with_decoder(packed, decoder).map_err(|error| damaged(&error))?;
    let mut came = 0_usize;
    while let Some(rest) = out.get_mut(came..).filter(|rest| !rest.is_empty()) {
        match frame.read(rest).map_err(|error| damaged(&error))? {
            0 => break,
            n => came = came.saturating_add(n),
        }
    }
    if frame.read(&mut [0]).map_err(|error| damaged(&error))? > 0 {
        return Err(format!("its frame does not end after {} bytes", out.len()));
    }
    let decoder = frame.into_frame_decoder();
    match (decoder.get_checksum_from_data(), decoder.get_calculated_checksum()) {
        (Some(stored), Some(computed)) if stored != computed => {
            Err(format!("its check sum is {computed:08x}, {stored:08x} is stored"))
        }
        _ => Ok(came),
    }
}
