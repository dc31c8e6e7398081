//! One read of one object: digests, type, length, plainness, whether every byte was there, and what
//! it shows where it is a picture.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::embedded::{self, Embedded, Picture};
use super::picture::{self, Budget, Interest, LARGEST_PICTURE, Share};
use crate::bytes::Slice;
use crate::digest::{ContentWatch, Digests, Hasher, LowInformation, Selection};
use crate::item::{Status, Stream};
use crate::media::MediaStatus;
use crate::problem::{Code, Problem, Stage};
use crate::signature::{self, Family, FileType};
use crate::worker::PictureAnswer;

/// Bytes asked for at a time: large enough that the call costs nothing, small enough to stay in
/// the second-level cache while four digests go over it.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;

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
    /// Everything so far.
    All(Vec<u8>, Share<'a>),
}

impl Reading<'_> {
    /// Reads a stream to its end. `None` where `cancel` was set before the end, or before the
    /// picture it is was decoded.
    ///
    /// A digest is stated only of a content that was read whole and was still meanwhile, and only
    /// such a content is looked at as a picture.
    ///
    /// - `size`: its length as stated, for the memory that keeping it takes.
    pub(super) fn read(
        &self,
        mut stream: Box<dyn Stream>,
        size: u64,
        buffer: &mut [u8],
    ) -> Option<Content> {
        let mut hasher = Hasher::new(self.selection);
        let mut watch = ContentWatch::default();
        let mut problems = Vec::new();
        let mut keep = Keep::Undecided;
        let mut file_type = None;
        let mut inside = Pictures { reading: self, found: Vec::new(), cancelled: false };
        let mut search = None;
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return None;
            }
            match stream.fill(buffer) {
                Ok(0) => break,
                Ok(n) => {
                    let bytes = buffer.get(..n).unwrap_or(buffer);
                    if let (Keep::Undecided, []) = (&keep, &*problems) {
                        file_type = signature::detect(head(bytes));
                        keep = self.keep(file_type, size);
                        search = is_searched(file_type).then(|| Embedded::from(0, self.budget));
                    }
                    hasher.update(bytes);
                    watch.update(bytes);
                    keep = keep.with(bytes, size);
                    if let Some(search) = &mut search {
                        search.update(bytes, &mut |picture| inside.take(picture));
                    }
                    self.bytes_read.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
                }
                Err(problem) => {
                    if let Some(search) = &mut search {
                        let missing = problem.length.unwrap_or(0);
                        search.interrupt(missing, &mut |picture| inside.take(picture));
                    }
                    problems.push(problem);
                }
            }
            if problems.len() >= MAX_PROBLEMS {
                break;
            }
        }
        if let Some(search) = &mut search {
            search.interrupt(0, &mut |picture| inside.take(picture));
        }
        problems.extend(stream.finish().err());
        let reason = problems.first().map(|problem| problem.code);
        let whole = reason.is_none();
        let behind = if whole { keep.behind(file_type) } else { None };
        let picture = if whole { keep.answer(self.pictures)? } else { None };
        if let Some((at, bytes)) = behind {
            Embedded::all(at, &bytes, self.budget, &mut |picture| inside.take(picture));
        }
        let inside = inside.end(&mut problems)?;
        Some(Content {
            digests: if whole { hasher.finish() } else { Digests::default() },
            bytes_hashed: watch.length(),
            low_information: watch.finish().filter(|_| whole),
            file_type,
            picture,
            status: if whole { Status::Hashed } else { Status::Partial },
            reason,
            problems,
            inside,
        })
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

    fn keep(&self, file_type: Option<FileType>, size: u64) -> Keep<'_> {
        match picture::interest(file_type) {
            Interest::None => Keep::Nothing(None),
            Interest::Unsupported => Keep::answered(undecoded(file_type)),
            Interest::Decode if size > LARGEST_PICTURE => {
                let detail = format!("{}: the file is over 96 MiB", word(file_type));
                Keep::answered(picture::not_decoded(MediaStatus::TooLarge, detail))
            }
            Interest::Decode => {
                let share = self.budget.take(size);
                Keep::All(Vec::with_capacity(usize::try_from(size).unwrap_or(0)), share)
            }
        }
    }
}

/// Pictures that were found inside a content, while it is read.
struct Pictures<'a, 'b> {
    reading: &'a Reading<'b>,
    found: Vec<Inside>,
    cancelled: bool,
}

impl Pictures<'_, '_> {
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
    /// What follows the picture's own end, and where, where a picture may begin in it.
    fn behind(&self, file_type: Option<FileType>) -> Option<(u64, Vec<u8>)> {
        let Self::All(kept, _) = self else { return None };
        let length = signature::structural_length(file_type?, &Slice(kept), 0)?;
        let end = usize::try_from(length.bytes).ok().filter(|_| length.complete)?;
        let rest = kept.get(end..)?;
        embedded::find(rest).map(|_| (length.bytes, rest.to_vec()))
    }

    /// Nothing, because the answer is known.
    fn answered(answer: PictureAnswer) -> Self {
        Self::Nothing(Some(Box::new(answer)))
    }

    /// These bytes and more. A stream longer than it said is no longer kept: it changed.
    fn with(self, bytes: &[u8], size: u64) -> Self {
        match self {
            Self::All(mut kept, share) => {
                kept.extend_from_slice(bytes);
                let fits = u64::try_from(kept.len()).is_ok_and(|length| length <= size);
                if fits { Self::All(kept, share) } else { Self::Nothing(None) }
            }
            other => other,
        }
    }

    /// The answer, where the content is a picture; `None` around it where none was waited for.
    fn answer(
        self,
        pictures: &(dyn Fn(&[u8]) -> Option<PictureAnswer> + Sync),
    ) -> Option<Option<PictureAnswer>> {
        match self {
            Self::Undecided => Some(None),
            Self::Nothing(answer) => Some(answer.map(|answer| *answer)),
            Self::All(kept, _share) => pictures(&kept).map(Some),
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
