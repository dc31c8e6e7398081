//! The digests of one long object, each on a thread of its own.
//!
//! A stream alone leaves most of a core idle, and MD5 of it takes more than twice as long as SHA-256.
//! So whoever reads hands each piece to all of the threads, and is held up by the slowest alone.

use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use crossbeam_channel::{Sender, bounded};

use crate::digest::lanes::Part;

/// Bytes of a piece.
const PIECE: usize = 1 << 20;
/// Pieces that wait for a thread.
const WAITING: usize = 2;
/// Pieces that are there at a time: those that wait, one in work, and the one that is being read.
const PIECES: usize = WAITING + 2;

/// The threads, and the pieces they share.
pub(super) struct Threads<'scope> {
    threads: Vec<ScopedJoinHandle<'scope, Part>>,
    senders: Vec<Sender<Arc<Vec<u8>>>>,
    pieces: [Arc<Vec<u8>>; PIECES],
    next: usize,
}

impl<'scope> Threads<'scope> {
    pub(super) fn start<'env>(scope: &'scope Scope<'scope, 'env>, parts: Vec<Part>) -> Self {
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
        let piece = &mut self.pieces[self.next];
        Arc::make_mut(piece)
    }

    /// Gives the piece, which is full, to every thread.
    pub(super) fn give(&mut self) {
        for sender in &self.senders {
            // A thread that is gone has failed, which its end will tell.
            let _told_at_the_end = sender.send(Arc::clone(&self.pieces[self.next]));
        }
        self.next = (self.next + 1) % PIECES;
    }

    /// The digests, once all that was given is in them, and the last piece.
    pub(super) fn end(self) -> (Vec<Part>, Arc<Vec<u8>>) {
        drop(self.senders);
        let join = |thread: ScopedJoinHandle<'_, Part>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let last = self.pieces.into_iter().nth(self.next).unwrap_or_default();
        (self.threads.into_iter().map(join).collect(), last)
    }
}
