//! One chunk: inflated or copied, and vouched for.
//!
//! A stored chunk is followed by its Adler-32; a zlib stream carries its own. Either way exactly
//! the bytes that the medium has there must come, no fewer and no more. A chunk of zeros is the
//! same few bytes each time: once such a stream was inflated and checked, one that is equal to it
//! byte for byte needs no inflating.
//!
//! Source: RFC 1950, RFC 1951; libewf documentation, "Sectors section".

use std::sync::OnceLock;

use flate2::{Decompress, FlushDecompress, Status};

use super::section::adler;
use super::table::Packing;
use crate::bytes::Block;

/// Streams of zeros that are remembered: an image is written with one setting, rarely two.
const REMEMBERED: usize = 4;
/// How much smaller a stream of zeros is at least.
const ZEROS_SHRINK: usize = 50;

/// Streams that were seen to inflate to a whole chunk of zeros.
#[derive(Debug, Default)]
pub(super) struct Zeros([OnceLock<Box<[u8]>>; REMEMBERED]);

impl Zeros {
    fn knows(&self, packed: &[u8]) -> bool {
        self.0.iter().filter_map(OnceLock::get).any(|known| **known == *packed)
    }

    /// Remembers a stream if there is room and the chunk is zeros.
    fn learn(&self, packed: &[u8], chunk: &[u8]) {
        let small = packed.len().saturating_mul(ZEROS_SHRINK) <= chunk.len();
        let Some(free) = self.0.iter().find(|known| known.get().is_none()).filter(|_| small) else {
            return;
        };
        if chunk.iter().all(|byte| *byte == 0) {
            // Another thread may have been first: then this one is not needed.
            let _ = free.set(packed.into());
        }
    }
}

/// Gives the bytes of a chunk.
///
/// - `packed`: from the chunk's first byte to where the next thing begins.
/// - `full`: bytes of a chunk; `out` is shorter for the last one of a medium alone.
///
/// # Errors
/// Why nobody vouches for the chunk, for a person; `out` is then not to be used.
pub(super) fn unpack(
    inflater: &mut Decompress,
    zeros: &Zeros,
    packing: Packing,
    packed: &[u8],
    out: &mut [u8],
    full: usize,
) -> Result<(), String> {
    match packing {
        Packing::Stored => stored(packed, out, full),
        Packing::Zlib => inflate(inflater, zeros, packed, out, full),
        Packing::Unsaid => {
            stored(packed, out, full).or_else(|_| inflate(inflater, zeros, packed, out, full))
        }
    }
}

/// The bytes and their sum. A last chunk may have been filled up to a whole one.
fn stored(packed: &[u8], out: &mut [u8], full: usize) -> Result<(), String> {
    let sum = |len: usize| Some((packed.get(..len)?, Block::new(packed, 0).u32_le(len).ok()?));
    let mut found = None;
    for len in [out.len(), full] {
        let Some((bytes, expected)) = sum(len) else { continue };
        let computed = adler(bytes);
        if computed == expected {
            let bytes = bytes.get(..out.len()).unwrap_or_default();
            out.copy_from_slice(bytes);
            return Ok(());
        }
        found.get_or_insert((computed, expected));
        if out.len() == full {
            break;
        }
    }
    Err(match found {
        Some((computed, expected)) => {
            format!("Adler-32 is {computed:08x}, {expected:08x} is stored")
        }
        None => format!("{} bytes are stored, {} and a sum are needed", packed.len(), out.len()),
    })
}

fn inflate(
    inflater: &mut Decompress,
    zeros: &Zeros,
    packed: &[u8],
    out: &mut [u8],
    full: usize,
) -> Result<(), String> {
    let whole = out.len() == full;
    if whole && zeros.knows(packed) {
        out.fill(0);
        return Ok(());
    }
    match inflate_exactly(inflater, packed, out) {
        Err(_) if !whole => {
            let mut filled_up = vec![0; full];
            inflate_exactly(inflater, packed, &mut filled_up)?;
            let bytes = filled_up.get(..out.len()).unwrap_or_default();
            out.copy_from_slice(bytes);
            Ok(())
        }
        result => {
            result?;
            if whole {
                zeros.learn(packed, out);
            }
            Ok(())
        }
    }
}

/// Inflates a stream that must end, its own sum checked, with the last byte of `out`.
fn inflate_exactly(inflater: &mut Decompress, packed: &[u8], out: &mut [u8]) -> Result<(), String> {
    inflater.reset(true);
    let ended = inflater
        .decompress(packed, out, FlushDecompress::Finish)
        .map_err(|error| format!("its stream or the Adler-32 of it is damaged: {error}"))?;
    let came = inflater.total_out();
    match ended {
        Status::StreamEnd if usize::try_from(came) == Ok(out.len()) => Ok(()),
        Status::StreamEnd => Err(format!("it inflates to {came} bytes, not {}", out.len())),
        _ => Err(format!("its stream does not end after {} bytes", out.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(
        packing: Packing,
        packed: &[u8],
        len: usize,
        full: usize,
    ) -> Result<Vec<u8>, String> {
        let mut out = vec![7; len];
        let zeros = Zeros::default();
        let mut inflater = Decompress::new(true);
        unpack(&mut inflater, &zeros, packing, packed, &mut out, full).map(|()| out)
    }

    #[test]
    fn exactly_the_bytes_of_the_medium_must_come() {
        let data: Vec<u8> = (0..2000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let zlib = packed(&data);
        let mut stored = data.clone();
        stored.extend(adler(&data).to_le_bytes());
        for (packing, bytes) in [(Packing::Zlib, &zlib), (Packing::Stored, &stored)] {
            assert_eq!(unpacked(packing, bytes, 2000, 2000).as_ref(), Ok(&data));
            assert_eq!(unpacked(Packing::Unsaid, bytes, 2000, 2000).as_ref(), Ok(&data));
            // the last chunk of a medium, filled up
            assert_eq!(unpacked(packing, bytes, 1500, 2000).unwrap(), data[..1500]);
            assert!(unpacked(packing, bytes, 2001, 2001).is_err());
            assert!(unpacked(packing, bytes, 1999, 1999).is_err());
            for end in 0..bytes.len() {
                assert!(unpacked(packing, &bytes[..end], 2000, 2000).is_err(), "{packing:?} {end}");
            }
        }
    }

    #[test]
    fn a_remembered_stream_of_zeros_is_compared_whole() {
        let (zeros, mut inflater) = (Zeros::default(), Decompress::new(true));
        let good = packed(&[0; 32_768]);
        let mut unpack = |packed: &[u8]| {
            let mut out = vec![7; 32_768];
            unpack(&mut inflater, &zeros, Packing::Zlib, packed, &mut out, 32_768).map(|()| out)
        };
        assert_eq!(unpack(&good), Ok(vec![0; 32_768]));
        assert!(zeros.knows(&good));
        assert_eq!(unpack(&good), Ok(vec![0; 32_768]));
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(unpack(&bad).is_err());
    }
}
