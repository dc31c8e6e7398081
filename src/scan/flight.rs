//! The objects that one thread reads side by side.
//!
//! Each has a lane of the digests. Whichever lane has nothing left to digest is filled from its
//! stream; where all are full, all go on. An object that ends leaves its lane to the next one, which
//! is open already, so that the device fetches its bytes meanwhile. A long object that is left alone
//! gives each of its digests a thread. What an object is, what is said of it and in which row does not
//! depend on its neighbours: they share the thread and nothing else.
//!
//! A stream that is slow, or waits for memory, holds up the thread and changes nothing else. Memory
//! is waited for only where none of the thread's own objects holds any and all of them lack some.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::apart::Threads;
use super::content::{Read, Reading, Step};
use super::object::{Link, Object, Opened, Shared, failed};
use crate::digest::lanes::{LANE_BYTES, LANES, Lanes, Part};
use crate::item::{ObjectPath, OrderKey};
use crate::report::Record;

/// Objects that one thread has open at most: one in each lane, and the next one of each.
pub(super) const MOST: usize = 2 * LANES;

/// Bytes that an object has left where threads for its digests are worth their start.
pub(super) const LONG: u64 = 32 << 20;

/// Objects under way.
pub(super) struct Flight<'a> {
    shared: &'a Shared<'a>,
    reading: &'a Reading<'a>,
    lanes: Lanes,
    seats: Vec<Option<Seat<'a>>>,
    /// Objects that are open and have no lane yet, in their order.
    ahead: VecDeque<Seat<'a>>,
    /// Slots that no object has.
    slots: Vec<usize>,
    /// True while an object waits for memory.
    waits: bool,
}

/// One of them.
struct Seat<'a> {
    slot: usize,
    evidence: u32,
    path: ObjectPath,
    key: OrderKey,
    object: Object,
    link: Option<Link>,
    read: Read<'a>,
    /// False once bytes were missing: there will be no digest.
    digested: bool,
    ended: bool,
}

/// Takes records with the number of their evidence item.
pub(super) type Emit<'e> = &'e mut dyn FnMut(u32, Record);

impl<'a> Flight<'a> {
    /// - `streams`: how many objects it may have open at a time, at most [`MOST`].
    pub(super) fn new(shared: &'a Shared<'a>, reading: &'a Reading<'a>, streams: usize) -> Self {
        let streams = streams.clamp(1, MOST);
        let seats = (0..streams.div_ceil(2)).map(|_| None).collect();
        let lanes = Lanes::new(shared.selection, shared.kernels);
        let (ahead, slots) = (VecDeque::new(), (0..streams).rev().collect());
        Self { shared, reading, lanes, seats, ahead, slots, waits: false }
    }

    /// True where nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.ahead.is_empty() && self.seats.iter().all(Option::is_none)
    }

    /// Bytes that its objects have left, as far as their stated lengths say.
    pub(super) fn left(&self) -> u64 {
        let seats = self.seats.iter().flatten().chain(&self.ahead);
        seats.map(|seat| seat.read.left()).fold(0, u64::saturating_add)
    }

    /// The slot of the next object, where it may take one more.
    pub(super) fn slot(&self) -> Option<usize> {
        self.slots.last().copied().filter(|_| !self.waits)
    }

    /// Takes an object into the slot that [`Flight::slot`] gave.
    pub(super) fn admit(&mut self, evidence: u32, place: (ObjectPath, OrderKey), opened: Opened) {
        let Some(slot) = self.slots.pop() else { return };
        let (path, key) = place;
        let (object, stream, link) = opened.parts();
        stream.announce();
        let read = Read::new(self.reading, stream, object.size());
        let (digested, ended) = (true, false);
        let seat = Seat { slot, evidence, path, key, object, link, read, digested, ended };
        self.ahead.push_back(seat);
    }

    /// Lets go of everything: nothing is said of what was not read to its end.
    pub(super) fn abandon(&mut self) {
        let seats = self.seats.iter_mut().filter_map(Option::take);
        self.slots.extend(seats.chain(self.ahead.drain(..)).map(|seat| seat.slot));
        self.waits = false;
    }

    /// Reads and digests until some lane has nothing left; gives the records of objects that end.
    pub(super) fn go_on(&mut self, emit: Emit<'_>) {
        for (lane, seat) in self.seats.iter_mut().enumerate().filter(|(_, seat)| seat.is_none()) {
            *seat = self.ahead.pop_front();
            self.lanes.begin(lane);
        }
        let (mut under_way, mut waiting) = (0_usize, 0_usize);
        for lane in 0..self.seats.len() {
            let Some(seat) = self.seats.get_mut(lane).and_then(Option::as_mut) else { continue };
            under_way += 1;
            let lanes = &mut self.lanes;
            let shared = self.shared;
            match catch_unwind(AssertUnwindSafe(|| seat.fill(lane, lanes, shared))) {
                Ok(true) => {}
                Ok(false) => waiting += 1,
                Err(_) => self.fail(lane, emit),
            }
        }
        self.waits = waiting > 0;
        if self.waits && waiting == under_way {
            self.wait();
        }
        self.lanes.run();
        for lane in 0..self.seats.len() {
            let over = |seat: &mut Seat<'_>| seat.is_over(lane, &self.lanes);
            if let Some(seat) = self.seats.get_mut(lane).and_then(|seat| seat.take_if(over)) {
                self.complete(lane, seat, emit);
            }
        }
    }

    /// Where one long object is left alone: reads it with a thread for each of its digests, as long
    /// as `alone` says that no other is to come.
    pub(super) fn go_alone(&mut self, alone: &dyn Fn() -> bool, emit: Emit<'_>) {
        let mut taken = self.seats.iter_mut().enumerate().filter(|(_, seat)| seat.is_some());
        let (Some((lane, Some(seat))), None, true) =
            (taken.next(), taken.next(), self.ahead.is_empty())
        else {
            return;
        };
        let (lanes, shared) = (&mut self.lanes, self.shared);
        let work = || seat.go_alone(lane, lanes, shared, alone);
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            self.fail(lane, emit);
        }
    }

    /// Waits for the memory that the first object lacks. None of them holds any.
    fn wait(&mut self) {
        for seat in self.seats.iter_mut().flatten() {
            if let Some(bytes) = seat.read.lacks() {
                return seat.read.grant(self.shared.budget.take(bytes));
            }
        }
    }

    fn complete(&mut self, lane: usize, seat: Seat<'_>, emit: Emit<'_>) {
        let Seat { slot, evidence, path, key, object, link, read, .. } = seat;
        self.slots.push(slot);
        let (lanes, shared) = (&self.lanes, self.shared);
        let worked = catch_unwind(AssertUnwindSafe(|| {
            if let Some(content) = read.finish(|| lanes.digests(lane)) {
                shared.complete(object, link, content, &mut |record| emit(evidence, record));
            }
        }));
        if worked.is_err() {
            emit(evidence, failed(evidence, path, key));
        }
    }

    /// An object on which our own code failed becomes a row.
    fn fail(&mut self, lane: usize, emit: Emit<'_>) {
        self.lanes.begin(lane);
        if let Some(seat) = self.seats.get_mut(lane).and_then(Option::take) {
            self.slots.push(seat.slot);
            emit(seat.evidence, failed(seat.evidence, seat.path, seat.key));
        }
    }
}

impl<'a> Seat<'a> {
    /// Reads until the lane is full or the stream has ended; false where memory is lacking.
    fn fill(&mut self, lane: usize, lanes: &mut Lanes, shared: &'a Shared<'a>) -> bool {
        loop {
            if let Some(bytes) = self.read.lacks() {
                let Some(share) = shared.budget.take_now(bytes) else { return false };
                self.read.grant(share);
            }
            if self.ended || lanes.is_ready(lane) {
                return true;
            }
            match self.read.step(lanes.room(lane)) {
                Step::Bytes(n) if self.digested => lanes.take(lane, n),
                // Without digests nothing fills the lane: the others have their turn.
                Step::Bytes(_) => return true,
                Step::Gap => {
                    self.digested = false;
                    lanes.begin(lane);
                    return true;
                }
                Step::End => {
                    self.ended = true;
                    if self.digested {
                        lanes.end(lane);
                    }
                }
            }
        }
    }

    /// As [`Flight::go_alone`].
    fn go_alone(
        &mut self,
        lane: usize,
        lanes: &mut Lanes,
        shared: &'a Shared<'a>,
        alone: &dyn Fn() -> bool,
    ) {
        let ready = self.digested && !self.ended && self.read.lacks().is_none();
        if !ready || self.read.left() < LONG || !alone() {
            return;
        }
        let Some(parts) = lanes.part(lane) else { return };
        let (mut parts, bytes, last, filled) = std::thread::scope(|scope| {
            let mut threads = Threads::start(scope, parts);
            let (bytes, filled) = self.read_for(&mut threads, shared, alone);
            let (parts, last) = threads.end();
            (parts, bytes, last, filled)
        });
        let rest = last.get(..filled).unwrap_or_default();
        if !self.digested {
            return lanes.begin(lane);
        }
        let (blocks, tail) = rest.as_chunks::<64>();
        parts.iter_mut().for_each(|part| part.update(blocks.as_flattened()));
        let more = u64::try_from(blocks.as_flattened().len()).unwrap_or(0);
        lanes.join(lane, parts, bytes.saturating_add(more));
        if let Some(room) = lanes.room(lane).get_mut(..tail.len()) {
            room.copy_from_slice(tail);
        }
        lanes.take(lane, tail.len());
        if self.ended {
            lanes.end(lane);
        }
    }

    /// Reads for the threads; gives the number of bytes that they have got, and of those that stand
    /// in the last piece.
    fn read_for(
        &mut self,
        threads: &mut Threads<'_, Part>,
        shared: &'a Shared<'a>,
        alone: &dyn Fn() -> bool,
    ) -> (u64, usize) {
        let (mut bytes, mut filled) = (0_u64, 0_usize);
        while alone() {
            let piece = threads.piece();
            let room = piece.get_mut(filled..).unwrap_or_default();
            let most = room.len().min(LANE_BYTES);
            match self.read.step(room.get_mut(..most).unwrap_or_default()) {
                Step::Bytes(n) => filled = filled.saturating_add(n),
                Step::Gap => self.digested = false,
                Step::End => self.ended = true,
            }
            if let Some(bytes) = self.read.lacks() {
                // It has none so far, and there is no other object.
                self.read.grant(shared.budget.take(bytes));
            }
            if self.ended || !self.digested {
                break;
            }
            if filled == threads.piece().len() {
                bytes = bytes.saturating_add(u64::try_from(filled).unwrap_or(0));
                threads.give(filled);
                filled = 0;
            }
        }
        (bytes, filled)
    }

    /// True where all of it is read and digested.
    fn is_over(&self, lane: usize, lanes: &Lanes) -> bool {
        let digested = !self.digested || lanes.is_done(lane);
        self.ended && digested && self.read.lacks().is_none()
    }
}

#[cfg(test)]
mod tests;
