//! What an account can't see, for its administrator.

use super::me::{Me, Right};

/// Something that keeps a part of the events from the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The missing right by its name, or `privacy`.
    pub name: &'static str,
    /// What that means, with the remedy.
    pub sentence: String,
}

impl Me {
    /// What is missing for the account to see all that the bridge can publish. Rights that the bridge makes no use of
    /// (the operator panel, video sources) are not missed.
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
            None => "the account a profile (the built-in Advanced will do) and in it".to_owned(),
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
            if self.profile.is_some() { "its profile" } else { "a profile, which it has none of yet" }
        )
    }
}

/// The part of the events that a right opens; none if the bridge makes no use of it.
fn lacks(right: Right) -> Option<&'static str> {
    Some(match right {
        Right::PresencePanel => "trunks' events are not seen",
        Right::Trunks => "trunks are left out when the state is read after a gap",
        Right::QueueAgent => "queues and their members are not seen",
        Right::Parkings => "parked calls are not seen",
        Right::Qmanager => "the queue manager's alarms are not seen",
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
    fn each_missing_right_and_the_masking_are_told_with_their_place() {
        let findings = me(&[Right::PresencePanel], true).findings();
        let names: Vec<_> = findings.iter().map(|finding| finding.name).collect();
        assert_eq!(names, ["trunks", "queue_agent", "parkings", "qmanager", "privacy"]);
        assert!(findings[0].sentence.contains("profile `Bus` the permission presence_panel / trunks"));
        assert!(findings[4].sentence.contains("switch off `privacy`"));
        let none = Me { profile: None, ..me(&[], true) }.findings();
        assert!(none[0].sentence.contains("a profile"), "{none:?}");
    }
}
