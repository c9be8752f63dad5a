//! What a frame means to the session, before it means anything to others.

use crate::{
    event::EndReason,
    event::RawEvent,
    journal::Live,
    session::{Input, feed::Feed, handover::Handover, overlap::Echoes, resync::Resync},
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

/// Where the frames of a live session go.
pub(super) struct Intake<'a> {
    pub(super) live: &'a mut Live,
    pub(super) feed: &'a mut Feed,
    pub(super) resync: &'a mut Resync,
    pub(super) handover: Option<&'a mut Handover>,
    /// What an earlier session has delivered already.
    pub(super) echoes: &'a mut Echoes,
    /// Whether a second session may be opened beside this one.
    pub(super) beside: bool,
    pub(super) publish_action_nethlink: bool,
}

impl Intake<'_> {
    /// Takes what the socket brought.
    pub(super) fn take(&mut self, incoming: Result<Incoming, CloseReason>) -> Taken {
        match incoming {
            Ok(Incoming::Event(frame)) => {
                let copy = self.echoes.is_echo(&frame);
                self.event(frame, copy)
            }
            Ok(Incoming::Bad(bad)) => {
                self.live.bad_frame(bad.reason, bad.size);
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
    pub(super) fn event(&mut self, frame: RawEvent, copy: bool) -> Taken {
        let control = control(&frame);
        if let Some(handover) = &mut self.handover
            && matches!(control, None | Some(Control::ServerReloaded))
        {
            handover.delivered(&frame);
        }
        match control {
            Some(Control::ServerReloaded) => {
                if !copy {
                    self.live.event(frame);
                }
                let input = Input::ServerReloaded { beside: self.beside };
                Taken::React(input, "the PBX has applied a new configuration".to_owned())
            }
            Some(Control::Refused) => {
                Taken::React(Input::Refused, "the PBX refused the session's token".to_owned())
            }
            Some(Control::TakenOver) => Taken::MakeWay,
            // Once more: several ghosts of ours were taken over.
            Some(Control::Accepted) => Taken::Done,
            None => {
                self.feed.heard(&frame);
                if !copy {
                    self.publish(frame);
                }
                Taken::Done
            }
        }
    }

    fn publish(&mut self, frame: RawEvent) {
        if *frame.name() == *b"actionNethLink" && !self.publish_action_nethlink {
            self.live.withhold();
        } else {
            self.resync.heard(&frame);
            self.live.event(frame);
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
