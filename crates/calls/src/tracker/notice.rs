//! Notices of the bridge: gaps, resyncs, losses.

use event::field;
use jiff::Timestamp;

use super::{Fold, RESYNC_TIMEOUT, Tracker, Visibility, add};
use crate::{call::Detail, model::Step};

/// The snapshots whose failure leaves open what has ended.
const SNAPSHOTS: [&str; 3] = ["/astproxy/extensions", "/astproxy/queues", "/astproxy/parkings"];

impl Tracker {
    pub(super) fn notice(&mut self, name: &str, data: &[u8], fold: &mut Fold) {
        match name {
            "resync.completed" => self.end_unconfirmed(data, fold),
            "vanished" => self.remove_extension(data, fold),
            "lost" | "deadlettered" => {
                for call in self.calls.values() {
                    fold.emit(call, Step::State, Detail::default());
                }
            }
            _ => {}
        }
    }

    /// Interrupts the visibility of calls on a notice. Runs before the timers: nothing was visible in the time that has passed.
    pub(super) fn interrupt_by_notice(&mut self, name: &str, data: &[u8], at: Timestamp) {
        let time = |key: &str| -> Option<Timestamp> { serde_json::from_slice(field(data, key)?).ok() };
        match name {
            "disconnected" => (self.visibility, self.resync_deadline) = (Visibility::Interrupted, None),
            "gap" => {
                let to = time("to").unwrap_or(at);
                self.interrupt(time("from").unwrap_or(to), to);
            }
            _ => {}
        }
    }

    /// Marks every call as unconfirmed: in a gap, or while the PBX reloads, anything may have happened to it.
    pub(super) fn interrupt(&mut self, from: Timestamp, to: Timestamp) {
        (self.visibility, self.resync_deadline) = (Visibility::Interrupted, Some(add(to, RESYNC_TIMEOUT)));
        self.repeats.clear();
        // An end that two gaps may have hidden lies between the first and the last.
        let is_open = |(first, _): (Timestamp, Timestamp)| (first.min(from), to);
        let has_unconfirmed = self.calls.values().any(|call| {
            call.open_legs().any(|leg| leg.is_unconfirmed)
                || call.queue.iter().chain(&call.parking).any(|place| place.is_unconfirmed)
        });
        self.gap = Some(self.gap.filter(|_| has_unconfirmed).map_or((from, to), is_open));
        for call in self.calls.values_mut() {
            call.certain = false;
            if let Some((since, _)) = call.invisible_since {
                call.hidden_in = Some((since.min(from), to));
            }
            for leg in &mut call.legs {
                leg.is_unconfirmed = leg.is_open();
            }
            for place in call.queue.iter_mut().chain(&mut call.parking) {
                place.is_unconfirmed = true;
            }
        }
    }

    /// Ends everything that a complete resync has not confirmed.
    fn end_unconfirmed(&mut self, data: &[u8], fold: &mut Fold) {
        #[derive(serde::Deserialize)]
        struct Failed {
            snapshot: String,
        }
        let failed: Vec<Failed> =
            field(data, "failed").and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
        let was_read = |name: &str| !failed.iter().any(|failed| failed.snapshot == name);
        let read = SNAPSHOTS.map(was_read);
        self.visibility = if read.contains(&false) { Visibility::Partial } else { Visibility::Current };
        self.timer = Some(fold.at);
        let [extensions, queues, parkings] = read;
        let mut legs = Vec::new();
        let (mut queued, mut parked) = (Vec::new(), Vec::new());
        for call in self.calls.values() {
            let unseen = call.open_legs().filter(|leg| leg.is_unconfirmed && extensions);
            legs.extend(unseen.map(|leg| (leg.extension.clone(), leg.channel.clone())));
            if queues && call.queue.as_ref().is_some_and(|place| place.is_unconfirmed) {
                queued.push(call.key);
            }
            if parkings && call.parking.as_ref().is_some_and(|place| place.is_unconfirmed) {
                parked.push(call.key);
            }
        }
        for (extension, channel) in legs {
            self.end_leg(&extension, &channel, fold);
        }
        for key in queued {
            self.dequeue(key, fold);
        }
        for key in parked {
            self.unpark(key, fold);
        }
    }

    /// Ends the legs of an extension that no longer exists.
    fn remove_extension(&mut self, data: &[u8], fold: &mut Fold) {
        let text = |key: &str| -> Option<String> { serde_json::from_slice(field(data, key)?).ok() };
        let extension =
            text("subject").and_then(|subject| Some(subject.strip_prefix("extension/")?.to_owned()));
        let Some(extension) = extension else { return };
        let mut legs = self.legs.get(&extension).cloned().unwrap_or_default();
        legs.sort_unstable();
        for (channel, _) in legs {
            self.end_leg(&extension, &channel, fold);
        }
    }
}
