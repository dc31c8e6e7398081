//! Partition tables and what volumes hold: golden tables of our own making, tables that tools of
//! the system write and list, public disks, and damage.

mod overlaps;
mod recognise;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay::bytes::{ReadAt, Section};
use assay::evidence::partition::{Layout, Role, Scheme, read};
use assay::evidence::recognise::{Recognised, recognise};
use assay::problem::Code;

use crate::support::{skip, tool};

/// A golden image of tests/data/images.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images").join(name);
    let mut out = Vec::new();
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    flate2::read::GzDecoder::new(file).read_to_end(&mut out).unwrap();
    out
}

/// A file among public test data; `None` where that is not at hand.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("ASSAY_CORPORA") else {
        skip("ASSAY_CORPORA is not set");
        return None;
    };
    Some(PathBuf::from(folder).join(name))
}

/// Numbers that look random and are the same in every run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % end
    }

    /// A byte that often is one of those that parsers get wrong.
    pub(crate) fn byte(&mut self) -> u8 {
        match self.below(6) {
            0 => 0,
            1 => 0xFF,
            2 => 1,
            3 => 0x80,
            _ => u8::try_from(self.below(256)).unwrap(),
        }
    }
}

fn shared(bytes: Vec<u8>) -> Arc<[u8]> {
    bytes.into()
}

fn layout(bytes: &[u8], sector_size: u32) -> Layout {
    read(&shared(bytes.to_vec()), sector_size)
}

/// Name, first and last sector, type and label of each partition.
fn volumes(layout: &Layout) -> Vec<(String, u64, u64, String, String)> {
    let sector = u64::from(layout.sector_size);
    let volumes = layout.parts.iter().filter(|part| part.role == Role::Volume);
    let mut out: Vec<_> = volumes
        .map(|part| {
            let (first, count) = (part.start / sector, part.len / sector);
            let label = String::from_utf8(part.label.clone()).unwrap();
            (part.name.clone(), first, count, part.type_id.clone(), label)
        })
        .collect();
    out.sort_by_key(|row| row.0[1..].parse::<u32>().unwrap());
    out
}

fn short(layout: &Layout) -> Vec<(String, u64, u64, String)> {
    volumes(layout)
        .into_iter()
        .map(|(name, first, count, kind, _)| (name, first, count, kind))
        .collect()
}

fn row(name: &str, first: u64, count: u64, kind: &str) -> (String, u64, u64, String) {
    (name.to_owned(), first, count, kind.to_owned())
}

/// Every byte is in a part, gaps are in no other, and nothing leaves the disk.
fn covers(layout: &Layout, len: u64) {
    let mut reached = 0;
    for part in &layout.parts {
        assert!(part.start <= reached, "{layout:?}");
        assert!(part.role == Role::Volume || part.start == reached, "{layout:?}");
        assert!(part.table_bytes <= part.len);
        let end = part.start.checked_add(part.len).unwrap();
        assert!(end <= len, "{layout:?}");
        reached = reached.max(end);
    }
    assert_eq!(reached, len, "{layout:?}");
    let overlap = layout.problems.iter().any(|problem| problem.code == Code::PartitionsOverlap);
    let sum: u64 = layout.parts.iter().map(|part| part.len).sum();
    assert_eq!(overlap, sum != len, "{layout:?}");
    let mut names: Vec<_> = layout.parts.iter().map(|part| &part.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), layout.parts.len(), "{layout:?}");
    overlaps::owned_once(layout, len);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn put(disk: &mut [u8], at: usize, bytes: &[u8]) {
    disk[at..at + bytes.len()].copy_from_slice(bytes);
}

fn u32_at(disk: &[u8], at: usize) -> usize {
    u32::from_le_bytes(disk[at..at + 4].try_into().unwrap()) as usize
}

/// Makes the check sums of the header at `at` hold again, where its fields let them.
fn mend(disk: &mut [u8], at: usize) {
    let array = u64::from_le_bytes(disk[at + 72..at + 80].try_into().unwrap());
    let size = u32_at(disk, at + 80).saturating_mul(u32_at(disk, at + 84));
    let from = usize::try_from(array).ok().and_then(|array| array.checked_mul(512));
    let to = from.and_then(|from| from.checked_add(size));
    let Some(entries) = from.zip(to).and_then(|(from, to)| disk.get(from..to)) else { return };
    let crc = crc32(entries);
    put(disk, at + 88, &crc.to_le_bytes());
    put(disk, at + 16, &[0; 4]);
    let size = u32_at(disk, at + 12);
    let Some(crc) = disk.get(at..at.saturating_add(size)).map(crc32) else { return };
    put(disk, at + 16, &crc.to_le_bytes());
}

fn mbr() -> Vec<u8> {
    golden("mbr-extended.raw.gz")
}

const MBR: [(&str, u64, u64, &str); 5] = [
    ("p1", 63, 4033, "0x04"),
    ("p3", 8192, 2048, "0x0c"),
    ("p5", 12351, 4000, "0x06"),
    ("p6", 18432, 2048, "0x83"),
    ("p7", 24576, 8192, "0x07"),
];

fn mbr_rows() -> Vec<(String, u64, u64, String)> {
    MBR.iter().map(|&(name, first, count, kind)| row(name, first, count, kind)).collect()
}

#[test]
fn primaries_are_numbered_by_slot_and_logical_ones_from_five() {
    let disk = mbr();
    let layout = layout(&disk, 512);
    assert_eq!((layout.scheme, &layout.problems), (Scheme::Mbr, &Vec::new()));
    assert_eq!(short(&layout), mbr_rows());
    covers(&layout, disk.len() as u64);
    let table: u64 = layout.parts.iter().map(|part| part.table_bytes).sum();
    assert_eq!(table, 4 * 512);
    assert_eq!(layout.parts[0].name, "gap1");
}

#[test]
fn a_guid_table_gives_types_and_names_and_its_copy_is_table_too() {
    let disk = golden("gpt.raw.gz");
    let layout = layout(&disk, 512);
    assert_eq!((layout.scheme, &layout.problems), (Scheme::Gpt, &Vec::new()));
    let rows = volumes(&layout);
    let basic = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";
    assert_eq!(rows[0].3, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    assert_eq!(rows[1], ("p2".into(), 4096, 4096, basic.into(), "Bilder Ä 写真".into()));
    assert_eq!((rows[2].0.as_str(), rows[2].1, rows[2].2), ("p5", 10240, 6111));
    covers(&layout, disk.len() as u64);
    let table: u64 = layout.parts.iter().map(|part| part.table_bytes).sum();
    assert_eq!(table, 512 * (1 + 2 * 33));
}

#[test]
fn a_table_in_larger_sectors_is_found_whatever_the_device_says() {
    let disk = golden("gpt-4096.raw.gz");
    let right = layout(&disk, 4096);
    assert_eq!(
        (right.scheme, right.sector_size, &right.problems),
        (Scheme::Gpt, 4096, &Vec::new())
    );
    let wrong = layout(&disk, 512);
    assert_eq!((wrong.sector_size, wrong.problems.len()), (4096, 1), "{:?}", wrong.problems);
    assert_eq!(wrong.parts, right.parts);
    let places: Vec<_> = short(&right).into_iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(places, [(256, 256), (1024, 512)]);
    covers(&right, disk.len() as u64);
}

#[test]
fn a_record_in_larger_sectors_is_found_by_what_its_partitions_begin_with() {
    let mut disk = vec![0; 4 << 20];
    put(&mut disk, 446, &[0, 0, 0, 0, 0x83, 0, 0, 0, 64, 0, 0, 0, 128, 0, 0, 0]);
    put(&mut disk, 510, &[0x55, 0xAA]);
    assert_eq!(layout(&disk, 512).sector_size, 512);
    put(&mut disk, 64 * 4096 + 1080, &[0x53, 0xEF]);
    let found = layout(&disk, 512);
    assert_eq!((found.sector_size, found.problems.len()), (4096, 1));
    assert_eq!(short(&found), [row("p1", 64, 128, "0x83")]);
}

#[test]
fn hybrid_entries_that_the_guid_table_has_too_are_no_second_volume() {
    let mut disk = golden("gpt-hybrid.raw.gz");
    let found = layout(&disk, 512);
    assert_eq!((found.scheme, &found.problems), (Scheme::Hybrid, &Vec::new()));
    assert_eq!(found.parts, layout(&golden("gpt.raw.gz"), 512).parts);
    let slot = (446..510).step_by(16).find(|at| disk[at + 4] == 0x07).unwrap();
    put(&mut disk, slot + 12, &100_u32.to_le_bytes());
    let found = layout(&disk, 512);
    let extra = volumes(&found).pop().unwrap();
    assert_eq!((extra.1, extra.2), (4096, 100));
    assert!(extra.0[1..].parse::<u32>().unwrap() > 128, "{extra:?}");
    assert!(found.problems.iter().any(|problem| problem.code == Code::PartitionsOverlap));
    covers(&found, disk.len() as u64);
}

#[test]
fn a_damaged_guid_table_is_read_from_its_backup_and_said_so() {
    let disk = golden("gpt.raw.gz");
    let good = short(&layout(&disk, 512));
    for at in [512, 512 + 16, 512 + 56, 512 + 80, 1024 + 32, 2 * 512 + 56] {
        let mut disk = disk.clone();
        disk[at] ^= 0x40;
        let found = layout(&disk, 512);
        assert_eq!(short(&found), good, "{at}");
        assert!(found.problems.iter().any(|problem| problem.detail.contains("backup")), "{at}");
        covers(&found, disk.len() as u64);
    }
    let mut wiped = disk.clone();
    wiped[..34 * 512].fill(0);
    let found = layout(&wiped, 512);
    assert_eq!((found.scheme, short(&found)), (Scheme::Gpt, good.clone()));
    let cut = layout(&disk[..disk.len() - 4096], 512);
    assert_eq!(short(&cut), good);
    assert!(cut.problems[0].detail.contains("backup"), "{:?}", cut.problems);
}

#[test]
fn two_sound_guid_tables_that_disagree_are_a_problem() {
    let mut disk = golden("gpt.raw.gz");
    let header = disk.len() - 512;
    let array = u32_at(&disk, header + 72) * 512;
    put(&mut disk, array + 32, &2050_u64.to_le_bytes());
    mend(&mut disk, header);
    let found = layout(&disk, 512);
    assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
    assert!(found.problems[0].detail.contains("disagree"));
    assert_eq!(short(&found)[0].1, 2048);
}

#[test]
fn huge_arrays_are_read_in_part_and_odd_entry_sizes_are_refused_or_read() {
    let disk = golden("gpt.raw.gz");
    let changed = |field: usize, value: u32| {
        let mut disk = disk.clone();
        put(&mut disk, 512 + field, &value.to_le_bytes());
        let last = disk.len() - 512;
        put(&mut disk, last + field, &value.to_le_bytes());
        mend(&mut disk, 512);
        let found = layout(&disk, 512);
        covers(&found, disk.len() as u64);
        found
    };
    assert!(!changed(80, u32::MAX).problems.is_empty());
    assert_eq!(volumes(&changed(80, 1)).len(), 1);
    for size in [0, 1, 127, 4097, u32::MAX] {
        assert_eq!(volumes(&changed(84, size)).len(), 0, "{size}");
    }
    for size in [256, 4096] {
        assert_eq!(volumes(&changed(84, size))[0].1, 2048, "{size}");
    }
}

#[test]
fn entries_past_the_end_are_cut_and_overlapping_ones_are_both_given() {
    let mut disk = mbr();
    put(&mut disk, 446 + 12, &u32::MAX.to_le_bytes());
    let found = layout(&disk, 512);
    let len = disk.len() as u64;
    covers(&found, len);
    assert_eq!(short(&found)[0], row("p1", 63, len / 512 - 63, "0x04"));
    let count = |code| found.problems.iter().filter(|problem| problem.code == code).count();
    assert_eq!((count(Code::PartitionTableDamaged), count(Code::PartitionsOverlap)), (1, 4));
    put(&mut disk, 446 + 8, &u32::MAX.to_le_bytes());
    let found = layout(&disk, 512);
    assert_eq!(short(&found).len(), 4);
    assert_eq!(found.problems.len(), 1);
}

#[test]
fn a_chain_that_circles_or_goes_on_for_ever_ends() {
    let mut disk = mbr();
    let place = (0..disk.len()).step_by(512).filter(|&at| disk[at + 510..at + 512] == [0x55, 0xAA]);
    let records: Vec<usize> = place.collect();
    assert_eq!(records.len(), 4);
    for target in &records[1..] {
        let mut disk = disk.clone();
        let link = u32::try_from((target - records[1]) / 512).unwrap();
        put(&mut disk, records[3] + 462, &[0, 0, 0, 0, 5, 0, 0, 0]);
        put(&mut disk, records[3] + 470, &link.to_le_bytes());
        put(&mut disk, records[3] + 474, &1_u32.to_le_bytes());
        let found = layout(&disk, 512);
        assert_eq!(short(&found), mbr_rows());
        assert!(found.problems.iter().any(|problem| problem.detail.contains("back")));
    }
    // Two links in every record, each to the next two: twice as many with every step.
    for record in 0..2000_u32 {
        let at = (12288 + record as usize) * 512;
        if let Some(sector) = disk.get_mut(at..at + 512) {
            sector.fill(0);
            for (slot, step) in [(446, 1), (462, 2)] {
                put(sector, slot, &[0, 0, 0, 0, 5, 0, 0, 0]);
                put(sector, slot + 8, &(record + step).to_le_bytes());
                put(sector, slot + 12, &1_u32.to_le_bytes());
            }
            put(sector, 510, &[0x55, 0xAA]);
        }
    }
    let found = layout(&disk, 512);
    assert!(found.problems.iter().any(|problem| problem.detail.contains("more than")));
    covers(&found, disk.len() as u64);
}

#[test]
fn a_boot_sector_is_no_table_unless_its_entries_lead_somewhere() {
    let mut disk = vec![0; 2 << 20];
    put(&mut disk, 0, &[0xEB, 0x3C, 0x90]);
    put(&mut disk, 11, &[0, 2, 4, 1, 0, 2, 0, 2, 0, 16, 0xF8, 16, 0]);
    put(&mut disk, 54, b"FAT16   ");
    put(&mut disk, 510, &[0x55, 0xAA]);
    let plain = layout(&disk, 512);
    assert_eq!((plain.scheme, plain.problems.len(), plain.parts.len()), (Scheme::None, 0, 1));
    put(&mut disk, 446, &[0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0]);
    let both = layout(&disk, 512);
    assert_eq!((both.scheme, both.problems.len()), (Scheme::None, 1));
    put(&mut disk, 2048 * 512 + 1080, &[0x53, 0xEF]);
    let table = layout(&disk, 512);
    assert_eq!((table.scheme, table.problems.len()), (Scheme::Mbr, 1));
}

#[test]
fn no_prefix_and_no_mutation_of_a_table_panics_or_loses_a_byte() {
    let mut random = Random(11);
    for name in ["mbr-extended.raw.gz", "gpt.raw.gz", "gpt-hybrid.raw.gz"] {
        let disk = shared(golden(name));
        let whole = ReadAt::len(&disk);
        let steps = (0..40_960).chain((40_960..whole).step_by(4096)).step_by(7);
        for len in steps.chain(whole - 40_960..whole).step_by(5) {
            let cut = Section::new(Arc::new(disk.clone()), 0, len);
            covers(&read(&cut, 512), len);
        }
        let mut disk = disk.to_vec();
        let last = disk.len() - 512;
        let records: Vec<usize> = (0..disk.len())
            .step_by(512)
            .filter(|&at| disk[at + 510..at + 512] == [0x55, 0xAA])
            .flat_map(|at| at + 440..at + 512)
            .chain(512..512 + 92)
            .chain(1024..1024 + 5 * 128)
            .chain(last..last + 92)
            .collect();
        let good = disk.clone();
        for round in 0..10_000 {
            let places: Vec<usize> =
                (0..1 + random.below(6)).map(|_| records[random.below(records.len())]).collect();
            places.iter().for_each(|&at| disk[at] = random.byte());
            if round % 2 == 0 {
                mend(&mut disk, 512);
                mend(&mut disk, last);
            }
            let shared: Lent<'_> = Lent(&disk);
            covers(&read(&shared, 512), whole);
            places.iter().for_each(|&at| disk[at] = good[at]);
            put(&mut disk, 512, &good[512..604]);
            put(&mut disk, last, &good[last..last + 92]);
        }
    }
}

/// Borrowed bytes.
pub(crate) struct Lent<'a>(pub(crate) &'a [u8]);

impl ReadAt for Lent<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(at, buf)
    }
}

/// First sector and length of each partition by `mmls`, its containers and its own rows left out.
fn mmls(image: &Path) -> Option<Vec<(u64, u64)>> {
    let text = tool("mmls", &[image.to_str().unwrap()])?.stdout;
    let text = String::from_utf8(text).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let slot = words.nth(1).filter(|slot| slot.starts_with(|c: char| c.is_ascii_digit()))?;
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        (slot != "Meta" && numbers.len() == 3).then(|| (numbers[0], numbers[2]))
    });
    Some(rows.collect())
}

#[test]
fn the_public_disk_of_extended_partitions_is_read_as_mmls_reads_it() {
    let Some(zip) = corpus("dftt/1-extend-part.zip") else { return };
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    if tool("unzip", &["-q", zip.to_str().unwrap(), "-d", to]).is_none() {
        return;
    }
    let image = folder.path().join("1-extend-part/ext-part-test-2.dd");
    let disk = std::fs::read(&image).unwrap();
    let found = layout(&disk, 512);
    assert_eq!((found.scheme, &found.problems), (Scheme::Mbr, &Vec::new()));
    covers(&found, disk.len() as u64);
    let places: Vec<_> = short(&found).into_iter().map(|row| (row.1, row.2)).collect();
    assert_eq!(places.len(), 6);
    if let Some(listed) = mmls(&image) {
        assert_eq!(places, listed);
    }
    let disk = Arc::new(shared(disk));
    for part in found.parts.iter().filter(|part| part.role == Role::Volume) {
        let volume = Section::new(disk.clone(), part.start, part.len);
        assert_eq!(recognise(&volume, &part.type_id), Recognised::Fat, "{}", part.name);
    }
}

#[test]
fn tables_that_tools_write_are_read_as_they_list_them() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.raw");
    let path = image.to_str().unwrap();
    let mut random = Random(5);
    for round in 0..12 {
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(64 << 20).unwrap();
        drop(file);
        let gpt = round % 2 == 0;
        let mut script = format!("label: {}\n", if gpt { "gpt" } else { "dos" });
        let mut at = 2048;
        let last = 3 + random.below(4);
        for number in 1..=last {
            let size = 2048 * (1 + random.below(3));
            if !gpt && number == 3 {
                script += &format!("{number}: start={at}, size={}, type=f\n", (60 << 11) - at);
            } else if gpt || number != 4 {
                let kind = if gpt { "L" } else { "c" };
                script += &format!("{number}: start={at}, size={size}, type={kind}\n");
                at += size;
            }
            at += 2048 * (1 + random.below(4));
        }
        let mut child = match std::process::Command::new("sfdisk")
            .args(["-q", path])
            .stdin(std::process::Stdio::piped())
            .spawn()
        {
            Ok(child) => child,
            Err(_) => return skip("sfdisk is not installed"),
        };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{script}");
        let found = layout(&std::fs::read(&image).unwrap(), 512);
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        covers(&found, 64 << 20);
        let dump = tool("sfdisk", &["-d", path]).unwrap().stdout;
        let dump = String::from_utf8(dump).unwrap();
        let field = |line: &str, name: &str| -> Option<u64> {
            line.split_once(name)?.1.split(',').next()?.trim().parse().ok()
        };
        let listed: Vec<_> = dump
            .lines()
            .filter(|line| !line.contains("type=f"))
            .filter_map(|line| {
                let number = line.strip_prefix(path)?.split_whitespace().next()?.to_owned();
                Some((format!("p{number}"), field(line, "start=")?, field(line, "size=")?))
            })
            .collect();
        let ours: Vec<_> = short(&found).into_iter().map(|row| (row.0, row.1, row.2)).collect();
        assert_eq!(ours, listed, "{script}");
        if let Some(listed) = mmls(&image) {
            let mut places: Vec<_> = ours.iter().map(|row| (row.1, row.2)).collect();
            places.sort_unstable();
            assert_eq!(places, listed);
        }
    }
}
