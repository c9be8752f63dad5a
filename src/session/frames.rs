//! What a frame means to the session, before it means anything to others.

use crate::{
    event::EndReason,
    journal::Live,
    session::Input,
    socketio::{CloseReason, Frame, Incoming},
};

/// What became of a frame.
pub(super) enum Taken {
    /// It is an event of the PBX, or was dealt with.
    Done,
    /// The session must react.
    React(Input, String),
}

/// Takes what a live session's socket brought.
pub(super) fn take(
    incoming: Result<Incoming, CloseReason>,
    live: &mut Live,
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
        Some(Input::ServerReloaded) => {
            live.event(frame);
            Taken::React(Input::ServerReloaded, "the PBX has applied a new configuration".to_owned())
        }
        Some(Input::Refused) => {
            Taken::React(Input::Refused, "the PBX refused the session's token".to_owned())
        }
        Some(input) => Taken::React(input, String::new()),
        None if *frame.name() == *b"actionNethLink" && !publish_action_nethlink => {
            live.withhold();
            Taken::Done
        }
        None => {
            live.event(frame);
            Taken::Done
        }
    }
}

/// The session's own control events.
pub(super) fn control(frame: &Frame) -> Option<Input> {
    match &*frame.name() {
        b"authe_ok" => Some(Input::Accepted),
        b"401" => Some(Input::Refused),
        b"takeOver" => Some(Input::TakenOver),
        b"serverReloaded" => Some(Input::ServerReloaded),
        _ => None,
    }
}

/// The reason as consumers see it.
pub(super) fn end_reason(closed: &CloseReason) -> EndReason {
    if closed.is_silence() { EndReason::Silent } else { EndReason::ConnectionClosed }
}
