//! Holds the one direction of imports: a module uses only modules of lower rank.
//!
//! The sources are parsed, so `use`, re-exports, full paths in expressions, types and attributes,
//! and paths inside macro calls all count. Two modules of one rank do not know each other.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Module, rank. Rank 0 is ordered within itself, so its modules have ranks of their own.
const RANKS: &[(&str, u32)] = &[
    ("problem", 0),
    ("bytes", 1),
    ("item", 2),
    ("sys", 3),
    ("output", 3),
    ("digest", 10),
    ("signature", 10),
    ("perceptual", 10),
    ("media", 10),
    ("evidence", 20),
    ("hashset", 20),
    ("unpack", 20),
    ("matching", 30),
    ("worker", 30),
    ("report", 40),
    ("scan", 50),
    ("cli", 60),
];

/// Packages that only the named modules may use.
const PACKAGES: &[(&str, &[&str])] = &[
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("indicatif", &["cli"]),
    ("signal_hook", &["cli"]),
    ("csv", &["report", "hashset"]),
    ("rusqlite", &["hashset"]),
    ("landlock", &["worker"]),
    ("seccompiler", &["worker"]),
    ("libc", &["worker"]),
];

/// What runs third-party decoders: nobody but a worker calls it, so that the main process holds
/// no decoder. Types of these modules are free.
const DECODERS: &[(&str, &str, &[&str])] = &[
    ("media", "decode", &["media", "worker"]),
    ("unpack", "expand", &["unpack", "worker"]),
    ("worker", "read_picture", &["worker"]),
];

/// One use of a module or package: line and path segments, from the crate root or a package name.
type Use = (usize, Vec<String>);

#[derive(Default)]
struct Uses(Vec<Use>);

impl Uses {
    /// Walks a `use` tree, which may name several paths.
    fn tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        match tree {
            syn::UseTree::Path(path) => {
                let mut here = before.to_vec();
                here.push(path.ident.to_string());
                self.tree(&path.tree, &here);
            }
            syn::UseTree::Name(name) => self.push(name.ident.span(), before, &name.ident),
            syn::UseTree::Rename(name) => self.push(name.ident.span(), before, &name.ident),
            syn::UseTree::Glob(glob) => {
                self.0.push((glob.star_token.spans[0].start().line, before.to_vec()));
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(item, before));
            }
        }
    }

    fn push(&mut self, span: proc_macro2::Span, before: &[String], last: &syn::Ident) {
        let mut path = before.to_vec();
        path.push(last.to_string());
        self.0.push((span.start().line, path));
    }

    /// Paths inside a macro's tokens: identifiers joined by `::`.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Use = (0, Vec::new());
        let mut joined = true;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if joined && !path.1.is_empty() => {
                    path.1.push(ident.to_string());
                    joined = false;
                }
                TokenTree::Ident(ident) => {
                    self.0.push(std::mem::take(&mut path));
                    path = (ident.span().start().line, vec![ident.to_string()]);
                    joined = false;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => joined = true,
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => self.0.push(std::mem::take(&mut path)),
            }
        }
        self.0.push(path);
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.0.push((first.ident.span().start().line, names));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

fn rank(module: &str) -> Option<u32> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// What is wrong with the imports of one source text of `module`.
fn violations(module: &str, source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("our own sources parse");
    let mut uses = Uses::default();
    uses.visit_file(&file);
    let own = rank(module).unwrap_or(u32::MAX);
    let mut found = BTreeSet::new();
    for (line, path) in &uses.0 {
        for (of, function, owners) in DECODERS {
            let called = path.windows(2).any(|pair| pair == [*of, *function]);
            if called && !owners.contains(&module) {
                found.insert(format!("{line}: `{module}` calls `{of}::{function}`"));
            }
        }
        let mut path = path.iter().map(String::as_str);
        match (path.next(), path.next()) {
            (Some("super"), Some("super")) => {
                found.insert(format!("{line}: `super::super` hides what is imported"));
            }
            (Some("crate" | "assay"), Some(other)) if other != module => {
                if rank(other).is_some_and(|other| other >= own) {
                    found.insert(format!("{line}: `{module}` imports `{other}`"));
                }
            }
            (Some(package), _) => {
                let owners = PACKAGES.iter().find(|(name, _)| *name == package);
                if owners.is_some_and(|(_, owners)| !owners.contains(&module)) {
                    found.insert(format!("{line}: `{module}` uses the package `{package}`"));
                }
            }
            (None, _) => {}
        }
    }
    found.into_iter().collect()
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

fn own_sources() -> (PathBuf, Vec<PathBuf>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    (root, files)
}

#[test]
fn every_module_imports_only_from_lower_ranks() {
    let (root, files) = own_sources();
    let mut report = String::new();
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main" | "build") {
            continue;
        }
        assert!(rank(module).is_some(), "src/{} has no rank", inside.display());
        for violation in violations(module, &std::fs::read_to_string(file).unwrap()) {
            writeln!(report, "src/{}:{violation}", inside.display()).unwrap();
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let (root, files) = own_sources();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(&root).unwrap().display();
        assert!(text.starts_with("//!"), "src/{name} does not open with what it is for");
        let lines = text.lines().count();
        assert!(lines <= 600, "src/{name} has {lines} lines: split it by idea");
    }
}

#[test]
fn only_a_worker_decodes() {
    let planted = [
        "use crate::media::decode;",
        "use crate::media::{Limits, decode};",
        "use crate::{media::{self, decode as d}, item};",
        "use crate::media; fn f() { media::decode(b\"\", &l); }",
        "fn f() { crate::worker::read_picture(b\"\", &l); }",
        "use crate::unpack::{Format, expand};",
        "use crate::worker; fn f() { vec![worker::read_picture(b\"\", &l)]; }",
    ];
    for module in ["scan", "cli", "report"] {
        for source in planted {
            let found = violations(module, source);
            let named = found.iter().any(|line| line.contains(" calls "));
            assert!(named || (module == "report" && !found.is_empty()), "{module}: {source}");
        }
        assert_eq!(violations(module, "use crate::media::{Limits, MediaStatus};").len(), 0);
    }
    assert_eq!(violations("worker", planted[1]), [] as [String; 0]);
}

#[test]
fn a_planted_violation_is_found_in_every_disguise() {
    let planted = [
        "use crate::scan::Plan;",
        "pub use crate::{bytes::Block, report as r};",
        "fn f() { crate::scan::run() }",
        "fn f(_: &crate::report::Chain) {}",
        "fn f() { println!(\"{}\", crate::report::schema::VERSION) }",
        "fn f() { assay::scan::run() }",
        "use crate::hashset::SetEntry;",
        "use super::super::scan::Plan;",
        "use clap::Parser;",
        "fn f() { csv::Writer::from_writer(vec![]); }",
    ];
    for source in planted {
        assert_eq!(violations("evidence", source).len(), 1, "{source}");
    }
    let clean =
        "use crate::{bytes::Block, item::Item, sys}; use super::folder; fn f() { vec![1]; }";
    assert_eq!(violations("evidence", clean), [] as [String; 0]);
}
