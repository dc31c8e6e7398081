//! Changing structures of an ext image and giving them check sums that hold again: a writer of its
//! own, so that what is hostile is not stopped by its sum. Facts: Linux kernel documentation,
//! filesystems/ext4, "Checksums".

use std::ops::Range;

/// A structure that carries a check sum, by what its sum depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    Superblock,
    Descriptor(usize),
    BlockBitmap(usize),
    InodeBitmap(usize),
    Inode(u32),
    /// A block of the extent tree of an inode.
    Node(u32, usize),
    /// A block of entries of the directory that is an inode.
    Folder(u32, usize),
}

/// An image whose structures can be found and changed.
#[derive(Clone)]
pub(super) struct Patched {
    pub(super) bytes: Vec<u8>,
    pub(super) block: usize,
    inode_size: usize,
    descriptor: usize,
    first_block: usize,
    group_blocks: usize,
    group_inodes: usize,
    cluster: usize,
    sealed: bool,
    /// Block bitmap, inode bitmap and inode table of each group, as they were at first.
    places: Vec<[usize; 3]>,
}

/// CRC-32C without the final inversion, bit by bit.
fn crc32c(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 * (crc & 1)))
    })
}

impl Patched {
    pub(super) fn of(name: &str) -> Self {
        Self::new(super::image(name))
    }

    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let mut image = Self {
            bytes,
            block: 0,
            inode_size: 0,
            descriptor: 32,
            first_block: 0,
            group_blocks: 0,
            group_inodes: 0,
            cluster: 1,
            sealed: false,
            places: Vec::new(),
        };
        image.block = 1024 << image.u32(1024 + 0x18);
        image.cluster = 1 << (image.u32(1024 + 0x1C) - image.u32(1024 + 0x18));
        image.inode_size = image.u16(1024 + 0x58);
        if image.u32(1024 + 0x60) & 0x80 != 0 {
            image.descriptor = image.u16(1024 + 0xFE);
        }
        image.first_block = image.size(1024 + 0x14);
        image.group_blocks = image.size(1024 + 0x20);
        image.group_inodes = image.size(1024 + 0x28);
        image.sealed = image.u32(1024 + 0x64) & 0x400 != 0;
        let place = |group: usize, at: usize| image.size(image.descriptor_at(group) + at);
        image.places =
            (0..image.groups()).map(|group| [0, 4, 8].map(|at| place(group, at))).collect();
        image
    }

    pub(super) fn u16(&self, at: usize) -> usize {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]).into()
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.bytes[at..].first_chunk().unwrap())
    }

    pub(super) fn size(&self, at: usize) -> usize {
        self.u32(at).try_into().unwrap()
    }

    pub(super) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn put32(&mut self, at: usize, number: u32) {
        self.put(at, &number.to_le_bytes());
    }

    fn groups(&self) -> usize {
        let blocks = self.size(1024 + 4) - self.first_block;
        blocks.div_ceil(self.group_blocks)
    }

    fn descriptor_at(&self, group: usize) -> usize {
        // With clusters of blocks of 1 KiB the superblock stands in block 1 although block 0 counts.
        let after = if self.block == 1024 { 2 } else { 1 };
        after * self.block + group * self.descriptor
    }

    /// Where an inode begins.
    pub(super) fn inode(&self, number: u32) -> usize {
        let index = usize::try_from(number - 1).unwrap();
        let [_, _, table] = self.places[index / self.group_inodes];
        table * self.block + index % self.group_inodes * self.inode_size
    }

    /// The first block of content of an inode whose map lies in it whole.
    pub(super) fn first_block_of(&self, number: u32) -> usize {
        self.blocks_of(number)[0]
    }

    /// Blocks of content of an inode; those of one level of tree at most.
    pub(super) fn blocks_of(&self, number: u32) -> Vec<usize> {
        let map = self.inode(number) + 0x28;
        if self.u32(self.inode(number) + 0x20) & 0x8_0000 == 0 {
            return (0..12).map(|n| self.size(map + n * 4)).filter(|block| *block != 0).collect();
        }
        let leaves = match self.u16(map + 6) {
            0 => vec![map],
            _ => {
                (1..=self.u16(map + 2)).map(|n| self.size(map + n * 12 + 4) * self.block).collect()
            }
        };
        let runs = leaves.into_iter().flat_map(|leaf| {
            (1..=self.u16(leaf + 2)).map(move |n| (leaf + n * 12 + 4, leaf + n * 12 + 8))
        });
        runs.flat_map(|(len, at)| self.size(at)..self.size(at) + self.u16(len)).collect()
    }

    /// Blocks of the extent tree of an inode; those of its first level.
    fn nodes_of(&self, number: u32) -> Vec<usize> {
        let map = self.inode(number) + 0x28;
        if self.u32(self.inode(number) + 0x20) & 0x8_0000 == 0 || self.u16(map + 6) == 0 {
            return Vec::new();
        }
        (1..=self.u16(map + 2)).map(|n| self.size(map + n * 12 + 4)).collect()
    }

    /// Where the entry of a name in a directory begins; the directory's block.
    pub(super) fn entry(&self, folder: u32, name: &str) -> (usize, usize) {
        for block in self.blocks_of(folder) {
            let mut at = block * self.block;
            while at < (block + 1) * self.block {
                let len = usize::from(self.bytes[at + 6]);
                if self.u32(at) != 0 && &self.bytes[at + 8..at + 8 + len] == name.as_bytes() {
                    return (at, block);
                }
                at += self.u16(at + 4);
            }
        }
        panic!("no {name}");
    }

    /// The inode of a path.
    pub(super) fn find(&self, path: &str) -> u32 {
        path.split('/').fold(2, |folder, name| self.u32(self.entry(folder, name).0))
    }

    /// All structures of the image as it is, in the order in which they are to be sealed.
    pub(super) fn structures(&self) -> Vec<Structure> {
        let mut all = Vec::new();
        for number in 1..=self.u32(1024) {
            let at = self.inode(number);
            let mode = self.u16(at);
            let live = self.u16(at + 0x1A) > 0 && self.u32(at + 0x20) & 0x1000_0000 == 0;
            let extents = self.u32(at + 0x20) & 0x8_0000 != 0;
            if mode == 0 {
                continue;
            }
            if live && extents {
                all.extend(self.nodes_of(number).into_iter().map(|n| Structure::Node(number, n)));
                let indexed = self.u32(at + 0x20) & 0x1000 != 0;
                let folders = self.blocks_of(number).into_iter().zip(0..).filter(|(block, n)| {
                    let (start, tail) = (block * self.block, (block + 1) * self.block - 12);
                    // Blocks of a hash index end in what was there before.
                    let of_index =
                        *n == 0 || self.u32(start) == 0 && self.u16(start + 4) == self.block;
                    mode >> 12 == 4
                        && !(indexed && of_index)
                        && self.bytes[tail..tail + 8] == [0, 0, 0, 0, 12, 0, 0, 0xDE]
                });
                let folders = folders.map(|(block, _)| block);
                all.extend(folders.map(|block| Structure::Folder(number, block)));
            }
            all.push(Structure::Inode(number));
        }
        for group in 0..self.places.len() {
            let flags = self.u16(self.descriptor_at(group) + 0x12);
            if flags & 1 == 0 {
                all.push(Structure::InodeBitmap(group));
            }
            if flags & 2 == 0 {
                all.push(Structure::BlockBitmap(group));
            }
            all.push(Structure::Descriptor(group));
        }
        all.push(Structure::Superblock);
        all
    }

    /// The bytes of a structure that its sum covers, its sum included.
    pub(super) fn range(&self, structure: Structure) -> Range<usize> {
        let bytes = |block: usize, len: usize| block * self.block..block * self.block + len;
        match structure {
            Structure::Superblock => 1024..2048,
            Structure::Descriptor(group) => {
                let at = self.descriptor_at(group);
                at..at + self.descriptor
            }
            Structure::BlockBitmap(group) => {
                let [block, _, _] = self.places[group];
                bytes(block, self.group_blocks / self.cluster / 8)
            }
            Structure::InodeBitmap(group) => {
                let [_, block, _] = self.places[group];
                bytes(block, self.group_inodes / 8)
            }
            Structure::Inode(number) => self.inode(number)..self.inode(number) + self.inode_size,
            Structure::Node(_, block) | Structure::Folder(_, block) => bytes(block, self.block),
        }
    }

    /// Gives all structures sums that hold; `structures` are those of the image before its change.
    pub(super) fn seal(&mut self, structures: &[Structure]) {
        if self.sealed {
            structures.iter().for_each(|structure| self.seal_one(*structure));
        }
    }

    fn seal_one(&mut self, structure: Structure) {
        let seed = crc32c(!0, &self.bytes[1024 + 0x68..1024 + 0x78]);
        let range = self.range(structure);
        if range.end > self.bytes.len() {
            return; // what names it was changed
        }
        let low = |sum: u32| u16::try_from(sum & 0xFFFF).unwrap().to_le_bytes();
        let high = |sum: u32| u16::try_from(sum >> 16).unwrap().to_le_bytes();
        match structure {
            Structure::Superblock => {
                let sum = crc32c(!0, &self.bytes[1024..2044]);
                self.put32(2044, sum);
            }
            Structure::Descriptor(group) => {
                let number = u32::try_from(group).unwrap().to_le_bytes();
                self.put(range.start + 0x1E, &[0, 0]);
                let sum = crc32c(crc32c(seed, &number), &self.bytes[range.clone()]);
                self.put(range.start + 0x1E, &low(sum));
            }
            Structure::BlockBitmap(group) | Structure::InodeBitmap(group) => {
                let sum = crc32c(seed, &self.bytes[range]);
                let block = matches!(structure, Structure::BlockBitmap(_));
                let at = self.descriptor_at(group) + if block { 0x18 } else { 0x1A };
                self.put(at, &low(sum));
                if self.descriptor >= 64 {
                    self.put(at + 0x20, &high(sum));
                }
            }
            Structure::Inode(number) => {
                let at = range.start;
                let wide = self.inode_size > 128 && self.u16(at + 0x80) >= 4;
                self.put(at + 0x7C, &[0, 0]);
                if wide {
                    self.put(at + 0x82, &[0, 0]);
                }
                let sum = crc32c(self.seed(seed, number), &self.bytes[range]);
                self.put(at + 0x7C, &low(sum));
                if wide {
                    self.put(at + 0x82, &high(sum));
                }
            }
            Structure::Node(number, _) => {
                let tail = range.start + (self.u16(range.start + 4) + 1) * 12;
                if tail + 4 <= range.end {
                    let sum = crc32c(self.seed(seed, number), &self.bytes[range.start..tail]);
                    self.put32(tail, sum);
                }
            }
            Structure::Folder(number, _) => {
                let tail = range.end - 12;
                let sum = crc32c(self.seed(seed, number), &self.bytes[range.start..tail]);
                self.put32(tail + 8, sum);
            }
        }
    }

    fn seed(&self, seed: u32, number: u32) -> u32 {
        let generation = self.inode(number) + 0x64;
        crc32c(crc32c(seed, &number.to_le_bytes()), &self.bytes[generation..generation + 4])
    }
}

#[test]
fn sealing_an_image_of_the_kernel_changes_none_of_its_bytes() {
    for name in super::IMAGES {
        let whole = Patched::of(name);
        let mut sealed = whole.clone();
        let structures = whole.structures();
        for structure in &structures {
            sealed.seal(&[*structure]);
            assert!(sealed.bytes == whole.bytes, "{name}: {structure:?}");
        }
        assert!(structures.len() > 50, "{name}");
    }
}
