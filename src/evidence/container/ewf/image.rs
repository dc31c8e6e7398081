//! The bytes of a medium out of the chunks of its segments.
//!
//! Chunks are inflated on the thread that asks, straight to where it wants them; neighbours are
//! read from the file at once. Reads of less than a chunk go through a small cache. A chunk that
//! nobody vouches for is an error that names its bytes.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Decompress;

use super::chunk::{Zeros, unpack};
use super::table::{Place, Table, overflow};
use crate::bytes::{ReadAt, Unreadable};
use crate::evidence::container::cache::Cache;
use crate::evidence::container::raw::ImageFile;
use crate::problem::Code;

/// Most bytes of a segment file that are read at once.
const RUN: usize = 2 << 20;
/// Chunks kept for reads of less than one, and most bytes of them. Some threads have dozens of
/// objects open, of each of which the first and last bytes were looked at and the next ones are wanted.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 16 << 20;
/// Tables kept: each is up to 16 MiB, and 256 KiB in images that tools write.
const TABLES: usize = 16;
/// Decoders kept for the next reader.
const TOOLS: usize = 64;

/// A medium kept in EWF segments.
pub(super) struct EwfImage {
    pub(super) segments: Vec<Arc<ImageFile>>,
    /// Each table and the number of its first chunk, in order, without overlap.
    pub(super) tables: Vec<(u64, Table)>,
    pub(super) len: u64,
    chunk_size: u64,
    chunks: Cache<[u8]>,
    entries: Cache<(usize, Arc<[u32]>)>,
    tools: Mutex<Vec<Tools>>,
    zeros: Zeros,
}

/// What one reader needs and the next one can use again.
struct Tools {
    inflater: Decompress,
    packed: Vec<u8>,
}

/// A table with its entries at hand.
struct Opened<'a> {
    first: u64,
    table: &'a Table,
    file: &'a ImageFile,
    entries: Arc<(usize, Arc<[u32]>)>,
}

impl Opened<'_> {
    fn place(&self, chunk: u64) -> Result<Place, String> {
        let index = usize::try_from(chunk.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (overflow, entries) = &*self.entries;
        self.table.place(self.file, entries, index, *overflow)
    }

    fn end(&self) -> u64 {
        self.first.saturating_add(self.table.count)
    }
}

/// Why a chunk is not given.
struct Refusal {
    code: Code,
    detail: String,
    /// The system's error where it says nothing of the bytes, as of a device that is gone.
    lost: Option<io::Error>,
}

impl From<String> for Refusal {
    fn from(detail: String) -> Self {
        Self { code: Code::ImageDamaged, detail, lost: None }
    }
}

impl EwfImage {
    pub(super) fn new(
        segments: Vec<Arc<ImageFile>>,
        tables: Vec<(u64, Table)>,
        len: u64,
        chunk_size: u64,
    ) -> Self {
        let size = usize::try_from(chunk_size).unwrap_or(usize::MAX);
        let kept = KEPT_BYTES.checked_div(size).unwrap_or_default().clamp(2, KEPT);
        let shards = kept.div_ceil(8);
        Self {
            segments,
            tables,
            len,
            chunk_size,
            chunks: Cache::new(shards, kept.div_ceil(shards)),
            entries: Cache::new(1, TABLES),
            tools: Mutex::default(),
            zeros: Zeros::default(),
        }
    }

    /// The bytes of the medium that a chunk has.
    fn range(&self, chunk: u64) -> Range<u64> {
        let start = chunk.saturating_mul(self.chunk_size).min(self.len);
        start..start.saturating_add(self.chunk_size).min(self.len)
    }

    fn size(&self, chunk: u64) -> usize {
        let range = self.range(chunk);
        usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default()
    }

    /// The table that has a chunk; else the chunks that none has.
    fn opened(&self, chunk: u64) -> Result<Opened<'_>, (Range<u64>, Refusal)> {
        let number = self.tables.partition_point(|(first, _)| *first <= chunk);
        let found =
            number.checked_sub(1).and_then(|number| Some((number, self.tables.get(number)?)));
        let before = found.map_or(0, |(_, (first, table))| first.saturating_add(table.count));
        let Some((number, (first, table))) = found.filter(|_| chunk < before) else {
            let last = self.len.div_ceil(self.chunk_size.max(1));
            let next = self.tables.get(number).map_or(last, |(first, _)| *first);
            let detail = format!("no table of the image has chunks {before} to {next}");
            return Err((before..next.max(chunk.saturating_add(1)), detail.into()));
        };
        let alone = chunk..chunk.saturating_add(1);
        let missing = || (alone.clone(), "its segment is not there".to_owned().into());
        let file = self.segments.get(table.segment).ok_or_else(missing)?;
        let key = u64::try_from(number).unwrap_or(u64::MAX);
        let entries = match self.entries.get(key) {
            Some(entries) => entries,
            None => {
                let refused = |why: String| (alone, format!("its table: {why}").into());
                let entries = table.entries(file).map_err(refused)?;
                let entries = Arc::new((overflow(&entries), entries));
                self.entries.put(key, &entries);
                entries
            }
        };
        Ok(Opened { first: *first, table, file, entries })
    }

    /// Most bytes that a chunk takes in a file; what is longer has something else behind it.
    fn most_packed(&self) -> u64 {
        self.chunk_size.saturating_add(self.chunk_size >> 3).saturating_add(1024)
    }

    /// Reads whole chunks from `chunk` on into `buf`, as many as lie together; the first must come.
    fn whole(&self, opened: &Opened<'_>, chunk: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        let mut tools = self.tools();
        let result = self.run(opened, chunk, buf, &mut tools);
        let mut idle = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < TOOLS {
            idle.push(tools);
        }
        result
    }

    fn run(
        &self,
        opened: &Opened<'_>,
        chunk: u64,
        buf: &mut [u8],
        tools: &mut Tools,
    ) -> Result<usize, Refusal> {
        let first = opened.place(chunk)?;
        let mut places = vec![first.clone()];
        let mut room = buf.len().saturating_sub(self.size(chunk));
        let mut next = chunk.saturating_add(1);
        while next < opened.end() && room > 0 && room >= self.size(next) && self.size(next) > 0 {
            let Ok(place) = opened.place(next) else { break };
            let span = usize::try_from(place.end.saturating_sub(first.at)).unwrap_or(usize::MAX);
            let fits = places.last().is_some_and(|last| last.end == place.at) && span <= RUN;
            if !fits || place.end.saturating_sub(place.at) > self.most_packed() {
                break;
            }
            room = room.saturating_sub(self.size(next));
            next = next.saturating_add(1);
            places.push(place);
        }
        let end = places.last().map_or(first.end, |last| last.end);
        let end = if places.len() == 1 {
            end.min(first.at.saturating_add(self.most_packed()))
        } else {
            end
        };
        match self.packed(opened.file, first.at..end, &mut tools.packed) {
            Ok(()) => {}
            Err(_) if places.len() > 1 => {
                places.truncate(1);
                self.packed(opened.file, first.at..first.end, &mut tools.packed)?;
            }
            Err(refusal) => return Err(refusal),
        }
        self.unpack_all(chunk, &places, buf, tools)
    }

    /// Unpacks chunks that lie together in `tools.packed`, up to the first that fails.
    fn unpack_all(
        &self,
        chunk: u64,
        places: &[Place],
        buf: &mut [u8],
        tools: &mut Tools,
    ) -> Result<usize, Refusal> {
        let start = places.first().map_or(0, |place| place.at);
        let full = usize::try_from(self.chunk_size).unwrap_or(usize::MAX);
        let mut done = 0_usize;
        for (number, place) in (chunk..).zip(places) {
            let from = usize::try_from(place.at.saturating_sub(start)).unwrap_or(usize::MAX);
            let to = usize::try_from(place.end.saturating_sub(start)).unwrap_or(usize::MAX);
            let packed = tools.packed.get(from..to.min(tools.packed.len())).unwrap_or_default();
            let end = done.saturating_add(self.size(number));
            let Some(out) = buf.get_mut(done..end) else { break };
            let inflater = &mut tools.inflater;
            match unpack(inflater, &self.zeros, place.packing, packed, out, full) {
                Ok(()) => done = end,
                Err(_) if done > 0 => break,
                Err(why) => return Err(why.into()),
            }
        }
        Ok(done)
    }

    /// Reads stored bytes; what lies past the end of the file is left away.
    fn packed(&self, file: &ImageFile, range: Range<u64>, to: &mut Vec<u8>) -> Result<(), Refusal> {
        let end = range.end.min(file.len());
        let len = usize::try_from(end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        to.resize(len, 0);
        match file.fill_at(range.start, to) {
            Ok(n) => {
                to.truncate(n);
                Ok(())
            }
            Err(error) => Err(match Unreadable::of(&error) {
                Some(hole) => Refusal { code: hole.code, detail: hole.detail.clone(), lost: None },
                None => {
                    Refusal { code: Code::IoError, detail: error.to_string(), lost: Some(error) }
                }
            }),
        }
    }

    fn tools(&self) -> Tools {
        let idle = self.tools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Tools { inflater: Decompress::new(true), packed: Vec::new() })
    }

    /// One chunk through the cache.
    fn kept(&self, opened: &Opened<'_>, chunk: u64) -> Result<Arc<[u8]>, Refusal> {
        if let Some(bytes) = self.chunks.get(chunk) {
            return Ok(bytes);
        }
        let mut bytes = vec![0; self.size(chunk)];
        self.whole(opened, chunk, &mut bytes)?;
        let bytes: Arc<[u8]> = bytes.into();
        self.chunks.put(chunk, &bytes);
        Ok(bytes)
    }

    /// Reads from one place as far as one table goes.
    fn piece(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let chunk = at.checked_div(self.chunk_size).unwrap_or_default();
        let refused = |chunks: Range<u64>, refusal: Refusal| {
            if let Some(error) = refusal.lost {
                return error;
            }
            let (first, last) =
                (self.range(chunks.start), self.range(chunks.end.saturating_sub(1)));
            let detail = format!("EWF chunk {}: {}", chunks.start, refusal.detail);
            Unreadable { range: first.start..last.end, code: refusal.code, detail }.into_error()
        };
        let opened = self.opened(chunk).map_err(|(chunks, why)| refused(chunks, why))?;
        let range = self.range(chunk);
        let alone = |why| refused(chunk..chunk.saturating_add(1), why);
        if at == range.start && buf.len() >= self.size(chunk) {
            return self.whole(&opened, chunk, buf).map_err(alone);
        }
        let bytes = self.kept(&opened, chunk).map_err(alone)?;
        (*bytes).read_at(at.saturating_sub(range.start), buf)
    }
}

impl ReadAt for EwfImage {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let position = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            if position >= self.len {
                break;
            }
            match self.piece(position, rest) {
                Ok(0) => break,
                Ok(n) => done = done.saturating_add(n),
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}
