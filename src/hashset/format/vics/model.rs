//! What a VICS document says it is: version, fragment, region.
//!
//! The model itself is not public; the form of this text is known from public readers and writers:
//! `http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media` and
//! `http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media`.

use crate::item::escape;

/// A document's statement of what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) version: String,
    pub(super) fragment: &'static str,
    pub(super) region: Option<String>,
}

impl Model {
    /// Reads the text; `None` where it is no model of VICS.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, fragment) = text.trim().split_once('#')?;
        let fragment =
            ["Media", "Cases"].into_iter().find(|known| fragment.eq_ignore_ascii_case(known))?;
        let start = address.to_ascii_lowercase().rfind("datamodels/")?.checked_add(11)?;
        let rest = address.get(start..)?;
        let end = rest.to_ascii_lowercase().find(".xml")?;
        let version = escape::cell(rest.get(..end)?.as_bytes());
        let region = rest.get(end.checked_add(4)?..)?.trim_start_matches('/');
        let region = region.split('/').next().filter(|word| !matches!(*word, "" | "$metadata"));
        Some(Self { version, fragment, region: region.map(|word| escape::cell(word.as_bytes())) })
    }

    /// Whether it is the one that lists of NIST CAID have: known material to set aside, which is
    /// the opposite of what Project VIC lists. Public readers tell it by its version alone.
    pub(super) fn is_nist_caid(&self) -> bool {
        self.version == "1.2" && self.fragment == "Media"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_fragment_and_region_are_read() {
        let read = |text: &str| Model::read(text).map(|m| (m.version, m.fragment, m.region));
        let of = |version: &str, fragment, region: Option<&str>| {
            Some((version.to_owned(), fragment, region.map(str::to_owned)))
        };
        let old = "http://github.com/ICMEC/ProjectVic/DataModels/";
        assert_eq!(read(&format!("{old}1.3.xml#Media")), of("1.3", "Media", None));
        let new = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/";
        assert_eq!(read(&format!("{new}US/$metadata#Cases")), of("2.0", "Cases", Some("US")));
        assert_eq!(read(&format!("{new}$metadata#media")), of("2.0", "Media", None));
        for other in ["", "#Media", "http://x/DataModels/2.0.xml/US/$metadata#Other"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(Model::read(&format!("{old}1.2.xml#Media")).unwrap().is_nist_caid());
    }
}
