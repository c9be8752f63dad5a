//! Finds the events that two sessions of one account both deliver. Pure.
//!
//! The PBX sends an event to all its sessions at once, and to each session in order, but without a number. So frames are
//! compared by content. Three barriers bound what can be a copy of what; a barrier is answered behind everything that
//! the PBX sent to that session before.
//!
//! ```text
//! old   a  b  c  d ①  e  f      g  h ③            ①  on the old session, once the new one is accepted
//! new        ↑c  d     e  f ②   g  h  i  j …      ②  on the new one, after the first answer
//!            accepted                             ③  on the old one, after the second answer: it is closed then
//! ```
//! * What the old session delivers behind ① comes on both.
//! * What the new session delivers before ② has come on the old one by ③. It is a copy, unless the old session is not
//!   entitled to it.
//! * Of what the old session delivers between ① and ③ the new one brings some before ② and the rest, the [`Echoes`],
//!   behind it. Order and content tell how much. Where they allow several answers, the one that expects the fewest
//!   echoes is used: an event may be numbered twice, never zero times.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use crate::event::RawEvent;

/// Bytes of the new session's frames that are held.
const HELD: usize = 8 << 20;
/// Frames of the old session that are remembered, by eight bytes each.
const REMEMBERED: usize = 1 << 16;

/// The frames of both sessions, from the moment at which a new session is asked for.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    content: Content,
    old: VecDeque<u64>,
    /// So many of them were answered for by the first barrier.
    before_first: Option<usize>,
    held: Held,
    /// So many of those held were answered for by the second barrier.
    before_second: Option<usize>,
}

/// Frames that wait, bounded in bytes.
#[derive(Debug, Default)]
pub(super) struct Held {
    frames: Vec<RawEvent>,
    bytes: usize,
}

/// Digests with a random key, so that no peer can make two contents equal.
#[derive(Debug, Default)]
struct Content(RandomState);

/// What an overlap comes to.
#[derive(Debug)]
pub(super) struct Merged {
    /// The new session's frames, and whether each is a copy of one that the old session has delivered.
    pub(super) frames: Vec<(RawEvent, bool)>,
    /// The copies that are still to come.
    pub(super) echoes: Echoes,
    /// Whether every event was delivered, and none is numbered twice.
    pub(super) certain: bool,
}

/// What the old session has delivered, and the new one has yet to.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    content: Content,
    expected: VecDeque<u64>,
}

impl Held {
    /// Whether nothing more may be added.
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
    /// The old session has delivered an event.
    pub(super) fn old(&mut self, frame: &RawEvent) {
        if self.old.len() == REMEMBERED {
            self.old.pop_front();
            self.before_first = self.before_first.map(|count| count.saturating_sub(1));
        }
        self.old.push_back(self.content.of(frame));
    }

    /// The new session is accepted, and has delivered these frames before.
    pub(super) fn accepted(&mut self, before: Held) {
        self.held = before;
    }

    /// The new session has delivered an event.
    pub(super) fn new_frame(&mut self, frame: RawEvent) {
        self.held.push(frame);
    }

    /// Whether the new session must wait for the old one.
    pub(super) fn is_full(&self) -> bool {
        self.held.is_full()
    }

    /// The first barrier is answered.
    pub(super) fn first(&mut self) {
        self.before_first = Some(self.old.len());
    }

    /// The second barrier is answered.
    pub(super) fn second(&mut self) {
        self.before_second = Some(self.held.frames.len());
    }

    /// The third barrier is answered, or the old session is over without it.
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

    /// Without the barriers a frame is a copy if no other of either session is like it.
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
    /// Whether the new session's next frame is one of them. They come in order; what the new session is not entitled to
    /// is left out.
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

/// How many of the old session's frames are before the end of `copies`, which is `first` or more; and whether no other
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
