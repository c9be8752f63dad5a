//! Every notice that the bridge can publish is what its schema describes, with all words.

use std::collections::{BTreeMap, BTreeSet};

use cti_bridge::event::{
    AuthFailure, Class, DriftKind, EndReason, GapReason, LossReason, Node, Notice, OnTakeover, ResyncReason,
    Seq, UnreadSnapshot, schemas, word,
};
use jiff::Timestamp;
use serde_json::Value;

const AUTH_FAILURES: [AuthFailure; 18] = [
    AuthFailure::CredentialsRefused,
    AuthFailure::CredentialsMissing,
    AuthFailure::OtpRequired,
    AuthFailure::OtpNotEnrolled,
    AuthFailure::OtpRefused,
    AuthFailure::OtpSecretInvalid,
    AuthFailure::TokenRefused,
    AuthFailure::TokenUnrecognised,
    AuthFailure::TokenWithdrawn,
    AuthFailure::SessionDead,
    AuthFailure::SessionRefused,
    AuthFailure::SessionUnanswered,
    AuthFailure::Unreachable,
    AuthFailure::Untrusted,
    AuthFailure::RateLimited,
    AuthFailure::ServerError,
    AuthFailure::NoApi,
    AuthFailure::Configuration,
];
const RESYNC_REASONS: [ResyncReason; 5] = [
    ResyncReason::Connected,
    ResyncReason::Scheduled,
    ResyncReason::Requested,
    ResyncReason::Retried,
    ResyncReason::Lost,
];
const POLICIES: [OnTakeover; 3] = [OnTakeover::StandBy, OnTakeover::Yield, OnTakeover::Reclaim];

fn at() -> Timestamp {
    "2026-11-24T10:00:00.123456789Z".parse().unwrap()
}

/// Returns the notices about a session: every variant, every word, and null where it can be.
fn of_sessions() -> Vec<Notice> {
    let connected = |profile: Option<&str>, privacy| Notice::Connected {
        session: 1,
        user: "bridge".into(),
        profile: profile.map(Into::into),
        sees: vec!["trunks".into()],
        privacy,
    };
    let takenover = |policy, until| Notice::Takenover { session: 1, policy, until, contested: true };
    let silent = |last_event| Notice::FeedSilent { session: 1, since: at(), last_event };
    let mut notices = vec![
        Notice::Started { version: "0.1.0" },
        Notice::Stopping { reason: "SIGTERM" },
        connected(Some("Bus"), Some(true)),
        connected(None, None),
        takenover(None, None),
        silent(Some(at())),
        silent(None),
    ];
    notices.extend(POLICIES.map(|policy| takenover(Some(policy), Some(at()))));
    notices.extend(EndReason::ALL.map(|reason| Notice::Disconnected {
        session: 1,
        reason,
        detail: "-".into(),
    }));
    notices.extend(AUTH_FAILURES.map(|reason| Notice::AuthFailed {
        reason,
        detail: "-".into(),
        operator: true,
        failures: 1,
        slow: false,
        retry_in: 5,
    }));
    notices.extend(GapReason::ALL.map(|reason| Notice::Gap {
        reason,
        from: (reason != GapReason::Started).then(at),
        to: at(),
        last_sequence: (reason != GapReason::Started).then_some(Seq(7)),
        skipped: (reason == GapReason::Crashed).then_some((Seq(8), Seq(9))),
        certain: false,
        may_have_missed: vec!["extenUpdate"],
    }));
    notices
}

/// Returns the notices about the PBX's state and about sinks: every variant, every word, and null where it can be.
fn of_state_and_sinks() -> Vec<Notice> {
    let mut notices = vec![
        Notice::ResyncCompleted {
            session: 1,
            counts: BTreeMap::from([("extenUpdate", 2)]),
            superseded: 0,
            unusable: 0,
            refused: vec!["/astproxy/trunks"],
            failed: vec![UnreadSnapshot { snapshot: "/astproxy/queues", reason: "-".into() }],
            empty: vec!["/astproxy/parkings"],
        },
        Notice::Vanished { event: "extenUpdate", subject: "extension/299".into() },
        Notice::Deadlettered { sink: "bus".into(), sequence: Seq(9), reason: "-".into() },
        Notice::Rewound { sink: "bus".into(), from: Seq(9) },
        Notice::Reconfigured { sink: "bus".into(), generation: 2 },
    ];
    notices.extend(RESYNC_REASONS.map(|reason| Notice::ResyncStarted {
        session: 1,
        reason,
        snapshots: vec!["/astproxy/queues"],
    }));
    notices.extend(LossReason::ALL.map(|reason| {
        let number = (reason != LossReason::Damaged).then_some(Seq(1));
        Notice::Lost { sink: "bus".into(), count: 1, reason, from: number, to: number }
    }));
    notices.extend(DriftKind::ALL.map(|kind| Notice::Drift {
        event: "extenUpdate".into(),
        path: "/x".into(),
        kind,
        count: 1,
    }));
    notices
}

fn is_known(node: &Node, value: &Value) -> bool {
    value.as_str().is_none_or(|text| node.known.is_empty() || node.known.iter().any(|known| known == text))
}

#[test]
fn every_notice_validates_against_its_schema() {
    let notices: Vec<_> = of_sessions().into_iter().chain(of_state_and_sinks()).collect();
    let of_notices = schemas().iter().filter(|schema| schema.class == Class::Bridge);
    let mut unseen: BTreeSet<_> = of_notices.map(|schema| &*schema.name).collect();
    for notice in &notices {
        let schema =
            schemas().iter().find(|schema| schema.class == Class::Bridge && schema.name == notice.name());
        let schema = schema.unwrap_or_else(|| panic!("{} has no schema", notice.name()));
        unseen.remove(notice.name());
        let validator = jsonschema::validator_for(&serde_json::from_str(schema.text).unwrap()).unwrap();
        let data = serde_json::to_value(notice).unwrap();
        let errors: Vec<_> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", notice.name());
        let fields: BTreeSet<_> = data.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            schema.data.properties.iter().map(|(name, _)| name).collect(),
            "{}",
            notice.name()
        );
        for (name, field) in schema.data.properties.iter() {
            assert!(is_known(field, &data[name]), "{}.{name}: {}", notice.name(), data[name]);
        }
    }
    assert!(unseen.is_empty(), "no notice is {unseen:?}");
}

#[test]
fn the_known_words_are_all_that_the_bridge_has() {
    fn words<T: serde::Serialize>(variants: &[T]) -> BTreeSet<String> {
        variants.iter().map(word).collect()
    }
    for (title, field, expected) in [
        ("bridge.auth.failed", "reason", words(&AUTH_FAILURES)),
        ("bridge.disconnected", "reason", words(&EndReason::ALL)),
        ("bridge.drift", "kind", words(&DriftKind::ALL)),
        ("bridge.gap", "reason", words(&GapReason::ALL)),
        ("bridge.lost", "reason", words(&LossReason::ALL)),
        ("bridge.resync.started", "reason", words(&RESYNC_REASONS)),
        ("bridge.takenover", "policy", words(&POLICIES)),
    ] {
        let schema = schemas().iter().find(|schema| schema.title == title).unwrap();
        let known: BTreeSet<_> = schema.data.field(field.as_bytes()).unwrap().known.iter().cloned().collect();
        assert_eq!(known, expected, "{title}");
    }
}
