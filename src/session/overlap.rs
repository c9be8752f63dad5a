//! Finds the events that two sessions of one account both deliver. Pure.
//!
//! The PBX sends an event to all its sessions at once, and to each session in order, but without a number. So frames are
//! compared by content. Three barriers bound which frames can be copies; a barrier is answered after everything that
//! the PBX sent to that session before.
//!
//! ```text
//! old   a  b  c  d ①  e  f      g  h ③            ①  on the old session, once the new one is accepted
//! new        ↑c  d     e  f ②   g  h  i  j …      ②  on the new one, after the first answer
//!            accepted                             ③  on the old one, after the second answer: it is closed then
//! ```
//! * What the old session delivers after ① arrives on both.
//! * What the new session delivers before ② has arrived on the old one by ③. It is a copy, unless the old session is not
//!   entitled to it.
//! * Of what the old session delivers between ① and ③ the new one delivers some before ② and the rest, the [`Echoes`],
//!   after it. Order and content determine how much. Where they allow several answers, the one that expects the fewest
//!   echoes is used: an event may be numbered twice, never zero times.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use crate::event::RawEvent;

/// The limit for held frames of the new session, in bytes.
const HELD: usize = 8 << 20;
/// The limit for remembered frames of the old session, eight bytes each.
const REMEMBERED: usize = 1 << 16;

/// The frames of both sessions, from the request for a new session on.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    content: Content,
    old: VecDeque<u64>,
    /// The number of them that preceded the answer to the first barrier.
    before_first: Option<usize>,
    held: Held,
    /// The number of held frames that preceded the answer to the second barrier.
    before_second: Option<usize>,
}

/// Held frames, bounded in bytes.
#[derive(Debug, Default)]
pub(super) struct Held {
    frames: Vec<RawEvent>,
    bytes: usize,
}

/// Digests with a random key, so that no peer can forge equal digests.
#[derive(Debug, Default)]
struct Content(RandomState);

/// The result of an overlap.
#[derive(Debug)]
pub(super) struct Merged {
    /// The new session's frames, each with true if it is a copy of one that the old session has delivered.
    pub(super) frames: Vec<(RawEvent, bool)>,
    /// The copies that are still to come.
    pub(super) echoes: Echoes,
    /// True if every event was delivered and none is numbered twice.
    pub(super) certain: bool,
}

/// Events that the old session has delivered and the new one has yet to deliver.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    content: Content,
    expected: VecDeque<u64>,
}

impl Held {
    /// Returns true if nothing more may be added.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= HELD
    }

    pub(super) fn push(&mut self, frame: RawEvent) {
        self.bytes += frame.size() + size_of::<RawEvent>();
        self.frames.push(frame);
    }

    pub(super) fn into_frames(self) -> Vec<RawEvent> {
        self.frames
    }
}

impl Content {
    fn of(&self, frame: &RawEvent) -> u64 {
        self.0.hash_one((&frame.bytes, &frame.attachments))
    }
}

impl Overlap {
    /// Records an event that the old session delivered.
    pub(super) fn old(&mut self, frame: &RawEvent) {
        if self.old.len() == REMEMBERED {
            self.old.pop_front();
            self.before_first = self.before_first.map(|count| count.saturating_sub(1));
        }
        self.old.push_back(self.content.of(frame));
    }

    /// Records that the new session is accepted, and the frames that it delivered before.
    pub(super) fn accepted(&mut self, before: Held) {
        self.held = before;
    }

    /// Records an event that the new session delivered.
    pub(super) fn new_frame(&mut self, frame: RawEvent) {
        self.held.push(frame);
    }

    /// Returns true if the new session must wait for the old one.
    pub(super) fn is_full(&self) -> bool {
        self.held.is_full()
    }

    /// Records the answer to the first barrier.
    pub(super) fn first(&mut self) {
        self.before_first = Some(self.old.len());
    }

    /// Records the answer to the second barrier.
    pub(super) fn second(&mut self) {
        self.before_second = Some(self.held.frames.len());
    }

    /// Merges both sessions once the third barrier is answered, or the old session has ended without it.
    pub(super) fn finish(self, answered: bool) -> Merged {
        match (self.before_first, self.before_second) {
            (Some(first), Some(second)) if answered => self.merge(first, second),
            _ => self.guess(),
        }
    }

    fn merge(mut self, first: usize, second: usize) -> Merged {
        let old: &[u64] = self.old.make_contiguous();
        let later = self.held.frames.split_off(second.min(self.held.frames.len()));
        let mut left = counts(old);
        let mut copies = Vec::new();
        let mut frames = Vec::with_capacity(self.held.frames.len() + later.len());
        for frame in self.held.frames {
            let content = self.content.of(&frame);
            let copy = left.get_mut(&content).filter(|left| **left > 0).map(|left| *left -= 1).is_some();
            if copy {
                copies.push(content);
            }
            frames.push((frame, copy));
        }
        let (covered, certain) = covered(old, first, &copies);
        let expected = old.iter().skip(covered).copied().collect();
        let mut echoes = Echoes { content: self.content, expected };
        frames.extend(later.into_iter().map(|frame| {
            let copy = echoes.is_echo(&frame);
            (frame, copy)
        }));
        Merged { frames, echoes, certain }
    }

    /// Merges without barriers: a frame is a copy if it occurs exactly once in each session.
    fn guess(mut self) -> Merged {
        let old = counts(self.old.make_contiguous());
        let contents: Vec<u64> = self.held.frames.iter().map(|frame| self.content.of(frame)).collect();
        let new = counts(&contents);
        let once = |content: &u64| old.get(content) == Some(&1) && new.get(content) == Some(&1);
        let frames = self.held.frames.into_iter().zip(contents.iter().map(once)).collect();
        Merged { frames, echoes: Echoes { content: self.content, expected: VecDeque::new() }, certain: false }
    }
}

impl Echoes {
    /// Returns true if the new session's next frame is one of them. They arrive in order; what the new session may not see
    /// is skipped.
    pub(super) fn is_echo(&mut self, frame: &RawEvent) -> bool {
        if self.expected.is_empty() {
            return false;
        }
        let content = self.content.of(frame);
        let found = self.expected.iter().position(|expected| *expected == content);
        found.is_some_and(|at| {
            self.expected.drain(..=at);
            true
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }
}

fn counts(contents: &[u64]) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    for content in contents {
        *counts.entry(*content).or_default() += 1;
    }
    counts
}

/// The number of the old session's frames before the end of `copies`, which is `first` or more, and true if no other
/// number is possible. Events that only the old session delivers may lie between them.
fn covered(old: &[u64], first: usize, copies: &[u64]) -> (usize, bool) {
    if copies.is_empty() {
        return (first, true);
    }
    let fits = |end: &usize| {
        let old = old.get(..*end).unwrap_or_default();
        let mut before = old.iter().rev();
        (*end == first || old.last() == copies.last())
            && copies.iter().rev().all(|copy| before.any(|content| content == copy))
    };
    let mut ends = (first..=old.len()).rev().filter(fits);
    match ends.next() {
        Some(latest) => (latest, ends.next().is_none()),
        // The middleware has sent events of its own, in another order.
        None => (old.len(), false),
    }
}

#[cfg(test)]
mod tests;
