//! The parent of a differencing image: an image that keeps only what changed since another one.
//!
//! What names the parent stands inside the image and is hostile. It is never followed as a path:
//! candidates are the files that the operator named with `--parent`, in that order, then one file in
//! the folder of the image, of the name that is the last component of what is stated. Whether a
//! candidate is the parent is for the format to say, by the identifier that it keeps.
//!
//! A chain has at most [`MOST`] images, and none of them twice.

use std::path::{Path, PathBuf};

use super::opener::{Opened, Opener};
use super::{ContainerError, shown};
use crate::item::escape;

/// Most images of one chain, the one that was named included.
pub(super) const MOST: usize = 16;
/// Most characters of a stated name that a message repeats.
const MOST_SHOWN: usize = 300;

/// Finds and opens the parent of an image.
///
/// - `image`: the path of the image whose parent is wanted.
/// - `stated`: the name or path of the parent that it states, in whatever form.
/// - `fits`: tells whether an opened file is the parent; the first that fits is taken.
///
/// # Errors
/// [`ContainerError::MissingParent`] where no candidate fits, [`ContainerError::ParentLoop`] where
/// only an image of the chain itself does, [`ContainerError::TooLarge`] for a chain that is too
/// long; what opening or `fits` says of a candidate.
pub(super) fn find(
    opener: &Opener<'_>,
    image: &Path,
    stated: Option<&str>,
    fits: &mut dyn FnMut(&Opened) -> Result<bool, ContainerError>,
) -> Result<Opened, ContainerError> {
    let mut looped = None;
    let mut other = false;
    let beside = stated.and_then(|name| beside(image, name));
    let beside = match beside {
        Some(path) if opener.is_file(&path)? => Some(path),
        _ => None,
    };
    for (path, is_beside) in opener
        .named_parents()
        .iter()
        .map(|path| (path, false))
        .chain(beside.iter().map(|p| (p, true)))
    {
        let candidate = opener.open(path)?;
        if !fits(&candidate)? {
            other |= is_beside;
        } else if opener.is_in_chain(&candidate) {
            looped = Some(shown(path));
        } else if opener.chain_len() >= MOST {
            let most = u64::try_from(MOST).unwrap_or_default();
            return Err(ContainerError::TooLarge {
                path: shown(image),
                what: "chain of parents",
                most,
            });
        } else {
            opener.add_to_chain(&candidate);
            return Ok(candidate);
        }
    }
    let path = shown(image);
    if let Some(parent) = looped {
        return Err(ContainerError::ParentLoop { path, parent });
    }
    Err(ContainerError::MissingParent { path, wanted: wanted(stated, other) })
}

/// The parent as a message names it: one inert line, not longer than a line may be.
fn wanted(stated: Option<&str>, other: bool) -> String {
    let name = match stated {
        Some(name) => {
            let name: String = name.chars().take(MOST_SHOWN).collect();
            format!("\"{}\"", escape::cell(name.as_bytes()))
        }
        None => "which it does not name".to_owned(),
    };
    if other { format!("{name} (the file of that name is another image)") } else { name }
}

/// The file in the folder of `image` that bears the last component of what is stated as a path, of
/// Windows or of Unix.
fn beside(image: &Path, stated: &str) -> Option<PathBuf> {
    let name = stated.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_name = !matches!(name, "" | "." | "..") && !name.contains('\0');
    is_name.then(|| image.with_file_name(name))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use super::*;
    use crate::evidence::container::OpenOptions;

    #[test]
    fn only_the_last_component_of_a_stated_path_is_looked_for() {
        let image = Path::new("/cases/7/child.vhd");
        for (stated, found) in [
            ("/etc/shadow", "/cases/7/shadow"),
            (r"\\server\share\x.vhd", "/cases/7/x.vhd"),
            ("../x", "/cases/7/x"),
            (r"C:\a/b\c.vhd", "/cases/7/c.vhd"),
            ("x", "/cases/7/x"),
        ] {
            assert_eq!(beside(image, stated), Some(PathBuf::from(found)), "{stated}");
        }
        for stated in ["", "/", r"a\..", "..", "./.", "a\0b"] {
            assert_eq!(beside(image, stated), None, "{stated}");
        }
        assert_eq!(beside(Path::new("child"), "../x"), Some(PathBuf::from("x")));
    }

    /// A folder with an image in a folder of its own and bait everywhere a path could lead.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("case")).unwrap();
        for name in ["bait", "case/child", "case/base", "other"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let image = folder.path().join("case/child");
        (folder, image)
    }

    /// What is opened for a stated name, and what comes of it.
    fn opened(
        options: &OpenOptions,
        image: &Path,
        stated: &str,
        parent: &str,
    ) -> (Vec<PathBuf>, Result<PathBuf, ContainerError>) {
        let opener = Opener::new(options);
        opener.add_to_chain(&opener.open(image).unwrap());
        let mut seen = Vec::new();
        let found = find(&opener, image, Some(stated), &mut |candidate| {
            seen.push(candidate.file.path().to_owned());
            Ok(candidate.file.path().ends_with(parent))
        });
        (seen, found.map(|found| found.file.path().to_owned()))
    }

    #[test]
    fn no_path_that_is_written_inside_is_followed() {
        let (folder, image) = folder();
        let bait = folder.path().join("bait");
        let options = OpenOptions::default();
        for stated in [
            "/etc/shadow",
            r"\\server\share\x",
            "../bait",
            r"..\bait",
            bait.to_str().unwrap(),
            "..",
            "",
            "../case",
            "nothing",
        ] {
            let (seen, found) = opened(&options, &image, stated, "");
            assert_eq!(seen, Vec::<PathBuf>::new(), "{stated}");
            let error = found.unwrap_err();
            assert!(matches!(error, ContainerError::MissingParent { .. }), "{error}");
            assert!(error.to_string().contains("--parent"), "{error}");
        }
    }

    #[test]
    fn files_that_were_named_come_before_the_one_beside_the_image() {
        let (folder, image) = folder();
        let base = folder.path().join("case/base");
        let named = vec![folder.path().join("other"), folder.path().join("bait")];
        let options = OpenOptions { parents: named.clone(), ..OpenOptions::default() };
        let (seen, found) = opened(&options, &image, r"D:\vm\base", "base");
        assert_eq!(seen, [named[0].clone(), named[1].clone(), base.clone()]);
        assert_eq!(found.unwrap(), base);
        let (seen, found) = opened(&options, &image, "/vm/base", "other");
        assert_eq!((seen, found.unwrap()), (vec![named[0].clone()], named[0].clone()));
        let (_, found) = opened(&options, &image, "/vm/base", "none of them");
        assert!(found.unwrap_err().to_string().contains("another image"));
    }

    #[test]
    fn a_loop_and_a_chain_without_end_are_errors() {
        let (folder, image) = folder();
        let options = OpenOptions::default();
        let (_, found) = opened(&options, &image, "x/child", "child");
        assert!(matches!(found.unwrap_err(), ContainerError::ParentLoop { .. }));
        std::fs::hard_link(&image, folder.path().join("case/same")).unwrap();
        let (_, found) = opened(&options, &image, "same", "same");
        assert!(matches!(found.unwrap_err(), ContainerError::ParentLoop { .. }));

        let opener = Opener::new(&options);
        opener.add_to_chain(&opener.open(&image).unwrap());
        let mut last = Ok(image);
        for n in 1..=MOST {
            let path = folder.path().join(format!("case/{n}"));
            std::fs::write(&path, "").unwrap();
            let image = last.unwrap();
            let found = find(&opener, &image, Some(&n.to_string()), &mut |_| Ok(true));
            last = found.map(|found| found.file.path().to_owned());
            assert_eq!(last.is_ok(), n < MOST, "{n}");
        }
        assert!(matches!(last, Err(ContainerError::TooLarge { .. })));
        assert_eq!(opener.parents().len(), MOST - 1);
    }
}
