//! The Sleuth Kit as a second opinion, and the public test image of 2005 with JPEGs in odd places.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{image, plain, read, volume, walk};
use crate::support::{skip, tool};
use assay::evidence::filesystem::Node;
use assay::item::{AllocStatus, ObjectKind, Timestamp};

fn text(name: &str, arguments: &[&str]) -> Option<String> {
    let output = tool(name, arguments)?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Lists the files of an image with `fls`: inode and attribute, path, deleted.
fn fls(path: &str, arguments: &[&str]) -> Option<Vec<(String, String)>> {
    let mut all = vec!["-r", "-p"];
    all.extend(arguments);
    all.push(path);
    let lines = text("fls", &all)?;
    let rows = lines.lines().filter_map(|line| {
        let (kind, rest) = line.split_once(' ')?;
        let rest = rest.trim_start_matches("* ");
        let (inode, path) = rest.split_once(":\t")?;
        let path = path.trim_end_matches(" (deleted)");
        let system = path.starts_with('$');
        let folder = kind.ends_with('d') && !path.contains(':');
        (!system && !folder).then(|| (inode.replace("(realloc)", ""), path.to_owned()))
    });
    Some(rows.collect())
}

/// A path; of a stream, which they give under every name of its file, only its own name.
fn bare(path: &str) -> String {
    path.rsplit_once(':').map_or(path, |(_, stream)| stream).to_owned()
}

fn record(node: &Node) -> u64 {
    let text = node.meta.fs_ref.strip_prefix("mft:").unwrap();
    text.split_once('-').unwrap().0.parse().unwrap()
}

#[test]
fn the_live_objects_are_those_of_the_sleuth_kit() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ntfs", "ntfs-4k", "ntfs-fragmented", "ntfs-tiny", "ntfs-index"] {
        let bytes = image(name);
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let Some(theirs) = fls(path.to_str().unwrap(), &["-u"]) else { return };
        let theirs: BTreeSet<String> = theirs.into_iter().map(|(_, path)| bare(&path)).collect();
        let (nodes, _) = walk(&volume(bytes)).unwrap();
        let live = |node: &&Node| node.meta.alloc == AllocStatus::Allocated;
        let links = ["link", "junction"];
        let ours: BTreeSet<String> = nodes.iter().filter(live).map(|n| bare(&plain(n))).collect();
        let differ: Vec<_> =
            ours.symmetric_difference(&theirs).filter(|p| !links.contains(&p.as_str())).collect();
        assert_eq!(differ, [] as [&String; 0], "{name}");
    }
}

/// Times as `istat` prints them, with nine digits of a second.
fn istat_time(time: Option<Timestamp>) -> String {
    time.map_or_else(String::new, |time| {
        let text = time.to_string();
        format!("{} {}00 (UTC)", &text[..10], &text[11..27])
    })
}

#[test]
fn times_are_those_of_istat() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = image("ntfs");
    let path = dir.path().join("image");
    std::fs::write(&path, &bytes).unwrap();
    let (nodes, _) = walk(&volume(bytes)).unwrap();
    let mut seen = BTreeSet::new();
    for node in nodes.iter().filter(|node| seen.insert(record(node))) {
        let inode = record(node).to_string();
        let Some(said) = text("istat", &["-z", "UTC", path.to_str().unwrap(), &inode]) else {
            return;
        };
        let part = |from: &str, word: &str| {
            let part = said.split_once(from).unwrap().1;
            let line = part.lines().find(|line| line.starts_with(word)).unwrap();
            line.split_once('\t').unwrap().1.to_owned()
        };
        let times = &node.meta.times;
        let own = "$STANDARD_INFORMATION Attribute Values";
        assert_eq!(part(own, "Created:"), istat_time(times.created), "{inode}");
        assert_eq!(part(own, "File Modified:"), istat_time(times.modified), "{inode}");
        assert_eq!(part(own, "MFT Modified:"), istat_time(times.changed), "{inode}");
        assert_eq!(part(own, "Accessed:"), istat_time(times.accessed), "{inode}");
        if node.meta.link_count == Some(1) {
            let name = "$FILE_NAME Attribute Values";
            assert_eq!(part(name, "Created:"), istat_time(times.name_created), "{inode}");
            assert_eq!(part(name, "File Modified:"), istat_time(times.name_modified), "{inode}");
        }
    }
    assert!(seen.len() > 100);
}

#[test]
fn every_deleted_file_that_the_sleuth_kit_recovers_is_found() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ntfs", "ntfs-4k", "ntfs-fragmented", "ntfs-tiny", "ntfs-index"] {
        let bytes = image(name);
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let Some(theirs) = fls(path.to_str().unwrap(), &["-d"]) else { return };
        let (nodes, _) = walk(&volume(bytes)).unwrap();
        let mut ours: BTreeMap<u64, usize> = BTreeMap::new();
        let deleted = |node: &&Node| node.meta.alloc == AllocStatus::Deleted;
        let names: BTreeSet<String> = nodes.iter().filter(deleted).map(plain).collect();
        let with_record = |node: &&Node| node.meta.fs_ref.starts_with("mft:");
        for node in nodes.iter().filter(deleted).filter(with_record) {
            *ours.entry(record(node)).or_default() += 1;
        }
        for (inode, path) in &theirs {
            let inode: u64 = inode.split('-').next().unwrap().parse().unwrap();
            // Records 16 to 23 are kept free and never had a name.
            assert!(inode < 24 || ours.contains_key(&inode), "{name}: {path}");
            let theirs_alone = path.contains("OrphanFile") || path.contains(':');
            assert!(inode < 24 || theirs_alone || names.contains(path), "{name}: {path}");
        }
    }
}

/// The files of the image "DFTT 8" whose MD5 its index.html gives, deleted ones by the third cell.
const DFTT_8: &[(&str, &str, bool)] = &[
    ("alloc/file1.jpg", "75b8d00568815a36c3809b46fc84ba6d", false),
    ("alloc/file2.dat", "de5d83153339931371719f4e5c924eba", false),
    ("invalid/file3.jpg", "1ba4e91591f0541eda255ee26f7533bc", false),
    ("invalid/file4.jpg", "c8de721102617158e8492121bdad3711", false),
    ("invalid/file5.rtf", "86f14fc525648c39d878829f288c0543", false),
    ("archive/file8.zip", "d41b56e0a9f84eb2825e73c24cedd963", false),
    ("archive/file9.boo", "73c3029066aee9416a5aeb98a5c55321", false),
    ("archive/file10.tar.gz", "d4f8cf643141f0c2911c539750e18ef2", false),
    ("misc/file11.dat", "f407ab92da959c7ab03292cfe596a99d", false),
    ("misc/file12.doc", "61c0b55639e52d1ce82aba834ada2bab", false),
    ("del1/file6.jpg", "afd55222024a4e22f7f5a3a665320763", true),
    ("del2/file7.hmm", "0c452c5800fcfa7c66027ae89c4f068a", true),
    ("misc/file13.dll:here", "9b787e63e3b64562730c5aecaab1e1f8", false),
];

#[test]
fn every_file_of_a_public_test_image_is_found_with_its_published_digest() {
    let Some(corpora) = std::env::var_os("ASSAY_CORPORA") else {
        return skip("ASSAY_CORPORA is not set");
    };
    let packed = Path::new(&corpora).join("dftt/8-jpeg-search.zip");
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    let Some(_) = tool("unzip", &["-q", packed.to_str().unwrap(), "-d", to]) else { return };
    let bytes = std::fs::read(dir.path().join("8-jpeg-search/8-jpeg-search.dd")).unwrap();
    let volume = volume(bytes);
    let (nodes, listing) = walk(&volume).unwrap();
    assert_eq!(listing.bytes.total(), volume.len());
    for (path, digest, deleted) in DFTT_8 {
        let node = nodes.iter().find(|node| plain(node) == *path);
        let node = node.unwrap_or_else(|| panic!("{path} is not there"));
        let (bytes, problems) = read(&volume, node).unwrap();
        assert_eq!(problems, [], "{path}");
        assert_eq!(format!("{:x}", md5::compute(&bytes)), *digest, "{path}");
        assert_eq!(node.meta.alloc == AllocStatus::Deleted, *deleted, "{path}");
        assert_eq!(node.meta.kind == ObjectKind::Ads, path.contains(':'), "{path}");
    }
}
