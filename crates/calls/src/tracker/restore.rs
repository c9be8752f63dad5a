//! Saves a tracker, and restores it.

use super::{Tracker, Visibility};
use crate::{
    call::Call,
    saved::{Decoder, Encoder, Saved, saved_variants},
};

/// Version of the saved form, which is its first byte.
const VERSION: u8 = 2;

saved_variants!(Visibility { Current = 0, Partial = 1, Interrupted = 2 });

impl Tracker {
    /// Saves the calls that are going on.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.byte(VERSION);
        let Self { gap, visibility, resync_deadline, last_state_at, timer, last_record_at, .. } = self;
        gap.save(&mut out);
        visibility.save(&mut out);
        for time in [resync_deadline, last_state_at, timer, last_record_at] {
            time.save(&mut out);
        }
        for call in self.calls.values() {
            out.forget_texts();
            call.save(&mut out);
        }
        out.bytes
    }

    /// Restores the calls that [`Tracker::save`] saved; `None` if the bytes are damaged or of another version.
    pub fn restore(bytes: &[u8]) -> Option<Self> {
        let mut input = Decoder::new(bytes);
        if input.byte()? != VERSION {
            return None;
        }
        let mut tracker = Self {
            gap: Saved::load(&mut input)?,
            visibility: Saved::load(&mut input)?,
            resync_deadline: Saved::load(&mut input)?,
            last_state_at: Saved::load(&mut input)?,
            timer: Saved::load(&mut input)?,
            last_record_at: Saved::load(&mut input)?,
            ..Self::default()
        };
        while !input.is_empty() {
            input.forget_texts();
            let call = Call::load(&mut input)?;
            if tracker.calls.last_key_value().is_some_and(|(last, _)| call.key <= *last) {
                return None;
            }
            tracker.add(call);
        }
        Some(tracker)
    }

    /// Adds a restored call, also to everything that is not saved.
    fn add(&mut self, call: Call) {
        for leg in call.open_legs() {
            self.legs.entry(leg.extension.clone()).or_default().push((leg.channel.clone(), call.key));
        }
        if call.invisible_since.is_some() || !call.departures.is_empty() {
            self.pending.insert(call.key);
        }
        self.index.update(&call);
        self.calls.insert(call.key, call);
    }
}
