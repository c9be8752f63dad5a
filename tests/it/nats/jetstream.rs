//! Streams that the bridge creates, accepts or rejects, and its messages about each.
#![cfg(feature = "nats")]

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use cti_bridge::sink::{Link as _, Sink as _, SinkError, Tail};

use crate::support::{
    lane,
    lane::{JETSTREAM, Line, STREAM, context, sink},
    nats::Nats,
};

const SUBJECTS: [&str; 6] = [
    "cti.v1.a.event.>",
    "cti.v1.a.bridge.>",
    "cti.v1.a.call.>",
    "cti.v1.b.event.>",
    "cti.v1.b.bridge.>",
    "cti.v1.b.call.>",
];

fn right() -> Config {
    Config { name: STREAM.to_owned(), subjects: SUBJECTS.map(str::to_owned).to_vec(), ..Config::default() }
}

async fn make(nats: &Nats, config: Config) {
    context(&nats.url()).await.create_stream(config).await.unwrap();
}

async fn config(nats: &Nats) -> Config {
    context(&nats.url()).await.get_stream(STREAM).await.unwrap().cached_info().config.clone()
}

/// Delivers, which must end in an error for an operator.
async fn operator(nats: &Nats, settings: &[&str], line: &mut Line) -> String {
    let error = line.session(&sink(&[nats.url()], settings)).await.expect_err("it was taken");
    assert!(matches!(error, SinkError::Operator(_)), "{error:?}");
    format!("{error:#}")
}

/// Delivers through one link and a second, which must end in an error for an operator: the first error tells of what
/// came after the message that failed, and makes the next link ask for each.
async fn at_last(nats: &Nats, line: &mut Line) -> String {
    let sink = sink(&[nats.url()], &[]);
    let first = line.session(&sink).await.expect_err("it was taken");
    assert!(matches!(&first, SinkError::Again(text) if format!("{text:#}").contains("10071")), "{first:?}");
    let second = line.session(&sink).await.expect_err("it was taken");
    assert!(matches!(second, SinkError::Operator(_)), "{second:?}");
    second.to_string()
}

#[tokio::test]
async fn it_is_created_as_configured_and_found_again() {
    let nats = Nats::start(JETSTREAM).await;
    let settings = ["stream_max_age=3d", "stream_max_bytes=200MiB"];
    let mut line = Line::new(100, |_| 0);
    line.session(&sink(&[nats.url()], &settings)).await.unwrap();
    let made = config(&nats).await;
    assert_eq!(made.subjects, SUBJECTS);
    assert_eq!((made.storage, made.retention), (StorageType::File, RetentionPolicy::Limits));
    assert_eq!((made.discard, made.num_replicas), (DiscardPolicy::Old, 1));
    assert_eq!(made.duplicate_window, Duration::from_millis(100));
    assert_eq!((made.max_age, made.max_bytes), (Duration::from_hours(72), 200 << 20));
    assert!(made.deny_delete && made.deny_purge);
    // Other settings do not change it, and everything is there already.
    line.session(&sink(&[nats.url()], &[])).await.unwrap();
    assert_eq!(config(&nats).await, made);
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn subjects_it_lacks_are_added_and_all_else_stays() {
    let nats = Nats::start(JETSTREAM).await;
    let subjects = vec!["cti.v1.a.event.extenUpdate.*".to_owned(), "mine.>".to_owned()];
    make(&nats, Config { subjects, max_messages: 5_000, ..right() }).await;
    let text = operator(&nats, &["create_stream=false"], &mut Line::new(1, |_| 0)).await;
    assert!(
        text.contains("does not accept cti.v1.a.event.>")
            && text.contains("nats stream edit phones --subjects=")
    );
    let mut line = Line::new(10, |_| 0);
    line.session(&sink(&[nats.url()], &[])).await.unwrap();
    let now = config(&nats).await;
    assert_eq!(now.subjects[0], "mine.>");
    assert_eq!(now.subjects[1..], SUBJECTS);
    assert_eq!(now.max_messages, 5_000);
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn a_stream_from_before_there_were_calls_is_widened() {
    let nats = Nats::start(JETSTREAM).await;
    let subjects: Vec<_> =
        SUBJECTS.iter().filter(|it| !it.contains("call")).map(|it| (*it).to_owned()).collect();
    make(&nats, Config { subjects, ..right() }).await;
    let (mut line, mut before) = Line::with_calls(100, 60);
    let text = operator(&nats, &["create_stream=false"], &mut before).await;
    assert!(text.contains("does not accept cti.v1.a.call.>"), "{text}");
    before.session(&sink(&[nats.url()], &[])).await.unwrap();
    assert_eq!(config(&nats).await.subjects, SUBJECTS);
    // Calls follow what is there, and the one after the last is found by the fence and by its tail.
    for _ in 0..2 {
        line.session(&sink(&[nats.url()], &[])).await.unwrap();
        line.is_stored(&nats.url()).await;
    }
}

#[tokio::test]
async fn unsuitable_streams_are_refused_with_a_remedy() {
    let nats = Nats::start(JETSTREAM).await;
    let mut line = Line::new(10, |_| 0);
    let text = operator(&nats, &["create_stream=false"], &mut line).await;
    assert!(text.contains("`nats stream add phones --subjects=cti.v1.a.event.>,"), "{text}");
    let wide = vec!["cti.v1.>".to_owned()];
    for (wrong, part) in [
        (Config { retention: RetentionPolicy::WorkQueue, ..right() }, "its retention is not `limits`"),
        (Config { no_ack: true, ..right() }, "`nats stream edit phones --ack`"),
        (Config { subjects: wide, ..right() }, "it also accepts cti.v1.a.status.>"),
    ] {
        make(&nats, wrong).await;
        let text = operator(&nats, &[], &mut line).await;
        assert!(text.contains("stream phones at nats://127.0.0.1") && text.contains(part), "{text}");
        context(&nats.url()).await.delete_stream(STREAM).await.unwrap();
    }
    make(&nats, Config { name: "other".to_owned(), ..right() }).await;
    let text = operator(&nats, &[], &mut line).await;
    assert!(text.contains("another stream has these subjects"), "{text}");
    let text = operator(&nats, &["stream=x", "stream_replicas=3"], &mut line).await;
    assert!(text.contains("lower `stream_replicas`"), "{text}");
}

#[tokio::test]
async fn a_full_stream_that_discards_the_new_is_for_the_operator() {
    let nats = Nats::start(JETSTREAM).await;
    make(&nats, Config { discard: DiscardPolicy::New, max_bytes: 100_000, ..right() }).await;
    let mut line = Line::new(1_000, |_| 0);
    let text = at_last(&nats, &mut line).await;
    assert!(text.contains("10077 maximum bytes exceeded") && text.contains("`discard: old`"), "{text}");
    let mut made = config(&nats).await;
    made.discard = DiscardPolicy::Old;
    made.max_bytes = -1;
    context(&nats.url()).await.update_stream(made).await.unwrap();
    line.deliver(&sink(&[nats.url()], &[])).await;
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn oversized_events_are_refused_in_order() {
    let nats = Nats::start(JETSTREAM).await;
    make(&nats, Config { max_message_size: 4_096, ..right() }).await;
    // First, last, two in a row, and one at the end of a batch.
    let large = |number| if [0, 40, 41, 63, 199].contains(&number) { 5_000 } else { 0 };
    let mut line = Line::new(200, large);
    let sink = sink(&[nats.url()], &[]);
    line.session(&sink).await.unwrap();
    let places: Vec<usize> = line.refused.iter().map(|(at, _)| *at).collect();
    assert_eq!(places, [0, 40, 41, 63, 199]);
    let reason = &line.refused[0].1;
    assert!(
        reason.contains("bytes exceed the limit of stream phones at nats://")
            && reason.contains("raise max_msg_size"),
        "{reason}"
    );
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn a_limit_that_shrinks_meanwhile_sets_the_one_event_aside() {
    let nats = Nats::start(JETSTREAM).await;
    make(&nats, right()).await;
    let sink = sink(&[nats.url()], &[]);
    let mut line = Line::new(2_000, |number| if number == 1_500 { 5_000 } else { 0 });
    line.pause = Duration::from_millis(20);
    let url = nats.url();
    let ((), ()) = tokio::join!(
        async {
            let mut made = config(&nats).await;
            made.max_message_size = 4_096;
            context(&url).await.update_stream(made).await.unwrap();
        },
        line.deliver(&sink)
    );
    assert_eq!(line.refused.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1_500]);
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn a_strangers_message_at_the_end_is_for_the_operator() {
    let nats = Nats::start(JETSTREAM).await;
    let mut line = Line::new(10, |_| 0);
    line.session(&sink(&[nats.url()], &[])).await.unwrap();
    context(&nats.url()).await.publish("cti.v1.a.event.x._", "hello".into()).await.unwrap().await.unwrap();
    let text = operator(&nats, &[], &mut line).await;
    assert!(text.contains("ends with message 11 (cti.v1.a.event.x._)"), "{text}");
    assert!(text.contains("nats stream get phones 11"), "{text}");
}

#[tokio::test]
async fn structured_mode_finds_its_end_too() {
    let nats = Nats::start(JETSTREAM).await;
    let mut line = Line::new(30, |_| 0);
    for mode in ["content_mode=structured", "content_mode=binary"] {
        line.session(&sink(&[nats.url()], &[mode])).await.unwrap();
    }
    let (_, tail) = sink(&[nats.url()], &[]).open().await.unwrap();
    assert!(matches!(&tail, Tail::Partitions(ends) if ends.len() == 1 && ends[0].len() == 1), "{tail:?}");
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn without_a_fence_it_is_stored_at_least_once() {
    let nats = Nats::start(JETSTREAM).await;
    let mut line = Line::new(500, |_| 0);
    let settings = ["fence=false", "msg_id=true"];
    line.session(&sink(&[nats.url()], &settings)).await.unwrap();
    assert_eq!(config(&nats).await.duplicate_window, Duration::from_mins(2));
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn permissions_that_are_missing_are_named() {
    let user = |name: &str, permissions: &str| {
        format!("{{ user: {name}, password: p, permissions: {{ {permissions} }} }}")
    };
    let users = [
        user("api", "publish: \"cti.>\""),
        user("events", "publish: \"$JS.API.>\""),
        user("inbox", "subscribe: { deny: \"_INBOX.>\" }"),
        user("read", "publish: { deny: \"$JS.API.STREAM.MSG.GET.>\" }"),
        "{ user: all, password: p }".to_owned(),
    ];
    let nats =
        Nats::start(&format!("{JETSTREAM}\nauthorization: {{ users: [ {} ] }}", users.join("\n"))).await;
    let as_user = |name: &str| [format!("username={name}"), "password=p".to_owned()];
    let mut line = Line::new(20, |_| 0);
    for name in ["api", "all", "events", "inbox", "read"] {
        let login = as_user(name);
        let login: Vec<&str> = login.iter().map(String::as_str).collect();
        if name == "all" {
            sink(&[nats.url()], &login).open().await.unwrap().0.close().await;
            continue;
        }
        let text = operator(&nats, &login, &mut line).await;
        assert!(
            text.contains("ermissions Violation") || text.contains("ermissions violation"),
            "{name}: {text}"
        );
        for part in ["cti.v1.a.event.>", "$JS.API.STREAM.INFO.phones", "STREAM.MSG.GET.phones", "_INBOX.>"] {
            assert!(text.contains(part), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn no_jetstream_and_a_full_disk_differ_from_silence() {
    let plain = Nats::start("").await;
    let mut line = Line::new(2_000, |_| 200);
    let error = line.session(&sink(&[plain.url()], &[])).await.unwrap_err();
    assert!(
        matches!(&error, SinkError::Again(text) if format!("{text:#}").contains("has no JetStream")),
        "{error}"
    );

    let mut full = Nats::start_with(JETSTREAM, Some(600)).await;
    let text = at_last(&full, &mut line).await;
    assert!(text.contains("is up but stores nothing: its disk is probably full"), "{text}");
    full.kill();
    full.free();
    full.up().await;
    line.deliver(&sink(&[full.url()], &[])).await;
    line.is_stored(&full.url()).await;

    let stopped = Nats::start(JETSTREAM).await;
    let sink = sink(&[stopped.url()], &[]);
    let mut line = Line::new(2_000, |_| 0);
    line.pause = Duration::from_millis(10);
    let delivery = async {
        let error = line.session(&sink).await.unwrap_err();
        assert!(
            matches!(&error, SinkError::Again(text) if format!("{text:#}").contains("does not answer")),
            "{error}"
        );
        stopped.signal("CONT");
        line.deliver(&sink).await;
    };
    let stop = async {
        while lane::count(&stopped.url()).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stopped.signal("STOP");
    };
    tokio::join!(delivery, stop);
    line.is_stored(&stopped.url()).await;
}

#[tokio::test]
async fn a_deleted_stream_is_created_again() {
    let nats = Nats::start(JETSTREAM).await;
    let sink = sink(&[nats.url()], &[]);
    let mut line = Line::new(2_000, |_| 0);
    line.pause = Duration::from_millis(10);
    let delete = async {
        while lane::count(&nats.url()).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        context(&nats.url()).await.delete_stream(STREAM).await.unwrap();
    };
    tokio::join!(line.deliver(&sink), delete);
    assert!(line.ends[0].contains("check that the stream exists"), "{:?}", line.ends);
    line.is_stored(&nats.url()).await;
}

#[tokio::test]
async fn servers_that_are_away_are_each_a_cause_and_all_are_named() {
    let closed = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("nats://127.0.0.1:{}", listener.local_addr().unwrap().port())
    };
    let servers = [closed(), closed(), closed()];
    let away = sink(&servers, &[]);
    let mut causes = std::collections::BTreeSet::new();
    let mut last = String::new();
    for _ in 0..9 {
        let error = away.open().await.err().unwrap();
        causes.insert(error.cause().clone());
        last = format!("{error:#}");
    }
    assert_eq!(causes.len(), 3, "{causes:?}");
    assert!(servers.iter().all(|server| last.contains(server.as_str())), "{last}");
    let server = Nats::start(JETSTREAM).await;
    let sink = sink(&[servers[0].clone(), server.url()], &[]);
    assert!(sink.open().await.is_err());
    sink.open().await.unwrap().0.close().await;
    let error = format!("{:#}", sink.open().await.err().unwrap());
    assert!(!error.contains(&server.url()), "it works: {error}");
}
