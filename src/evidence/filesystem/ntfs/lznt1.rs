//! LZNT1, the compression of NTFS: chunks of 4,096 bytes, each by itself.
//!
//! A chunk is a header of 12 bits of length and a bit that says whether it is packed; a packed one
//! is groups of eight literals or references into the chunk so far, of which the split between
//! distance and length moves as the chunk grows. A chunk is believed only where it gives exactly
//! its bytes: damage is an error, never other bytes.
//!
//! Source: Microsoft, MS-XCA, section 2.5 "LZNT1 Algorithm Details".

/// Bytes of a chunk that is not the last.
const CHUNK: usize = 4096;

/// The bytes are not what a compressor writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the compressed bytes are damaged")]
pub(in crate::evidence::filesystem) struct Damaged;

/// Unpacks the first `len` bytes of a unit.
pub(in crate::evidence::filesystem) fn unpack(
    packed: &[u8],
    len: usize,
) -> Result<Vec<u8>, Damaged> {
    let mut out = Vec::with_capacity(len.min(1 << 20).saturating_add(CHUNK));
    let mut rest = packed;
    while out.len() < len {
        let (header, after) = rest.split_first_chunk::<2>().ok_or(Damaged)?;
        let header = u16::from_le_bytes(*header);
        if header == 0 {
            return Err(Damaged); // the end, before all bytes were given
        }
        let size = usize::from(header & 0x0FFF).saturating_add(1);
        let (body, next) = after.split_at_checked(size).ok_or(Damaged)?;
        let start = out.len();
        if header & 0x8000 == 0 {
            out.extend_from_slice(body);
        } else {
            unpack_chunk(body, &mut out)?;
        }
        let given = out.len().saturating_sub(start);
        let wanted = len.saturating_sub(start).min(CHUNK);
        if given > CHUNK || given < wanted {
            return Err(Damaged);
        }
        rest = next;
    }
    out.truncate(len);
    Ok(out)
}

/// Appends what a packed chunk gives.
fn unpack_chunk(body: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    let start = out.len();
    let mut rest = body;
    while let Some((flags, mut group)) = rest.split_first() {
        for bit in 0..8_u32 {
            if group.is_empty() {
                break;
            }
            let given = out.len().saturating_sub(start);
            if flags.checked_shr(bit).unwrap_or(0) & 1 == 0 {
                let (literal, after) = group.split_first().ok_or(Damaged)?;
                out.push(*literal);
                group = after;
            } else {
                let (pair, after) = group.split_first_chunk::<2>().ok_or(Damaged)?;
                copy(u16::from_le_bytes(*pair), given, out)?;
                group = after;
            }
            if out.len().saturating_sub(start) > CHUNK {
                return Err(Damaged);
            }
        }
        rest = group;
    }
    Ok(())
}

/// Appends bytes that the chunk, of which `given` bytes are there, has already.
fn copy(pair: u16, given: usize, out: &mut Vec<u8>) -> Result<(), Damaged> {
    // The distance takes as many bits as the last place needs, at least 4.
    let bits = usize::BITS.saturating_sub(given.saturating_sub(1).leading_zeros()).max(4);
    let bits = bits.min(12);
    let lengths = 16_u32.saturating_sub(bits);
    let distance = usize::from(pair.checked_shr(lengths).unwrap_or(0)).saturating_add(1);
    let mask = u16::MAX.checked_shr(bits).unwrap_or(0);
    let length = usize::from(pair & mask).saturating_add(3);
    if distance > given {
        return Err(Damaged);
    }
    let from = out.len().saturating_sub(distance);
    for at in from..from.saturating_add(length) {
        let byte = *out.get(at).ok_or(Damaged)?;
        out.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_unpacks() {
        // MS-XCA, section 3.3 "LZNT1".
        let packed = [
            0x38, 0xB0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xA2,
            0x47, 0x01, 0xA0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xC0,
            0x45, 0x20, 0x05, 0x24, 0x13, 0x88, 0x05, 0xB4, 0x02, 0x4A, 0x44, 0xEF, 0x03, 0x58,
            0x02, 0x8C, 0x09, 0x16, 0x01, 0x48, 0x45, 0x00, 0xBE, 0x00, 0x9E, 0x00, 0x04, 0x01,
            0x18, 0x90, 0x00,
        ];
        let text = "F# F# G A A G F# E D D E F# F# E E F# F# G A A \
                    G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A \
                    F# F# G A A G F# E D D E F# E D D\0";
        let got = unpack(&packed, text.len());
        assert_eq!(got.as_deref(), Ok(text.as_bytes()));
    }

    #[test]
    fn what_is_cut_or_changed_is_damage_or_of_the_right_length() {
        let mut packed = vec![0x03, 0xB0, 0x02, b'a', 0xFC, 0x0F];
        assert_eq!(unpack(&packed, 4096), Ok(vec![b'a'; 4096]));
        for end in 0..packed.len() {
            assert_eq!(unpack(&packed[..end], 4096), Err(Damaged), "{end}");
        }
        packed[4] = 0xFD; // one byte more than a chunk has
        assert_eq!(unpack(&packed, 4096), Err(Damaged));
        packed[4] = 0xFB;
        assert_eq!(unpack(&packed, 4096), Err(Damaged));
        assert_eq!(unpack(&packed, 4095).map(|bytes| bytes.len()), Ok(4095));
        assert_eq!(unpack(&[0x02, 0x80, 0x01, 0x00, 0x00], 3), Err(Damaged));
    }
}
