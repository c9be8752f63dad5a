//! The tasks that generate events: the office's calls, a recording, and scheduled cuts.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{frame, hub::Out, lock, pbx::Pbx, profile::Audience, replay::Replay, world::Event};

/// The interval at which changed knobs are noticed.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the office until everything ends. Shorter events are padded to `payload_bytes`.
pub(super) async fn calls(pbx: Arc<Pbx>, payload_bytes: Option<usize>) {
    let began = pbx.began;
    let mut events = Vec::new();
    loop {
        let due = lock(&pbx.world).next_due();
        tokio::select! {
            () = sleep_until(began + due.unwrap_or_default()), if due.is_some() => {}
            () = pbx.cued.notified() => {}
            () = pbx.stop.cancelled() => return,
        }
        if lock(&pbx.knobs).still {
            if !pbx.wait_unless(CHECK_INTERVAL, &pbx.stop).await {
                return;
            }
            continue;
        }
        {
            // The sockets get a step's events before anyone can see its state in a snapshot.
            let mut world = lock(&pbx.world);
            while world.advance(began.elapsed(), &mut events) {
                for event in events.drain(..) {
                    publish(&pbx, event, payload_bytes);
                }
            }
        }
    }
}

fn publish(pbx: &Pbx, mut event: Event, size: Option<usize>) {
    if pbx.is_reloading() {
        return;
    }
    pad(&mut event.args, size.unwrap_or(0));
    let frame = frame::text(event.packet().as_bytes());
    pbx.hub.publish(&event.audience, &Out::Bytes(frame));
}

/// Brings a lone object up to `size` bytes with a field of its own.
fn pad(args: &mut String, size: usize) {
    const FIELD: &str = r#","padding":"""#;
    let missing = size.saturating_sub(args.len());
    if missing > FIELD.len() && args.starts_with('{') && args.ends_with('}') {
        args.pop();
        args.push_str(r#","padding":""#);
        args.push_str(&"x".repeat(missing - FIELD.len()));
        args.push_str("\"}");
    }
}

/// Plays a recording, once a client has logged in.
pub(super) async fn replay(pbx: Arc<Pbx>, replay: Replay) {
    let mut live = pbx.hub.watch();
    tokio::select! {
        // The sender lives as long as the hub.
        _ = live.wait_for(|live| *live > 0) => {}
        () = pbx.stop.cancelled() => return,
    }
    loop {
        let began = Instant::now();
        for entry in replay.entries() {
            tokio::select! {
                () = sleep_until(began + replay.due(entry)) => {}
                () = pbx.stop.cancelled() => return,
            }
            pbx.hub.publish(&Audience::All, &Out::Bytes(entry.frame.clone()));
        }
        if !replay.repeats() {
            return;
        }
        // A recording of one moment would otherwise spin.
        if !pbx.wait_unless(Duration::from_millis(1), &pbx.stop).await {
            return;
        }
    }
}

/// Cuts all sockets at the interval of the knob.
pub(super) async fn cuts(pbx: Arc<Pbx>) {
    let mut since = Instant::now();
    while pbx.wait_unless(CHECK_INTERVAL, &pbx.stop).await {
        match lock(&pbx.knobs).cut_every {
            Some(every) if since.elapsed() >= every => {
                pbx.hub.cut();
                since = Instant::now();
            }
            Some(_) => {}
            None => since = Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_makes_an_object_just_as_long_as_wanted() {
        let mut args = r#"{"a":1}"#.to_owned();
        pad(&mut args, 100);
        assert_eq!(args.len(), 100);
        assert!(serde_json::from_str::<serde_json::Value>(&args).is_ok());
        for short in ["", r#""201""#, r#"{"a":1}"#] {
            let mut args = short.to_owned();
            pad(&mut args, 10);
            assert_eq!(args, short);
        }
    }
}
