//! The configuration as an operator meets it: layers, problems, secrets.
#![cfg(feature = "nats")]

use std::time::Duration;

use cti_bridge::{
    app::config::Loaded,
    config::Origin,
    session::config::UaType,
    sink::{
        config::ContentMode,
        nats::config::{Config as Nats, Credentials},
    },
};
use secrecy::ExposeSecret;

use crate::support::{
    config::{GOOD, Place},
    process,
};

fn origin(loaded: &Loaded, key: &str) -> Origin {
    loaded
        .settings
        .iter()
        .find(|setting| setting.key == key)
        .unwrap_or_else(|| panic!("no {key}"))
        .origin
        .clone()
}

#[test]
fn defaults_hold_where_nobody_says_otherwise() {
    let loaded = Place::new(GOOD).good();
    assert_eq!(loaded.warnings, [""; 0]);
    let config = loaded.config;
    assert_eq!((config.instance.as_str(), config.drain_timeout), ("cti-bridge", Duration::from_secs(10)));
    let source = &config.sources["pbx1"];
    assert_eq!(source.base.as_str(), "https://pbx.example.org/api/");
    assert_eq!((source.ua_type, source.max_frame), (UaType::None, 64 << 20));
    assert_eq!(source.login_timeout, Duration::from_secs(15));
    assert!(
        !source.publish_action_nethlink
            && source.proxy.is_none()
            && source.credentials.totp_secret().is_none()
    );
    let bus = &config.sinks["bus"];
    assert_eq!(bus.heartbeat, Some(Duration::from_secs(10)));
    let nats = bus.of::<Nats>().unwrap();
    assert_eq!(nats.servers[0].url().as_str(), "nats://127.0.0.1:4222");
    assert_eq!(nats.subject.to_string(), "cti.v1.{source}.{class}.{slug}.{entity}");
    assert_eq!(nats.content_mode, ContentMode::Binary);
    assert!(matches!(nats.credentials, Credentials::None) && !nats.require_tls);
    assert_eq!(config.journal.memory, 64 << 20);
}

#[test]
fn flags_over_variables_over_file_over_defaults() {
    let text = format!("{GOOD}heartbeat = \"1s\"\n[log]\nformat = \"text\"\nlevel = \"warn\"\n");
    let mut place = Place::new(&text)
        .var("CTI_BRIDGE_SINKS__BUS__HEARTBEAT", "off")
        .var("CTI_BRIDGE_LOG__LEVEL", "debug")
        .var("CTI_BRIDGE_SOURCES__PBX1__INSECURE_SKIP_VERIFY", "0")
        .var("CTI_BRIDGE_SINKS__BUS__SERVERS", "nats://127.0.0.1:1,nats://127.0.0.1:2")
        .set("instance=office");
    place.flags.log_level = Some("trace".to_owned());
    let loaded = place.good();
    assert_eq!(loaded.config.instance, "office");
    assert_eq!(loaded.config.sinks["bus"].heartbeat, None);
    let nats = loaded.config.sinks["bus"].of::<Nats>().unwrap();
    assert_eq!(nats.servers.len(), 2);
    let file = place.flags.config.clone().unwrap();
    for (key, expected) in [
        ("instance", Origin::Flag("--set instance".to_owned())),
        ("log.level", Origin::Flag("--log-level".to_owned())),
        ("log.format", Origin::File(file.clone(), 10, None)),
        ("sinks.bus.heartbeat", Origin::Variable("CTI_BRIDGE_SINKS__BUS__HEARTBEAT".to_owned())),
        ("sources.pbx1.url", Origin::File(file, 3, None)),
        ("drain_timeout", Origin::Default),
    ] {
        assert_eq!(origin(&loaded, key), expected, "{key}");
    }
}

#[test]
fn variables_alone_are_enough_and_make_tables() {
    let place = Place::new("")
        .var("CTI_BRIDGE_SOURCES__MAIN__URL", "http://[::1]:8080/pbx/")
        .var("CTI_BRIDGE_SOURCES__MAIN__USERNAME", "Bridge")
        .var("CTI_BRIDGE_SOURCES__MAIN__PASSWORD", "pw")
        .var("CTI_BRIDGE_SINKS__OUT__TYPE", "stdout")
        .var("PATH", "/bin");
    let loaded = place.good();
    let source = &loaded.config.sources["main"];
    assert_eq!(source.base.as_str(), "http://[::1]:8080/pbx/");
    assert_eq!(source.username, "bridge");
    assert_eq!(loaded.config.sinks.keys().collect::<Vec<_>>(), ["out"]);
}

#[test]
fn a_secret_arrives_verbatim_whatever_it_looks_like() {
    // Secrets are masked in what peers of this process say, also to other tests: "true" would be.
    if !process::is_own(module_path!(), "a_secret_arrives_verbatim_whatever_it_looks_like") {
        return;
    }
    for secret in
        ["12345678", "0123", "1e3", "true", "[a,b]", "{a=1}", " space ", "\"q\"", "a=b", "日本", "'x"]
    {
        let place = Place::new(GOOD).var("CTI_BRIDGE_SOURCES__PBX1__PASSWORD", secret);
        assert_eq!(
            place.good().config.sources["pbx1"].credentials.password().unwrap().expose_secret(),
            secret
        );
        let place = Place::new(GOOD).set(&format!("sources.pbx1.password={secret}"));
        let loaded = place.good();
        assert_eq!(loaded.config.sources["pbx1"].credentials.password().unwrap().expose_secret(), secret);
        assert!(loaded.warnings[0].starts_with("--set sources.pbx1.password: "), "{:?}", loaded.warnings);
    }
}

#[test]
fn a_variable_finds_the_name_in_the_file() {
    let place =
        Place::new(&GOOD.replace("pbx1", "Main-PBX")).var("CTI_BRIDGE_SOURCES__MAIN_PBX__UA_TYPE", "mobile");
    let loaded = place.good();
    assert_eq!(loaded.config.sources["Main-PBX"].ua_type, UaType::Mobile);
    assert_eq!(loaded.config.sources.len(), 1);
    let twice = GOOD.replace(
        "[sinks.bus]",
        "[sources.PBX1]\nurl = \"https://b\"\nusername = \"b\"\npassword = \"b\"\n[sinks.bus]",
    );
    assert!(Place::new(&twice).problems()[0].contains("only in case or hyphens"));
}

#[test]
fn all_problems_at_once_each_with_its_place() {
    let place = Place::new(include_str!("wrong.toml"))
        .var("CTI_BRIDGE_LOG__LEVL", "info")
        .var("CTI_BRIDGE_SOURCES__PBX1__LOGIN_TIMEOUT", "soon")
        .var("CTI_BRIDGE_JOURNAL", "big")
        .set("sinks.bus.heartbeat=never");
    let found = place.problems().join("\n") + "\n";
    let expected = include_str!("wrong.txt");
    assert_eq!(found, expected, "\n--- found:\n{found}");
}

#[test]
fn invalid_toml_is_reported_with_line_and_column() {
    assert_eq!(
        Place::new("[log]\nlevel = \"info\"\n[sources.p]\npassword = \"hunter2\n").problems(),
        ["FILE:4:20: is not valid TOML: invalid basic string"]
    );
    let twice = Place::new("[log]\nlevel = \"info\"\nlevel = \"debug\"\n").problems();
    assert!(twice[0].starts_with("FILE:3:1: is not valid TOML: duplicate key"), "{twice:?}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let mut place = Place::new(GOOD);
    place.flags.config = Some("/nonexistent/cti.toml".into());
    let problems = place.problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("FILE: can't read the configuration: No such file"), "{problems:?}");
    place.flags.config = None;
    let place = place.var("CTI_BRIDGE_CONFIG", "/nonexistent/other.toml");
    assert!(place.problems()[0].starts_with("/nonexistent/other.toml: "));
}

#[test]
fn nothing_configured_is_a_sentence() {
    let problems = Place::new("[sources]\n").problems();
    assert!(
        problems.iter().any(|line| line.starts_with("FILE:1: sources: no PBX is configured: add ")),
        "{problems:?}"
    );
    assert!(
        problems.iter().any(|line| line.starts_with("FILE: sinks: no sink is configured: add ")),
        "{problems:?}"
    );
}

#[test]
fn plaintext_beyond_this_machine_needs_a_switch() {
    let http = |url: &str| Place::new(&GOOD.replace("https://pbx.example.org", url));
    for url in ["http://127.0.0.1:8080", "http://localhost", "https://10.0.0.1"] {
        http(url).good();
    }
    assert!(http("http://10.0.0.1").problems()[0].contains("allow_plaintext"));
    http("http://10.0.0.1").set("sources.pbx1.allow_plaintext=true").good();
    let nats = |url: &str| Place::new(GOOD).set(&format!("sinks.bus.servers={url}"));
    for url in ["nats://127.0.0.1", "nats://[::1]:4222", "tls://bus.example.org"] {
        nats(url).good();
    }
    assert!(nats("nats://bus.example.org").problems()[0].contains("in the clear"));
    nats("nats://bus.example.org").set("sinks.bus.require_tls=true").good();
    nats("nats://bus.example.org").set("sinks.bus.allow_plaintext=yes").good();
}

#[cfg(unix)]
#[test]
fn a_report_is_one_line_each_on_any_terminal() {
    use std::os::unix::ffi::OsStringExt as _;
    let mut place = Place::new(&format!("\"a\\nb\\u001b[2J\" = 1\n{GOOD}"));
    place.environment.push(("CTI_BRIDGE_INSTANCE".into(), std::ffi::OsString::from_vec(vec![0xff])));
    assert_eq!(
        place.problems(),
        [
            "FILE:1: a\\nb\\u{1b}[2J: unknown key: valid keys are admin, derive, drain_timeout, instance, journal, log, sinks, sources",
            "environment variable CTI_BRIDGE_INSTANCE: instance: is not UTF-8 text: write it again",
        ]
    );
}

#[test]
fn tls_files_are_read_before_the_first_connection() {
    let own = rcgen::generate_simple_self_signed(["bus".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["bus".to_owned()]).unwrap();
    let place = Place::new(GOOD).set("sinks.bus.ca_file=ca.pem").set("sinks.bus.require_tls=true");
    place.file("ca.pem", &own.cert.pem());
    place.good();
    let place = place.set("sinks.bus.cert_file=cert.pem").set("sinks.bus.key_file=key.pem");
    place.file("cert.pem", &own.cert.pem());
    place.file("key.pem", &own.signing_key.serialize_pem());
    let loaded = place.good();
    assert_eq!(loaded.warnings, [""; 0]);
    place.file("key.pem", &other.signing_key.serialize_pem());
    place.file("ca.pem", "no certificate");
    let problems = place.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].starts_with("--set sinks.bus.ca_file: can't use DIR/ca.pem: no PEM block"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("--set sinks.bus.cert_file: DIR/cert.pem and DIR/key.pem don't"),
        "{problems:?}"
    );
    place.file("key.pem", "not-a-key");
    let problem = "--set sinks.bus.key_file: can't use DIR/key.pem: no PEM block";
    assert!(place.problems()[1].starts_with(problem));
    let place =
        Place::new(GOOD).set("sources.pbx1.insecure_skip_verify=true").set("sinks.bus.cert_file=cert.pem");
    assert!(place.problems()[0].contains("set `key_file` too"));
}

#[test]
fn surprising_settings_raise_a_warning() {
    for (set, expected) in [
        ("sources.pbx1.insecure_skip_verify=true", "any certificate is accepted"),
        ("sources.pbx1.username=201", "extension"),
    ] {
        let warnings = Place::new(GOOD).set(set).good().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    }
    let place = Place::new(GOOD).set("sources.pbx1.login_timeout=5s");
    assert_eq!(place.good().warnings, [""; 0], "nothing is taken over");
    let place = place.set("sources.pbx1.ua_type=desktop");
    assert!(place.good().warnings[0].contains("8 s"));
}
