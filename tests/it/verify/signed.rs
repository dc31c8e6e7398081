//! Signatures: ours by the ordinary minisign, and minisign's by ours.

use super::report::{Report, parts};
use assay::report::sign::{PublicKey, SignatureError, SigningKey};
use assay::report::verify::{SignatureResult, VerifyOptions, verify, verify_source};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Writes a fresh key pair without a password; gives the paths of secret and public key.
fn keys(folder: &Path) -> (PathBuf, PathBuf) {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let (secret, public) = (folder.join("a.key"), folder.join("a.pub"));
    std::fs::write(&secret, pair.sk.to_box(None).unwrap().to_string()).unwrap();
    std::fs::write(&public, pair.pk.to_box().unwrap().to_string()).unwrap();
    (secret, public)
}

fn public(path: &Path) -> PublicKey {
    PublicKey::from_text_or_file(path.to_str().unwrap()).unwrap()
}

fn signed(secret: &Path) -> Report {
    let (mut report, mut signature) = (parts().write(), Vec::new());
    let key = SigningKey::read(secret, None).unwrap();
    key.sign(&report.0["manifest.sha256"], &mut signature).unwrap();
    report.0.insert("manifest.sha256.minisig".to_owned(), signature);
    report
}

fn check(report: &Report, key: &PublicKey) -> SignatureResult {
    let options = VerifyOptions { public_key: Some(key.clone()), ..VerifyOptions::default() };
    let answer = verify_source(report, &options).unwrap();
    let bad = answer.differences.iter().any(|d| d.file == "manifest.sha256.minisig");
    assert_eq!(bad, !matches!(answer.signature, SignatureResult::Good { .. }));
    answer.signature
}

#[test]
fn a_signed_report_checks_with_its_key_alone() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (secret, path) = keys(folder.path());
    let report = signed(&secret);
    let SignatureResult::Good { key_id, trusted_comment } = check(&report, &public(&path)) else {
        panic!("not good");
    };
    assert!(std::fs::read_to_string(&path).unwrap().contains(&key_id));
    let manifest = super::report::sha256(&report.0["manifest.sha256"]);
    assert!(trusted_comment.ends_with(&format!("sha256:{manifest}")), "{trusted_comment}");
    let (_, stranger) = keys(other.path());
    assert_eq!(check(&report, &public(&stranger)), SignatureResult::Bad);
    let plain = verify_source(&report, &VerifyOptions::default()).unwrap();
    assert_eq!(plain.signature, SignatureResult::NotChecked);
    assert_eq!(check(&parts().write(), &public(&path)), SignatureResult::NotSigned);
}

#[test]
fn a_report_written_anew_fails_its_signature() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, path) = keys(folder.path());
    let (report, mut forged) = (signed(&secret), parts());
    super::set(&mut forged.files[1], "file_name", "harmless.jpg");
    let mut forged = forged.write();
    let signature = report.0["manifest.sha256.minisig"].clone();
    forged.0.insert("manifest.sha256.minisig".to_owned(), signature);
    assert_eq!(check(&forged, &public(&path)), SignatureResult::Bad);
}

#[test]
fn every_change_of_a_signature_below_its_first_line_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, path) = keys(folder.path());
    let (report, key) = (signed(&secret), public(&path));
    let (manifest, good) = (&report.0["manifest.sha256"], &report.0["manifest.sha256.minisig"]);
    let first = good.iter().position(|byte| *byte == b'\n').unwrap();
    for at in 0..good.len() {
        assert!(key.check(manifest, &good[..at]).is_err(), "cut at {at}");
        for bit in (0..8).filter(|_| at >= first) {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(key.check(manifest, &bad).is_err(), "bit {bit} of byte {at}");
        }
    }
    assert!(key.check(manifest, &[good, &b"\n"[..]].concat()).is_err());
}

#[test]
fn keys_that_cannot_be_used_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, _) = keys(folder.path());
    let text = std::fs::read_to_string(&secret).unwrap();
    let read = |text: &str| {
        std::fs::write(&secret, text).unwrap();
        SigningKey::read(&secret, None).err().map(|error| error.to_string())
    };
    for cut in 0..text.trim_end().len() {
        assert!(read(&text[..cut]).is_some(), "cut at {cut}");
    }
    assert!(PublicKey::from_text_or_file("no such key").is_err());
    let pair = minisign::KeyPair::generate_encrypted_keypair(Some("right".to_owned())).unwrap();
    std::fs::write(&secret, pair.sk.to_box(None).unwrap().to_string()).unwrap();
    let read = |password| SigningKey::read(&secret, password);
    assert!(matches!(read(None), Err(SignatureError::NeedsPassword(_))));
    assert!(matches!(read(Some("wrong")), Err(SignatureError::Key { .. })));
    let (mut signature, manifest) = (Vec::new(), b"text\n");
    read(Some("right")).unwrap().sign(manifest, &mut signature).unwrap();
    let key = PublicKey::from_text_or_file(&pair.pk.to_base64()).unwrap();
    assert!(key.check(manifest, &signature).is_ok());
}

#[test]
fn a_damaged_secret_key_signs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let mut bytes = pair.sk.to_bytes();
    bytes[70] ^= 1; // within the seed
    bytes[126..].fill(0); // no checksum, as the ordinary tool writes such keys
    let damaged = minisign::SecretKey::from_bytes(&bytes).unwrap();
    let path = folder.path().join("a.key");
    std::fs::write(&path, damaged.to_box(None).unwrap().to_string()).unwrap();
    let mut out = Vec::new();
    assert!(SigningKey::read(&path, None).unwrap().sign(b"text\n", &mut out).is_err());
    assert!(out.is_empty());
}

/// The ordinary tool; `None` where it is not installed.
fn tool(folder: &Path, arguments: &[&str], input: &str) -> Option<Output> {
    let mut child = Command::new("minisign")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(input.as_bytes()).ok()?;
    child.wait_with_output().ok()
}

#[test]
fn the_ordinary_minisign_accepts_our_signatures_and_we_accept_its() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let made = tool(at, &["-G", "-W", "-p", "a.pub", "-s", "a.key"], "");
    let Some(made) = made else { return crate::support::skip("minisign is not installed") };
    assert!(made.status.success(), "{made:?}");
    signed(&at.join("a.key")).save(at);
    let check = ["-V", "-p", "a.pub", "-m", "manifest.sha256"];
    let told = tool(at, &check, "").unwrap();
    assert!(told.status.success(), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stdout).contains("Trusted comment: assay "), "{told:?}");

    let key = public(&at.join("a.pub"));
    let options = || VerifyOptions { public_key: Some(key.clone()), ..VerifyOptions::default() };
    let told = tool(at, &["-S", "-s", "a.key", "-m", "manifest.sha256"], "").unwrap();
    assert!(told.status.success(), "{told:?}");
    let answer = verify(at, &options()).unwrap();
    assert!(matches!(answer.signature, SignatureResult::Good { .. }), "{:?}", answer.differences);

    let mut manifest = std::fs::read(at.join("manifest.sha256")).unwrap();
    manifest[0] ^= 1;
    std::fs::write(at.join("manifest.sha256"), manifest).unwrap();
    assert!(!tool(at, &check, "").unwrap().status.success());
    assert_eq!(verify(at, &options()).unwrap().signature, SignatureResult::Bad);
}
