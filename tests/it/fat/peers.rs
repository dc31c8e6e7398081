//! The Sleuth Kit as a second opinion, and public images.

use std::collections::BTreeMap;
use std::process::Command;

use super::*;
use crate::support::{skip, tool};
use assay::item::AllocStatus;

/// One line of `fls -r -p`: address, path from the root.
struct Line {
    address: String,
    path: String,
    deleted: bool,
}

/// An image as a file that programs can read.
struct Unpacked {
    _folder: tempfile::TempDir,
    path: String,
}

fn unpacked(name: &str) -> Unpacked {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, image(name)).unwrap();
    Unpacked { path: path.to_str().unwrap().to_owned(), _folder: folder }
}

/// The files that The Sleuth Kit lists; `None` where it is not installed.
fn lines(image: &Unpacked) -> Option<Vec<Line>> {
    let output = tool("fls", &["-r", "-p", "-F", &image.path])?;
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("r/r") || line.starts_with("-/r"));
    Some(
        lines
            .filter_map(|line| {
                let (head, path) = line.split_once(":\t")?;
                let address = head.rsplit(' ').next()?.replace("(realloc)", "");
                let deleted = head.contains('*');
                Some(Line { address, path: format!("/{path}"), deleted })
            })
            .filter(|line| !line.path.ends_with("(Volume Label Entry)"))
            .collect(),
    )
}

fn icat(image: &Unpacked, line: &Line) -> String {
    let output = Command::new("icat").args(["-r", &image.path, &line.address]).output().unwrap();
    Sha256::digest(output.stdout).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Times as istat prints them, by the words it uses.
fn istat(image: &Unpacked, line: &Line) -> BTreeMap<String, String> {
    let arguments = ["-z", "UTC", &image.path, &line.address];
    let output = Command::new("istat").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let times = text.lines().filter_map(|line| line.split_once(":\t"));
    times
        .filter_map(|(word, time)| Some((word.to_owned(), time.strip_suffix(" (UTC)")?.to_owned())))
        .collect()
}

#[test]
fn live_files_and_times_are_those_of_the_sleuth_kit() {
    for name in SOUND {
        let image = unpacked(name);
        let Some(lines) = lines(&image) else { return };
        let (volume, nodes, _) = list_image(name);
        let live = |node: &&Node| node.meta.alloc == AllocStatus::Allocated;
        let ours: BTreeMap<_, _> =
            nodes.iter().filter(live).map(|node| (path(node), node)).collect();
        let theirs: Vec<_> = lines.iter().filter(|line| !line.deleted).collect();
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for line in theirs {
            // fls cuts the longest names
            let cut = |(path, _): &(&String, &&Node)| path.starts_with(&line.path);
            let node = match ours.get(&line.path) {
                Some(node) => *node,
                None => *ours.iter().find(cut).filter(|_| line.path.len() > 230).unwrap().1,
            };
            assert_eq!(sha256(&*volume, node), Some(icat(&image, line)), "{name} {}", line.path);
            let times = istat(&image, line);
            let ours = &node.meta.times;
            for (word, time) in
                [("Written", ours.modified), ("Accessed", ours.accessed), ("Created", ours.created)]
            {
                let text = time.unwrap().to_string().replace('T', " ");
                assert_eq!(text.get(..19), times.get(word).map(|text| &**text), "{}", line.path);
            }
        }
    }
}

#[test]
fn deleted_files_that_the_sleuth_kit_gets_right_are_right_here() {
    // In the others two deleted files claim one cluster: it reads it as both, we as neither.
    for name in SOUND {
        let image = unpacked(name);
        let Some(lines) = lines(&image) else { return };
        let (volume, nodes, _) = list_image(name);
        let written: Vec<String> =
            truth(name).deleted.into_iter().map(|file| file.sha256).collect();
        let deleted = nodes.iter().filter(|node| node.meta.alloc != AllocStatus::Allocated);
        let ours: Vec<_> = deleted.filter_map(|node| sha256(&*volume, node)).collect();
        let mut theirs = 0;
        for line in lines.iter().filter(|line| line.deleted) {
            let digest = icat(&image, line);
            if written.contains(&digest) {
                theirs += 1;
                assert!(ours.contains(&digest), "{name} {}", line.path);
            }
        }
        let right = ours.iter().filter(|digest| written.contains(digest)).count();
        println!("{name}: {} deleted, {right} right here, {theirs} there", written.len());
        assert!(right >= theirs, "{name}");
    }
}

#[test]
fn times_do_not_depend_on_the_zone_of_the_machine() {
    let test = "fat::peers::times_of_the_public_image";
    let said = ["UTC", "America/New_York", "Asia/Kolkata"].map(|zone| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env("TZ", zone);
        let output = child.output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| line.contains(" made ")).map(str::to_owned).collect::<Vec<_>>()
    });
    if said[0].is_empty() {
        return skip("the public image of the two seasons is not there");
    }
    assert_eq!(said[0].len(), 2);
    assert!(said[1] == said[0] && said[2] == said[0]);
}

#[test]
fn times_of_the_public_image() {
    let Some(zip) = corpora("dftt/5-fat-daylight.zip") else { return };
    let member = "5-fat-daylight/daylight.dd";
    let Some(output) = tool("unzip", &["-p", zip.to_str().unwrap(), member]) else { return };
    let volume: Arc<dyn ReadAt> = Arc::new(Memory(output.stdout));
    let (nodes, listing) = list(&volume);
    let said: Vec<_> = nodes
        .iter()
        .map(|node| {
            let times = &node.meta.times;
            let text = |time: Option<assay::item::Timestamp>| time.unwrap().to_string();
            let [made, written] = [text(times.created), text(times.modified)];
            format!("{} made {} written {written}", path(node), made.get(..19).unwrap())
        })
        .collect();
    said.iter().for_each(|line| println!("{line}"));
    assert_eq!(
        said,
        [
            "/winter.txt made 2004-01-01T14:00:01 written 2004-01-01T14:00:02",
            "/summer.txt made 2004-06-01T15:00:01 written 2004-06-01T15:00:04",
        ]
    );
    assert_eq!(listing.bytes.total(), volume.len());
}
