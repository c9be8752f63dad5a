//! Notifications to systemd (`sd_notify(3)`): ready, status, watchdog, reload, stop.
//!
//! The unit is ready once configuration and journal are open, whether or not the PBX is reachable: a boot that waits for it
//! would time out. The watchdog is notified while both the runtime that sessions read on and the journal's thread make
//! progress. Drivers do not matter: a broker that is down is no reason for a restart.

use std::{collections::BTreeMap, time::Duration};

use libsystemd::daemon::{NotifyState, notify, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    admin::View,
    health::{Health, State},
    text,
};

/// Maximum interval of status and watchdog notifications.
const INTERVAL: Duration = Duration::from_secs(1);

fn send(states: &[NotifyState]) {
    // Does nothing without systemd.
    if let Err(error) = notify(false, states) {
        tracing::debug!(%error, "could not notify systemd");
    }
}

/// The only text in a notification. A line break in it would start another assignment, such as `MAINPID=1`.
fn status(sentence: &str) -> NotifyState {
    NotifyState::Status(text::sentence(sentence))
}

/// Reports readiness, then status and watchdog notifications. Never ends.
pub async fn notify_systemd(view: View) {
    let watchdog = watchdog_enabled(false);
    let mut ticks = interval(watchdog.map_or(INTERVAL, |limit| INTERVAL.min(limit / 4)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut ready) = (String::new(), false);
    loop {
        ticks.tick().await;
        let sentence = sentence(&view.parts());
        if !ready {
            send(&[NotifyState::Ready, status(&sentence)]);
            ready = true;
        } else if sentence != before {
            send(&[status(&sentence)]);
        }
        before = sentence;
        if watchdog.is_some() && view.lives().is_ok() {
            send(&[NotifyState::Watchdog]);
        }
    }
}

/// Reports that a reload has started.
pub fn reloading() {
    send(&[NotifyState::Reloading]);
}

/// Reports that a reload has finished.
pub fn reloaded() {
    send(&[NotifyState::Ready]);
}

/// Reports that the stop has started.
pub fn stopping(reason: &str) {
    send(&[NotifyState::Stopping, status(&format!("stopping: {reason}"))]);
}

/// The status: the first failure, or else the active components.
fn sentence(parts: &BTreeMap<String, Health>) -> String {
    let failing = parts.iter().find_map(|(name, health)| match &health.state {
        State::Failing { reason } => Some(format!("{name}: {reason}")),
        _ => None,
    });
    let names = |state: &State| {
        let found: Vec<&str> =
            parts.iter().filter(|(_, it)| it.state == *state).map(|(name, _)| &**name).collect();
        found.join(", ")
    };
    failing.unwrap_or_else(|| match names(&State::Pending) {
        pending if pending.is_empty() => format!("active: {}", names(&State::Active)),
        pending => format!("starting: {pending}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Board;

    #[test]
    fn a_failure_comes_first() {
        let board = Board::default();
        let (source, sink) = (board.component("source/a".to_owned()), board.component("sink/b".to_owned()));
        assert_eq!(sentence(&board.snapshot()), "starting: sink/b, source/a");
        source.active();
        sink.active();
        assert_eq!(sentence(&board.snapshot()), "active: sink/b, source/a");
        source.failing("refused; check it");
        assert_eq!(sentence(&board.snapshot()), "source/a: refused; check it");
    }

    #[test]
    fn the_status_is_one_assignment() {
        let hostile = status("-ERR 'x\nMAINPID=1\r\nWATCHDOG=trigger\0'");
        assert_eq!(hostile, NotifyState::Status(r"-ERR 'x\nMAINPID=1\r\nWATCHDOG=trigger\u{0}'".to_owned()));
    }
}
