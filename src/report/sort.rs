//! External merge sort: more rows than memory, in the order of their keys.
//!
//! Rows gather in one buffer; when it is full they are sorted and go to an unnamed file as a run;
//! runs are merged by a heap, at most [`MAX_FAN_IN`] at a time. Rows of equal keys keep the order
//! they came in. Each row carries a checksum, so that a byte that changes on the way through the
//! disk is an error and never a wrong row.

use crate::output::{OutputDir, SpillFile};
use crate::report::ReportError;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;

/// Lengths of key and value and the checksum, before each row.
const HEAD: usize = 12;
/// Largest number of runs merged at once.
const MAX_FAN_IN: usize = 128;
/// Largest and smallest number of bytes read of a run at once.
const CHUNK: Range<usize> = 4 * 1024..256 * 1024;
/// Bytes written of a run at once.
const WRITE: usize = 256 * 1024;

/// Gathers rows to be sorted.
pub struct Sorter<'a> {
    out: &'a OutputDir,
    budget: usize,
    rows: Vec<u8>,
    starts: Vec<usize>,
    spill: Option<SpillFile>,
    runs: Vec<Range<u64>>,
}

impl<'a> Sorter<'a> {
    /// A sort that holds about `budget` bytes, and one row more where a row is larger than that.
    pub fn new(out: &'a OutputDir, budget: usize) -> Self {
        let (rows, starts) = (Vec::new(), Vec::new());
        Self { out, budget, rows, starts, spill: None, runs: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`ReportError::Output`]; [`ReportError::TooLong`] where key or value pass 4 GiB.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReportError> {
        self.push_parts(key, &[], value)
    }

    /// Adds a row whose value is in two parts.
    pub(super) fn push_parts(
        &mut self,
        key: &[u8],
        mark: &[u8],
        value: &[u8],
    ) -> Result<(), ReportError> {
        let length = |part: &[u8]| u32::try_from(part.len()).map_err(|_| ReportError::TooLong);
        let (key_length, value_length) = (length(key)?, length(value)?);
        let value_length = value_length.checked_add(length(mark)?).ok_or(ReportError::TooLong)?;
        let size = HEAD + key.len() + mark.len() + value.len();
        let index = (self.starts.len() + 1) * size_of::<usize>();
        if self.rows.len() + size + index > self.budget && !self.starts.is_empty() {
            self.write_run()?;
        }
        if self.rows.capacity() == 0 {
            // Taken at once: growing by copies would need the memory twice. Untouched pages of it
            // cost nothing.
            self.rows.reserve_exact(self.budget);
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(key);
        checksum.update(mark);
        checksum.update(value);
        self.starts.push(self.rows.len());
        for field in [key_length, value_length, checksum.finalize()] {
            self.rows.extend_from_slice(&field.to_le_bytes());
        }
        self.rows.extend_from_slice(key);
        self.rows.extend_from_slice(mark);
        self.rows.extend_from_slice(value);
        Ok(())
    }

    /// Sorts what was added.
    ///
    /// # Errors
    /// [`ReportError::Output`].
    pub fn finish(mut self) -> Result<Sorted, ReportError> {
        let chunk = (self.budget / MAX_FAN_IN).clamp(CHUNK.start, CHUNK.end);
        let fan_in = (self.budget / chunk).clamp(2, MAX_FAN_IN);
        if !self.runs.is_empty() && !self.starts.is_empty() {
            self.write_run()?;
        }
        let Some(mut spill) = self.spill else {
            order(&self.rows, &mut self.starts);
            return Ok(Sorted(Kind::Memory { rows: self.rows, starts: self.starts }));
        };
        (self.rows, self.starts) = (Vec::new(), Vec::new());
        let mut runs = self.runs;
        while runs.len() > fan_in {
            (spill, runs) = merge_groups(self.out, &spill, &runs, fan_in, chunk)?;
        }
        Ok(Sorted(Kind::Spilled { spill, runs, chunk }))
    }

    fn write_run(&mut self) -> Result<(), ReportError> {
        order(&self.rows, &mut self.starts);
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(self.out.spill()?),
        };
        let mut run = RunWriter::after(self.runs.last());
        for start in &self.starts {
            let row = self.rows.get(*start..).unwrap_or_default();
            let (key, value) = split(row);
            run.push(spill, row.get(..HEAD + key.len() + value.len()).unwrap_or_default())?;
        }
        self.runs.push(run.finish(spill)?);
        self.rows.clear();
        self.starts.clear();
        Ok(())
    }
}

/// Merges the runs of one file group by group into fewer runs of another.
fn merge_groups(
    out: &OutputDir,
    from: &SpillFile,
    runs: &[Range<u64>],
    fan_in: usize,
    chunk: usize,
) -> Result<(SpillFile, Vec<Range<u64>>), ReportError> {
    let (mut to, mut merged) = (out.spill()?, Vec::new());
    for group in runs.chunks(fan_in) {
        let mut run = RunWriter::after(merged.last());
        let mut rows = Merge::start(from, group, chunk)?;
        while let Some(cursor) = rows.next()? {
            run.push(&mut to, cursor.row())?;
        }
        merged.push(run.finish(&mut to)?);
    }
    Ok((to, merged))
}

/// Rows in the order of their keys; they can be read any number of times.
pub struct Sorted(Kind);

enum Kind {
    Memory { rows: Vec<u8>, starts: Vec<usize> },
    Spilled { spill: SpillFile, runs: Vec<Range<u64>>, chunk: usize },
}

impl Sorted {
    /// Reads the rows from the first.
    ///
    /// # Errors
    /// [`ReportError::Output`], [`ReportError::SpillDamaged`].
    pub fn rows(&self) -> Result<Rows<'_>, ReportError> {
        Ok(match &self.0 {
            Kind::Memory { rows, starts } => Rows::Memory { rows, starts: starts.iter() },
            Kind::Spilled { spill, runs, chunk } => Rows::Merge(Merge::start(spill, runs, *chunk)?),
        })
    }
}

/// Key and value of a row.
pub type Row<'a> = (&'a [u8], &'a [u8]);

/// A pass over sorted rows.
pub enum Rows<'a> {
    /// All of them fit in memory.
    #[doc(hidden)]
    Memory { rows: &'a [u8], starts: std::slice::Iter<'a, usize> },
    /// They come from a file.
    #[doc(hidden)]
    Merge(Merge<'a>),
}

impl Rows<'_> {
    /// The next row's key and value.
    ///
    /// # Errors
    /// As [`Sorted::rows`].
    #[expect(clippy::should_implement_trait, reason = "a row is lent until the next call")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, ReportError> {
        match self {
            Self::Memory { rows, starts } => {
                Ok(starts.next().map(|start| split(rows.get(*start..).unwrap_or_default())))
            }
            Self::Merge(merge) => Ok(merge.next()?.map(|cursor| split(cursor.row()))),
        }
    }
}

/// Runs being merged.
pub struct Merge<'a> {
    /// Boxed, because the heap moves them about.
    heap: BinaryHeap<Box<Cursor<'a>>>,
    started: bool,
}

impl<'a> Merge<'a> {
    fn start(spill: &'a SpillFile, runs: &[Range<u64>], chunk: usize) -> Result<Self, ReportError> {
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter().enumerate() {
            let (buffer, at) = (Vec::new(), 0);
            let mut cursor =
                Cursor { spill, number, rest: run.clone(), chunk, buffer, at, size: 0 };
            if cursor.advance()? {
                heap.push(Box::new(cursor));
            }
        }
        Ok(Self { heap, started: false })
    }

    fn next(&mut self) -> Result<Option<&Cursor<'a>>, ReportError> {
        if self.started
            && let Some(mut first) = self.heap.peek_mut()
            && !first.advance()?
        {
            PeekMut::pop(first);
        }
        self.started = true;
        Ok(self.heap.peek().map(|cursor| &**cursor))
    }
}

/// A place in a run, on a whole row.
struct Cursor<'a> {
    spill: &'a SpillFile,
    number: usize,
    rest: Range<u64>,
    chunk: usize,
    buffer: Vec<u8>,
    at: usize,
    size: usize,
}

impl Cursor<'_> {
    fn row(&self) -> &[u8] {
        self.buffer.get(self.at..self.at + self.size).unwrap_or_default()
    }

    fn key(&self) -> &[u8] {
        split(self.row()).0
    }

    /// Goes to the next row; false at the end of the run.
    fn advance(&mut self) -> Result<bool, ReportError> {
        self.at += self.size;
        self.size = 0;
        if self.at == self.buffer.len() && self.rest.is_empty() {
            return Ok(false);
        }
        self.hold(HEAD)?;
        let head = self.buffer.get(self.at..).and_then(<[u8]>::first_chunk).copied();
        let (key, value, checksum) = fields(&head.unwrap_or_default());
        self.size = HEAD + key + value;
        self.hold(self.size)?;
        let body = self.row().get(HEAD..).unwrap_or_default();
        if crc32fast::hash(body) == checksum { Ok(true) } else { Err(ReportError::SpillDamaged) }
    }

    /// Makes the buffer hold `need` bytes from the cursor on.
    fn hold(&mut self, need: usize) -> Result<(), ReportError> {
        let have = self.buffer.len() - self.at;
        let Some(missing) = need.checked_sub(have).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        let left = usize::try_from(self.rest.end - self.rest.start).unwrap_or(usize::MAX);
        if missing > left {
            return Err(ReportError::SpillDamaged);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let read = missing.max(self.chunk).min(left);
        self.buffer.resize(have + read, 0);
        let into = self.buffer.get_mut(have..).unwrap_or_default();
        self.spill.read_at(self.rest.start, into)?;
        self.rest.start += u64::try_from(read).map_err(|_| ReportError::TooLong)?;
        Ok(())
    }
}

/// The greatest cursor is the one whose row comes next: least key, then earliest run.
impl Ord for Cursor<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(self.key()).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor<'_> {}

/// Writes one run in large pieces.
struct RunWriter {
    run: Range<u64>,
    pending: Vec<u8>,
}

impl RunWriter {
    fn after(last: Option<&Range<u64>>) -> Self {
        let start = last.map_or(0, |run| run.end);
        Self { run: start..start, pending: Vec::with_capacity(WRITE) }
    }

    fn push(&mut self, spill: &mut SpillFile, row: &[u8]) -> Result<(), ReportError> {
        if self.pending.len() + row.len() > WRITE {
            self.write(spill)?;
        }
        self.pending.extend_from_slice(row);
        Ok(())
    }

    fn write(&mut self, spill: &mut SpillFile) -> Result<(), ReportError> {
        spill.append(&self.pending)?;
        self.run.end += u64::try_from(self.pending.len()).map_err(|_| ReportError::TooLong)?;
        self.pending.clear();
        Ok(())
    }

    fn finish(mut self, spill: &mut SpillFile) -> Result<Range<u64>, ReportError> {
        self.write(spill)?;
        Ok(self.run)
    }
}

/// Sorts the starts of rows by key, then by the order the rows came in.
///
/// The sixteen bytes after what all keys share, a folder and an object in it where they are order
/// keys, decide nearly always, and are compared without a look at the rows.
fn order(rows: &[u8], starts: &mut [usize]) {
    let key = |start: usize| split(rows.get(start..).unwrap_or_default()).0;
    let first = starts.first().map_or(&[][..], |start| key(*start));
    let alike = |key: &[u8]| key.iter().zip(first).take_while(|(a, b)| a == b).count();
    let shared = starts.iter().fold(first.len(), |shared, start| {
        let key = key(*start);
        match (key.get(..shared), first.get(..shared)) {
            (Some(a), Some(b)) if a == b => shared,
            _ => alike(key),
        }
    });
    // A shorter key is padded, so that it is never before one that it comes after.
    let next = |start: usize| {
        let mut next = [0; 16];
        let rest = key(start).get(shared..).unwrap_or_default();
        next.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        u128::from_be_bytes(next)
    };
    let mut places: Vec<(u128, usize)> =
        starts.iter().map(|start| (next(*start), *start)).collect();
    places.sort_unstable_by(|(next_a, a), (next_b, b)| {
        next_a.cmp(next_b).then_with(|| key(*a).cmp(key(*b))).then(a.cmp(b))
    });
    starts.iter_mut().zip(places).for_each(|(start, (_, place))| *start = place);
}

/// Lengths of key and value, and the checksum, of a row's head.
fn fields(head: &[u8; HEAD]) -> (usize, usize, u32) {
    let [a, b, c, d, e, f, g, h, checksum @ ..] = *head;
    let length = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
    (length([a, b, c, d]), length([e, f, g, h]), u32::from_le_bytes(checksum))
}

/// Key and value of the row at the start of `row`.
fn split(row: &[u8]) -> (&[u8], &[u8]) {
    let Some((head, body)) = row.split_first_chunk::<HEAD>() else { return (&[], &[]) };
    let (key, value, _) = fields(head);
    let (key, rest) = body.split_at_checked(key).unwrap_or((body, &[]));
    (key, rest.get(..value).unwrap_or(rest))
}
