//! The rare events: changes of presence and registration, reloads, and unknown names.

use jiff::Timestamp;
use serde_json::json;

use super::{World, office, view::text};
use crate::profile::Audience;

/// The size of a profile picture in base64, about that of real ones.
const PICTURE: usize = 100_000;

impl World {
    /// Pauses or resumes a random agent.
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

    /// Switches "do not disturb" or forwarding of a random user on or off.
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
            extension.forward = office::external_caller(&mut self.rng).0;
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

    /// Unregisters or registers a random telephone, unless it is in a call.
    pub(super) fn toggle_registration(&mut self) {
        let index = self.rng.usize(0..self.extensions.len());
        if self.channels_of(index).next().is_none() {
            self.extensions[index].registered = !self.extensions[index].registered;
            self.publish_extension(index);
        }
    }

    pub(super) fn toggle_trunk(&mut self) {
        // The backup trunk: the other one carries the calls.
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

    /// Sends an event that a consumer may not expect: a newer name, no argument, several arguments, a bare string.
    pub(super) fn send_unexpected(&mut self) {
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
