//! Frame and scan headers of JPEG: which blocks follow, and how they are coded.
//!
//! Source: ITU-T T.81 (09/92), B.2.2, B.2.3, A.1, A.2 and G.1.1.1.

use crate::bytes::Block;

/// Blocks of a picture whose coefficients are remembered: 32 MiB, 80 million pixels and more.
const MOST_BLOCKS: u64 = 4 * 1024 * 1024;

/// A colour component.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks across and down in one interleaved unit.
    pub(super) across: u32,
    pub(super) down: u32,
    /// Which quantisation table scales it.
    pub(super) quantisation: usize,
    /// Blocks that hold pixels: what a scan of this component alone has.
    pub(super) columns: u32,
    pub(super) rows: u32,
    /// Blocks from one row to the next, and the first block, in the memory of all components.
    pub(super) stride: u32,
    pub(super) first: u32,
}

/// The frame header.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) eight_bit: bool,
    pub(super) components: Vec<Component>,
    /// Interleaved units across and down.
    pub(super) units_across: u32,
    pub(super) units_down: u32,
    /// Blocks of all components.
    pub(super) blocks: u32,
}

impl Frame {
    /// From the content of the segment behind its length; `None` where it makes no sense, or is of
    /// a kind that is not followed (no height, too large).
    pub(super) fn new(progressive: bool, content: &[u8]) -> Option<Self> {
        let block = Block::new(content, 0);
        let precision = block.u8(0).ok()?;
        let (height, width) = (block.u16_be(1).ok()?, block.u16_be(3).ok()?);
        let number = usize::from(block.u8(5).ok()?);
        let whole = number.checked_mul(3)?.checked_add(6)? == content.len();
        if !matches!(precision, 8 | 12) || height == 0 || width == 0 || !whole {
            return None;
        }
        let mut components = Vec::new();
        for field in content.get(6..)?.chunks_exact(3) {
            let [id, sampling, quantisation] = *field else { return None };
            let (across, down) = (u32::from(sampling >> 4), u32::from(sampling & 15));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) || quantisation > 3 {
                return None;
            }
            let quantisation = usize::from(quantisation);
            components.push(Component { id, across, down, quantisation, ..Component::default() });
        }
        if !(1..=4).contains(&number) {
            return None;
        }
        Self::laid_out(progressive, precision == 8, width.into(), height.into(), components)
    }

    fn laid_out(
        progressive: bool,
        eight_bit: bool,
        width: u32,
        height: u32,
        mut components: Vec<Component>,
    ) -> Option<Self> {
        let most_across = components.iter().map(|c| c.across).max()?;
        let most_down = components.iter().map(|c| c.down).max()?;
        let units_across = width.div_ceil(most_across.checked_mul(8)?);
        let units_down = height.div_ceil(most_down.checked_mul(8)?);
        let mut blocks = 0_u64;
        for component in &mut components {
            let across = width.checked_mul(component.across)?.div_ceil(most_across);
            let down = height.checked_mul(component.down)?.div_ceil(most_down);
            component.columns = across.div_ceil(8);
            component.rows = down.div_ceil(8);
            component.stride = units_across.checked_mul(component.across)?;
            component.first = u32::try_from(blocks).ok()?;
            let rows = u64::from(units_down.checked_mul(component.down)?);
            blocks = blocks.checked_add(rows.checked_mul(u64::from(component.stride))?)?;
        }
        if progressive && blocks > MOST_BLOCKS {
            return None;
        }
        let blocks = u32::try_from(blocks).ok()?;
        Some(Self { progressive, eight_bit, components, units_across, units_down, blocks })
    }
}

/// Which coefficients a scan codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All of a block, one block after the other.
    Sequential,
    /// The first bits of the means.
    DcFirst,
    /// One more bit of each mean.
    DcRefine,
    /// The first bits of some frequencies.
    AcFirst,
    /// One more bit of some frequencies.
    AcRefine,
}

/// A component within a scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Its place in the frame.
    pub(super) index: usize,
    pub(super) dc_table: usize,
    pub(super) ac_table: usize,
}

/// The scan header.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) kind: Kind,
    pub(super) parts: Vec<Part>,
    /// First and last coefficient.
    pub(super) first: u32,
    pub(super) last: u32,
    /// How many low bits are left for later scans.
    pub(super) low: u32,
    /// Units of the scan: interleaved ones, or blocks of its only component.
    pub(super) units: u32,
}

impl Scan {
    /// From the content of the segment behind its length; `None` where it does not fit the frame.
    pub(super) fn new(frame: &Frame, content: &[u8]) -> Option<Self> {
        let (number, fields) = content.split_first()?;
        let number = usize::from(*number);
        let components = fields.get(..number.checked_mul(2)?)?;
        let [first, last, bits] = *fields.get(number.checked_mul(2)?..)? else { return None };
        let mut parts: Vec<Part> = Vec::new();
        for field in components.chunks_exact(2) {
            let [id, tables] = *field else { return None };
            let index = frame.components.iter().position(|component| component.id == id)?;
            let (dc_table, ac_table) = (usize::from(tables >> 4), usize::from(tables & 15));
            if dc_table > 3 || ac_table > 3 || parts.iter().any(|part| part.index == index) {
                return None;
            }
            parts.push(Part { index, dc_table, ac_table });
        }
        let (high, low) = (u32::from(bits >> 4), u32::from(bits & 15));
        let kind = match (frame.progressive, first, high) {
            (false, ..) => Kind::Sequential,
            (true, 0, 0) => Kind::DcFirst,
            (true, 0, _) => Kind::DcRefine,
            (true, _, 0) => Kind::AcFirst,
            (true, ..) => Kind::AcRefine,
        };
        let sound = match kind {
            Kind::Sequential => true,
            Kind::DcFirst | Kind::DcRefine => last == 0,
            Kind::AcFirst | Kind::AcRefine => parts.len() == 1 && last >= first,
        };
        let refined = high == 0 || high.checked_sub(1) == Some(low);
        if parts.is_empty() || !sound || last > 63 || low > 13 || (frame.progressive && !refined) {
            return None;
        }
        let units = units(frame, &parts)?;
        Some(Self { kind, parts, first: first.into(), last: last.into(), low, units })
    }
}

fn units(frame: &Frame, parts: &[Part]) -> Option<u32> {
    let [only] = parts else {
        let blocks = parts.iter().filter_map(|part| frame.components.get(part.index));
        let blocks: u32 = blocks.map(|part| part.across.saturating_mul(part.down)).sum();
        return frame.units_across.checked_mul(frame.units_down).filter(|_| blocks <= 64);
    };
    let component = frame.components.get(only.index)?;
    component.columns.checked_mul(component.rows)
}

/// Which coefficients of a progressive picture are known not to be zero: a bit each.
#[derive(Debug, Default, Clone)]
pub(in crate::evidence::carve) struct Nonzero {
    blocks: Vec<u64>,
    /// What blocks held before, since the last mark.
    log: Vec<(usize, u64)>,
    marked: bool,
}

impl Nonzero {
    pub(super) fn for_frame(&mut self, frame: &Frame) {
        self.forget();
        self.blocks.clear();
        if frame.progressive {
            self.blocks.resize(usize::try_from(frame.blocks).unwrap_or(0), 0);
        }
    }

    pub(super) fn get(&self, block: usize) -> u64 {
        self.blocks.get(block).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, block: usize, bits: u64) {
        if let Some(held) = self.blocks.get_mut(block).filter(|held| **held != bits) {
            if self.marked {
                self.log.push((block, *held));
            }
            *held = bits;
        }
    }

    /// From here on changes can be taken back.
    pub(in crate::evidence::carve) fn mark(&mut self) {
        self.log.clear();
        self.marked = true;
    }

    /// Changes are kept and can no longer be taken back.
    pub(in crate::evidence::carve) fn forget(&mut self) {
        self.log = Vec::new();
        self.marked = false;
    }

    /// Takes back all changes since the last mark.
    pub(in crate::evidence::carve) fn undo(&mut self) {
        while let Some((block, bits)) = self.log.pop() {
            if let Some(held) = self.blocks.get_mut(block) {
                *held = bits;
            }
        }
    }
}
