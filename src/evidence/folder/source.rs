//! A folder as one kind of evidence among others.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use super::{Folder, WalkSummary};
use crate::evidence::{EvidenceSource, Walked};
use crate::item::Item;

impl EvidenceSource for Folder {
    fn walk(
        &self,
        number: u32,
        cancel: &AtomicBool,
        emit: &mut dyn FnMut(Item) -> ControlFlow<()>,
    ) -> Walked {
        let WalkSummary { seen, directories, stopped } = Self::walk(self, number, cancel, emit);
        Walked { seen, directories, stopped, ..Walked::default() }
    }

    fn format(&self) -> String {
        "folder".to_owned()
    }

    fn identity(&self) -> String {
        Self::identity(self)
    }

    fn place(&self) -> String {
        Self::place(self)
    }

    fn facts(&self) -> Vec<(String, String)> {
        [
            ("fs_type", self.fs_type().to_owned()),
            ("mounted_read_only", self.is_read_only().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn access(&self) -> String {
        Self::access(self).to_string()
    }

    fn is_lost(&self) -> bool {
        Self::is_lost(self)
    }

    fn lost(&self) -> Option<String> {
        Self::lost(self)
    }

    fn opened(&self) -> String {
        let opened = Self::opened(self);
        let (noatime, plain, links) = (opened.noatime, opened.plain, opened.links);
        format!("opened_noatime={noatime};opened_plain={plain};links_read={links}")
    }
}
