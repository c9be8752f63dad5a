//! Secrets: where they are read from, and that they stay where they are.
#![cfg(feature = "nats")]

use std::fs;

use cti_bridge::{app, sink::nats::config::Credentials};
use secrecy::ExposeSecret;

use crate::support::config::{GOOD, Place, mode, nats, password, without_password};

const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const CREDS: &str = "-----BEGIN NATS USER JWT-----\nplanted-0\n------END NATS USER JWT------\n\
                     -----BEGIN USER NKEY SEED-----\nSUplanted-1\n------END USER NKEY SEED------\n";

#[test]
fn secret_files_are_found_by_path_credential_or_directory() {
    let mut place = Place::new(&without_password());
    place.file("pbx1", "from-beside\n");
    assert_eq!(password(&place), "from-beside");

    let credentials = place.directory.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    place = place.var("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap());
    assert_eq!(password(&place), "from-beside", "the credentials directory has none");
    place.file("credentials/pbx1", "from-a-credential\r\n");
    assert_eq!(password(&place), "from-a-credential");

    let path = place.file("elsewhere", " two words \n\n");
    place = place.set(&format!("sources.pbx1.password_file={}", path.display()));
    assert_eq!(password(&place), " two words ", "line ends go, all else stays");
    place.file("credentials/cti-bridge_pbx2", "from-a-directory\n");
    let place = place.set("sources.pbx1.password_file=pbx2");
    assert_eq!(password(&place), "from-a-directory", "as LoadCredential=cti-bridge:DIRECTORY names it");
    let place = place.set("sources.pbx1.password_file=credentials/pbx1");
    assert_eq!(password(&place), "from-a-credential");
}

#[test]
fn a_missing_unit_credential_is_named_with_its_path() {
    let place = Place::new(&without_password());
    fs::create_dir(place.directory.path().join("credentials")).unwrap();
    let remedy = "put it there with `sudo install -m 600 /dev/stdin DIR/credentials/pbx1`";
    // By hand, and in the unit, to which systemd hands over what was there at the start.
    assert!(place.problems()[0].ends_with(&format!("there is none in DIR/credentials either: {remedy}")));
    let place = place.var("CREDENTIALS_DIRECTORY", "/run/credentials/cti-bridge.service");
    let problem = place.problems().remove(0);
    assert!(problem.ends_with(&format!("{remedy}, then restart the unit")), "{problem}");
}

#[test]
fn an_invalid_secret_file_is_rejected() {
    let place = Place::new(&without_password());
    let refused = |reason: &str| {
        let problems = place.problems();
        let expected = format!("FILE:5: sources.pbx1.password_file: can't read DIR/pbx1: {reason}");
        assert!(problems.len() == 1 && problems[0].starts_with(&expected), "{problems:?}\n{expected}");
    };
    refused(
        "No such file or directory (os error 2); a bare name is also looked for in $CREDENTIALS_DIRECTORY",
    );
    place.file("pbx1", "\n");
    refused("it is empty");
    place.file("pbx1", &"x".repeat(64 * 1024 + 1));
    refused("it is larger than 64 KiB");
    fs::write(place.directory.path().join("pbx1"), b"\xff\xfe").unwrap();
    refused("it is not UTF-8");
    fs::remove_file(place.directory.path().join("pbx1")).unwrap();
    fs::create_dir(place.directory.path().join("pbx1")).unwrap();
    refused("it is not a regular file");
}

#[cfg(unix)]
#[test]
fn world_readable_secrets_raise_a_warning() {
    let place = Place::new(&without_password());
    let secret = place.file("pbx1", "pw");
    mode(&secret, 0o644);
    mode(place.flags.config.as_ref().unwrap(), 0o644);
    let warnings = place.good().warnings;
    assert_eq!(warnings.len(), 1, "the configuration itself holds no secret: {warnings:?}");
    assert!(warnings[0].contains(":5: sources.pbx1.password_file: ") && warnings[0].contains("chmod o-rwx"));
    let place = Place::new(GOOD);
    mode(place.flags.config.as_ref().unwrap(), 0o644);
    let warnings = place.good().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("sources.pbx1.password: is a secret"),
        "{warnings:?}"
    );
}

#[test]
fn nats_accepts_one_login_method() {
    assert!(matches!(nats(&Place::new(GOOD)).credentials, Credentials::None));
    let place = Place::new(GOOD).set("sinks.bus.username=u").var("CTI_BRIDGE_SINKS__BUS__PASSWORD", "0p");
    let Credentials::Password { username, password } = nats(&place).credentials else {
        panic!("no password")
    };
    assert_eq!((username.as_str(), password.expose_secret()), ("u", "0p"));
    let place = Place::new(GOOD).var("CTI_BRIDGE_SINKS__BUS__TOKEN", "123");
    assert!(matches!(nats(&place).credentials, Credentials::Token(token) if token.expose_secret() == "123"));
    let place = Place::new(GOOD).set("sinks.bus.nkey_file=seed");
    place.file("seed", &format!("{SEED}\n"));
    assert!(matches!(nats(&place).credentials, Credentials::Nkey(seed) if seed.expose_secret() == SEED));
    let place = Place::new(GOOD).set("sinks.bus.credentials_file=bus.creds");
    place.file("bus.creds", CREDS);
    assert!(
        matches!(nats(&place).credentials, Credentials::File(text) if text.expose_secret() == CREDS.trim_end())
    );
    place.file("bus.creds", "pw");
    assert!(place.problems()[0].contains("nsc generate creds"));

    for (set, expected) in [
        ("username=u", "set `password_file`"),
        ("password=planted", "set `username`"),
        ("nkey=UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4", "begins with SU"),
    ] {
        let problems = Place::new(GOOD).set(&format!("sinks.bus.{set}")).problems();
        assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}");
    }
    let two =
        Place::new(GOOD).set("sinks.bus.token=planted").set(&format!("sinks.bus.nkey={SEED}")).problems();
    assert!(two[0].contains("several ways to log in (nkey, token)"), "{two:?}");
}

#[test]
fn the_user_info_of_a_server_is_kept_apart() {
    let place = Place::new(GOOD).set("sinks.bus.servers=nats://u:planted@127.0.0.1:4222");
    let nats = nats(&place);
    assert_eq!(nats.servers[0].url().as_str(), "nats://127.0.0.1:4222");
    assert_eq!(nats.servers[0].with_user_info().as_str(), "nats://u:planted@127.0.0.1:4222");
    let info = nats.servers[0].user_info().unwrap();
    assert_eq!(info.password.as_ref().unwrap().expose_secret(), "planted");
}

#[test]
fn the_one_time_password_secret_is_brought_into_one_form() {
    let totp = |text: &str| Place::new(GOOD).set(&format!("sources.pbx1.totp_secret={text}"));
    for text in ["GEZDGNBVGY3TQOJQGEZD", "GEZDGNBVGY3TQOJQGEZDGN", "gezd gnbv gy3t qojq gez"] {
        let (loaded, bare) = (totp(text).good(), text.replace(' ', "").to_uppercase());
        let secret = loaded.config.sources["pbx1"].credentials.totp_secret().unwrap();
        assert_eq!(secret.expose_secret(), bare, "{text}");
    }
    for text in ["JBSWY3DPEHPK3PXP", "jbsw y3dp ehpk 3pxp", "JBSW-Y3DP-EHPK-3PXP", "JBSWY3DPEHPK3PXP===="] {
        let loaded = totp(text).good();
        let secret = loaded.config.sources["pbx1"].credentials.totp_secret().unwrap();
        assert_eq!(secret.expose_secret(), "JBSWY3DPEHPK3PXP", "{text}");
    }
    assert!(totp("JBSWY3DPEHPK3PX1").problems()[0].contains("is not base32"));
    assert!(totp("====").problems()[0].contains("is not base32"));
    assert!(totp("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP").problems()[0].contains("otpauth"));
    let file = Place::new(GOOD).set("sources.pbx1.totp_secret_file=totp");
    file.file("totp", "planted!");
    assert!(file.problems()[0].contains("sources.pbx1.totp_secret_file: is not base32"));
}

/// Every place a secret can be written to, each with a word of its own.
fn planted() -> Place {
    let place = Place::new(
        r#"
        [sources.pbx1]
        url = "https://pbx.example.org"
        username = "bridge"
        password = "planted-a"
        totp_secret = "PLANTEDB"
        proxy = "http://planted-c:planted-d@proxy.example.org:3128"
        [sources.pbx2]
        url = "https://pbx.example.org"
        username = "bridge"
        password_file = "file"
        totp_secret_file = "totp"
        [sinks.a]
        type = "nats"
        servers = ["nats://planted-e:planted-f@localhost", "nats://planted-g@127.0.0.1"]
        token = "planted-h"
        [sinks.b]
        type = "nats"
        username = "bus"
        password = "planted-i"
        [sinks.c]
        type = "nats"
        nkey = "SUPLANTEDAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
        [sinks.d]
        type = "nats"
        credentials_file = "creds"
        "#,
    );
    place.file("file", "planted-j");
    place.file("totp", "PLANTEDC");
    place.file("creds", CREDS);
    place
}

#[test]
fn no_secret_is_ever_printed() {
    let silent = |text: &str| {
        let found = text.to_ascii_lowercase();
        assert!(!found.contains("planted"), "{text}");
    };
    let place = planted().var("CTI_BRIDGE_SINKS__B__PASSWORD", "planted-k").set("sinks.a.token=planted-l");
    silent(&format!("{:?}", place.flags));
    let loaded = place.good();
    silent(&format!("{loaded:?} {loaded:#?}"));
    silent(&loaded.settings.to_string());
    silent(&loaded.warnings.join("\n"));

    // Each of them where it is wrong: beside its file, of the wrong type, unreadable, misspelt.
    for wrong in [
        "sources.pbx1.password_file=file",
        "sources.pbx1.url=ftp://planted:planted@pbx",
        "sources.pbx1.url=planted",
        "sources.pbx1.proxy=https://planted:planted@proxy",
        "sources.pbx1.totp_secret=planted!",
        "sources.pbx1.pasword=planted",
        "sources.pbx1.password.x=planted",
        "sources.pbx1=planted",
        "sources.pbx1.max_frame=planted",
        "sources.pbx1.connect_timeout=planted",
        "sources.pbx1.allow_plaintext=planted",
        "sinks.a.servers=nats://planted:planted@bus,planted,ws://planted:planted@bus",
        "sinks.a.servers=nats://u:planted@bus/path",
        "sinks.a.servers=nats://u:1/planted@bus",
        "sources.pbx1.url=https://u:1/planted@bus",
        "sinks.a.password=planted",
        "sinks.a.nkey=planted",
        "sinks.d.credentials_file=file",
        "log.level=planted",
    ] {
        let place = planted().set(wrong);
        let problems = place.load().expect_err(wrong);
        silent(&format!("{problems} {problems:?}"));
    }
    let numbers = planted();
    let text = fs::read_to_string(numbers.flags.config.as_ref().unwrap()).unwrap();
    for (good, bad) in [
        ("\"planted-a\"", "[\"planted\"]"),
        ("\"planted-h\"", "{ a = \"planted\" }"),
        ("\"planted-h\"", "\"planted"),
    ] {
        numbers.file("config.toml", &text.replace(good, bad));
        let problems = numbers.load().expect_err(bad);
        silent(&format!("{problems} {problems:?}"));
    }
}

#[test]
fn a_secret_under_the_wrong_key_is_not_printed_either() {
    let schema = app::config::schema().as_value();
    let tables = &schema["properties"];
    let nats = tables["sinks"]["additionalProperties"]["oneOf"].as_array().unwrap();
    let nats = nats.iter().find(|shape| shape["properties"]["type"]["const"] == "nats").unwrap();
    let mut tried = 0;
    for (table, shape) in [
        ("sources.pbx1", &tables["sources"]["additionalProperties"]),
        ("sinks.b", nats),
        ("journal", &tables["journal"]),
        ("log", &tables["log"]),
    ] {
        for (key, schema) in shape["properties"].as_object().unwrap() {
            // A wrong word of an enum, a path, the name of a user or stream, and a wrong key of a table are repeated: that is what
            // one looks for.
            let is_word = ["enum", "oneOf", "const"].iter().any(|list| schema.get(list).is_some());
            if is_word
                || key.ends_with("_file")
                || ["dir", "username", "subject", "stream", "domain", "inbox_prefix", "token_cache", "routes"]
                    .contains(&key.as_str())
            {
                continue;
            }
            for value in [
                "planted",
                "ftp://planted:planted@host/planted?planted#planted",
                "[planted,{planted=planted}]",
            ] {
                let outcome = planted().set(&format!("{table}.{key}={value}")).load();
                let text = match outcome {
                    Ok(loaded) => format!("{loaded:?} {} {:?}", loaded.settings, loaded.warnings),
                    Err(problems) => format!("{problems} {problems:?}"),
                };
                assert!(!text.to_ascii_lowercase().contains("planted"), "{table}.{key}={value}: {text}");
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "only {tried}: does the schema still carry the keys?");
}

/// A token with these claims; its signature is for the PBX to judge.
fn token(claims: &str) -> String {
    format!("eyJhbGciOiJIUzI1NiJ9.{}.planted", data_encoding::BASE64URL_NOPAD.encode(claims.as_bytes()))
}

#[test]
fn a_persistent_token_is_looked_at_before_it_is_used() {
    let with = |token: &str| {
        let text = GOOD.replace("password = \"pw\"", &format!("auth = \"token\"\ntoken = \"{token}\""));
        Place::new(&text)
    };
    let good = with(&token(r#"{"2fa":true,"otp_verified":true,"id":"bridge","aud":"nethlink"}"#)).good();
    assert!(good.warnings.iter().all(|warning| !warning.contains("is not used")), "{:?}", good.warnings);
    for (token, expected) in [
        ("planted".to_owned(), "is not a PBX token"),
        (token(r#"{"2fa":true,"otp_verified":false,"id":"bridge"}"#), "without the one-time password"),
        (token(r#"{"id":"eve"}"#), "belongs to another user than `username`"),
    ] {
        let problem = with(&token).problems().remove(0);
        assert!(problem.contains(expected) && problem.contains("FILE:6: sources.pbx1.token"), "{problem}");
        assert!(!problem.contains("planted") && !problem.contains("eyJ"), "{problem}");
    }
    let none = Place::new(&GOOD.replace("password = \"pw\"", "auth = \"token\"")).problems();
    assert!(none[0].contains("no token: set `token_file` (or `token`)"), "{none:?}");
}

#[test]
fn secrets_that_lie_about_for_nothing_are_named() {
    let token = token(r#"{"id":"bridge"}"#);
    for (lines, expected) in [
        (
            format!("auth = \"token\"\ntoken = \"{token}\"\npassword_file = \"no such file\""),
            &["password_file: is not used with `auth = \"token\"`"] as &[_],
        ),
        (
            "auth = \"legacy\"\npassword = \"pw\"\ntotp_secret = \"GEZDGNBVGY3TQOJQ\"\ntoken_cache = \"x\""
                .into(),
            &[
                "auth: the vendor announced to switch this interface off after 1 June 2026",
                "totp_secret: is not used with `auth = \"legacy\"`",
                "token_cache: has no effect with `auth = \"legacy\"`",
            ],
        ),
        (format!("password = \"pw\"\ntoken = \"{token}\""), &["token: is not used with `auth = \"jwt\"`"]),
    ] {
        let loaded = Place::new(&GOOD.replace("password = \"pw\"", &lines)).good();
        for expected in expected {
            let found = loaded.warnings.iter().any(|warning| warning.contains(expected));
            assert!(found, "{expected}: {:?}", loaded.warnings);
        }
    }
}

#[test]
fn each_login_method_has_its_own_urls() {
    let of = |lines: &str| {
        let loaded = Place::new(&GOOD.replace("password = \"pw\"", lines)).good();
        let source = &loaded.config.sources["pbx1"];
        (source.base.to_string(), source.websocket().to_string())
    };
    let jwt = ("https://pbx.example.org/api/".to_owned(), "wss://pbx.example.org/api/ws/".to_owned());
    assert_eq!(of("password = \"pw\""), jwt);
    assert_eq!(of(&format!("auth = \"token\"\ntoken = \"{}\"", token("{}"))), jwt);
    let legacy =
        ("https://pbx.example.org/webrest/".to_owned(), "wss://pbx.example.org/socket.io/".to_owned());
    assert_eq!(of("auth = \"legacy\"\npassword = \"pw\""), legacy);
}
