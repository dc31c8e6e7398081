//! The code page of short names: what their bytes above 127 mean.
//!
//! The volume does not say which one its systems used; the examiner does. The tables are those of
//! the package `oem_cp`, which has the single-byte OEM code pages.

use oem_cp::code_table::DECODING_TABLE_CP_MAP;
use oem_cp::code_table_type::TableType;

/// A single-byte code page.
///
/// ```
/// use assay::evidence::filesystem::fat::CodePage;
/// assert_eq!(CodePage::new(866).map(|page| page.number()), Some(866));
/// assert!(CodePage::new(932).is_none(), "two bytes a character: not supported");
/// ```
#[derive(Clone, Copy)]
pub struct CodePage {
    number: u16,
    table: &'static TableType,
}

impl CodePage {
    /// The code page of this number; `None` where it is not known.
    pub fn new(number: u16) -> Option<Self> {
        DECODING_TABLE_CP_MAP.get(&number).map(|table| Self { number, table })
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.number
    }

    /// What a byte means; `None` where the code page leaves it undefined.
    pub(super) fn character(self, byte: u8) -> Option<char> {
        let Some(index) = byte.checked_sub(128).map(usize::from) else {
            return Some(char::from(byte));
        };
        match self.table {
            TableType::Complete(table) => table.get(index).copied(),
            TableType::Incomplete(table) => table.get(index).copied().flatten(),
        }
    }

    /// The byte for a character, if it has one.
    pub(super) fn byte(self, wanted: char) -> Option<u8> {
        (0..=u8::MAX).find(|byte| self.character(*byte) == Some(wanted))
    }

    /// Appends what bytes mean; one that means nothing stays as it is.
    pub(super) fn decode(self, bytes: &[u8], lower: bool, out: &mut Vec<u8>) {
        for byte in bytes {
            let Some(c) = self.character(*byte) else {
                out.push(*byte);
                continue;
            };
            let mut small = c.to_lowercase();
            let c = match (lower, small.next(), small.next()) {
                (true, Some(small), None) => small,
                _ => c,
            };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Code page 437, that of the first IBM PC, which systems assume where none is stated.
impl Default for CodePage {
    fn default() -> Self {
        use oem_cp::code_table::DECODING_TABLE_CP437;
        static TABLE: TableType = TableType::Complete(&DECODING_TABLE_CP437);
        Self { number: 437, table: &TABLE }
    }
}

impl std::fmt::Debug for CodePage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cp{}", self.number)
    }
}

impl PartialEq for CodePage {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for CodePage {}
