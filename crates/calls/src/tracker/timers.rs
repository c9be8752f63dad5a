//! Steps that depend on the time.

use jiff::Timestamp;

use super::{Fold, GRACE, RESYNC_TIMEOUT, Tracker, Visibility, add};
use crate::{
    call::{Detail, Leg},
    model::{CallKey, Step, Transfer, TransferKind},
};

impl Tracker {
    /// Ends calls, and decides on transfers, whose timers have expired.
    pub(super) fn run_timers(&mut self, fold: &mut Fold) {
        let is_set_back = self.last_record_at.replace(fold.at).is_some_and(|last| fold.at < last);
        if is_set_back {
            self.resync_deadline =
                self.resync_deadline.map(|deadline| deadline.min(add(fold.at, RESYNC_TIMEOUT)));
        }
        if self.visibility == Visibility::Interrupted
            && self.resync_deadline.is_some_and(|deadline| fold.at >= deadline)
        {
            (self.visibility, self.timer) = (Visibility::Partial, Some(fold.at));
        }
        if self.visibility == Visibility::Interrupted
            || !is_set_back && self.timer.is_none_or(|due| fold.at < due)
        {
            return;
        }
        let (mut ended, mut replaced, mut due) = (Vec::new(), Vec::new(), None::<Timestamp>);
        for key in std::mem::take(&mut self.pending) {
            let Some(call) = self.calls.get_mut(&key) else { continue };
            let left = call.departures.front_mut().map(|left| &mut left.at);
            let empty = call.invisible_since.as_mut().map(|(since, _)| since);
            for (since, settled) in [(left, &mut replaced), (empty, &mut ended)] {
                let Some(since) = since else { continue };
                // A clock that was set back restarts the time.
                *since = (*since).min(fold.at);
                if fold.at.duration_since(*since) >= GRACE {
                    settled.push(call.key);
                } else {
                    let then = add(*since, GRACE);
                    due = Some(due.map_or(then, |due| due.min(then)));
                }
                self.pending.insert(key);
            }
        }
        self.timer = due;
        for key in replaced {
            self.resolve_departure(key, fold);
        }
        for key in ended {
            self.end(key, fold, None);
        }
    }

    /// Sets a timer that expires three seconds after a moment.
    pub(super) fn set_timer(&mut self, key: CallKey, since: Timestamp) {
        self.pending.insert(key);
        let then = add(since, GRACE);
        self.timer = Some(self.timer.map_or(then, |due| due.min(then)));
    }

    /// Decides whether a party that left three seconds ago was replaced.
    fn resolve_departure(&mut self, key: CallKey, fold: &mut Fold) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(left) = call.departures.pop_front() else { return };
        let next = call.departures.front().map(|left| left.at);
        let moved = call.moved.take().filter(|(.., at)| at.duration_since(left.at).abs() < GRACE);
        if let Some((to, seq, _)) = moved
            && call.open_legs().any(Leg::is_connected)
        {
            let transfer = Transfer { from: left.by.clone(), by: left.by, to, kind: TransferKind::Unknown };
            call.replace(&transfer);
            let seq = std::mem::replace(&mut fold.seq, seq);
            let detail = Detail { transfer: Some(transfer), is_uncertain: true, ..Detail::default() };
            fold.emit(call, Step::Transferred, detail);
            fold.seq = seq;
        }
        if let Some(next) = next {
            self.set_timer(key, next);
        }
        self.reindex(key, fold);
    }

    /// Starts the timer that ends a call, if nothing of the call is visible.
    pub(super) fn start_end_timer(&mut self, key: CallKey, is_hidden: bool, fold: &Fold) {
        let gap = self.gap;
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.is_visible() || call.invisible_since.is_some() {
            return;
        }
        call.invisible_since = Some((fold.at, fold.seq));
        if is_hidden {
            call.hidden_in = gap;
        }
        self.set_timer(key, fold.at);
    }
}
