//! One read of one object: digests, type, length, plainness, whether every byte was there, and what
//! it shows where it is a picture.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::embedded::{self, Embedded, Picture};
use super::picture::{self, Budget, Interest, LARGEST_PICTURE, Share};
use crate::bytes::Slice;
use crate::digest::{ContentWatch, Digests, Hasher, LowInformation, Selection, lanes::LANE_BYTES};
use crate::item::{Status, Stream};
use crate::media::MediaStatus;
use crate::problem::{Code, Problem, Stage};
use crate::signature::{self, Family, FileType};
use crate::worker::PictureAnswer;

/// Bytes asked for at a time: as where many are read side by side.
pub(super) const BUFFER_BYTES: usize = LANE_BYTES;

/// A stream that gives this many problems is given up: the rest is unreadable too.
const MAX_PROBLEMS: usize = 1_000;

/// What one read gave.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) digests: Digests,
    pub(super) bytes_hashed: u64,
    pub(super) low_information: Option<LowInformation>,
    pub(super) file_type: Option<FileType>,
    pub(super) picture: Option<PictureAnswer>,
    pub(super) status: Status,
    pub(super) reason: Option<Code>,
    pub(super) problems: Vec<Problem>,
    /// Pictures that begin after other bytes of it, in their order.
    pub(super) inside: Vec<Inside>,
}

/// A picture inside a content.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    /// Its first byte.
    pub(super) at: u64,
    pub(super) content: Content,
}

/// What reading needs beside the stream.
pub(super) struct Reading<'a> {
    /// Digests to compute.
    pub(super) selection: Selection,
    /// Memory for pictures.
    pub(super) budget: &'a Budget,
    /// Looks at a picture's bytes.
    pub(super) pictures: &'a (dyn Fn(&[u8]) -> Option<PictureAnswer> + Sync),
    /// Counts bytes for whoever follows the run.
    pub(super) bytes_read: &'a AtomicU64,
    /// Set to stop the run.
    pub(super) cancel: &'a AtomicBool,
}

/// The bytes of a picture while it is read.
enum Keep<'a> {
    /// Not decided: nothing was read yet.
    Undecided,
    /// Nothing is kept; the answer is known where it is a picture all the same.
    Nothing(Option<Box<PictureAnswer>>),
    /// Everything so far; no more than a buffer before there is memory for all of it.
    All(Vec<u8>, Option<Share<'a>>),
}

/// One read of one stream that is under way. Whoever owns it computes the digests.
///
/// A digest is stated only of a content that was read whole and was still meanwhile, and only
/// such a content is looked at as a picture.
pub(super) struct Read<'a> {
    reading: &'a Reading<'a>,
    stream: Box<dyn Stream>,
    /// The length as stated, for the memory that keeping it takes.
    size: u64,
    watch: ContentWatch,
    problems: Vec<Problem>,
    keep: Keep<'a>,
    file_type: Option<FileType>,
    inside: Pictures<'a>,
    search: Option<Embedded<'a>>,
}

/// What one step of a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes, at the start of the buffer.
    Bytes(usize),
    /// Bytes are missing here: there will be no digest.
    Gap,
    /// There is no more.
    End,
}

impl<'a> Read<'a> {
    pub(super) fn new(reading: &'a Reading<'a>, stream: Box<dyn Stream>, size: u64) -> Self {
        Self {
            reading,
            stream,
            size,
            watch: ContentWatch::default(),
            problems: Vec::new(),
            keep: Keep::Undecided,
            file_type: None,
            inside: Pictures { reading, found: Vec::new(), cancelled: false },
            search: None,
        }
    }

    /// Bytes that are still to come, as far as its stated length says.
    pub(super) const fn left(&self) -> u64 {
        self.size.saturating_sub(self.watch.length())
    }

    /// Bytes of the budget that are to be given before it goes on.
    pub(super) fn lacks(&self) -> Option<u64> {
        match (&self.keep, &self.search) {
            (Keep::All(_, None), _) => Some(self.size),
            (_, Some(search)) if search.lacks_memory() => u64::try_from(embedded::LARGEST).ok(),
            _ => None,
        }
    }

    /// Takes the memory that it lacks.
    pub(super) fn grant(&mut self, share: Share<'a>) {
        match (&mut self.keep, &mut self.search) {
            (Keep::All(kept, lacking @ None), _) => {
                let size = usize::try_from(self.size).unwrap_or(0);
                kept.reserve_exact(size.saturating_sub(kept.len()));
                *lacking = Some(share);
            }
            (_, Some(search)) => search.grant(share),
            _ => {}
        }
    }

    /// Reads the next bytes; none after [`Step::End`].
    pub(super) fn step(&mut self, buffer: &mut [u8]) -> Step {
        if self.problems.len() >= MAX_PROBLEMS {
            return Step::End;
        }
        match self.stream.fill(buffer) {
            Ok(0) => Step::End,
            Ok(n) => {
                self.came(buffer.get(..n).unwrap_or(buffer));
                Step::Bytes(n)
            }
            Err(problem) => {
                if let Some(search) = &mut self.search {
                    let missing = problem.length.unwrap_or(0);
                    search.interrupt(missing, &mut |picture| self.inside.take(picture));
                }
                self.problems.push(problem);
                Step::Gap
            }
        }
    }

    fn came(&mut self, bytes: &[u8]) {
        if let (Keep::Undecided, []) = (&self.keep, &*self.problems) {
            self.file_type = signature::detect(head(bytes));
            self.keep = Keep::of(self.file_type, self.size);
            self.search = is_searched(self.file_type).then(|| Embedded::from(0));
        }
        self.watch.update(bytes);
        self.keep.add(bytes, self.size);
        if let Some(search) = &mut self.search {
            search.update(bytes, &mut |picture| self.inside.take(picture));
        }
        let count = u64::try_from(bytes.len()).unwrap_or(0);
        self.reading.bytes_read.fetch_add(count, Ordering::Relaxed);
    }

    /// What the whole read gave. `None` where the run was cancelled before the picture it is was
    /// decoded.
    ///
    /// - `digests`: of all its bytes; asked for where there was no gap.
    pub(super) fn finish(mut self, digests: impl FnOnce() -> Digests) -> Option<Content> {
        if let Some(search) = &mut self.search {
            search.interrupt(0, &mut |picture| self.inside.take(picture));
        }
        self.problems.extend(self.stream.finish().err());
        let reason = self.problems.first().map(|problem| problem.code);
        let whole = reason.is_none();
        let mut picture = None;
        if whole {
            picture = self.keep.answer(self.reading.pictures)?;
            if let Some((at, rest)) = self.keep.behind(self.file_type) {
                Embedded::all(at, rest, &mut |picture| self.inside.take(picture));
            }
        }
        let inside = self.inside.end(&mut self.problems)?;
        Some(Content {
            digests: if whole { digests() } else { Digests::default() },
            bytes_hashed: self.watch.length(),
            low_information: self.watch.finish().filter(|_| whole),
            file_type: self.file_type,
            picture,
            status: if whole { Status::Hashed } else { Status::Partial },
            reason,
            problems: self.problems,
            inside,
        })
    }
}

impl Reading<'_> {
    /// Reads a stream to its end. `None` where `cancel` was set before the end, or before the
    /// picture it is was decoded.
    ///
    /// - `size`: its length as stated.
    pub(super) fn read(
        &self,
        stream: Box<dyn Stream>,
        size: u64,
        buffer: &mut [u8],
    ) -> Option<Content> {
        let mut hasher = Hasher::new(self.selection);
        let mut read = Read::new(self, stream, size);
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return None;
            }
            match read.step(buffer) {
                Step::Bytes(n) => hasher.update(buffer.get(..n).unwrap_or_default()),
                Step::Gap => {}
                Step::End => break,
            }
            if let Some(bytes) = read.lacks() {
                read.grant(self.budget.take(bytes));
            }
        }
        read.finish(|| hasher.finish())
    }

    /// The content of a picture inside another one.
    fn inside(&self, picture: &Picture<'_>) -> Option<Content> {
        let mut hasher = Hasher::new(self.selection);
        let mut watch = ContentWatch::default();
        hasher.update(picture.bytes);
        watch.update(picture.bytes);
        let answer = match picture::interest(Some(picture.file_type)) {
            Interest::Decode => (self.pictures)(picture.bytes)?,
            Interest::None | Interest::Unsupported => undecoded(Some(picture.file_type)),
        };
        Some(Content {
            digests: hasher.finish(),
            bytes_hashed: watch.length(),
            low_information: watch.finish(),
            file_type: Some(picture.file_type),
            picture: Some(answer),
            status: Status::Hashed,
            reason: None,
            problems: Vec::new(),
            inside: Vec::new(),
        })
    }
}

/// Pictures that were found inside a content, while it is read.
struct Pictures<'a> {
    reading: &'a Reading<'a>,
    found: Vec<Inside>,
    cancelled: bool,
}

impl Pictures<'_> {
    fn take(&mut self, picture: Picture<'_>) {
        match self.reading.inside(&picture) {
            _ if self.cancelled || self.found.len() >= embedded::MOST => {}
            Some(content) => self.found.push(Inside { at: picture.at, content }),
            None => self.cancelled = true,
        }
    }

    /// What was found; `None` where the run was cancelled meanwhile.
    fn end(self, problems: &mut Vec<Problem>) -> Option<Vec<Inside>> {
        if self.found.len() >= embedded::MOST {
            let detail = format!("of the pictures inside it {} have rows", embedded::MOST);
            problems.push(Problem::new(Code::LimitReached, Stage::Decode, detail));
        }
        (!self.cancelled).then_some(self.found)
    }
}

/// True for a content in which pictures are looked for from its first byte on. Inside a picture or
/// film they are its own previews.
fn is_searched(file_type: Option<FileType>) -> bool {
    !file_type.is_some_and(|kind| matches!(kind.family(), Family::Picture | Family::Video))
}

fn undecoded(file_type: Option<FileType>) -> PictureAnswer {
    let detail = format!("{}: no decoder for this type", word(file_type));
    picture::not_decoded(MediaStatus::Unsupported, detail)
}

fn word(file_type: Option<FileType>) -> &'static str {
    file_type.map_or("", FileType::as_str)
}

impl Keep<'_> {
    /// What is done with the bytes of a content of this type and length.
    fn of(file_type: Option<FileType>, size: u64) -> Self {
        match picture::interest(file_type) {
            Interest::None => Self::Nothing(None),
            Interest::Unsupported => Self::answered(undecoded(file_type)),
            Interest::Decode if size > LARGEST_PICTURE => {
                let detail = format!("{}: the file is over 96 MiB", word(file_type));
                Self::answered(picture::not_decoded(MediaStatus::TooLarge, detail))
            }
            Interest::Decode => Self::All(Vec::new(), None),
        }
    }

    /// What follows the picture's own end, and where, where a picture may begin in it.
    fn behind(&self, file_type: Option<FileType>) -> Option<(u64, &[u8])> {
        let Self::All(kept, _) = self else { return None };
        let length = signature::structural_length(file_type?, &Slice(kept), 0)?;
        let end = usize::try_from(length.bytes).ok().filter(|_| length.complete)?;
        let rest = kept.get(end..)?;
        embedded::find(rest).map(|_| (length.bytes, rest))
    }

    /// Nothing, because the answer is known.
    fn answered(answer: PictureAnswer) -> Self {
        Self::Nothing(Some(Box::new(answer)))
    }

    /// Keeps more bytes. A stream longer than it said is no longer kept: it changed.
    fn add(&mut self, bytes: &[u8], size: u64) {
        if let Self::All(kept, _) = self {
            kept.extend_from_slice(bytes);
            if u64::try_from(kept.len()).is_ok_and(|length| length > size) {
                *self = Self::Nothing(None);
            }
        }
    }

    /// The answer, where the content is a picture; `None` around it where none was waited for.
    fn answer(
        &mut self,
        pictures: &(dyn Fn(&[u8]) -> Option<PictureAnswer> + Sync),
    ) -> Option<Option<PictureAnswer>> {
        match self {
            Self::Undecided => Some(None),
            Self::Nothing(answer) => Some(answer.take().map(|answer| *answer)),
            Self::All(kept, _) => pictures(kept).map(Some),
        }
    }
}

/// As much of the first bytes as telling types takes.
fn head(bytes: &[u8]) -> &[u8] {
    bytes.get(..signature::HEAD_BYTES).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Stage;
    use std::collections::VecDeque;

    /// Gives what it is told, call by call.
    struct Script(VecDeque<Result<Vec<u8>, Problem>>, Result<(), Problem>);

    impl Stream for Script {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
            let bytes = self.0.pop_front().unwrap_or(Ok(Vec::new()))?;
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }

        fn finish(self: Box<Self>) -> Result<(), Problem> {
            self.1
        }
    }

    fn run(script: Script, cancel: bool) -> Option<Content> {
        read(Box::new(script), cancel, &mut [0; 64])
    }

    fn read(stream: Box<dyn Stream>, cancel: bool, buffer: &mut [u8]) -> Option<Content> {
        let reading = Reading {
            selection: Selection::ALL,
            budget: &Budget::new(1000),
            pictures: &|bytes| {
                Some(picture::not_decoded(MediaStatus::Ok, format!("{}", bytes.len())))
            },
            bytes_read: &AtomicU64::new(0),
            cancel: &AtomicBool::new(cancel),
        };
        reading.read(stream, 100, buffer)
    }

    #[test]
    fn a_picture_is_looked_at_whole_and_only_where_it_was_read_whole() {
        let gif = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;".to_vec();
        let rest = vec![0; 20];
        let calls = |end| Script([Ok(gif.clone()), Ok(rest.clone())].into(), end);
        let content = run(calls(Ok(())), false).unwrap();
        assert_eq!(content.file_type, Some(FileType::Gif));
        let length = (gif.len() + rest.len()).to_string();
        assert_eq!(content.picture.unwrap().detail, length);
        let changed = Problem::new(Code::ChangedDuringRead, Stage::Read, "x");
        assert_eq!(run(calls(Err(changed)), false).unwrap().picture, None);
        let mut long = calls(Ok(()));
        long.0.extend([Ok(vec![0; 60]), Ok(vec![0; 60])]);
        assert_eq!(run(long, false).unwrap().picture, None, "longer than it said");
    }

    #[test]
    fn a_gap_leaves_the_count_and_takes_the_digests() {
        let gap = Problem::new(Code::IoError, Stage::Read, "x").at(2, 512);
        let calls = [Ok(b"ab".to_vec()), Err(gap), Ok(b"c".to_vec())];
        let content = run(Script(calls.into(), Ok(())), false).unwrap();
        assert_eq!((content.status, content.reason), (Status::Partial, Some(Code::IoError)));
        assert_eq!((content.digests, content.bytes_hashed), (Digests::default(), 3));
        assert_eq!(content.low_information, None);
    }

    #[test]
    fn a_change_found_at_the_end_takes_the_digests() {
        let changed = Problem::new(Code::ChangedDuringRead, Stage::Read, "x");
        let content = run(Script([Ok(b"ab".to_vec())].into(), Err(changed)), false).unwrap();
        assert_eq!(content.reason, Some(Code::ChangedDuringRead));
        assert_eq!(content.digests, Digests::default());
    }

    #[test]
    fn an_endless_run_of_errors_ends() {
        struct Broken;
        impl Stream for Broken {
            fn fill(&mut self, _: &mut [u8]) -> Result<usize, Problem> {
                Err(Problem::new(Code::IoError, Stage::Read, "x"))
            }
            fn finish(self: Box<Self>) -> Result<(), Problem> {
                Ok(())
            }
        }
        let content = read(Box::new(Broken), false, &mut [0; 8]);
        assert_eq!(content.unwrap().problems.len(), MAX_PROBLEMS);
    }

    #[test]
    fn nothing_is_stated_of_a_read_that_was_cancelled() {
        assert!(run(Script([Ok(vec![1])].into(), Ok(())), true).is_none());
        // While the picture was decoded, after its bytes were read.
        let reading = Reading {
            selection: Selection::ALL,
            budget: &Budget::new(1000),
            pictures: &|_| None,
            bytes_read: &AtomicU64::new(0),
            cancel: &AtomicBool::new(false),
        };
        let gif = b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02L\x01\0;".to_vec();
        let script = Script([Ok(gif)].into(), Ok(()));
        assert!(reading.read(Box::new(script), 100, &mut [0; 64]).is_none());
    }
}
