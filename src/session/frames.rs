//! Handles the session's own control events, and passes all others on.

use super::{Input, context::Context, live::LiveSession};
use crate::{
    event::{EndReason, Origin, RawEvent},
    socket::{CloseReason, Incoming},
};

/// The outcome of a frame.
pub(super) enum FrameOutcome {
    /// Handled.
    Done,
    /// The barrier with this number was answered.
    Barrier(u64),
    /// The session must react.
    React(Input, String),
    /// Another session takes over.
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
    /// Handles what the socket received.
    pub(super) fn take(
        &mut self,
        incoming: Result<Incoming, CloseReason>,
        context: &mut Context,
    ) -> FrameOutcome {
        match incoming {
            Ok(Incoming::Event(frame)) => {
                let copy = self.echoes.is_echo(&frame);
                self.event(frame, copy, context)
            }
            Ok(Incoming::Bad(bad)) => {
                self.journal.bad_frame(bad.reason, bad.size);
                FrameOutcome::Done
            }
            Ok(Incoming::Barrier(number)) => FrameOutcome::Barrier(number),
            Ok(Incoming::Disconnected) => FrameOutcome::React(
                Input::Ended(EndReason::NamespaceClosed),
                "the PBX ended the Socket.IO session".to_owned(),
            ),
            Err(closed) => FrameOutcome::React(Input::Ended(end_reason(&closed)), closed.to_string()),
        }
    }

    /// Handles an event. A copy is not published again, but the session reacts to it all the same.
    pub(super) fn event(&mut self, frame: RawEvent, copy: bool, context: &mut Context) -> FrameOutcome {
        let control = control(&frame);
        if let Some(handover) = &mut self.handover
            && matches!(control, None | Some(Control::ServerReloaded))
        {
            handover.delivered(&frame);
        }
        match control {
            Some(Control::ServerReloaded) => {
                if !copy {
                    self.publish(frame, context);
                }
                let input = Input::ServerReloaded { beside: context.source.is_untyped() };
                FrameOutcome::React(input, "the PBX has applied a new configuration".to_owned())
            }
            Some(Control::Refused) => {
                FrameOutcome::React(Input::Refused, "the PBX refused the session's token".to_owned())
            }
            Some(Control::TakenOver) => FrameOutcome::MakeWay,
            // Again, as several stale sessions of this bridge were taken over.
            Some(Control::Accepted) => FrameOutcome::Done,
            None => {
                context.feed.heard(&frame);
                if !copy {
                    self.publish(frame, context);
                }
                FrameOutcome::Done
            }
        }
    }

    fn publish(&mut self, frame: RawEvent, context: &mut Context) {
        if *frame.name() == *b"actionNethLink" && !context.source.config.publish_action_nethlink {
            self.journal.withhold();
        } else {
            context.resync.heard(&frame);
            let drift = context.drift.inspect(&frame, Origin::Live);
            self.journal.event(frame);
            for notice in &drift {
                self.journal.notice(notice);
            }
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

/// The reason that consumers see.
pub(super) fn end_reason(closed: &CloseReason) -> EndReason {
    if closed.is_silence() { EndReason::Silent } else { EndReason::ConnectionClosed }
}
