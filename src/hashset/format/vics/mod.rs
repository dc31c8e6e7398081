//! VICS: the JSON of Project VIC and of others, versions 1.x and 2.0.
//!
//! A hash set (`#Media`) is `{"@odata.context": ..., "value": [record, ...]}`, a case file
//! (`#Cases`) has records in `value[].Media[]`; a bare array and one record a line are read too.
//! The text is hostile and may be larger than memory: it comes in windows, [`scan`] finds whole
//! records in them, [`record`] reads these in parallel, and they go on in their order.
//!
//! The model is not public. What is known of it stands in docs/hash-set-formats.md; nothing but a
//! digest is required of a record.

mod json;
mod members;
mod model;
#[cfg(test)]
mod oracle;
mod record;
mod scan;
mod words;

use crate::hashset::category::Categories;
use crate::hashset::stream::Window;
use crate::hashset::tally::Tally;
use crate::hashset::{Place, Reject, RowName, RowSink, SetEntry, SetError, SetKind};
use members::Record;
use model::Model;
use rayon::prelude::*;
use record::{Read, Wrong};
use scan::{LARGEST_RECORD, Scanner, Span, Step, Trouble};
use std::ops::Range;

/// How many records a thread reads at a time.
const AT_A_TIME: usize = 128;

/// A VICS list while it is read; of a set in several files, all of them.
pub(in crate::hashset) struct Vics<'a> {
    pub(in crate::hashset) kind: SetKind,
    pub(in crate::hashset) accept_polarity: bool,
    pub(in crate::hashset) pool: &'a rayon::ThreadPool,
    pub(in crate::hashset) tally: Tally,
    pub(in crate::hashset) categories: Categories,
    pub(in crate::hashset) sink: &'a mut dyn RowSink,
    /// Records of earlier files.
    pub(in crate::hashset) before: u64,
    /// What the first file says it is.
    pub(in crate::hashset) model: Option<String>,
}

/// One file of it.
struct File {
    model: Option<Model>,
    records: u64,
    /// The first record whose code is not explained as harmless.
    unexplained: Option<Place>,
}

/// What a chunk of records became, in their order, and what was counted.
struct Chunk<'t> {
    rows: Vec<Result<Read<'t>, Wrong>>,
    tally: Tally,
}

impl Vics<'_> {
    /// Reads one file.
    ///
    /// # Errors
    /// A text that is no whole VICS document, a list used as the opposite of what it is, and what
    /// the sink refuses.
    pub(in crate::hashset) fn read(&mut self, text: &mut Window) -> Result<(), SetError> {
        let mut file = File { model: None, records: 0, unexplained: None };
        let mut scanner = Scanner::new();
        let mut spans: Vec<Span> = Vec::new();
        loop {
            let step = match scanner.next(text.bytes(), text.ended()) {
                Ok(step) => step,
                Err(trouble) => {
                    // An earlier record may be wrong too: the first place counts.
                    self.take(&mut file, text, &scanner, &spans)?;
                    return Err(file.trouble(text, trouble));
                }
            };
            match step {
                Step::Record(span) => spans.push(span),
                Step::Context(span) => {
                    // The first place that is wrong counts.
                    self.take(&mut file, text, &scanner, &spans)?;
                    spans.clear();
                    scanner.forget();
                    self.context(&mut file, text, span)?;
                }
                Step::More | Step::End => {
                    self.take(&mut file, text, &scanner, &spans)?;
                    spans.clear();
                    scanner.forget();
                    if step == Step::End {
                        break;
                    }
                    let keep = scanner.keep();
                    if text.bytes().len().saturating_sub(keep) > LARGEST_RECORD {
                        let place = text.place(keep, Some(file.records.saturating_add(1)));
                        let expected = "at most 16 MiB from a record's start to its end";
                        return Err(SetError::bad(place, "a longer record", expected));
                    }
                    text.more(keep)?;
                    scanner.shift(keep);
                }
            }
        }
        self.harmless(&mut file)?;
        self.before = self.before.saturating_add(file.records);
        self.model.get_or_insert_with(|| file.words());
        Ok(())
    }

    /// Reads what the document says it is.
    fn context(&self, file: &mut File, text: &Window, span: Range<usize>) -> Result<(), SetError> {
        let place = text.place(span.start, None);
        let words: Option<String> =
            text.bytes().get(span).and_then(|part| serde_json::from_slice(part).ok());
        let Some(model) = words.as_deref().and_then(Model::read) else {
            let expected = "a VICS data model: its version and #Media or #Cases";
            return Err(SetError::bad(place, "a document of another model", expected));
        };
        if model.is_nist_caid() && self.kind == SetKind::Alert && !self.accept_polarity {
            let expected = "--ignore";
            return Err(SetError::Opposite { place, list: "NIST CAID", used: self.kind, expected });
        }
        file.model = Some(model);
        Ok(())
    }

    /// Reads records and gives them on in their order.
    fn take(
        &mut self,
        file: &mut File,
        text: &Window,
        scanner: &Scanner,
        spans: &[Span],
    ) -> Result<(), SetError> {
        if self.pool.current_num_threads() > 1 {
            return self.take_in_parallel(file, text, scanner, spans);
        }
        // One thread would wait for the other: each record is read and given on while it is near.
        let mut record = Record::default();
        for span in spans {
            let bytes = text.bytes().get(span.text.clone()).unwrap_or_default();
            let row = record::read(bytes, scanner.quotes(span), &mut record, &mut self.tally);
            self.row(file, text, span.text.start, row)?;
        }
        Ok(())
    }

    fn take_in_parallel(
        &mut self,
        file: &mut File,
        text: &Window,
        scanner: &Scanner,
        spans: &[Span],
    ) -> Result<(), SetError> {
        let fresh = self.tally.fresh();
        let bytes = text.bytes();
        let read = |spans: &[Span]| {
            let (mut tally, mut record) = (fresh.clone(), Record::default());
            let read = |span: &Span| {
                let bytes = bytes.get(span.text.clone()).unwrap_or_default();
                record::read(bytes, scanner.quotes(span), &mut record, &mut tally)
            };
            Chunk { rows: spans.iter().map(read).collect(), tally }
        };
        let chunks: Vec<Chunk<'_>> =
            self.pool.install(|| spans.par_chunks(AT_A_TIME).map(read).collect());
        let mut spans = spans.iter();
        for chunk in chunks {
            self.tally.add(&chunk.tally);
            for (row, span) in chunk.rows.into_iter().zip(spans.by_ref()) {
                self.row(file, text, span.text.start, row)?;
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        file: &mut File,
        text: &Window,
        start: usize,
        row: Result<Read<'_>, Wrong>,
    ) -> Result<(), SetError> {
        file.records = file.records.saturating_add(1);
        match row {
            Ok(read) => self.entries(file, text, start, read),
            Err(wrong) => self.wrong(file, text, start, wrong),
        }
    }

    fn entries(
        &mut self,
        file: &mut File,
        text: &Window,
        start: usize,
        read: Read<'_>,
    ) -> Result<(), SetError> {
        let Read { code, code_at, mut entry, mut files } = read;
        let place = || text.place(start.saturating_add(code_at), Some(file.records));
        let category = match &code {
            None => None,
            Some(code) => Some(self.categories.of(code, place)?),
        };
        let explained = category.as_ref().is_some_and(|category| !category.label.is_empty());
        if self.kind == SetKind::Ignore && !self.accept_polarity && !explained {
            let place = place();
            file.unexplained.get_or_insert(place);
        }
        let row = RowName::Record(self.before.saturating_add(file.records));
        for entry in std::iter::once(&mut entry).chain(&mut files) {
            if let Some(category) = &category {
                entry.kind = category.kind;
                entry.category = Some(category.clone());
            }
        }
        self.push(entry, row)?;
        files.into_iter().try_for_each(|file| self.push(file, row))
    }

    fn push(&mut self, entry: SetEntry, row: RowName) -> Result<(), SetError> {
        self.tally.push(self.sink, entry, row)
    }

    fn wrong(
        &mut self,
        file: &File,
        text: &Window,
        start: usize,
        wrong: Wrong,
    ) -> Result<(), SetError> {
        let place = |at: usize| text.place(start.saturating_add(at), Some(file.records));
        match wrong {
            Wrong::Text { at } => {
                Err(SetError::bad(place(at), "text that is no JSON", "a whole record"))
            }
            Wrong::Value { at, column, found, expected } => {
                let place = place(at);
                self.tally.reject(self.sink, Reject { place, column, found, expected })
            }
        }
    }

    /// Refuses a list of material to look for that is used as harmless.
    fn harmless(&self, file: &mut File) -> Result<(), SetError> {
        let nist = file.model.as_ref().is_some_and(Model::is_nist_caid);
        match file.unexplained.take() {
            Some(place) if !nist && self.categories.has_no_open_code() => {
                let expected = "--alert, or a scheme that maps every code of it to ignore";
                Err(SetError::Opposite { place, list: "VICS", used: self.kind, expected })
            }
            _ => Ok(()),
        }
    }
}

impl File {
    fn trouble(&self, text: &Window, trouble: Trouble) -> SetError {
        let record = Some(self.records.saturating_add(1));
        SetError::bad(text.place(trouble.at, record), trouble.found, trouble.expected)
    }

    /// The words for it in the report.
    fn words(&self) -> String {
        let Some(model) = &self.model else { return "vics".into() };
        let region = model.region.as_ref().map(|region| format!(", region {region}"));
        format!("vics {} {}{}", model.version, model.fragment, region.unwrap_or_default())
    }
}

/// Whether a text may be VICS: JSON at all.
pub(in crate::hashset) fn is_json(head: &[u8]) -> bool {
    let wide = |c: &&u8| !matches!(c, b' ' | b'\t' | b'\r' | b'\n' | 0);
    let text = match head {
        [0xef, 0xbb, 0xbf, rest @ ..] | [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => rest,
        _ => head,
    };
    matches!(text.iter().find(wide), Some(b'{' | b'['))
}
