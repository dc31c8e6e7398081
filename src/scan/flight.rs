//! The objects that one thread reads side by side.
//!
//! Each has a lane of the digests. Whichever lane has nothing left to digest is filled from its
//! stream; where all are full, all go on. An object that ends leaves its lane to the next one. What
//! an object is, what is said of it and in which row does not depend on its neighbours: they share
//! the thread and nothing else.
//!
//! A stream that is slow, or waits for memory, holds up the thread and changes nothing else. Memory
//! is waited for only where none of the thread's own objects holds any and all of them lack some.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::content::{Read, Reading, Step};
use super::object::{Link, Object, Opened, Shared, failed};
use crate::digest::lanes::{LANES, Lanes};
use crate::item::{ObjectPath, OrderKey};
use crate::report::Record;

/// Objects under way.
pub(super) struct Flight<'a> {
    shared: &'a Shared<'a>,
    reading: &'a Reading<'a>,
    lanes: Lanes,
    seats: Vec<Option<Seat<'a>>>,
    /// True while an object waits for memory.
    waits: bool,
}

/// One of them.
struct Seat<'a> {
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
    /// - `streams`: how many objects it may have at a time, at most [`LANES`].
    pub(super) fn new(shared: &'a Shared<'a>, reading: &'a Reading<'a>, streams: usize) -> Self {
        let seats = (0..streams.clamp(1, LANES)).map(|_| None).collect();
        let lanes = Lanes::new(shared.selection, shared.kernels);
        Self { shared, reading, lanes, seats, waits: false }
    }

    /// True where nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.seats.iter().all(Option::is_none)
    }

    /// A lane that another object may take now.
    pub(super) fn free_lane(&self) -> Option<usize> {
        if self.waits { None } else { self.seats.iter().position(Option::is_none) }
    }

    /// Takes an object in.
    ///
    /// - `lane`: as [`Flight::free_lane`] gave it.
    pub(super) fn admit(
        &mut self,
        lane: usize,
        evidence: u32,
        place: (ObjectPath, OrderKey),
        opened: Opened,
    ) {
        let (path, key) = place;
        let (object, stream, link) = opened.parts();
        let read = Read::new(self.reading, stream, object.size());
        let seat = Seat { evidence, path, key, object, link, read, digested: true, ended: false };
        self.lanes.begin(lane);
        if let Some(free) = self.seats.get_mut(lane) {
            *free = Some(seat);
        }
    }

    /// Lets go of everything: nothing is said of what was not read to its end.
    pub(super) fn abandon(&mut self) {
        self.seats.iter_mut().for_each(|seat| *seat = None);
        self.waits = false;
    }

    /// Reads and digests until some lane has nothing left; gives the records of objects that end.
    pub(super) fn go_on(&mut self, emit: Emit<'_>) {
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

    /// Waits for the memory that the first object lacks. None of them holds any.
    fn wait(&mut self) {
        for seat in self.seats.iter_mut().flatten() {
            if let Some(bytes) = seat.read.lacks() {
                return seat.read.grant(self.shared.budget.take(bytes));
            }
        }
    }

    fn complete(&mut self, lane: usize, seat: Seat<'_>, emit: Emit<'_>) {
        let Seat { evidence, path, key, object, link, read, .. } = seat;
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

    /// True where all of it is read and digested.
    fn is_over(&self, lane: usize, lanes: &Lanes) -> bool {
        let digested = !self.digested || lanes.is_done(lane);
        self.ended && digested && self.read.lacks().is_none()
    }
}
