//! What the run record says of the build: commit, compiler, profile, digest of the lock file.

use std::path::Path;
use std::process::Command;

fn main() {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let commit = output("git", &["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = output("git", &["status", "--porcelain", "--untracked-files=no"]).is_some();
    let compiler = output(&variable("RUSTC"), &["--version"]).unwrap_or_default();
    println!("cargo::rustc-env=ASSAY_COMMIT={commit}{}", if changed { "+changes" } else { "" });
    println!(
        "cargo::rustc-env=ASSAY_BUILD={compiler}; {}; {}; features {}; flags {}",
        variable("TARGET"),
        variable("PROFILE"),
        variable("CARGO_CFG_TARGET_FEATURE"),
        variable("CARGO_ENCODED_RUSTFLAGS").replace('\u{1f}', " "),
    );
    for watched in ["src/build.rs", "Cargo.lock", ".git/logs/HEAD"] {
        if Path::new(watched).exists() {
            println!("cargo::rerun-if-changed={watched}");
        }
    }
}
