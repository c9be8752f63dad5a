//! The rare events: changes of presence and registration, reloads, and unknown names.

use jiff::Timestamp;
use serde_json::json;

use super::{World, cast, view::text};
use crate::profile::Audience;

/// The size of a picture, in base64; real ones are about as large.
const PICTURE: usize = 100_000;

impl World {
    /// One agent goes to lunch, or comes back.
    pub(super) fn toggle_pause(&mut self) {
        let queue = self.rng.usize(0..self.queues.len());
        let place = self.rng.usize(0..self.queues[queue].members.len());
        let now = self.wall() / 1000;
        let member = &mut self.queues[queue].members[place];
        member.paused = !member.paused;
        *(if member.paused { &mut member.paused_at } else { &mut member.resumed_at }) = now;
        self.publish_member(queue, place);
        self.publish_queue(queue);
    }

    /// A user who is free turns on, or off, "do not disturb" or forwarding.
    pub(super) fn toggle_presence(&mut self) {
        let index = self.rng.usize(0..10);
        if self.status(index) == "offline" {
            return;
        }
        let forwarding = self.rng.bool();
        let extension = &mut self.extensions[index];
        if extension.presence().0 != "online" {
            extension.dnd = false;
            extension.forward.clear();
        } else if forwarding {
            extension.forward = cast::stranger(&mut self.rng).0;
        } else {
            extension.dnd = true;
        }
        let extension = &self.extensions[index];
        let (status, to) = extension.presence();
        let mut presence = json!({"username": extension.username, "status": status});
        if !to.is_empty() {
            presence["to"] = json!(to);
        }
        self.push(Audience::All, "userPresenceUpdate", text(&json!({"presence": presence})));
        self.publish_extension(index);
    }

    /// A telephone without a call loses its registration, or gets it back.
    pub(super) fn toggle_registration(&mut self) {
        let index = self.rng.usize(0..self.extensions.len());
        if self.calls.values().all(|call| call.side_of(index).is_none()) {
            self.extensions[index].registered = !self.extensions[index].registered;
            self.publish_extension(index);
        }
    }

    pub(super) fn toggle_trunk(&mut self) {
        // The backup line: the other one carries the calls.
        let index = self.trunks.len() - 1;
        self.trunks[index].registered = !self.trunks[index].registered;
        self.publish_trunk(index);
    }

    /// The queue manager raises, or clears, an alarm of the first queue.
    pub(super) fn alarm(&mut self, status: &str) {
        let date = Timestamp::from_millisecond(self.wall()).unwrap_or_default();
        let alarm =
            json!({"date": format!("{date:.3}"), "status": status, "alarm": "queueload", "queue": "401"});
        self.push(Audience::QueueManagers, "qmAlarm", text(&alarm));
    }

    /// Something a consumer may not expect: newer names, no argument, several, a bare string.
    pub(super) fn surprise(&mut self) {
        let date = self.wall();
        match self.rng.u8(0..8) {
            0 => {
                self.push(Audience::All, "serverReloaded", String::new());
                self.publish_all();
            }
            1 => {
                let picture: String = (0..PICTURE).map(|_| self.rng.alphanumeric()).collect();
                let avatar = json!({"username": "ada", "avatar": format!("data:image/png;base64,{picture}")});
                self.push(Audience::All, "userProfileAvatarUpdate", text(&avatar));
            }
            2 => self.alarm("warning"),
            3 => self.push(Audience::All, "updateDefaultDevice", r#""201""#.to_owned()),
            4 => self.push(Audience::All, "phoneLightOn", r#""201",{"colour":"red"}"#.to_owned()),
            5 => {
                let summary = json!({"uniqueid": format!("{}.7", date / 1000), "display_name": "Ada Neri"});
                self.push(Audience::All, "satellite/summary", text(&summary));
            }
            6 => self.push(Audience::All, "huntGroupUpdate.v2", r#"{"group":"601","members":[]}"#.to_owned()),
            _ => {
                let words = r#"{"message":"videoCallStart","destUser":"bridge","roomId":"caffè \u2615"}"#;
                self.push(Audience::All, "message", words.to_owned());
            }
        }
    }
}
