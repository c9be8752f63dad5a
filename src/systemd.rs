//! What systemd is told, if it started us (`sd_notify(3)`): ready, a sentence, that we live, reloads, the stop.
//!
//! Ready means that configuration and journal are open, never that the PBX is there: a boot that waits for it would run
//! into its time limit. The watchdog is fed while the runtime goes round, on which sessions read, and the journal's
//! thread as well. No driver is asked: a broker that is away is no reason to be restarted.

use std::{collections::BTreeMap, time::Duration};

use libsystemd::daemon::{NotifyState, notify, watchdog_enabled};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    admin::View,
    health::{Health, State},
    text,
};

/// How often the sentence is looked at, and at least how often the watchdog is fed.
const LOOK: Duration = Duration::from_secs(1);

fn tell(states: &[NotifyState]) {
    // Without systemd it does nothing.
    if let Err(error) = notify(false, states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// The only text in a message. A line break in it would begin another assignment, as `MAINPID=1`.
fn status(sentence: &str) -> NotifyState {
    NotifyState::Status(text::sentence(sentence))
}

/// Says that we are ready; then how we do, and that we live. Never ends.
pub async fn attend(view: View) {
    let watchdog = watchdog_enabled(false);
    let mut look = interval(watchdog.map_or(LOOK, |limit| LOOK.min(limit / 4)));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut ready) = (String::new(), false);
    loop {
        look.tick().await;
        let sentence = sentence(&view.parts());
        if !ready {
            tell(&[NotifyState::Ready, status(&sentence)]);
            ready = true;
        } else if sentence != before {
            tell(&[status(&sentence)]);
        }
        before = sentence;
        if watchdog.is_some() && view.lives().is_ok() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// The configuration is about to be read again.
pub fn reloading() {
    tell(&[NotifyState::Reloading]);
}

/// It has been.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// The stop has begun.
pub fn stopping(reason: &str) {
    tell(&[NotifyState::Stopping, status(&format!("stopping: {reason}"))]);
}

/// How we do: what fails first, else who works.
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
        pending => format!("on the way: {pending}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Board;

    #[test]
    fn what_fails_comes_first() {
        let board = Board::default();
        let (source, sink) = (board.component("source/a".to_owned()), board.component("sink/b".to_owned()));
        assert_eq!(sentence(&board.snapshot()), "on the way: sink/b, source/a");
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
