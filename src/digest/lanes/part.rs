//! The digests of one long stream apart from each other: where it has no neighbours to be taken
//! side by side with, each of its digests can have a thread.

use super::{BLOCK, Kernels, Lanes};
use crate::digest::{Algorithm, md5};

/// One digest of a stream that is under way.
pub struct Part {
    state: State,
    kernels: Kernels,
}

enum State {
    Md5([u32; 4]),
    Sha1([u32; 5]),
    Sha256([u32; 8]),
    Blake3(Box<blake3::Hasher>),
}

impl Part {
    /// Takes the next bytes of the stream.
    ///
    /// # Panics
    /// Where they do not fill whole blocks of 64 bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        assert!(rest.is_empty(), "a part of a stream takes whole blocks");
        match &mut self.state {
            State::Md5(state) => blocks.iter().for_each(|block| md5::compress(state, block)),
            State::Sha1(state) => {
                let mut states = [*state];
                self.kernels.sha1(&mut states, [blocks]);
                [*state] = states;
            }
            State::Sha256(state) => {
                let mut states = [*state];
                self.kernels.sha256(&mut states, [blocks]);
                [*state] = states;
            }
            State::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }
}

impl Lanes {
    /// The digests of the stream in a lane, to go on elsewhere until [`Lanes::join`]; `None` where
    /// the lane still holds bytes of it, or it has ended.
    pub fn part(&mut self, lane: usize) -> Option<Vec<Part>> {
        let selection = self.selection;
        let kernels = self.kernels;
        let lane = &mut self.lanes[lane];
        lane.make_room();
        if lane.filled > 0 || lane.ended {
            return None;
        }
        let part = |algorithm| {
            let state = match algorithm {
                Algorithm::Md5 => State::Md5(lane.md5),
                Algorithm::Sha1 => State::Sha1(lane.sha1),
                Algorithm::Sha256 => State::Sha256(lane.sha256),
                Algorithm::Blake3 => State::Blake3(lane.blake3.clone()),
            };
            Part { state, kernels }
        };
        Some(selection.iter().map(part).collect())
    }

    /// Takes back the digests of the stream in a lane.
    ///
    /// - `bytes`: how many they took meanwhile.
    pub fn join(&mut self, lane: usize, parts: Vec<Part>, bytes: u64) {
        let lane = &mut self.lanes[lane];
        for part in parts {
            match part.state {
                State::Md5(state) => lane.md5 = state,
                State::Sha1(state) => lane.sha1 = state,
                State::Sha256(state) => lane.sha256 = state,
                State::Blake3(state) => lane.blake3 = state,
            }
        }
        lane.length = lane.length.wrapping_add(bytes);
    }
}
