//! The extents of a VMDK, one behind the other, as one medium.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::grains::{Grains, Packed};
use crate::evidence::container::mapped::{Map, Place, Run, damaged};
use crate::evidence::container::raw::ImageFile;

/// What keeps a run of sectors.
pub(super) enum Extent {
    /// A file, from this byte on.
    Flat { range: Range<u64>, file: usize, at: u64 },
    /// Zeros.
    Zero { range: Range<u64> },
    /// Grains.
    Sparse(Box<Grains>),
}

impl Extent {
    const fn range(&self) -> &Range<u64> {
        match self {
            Self::Flat { range, .. } | Self::Zero { range } => range,
            Self::Sparse(grains) => grains.range(),
        }
    }
}

/// All extents, in order and without a gap, none empty.
pub(super) struct Extents {
    pub(super) all: Vec<Extent>,
    pub(super) files: Vec<Arc<ImageFile>>,
}

impl Extents {
    fn of(&self, at: u64) -> Option<&Extent> {
        self.all.get(self.all.partition_point(|extent| extent.range().end <= at))
    }
}

impl Map for Extents {
    type Packed = Packed;

    fn len(&self) -> u64 {
        self.all.last().map_or(0, |extent| extent.range().end)
    }

    fn block(&self) -> u64 {
        let grain = |extent: &Extent| match extent {
            Extent::Sparse(grains) => grains.grain(),
            _ => 0,
        };
        self.all.iter().map(grain).max().unwrap_or(0)
    }

    fn files(&self) -> &[Arc<ImageFile>] {
        &self.files
    }

    fn run(&self, at: u64) -> io::Result<Run<Packed>> {
        match self.of(at) {
            Some(Extent::Sparse(grains)) => grains.run(at),
            Some(Extent::Flat { range, file, at }) => {
                Ok(Run { range: range.clone(), place: Place::Stored(*file, *at) })
            }
            Some(Extent::Zero { range }) => Ok(Run { range: range.clone(), place: Place::Zeros }),
            None => Err(damaged(at..at.saturating_add(1), "VMDK: no extent is for it")),
        }
    }

    fn unpack(&self, packed: Packed, range: &Range<u64>) -> io::Result<Vec<u8>> {
        match self.of(range.start) {
            Some(Extent::Sparse(grains)) => grains.unpack(packed, range),
            _ => Err(damaged(range.clone(), "VMDK: no sparse extent is for it")),
        }
    }
}
