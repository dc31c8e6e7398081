//! JPEG followed to its end code by code: proof that every block is there, or where it breaks.
//!
//! Sequential and progressive Huffman pictures, any number of scans, restart intervals, up to four
//! components. No pixels are made; memory is bounded by what `frame` allows. What is not followed
//! (arithmetic coding, lossless, a height that only comes later) is said to be [`Outcome::Other`].
//!
//! Source: ITU-T T.81 (09/92), annexes B, F and G.

mod bits;
mod frame;
mod huffman;
mod scan;

use std::sync::Arc;

use bits::Bits;
pub(super) use frame::Nonzero;
use frame::{Frame, Kind, Scan};
use huffman::Huffman;
use scan::{PartTables, Standing, Tables};

use super::view::wide;
use crate::bytes::ReadAt;

/// Marker segments of one picture.
const MOST_SEGMENTS: u32 = 4_096;
/// Scans of one picture: writers use ten.
const MOST_SCANS: u32 = 64;
/// Fill bytes before a marker.
const MOST_FILL: u64 = 16;
/// Longest segment content.
const LONGEST: usize = 65_533;

/// How following a picture ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every block is there; the picture ends here.
    Whole(u64),
    /// It goes wrong at a place.
    Broken(Break),
    /// It would use bytes from the limit on; the decoder stands before it.
    Paused,
    /// Nothing went wrong up to where it was to be followed.
    Reached,
    /// A JPEG of a kind that is not followed.
    Other,
}

/// Where and after what a picture breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Break {
    /// The byte at which what is there cannot be the picture.
    pub(super) at: u64,
    /// Where the first scan's data begin, if they do.
    pub(super) body: Option<u64>,
    /// True where at least one row of units was whole.
    pub(super) row: bool,
}

/// How far a picture is to be followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes from here on are not used.
    pub(super) pause: Option<u64>,
    /// Enough was seen once this was reached.
    pub(super) enough: u64,
}

impl Limits {
    /// To its end.
    pub(super) const NONE: Self = Self { pause: None, enough: u64::MAX };

    fn forbids(&self, end: u64) -> bool {
        self.pause.is_some_and(|pause| end > pause)
    }
}

/// A scan that is being followed.
#[derive(Clone)]
struct Active {
    tables: Tables,
    standing: Option<Standing>,
    /// The byte and the bit in it where it goes on.
    from: (u64, u32),
}

/// A picture between two units or two segments; cheap to clone.
#[derive(Clone)]
pub(super) struct Decoder {
    /// Where the next marker is looked for.
    at: u64,
    frame: Option<Arc<Frame>>,
    /// Of means first, of frequencies then.
    huffman: [Option<Arc<Huffman>>; 8],
    /// The scale of the mean in each quantisation table.
    scales: [i32; 4],
    interval: u32,
    active: Option<Active>,
    /// A bit for each component whose means were coded.
    seen: u32,
    body: Option<u64>,
    row: bool,
    segments: u32,
    scans: u32,
    /// Units followed, for whoever counts work.
    pub(super) units: u64,
}

impl Decoder {
    /// A decoder for the picture whose first marker stands at `start`.
    pub(super) fn new(start: u64) -> Self {
        Self {
            at: start.saturating_add(2),
            frame: None,
            huffman: Default::default(),
            scales: [0; 4],
            interval: 0,
            active: None,
            seen: 0,
            body: None,
            row: false,
            segments: 0,
            scans: 0,
            units: 0,
        }
    }

    /// Follows the picture as far as the limits let it.
    pub(super) fn run(
        &mut self,
        source: &dyn ReadAt,
        nonzero: &mut Nonzero,
        limits: Limits,
    ) -> Outcome {
        loop {
            let step = match self.active.take() {
                Some(active) => self.scan(source, nonzero, limits, active),
                None => self.segment(source, nonzero, limits),
            };
            if let Err(outcome) = step {
                return outcome;
            }
        }
    }

    fn broken(&self, at: u64) -> Outcome {
        Outcome::Broken(Break { at, body: self.body, row: self.row })
    }

    /// Follows one marker and the segment behind it.
    fn segment(
        &mut self,
        source: &dyn ReadAt,
        nonzero: &mut Nonzero,
        limits: Limits,
    ) -> Result<(), Outcome> {
        let (code, content) = self.marker(source, limits)?;
        if limits.forbids(content) {
            return Err(Outcome::Paused);
        }
        let start = self.at;
        self.segments = self.segments.saturating_add(1);
        if self.segments > MOST_SEGMENTS {
            return Err(self.broken(start));
        }
        match code {
            0xd9 => {
                let all = self.frame.as_ref().is_some_and(|frame| {
                    let all =
                        1_u32.wrapping_shl(u32::try_from(frame.components.len()).unwrap_or(0));
                    self.seen == all.wrapping_sub(1)
                });
                return Err(if all { Outcome::Whole(content) } else { self.broken(start) });
            }
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf | 0xf7 => return Err(Outcome::Other),
            0xc0..=0xc2 | 0xc4 | 0xda..=0xdd | 0xe0..=0xef | 0xfe => {}
            _ => return Err(self.broken(start)),
        }
        let mut len = [0; 2];
        if !matches!(source.fill_at(content, &mut len), Ok(2)) {
            return Err(if limits.pause.is_some() {
                Outcome::Paused
            } else {
                self.broken(content)
            });
        }
        let len = u64::from(u16::from_be_bytes(len));
        let (from, end) = (content.saturating_add(2), content.saturating_add(len));
        if limits.forbids(end) {
            return Err(Outcome::Paused);
        }
        if len < 2 || end > source.len() {
            return Err(self.broken(if len < 2 { start } else { source.len() }));
        }
        if matches!(code, 0xc0..=0xc4 | 0xda | 0xdb | 0xdd) {
            let mut bytes = [0; LONGEST];
            let size = usize::try_from(end.saturating_sub(from)).unwrap_or(LONGEST);
            let Some(bytes) = bytes.get_mut(..size) else { return Err(self.broken(start)) };
            if !matches!(source.fill_at(from, bytes), Ok(n) if n == size) {
                return Err(self.broken(from));
            }
            self.at = end;
            if let Err(other) = self.content(code, bytes, nonzero) {
                self.at = start;
                return Err(if other { Outcome::Other } else { self.broken(start) });
            }
        }
        self.at = end;
        Ok(())
    }

    /// The code of the next marker and where what follows it begins.
    fn marker(&self, source: &dyn ReadAt, limits: Limits) -> Result<(u8, u64), Outcome> {
        let mut at = self.at;
        let most = self.at.saturating_add(MOST_FILL);
        while at <= most {
            let mut pair = [0; 2];
            if !matches!(source.fill_at(at, &mut pair), Ok(2)) {
                break;
            }
            match pair {
                [0xff, 0xff] => at = at.saturating_add(1),
                [0xff, code] => return Ok((code, at.saturating_add(2))),
                _ => break,
            }
        }
        Err(if limits.forbids(at) { Outcome::Paused } else { self.broken(self.at) })
    }

    /// Takes in the content of a segment; `Err(true)` where it is of a kind that is not followed.
    fn content(&mut self, code: u8, bytes: &[u8], nonzero: &mut Nonzero) -> Result<(), bool> {
        match code {
            0xc4 => self.huffman_tables(bytes).ok_or(false),
            0xdb => self.quantisation_tables(bytes).ok_or(false),
            0xdd => {
                let interval: [u8; 2] = bytes.try_into().map_err(|_| false)?;
                self.interval = u32::from(u16::from_be_bytes(interval));
                Ok(())
            }
            0xda => self.scan_header(bytes).ok_or(false),
            _ if self.frame.is_some() => Err(false),
            _ => {
                // A height of zero and an unusual precision are followed by nobody here.
                let frame = Frame::new(code == 0xc2, bytes).ok_or(bytes.len() >= 9)?;
                nonzero.for_frame(&frame);
                self.frame = Some(Arc::new(frame));
                Ok(())
            }
        }
    }

    fn huffman_tables(&mut self, bytes: &[u8]) -> Option<()> {
        let mut rest = bytes;
        while let Some((header, behind)) = rest.split_first_chunk::<17>() {
            let [class, counts @ ..] = header;
            let symbols: usize = counts.iter().map(|count| usize::from(*count)).sum();
            if class & 0xec != 0 || symbols > 256 {
                return None;
            }
            let place =
                usize::from(class >> 4).wrapping_mul(4).wrapping_add(usize::from(class & 3));
            let table = Huffman::new(counts, behind.get(..symbols)?)?;
            *self.huffman.get_mut(place)? = Some(Arc::new(table));
            rest = behind.get(symbols..)?;
        }
        rest.is_empty().then_some(())
    }

    fn quantisation_tables(&mut self, bytes: &[u8]) -> Option<()> {
        let mut rest = bytes;
        while let Some((header, behind)) = rest.split_first() {
            let wide = header >> 4;
            let scale = match (wide, behind) {
                (0, [scale, ..]) => i32::from(*scale),
                (1, [high, low, ..]) => i32::from(u16::from_be_bytes([*high, *low])),
                _ => return None,
            };
            *self.scales.get_mut(usize::from(header & 15))? = scale;
            rest = behind.get(if wide == 0 { 64 } else { 128 }..)?;
        }
        Some(())
    }

    fn scan_header(&mut self, bytes: &[u8]) -> Option<()> {
        let frame = Arc::clone(self.frame.as_ref()?);
        let scan = Arc::new(Scan::new(&frame, bytes)?);
        self.scans = self.scans.checked_add(1).filter(|scans| *scans <= MOST_SCANS)?;
        let mut parts: [Option<PartTables>; 4] = Default::default();
        for (slot, part) in parts.iter_mut().zip(&scan.parts) {
            let component = *frame.components.get(part.index)?;
            let dc = self.huffman.get(part.dc_table)?.clone();
            let ac = self.huffman.get(part.ac_table.checked_add(4)?)?.clone();
            let means = matches!(scan.kind, Kind::Sequential | Kind::DcFirst);
            let bands = matches!(scan.kind, Kind::Sequential | Kind::AcFirst | Kind::AcRefine);
            if means && dc.is_none() || bands && ac.is_none() {
                return None;
            }
            let scale = *self.scales.get(component.quantisation)?;
            *slot = Some(PartTables { component, dc, ac, scale });
        }
        let from = (self.at, 0);
        let tables = Tables { frame, scan, parts, interval: self.interval };
        self.active = Some(Active { tables, standing: None, from });
        self.body = self.body.or(Some(self.at));
        Some(())
    }

    /// Follows a scan to the marker behind it.
    fn scan(
        &mut self,
        source: &dyn ReadAt,
        nonzero: &mut Nonzero,
        limits: Limits,
        mut active: Active,
    ) -> Result<(), Outcome> {
        let (at, skip) = active.from;
        let mut bits = Bits::resumed(source, at, skip);
        let mut standing =
            active.standing.unwrap_or_else(|| Standing::start(active.tables.interval, &bits));
        standing.place = bits.place();
        let first = standing.unit;
        let units = active.tables.scan.units;
        let across = active.tables.frame.units_across;
        let ended = loop {
            if standing.unit >= units {
                break Tables::end(&mut bits);
            }
            let before = standing;
            if limits.pause.is_some() {
                nonzero.mark();
            }
            let followed = active.tables.unit(&mut bits, &mut standing, nonzero);
            let over = limits.pause.filter(|pause| bits.read_to() > *pause);
            if over.is_some_and(|pause| Bits::exact(source, bits.place()).0 >= pause) {
                nonzero.undo();
                active.from = Bits::exact(source, before.place);
                active.standing = Some(before);
                self.active = Some(active);
                return Err(Outcome::Paused);
            }
            if followed.is_none() {
                self.count(before.unit, first, across);
                return Err(self.broken(bits.failed_at()));
            }
            if bits.read_to() >= limits.enough {
                return Err(Outcome::Reached);
            }
        };
        self.count(standing.unit, first, across);
        let Some(marker) = ended.filter(|marker| !limits.forbids(*marker)) else {
            if limits.pause.is_none() {
                return Err(self.broken(bits.failed_at()));
            }
            active.from = Bits::exact(source, standing.place);
            active.standing = Some(standing);
            self.active = Some(active);
            return Err(Outcome::Paused);
        };
        if matches!(active.tables.scan.kind, Kind::Sequential | Kind::DcFirst) {
            for part in &active.tables.scan.parts {
                self.seen |= 1_u32.wrapping_shl(u32::try_from(part.index).unwrap_or(0));
            }
        }
        self.at = marker;
        Ok(())
    }

    fn count(&mut self, unit: u32, first: u32, across: u32) {
        self.row |= unit >= across;
        self.units = self.units.saturating_add(u64::from(unit.saturating_sub(first)));
    }
}

/// The byte where a picture begins to be wrong, seen from where it was noticed: a run of equal
/// bytes that reaches to there is not the picture's, although its codes may be followed for long.
pub(super) fn settled(source: &dyn ReadAt, noticed: u64, body: u64) -> u64 {
    /// Equal bytes that are taken for a run.
    const RUN: u64 = 256;
    /// Bytes at the beginning of a run that may be the picture's own.
    const OWN: u64 = 8;
    /// Bytes looked at in one step back.
    const STEP: usize = 4096;
    let mut buffer = [0; STEP];
    let mut start = noticed;
    let mut equal = None;
    while start > body {
        let from = start.saturating_sub(wide(STEP)).max(body);
        let len = usize::try_from(start.saturating_sub(from)).unwrap_or(0);
        let Some(bytes) = buffer.get_mut(..len) else { break };
        if !matches!(source.fill_at(from, bytes), Ok(n) if n == len) {
            break;
        }
        let equal = *equal.get_or_insert_with(|| bytes.last().copied().unwrap_or(0));
        let differs = bytes.iter().rposition(|byte| *byte != equal);
        match differs {
            Some(place) => {
                start = from.saturating_add(wide(place)).saturating_add(1);
                break;
            }
            None => start = from,
        }
    }
    // The picture's own last bytes may have been equal to the run's.
    if noticed.saturating_sub(start) >= RUN { start.saturating_add(OWN) } else { noticed }
}
