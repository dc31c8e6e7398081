//! Where an object is, and where its row stands.
//!
//! Paths are chains of links to parents, so that a million objects of one folder share its path
//! and ten thousand levels cost ten thousand links, not their texts.

use std::sync::Arc;

use super::escape;

/// Marks the step of a key that leads into the medium of an image inside evidence.
const INSIDE: u64 = 1 << 63;

/// Bytes of room for the text of a path at first.
const LIKELY: usize = 96;

/// The path of an object through every layer of an evidence item, as bytes.
///
/// ```
/// use assay::item::ObjectPath;
/// let folder = ObjectPath::evidence(1).inside(b"DCIM");
/// assert_eq!(folder.below(b"a.zip").inside(b"x.jpg").text(), "E1!/DCIM/a.zip!/x.jpg");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPath(Arc<Link>);

#[derive(Debug, PartialEq, Eq)]
struct Link {
    parent: Option<ObjectPath>,
    step: Step,
}

/// One segment and what joins it to the one before.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Evidence(u32),
    /// `!/NAME`: the first name of a new layer.
    Inside(Box<[u8]>),
    /// `/NAME`
    Below(Box<[u8]>),
    /// `!/NAME` or `/NAME` given by the program, such as `p2` or `$Orphans`: not escaped.
    Given {
        layer: bool,
        name: Box<str>,
    },
    /// `:NAME`
    Stream(Box<[u8]>),
    /// `|MARK` given by the program.
    Mark(Box<str>),
}

impl ObjectPath {
    /// The root of the evidence item numbered `number`, counted from 1.
    pub fn evidence(number: u32) -> Self {
        Self(Arc::new(Link { parent: None, step: Step::Evidence(number) }))
    }

    /// The object `name` at the top of the layer that this object opens.
    #[must_use]
    pub fn inside(&self, name: &[u8]) -> Self {
        self.step(Step::Inside(name.into()))
    }

    /// The object `name` in this folder.
    #[must_use]
    pub fn below(&self, name: &[u8]) -> Self {
        self.step(Step::Below(name.into()))
    }

    /// A volume or virtual folder at the top of the layer that this object opens.
    #[must_use]
    pub fn given_inside(&self, name: &str) -> Self {
        self.step(Step::Given { layer: true, name: name.into() })
    }

    /// A virtual folder or made-up name in this folder.
    #[must_use]
    pub fn given_below(&self, name: &str) -> Self {
        self.step(Step::Given { layer: false, name: name.into() })
    }

    /// The alternate stream `name` of this object.
    #[must_use]
    pub fn stream(&self, name: &[u8]) -> Self {
        self.step(Step::Stream(name.into()))
    }

    /// This object told apart from others of the same name by `mark`.
    #[must_use]
    pub fn marked(&self, mark: &str) -> Self {
        self.step(Step::Mark(mark.into()))
    }

    /// The last name of the path, as the evidence has it; `None` for a root.
    pub fn name(&self) -> Option<&[u8]> {
        let mut link = &self.0;
        loop {
            match &link.step {
                Step::Evidence(_) => return None,
                Step::Inside(name) | Step::Below(name) | Step::Stream(name) => return Some(name),
                Step::Given { name, .. } => return Some(name.as_bytes()),
                Step::Mark(_) => link = &link.parent.as_ref()?.0,
            }
        }
    }

    /// The path of the folder or layer that the object lies in; `None` for a root.
    pub fn folder(&self) -> Option<&Self> {
        let mut link = &self.0;
        while let Step::Mark(_) = &link.step {
            link = &link.parent.as_ref()?.0;
        }
        link.parent.as_ref()
    }

    /// The path as it stands in the report.
    pub fn text(&self) -> String {
        let mut steps = Vec::new();
        let mut link = Some(self);
        while let Some(path) = link {
            steps.push(&path.0.step);
            link = path.0.parent.as_ref();
        }
        let mut out = String::with_capacity(LIKELY);
        for step in steps.into_iter().rev() {
            step.push_to(&mut out);
        }
        out
    }

    fn step(&self, step: Step) -> Self {
        Self(Arc::new(Link { parent: Some(self.clone()), step }))
    }
}

impl Step {
    fn push_to(&self, out: &mut String) {
        match self {
            Self::Evidence(number) => out.push_str(&format!("E{number}")),
            Self::Inside(name) => push_escaped(out, "!/", name),
            Self::Below(name) => push_escaped(out, "/", name),
            Self::Given { layer: true, name } => out.extend(["!/", name]),
            Self::Given { layer: false, name } => out.extend(["/", name]),
            Self::Stream(name) => push_escaped(out, ":", name),
            Self::Mark(mark) => out.extend(["|", mark]),
        }
    }
}

fn push_escaped(out: &mut String, joint: &str, name: &[u8]) {
    out.push_str(joint);
    escape::push_name(out, name);
}

/// Lets go of a long chain link by link: the derived drop would recurse as deep as the folders are.
impl Drop for Link {
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(mut link) = parent.and_then(|path| Arc::into_inner(path.0)) {
            parent = link.parent.take();
        }
    }
}

/// The place of an object's row: evidence, volume, ordinal, child ordinal and so on.
///
/// Keys compare as bytes; a parent comes before its children. A key is given by the object's parent
/// alone, so it does not depend on which thread reached the object first.
///
/// ```
/// use assay::item::OrderKey;
/// let file = OrderKey::evidence(1).child(0).child(7);
/// assert!(file < file.child(0) && file.child(0) < OrderKey::evidence(1).child(0).child(8));
/// ```
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct OrderKey(Box<[u8]>);

impl OrderKey {
    /// The key of an evidence item.
    pub fn evidence(number: u32) -> Self {
        Self(u64::from(number).to_be_bytes().into())
    }

    /// The key of this object's child number `ordinal`.
    #[must_use]
    pub fn child(&self, ordinal: u64) -> Self {
        Self([&self.0, &ordinal.to_be_bytes()[..]].concat().into())
    }

    /// The key of volume number `ordinal` of the medium that this object is the image of. It stands
    /// after the keys of all other objects inside it.
    #[must_use]
    pub fn volume_inside(&self, ordinal: u64) -> Self {
        self.child(INSIDE | ordinal)
    }

    /// How many images inside evidence the object lies in.
    pub fn layers(&self) -> usize {
        self.0.as_chunks::<8>().0.iter().filter(|step| is_inside(step)).count()
    }

    /// The key of the image inside evidence that the object lies in; `None` where it lies in none.
    ///
    /// ```
    /// use assay::item::OrderKey;
    /// let image = OrderKey::evidence(1).child(0).child(7);
    /// let object = image.volume_inside(2).child(9);
    /// assert_eq!((object.image(), object.layers()), (Some(image.clone()), 1));
    /// assert_eq!(image.image(), None);
    /// assert!(image.child(u64::MAX >> 1) < object);
    /// ```
    pub fn image(&self) -> Option<Self> {
        let steps = self.0.as_chunks::<8>().0;
        let last = steps.iter().rposition(is_inside)?;
        Some(Self(steps.get(..last)?.as_flattened().into()))
    }

    /// A key from the bytes of one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes that keys are ordered by.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// True for a step that [`OrderKey::volume_inside`] made.
fn is_inside(step: &[u8; 8]) -> bool {
    u64::from_be_bytes(*step) & INSIDE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_joint_has_its_sign() {
        let file = ObjectPath::evidence(2).given_inside("p1").below(b"f.dll");
        assert_eq!(file.stream(b"here").text(), "E2!/p1/f.dll:here");
        assert_eq!(file.marked("dirent:64").text(), "E2!/p1/f.dll|dirent:64");
        assert_eq!(file.marked("2").name(), Some(&b"f.dll"[..]));
        let carved = file.given_below("$Unallocated").given_below("4096.jpg");
        assert_eq!(carved.text(), "E2!/p1/f.dll/$Unallocated/4096.jpg");
    }

    #[test]
    fn a_million_levels_neither_recurse_nor_overflow() {
        let mut path = ObjectPath::evidence(1).inside(b"d");
        for _ in 0..1_000_000 {
            path = path.below(b"d");
        }
        assert_eq!(path.text().len(), "E1!/d".len() + 2 * 1_000_000);
    }
}
