//! A JPEG whose header is damaged, put together again from what is left of it.
//!
//! The header is a few hundred bytes, and one wrong byte in it hides the whole picture. Baseline
//! files only. Tables that can still be read are kept; a Huffman table that cannot is replaced by
//! the standard's example table, which most cameras and programs use; fields that have one
//! sensible value get it. The result is a guess where it is not the file's own, so the caller
//! reports it as damage, never as whole.
//!
//! Source: ITU-T T.81 (1992), annexes B and K.3.

use crate::bytes::Block;

/// Example Huffman tables: class and number in one byte; counts by length, then the values.
/// Source: ITU-T T.81, tables K.3 to K.6.
const STANDARD: [(u8, &[u8]); 4] = [
    // Brightness, constant coefficient.
    (0x00, b"\
        \x00\x01\x05\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\
        \x07\x08\x09\x0a\x0b"),
    // Colour, constant coefficient.
    (0x01, b"\
        \x00\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\
        \x07\x08\x09\x0a\x0b"),
    // Brightness, the others.
    (0x10, b"\
        \x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d\x01\x02\x03\x00\x04\x11\x05\
        \x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\
        \xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\
        \x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\
        \x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\x8a\x92\x93\
        \x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\
        \xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\
        \xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa"),
    // Colour, the others.
    (0x11, b"\
        \x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77\x00\x01\x02\x03\x11\x04\x05\
        \x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\
        \x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\
        \x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\
        \x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\x88\x89\x8a\
        \x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\
        \xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\
        \xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa"),
];

/// The parts of a header that decoding needs.
#[derive(Default)]
struct Parts<'a> {
    quantisation: [Option<&'a [u8]>; 4],
    huffman: Vec<(u8, &'a [u8])>,
    frame: Option<&'a [u8]>,
    restart: Option<&'a [u8]>,
    scan: Option<&'a [u8]>,
}

/// The file with its header rebuilt, with its own Huffman tables or with none of them; `None` where
/// no frame or no scan was found.
pub(super) fn rebuilt(bytes: &[u8], own_tables: bool) -> Option<Vec<u8>> {
    let parts = Parts::find(bytes);
    let (frame, scan) = (parts.frame?, parts.scan?);
    let components = usize::from(*frame.get(5)?);
    let components = if frame.len() >= 15 && components != 1 { 3 } else { 1 };
    let mut out = vec![0xff, 0xd8];
    let any_table = parts.quantisation.iter().flatten().next().copied().unwrap_or(&[16; 64]);
    for (number, table) in (0_u8..).zip(&parts.quantisation[..]) {
        let mut body = vec![number];
        body.extend(table.unwrap_or(any_table).iter().map(|&step| step.max(1)));
        segment(&mut out, 0xdb, &body);
    }
    segment(&mut out, 0xc0, &frame_header(frame, components)?);
    for (number, standard) in STANDARD {
        let own = parts.huffman.iter().rev().find(|(own, _)| own_tables && *own == number);
        let mut body = vec![number];
        body.extend_from_slice(own.map_or(standard, |(_, table)| *table));
        segment(&mut out, 0xc4, &body);
    }
    if let Some(restart) = parts.restart {
        segment(&mut out, 0xdd, restart);
    }
    // Selectors, the full band, and no successive approximation: all a baseline scan can say.
    let selectors: &[u8] = if components == 1 { &[1, 1, 0] } else { &[3, 1, 0, 2, 0x11, 3, 0x11] };
    let mut header = selectors.to_vec();
    header.extend_from_slice(&[0, 63, 0]);
    segment(&mut out, 0xda, &header);
    // The data start after a scan header of its proper length, whatever length it states.
    let data_at = 6_usize.saturating_add(components.saturating_mul(2));
    out.extend_from_slice(scan.get(data_at..)?);
    Some(out)
}

fn segment(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    let len = u16::try_from(body.len().saturating_add(2)).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0xff, marker]);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(body);
}

/// Precision 8, the stated size, components numbered from 1, sampling factors of 1 to 4.
fn frame_header(frame: &[u8], components: usize) -> Option<Vec<u8>> {
    let mut header = vec![8];
    header.extend_from_slice(frame.get(1..5)?);
    header.push(u8::try_from(components).ok()?);
    let (stated, _) = frame.get(6..)?.as_chunks::<3>();
    for (number, &[_, sampling, table]) in (1_u8..).zip(stated.iter().take(components)) {
        let possible = (1..=4).contains(&(sampling >> 4)) && (1..=4).contains(&(sampling & 15));
        // Colour is stored at the coarsest grid, brightness mostly at twice that.
        let usual = if number == 1 && components == 3 { 0x22 } else { 0x11 };
        let sampling = if number > 1 {
            0x11
        } else if possible {
            sampling
        } else {
            usual
        };
        let table = if table < 4 { table } else { u8::from(number > 1) };
        header.extend_from_slice(&[number, sampling, table]);
    }
    Some(header)
}

impl<'a> Parts<'a> {
    fn find(bytes: &'a [u8]) -> Self {
        let mut parts = Self::default();
        let mut at = 2_usize;
        while let Some(marker) = next_marker(bytes, at) {
            let body = bytes.get(marker.at.saturating_add(4)..).unwrap_or_default();
            if marker.kind == 0xda {
                parts.scan = bytes.get(marker.at.saturating_add(2)..);
                break;
            }
            let end = segment_end(bytes, &marker);
            let len = end.saturating_sub(marker.at).saturating_sub(4);
            let body = body.get(..len).unwrap_or(body);
            match marker.kind {
                0xdb => parts.take_quantisation(body),
                0xc4 => parts.take_huffman(body),
                0xc0 | 0xc1 if parts.frame.is_none() => parts.frame = Some(body),
                0xdd if body.len() == 2 => parts.restart = Some(body),
                _ => {}
            }
            at = end;
        }
        parts
    }

    fn take_quantisation(&mut self, mut body: &'a [u8]) {
        while let Some((&number, rest)) = body.split_first() {
            let (Some(slot), Some((table, rest))) =
                (self.quantisation.get_mut(usize::from(number)), rest.split_at_checked(64))
            else {
                return;
            };
            *slot = Some(table);
            body = rest;
        }
    }

    fn take_huffman(&mut self, mut body: &'a [u8]) {
        while let Some((&number, table)) = body.split_first() {
            let counts = table.get(..16).unwrap_or_default();
            let values = counts.iter().map(|&count| usize::from(count)).sum::<usize>();
            let len = values.saturating_add(16);
            let Some((table, rest)) = table.split_at_checked(len) else { return };
            // Codes of each length must fit what the shorter ones left free.
            let left = counts.iter().try_fold(1_u32, |free, &count| {
                free.saturating_mul(2).checked_sub(u32::from(count))
            });
            let known = STANDARD.iter().any(|(standard, _)| *standard == number);
            if left.is_some_and(|left| left > 0) && known && (1..=256).contains(&values) {
                self.huffman.push((number, table));
            }
            body = rest;
        }
    }
}

struct Marker {
    kind: u8,
    at: usize,
}

/// The next marker of a header segment at or after `from`.
fn next_marker(bytes: &[u8], from: usize) -> Option<Marker> {
    let rest = bytes.get(from..)?;
    let found =
        rest.windows(2).position(|pair| matches!(pair, [0xff, kind] if is_header(*kind)))?;
    let at = from.saturating_add(found);
    bytes.get(at.saturating_add(1)).map(|&kind| Marker { kind, at })
}

/// Tables, frames, scans, application data and comments.
const fn is_header(kind: u8) -> bool {
    matches!(kind, 0xc0..=0xc4 | 0xda..=0xdd | 0xe0..=0xef | 0xfe)
}

/// Where a segment ends: at its stated length if another marker stands there, else before the next
/// table, frame or scan.
fn segment_end(bytes: &[u8], marker: &Marker) -> usize {
    let stated = Block::new(bytes, 0).u16_be(marker.at.saturating_add(2)).unwrap_or(0);
    let end = marker.at.saturating_add(2).saturating_add(usize::from(stated));
    if stated >= 2 && bytes.get(end) == Some(&0xff) {
        return end;
    }
    let mut at = marker.at.saturating_add(4);
    while let Some(next) = next_marker(bytes, at) {
        if matches!(next.kind, 0xc0..=0xc4 | 0xda | 0xdb | 0xdd) {
            return next.at;
        }
        at = next.at.saturating_add(2);
    }
    bytes.len()
}
