//! What a frame means to the session, before it means anything to others.

use crate::{
    event::EndReason,
    journal::Live,
    session::{Input, feed::Feed, resync::Resync},
    socketio::{CloseReason, Frame, Incoming},
};

/// What became of a frame.
pub(super) enum Taken {
    /// It is an event of the PBX, or was dealt with.
    Done,
    /// The session must react.
    React(Input, String),
    /// Another session wants its place.
    MakeWay,
}

/// The session's own control events.
pub(crate) enum Control {
    Accepted,
    Refused,
    TakenOver,
    ServerReloaded,
}

/// Takes what a live session's socket brought.
pub(super) fn take(
    incoming: Result<Incoming, CloseReason>,
    live: &mut Live,
    feed: &mut Feed,
    resync: &mut Resync,
    publish_action_nethlink: bool,
) -> Taken {
    let frame = match incoming {
        Ok(Incoming::Event(frame)) => frame,
        Ok(Incoming::Bad(bad)) => {
            live.bad_frame(&bad);
            return Taken::Done;
        }
        Ok(Incoming::Disconnected) => {
            return Taken::React(
                Input::Ended(EndReason::NamespaceClosed),
                "the PBX ended the Socket.IO session".to_owned(),
            );
        }
        Err(closed) => return Taken::React(Input::Ended(end_reason(&closed)), closed.to_string()),
    };
    match control(&frame) {
        Some(Control::ServerReloaded) => {
            live.event(frame);
            Taken::React(Input::ServerReloaded, "the PBX has applied a new configuration".to_owned())
        }
        Some(Control::Refused) => {
            Taken::React(Input::Refused, "the PBX refused the session's token".to_owned())
        }
        Some(Control::TakenOver) => Taken::MakeWay,
        // Once more: several ghosts of ours were taken over.
        Some(Control::Accepted) => Taken::Done,
        None if *frame.name() == *b"actionNethLink" && !publish_action_nethlink => {
            feed.heard(&frame);
            live.withhold();
            Taken::Done
        }
        None => {
            feed.heard(&frame);
            resync.heard(&frame);
            live.event(frame);
            Taken::Done
        }
    }
}

pub(crate) fn control(frame: &Frame) -> Option<Control> {
    match &*frame.name() {
        b"authe_ok" => Some(Control::Accepted),
        b"401" => Some(Control::Refused),
        b"takeOver" => Some(Control::TakenOver),
        b"serverReloaded" => Some(Control::ServerReloaded),
        _ => None,
    }
}

/// The reason as consumers see it.
pub(super) fn end_reason(closed: &CloseReason) -> EndReason {
    if closed.is_silence() { EndReason::Silent } else { EndReason::ConnectionClosed }
}
