//! An object: what its record, and the records that continue it, hold together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attribute::{
    ATTRIBUTE_LIST, Attribute, Attributes, Body, DATA, FILE_NAME, Header, INDEX_ALLOCATION,
    INDEX_BITMAP, INDEX_ROOT, LOGGED_UTILITY_STREAM, REPARSE_POINT, SECURITY_DESCRIPTOR,
    STANDARD_INFORMATION,
};
use super::record::{Record, Reference};
use super::runlist::{Run, decode};
use super::stamp::{FileName, StandardInformation};

/// Everything that was gathered of an object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) reference: Reference,
    pub(super) in_use: bool,
    pub(super) directory: bool,
    pub(super) information: StandardInformation,
    /// All names but aliases; an alias where there is nothing else.
    pub(super) names: Vec<FileName>,
    /// Its contents by their names; the empty name is the content itself.
    pub(super) streams: BTreeMap<Vec<u8>, DataStream>,
    pub(super) reparse: Option<Small>,
    /// It has keys of encryption.
    pub(super) has_keys: bool,
    /// Owner and rights, where they are stored with the object.
    pub(super) security: Option<Small>,
    /// Runs of everything that is not content.
    pub(super) structures: Vec<Run>,
    /// Of a folder: the index of its names.
    pub(super) index: FolderIndex,
    /// Something of it is not to be read, for this reason.
    pub(super) damage: Option<&'static str>,
}

/// The index of a folder's names, as it is stored.
#[derive(Debug, Clone, Default)]
pub(super) struct FolderIndex {
    /// Its root.
    pub(super) root: Option<Vec<u8>>,
    /// Bytes of its blocks.
    pub(super) size: u64,
    /// Where they are, in order after [`Object::finish`].
    pub(super) runs: Vec<Run>,
    /// Which of them are in use.
    pub(super) bitmap: Option<Small>,
}

/// What the index of a folder's names is called, among other indexes.
const NAMES: &[u8] = b"$I30";

/// One content of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct DataStream {
    pub(super) flags: u16,
    /// Clusters of a compression unit, as the exponent of 2.
    pub(super) unit: u16,
    pub(super) size: u64,
    pub(super) initialized: u64,
    /// Its bytes, where they are in the record.
    pub(super) resident: Option<Arc<[u8]>>,
    /// Its runs, in order after [`Object::finish`].
    pub(super) runs: Vec<Run>,
    begun: u32,
}

impl DataStream {
    /// True where exactly one attribute says how long it is.
    pub(super) const fn is_begun(&self) -> bool {
        self.begun == 1
    }

    #[cfg(test)]
    pub(super) fn for_tests(flags: u16, size: u64, runs: Vec<Run>) -> Self {
        Self { flags, unit: 4, size, initialized: size, resident: None, runs, begun: 1 }
    }
}

/// An attribute of few bytes.
#[derive(Debug, Clone)]
pub(super) enum Small {
    Resident(Vec<u8>),
    Clusters(Vec<Run>, u64),
}

impl Small {
    fn of(attribute: &Attribute<'_>) -> Self {
        match attribute.body {
            Body::Resident(bytes) => Self::Resident(bytes.to_vec()),
            Body::Clusters(header) => {
                let runs = decode(header.pairs, header.first, header.end).0;
                Self::Clusters(runs, header.size)
            }
        }
    }
}

impl Object {
    /// What its own record holds.
    pub(super) fn of(number: u64, record: &Record<'_>) -> Self {
        let mut object = Self {
            reference: Reference { record: number, sequence: record.sequence },
            in_use: record.is_in_use(),
            directory: record.is_directory(),
            information: StandardInformation::default(),
            names: Vec::new(),
            streams: BTreeMap::new(),
            reparse: None,
            has_keys: false,
            security: None,
            structures: Vec::new(),
            index: FolderIndex::default(),
            damage: None,
        };
        object.gather(record);
        object
    }

    /// Adds what another record of the object holds.
    pub(super) fn gather(&mut self, record: &Record<'_>) {
        for attribute in Attributes::new(record.attributes) {
            match attribute {
                Ok(attribute) => self.add(&attribute),
                Err(_) => self.damage = Some("its attributes do not end where they should"),
            }
        }
    }

    fn add(&mut self, attribute: &Attribute<'_>) {
        if attribute.kind == DATA {
            return self.add_data(attribute);
        }
        if let Body::Clusters(header) = attribute.body {
            self.structures.extend(decode(header.pairs, header.first, header.end).0);
        }
        match (attribute.kind, attribute.body) {
            (STANDARD_INFORMATION, Body::Resident(bytes)) => {
                match StandardInformation::parse(bytes) {
                    Ok(information) => self.information = information,
                    Err(_) => self.damage = Some("its standard information is cut"),
                }
            }
            (FILE_NAME, Body::Resident(bytes)) => match FileName::parse(bytes) {
                Ok(name) => self.names.push(name),
                Err(_) => self.damage = Some("one of its names is cut"),
            },
            (SECURITY_DESCRIPTOR, _) => self.security = Some(Small::of(attribute)),
            (REPARSE_POINT, _) => self.reparse = Some(Small::of(attribute)),
            (LOGGED_UTILITY_STREAM, _) if attribute.name() == b"$EFS" => self.has_keys = true,
            (INDEX_ROOT | INDEX_ALLOCATION | INDEX_BITMAP, _) if attribute.name() == NAMES => {
                self.add_index(attribute);
            }
            (ATTRIBUTE_LIST, _) | (_, _) => {}
        }
    }

    fn add_index(&mut self, attribute: &Attribute<'_>) {
        match (attribute.kind, attribute.body) {
            (INDEX_ROOT, Body::Resident(bytes)) => self.index.root = Some(bytes.to_vec()),
            (INDEX_BITMAP, _) => self.index.bitmap = Some(Small::of(attribute)),
            (INDEX_ALLOCATION, Body::Clusters(header)) => {
                if header.first == 0 {
                    self.index.size = header.size;
                }
                self.index.runs.extend(decode(header.pairs, header.first, header.end).0);
            }
            _ => {}
        }
    }

    fn add_data(&mut self, attribute: &Attribute<'_>) {
        let stream = self.streams.entry(attribute.name()).or_default();
        match attribute.body {
            Body::Resident(bytes) => {
                stream.begun = stream.begun.saturating_add(1);
                stream.size = super::wide(bytes.len());
                stream.resident = Some(bytes.into());
                stream.flags |= attribute.flags;
            }
            Body::Clusters(Header { first, end, unit, size, initialized, pairs }) => {
                if first == 0 {
                    stream.begun = stream.begun.saturating_add(1);
                    (stream.size, stream.initialized, stream.unit) = (size, initialized, unit);
                }
                stream.flags |= attribute.flags;
                stream.runs.extend(decode(pairs, first, end).0);
            }
        }
    }

    /// Puts names and runs in order.
    pub(super) fn finish(&mut self) {
        if self.names.iter().any(|name| !name.is_alias) {
            self.names.retain(|name| !name.is_alias);
        }
        self.names.sort_by(|a, b| {
            (a.parent.record, &a.name, a.parent.sequence).cmp(&(
                b.parent.record,
                &b.name,
                b.parent.sequence,
            ))
        });
        self.names.dedup_by(|a, b| a.parent == b.parent && a.name == b.name);
        self.index.runs.sort_by_key(|run| run.vcn);
        for stream in self.streams.values_mut() {
            stream.runs.sort_by_key(|run| run.vcn);
        }
    }
}
