//! The digests of one long stream, an object or a whole image, each on a thread of its own.
//!
//! A stream alone leaves most of a core idle, and MD5 of it takes more than twice as long as SHA-256.
//! So whoever reads hands each piece to all of the threads, and is held up by the slowest alone.

use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Sender, bounded};

use crate::digest::{Hasher, lanes::Part};

/// Bytes of a piece.
const PIECE: usize = 1 << 20;
/// Pieces that wait for a thread.
const WAITING: usize = 2;
/// Pieces that are there at a time: those that wait, one in work, and the one that is being read.
const PIECES: usize = WAITING + 2;

/// One digest that is under way.
pub(super) trait Digesting: Send {
    /// Takes the next bytes.
    fn update(&mut self, bytes: &[u8]);
}

impl Digesting for Part {
    fn update(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

impl Digesting for Hasher {
    fn update(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// The threads, and the pieces they share.
pub(super) struct Threads<'scope, D> {
    threads: Vec<ScopedJoinHandle<'scope, D>>,
    senders: Vec<Sender<Arc<Vec<u8>>>>,
    pieces: [Arc<Vec<u8>>; PIECES],
    next: usize,
}

impl<'scope, D: Digesting + 'scope> Threads<'scope, D> {
    pub(super) fn start<'env>(scope: &'scope Scope<'scope, 'env>, parts: Vec<D>) -> Self {
        let (mut threads, mut senders) = (Vec::new(), Vec::new());
        for mut part in parts {
            let (sender, pieces) = bounded::<Arc<Vec<u8>>>(WAITING);
            senders.push(sender);
            threads.push(scope.spawn(move || {
                pieces.iter().for_each(|piece| part.update(&piece));
                part
            }));
        }
        let pieces = std::array::from_fn(|_| Arc::new(vec![0; PIECE]));
        Self { threads, senders, pieces, next: 0 }
    }

    /// The piece to be filled.
    pub(super) fn piece(&mut self) -> &mut Vec<u8> {
        let piece = Arc::make_mut(&mut self.pieces[self.next]);
        piece.resize(PIECE, 0);
        piece
    }

    /// Gives the first `filled` bytes of the piece to every thread.
    pub(super) fn give(&mut self, filled: usize) {
        self.piece().truncate(filled);
        for sender in &self.senders {
            // A thread that is gone has failed, which its end will tell.
            let _told_at_the_end = sender.send(Arc::clone(&self.pieces[self.next]));
        }
        self.next = (self.next + 1) % PIECES;
    }

    /// The digests, once all that was given is in them, and the last piece.
    pub(super) fn end(self) -> (Vec<D>, Arc<Vec<u8>>) {
        drop(self.senders);
        let join = |thread: ScopedJoinHandle<'_, D>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let last = self.pieces.into_iter().nth(self.next).unwrap_or_default();
        (self.threads.into_iter().map(join).collect(), last)
    }
}
