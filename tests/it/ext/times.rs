//! Times beside those of The Sleuth Kit, inode by inode.

use super::*;
use crate::support::tool;
use assay::item::Timestamp;

/// What `istat` prints of an inode: its generation and its times by their words.
type Said = BTreeMap<String, String>;

fn istat(file: &Path, number: &str) -> Option<Said> {
    let output = tool("istat", &["-f", "ext4", "-z", "UTC", file.to_str().unwrap(), number])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    Some(pairs.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect())
}

/// A time as `istat` prints it. It reads the seconds as 32 bits without sign and knows nothing of
/// the two bits by which a larger inode extends them: before 1970 and after 2106 it is 2^32 seconds
/// or a multiple of them off. A fraction of zero it does not print.
fn as_istat(time: Timestamp) -> String {
    let time = Timestamp { seconds: time.seconds.rem_euclid(1 << 32), ..time };
    let text = time.to_string();
    let fraction = if time.nanos == 0 { String::new() } else { format!(".{:09}", time.nanos) };
    match time.seconds {
        0 => "0000-00-00 00:00:00 (UTC)".to_owned(),
        _ => format!("{} {}{fraction} (UTC)", &text[..10], &text[11..19]),
    }
}

#[test]
fn times_of_every_inode_are_those_of_istat() {
    let dir = tempfile::tempdir().unwrap();
    // It refuses file systems whose clusters are larger than their blocks.
    for name in IMAGES.into_iter().filter(|name| *name != "ext4-bigalloc") {
        let bytes = image(name);
        let file = dir.path().join(name);
        std::fs::write(&file, &bytes).unwrap();
        let (_, nodes, _) = list(&volume(bytes), 10_000).unwrap();
        let (mut live, mut deleted, mut off, mut seen) = (0, 0, 0, BTreeSet::new());
        for node in nodes.iter().filter(|node| seen.insert(&node.meta.fs_ref)) {
            let (number, generation) =
                node.meta.fs_ref.strip_prefix("ino:").unwrap().split_once('-').unwrap();
            // A thousand files made in one go: every tenth, for a program is started for each.
            if name == "ext4-index" && !number.ends_with('7') {
                continue;
            }
            let Some(said) = istat(&file, number) else { return };
            let times = &node.meta.times;
            let place = format!("{name} {}", node.path.text());
            // The kernel writes it on ext2 and ext3 too where inodes have room for it.
            assert!(times.created.is_some() || times.modified.is_none(), "{place}");
            let mut pairs = vec![("File Created", times.created)];
            if node.meta.alloc == AllocStatus::Deleted {
                if said["Generation Id"] != generation || times.modified.is_none() {
                    continue; // the inode was used again since, or only a name is left
                }
                deleted += 1;
            } else {
                assert_eq!(said["Generation Id"], generation, "{place}");
                live += 1;
            }
            // The other times of a deleted object on a volume with a journal are those it had
            // while it existed; the inode now holds those of its deletion.
            if node.meta.alloc != AllocStatus::Deleted || name == "ext2-1k" {
                pairs.push(("File Modified", times.modified));
                pairs.push(("Accessed", times.accessed));
                pairs.push(("Inode Modified", times.changed));
            }
            for (word, time) in pairs {
                let Some(time) = time else { continue };
                assert_eq!(said.get(word), Some(&as_istat(time)), "{place} {word}");
                off += u32::from(!(0..1 << 32).contains(&time.seconds));
            }
        }
        println!("{name}: {live} live, {deleted} deleted, {off} times out of what istat knows");
        assert!(live > 20, "{name}: {live}");
        assert!(deleted > 5 || name == "ext4-index", "{name}: {deleted}");
        assert!(off > 0 || name == "ext4-index", "{name}: {off}");
    }
}

#[test]
fn small_inodes_have_no_time_of_creation_and_their_others_are_those_of_istat() {
    let dir = tempfile::tempdir().unwrap();
    let (tree, file) = (dir.path().join("tree"), dir.path().join("image"));
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), "content").unwrap();
    for kind in ["ext2", "ext3"] {
        std::fs::write(&file, vec![0; 8 << 20]).unwrap();
        let (from, to) = (tree.to_str().unwrap(), file.to_str().unwrap());
        let arguments = ["-q", "-F", "-t", kind, "-I", "128", "-b", "1024", "-d", from, to];
        let Some(made) = tool("mke2fs", &arguments) else { return };
        assert!(made.status.success());
        let (ext, nodes, _) = list(&volume(std::fs::read(&file).unwrap()), 10).unwrap();
        assert_eq!(ext.facts().fs_type, kind);
        let times = &nodes[0].meta.times;
        let number = nodes[0].meta.fs_ref.strip_prefix("ino:").unwrap().split('-').next();
        let Some(said) = istat(&file, number.unwrap()) else { return };
        assert_eq!(times.created, None);
        for (word, time) in [
            ("File Modified", times.modified),
            ("Accessed", times.accessed),
            ("Inode Modified", times.changed),
        ] {
            assert_eq!(said.get(word), Some(&as_istat(time.unwrap())), "{kind} {word}");
        }
    }
}
