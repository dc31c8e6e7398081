//! ISO 9660: golden images of two makers, other readers, hostile volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay::bytes::ReadAt;
use assay::evidence::filesystem::iso9660::Iso9660;
use assay::evidence::filesystem::{ExtentStream, FileSystem, Listing, Node, NodeContent};
use assay::item::{ObjectKind, ObjectPath, Stream};
use assay::problem::{Code, Problem};
use sha2::{Digest as _, Sha256};

const IMAGES: [&str; 4] = ["iso-joliet", "iso-rock", "iso-sessions", "iso-plain"];

fn image(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let packed = std::fs::read(folder.join(format!("{name}.iso.gz"))).unwrap();
    let mut bytes = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&packed[..]), &mut bytes).unwrap();
    bytes
}

fn sums(name: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images");
    let text = std::fs::read_to_string(folder.join(format!("{name}.sums"))).unwrap();
    let line = |line: &str| {
        let (sum, path) = line.strip_prefix("live ").unwrap().split_once(' ').unwrap();
        (path.to_owned(), sum.to_owned())
    };
    text.lines().map(line).collect()
}

type Listed = (Arc<dyn ReadAt>, Vec<Node>, Listing);

fn list(bytes: &[u8]) -> Result<Listed, Problem> {
    let volume: Arc<dyn ReadAt> = Arc::new(Arc::<[u8]>::from(bytes));
    let iso = Iso9660::open(Arc::clone(&volume))?;
    let mut nodes = Vec::new();
    let root = ObjectPath::evidence(1).given_inside("p0");
    let listing = iso.list(&root, &AtomicBool::new(false), &mut |node| {
        nodes.push(node);
        assert!(nodes.len() <= bytes.len() / 32, "more objects than the volume can hold");
        ControlFlow::Continue(())
    });
    Ok((volume, nodes, listing))
}

fn sha256(volume: &Arc<dyn ReadAt>, node: &Node) -> Option<String> {
    let NodeContent::Extents(extents) = &node.content else { return None };
    let mut stream = ExtentStream::new(Arc::clone(volume), extents.clone());
    let (mut hash, mut buf) = (Sha256::new(), vec![0; 4096]);
    loop {
        match stream.fill(&mut buf) {
            Ok(0) => {
                return Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
            }
            Ok(n) => hash.update(&buf[..n]),
            Err(_) => return None,
        }
    }
}

fn path(node: &Node) -> String {
    node.path.text().strip_prefix("E1!/p0/").unwrap().to_owned()
}

fn files(volume: &Arc<dyn ReadAt>, nodes: &[Node]) -> BTreeMap<String, String> {
    let files = nodes.iter().filter(|node| node.meta.kind == ObjectKind::File);
    files.map(|node| (path(node), sha256(volume, node).unwrap_or_default())).collect()
}

#[test]
fn files_are_exactly_those_of_the_tree_that_was_written() {
    for name in IMAGES {
        let bytes = image(name);
        let (volume, nodes, listing) = list(&bytes).unwrap();
        assert_eq!(files(&volume, &nodes), sums(name), "{name}");
        assert_eq!(listing.bytes.total(), volume.len(), "{name}");
        let codes: Vec<Code> = listing.problems.iter().map(|problem| problem.code).collect();
        let want = if name == "iso-sessions" {
            &[Code::ContentNotRead, Code::SpaceWithoutOwner][..]
        } else {
            &[]
        };
        assert_eq!(codes, want, "{name}: {:?} {:?}", listing.problems, listing.bytes);
    }
}

#[test]
fn rock_ridge_gives_links_modes_and_times() {
    let (_, nodes, _) = list(&image("iso-rock")).unwrap();
    let at = |name: &str| &nodes.iter().find(|node| path(node) == name).unwrap().meta;
    let target = |name: &str| String::from_utf8(at(name).link_target.clone().unwrap()).unwrap();
    assert_eq!(target("link"), format!("../{}end", "long/".repeat(70)));
    assert_eq!(target("rootlink"), "/");
    assert_eq!(at("a/one").times.modified.unwrap().to_string(), "2024-02-29T12:34:56Z");
    assert_eq!(at("a/one").attributes, "0644");
}

/// Where the record of a name begins.
fn record(bytes: &[u8], name: &[u8]) -> usize {
    bytes.windows(name.len()).position(|window| window == name).unwrap() - 33
}

#[test]
fn extents_of_one_file_are_joined_and_interleaved_ones_not_read() {
    let mut bytes = image("iso-plain");
    let (first, second) = (record(&bytes, b"FIRST.TXT;1"), record(&bytes, b"SECOND.TXT;1"));
    let want = {
        let (_, nodes, _) = list(&bytes).unwrap();
        nodes.iter().take(2).map(|node| node.meta.size.unwrap()).sum::<u64>()
    };
    bytes[first + 25] |= 0x80;
    bytes[second + 32] = 11;
    bytes[second + 33..second + 45].copy_from_slice(b"FIRST.TXT;1\0");
    let (_, nodes, _) = list(&bytes).unwrap();
    assert_eq!(nodes.len(), 2);
    assert_eq!(nodes[0].meta.size, Some(want));
    bytes[second + 26] = 1;
    let (_, nodes, _) = list(&bytes).unwrap();
    assert!(
        matches!(&nodes[0].content, NodeContent::Nothing { problem, .. } if problem.code == Code::ContentNotRead)
    );
}

#[test]
fn byte_orders_that_differ_are_told_and_the_little_one_used() {
    let mut bytes = image("iso-plain");
    let (before, ..) = (sums("iso-plain"), ());
    let at = record(&bytes, b"THIRD.;1");
    bytes[at + 9] ^= 0xFF;
    bytes[at + 17] ^= 0xFF;
    let (volume, nodes, _) = list(&bytes).unwrap();
    assert_eq!(files(&volume, &nodes), before);
    assert_eq!(nodes[2].problems.len(), 2);
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % u64::try_from(end).unwrap())
            .unwrap()
    }
}

fn survives(bytes: &[u8]) {
    let Ok((volume, nodes, listing)) = list(bytes) else { return };
    assert_eq!(listing.bytes.total(), volume.len());
    let paths: BTreeSet<String> = nodes.iter().map(|node| node.path.text()).collect();
    assert_eq!(paths.len(), nodes.len());
    for node in &nodes {
        if let NodeContent::Extents(extents) = &node.content {
            assert_eq!(Some(extents.iter().map(|extent| extent.len).sum()), node.meta.size);
        }
    }
}

#[test]
fn prefixes_and_random_changes_are_survived() {
    let rounds: usize = std::env::var("ASSAY_MUTATIONS").map_or(1000, |n| n.parse().unwrap());
    for name in IMAGES {
        let whole = image(name);
        (0..whole.len() / 512).for_each(|cut| survives(&whole[..cut * 512]));
        let is_text = |block: &[u8]| {
            block.iter().all(|b| (b' '..=b'~').contains(b) || *b == b'\n' || *b == 0)
        };
        let places: Vec<usize> = (16..whole.len() / 2048)
            .map(|sector| sector * 2048)
            .filter(|at| !is_text(&whole[*at..*at + 2048]))
            .collect();
        let mut random = Random(7);
        for _ in 0..rounds / 4 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(10) {
                let at = places[random.below(places.len())] + random.below(400);
                match random.below(3) {
                    0 => bytes[at] = random.below(256).to_le_bytes()[0],
                    1 => bytes[at] ^= 1 << random.below(8),
                    _ => {
                        let from = places[random.below(places.len())];
                        bytes.copy_within(from..from + 200, at);
                    }
                }
            }
            survives(&bytes);
        }
    }
}

#[test]
fn images_of_others_are_listed_and_their_circles_end() {
    let Some(corpora) = std::env::var_os("ASSAY_CORPORA") else {
        return crate::support::skip("ASSAY_CORPORA is not set");
    };
    let corpora = Path::new(&corpora);
    let (_, nodes, _) = list(&std::fs::read(corpora.join("dfvfs/iso9660.raw")).unwrap()).unwrap();
    let names: Vec<String> = nodes.iter().map(path).collect();
    println!("{names:?}");
    assert!(
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case("passwords.txt") || name == "PASSWORD.TXT"),
        "{names:?}"
    );
    let work = std::env::temp_dir().join(format!("assay-iso-{}", std::process::id()));
    std::fs::create_dir_all(&work).unwrap();
    let zip = corpora.join("dftt/14-iso9660-1.zip");
    let Some(_) = crate::support::tool(
        "unzip",
        &["-oq", zip.to_str().unwrap(), "-d", work.to_str().unwrap()],
    ) else {
        return;
    };
    // Each name with its digest is that of the published description: two trees of which each has
    // a file of its own, three trees of which the first and the last have one, two byte orders.
    let wanted = [
        ("iso-dirtree1.iso", &["File1.txt", "File2.txt"][..], Code::CountMismatch),
        ("iso-dirtree2.iso", &["File1.txt", "File2.txt"], Code::CountMismatch),
        ("iso-endian.iso", &["File1.txt"], Code::SpaceWithoutOwner),
    ];
    for (name, files, code) in wanted {
        let bytes = std::fs::read(work.join("14-iso9660-1").join(name)).unwrap();
        let (volume, nodes, listing) = list(&bytes).unwrap();
        assert_eq!(nodes.iter().map(path).collect::<Vec<_>>(), files, "{name}");
        assert!(nodes.iter().all(|node| sha256(&volume, node).is_some()), "{name}");
        assert_eq!(listing.bytes.total(), volume.len(), "{name}");
        let told = listing.problems.iter().any(|problem| problem.code == code);
        assert!(told, "{name}: {:?}", listing.problems);
        let differ = name == "iso-endian.iso";
        assert_eq!(nodes.iter().any(|node| !node.problems.is_empty()), differ, "{name}");
    }
    std::fs::remove_dir_all(&work).unwrap();
}

/// Makes a directory's record lead to another one's place and size.
fn lead(bytes: &mut [u8], record: usize, to: usize) {
    bytes.copy_within(to + 2..to + 18, record + 2);
}

/// What is said of folders that could not be listed, by their paths.
fn unlisted(nodes: &[Node]) -> BTreeMap<String, Code> {
    let rows = nodes.iter().filter(|node| node.meta.kind == ObjectKind::Special);
    let say = |node: &Node| match &node.content {
        NodeContent::Nothing { problem, .. } => (path(node), problem.code),
        other => panic!("{other:?}"),
    };
    rows.map(say).collect()
}

#[test]
fn folders_that_lead_back_are_cut_and_told() {
    let whole = image("iso-rock");
    let root = 16 * 2048 + 156;
    let many = record(&whole, b"MANY");
    let others: BTreeMap<_, _> =
        sums("iso-rock").into_iter().filter(|(path, _)| !path.starts_with("many/")).collect();
    // To the root, and to itself from within: the record of a file made one of its own folder.
    let file = record(&whole, b"FILE_1.DAT;1");
    let mut to_root = whole.clone();
    lead(&mut to_root, many, root);
    let mut to_self = whole.clone();
    lead(&mut to_self, file, many);
    to_self[file + 25] |= 2;
    for (name, bytes, place) in [("root", to_root, "many"), ("self", to_self, "many/file-1.dat")] {
        let (volume, nodes, listing) = list(&bytes).unwrap();
        assert_eq!(unlisted(&nodes), BTreeMap::from([(place.into(), Code::SubtreeIncomplete)]));
        let got = files(&volume, &nodes);
        let missing: Vec<_> =
            others.iter().filter(|(path, sum)| got.get(*path) != Some(sum)).collect();
        assert_eq!(missing, Vec::<(&String, &String)>::new(), "{name}");
        assert_eq!(listing.bytes.total(), volume.len(), "{name}");
        assert!(nodes.len() < 200, "{name}: {}", nodes.len());
    }
}

#[test]
fn a_session_that_xorriso_adds_is_the_one_that_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("tree")).unwrap();
    std::fs::write(at("tree/kept"), "kept\n".repeat(1000)).unwrap();
    std::fs::write(at("tree/changed"), "before").unwrap();
    let image = at("image");
    let run = |arguments: &[&str]| {
        let output = crate::support::tool("xorriso", arguments)?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(())
    };
    let made = run(&["-outdev", &image, "-joliet", "on", "-map", &at("tree"), "/", "-commit"]);
    let Some(()) = made else { return };
    for session in 2..4 {
        std::fs::write(at("changed"), format!("after {session}")).unwrap();
        let (changed, added) = (at("changed"), format!("/added-{session}"));
        std::fs::write(at("added"), &added).unwrap();
        run(&[
            "-dev",
            &image,
            "-joliet",
            "on",
            "-update",
            &changed,
            "/changed",
            "-map",
            &at("added"),
            &added,
            "-commit",
        ]);
    }
    let (volume, nodes, listing) = list(&std::fs::read(&image).unwrap()).unwrap();
    let sum = |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let want: BTreeMap<String, String> = [
        ("added-2", sum("/added-2")),
        ("added-3", sum("/added-3")),
        ("changed", sum("after 3")),
        ("kept", sum(&"kept\n".repeat(1000))),
    ]
    .map(|(path, sum)| (path.to_owned(), sum))
    .into();
    assert_eq!(files(&volume, &nodes), want);
    let told = listing.problems.iter().any(|problem| {
        problem.code == Code::ContentNotRead && problem.detail.contains("earlier session")
    });
    assert!(told, "{:?}", listing.problems);
    assert_eq!(listing.bytes.total(), volume.len());
}
