//! What a frame means to the session, before it means anything to others.

use super::{Input, context::Context, live::LiveSession};
use crate::{
    event::{EndReason, RawEvent},
    socket::{CloseReason, Incoming},
};

/// What became of a frame.
pub(super) enum Taken {
    /// It is an event of the PBX, or was dealt with.
    Done,
    /// The barrier of this number is answered.
    Barrier(u64),
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

impl LiveSession {
    /// Takes what the socket brought.
    pub(super) fn take(&mut self, incoming: Result<Incoming, CloseReason>, context: &mut Context) -> Taken {
        match incoming {
            Ok(Incoming::Event(frame)) => {
                let copy = self.echoes.is_echo(&frame);
                self.event(frame, copy, context)
            }
            Ok(Incoming::Bad(bad)) => {
                self.journal.bad_frame(bad.reason, bad.size);
                Taken::Done
            }
            Ok(Incoming::Barrier(number)) => Taken::Barrier(number),
            Ok(Incoming::Disconnected) => Taken::React(
                Input::Ended(EndReason::NamespaceClosed),
                "the PBX ended the Socket.IO session".to_owned(),
            ),
            Err(closed) => Taken::React(Input::Ended(end_reason(&closed)), closed.to_string()),
        }
    }

    /// Takes an event. A copy is not published again; what it means to the session it means all the same.
    pub(super) fn event(&mut self, frame: RawEvent, copy: bool, context: &mut Context) -> Taken {
        let control = control(&frame);
        if let Some(handover) = &mut self.handover
            && matches!(control, None | Some(Control::ServerReloaded))
        {
            handover.delivered(&frame);
        }
        match control {
            Some(Control::ServerReloaded) => {
                if !copy {
                    self.journal.event(frame);
                }
                let input = Input::ServerReloaded { beside: context.source.is_untyped() };
                Taken::React(input, "the PBX has applied a new configuration".to_owned())
            }
            Some(Control::Refused) => {
                Taken::React(Input::Refused, "the PBX refused the session's token".to_owned())
            }
            Some(Control::TakenOver) => Taken::MakeWay,
            // Once more: several ghosts of ours were taken over.
            Some(Control::Accepted) => Taken::Done,
            None => {
                context.feed.heard(&frame);
                if !copy {
                    self.publish(frame, context);
                }
                Taken::Done
            }
        }
    }

    fn publish(&mut self, frame: RawEvent, context: &mut Context) {
        if *frame.name() == *b"actionNethLink" && !context.source.config.publish_action_nethlink {
            self.journal.withhold();
        } else {
            context.resync.heard(&frame);
            self.journal.event(frame);
        }
    }
}

pub(crate) fn control(frame: &RawEvent) -> Option<Control> {
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
