//! Snapshots of the state for the REST interface.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{World, office::PARKINGS, view::text};
use crate::reply::quoted;

impl World {
    /// Extension number → extension.
    pub(crate) fn extensions(&self) -> String {
        keyed(self.extensions.iter().enumerate(), |(index, extension)| {
            (extension.number.clone(), self.extension_json(index))
        })
    }

    pub(crate) fn extension(&self, number: &str) -> Option<String> {
        let index = self.extensions.iter().position(|extension| extension.number == number)?;
        Some(self.extension_json(index))
    }

    /// Queue number → queue.
    pub(crate) fn queues(&self) -> String {
        keyed(self.queues.iter().enumerate(), |(index, queue)| {
            (queue.number.to_owned(), self.queue_json(index))
        })
    }

    /// Trunk id → trunk.
    pub(crate) fn trunks(&self) -> String {
        keyed(self.trunks.iter().enumerate(), |(index, trunk)| (trunk.id.to_owned(), self.trunk_json(index)))
    }

    /// Slot → parking.
    pub(crate) fn parkings(&self) -> String {
        keyed(PARKINGS.iter().enumerate(), |(slot, parking)| ((*parking).to_owned(), self.parking_json(slot)))
    }

    /// The state of all extensions, queues and parking slots, each as its event.
    pub(crate) fn snapshots(&self) -> Vec<(&'static str, String)> {
        let extensions = (0..self.extensions.len()).map(|index| ("extenUpdate", self.extension_json(index)));
        let queues = (0..self.queues.len()).map(|index| ("queueUpdate", self.queue_json(index)));
        let parkings = (0..PARKINGS.len()).map(|slot| ("parkingUpdate", self.parking_json(slot)));
        extensions.chain(queues).chain(parkings).collect()
    }

    /// User name → user, as in `/user/endpoints/all`.
    pub(crate) fn users(&self) -> Map<String, Value> {
        let owned = self.extensions.iter().enumerate().filter_map(|(index, extension)| {
            let username = extension.username?;
            let (presence, to) = extension.presence();
            let voicemail = match extension.mailbox {
                Some(_) => json!([{"id": extension.number, "description": ""}]),
                None => json!([]),
            };
            let mut user = json!({
                "name": extension.name,
                "username": username,
                "mainPresence": self.main_presence(index),
                "presence": presence,
                "presenceOnBusy": "online",
                "presenceOnUnavailable": "online",
                "recallOnBusy": "disabled",
                "endpoints": {
                    "mainextension": [{"id": extension.number, "description": ""}],
                    "extension": [{"id": extension.number, "type": "physical", "description": extension.agent, "secret": ""}],
                    "email": [], "cellphone": [], "voicemail": voicemail, "jabber": [],
                },
            });
            if let Some(user) = user.as_object_mut()
                && !to.is_empty()
            {
                user.insert("to".to_owned(), json!(to));
            }
            Some((username.to_owned(), user))
        });
        owned.collect()
    }

    /// Group name → users.
    pub(crate) fn groups(&self) -> String {
        let members: Vec<&str> = self.extensions.iter().filter_map(|extension| extension.username).collect();
        text(&json!({"Everybody": {"id": "1", "name": "Everybody", "users": members}}))
    }
}

fn keyed<T>(items: impl Iterator<Item = T>, entry: impl Fn(T) -> (String, String)) -> String {
    let mut out = String::from("{");
    for item in items {
        let (key, value) = entry(item);
        let comma = if out.len() == 1 { "" } else { "," };
        // Writing to a string can't fail.
        let _ = write!(out, "{comma}{}:{value}", quoted(&key));
    }
    out.push('}');
    out
}
