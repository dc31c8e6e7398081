//! The objects that are the file system itself.

use super::record::Reference;

/// Label and version.
pub(super) const VOLUME: u64 = 3;
/// The root folder.
pub(super) const ROOT: u64 = 5;
/// Which clusters are in use.
pub(super) const BITMAP: u64 = 6;
/// Clusters that do not hold what is written.
pub(super) const BAD_CLUSTERS: u64 = 8;
/// Owners and rights.
pub(super) const SECURE: u64 = 9;
/// The folder of further such objects.
pub(super) const EXTEND: u64 = 11;
/// The first record that is not reserved.
pub(super) const FIRST_FREE: u64 = 16;

/// A folder of the file system in which files are kept that were deleted while open: those are
/// no part of the file system.
pub(super) const DELETED_WHILE_OPEN: &[u8] = b"$Deleted";

/// True for the number of a record that the file system keeps for itself, the root folder apart.
pub(super) const fn is_reserved(record: u64) -> bool {
    record < FIRST_FREE && record != ROOT
}

/// The words that stand for an object in the report.
pub(super) fn fs_ref(reference: Reference) -> String {
    format!("mft:{}-{}", reference.record, reference.sequence)
}
