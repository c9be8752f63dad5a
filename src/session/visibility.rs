//! Reports what the account may see.

use crate::{
    api::{Me, Right, Rights},
    auth::Grant,
    event::{event_schema, state_events},
    health::{Component, Visibility},
    journal::Opened,
};

/// What a new session reports about itself.
pub(super) fn opened(grant: &Grant) -> Opened {
    let Grant { me, username, .. } = grant;
    Opened {
        user: username.clone(),
        profile: me.profile.as_ref().map(|profile| profile.name.clone()),
        sees: me.rights.iter().map(|right| right.as_str().to_owned()).collect(),
        privacy: Some(me.privacy),
        may_have_missed: may_have_missed(&me.rights),
    }
}

/// The state events of an account with these rights.
fn may_have_missed(rights: &Rights) -> Vec<&'static str> {
    let right = |name: &str| event_schema(name.as_bytes())?.right.as_deref();
    let is_visible =
        |name: &&str| right(name).is_none_or(|right| rights.iter().any(|has| has.as_str() == right));
    state_events().filter(is_visible).collect()
}

/// Warns of what the account cannot see, in log and heartbeat, and withdraws warnings that no longer apply.
pub(super) fn show(health: &Component, me: &Me) {
    let mut findings = me.findings();
    let missing_rights = me.rights.missing().map(Right::as_str).collect();
    health.visibility(Visibility { missing_rights, privacy: me.privacy });
    for name in Right::ALL.map(Right::as_str).into_iter().chain(["privacy"]) {
        let found = findings.iter().position(|finding| finding.name == name);
        health.warning(name, found.map(|found| findings.swap_remove(found).sentence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Board;

    #[test]
    fn a_gap_names_the_events_that_the_account_could_see() {
        assert!(may_have_missed(&Right::ALL.into_iter().collect()).into_iter().eq(state_events()));
        let none = may_have_missed(&Rights::default());
        assert_eq!(
            none,
            ["extenUpdate", "newVoiceMessageCounter", "userMainPresenceUpdate", "userPresenceUpdate"]
        );
        let queues = may_have_missed(&[Right::QueueAgent].into_iter().collect());
        assert!(queues.contains(&"queueMemberUpdate") && !queues.contains(&"parkingUpdate"), "{queues:?}");
    }

    #[test]
    fn a_warning_is_withdrawn_once_the_account_sees_it() {
        let board = Board::default();
        let part = board.component("source/a".to_owned());
        let mut me = Me { username: None, profile: None, rights: Rights::default(), privacy: true };
        show(&part, &me);
        let shown = serde_json::to_value(board.snapshot()).unwrap_or_default();
        let health = &shown["source/a"];
        assert_eq!(
            (&health["privacy"], health["missingRights"].as_array().map(Vec::len)),
            (&true.into(), Some(8))
        );
        assert!(
            health["warnings"]["queue_agent"].is_string() && health["warnings"]["privacy"].is_string(),
            "{health}"
        );
        (me.rights, me.privacy) = (Right::ALL.into_iter().collect(), false);
        show(&part, &me);
        let shown = serde_json::to_value(board.snapshot()).unwrap_or_default();
        let health = &shown["source/a"];
        assert_eq!(
            (&health["privacy"], health["missingRights"].as_array().map(Vec::len)),
            (&false.into(), Some(0))
        );
        assert!(health.get("warnings").is_none(), "{health}");
    }
}
