//! Tests of reloads.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path, time::Duration};

use super::*;

const FILE: &str = "[sources.a]\nurl = \"https://pbx.example\"\nusername = \"ada\"\npassword_file = \"a.password\"\n\
                    [sources.b]\nurl = \"https://pbx.example\"\nusername = \"bob\"\npassword = \"b\"\n\
                    [sinks.out]\ntype = \"stdout\"\n";

fn write(directory: &Path, config: &str, password: &str) {
    fs::write(directory.join("config.toml"), config).unwrap();
    fs::write(directory.join("a.password"), password).unwrap();
}

fn start(directory: &Path) -> Reload {
    let flags = Flags { config: Some(directory.join("config.toml")), ..Flags::default() };
    let loaded = app::config::load(&flags).unwrap();
    Reload::new(flags, &loaded)
}

fn names(changes: &Changes) -> Vec<&str> {
    changes.credentials.iter().map(|(name, _)| name.as_str()).collect()
}

/// The keys that need a restart.
fn later(changes: &Changes) -> Vec<&str> {
    changes.differences.restart.iter().map(|difference| difference.key.as_str()).collect()
}

#[tokio::test]
async fn a_new_password_is_found_once_and_other_keys_are_named() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), FILE, "old");
    let reload = start(directory.path());
    let changes = reload.apply().await.unwrap();
    assert!(changes.credentials.is_empty() && changes.differences.is_empty(), "{changes:?}");

    write(directory.path(), &FILE.replace("\"b\"", "\"c\""), "new");
    let changes = reload.apply().await.unwrap();
    assert_eq!((names(&changes), later(&changes)), (vec!["a", "b"], vec![]));
    assert!(!format!("{changes:?} {reload:?}").contains("new"));
    assert!(names(&reload.apply().await.unwrap()).is_empty(), "it is known by now");

    let other = FILE.replace("bob", "eve").replace("[sinks.out]", "ua_type = \"desktop\"\n[sinks.out]");
    write(directory.path(), &other, "new");
    let changes = reload.apply().await.unwrap();
    assert!(names(&changes).is_empty(), "a password of another user was applied: {changes:?}");
    assert_eq!(later(&changes), ["sources.b.ua_type", "sources.b.username"]);
}

#[tokio::test]
async fn masked_secrets_that_need_a_restart_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let admin = "[admin]\nactions = true\ntoken = \"0123456789abcdef\"\n";
    let proxy = FILE.replace("[sources.b]", "proxy = \"http://u:one@proxy:1\"\n[sources.b]");
    write(directory.path(), &format!("{proxy}{admin}"), "old");
    let reload = start(directory.path());
    assert!(reload.compare().await.unwrap().is_empty());
    let other = format!("{proxy}{admin}").replace("abcdef", "fedcba").replace("one", "two");
    write(directory.path(), &other, "old");
    let changes = reload.apply().await.unwrap();
    assert_eq!(later(&changes), ["admin.token", "sources.a.proxy"]);
    assert_eq!(changes.differences, reload.compare().await.unwrap(), "they are not in force");
}

#[tokio::test]
async fn a_source_that_is_new_or_gone_changes_no_rule() {
    let directory = tempfile::tempdir().unwrap();
    let new = "[sources.c]\nurl = \"https://pbx.example\"\nusername = \"eve\"\npassword = \"c\"\ncountry_code = \"39\"\n";
    write(directory.path(), &format!("{FILE}{new}"), "old");
    let with = start(directory.path());
    write(directory.path(), FILE, "old");
    let without = start(directory.path());
    let gone = with.compare().await.unwrap();
    write(directory.path(), &format!("{FILE}{new}"), "old");
    for (reload, gone) in [(with, Some(gone)), (without, None)] {
        let differences = match gone {
            Some(gone) => gone,
            None => reload.apply().await.unwrap().differences,
        };
        assert_eq!(differences.reload, []);
        assert!(!differences.restart.is_empty());
        assert!(differences.restart.iter().all(|it| it.key.starts_with("sources.c.")), "{differences:?}");
    }
}

#[tokio::test]
async fn new_dialling_rules_are_applied_to_every_sink_once() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), FILE, "old");
    let reload = start(directory.path());
    let other = FILE.replace("password = \"b\"", "password = \"c\"\ncountry_code = \"39\"");
    write(directory.path(), &other, "old");
    assert_eq!(names(&reload.apply_secrets(|_| true).await.unwrap()), ["b"]);
    let changes = reload.apply().await.unwrap();
    let sinks: Vec<_> = changes.rules.iter().map(|(sink, _)| sink.as_str()).collect();
    assert_eq!(sinks, ["out"], "secrets alone must not hide new dialling rules");
    let keys: Vec<_> = changes.differences.reload.iter().map(|it| it.key.as_str()).collect();
    assert_eq!((keys, later(&changes)), (vec!["sources.b.country_code"], vec![]));
    let changes = reload.apply().await.unwrap();
    assert!(changes.rules.is_empty() && changes.differences.is_empty(), "{changes:?}");
}

#[tokio::test]
async fn deriving_calls_is_switched_only_by_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), FILE, "old");
    let reload = start(directory.path());
    let other = FILE.replace("[sources.b]", "derive_calls = false\n[sources.b]");
    write(directory.path(), &format!("{other}[derive]\ncalls = true\n"), "old");
    for _ in 0..2 {
        let changes = reload.apply().await.unwrap();
        assert_eq!(later(&changes), ["derive.calls", "sources.a.derive_calls"]);
        assert_eq!(changes.differences.reload, []);
        assert_eq!(reload.compare().await.unwrap(), changes.differences);
    }
}

#[tokio::test]
async fn an_unreadable_configuration_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), FILE, "old");
    let reload = start(directory.path());
    write(directory.path(), FILE, "");
    assert!(reload.apply().await.unwrap_err().to_string().contains("a.password"));
    write(directory.path(), FILE, "new");
    assert_eq!(names(&reload.apply().await.unwrap()), ["a"]);
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_sink_with_new_secrets_is_found_once_on_request() {
    const SINKS: &str = "[sinks.bus]\ntype = \"nats\"\nusername = \"u\"\npassword_file = \"bus.password\"\n\
                         [sinks.other]\ntype = \"nats\"\nsubject = \"x.{source}.{class}.{slug}\"\nusername = \"u\"\npassword = \"o\"\n";
    let directory = tempfile::tempdir().unwrap();
    let put = |config: &str, password: &str| {
        write(directory.path(), &FILE.replace("[sinks.out]\ntype = \"stdout\"\n", config), "old");
        fs::write(directory.path().join("bus.password"), password).unwrap();
    };
    let found = |changes: &Changes| changes.sinks.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    put(SINKS, "old");
    let reload = start(directory.path());
    let more = SINKS
        .replace("\"o\"", "\"p\"")
        .replace("[sinks.other]", "stream = \"s\"\nca_file = \"ca.pem\"\n[sinks.other]");
    let authority = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
    fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
    put(&more, "planted");
    let changes = reload.apply_secrets(|sink| sink == "bus").await.unwrap();
    assert_eq!(
        (found(&changes), changes.differences.is_empty()),
        (vec!["bus".to_owned()], true),
        "the rest waits for a request"
    );
    assert!(!format!("{changes:?} {reload:?}").contains("planted"));
    let changes = reload.apply().await.unwrap();
    assert_eq!(found(&changes), ["other"], "the first is known by now");
    assert_eq!(later(&changes), ["sinks.bus.stream"]);
    let authority = rcgen::generate_simple_self_signed(vec!["another".to_owned()]).unwrap();
    fs::write(directory.path().join("ca.pem"), authority.cert.pem()).unwrap();
    assert_eq!(found(&reload.apply().await.unwrap()), ["bus"], "a file of the same name was replaced");
}
#[cfg(feature = "nats")]
#[tokio::test]
async fn rules_are_in_force_once_applied_and_all_else_is_reported_again() {
    let sink = "[sinks.bus]\ntype = \"nats\"\nheartbeat = \"10s\"\n[sinks.other]\ntype = \"stdout\"\n[log]\nlevel = \"info\"\n";
    let directory = tempfile::tempdir().unwrap();
    let put = |sink: &str| {
        write(directory.path(), &FILE.replace("[sinks.out]\ntype = \"stdout\"\n", sink), "old");
    };
    let rules = |changes: &Changes| {
        changes.rules.iter().map(|(name, rules)| (name.clone(), rules.config.heartbeat)).collect::<Vec<_>>()
    };
    put(sink);
    let reload = start(directory.path());
    assert!(reload.compare().await.unwrap().is_empty());
    let other = sink
        .replace("\"10s\"", "\"5s\"\nsubject = \"x.{source}.{class}.{slug}.{entity}\"\nstream = \"s\"")
        .replace("info", "debug\"\nformat = \"json");
    put(&other);
    let differences = reload.compare().await.unwrap();
    let keys = |of: &[Difference]| of.iter().map(|difference| difference.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&differences.reload), ["log.level", "sinks.bus.heartbeat", "sinks.bus.subject"]);
    assert_eq!(keys(&differences.restart), ["log.format", "sinks.bus.stream"]);
    let heartbeat = &differences.reload[1];
    assert_eq!((heartbeat.from.as_deref(), heartbeat.to.as_deref()), (Some("\"10s\""), Some("\"5s\"")));
    assert!(heartbeat.origin.as_ref().unwrap().ends_with("config.toml:11"), "{heartbeat:?}");
    let changes = reload.apply().await.unwrap();
    assert_eq!(changes.differences, differences);
    assert_eq!(rules(&changes), [("bus".to_owned(), Some(Duration::from_secs(5)))]);
    let differences = reload.compare().await.unwrap();
    assert_eq!(
        (differences.reload.len(), keys(&differences.restart)),
        (0, vec!["log.format".to_owned(), "sinks.bus.stream".to_owned()])
    );
    assert!(rules(&reload.apply().await.unwrap()).is_empty(), "they are in force by now");
    // Another type of sink is another sink.
    put(&other.replace("[sinks.other]\ntype = \"stdout\"", "[sinks.other]\ntype = \"nats\"\nheartbeat = \"1s\"\nsubject = \"y.{source}.{class}.{slug}.{entity}\""));
    let changes = reload.apply().await.unwrap();
    assert!(rules(&changes).is_empty() && later(&changes).contains(&"sinks.other.heartbeat"), "{changes:?}");
}

#[tokio::test]
async fn another_kind_of_credentials_needs_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), FILE, "old");
    let reload = start(directory.path());
    write(
        directory.path(),
        &FILE.replace("password = \"b\"", "auth = \"legacy\"\npassword_file = \"a.password\""),
        "old",
    );
    let changes = reload.apply().await.unwrap();
    assert_eq!(
        (names(&changes), later(&changes)),
        (vec![], vec!["sources.b.auth", "sources.b.password", "sources.b.password_file"])
    );
}

#[tokio::test]
async fn a_configuration_with_a_problem_is_reported_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), FILE, "old");
    let reload = start(directory.path());
    let before = reload.last();
    write(directory.path(), &FILE.replace("stdout", "stdin"), "new");
    let differences = reload.compare().await.unwrap();
    assert!(differences.problems[0].contains("config.toml:"), "{differences:?}");
    assert_eq!(reload.last(), before, "a comparison is no reload");
    reload.apply().await.unwrap_err();
    assert_eq!(reload.last(), LastReload { is_successful: false, ..before });
    write(directory.path(), FILE, "new");
    assert_eq!(names(&reload.apply().await.unwrap()), ["a"]);
    assert!(reload.last().is_successful && reload.last().succeeded > before.succeeded);
}
