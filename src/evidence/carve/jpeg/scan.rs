//! Entropy-coded blocks of a scan, followed without pixels: only lengths, means and which
//! coefficients are zero.
//!
//! A mean outside what samples can give is taken for damage: the differences are summed, so that
//! foreign bytes, whose differences are large and random, soon leave the range.
//!
//! Source: ITU-T T.81 (09/92), F.2.2 (sequential), G.1.2 (progressive).

use std::sync::Arc;

use super::bits::{Bits, Place};
use super::frame::{Component, Frame, Kind, Nonzero, Scan};
use super::huffman::Huffman;

/// Means of eight-bit samples lie within this, and two steps of their scale for rounding.
const LARGEST_MEAN: u32 = 1024;
/// Bytes of padding that are passed over before a marker.
const SLACK: u32 = 16;

/// Where in a scan the decoder stands: at the beginning of a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// Units done.
    pub(super) unit: u32,
    /// Sum of the differences of each part's means.
    means: [i32; 4],
    /// Blocks that are still covered by an end-of-band code.
    band_ends: u32,
    restart_left: u32,
    next_restart: u8,
    pub(super) place: Place,
}

impl Standing {
    pub(super) fn start(interval: u32, bits: &Bits<'_>) -> Self {
        let (means, place) = ([0; 4], bits.place());
        Self { unit: 0, means, band_ends: 0, restart_left: interval, next_restart: 0xd0, place }
    }
}

/// A scan with the tables in force when it began.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) frame: Arc<Frame>,
    pub(super) scan: Arc<Scan>,
    /// For each part: its tables and the scale of its mean.
    pub(super) parts: [Option<PartTables>; 4],
    pub(super) interval: u32,
}

/// What one component of a scan is coded with.
#[derive(Clone)]
pub(super) struct PartTables {
    pub(super) component: Component,
    pub(super) dc: Option<Arc<Huffman>>,
    pub(super) ac: Option<Arc<Huffman>>,
    pub(super) scale: i32,
}

impl Tables {
    /// Follows the unit at `standing`; `None` where the bits do not code one.
    pub(super) fn unit(
        &self,
        bits: &mut Bits<'_>,
        standing: &mut Standing,
        nonzero: &mut Nonzero,
    ) -> Option<()> {
        if self.interval > 0 && standing.restart_left == 0 {
            self.restart(bits, standing)?;
        }
        if self.scan.parts.len() == 1 {
            let part = self.parts.first()?.as_ref()?;
            let columns = part.component.columns;
            let row = standing.unit.checked_div(columns)?;
            let column = standing.unit.checked_rem(columns)?;
            let block = block_index(&part.component, row, column);
            self.block(bits, standing, nonzero, 0, part, block)?;
        } else {
            self.interleaved(bits, standing, nonzero)?;
        }
        standing.unit = standing.unit.wrapping_add(1);
        standing.restart_left = standing.restart_left.wrapping_sub(1);
        standing.place = bits.place();
        Some(())
    }

    fn interleaved(
        &self,
        bits: &mut Bits<'_>,
        standing: &mut Standing,
        nonzero: &mut Nonzero,
    ) -> Option<()> {
        let unit_row = standing.unit.checked_div(self.frame.units_across)?;
        let unit_column = standing.unit.checked_rem(self.frame.units_across)?;
        for (number, part) in self.parts.iter().flatten().enumerate() {
            let component = &part.component;
            for down in 0..component.down {
                for across in 0..component.across {
                    let row = unit_row.wrapping_mul(component.down).wrapping_add(down);
                    let column = unit_column.wrapping_mul(component.across).wrapping_add(across);
                    let block = block_index(component, row, column);
                    self.block(bits, standing, nonzero, number, part, block)?;
                }
            }
        }
        Some(())
    }

    /// The marker between two intervals, in its order.
    fn restart(&self, bits: &mut Bits<'_>, standing: &mut Standing) -> Option<()> {
        let code = bits.restart(SLACK)?;
        if code != standing.next_restart {
            return None;
        }
        standing.next_restart = if code == 0xd7 { 0xd0 } else { code.wrapping_add(1) };
        standing.restart_left = self.interval;
        standing.means = [0; 4];
        standing.band_ends = 0;
        Some(())
    }

    fn block(
        &self,
        bits: &mut Bits<'_>,
        standing: &mut Standing,
        nonzero: &mut Nonzero,
        number: usize,
        part: &PartTables,
        block: usize,
    ) -> Option<()> {
        match self.scan.kind {
            Kind::Sequential => {
                self.mean(bits, standing, number, part)?;
                sequential(bits, part.ac.as_deref()?)
            }
            Kind::DcFirst => self.mean(bits, standing, number, part),
            Kind::DcRefine => bits.take(1).map(|_| ()),
            Kind::AcFirst => {
                self.band(bits, &mut standing.band_ends, nonzero, part.ac.as_deref()?, block)
            }
            Kind::AcRefine => {
                self.refine(bits, &mut standing.band_ends, nonzero, part.ac.as_deref()?, block)
            }
        }
    }

    #[inline]
    fn mean(
        &self,
        bits: &mut Bits<'_>,
        standing: &mut Standing,
        number: usize,
        part: &PartTables,
    ) -> Option<()> {
        bits.refill();
        let (len, size) = part.dc.as_deref()?.look_up(bits.ahead())?;
        if !bits.skip(len) || size > 15 {
            return None;
        }
        let difference = signed(bits.take(size.into())?, size.into());
        let mean = standing.means.get_mut(number)?;
        *mean = mean.wrapping_add(difference);
        let step = part.scale.wrapping_shl(self.scan.low);
        let largest = LARGEST_MEAN.saturating_add(step.unsigned_abs().saturating_mul(2));
        let sound = mean.saturating_mul(step).unsigned_abs() <= largest;
        (!self.frame.eight_bit || sound).then_some(())
    }

    /// One band of a progressive picture for the first time.
    fn band(
        &self,
        bits: &mut Bits<'_>,
        band_ends: &mut u32,
        nonzero: &mut Nonzero,
        table: &Huffman,
        block: usize,
    ) -> Option<()> {
        if *band_ends > 0 {
            *band_ends = band_ends.wrapping_sub(1);
            return Some(());
        }
        let mut known = nonzero.get(block);
        let mut at = self.scan.first;
        while at <= self.scan.last {
            let (run, size) = symbol(bits, table)?;
            match (run, size) {
                (15, 0) => at = at.wrapping_add(16),
                (run, 0) => {
                    let more = bits.take(run)?;
                    *band_ends = 1_u32.wrapping_shl(run).wrapping_add(more).wrapping_sub(1);
                    nonzero.set(block, known);
                    return Some(());
                }
                (run, size) => {
                    at = at.wrapping_add(run);
                    if at > self.scan.last || size > 14 {
                        return None;
                    }
                    bits.take(size)?;
                    known |= 1_u64.wrapping_shl(at);
                    at = at.wrapping_add(1);
                }
            }
        }
        nonzero.set(block, known);
        (at == self.scan.last.wrapping_add(1)).then_some(())
    }

    /// One more bit of a band: a bit for each coefficient that is known, and new ones in between.
    fn refine(
        &self,
        bits: &mut Bits<'_>,
        band_ends: &mut u32,
        nonzero: &mut Nonzero,
        table: &Huffman,
        block: usize,
    ) -> Option<()> {
        let mut known = nonzero.get(block);
        let mut at = self.scan.first;
        while *band_ends == 0 && at <= self.scan.last {
            let (run, size) = symbol(bits, table)?;
            if size > 1 {
                return None;
            }
            if size == 0 && run < 15 {
                let more = bits.take(run)?;
                *band_ends = 1_u32.wrapping_shl(run).wrapping_add(more);
                break;
            }
            bits.take(size)?;
            at = self.pass_zeros(bits, known, at, run)?;
            if size == 1 {
                if at > self.scan.last {
                    return None;
                }
                known |= 1_u64.wrapping_shl(at);
            }
            at = at.wrapping_add(1);
        }
        if *band_ends > 0 {
            for at in at..=self.scan.last {
                bits.take(u32::from(known.wrapping_shr(at) & 1 == 1))?;
            }
            *band_ends = band_ends.wrapping_sub(1);
        }
        nonzero.set(block, known);
        Some(())
    }

    /// Passes `run` coefficients that are zero and stops at the next zero; one bit for each that
    /// is not.
    fn pass_zeros(&self, bits: &mut Bits<'_>, known: u64, from: u32, run: u32) -> Option<u32> {
        let (mut at, mut run) = (from, run);
        while at <= self.scan.last {
            if known.wrapping_shr(at) & 1 == 1 {
                bits.take(1)?;
            } else if run == 0 {
                return Some(at);
            } else {
                run = run.wrapping_sub(1);
            }
            at = at.wrapping_add(1);
        }
        Some(at)
    }

    /// Where the marker behind the last unit stands.
    pub(super) fn end(bits: &mut Bits<'_>) -> Option<u64> {
        bits.marker(SLACK)
    }
}

fn block_index(component: &Component, row: u32, column: u32) -> usize {
    let index = row.wrapping_mul(component.stride).wrapping_add(column);
    usize::try_from(index.wrapping_add(component.first)).unwrap_or(usize::MAX)
}

/// The frequencies of a sequential block.
#[inline]
fn sequential(bits: &mut Bits<'_>, table: &Huffman) -> Option<()> {
    let mut at = 1_u32;
    while at < 64 {
        bits.refill();
        let (len, symbol) = table.look_up(bits.ahead())?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 && run != 15 {
            return (run == 0 && bits.skip(len)).then_some(());
        }
        at = at.wrapping_add(run).wrapping_add(1);
        if at > 64 || !bits.skip(len.wrapping_add(size)) {
            return None;
        }
    }
    Some(())
}

#[inline]
fn symbol(bits: &mut Bits<'_>, table: &Huffman) -> Option<(u32, u32)> {
    bits.refill();
    let (len, symbol) = table.look_up(bits.ahead())?;
    bits.skip(len).then_some((u32::from(symbol >> 4), u32::from(symbol & 15)))
}

/// The number that `size` bits stand for.
fn signed(value: u32, size: u32) -> i32 {
    let value = i32::try_from(value).unwrap_or(0);
    let half = 1_i32.wrapping_shl(size.wrapping_sub(1));
    if size > 0 && value < half {
        value.wrapping_sub(1_i32.wrapping_shl(size)).wrapping_add(1)
    } else {
        value
    }
}
