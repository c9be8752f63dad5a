//! Reports, for an administrator, what an account can't see.

use super::me::{Me, Right};

/// A setting that hides some of the events from the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the missing right, or `privacy`.
    pub name: &'static str,
    /// The consequence, with the remedy.
    pub sentence: String,
}

impl Me {
    /// The settings that keep the account from seeing all that the bridge can publish. Rights that the bridge does not use
    /// (the operator panel, video sources) are not reported.
    pub fn findings(&self) -> Vec<Finding> {
        let missing = self.rights.missing().filter_map(|right| {
            let (outer, inner) = right.path();
            let place = inner.map_or_else(|| outer.to_owned(), |inner| format!("{outer} / {inner}"));
            let sentence = format!("{}: give {} the permission {place}", lacks(right)?, self.whose());
            Some(Finding { name: right.as_str(), sentence })
        });
        let privacy = self.privacy.then(|| Finding { name: "privacy", sentence: self.masked() });
        missing.chain(privacy).collect()
    }

    fn whose(&self) -> String {
        match &self.profile {
            Some(profile) => format!("the account's profile `{}`", profile.name),
            None => "the account a profile (the built-in Advanced is enough) and in it".to_owned(),
        }
    }

    fn masked(&self) -> String {
        let clear = if self.rights.has(Right::QueueAgent) && self.rights.has(Right::AdQueueAgent) {
            ", but for calls through queues"
        } else {
            ""
        };
        format!(
            "the PBX masks callers' numbers and names for this account{clear}: switch off `privacy` (nethvoice_cti) in {}",
            if self.profile.is_some() { "its profile" } else { "a profile (it has none yet)" }
        )
    }
}

/// The consequence of a missing right; `None` if the bridge does not use it.
fn lacks(right: Right) -> Option<&'static str> {
    Some(match right {
        Right::PresencePanel => "trunk events are not visible",
        Right::Trunks => "trunks are missing when the state is read after a gap",
        Right::QueueAgent => "queues and their members are not visible",
        Right::Parkings => "parked calls are not visible",
        Right::Qmanager => "the queue manager's alarms are not visible",
        Right::AdQueueAgent | Right::OperatorPanel | Right::Streaming => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Profile;

    fn me(rights: &[Right], privacy: bool) -> Me {
        let profile = Some(Profile { id: "9".to_owned(), name: "Bus".to_owned() });
        Me { username: None, profile, rights: rights.iter().copied().collect(), privacy }
    }

    #[test]
    fn an_account_that_sees_all_has_no_findings() {
        use Right as R;
        let rights = [R::PresencePanel, R::Trunks, R::QueueAgent, R::Parkings, R::Qmanager];
        assert_eq!(me(&rights, false).findings(), []);
    }

    #[test]
    fn missing_rights_and_masking_are_reported_with_a_remedy() {
        let findings = me(&[Right::PresencePanel], true).findings();
        let names: Vec<_> = findings.iter().map(|finding| finding.name).collect();
        assert_eq!(names, ["trunks", "queue_agent", "parkings", "qmanager", "privacy"]);
        assert!(findings[0].sentence.contains("profile `Bus` the permission presence_panel / trunks"));
        assert!(findings[4].sentence.contains("switch off `privacy`"));
        let none = Me { profile: None, ..me(&[], true) }.findings();
        assert!(none[0].sentence.contains("a profile"), "{none:?}");
    }
}
