//! The permissions of an account, which decide on rooms and REST answers.

use serde_json::{Map, Value, json};

/// The recipients of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Audience {
    /// Every logged-in socket.
    All,
    /// Those whose profile has the presence panel.
    Presence,
    Queues,
    Parkings,
    QueueManagers,
    /// Sockets of one user only, whatever their profile.
    Owner(String),
}

/// The permissions that matter to a client that only listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches in the PBX's own profile")]
pub struct Profile {
    /// Presence panel: events of trunks.
    pub presence_panel: bool,
    /// Snapshot of the trunks (with the presence panel).
    pub trunks: bool,
    /// Queues: events and snapshot.
    pub queue_agent: bool,
    /// Parkings: events and snapshot.
    pub parkings: bool,
    /// Queue manager: alarms and snapshot.
    pub qmanager: bool,
    /// Snapshot of the operator panel.
    pub operator_panel: bool,
    /// Says that numbers and names are masked. The simulator announces it but masks nothing.
    pub privacy: bool,
}

impl Default for Profile {
    /// Sees everything.
    fn default() -> Self {
        Self {
            presence_panel: true,
            trunks: true,
            queue_agent: true,
            parkings: true,
            qmanager: true,
            operator_panel: true,
            privacy: false,
        }
    }
}

impl Profile {
    /// Sees nothing that needs a permission.
    pub fn blind() -> Self {
        Self {
            presence_panel: false,
            trunks: false,
            queue_agent: false,
            parkings: false,
            qmanager: false,
            operator_panel: false,
            privacy: true,
        }
    }

    pub(super) fn hears(&self, audience: &Audience, username: &str) -> bool {
        match audience {
            Audience::All => true,
            Audience::Presence => self.presence_panel,
            Audience::Queues => self.queue_agent,
            Audience::Parkings => self.parkings,
            Audience::QueueManagers => self.qmanager,
            Audience::Owner(owner) => owner == username,
        }
    }

    /// The `profile` of `/user/me`: `permissions` is an object keyed by name there.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": "3",
            "name": "CTI bridge",
            "macro_permissions": {
                "settings": area(true, &[("parkings", self.parkings)]),
                "presence_panel": area(self.presence_panel, &[("trunks", self.trunks), ("all_groups", true)]),
                "queue_agent": area(self.queue_agent, &[("ad_queue_agent", self.queue_agent)]),
                "qmanager": area(self.qmanager, &[("qmanager_401", self.qmanager), ("qmanager_402", self.qmanager)]),
                "operator_panel": area(self.operator_panel, &[]),
                "nethvoice_cti": area(true, &[("privacy", self.privacy), ("satellite_stt", false)]),
                "streaming": area(false, &[]),
            },
        })
    }
}

fn area(value: bool, permissions: &[(&str, bool)]) -> Value {
    let permissions: Map<String, Value> = permissions
        .iter()
        .enumerate()
        .map(|(id, (name, value))| {
            ((*name).to_owned(), json!({"id": (id + 1).to_string(), "name": name, "value": value}))
        })
        .collect();
    json!({"value": value, "permissions": permissions})
}
