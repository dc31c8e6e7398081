//! Lists of every kind on their way into a compiled set, out of it as a list, and in again.

use super::pool;
use super::program::{good, hashset};
use crate::runs::list;
use assay::hashset::compiled::{Access, CompiledSet};
use assay::hashset::{ListOptions, Scheme, SetEntry, SetKind, load};
use std::io::Write as _;
use std::path::Path;

const SCHEME: &str = "name = \"s\"\n[codes.1]\nkind = \"alert\"\nlabel = \"one\"\n\
                      [codes.2]\nkind = \"info\"\nlabel = \"two\"\n";

/// A VICS set of so many records, and its scheme.
fn vics(folder: &Path, records: u32) -> String {
    std::fs::write(folder.join("s.toml"), SCHEME).unwrap();
    let mut media = Vec::new();
    for n in 1..=records {
        let identified = if n % 2 == 0 { "true" } else { "\"false\"" };
        media.push(format!(
            "{{\"MediaID\":{n},\"Category\":{},\"MD5\":\"{n:032X}\",\"SHA1\":\"{n:040X}\",\
             \"MediaSize\":{n},\"VictimIdentified\":{identified},\"Series\":\"series {}\"}}",
            n % 2 + 1,
            n % 3
        ));
    }
    let context =
        "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media";
    format!("{{\"@odata.context\":\"{context}\",\"value\":[{}]}}", media.join(",\n"))
}

fn options(folder: &Path, name: &str) -> ListOptions {
    let scheme = folder.join("s.toml");
    let scheme = scheme.is_file().then(|| Scheme::read(scheme.to_str().unwrap()).unwrap().into());
    ListOptions { accept_polarity: true, scheme, ..list(SetKind::Alert, folder.join(name)) }
}

fn entries(folder: &Path, name: &str) -> Vec<SetEntry> {
    load(&options(folder, name), &pool(1)).unwrap().entries
}

fn compiled(folder: &Path, name: &str) -> Vec<SetEntry> {
    let set = CompiledSet::open(&folder.join(name), Access::Mapped).unwrap();
    (0..set.len()).map(|n| set.entry(n).unwrap()).collect()
}

#[test]
fn vics_nsrl_and_icse_come_back_from_a_compiled_set_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("vics.json"), vics(folder, 50)).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(vics(folder, 30).as_bytes()).unwrap();
    std::fs::write(folder.join("packed.json.gz"), gzip.finish().unwrap()).unwrap();
    let mut nsrl = "\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\",\"ProductCode\",\
                    \"OpSystemCode\",\"SpecialCode\"\r\n"
        .to_owned();
    let mut icse = "MD5;SHA1;Image ID;Victim identified;Series name;\n".to_owned();
    for n in 1..40_u32 {
        nsrl += &format!("\"{n:040X}\",\"{n:032X}\",\"00000000\",\"a, b\",{n},1,\"x\",\"\"\r\n");
        icse += &format!("{n:032x};{n:040x};I{n};{};s;\n", if n % 2 == 0 { "Y" } else { "N" });
    }
    std::fs::write(folder.join("NSRLFile.txt"), nsrl).unwrap();
    std::fs::write(folder.join("icse.csv"), icse).unwrap();
    for name in ["vics.json", "packed.json.gz", "NSRLFile.txt", "icse.csv"] {
        let set = format!("{name}.ahs");
        let build = ["build", name, "--kind", "alert", "--name", "n", "--out", &set];
        good(folder, &[&build[..], &["--scheme", "./s.toml", "--accept-polarity"]].concat());
        let went = entries(folder, name);
        assert!(went.len() >= 30, "{name}: {}", went.len());
        assert_eq!(compiled(folder, &set), went, "{name}");
        for form in ["csv", "vics"] {
            let back = format!("{name}.{form}");
            good(folder, &["export", &set, "--format", form, "--out", &back]);
            let mut came = entries(folder, &back);
            let mut went = went.clone();
            // VICS gives every record a number of its own where the list has none.
            if form == "vics" {
                for entry in went.iter_mut().chain(&mut came) {
                    entry.id = Box::default();
                }
            }
            assert_eq!(went, came, "{name} as {form}");
        }
    }
}

#[test]
fn rows_left_out_are_named_and_one_more_than_allowed_refuses_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good_row = "900150983cd24fb0d6963f7d28e17f72";
    let list = format!("id,md5\nA,{good_row}\nB,{good_row}0\nC,xyz\nD,{good_row}\n");
    std::fs::write(folder.join("l.csv"), &list).unwrap();
    let build = |most: &str| {
        let build = ["build", "l.csv", "--kind", "alert", "--name", "n", "--out", "l.ahs"];
        hashset(folder, &[&build[..], &["--allow-rejects", most]].concat())
    };
    for most in ["0", "1"] {
        let (code, _, errors) = build(most);
        assert_eq!(code, 2, "{errors}");
        let names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["l.csv"], "{errors}");
    }
    let (code, _, errors) = build("2");
    assert!(code == 0 && errors.contains("2 rows were left out"), "{code}: {errors}");
    let ids: Vec<_> = compiled(folder, "l.ahs").into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["A", "D"]);
    let rejects = std::fs::read_to_string(folder.join("l.ahs.rejects.csv")).unwrap();
    let rows: Vec<Vec<&str>> =
        rejects.lines().map(|line| line.splitn(6, ',').collect::<Vec<_>>()).collect();
    assert_eq!(rows[0], ["file", "line", "record", "offset", "column", "reason"]);
    let offset = |text: &str| list.find(text).unwrap().to_string();
    assert_eq!(rows[1][..5], ["l.csv", "3", "2", &offset(&format!("{good_row}0")), "md5"]);
    assert_eq!(rows[2][..5], ["l.csv", "4", "3", &offset("xyz"), "md5"]);
    assert_eq!(rows.len(), 3);
    assert!(!rejects.contains(good_row) && !rejects.contains("xyz"), "{rejects}");
    let set = CompiledSet::open(&folder.join("l.ahs"), Access::Mapped).unwrap();
    assert_eq!((set.counts().rejected, set.counts().accepted), (2, 2));
    std::fs::remove_file(folder.join("l.ahs")).unwrap();
    let (code, _, errors) = build("2");
    assert!(code == 2 && errors.contains("l.ahs.rejects.csv"), "{code}: {errors}");
}
