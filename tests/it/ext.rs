//! ext2, ext3 and ext4: golden images that the kernel wrote, other readers, hostile volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::filesystem::ext::Ext;
use assay::evidence::filesystem::{ExtentStream, FileSystem, Listing, Node, NodeContent};
use assay::item::{
    AllocStatus, NameAttribution, ObjectKind, ObjectPath, Place, RecoveryBasis, Status, Stream,
};
use assay::problem::{Code, Problem};
use sha2::{Digest as _, Sha256};

mod loops;
mod patch;
mod sealed;
mod times;

const IMAGES: [&str; 8] = [
    "ext2-1k",
    "ext3-1k",
    "ext3-4k",
    "ext4-1k",
    "ext4-4k",
    "ext4-inline",
    "ext4-bigalloc",
    "ext4-index",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images")
}

fn image(name: &str) -> Vec<u8> {
    let packed = std::fs::read(folder().join(format!("{name}.img.gz"))).unwrap();
    let mut bytes = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&packed[..]), &mut bytes).unwrap();
    bytes
}

/// Kind (`live` or `deleted`), path and SHA-256 of every regular file that was in the mount.
fn sums(name: &str) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.sums"))).unwrap();
    let line = |line: &str| {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (sum, path) = rest.split_once(' ').unwrap();
        (kind.to_owned(), path.to_owned(), sum.to_owned())
    };
    text.lines().map(line).collect()
}

fn volume(bytes: Vec<u8>) -> Arc<dyn ReadAt> {
    Arc::new(Arc::<[u8]>::from(bytes))
}

fn root() -> ObjectPath {
    ObjectPath::evidence(1).given_inside("p0")
}

/// All objects of a volume, no more than `most`.
fn list(volume: &Arc<dyn ReadAt>, most: usize) -> Result<(Ext, Vec<Node>, Listing), Problem> {
    let ext = Ext::open(Arc::clone(volume))?;
    let mut nodes = Vec::new();
    let listing = ext.list(&root(), &AtomicBool::new(false), &mut |node| {
        nodes.push(node);
        assert!(nodes.len() <= most, "more objects than the volume can hold");
        ControlFlow::Continue(())
    });
    Ok((ext, nodes, listing))
}

/// The bytes of an object; `None` where some of them are not to be had.
fn read(volume: &Arc<dyn ReadAt>, node: &Node) -> Option<Vec<u8>> {
    let NodeContent::Extents(extents) = &node.content else { return None };
    let mut stream = ExtentStream::new(Arc::clone(volume), extents.clone());
    let (mut bytes, mut buf) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match stream.fill(&mut buf) {
            Ok(0) => return Some(bytes),
            Ok(n) => bytes.extend_from_slice(&buf[..n]),
            Err(_) => return None,
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path below the volume.
fn path(node: &Node) -> String {
    node.path.text().strip_prefix("E1!/p0/").unwrap().to_owned()
}

#[test]
fn existing_files_are_exactly_those_of_the_mount() {
    for name in IMAGES {
        let volume = volume(image(name));
        let (ext, nodes, listing) = list(&volume, 10_000).unwrap();
        let want: BTreeMap<String, String> = sums(name)
            .into_iter()
            .filter(|(kind, ..)| kind == "live")
            .map(|(_, path, sum)| (path, sum))
            .collect();
        let live = nodes.iter().filter(|node| node.meta.alloc == AllocStatus::Allocated);
        let files = live.filter(|node| node.meta.kind == ObjectKind::File);
        let got: BTreeMap<String, String> = files
            .map(|node| (path(node), sha256(&read(&volume, node).unwrap_or_default())))
            .collect();
        assert_eq!(got, want, "{name}");
        assert_eq!(ext.facts().object_count, Some(listing.existing), "{name}");
        assert_eq!(listing.bytes.total(), volume.len(), "{name}: {:?}", listing.bytes);
        assert_eq!(listing.bytes.unexamined, 0, "{name}: {:?}", listing.bytes);
        assert_eq!(listing.problems, [], "{name}");
        assert_eq!(ext.facts().fs_type, name[..4], "{name}");
        for node in &nodes {
            assert_eq!(node.problems, [], "{name} {}", node.path.text());
        }
    }
}

/// The deleted files that were known, and those of them that came back whole with their bytes.
fn recovered(name: &str) -> (BTreeSet<String>, BTreeSet<String>, Vec<String>) {
    let volume = volume(image(name));
    let (_, nodes, _) = list(&volume, 10_000).unwrap();
    let known: BTreeMap<String, String> = sums(name)
        .into_iter()
        .filter(|(kind, ..)| kind == "deleted")
        .map(|(_, path, sum)| (sum, path))
        .collect();
    let (mut whole, mut wrong) = (BTreeSet::new(), Vec::new());
    for node in nodes.iter().filter(|node| node.meta.alloc == AllocStatus::Deleted) {
        assert!(node.path.text().contains('|'), "{}", node.path.text());
        let Some(bytes) = read(&volume, node) else {
            assert_ne!(
                node.meta.basis,
                Some(RecoveryBasis::MetadataExtents),
                "{}",
                node.path.text()
            );
            continue;
        };
        assert_eq!(node.meta.basis, Some(RecoveryBasis::MetadataExtents), "{}", node.path.text());
        match known.get(&sha256(&bytes)) {
            None => wrong.push(node.path.text()),
            Some(known) => {
                let named = path(node);
                let (named, _) = named.rsplit_once('|').unwrap();
                if node.meta.attribution == Some(NameAttribution::Certain) {
                    assert_eq!(named, known);
                }
                whole.insert(known.clone());
            }
        }
    }
    (known.into_values().collect(), whole, wrong)
}

#[test]
fn deleted_files_come_back_whole_or_say_what_is_missing() {
    for (name, least) in [
        ("ext2-1k", 8),
        ("ext3-1k", 8),
        ("ext3-4k", 8),
        ("ext4-1k", 7),
        ("ext4-4k", 7),
        ("ext4-inline", 8),
        ("ext4-bigalloc", 7),
    ] {
        let (known, whole, wrong) = recovered(name);
        assert_eq!(wrong, Vec::<String>::new(), "{name}");
        assert_eq!(known.len(), 8, "{name}");
        assert!(whole.len() >= least, "{name}: {whole:?}");
    }
}

/// Every file below a folder by its SHA-256.
fn sums_below(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sums_below(&path, into);
        } else if let Ok(bytes) = std::fs::read(&path) {
            into.insert(sha256(&bytes));
        }
    }
}

#[test]
fn more_deleted_files_come_back_than_with_the_sleuth_kit_and_extundelete() {
    let folder = std::env::temp_dir().join(format!("assay-ext-{}", std::process::id()));
    for name in IMAGES.iter().take(7) {
        let work = folder.join(name);
        std::fs::create_dir_all(&work).unwrap();
        let file = work.join("img");
        std::fs::write(&file, image(name)).unwrap();
        let known: BTreeSet<String> = sums(name)
            .into_iter()
            .filter(|(kind, ..)| kind == "deleted")
            .map(|(.., sum)| sum)
            .collect();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let out = text(&work.join("tsk"));
        let Some(_) = crate::support::tool("tsk_recover", &[&text(&file), &out]) else { return };
        let script = format!("cd {} && extundelete img --restore-all", text(&work));
        let Some(_) = crate::support::tool("sh", &["-c", &script]) else { return };
        let count = |below: &str| {
            let mut found = BTreeSet::new();
            sums_below(&work.join(below), &mut found);
            found.intersection(&known).count()
        };
        let (tsk, undelete) = (count("tsk"), count("RECOVERED_FILES"));
        let own = recovered(name).1.len();
        println!("{name}: {own} of {}, The Sleuth Kit {tsk}, extundelete {undelete}", known.len());
        assert!(own >= tsk.max(undelete), "{name}: {own} < {tsk}, {undelete}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn links_devices_times_and_owners_are_as_they_were_made() {
    for name in IMAGES.iter().take(7) {
        let volume = volume(image(name));
        let (_, nodes, _) = list(&volume, 10_000).unwrap();
        let at = |path: &str| {
            nodes.iter().find(|node| node.path.text() == format!("E1!/p0/{path}")).unwrap()
        };
        let target =
            |path: &str| String::from_utf8(at(path).meta.link_target.clone().unwrap()).unwrap();
        assert_eq!(target("fast"), "a/b/over");
        assert_eq!(target("slow"), "long/".repeat(30) + "end");
        let special = |path: &str| match &at(path).content {
            NodeContent::Nothing { status: Status::Special, problem } => problem.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(special("fifo"), Code::Fifo);
        assert_eq!((special("null"), special("loop")), (Code::CharDevice, Code::BlockDevice));
        assert_eq!(at("a/b/edge").meta.owner_id, "70000:80000");
        assert_eq!(at("a/b/edge").meta.attributes, "4751");
        let names = ["0ne", "a/one", "a/b/one-again"].map(at);
        let one = names[0].meta.link.unwrap();
        assert!(
            names.iter().all(|node| node.meta.link == Some(one) && node.meta.link_count == Some(3))
        );
        let modified = at("a/b/over").meta.times.modified.unwrap().to_string();
        let fraction = if at("a/one").meta.times.created.is_some() { ".123456789" } else { "" };
        assert_eq!(modified, format!("1931-05-06T07:08:09{fraction}Z"), "{name}");
    }
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end
    }
}

/// What must hold of any volume whatever it holds.
fn survives(bytes: Vec<u8>) {
    survives_volume(&volume(bytes)).unwrap();
}

/// The same; whether something was told, or what does not hold.
fn survives_volume(volume: &Arc<dyn ReadAt>) -> Result<bool, String> {
    let len = volume.len();
    let most = usize::try_from(len / 8).unwrap();
    let Ok((_, nodes, listing)) = list(volume, most) else { return Ok(true) };
    if listing.bytes.total() != len {
        return Err(format!("{:?}", listing.bytes));
    }
    let mut paths = BTreeSet::new();
    for node in &nodes {
        assert!(paths.insert(node.path.text()), "twice: {}", node.path.text());
        if let NodeContent::Extents(extents) = &node.content {
            let sum =
                extents.iter().fold(0_u64, |sum, extent| sum.checked_add(extent.len).unwrap());
            assert_eq!(Some(sum), node.meta.size, "{}", node.path.text());
            for extent in extents {
                if let Place::Disk(at) = extent.place {
                    assert!(at.checked_add(extent.len).is_some());
                }
            }
        }
    }
    Ok(!listing.problems.is_empty() || nodes.iter().any(|node| !node.problems.is_empty()))
}

#[test]
fn every_prefix_in_steps_of_sectors_is_survived() {
    for name in ["ext2-1k", "ext4-4k"] {
        let whole = image(name);
        let sectors = whole.len() / 512;
        // Each sector where structures lie densely, then every 37th.
        for cut in (0..sectors).filter(|cut| *cut < 200 || cut % 37 == 0) {
            survives(whole[..cut * 512].to_vec());
        }
    }
}

/// Places of structures: the first blocks, inode tables and whatever is not text.
fn structures(bytes: &[u8]) -> Vec<usize> {
    let is_text =
        |block: &[u8]| block.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == b'\n');
    let blocks = bytes.chunks(512).enumerate();
    let kept = blocks.filter(|(_, block)| block.iter().any(|byte| *byte != 0) && !is_text(block));
    kept.map(|(number, _)| number * 512).collect()
}

#[test]
fn random_changes_of_structures_are_survived() {
    let rounds = std::env::var("ASSAY_MUTATIONS").map_or(700, |n| n.parse().unwrap());
    for name in IMAGES.iter().filter(|name| !name.ends_with("-4k")) {
        let whole = image(name);
        let places = structures(&whole);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..rounds / 6 + 1 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(12) {
                let sector = places
                    [usize::try_from(random.below(places.len().try_into().unwrap())).unwrap()];
                let at = sector + usize::try_from(random.below(512)).unwrap();
                match random.below(4) {
                    0 => bytes[at] = random.below(256).to_le_bytes()[0],
                    1 => bytes[at] ^= 1 << random.below(8),
                    2 => bytes[at & !3..(at & !3) + 4].fill(0xFF),
                    _ => {
                        let from =
                            places[usize::try_from(random.below(places.len().try_into().unwrap()))
                                .unwrap()];
                        bytes.copy_within(from..from + 64, sector);
                    }
                }
            }
            // Without the feature no check sum of a structure stands in a change's way.
            if random.below(2) == 0 && bytes[1080..1082] == [0x53, 0xEF] {
                bytes[1024 + 0x64] &= !0x10;
                bytes[1024 + 0x65] &= !0x04;
            }
            survives(bytes);
        }
    }
}

#[test]
fn joined_images_of_another_maker_are_listed_as_the_sleuth_kit_does() {
    let Some(corpora) = std::env::var_os("ASSAY_CORPORA") else {
        return crate::support::skip("ASSAY_CORPORA is not set");
    };
    let mut bytes = Vec::new();
    for part in ["ext2.splitraw.000", "ext2.splitraw.001"] {
        bytes.extend(std::fs::read(Path::new(&corpora).join("dfvfs").join(part)).unwrap());
    }
    let len = u64::try_from(bytes.len()).unwrap();
    let volume = volume(bytes);
    let (ext, nodes, listing) = list(&volume, 1000).unwrap();
    assert_eq!(listing.bytes.total(), len);
    assert_eq!(ext.facts().object_count, Some(listing.existing));
    let files: Vec<String> =
        nodes.iter().filter(|n| n.meta.kind == ObjectKind::File).map(path).collect();
    assert_eq!(
        files,
        ["a_directory/a_file", "passwords.txt", "a_directory/another_file"],
        "{files:?}"
    );
}

#[test]
fn a_damaged_superblock_is_replaced_by_its_copy_and_said_so() {
    let file = std::env::temp_dir().join(format!("assay-ext-copy-{}", std::process::id()));
    std::fs::write(&file, vec![0; 16 << 20]).unwrap();
    let arguments = ["-q", "-F", "-t", "ext4", "-b", "1024", file.to_str().unwrap()];
    let Some(output) = crate::support::tool("mke2fs", &arguments) else { return };
    assert!(output.status.success());
    let mut bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    bytes[1024..1500].fill(0);
    let (ext, _, listing) = list(&volume(bytes), 100).unwrap();
    assert_eq!(ext.facts().fs_type, "ext4");
    assert!(listing.problems[0].detail.ends_with("its copy at byte 8389632 is used"));
    assert_eq!(listing.bytes.total(), 16 << 20);
    assert_eq!(ext.facts().object_count, Some(listing.existing));
}
