//! Whose each block is. Nothing on the medium says which blocks are free: a block that no structure
//! and no object names is free where it holds only zeros, and unexamined where it does not.

use std::ops::Range;

use super::volume::{SECTOR, Volume};
use crate::bytes::ReadAt;
use crate::evidence::filesystem::blockset::BlockSet;
use crate::evidence::filesystem::{ByteClasses, Unowned};
use crate::problem::{Code, Problem, Stage};

/// Most bytes without an owner that are looked at.
const MOST: u64 = 1 << 28;

/// Whose each block of a volume is.
pub(super) struct Space {
    block: u64,
    volume: u64,
    claimed: BlockSet,
    directories: BlockSet,
    bytes: ByteClasses,
    unowned: Unowned,
}

impl Space {
    /// Claims what the descriptors name.
    pub(super) fn new(volume: &Volume) -> Self {
        let len = volume.bytes.len();
        let limit = len.div_ceil(volume.block);
        let mut space = Self {
            block: volume.block,
            volume: len,
            claimed: BlockSet::new(limit),
            directories: BlockSet::new(limit),
            bytes: ByteClasses::default(),
            unowned: Unowned::default(),
        };
        space.claim_structure(0, SECTOR.saturating_mul(super::volume::FIRST));
        for sector in &volume.descriptors {
            space.claim_structure(sector.saturating_mul(SECTOR), SECTOR);
        }
        for (at, len) in &volume.path_tables {
            space.claim_structure(u64::from(*at).saturating_mul(volume.block), (*len).into());
        }
        space
    }

    fn blocks(&self, at: u64, len: u64) -> Range<u64> {
        let end = at.saturating_add(len).min(self.volume);
        at.min(self.volume).div_euclid(self.block)..end.div_ceil(self.block)
    }

    fn new_bytes(&mut self, at: u64, len: u64) -> Vec<Range<u64>> {
        let blocks = self.blocks(at, len);
        let runs = self.claimed.runs(blocks.clone()).filter(|(taken, _)| !taken);
        let runs = runs.map(|(_, run)| {
            let edge = |block: u64| block.saturating_mul(self.block).min(self.volume);
            edge(run.start)..edge(run.end)
        });
        let runs = runs.collect();
        self.claimed.insert(blocks);
        runs
    }

    /// Claims a structure.
    pub(super) fn claim_structure(&mut self, at: u64, len: u64) {
        let bytes = total(&self.new_bytes(at, len));
        self.bytes.metadata = self.bytes.metadata.saturating_add(bytes);
    }

    /// Claims a sector of a directory; false where a directory has it already.
    pub(super) fn claim_directory(&mut self, at: u64) -> bool {
        let blocks = self.blocks(at, SECTOR);
        let is_taken = self.directories.runs(blocks.clone()).any(|(taken, _)| taken);
        self.directories.insert(blocks);
        self.claim_structure(at, SECTOR);
        !is_taken
    }

    /// Claims a structure that cannot be read.
    pub(super) fn claim_unread(&mut self, at: u64, len: u64) {
        let bytes = total(&self.new_bytes(at, len));
        self.bytes.unread = self.bytes.unread.saturating_add(bytes);
    }

    /// Claims content; several names may share it.
    pub(super) fn claim_content(&mut self, at: u64, len: u64) {
        let end = at.saturating_add(len);
        for run in self.new_bytes(at, len) {
            let content = run.end.min(end).saturating_sub(run.start);
            let rest = run.end.saturating_sub(run.start).saturating_sub(content);
            self.bytes.allocated = self.bytes.allocated.saturating_add(content);
            self.bytes.slack = self.bytes.slack.saturating_add(rest);
            self.unowned.slack.push(run.start.saturating_add(content), rest);
        }
    }

    /// The classes of all bytes, and what is wrong with what nobody owns.
    pub(super) fn finish(
        mut self,
        volume: &Volume,
        problems: &mut Vec<Problem>,
    ) -> (ByteClasses, Unowned) {
        let stated = volume.blocks.saturating_mul(self.block).min(self.volume);
        let all = self.volume.div_ceil(self.block);
        let (mut looked, mut first, mut sessions) = (0_u64, None, 0_u64);
        for (_, run) in self.claimed.runs(0..all).filter(|(taken, _)| !taken) {
            for block in run {
                let at = block.saturating_mul(self.block);
                let len = self.block.min(self.volume.saturating_sub(at));
                if at >= stated {
                    self.bytes.slack = self.bytes.slack.saturating_add(len);
                    self.unowned.slack.push(at, len);
                    continue;
                }
                looked = looked.saturating_add(len);
                let look = if looked > MOST { None } else { read(&*volume.bytes, at, len) };
                if look.as_deref().is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) {
                    self.bytes.unallocated = self.bytes.unallocated.saturating_add(len);
                    continue;
                }
                let is_descriptor = look.is_some_and(|bytes| bytes.starts_with(b"\x01CD001\x01"));
                sessions = sessions.saturating_add(is_descriptor.into());
                first.get_or_insert(at);
                self.bytes.unexamined = self.bytes.unexamined.saturating_add(len);
                self.unowned.free.push(at, len);
            }
        }
        if sessions > 0 {
            let detail = format!(
                "{sessions} more volume descriptors: earlier sessions, of which what is not in the last one is not listed"
            );
            problems.push(Problem::new(Code::ContentNotRead, Stage::Filesystem, detail));
        }
        if let Some(at) = first {
            let detail = "blocks that are not empty and that no object owns";
            problems.push(
                Problem::new(Code::SpaceWithoutOwner, Stage::Filesystem, detail)
                    .at(at, self.bytes.unexamined),
            );
        }
        (self.bytes, self.unowned)
    }
}

fn total(runs: &[Range<u64>]) -> u64 {
    runs.iter().fold(0, |sum, run| sum.saturating_add(run.end.saturating_sub(run.start)))
}

fn read(volume: &dyn ReadAt, at: u64, len: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    let got = volume.fill_at(at, &mut bytes).ok()?;
    (got == bytes.len()).then_some(bytes)
}
