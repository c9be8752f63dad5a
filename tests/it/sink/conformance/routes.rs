//! Routes in front of every sink: the ledger adds up, and no partition shows a hole.

use cti_bridge::{
    event::{RawEvent, SinkId, SourceId},
    journal::{Live, Opened},
    shutdown::Stop,
    sink::verify::Checker,
};

use super::*;
use crate::support::config::{GOOD, Place};

/// Drops pictures, moves what the wallboards show, and leaves an exception where it is.
const ROUTES: &str = r#"
[[sinks.bus.routes]]
name = "pictures"
match = { event = "userProfileAvatar*" }
drop = true
[[sinks.bus.routes]]
match = { event = "queueUpdate", where = [{ path = "/queue", in = [401, "402"] }], source = "a" }
SUBJECT
[[sinks.bus.routes]]
name = "changes"
match = { entity = "extension/2??" }
on_change = true
[[sinks.bus.routes]]
match = { class = "bridge" }
SUBJECT
"#;

/// The same settings with routes.
fn with_routes<B: Bench>(config: Config) -> Config {
    let (ty, subject) =
        if B::HAS_SUBJECTS { ("nats", "subject = \"wall.{slug}.{entity}\"") } else { ("stdout", "") };
    let text = GOOD.replace("\"nats\"", &format!("\"{ty}\"")) + &ROUTES.replace("SUBJECT", subject);
    let routes = Place::new(&text).good().config.sinks["bus"].routes.clone();
    let subjects: Vec<_> = routes
        .iter()
        .zip(0..)
        .filter_map(|(route, index)| Some(sink::RouteSubject { index, template: route.subject()?.clone() }))
        .collect();
    let kind =
        if B::HAS_SUBJECTS { config.kind.with_route_subjects(&subjects).unwrap() } else { config.kind };
    Config { routes, kind, ..config }
}

fn event(name: &str, data: &str) -> RawEvent {
    let text = format!("42[\"{name}\",{data}]");
    let place = |at: usize| u32::try_from(at).unwrap();
    let (start, end) = (name.len() + 6, text.len() - 1);
    RawEvent {
        at: jiff::Timestamp::now(),
        name: 4..place(4 + name.len()),
        args: place(start)..place(end),
        argc: 1,
        bytes: text.into(),
        attachments: Box::default(),
    }
}

/// Appends five events of each round; one is dropped. The data never repeats.
fn append(session: &mut Live, rounds: std::ops::Range<usize>) {
    for round in rounds {
        for (name, data) in [
            ("userProfileAvatarUpdate", format!(r#"{{"username":"ada","avatar":"{round}"}}"#)),
            ("queueUpdate", format!(r#"{{"queue":"401","n":{round}}}"#)),
            ("queueUpdate", format!(r#"{{"queue":"403","n":{round}}}"#)),
            ("extenUpdate", format!(r#"{{"exten":"201","n":{round}}}"#)),
            ("phoneLightOn", format!(r#"{{"n":{round}}}"#)),
        ] {
            session.event(event(name, &data));
        }
    }
    session.commit();
}

/// Delivers what is pending with a driver of its own, as after a restart.
async fn deliver(context: &Context, config: &Config) {
    let context = Context { stop: Stop::default(), ..context.clone() };
    context.stop.drain();
    assert_eq!(sink::spawn(&context, SinkId(0), config).await, Outcome::Drained);
}

pub(super) async fn routes_keep_the_ledger_exact<B: Bench>(bench: &mut B) {
    if !B::RUNS {
        return;
    }
    let context = Line::new().context;
    let config = with_routes::<B>(bench.config());
    let opened = || Opened {
        user: "bridge".into(),
        profile: None,
        sees: vec![],
        privacy: None,
        may_have_missed: vec![],
    };
    let mut sessions: Vec<Live> =
        (0..2).map(|source| context.journal.ingest(SourceId(source)).begin(opened())).collect();
    let mut events = Vec::new();
    for (rounds, published) in [(0..40, 2 * (40 * 4 + 2)), (40..41, 2 * 4), (41..80, 2 * 39 * 4)] {
        for session in &mut sessions {
            append(session, rounds.clone());
        }
        deliver(&context, &config).await;
        events.extend(collect(bench, published).await);
    }
    // The last round of dropped events has nothing behind it.
    sessions[0].event(event("userProfileAvatarUpdate", "{}"));
    sessions[0].commit();
    deliver(&context, &config).await;
    deliver(&context, &config).await;

    let mut last: HashMap<&str, &str> = HashMap::new();
    for event in &events {
        let prev = last.insert(event["source"].as_str().unwrap(), event["sequence"].as_str().unwrap());
        assert_eq!(event["ctiprev"].as_str().unwrap(), prev.unwrap_or(&"0".repeat(20)), "{event}");
        assert!(!event["type"].as_str().unwrap().contains("Avatar"), "{event}");
        if B::HAS_SUBJECTS {
            let is_moved = event["type"].as_str().unwrap().starts_with("cti.bridge.")
                || event["source"] == "/cti/a" && event["subject"] == "queue/401";
            assert_eq!(event["destination"].as_str().unwrap().starts_with("wall."), is_moved, "{event}");
        }
    }
    for (source, filtered) in [(0, 81), (1, 80)] {
        let (ledger, pending) = context.journal.ledger(SinkId(0), SourceId(source));
        assert_eq!(
            (ledger.received, ledger.published, ledger.filtered, pending),
            (322 + filtered, 322, filtered, 0)
        );
    }
    let counted = context.counters.sink(SinkId(0)).read().filtered;
    let counted: Vec<_> = counted.iter().map(|(route, count)| (&**route, *count)).collect();
    assert_eq!(counted, [("2", 0), ("4", 0), ("changes", 0), ("pictures", 161)]);

    let (mut checker, bridge) =
        (Checker::new(None), Bridge { instance: &context.instance, sources: &context.sources });
    match sink::read_back(&config, bridge, |held| checker.take(held)).await {
        Ok(()) => assert_eq!((checker.events, checker.finish()), (644, vec![])),
        Err(error) => assert!(format!("{error:#}").contains("stores no events"), "{error}"),
    }
}
