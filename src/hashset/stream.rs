//! A list that is read in windows: one thread reads, unpacks and hashes, another one takes.
//!
//! At most five blocks are in memory, whatever the list's length: their buffers go back to who reads.
//! A window is a block with the row before it that was not whole, so nothing else is copied; it holds
//! whole rows as far as they have come. Every place in it is told as a place of the file.

use super::encoding::{Mark, Utf16Blocks, utf16_len, wide};
use super::source::{self, Block, Source};
use super::{Place, SetError};
use crate::bytes::ByteOffset;
use crate::digest::Hasher;
use crossbeam_channel::{Receiver, Sender};
use std::path::PathBuf;

type Next = Result<Block, SetError>;

/// How many buffers wait for who reads.
const USED: usize = 2;

/// Gives `take` a window of the text and afterwards the hasher that has seen the whole file.
///
/// # Errors
/// Those of `take` and of the source.
pub(super) fn streamed<T>(
    source: Source,
    take: impl FnOnce(&mut Window) -> Result<T, SetError>,
) -> Result<(T, Hasher), SetError> {
    let mark = Mark::of(source.head());
    let name = source.name().to_owned();
    let (to, blocks) = crossbeam_channel::bounded(1);
    let (back, used) = crossbeam_channel::bounded(USED);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(source, mark, &to, &used));
        let mut window = Window::new(name, mark, blocks, Some(back));
        let taken = take(&mut window);
        // The reader waits for room; without a window it ends.
        drop(window);
        let hasher = match reader.join() {
            Ok(hasher) => hasher,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok((taken?, hasher?))
    })
}

/// Sends the text block by block, without its mark and as UTF-8.
fn read(
    mut source: Source,
    mark: Mark,
    to: &Sender<Next>,
    used: &Receiver<Block>,
) -> Result<Hasher, SetError> {
    let mut utf16 = mark.utf16.map(|_| Utf16Blocks::new(mark));
    let mut skip = mark.len;
    loop {
        let block = match source.next(used.try_recv().unwrap_or_default()) {
            Ok(Some(mut block)) => {
                block.skip(std::mem::take(&mut skip));
                match &mut utf16 {
                    Some(utf16) => Ok(Block::of(utf16.decode(block.bytes()))),
                    None => Ok(block),
                }
            }
            Ok(None) => break,
            Err(error) => Err(error),
        };
        let ends = block.is_err();
        if to.send(block).is_err() || ends {
            // Refused: nobody asks for the digest, and the rest may be long.
            return Ok(source::hasher());
        }
    }
    if let Some(utf16) = utf16 {
        let rest = utf16.finish().map_err(|()| {
            let expected = "two bytes a character, as UTF-16 has";
            SetError::bad(source.place(), "half a character", expected)
        });
        // Nobody listens any more where the taker had enough.
        let _ = to.send(rest.map(Block::of));
    }
    source.finish()
}

/// The part of a text that is looked at.
pub(super) struct Window {
    name: PathBuf,
    utf16: bool,
    blocks: Receiver<Next>,
    /// Where buffers go back to.
    used: Option<Sender<Block>>,
    block: Block,
    /// Place in the file, and line, of the first byte.
    offset: u64,
    line: u64,
    ended: bool,
}

impl Window {
    fn new(name: PathBuf, mark: Mark, blocks: Receiver<Next>, used: Option<Sender<Block>>) -> Self {
        let (utf16, offset) = (mark.utf16.is_some(), wide(mark.len));
        Self { name, utf16, blocks, used, block: Block::default(), offset, line: 1, ended: false }
    }

    /// A text that is in memory, in blocks of `len` bytes.
    #[cfg(fuzzing)]
    pub(super) fn of(text: &[u8], len: usize) -> Self {
        let mark = Mark::of(text);
        let (to, blocks) = crossbeam_channel::unbounded();
        let mut utf16 = mark.utf16.map(|_| Utf16Blocks::new(mark));
        for block in text.get(mark.len..).unwrap_or_default().chunks(len) {
            let block = match &mut utf16 {
                Some(utf16) => utf16.decode(block),
                None => block.to_vec(),
            };
            // Some room, so that what is left over fits before some blocks and not before others.
            let mut block = Block::of([&[0; 16], block.as_slice()].concat());
            block.skip(16);
            let _ = to.send(Ok(block));
        }
        Self::new(PathBuf::from("text"), mark, blocks, None)
    }

    /// What is there.
    pub(super) fn bytes(&self) -> &[u8] {
        self.block.bytes()
    }

    /// True where nothing comes behind what is there.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// Lets go what stands before `keep` and gets the next block, or notes that there is none.
    ///
    /// # Errors
    /// The reader's.
    pub(super) fn more(&mut self, keep: usize) -> Result<(), SetError> {
        let gone = self.bytes().get(..keep).unwrap_or(self.bytes());
        let lines = wide(memchr::memchr_iter(b'\n', gone).count());
        self.offset = self.offset.saturating_add(self.len_in_file(gone));
        self.line = self.line.saturating_add(lines);
        self.block.skip(keep);
        match self.blocks.recv() {
            Ok(next) => {
                let mut next = next?;
                if next.put_before(self.block.bytes()) {
                    std::mem::swap(&mut self.block, &mut next);
                } else {
                    self.block.put_behind(next.bytes());
                }
                // Where enough buffers wait already, this one is let go.
                if let Some(used) = &self.used {
                    let _ = used.try_send(next);
                }
            }
            Err(_) => self.ended = true,
        }
        Ok(())
    }

    fn len_in_file(&self, text: &[u8]) -> u64 {
        if self.utf16 { utf16_len(text) } else { wide(text.len()) }
    }

    /// The place of the byte at `at` in the window.
    pub(super) fn place(&self, at: usize, record: Option<u64>) -> Place {
        let before = self.bytes().get(..at).unwrap_or(self.bytes());
        let line = self.line.saturating_add(wide(memchr::memchr_iter(b'\n', before).count()));
        let offset = ByteOffset(self.offset.saturating_add(self.len_in_file(before)));
        Place { file: self.name.clone(), line, offset, record }
    }
}
