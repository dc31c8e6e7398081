//! The text that describes a VMDK: identifiers, parent, extents.
//!
//! It is hostile, and of an encoding that it states itself or not; names stay bytes.
//!
//! Source: VMware, Virtual Disk Format 5.0, "The Descriptor".

/// Most bytes of a descriptor.
pub(super) const LARGEST: u64 = 1 << 20;
/// Most extents: 8 TiB in files of 2 GiB.
const MOST_EXTENTS: usize = 4096;
/// The identifier of the parent of an image that has none.
const NO_PARENT: u32 = u32::MAX;

/// What the text says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) create_type: String,
    /// The identifier of this state of the medium.
    pub(super) cid: Option<u32>,
    /// The identifier of the state that this one is a difference to.
    pub(super) parent_cid: Option<u32>,
    /// Where the parent is said to be: told, never followed as a path.
    pub(super) parent_hint: Option<String>,
    pub(super) adapter: Option<String>,
    pub(super) extents: Vec<Extent>,
}

/// A run of sectors and what keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) sectors: u64,
    pub(super) kind: Kind,
    /// The name of its file, as it stands there; empty where it has none.
    pub(super) name: Vec<u8>,
    /// The sector of the file at which a flat extent begins.
    pub(super) offset: u64,
}

/// How an extent is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sector by sector.
    Flat,
    /// Grains and their tables.
    Sparse,
    /// Nowhere: zeros.
    Zero,
    /// In a way that is not read, by the word that stands there.
    Other(String),
}

/// Reads the text up to its first zero byte.
///
/// # Errors
/// The byte and what is wrong there.
pub(super) fn parse(text: &[u8]) -> Result<Descriptor, (u64, String)> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut found = Descriptor::default();
    let mut at = 0_u64;
    for line in text.split(|byte| *byte == b'\n') {
        let start = at;
        at = at.saturating_add(u64::try_from(line.len()).unwrap_or(0)).saturating_add(1);
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        found.line(line).map_err(|why| (start, why))?;
    }
    if found.extents.is_empty() {
        return Err((0, "the descriptor lists no extent".to_owned()));
    }
    Ok(found)
}

impl Descriptor {
    /// The identifier of the parent, where there is one.
    pub(super) fn parent(&self) -> Option<u32> {
        self.parent_cid.filter(|cid| *cid != NO_PARENT)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let (word, rest) = word(line);
        if ["RW", "RDONLY", "NOACCESS"].iter().any(|access| word == access.as_bytes()) {
            if self.extents.len() >= MOST_EXTENTS {
                return Err(format!("more than {MOST_EXTENTS} extents"));
            }
            self.extents.push(extent(word == b"NOACCESS", rest)?);
            return Ok(());
        }
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else { return Ok(()) };
        let (key, value) = line.split_at(equals);
        let value = unquoted(value.strip_prefix(b"=").unwrap_or_default().trim_ascii());
        let text = || String::from_utf8_lossy(value).into_owned();
        let cid = || {
            let number = std::str::from_utf8(value).ok();
            let number = number.and_then(|number| u32::from_str_radix(number, 16).ok());
            number.ok_or_else(|| format!("{:?} is no identifier", text()))
        };
        match key.trim_ascii().to_ascii_lowercase().as_slice() {
            b"cid" => self.cid = Some(cid()?),
            b"parentcid" => self.parent_cid = Some(cid()?),
            b"createtype" => self.create_type = text(),
            b"parentfilenamehint" => self.parent_hint = Some(text()),
            b"ddb.adaptertype" => self.adapter = Some(text()),
            _ => {}
        }
        Ok(())
    }
}

/// What stands behind the access word: sectors, kind, name, offset.
fn extent(no_access: bool, rest: &[u8]) -> Result<Extent, String> {
    let (sectors, rest) = word(rest);
    let sectors = number(sectors)?;
    let (kind, rest) = word(rest);
    let word_of_kind = String::from_utf8_lossy(kind).to_ascii_uppercase();
    let kind = match word_of_kind.as_str() {
        _ if no_access => Kind::Other(format!("NOACCESS {word_of_kind}")),
        // On VMFS as anywhere, a flat file is sector by sector.
        "FLAT" | "VMFS" => Kind::Flat,
        "SPARSE" => Kind::Sparse,
        "ZERO" => Kind::Zero,
        _ => Kind::Other(word_of_kind),
    };
    let quoted = rest.strip_prefix(b"\"");
    let (name, rest) = match quoted
        .and_then(|rest| rest.iter().rposition(|byte| *byte == b'"').map(|end| rest.split_at(end)))
    {
        Some((name, rest)) => (name, rest.strip_prefix(b"\"").unwrap_or_default()),
        None => word(rest),
    };
    let (offset, _) = word(rest.trim_ascii());
    let offset = if offset.is_empty() { 0 } else { number(offset)? };
    Ok(Extent { sectors, kind, name: name.to_vec(), offset })
}

/// The first word and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_ascii())
}

fn number(text: &[u8]) -> Result<u64, String> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("{:?} is no number of sectors", String::from_utf8_lossy(text)))
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_read_line_by_line() {
        let text =
            b"# Disk DescriptorFile\r\nversion=1\r\nCID=0a1b2c3d\r\nparentCID = ffffffff\r\n\
            createType=\"twoGbMaxExtentFlat\"\r\n# Extent description\r\n\
            RW 63 FLAT \"a \"b\" c-f001.vmdk\" 7\nRDONLY 10 SPARSE \"\xe4.vmdk\"\nRW 5 ZERO\n\
            NOACCESS 1 FLAT \"x\" 0\nddb.adapterType = \"ide\"\n\0garbage\nRW z";
        let found = parse(text).unwrap();
        assert_eq!((found.cid, found.parent()), (Some(0x0a1b_2c3d), None));
        assert_eq!(found.adapter.as_deref(), Some("ide"));
        let names: Vec<&[u8]> = found.extents.iter().map(|extent| &extent.name[..]).collect();
        assert_eq!(names, [&b"a \"b\" c-f001.vmdk"[..], b"\xe4.vmdk", b"", b"x"]);
        let numbers: Vec<_> = found.extents.iter().map(|e| (e.sectors, e.offset)).collect();
        assert_eq!(numbers, [(63, 7), (10, 0), (5, 0), (1, 0)]);
        assert_eq!(found.extents[3].kind, Kind::Other("NOACCESS FLAT".to_owned()));
    }

    #[test]
    fn a_number_that_is_none_names_its_line() {
        assert_eq!(parse(b"CID=1\nRW -5 FLAT \"x\"\n").unwrap_err().0, 6);
        assert_eq!(parse(b"CID=xyz\n").unwrap_err().0, 0);
        assert!(parse(b"CID=1").unwrap_err().1.contains("no extent"));
    }
}
