//! The account and its permissions: the fields of `GET /user/me` that the bridge needs.
//!
//! The answer also holds the SIP passwords of the user's own endpoints. Only these fields are parsed, and
//! nothing else of it is kept or logged.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json;
use crate::text::PeerText;

/// The account, as the PBX sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The user name in the PBX's own spelling.
    pub username: Option<String>,
    /// `None` for a user without a profile, who sees little, and that masked.
    pub profile: Option<Profile>,
    /// The rights to events and snapshots.
    pub rights: Rights,
    /// True if callers' numbers and names are masked, which the server also does without a profile.
    pub privacy: bool,
}

/// A named set of permissions. The built-in ones are Base (1), Standard (2) and Advanced (3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// A number, which some versions write as text.
    pub id: String,
    /// The name that an administrator typed.
    pub name: String,
}

/// A permission that grants access to some of the events or snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Trunk events, and others' extensions in the web interface.
    PresencePanel,
    /// The snapshot of trunks (the events need only [`Right::PresencePanel`]).
    Trunks,
    /// Queue events and snapshots.
    QueueAgent,
    /// Queue events unmasked although privacy is on.
    AdQueueAgent,
    /// Parking events and snapshots.
    Parkings,
    /// The queue manager's events.
    Qmanager,
    /// The operator panel's snapshot.
    OperatorPanel,
    /// Images of video sources.
    Streaming,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 8] = [
        Self::PresencePanel,
        Self::Trunks,
        Self::QueueAgent,
        Self::AdQueueAgent,
        Self::Parkings,
        Self::Qmanager,
        Self::OperatorPanel,
        Self::Streaming,
    ];

    /// The right's path in the profile: the macro permission, then the permission in it.
    pub fn path(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::PresencePanel => ("presence_panel", None),
            Self::Trunks => ("presence_panel", Some("trunks")),
            Self::QueueAgent => ("queue_agent", None),
            Self::AdQueueAgent => ("queue_agent", Some("ad_queue_agent")),
            Self::Parkings => ("settings", Some("parkings")),
            Self::Qmanager => ("qmanager", None),
            Self::OperatorPanel => ("operator_panel", None),
            Self::Streaming => ("streaming", None),
        }
    }

    /// The name in logs and events.
    pub fn as_str(self) -> &'static str {
        let (outer, inner) = self.path();
        inner.unwrap_or(outer)
    }
}

/// The granted rights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(BTreeSet<Right>);

impl Rights {
    /// Returns true if the right is granted.
    pub fn has(&self, right: Right) -> bool {
        self.0.contains(&right)
    }

    /// The granted rights, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = Right> + '_ {
        self.0.iter().copied()
    }

    /// The missing rights, in a fixed order.
    pub fn missing(&self) -> impl Iterator<Item = Right> + '_ {
        Right::ALL.into_iter().filter(|right| !self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().collect())
    }
}

impl Me {
    /// Returns `None` if this is not a user: not an object, or one with neither a name nor a profile.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let answer = json::object(body, &["username", "profile"])?;
        let (username, profile) = (text(&answer["username"]), &answer["profile"]);
        let Some(permissions) = profile.is_object().then(|| &profile["macro_permissions"]) else {
            return username.is_some().then(|| Self {
                username,
                profile: None,
                rights: Rights::default(),
                privacy: true,
            });
        };
        let rights = Right::ALL
            .into_iter()
            .filter(|right| {
                let (outer, inner) = right.path();
                let outer = &permissions[outer];
                is_on(outer) && inner.is_none_or(|inner| permission(outer, inner))
            })
            .collect();
        // NS8 keeps it in nethvoice_cti, NS7 in settings. Whether its macro permission is on is not
        // checked: claiming too much privacy misleads less than claiming too little.
        let privacy =
            ["nethvoice_cti", "settings"].into_iter().any(|outer| permission(&permissions[outer], "privacy"));
        let profile = Profile {
            id: text(&profile["id"]).unwrap_or_default(),
            name: text(&profile["name"]).unwrap_or_default(),
        };
        Some(Self { username, profile: Some(profile), rights, privacy })
    }
}

/// Finds a permission: `permissions` is an object keyed by name in the answer, and an array in the file it comes from.
fn permission(outer: &Value, name: &str) -> bool {
    match &outer["permissions"] {
        Value::Object(permissions) => permissions.get(name).is_some_and(is_on),
        Value::Array(permissions) => permissions.iter().any(|found| found["name"] == name && is_on(found)),
        _ => false,
    }
}

fn is_on(permission: &Value) -> bool {
    permission["value"] == true
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(PeerText::new(text).into()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Option<Me> {
        Me::parse(value.to_string().as_bytes())
    }

    #[test]
    fn rights_need_their_macro_permission() {
        let me = parse(&json!({
            "username": "bridge", "lkhash": "planted",
            "endpoints": {"extension": [{"id": "91201", "secret": "planted"}]},
            "profile": {"id": 3, "name": "Advanced", "macro_permissions": {
                "presence_panel": {"value": true, "permissions": {"trunks": {"id": "1", "name": "trunks", "value": true}}},
                "queue_agent": {"value": true, "permissions": {"ad_queue_agent": {"value": false}}},
                "settings": {"value": false, "permissions": {"parkings": {"value": true}}},
                "qmanager": {"value": "yes"},
                "nethvoice_cti": {"value": true, "permissions": {"privacy": {"value": false}}},
            }},
        }))
        .unwrap();
        assert_eq!(me.profile, Some(Profile { id: "3".into(), name: "Advanced".into() }));
        let on: Vec<_> = me.rights.iter().map(Right::as_str).collect();
        assert_eq!(on, ["presence_panel", "trunks", "queue_agent"]);
        assert_eq!(me.rights.missing().count(), 5);
        assert!(!me.privacy);
        assert!(!format!("{me:?}").contains("planted"));
    }

    #[test]
    fn names_are_shown_without_control_characters() {
        let name = "\u{1b}[2J\u{202e}Ada\nMAINPID=1";
        let me = parse(&json!({"username": name, "profile": {"id": name, "name": name}})).unwrap();
        let shown = r"\u{1b}[2J\u{202e}Ada\nMAINPID=1".to_owned();
        assert_eq!(me.username.as_ref(), Some(&shown));
        assert_eq!(me.profile, Some(Profile { id: shown.clone(), name: shown }));
    }

    #[test]
    fn privacy_is_found_in_either_place_and_either_form() {
        for macros in [
            json!({"nethvoice_cti": {"value": true, "permissions": {"privacy": {"value": true}}}}),
            json!({"settings": {"value": true, "permissions": {"privacy": {"value": true}}}}),
            json!({"settings": {"value": true, "permissions": [{"name": "x", "value": false}, {"name": "privacy", "value": true}]}}),
        ] {
            let me = parse(&json!({"username": "a", "profile": {"macro_permissions": macros}})).unwrap();
            assert!(me.privacy, "{macros}");
        }
    }

    #[test]
    fn without_a_profile_all_is_masked() {
        for body in [
            json!({"username": "a"}),
            json!({"username": "a", "profile": null}),
            json!({"username": "a", "profile": []}),
        ] {
            let me = parse(&body).unwrap();
            assert!(me.privacy && me.profile.is_none() && me.rights.iter().count() == 0, "{body}");
        }
    }

    #[test]
    fn anything_but_a_user_is_rejected() {
        for body in [json!({}), json!([]), json!("a"), json!(null), json!({"message": "hello"})] {
            assert_eq!(parse(&body), None, "{body}");
        }
        assert_eq!(Me::parse(b"{\"username\":\"a\""), None);
    }

    #[test]
    fn a_truncated_profile_name_loses_only_its_end() {
        let body = br#"{"username":"a","profile":{"id":"1","id":"3","name":"Team \ud83d","macro_permissions":
            {"queue_agent":{"value":true}}},"settings":{"avatar":"\ude00"},"username":"bridge"}"#;
        let me = Me::parse(body).unwrap();
        assert_eq!(me.username.as_deref(), Some("bridge"));
        assert_eq!(me.profile, Some(Profile { id: "3".into(), name: "Team \u{fffd}".into() }));
        assert!(me.rights.has(Right::QueueAgent));
    }
}
