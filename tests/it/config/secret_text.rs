//! Secrets as editors, shells and people write them: what is removed, and what is refused with a sentence.
#![cfg(feature = "nats")]

use cti_bridge::sink::nats::config::Credentials;
use secrecy::ExposeSecret;

use crate::support::{
    config::{GOOD, Place, nats, password, without_password},
    jwt,
};

#[test]
fn editor_and_shell_artefacts_around_a_secret_are_removed() {
    let place = Place::new(&without_password());
    for text in ["\u{feff}secret\r\n", "secret\n\n", "secret\r", "secret\r\n\r\n", "\nsecret\n"] {
        place.file("pbx1", text);
        assert_eq!(password(&place), "secret", "{text:?}");
        let inline = Place::new(GOOD).var("CTI_BRIDGE_SOURCES__PBX1__PASSWORD", text);
        assert_eq!(password(&inline), "secret", "{text:?}");
        let nats = nats(&Place::new(GOOD).var("CTI_BRIDGE_SINKS__BUS__TOKEN", text));
        assert!(matches!(nats.credentials, Credentials::Token(token) if token.expose_secret() == "secret"));
    }
}

#[test]
fn a_character_that_no_secret_holds_is_named_and_never_sent() {
    for (text, expected) in [
        ("plan\0ted", "holds a NUL character"),
        ("p\0l\0a\0n\0", "holds a NUL character"),
        ("plan\nted", "holds a line break"),
        ("plan\rted", "holds a line break"),
        ("plan\tted", "holds a control character"),
        ("plan\u{1b}ted", "holds a control character"),
        ("plan\u{9b}ted", "holds a control character"),
        ("plan\u{feff}ted", "holds a byte order mark"),
    ] {
        let place = Place::new(&without_password());
        place.file("pbx1", text);
        let problems = place.problems();
        let expected = format!("FILE:5: sources.pbx1.password_file: {expected}");
        assert!(problems.len() == 1 && problems[0].starts_with(&expected), "{problems:?}");
        assert!(!problems[0].contains("ted"), "{problems:?}");
    }
    let place = Place::new(&GOOD.replace("\"pw\"", "\"plan\\tted\""));
    assert!(place.problems()[0].starts_with("FILE:5: sources.pbx1.password: holds a control"));
}

#[test]
fn a_variable_that_is_set_and_empty_is_not_set() {
    let place = Place::new(&without_password()).var("CREDENTIALS_DIRECTORY", "").var("CTI_BRIDGE_CONFIG", "");
    assert!(place.problems()[0].contains("$CREDENTIALS_DIRECTORY, which is not set"));
    place.file("pbx1", "from-beside");
    assert_eq!(password(&place), "from-beside");
}

#[test]
fn text_copied_with_a_token_is_reported() {
    let token = jwt::jwt("planted", true, true, jiff::Timestamp::now());
    for (text, expected) in [
        (format!("Bearer {token}"), "begins with `Bearer`"),
        (format!("bearer {token}\n"), "begins with `Bearer`"),
        (format!("Authorization: Bearer {token}"), "is a header"),
        (format!("{{\"token\":\"{token}\"}}\n"), "is JSON"),
        (format!("\"{token}\""), "is in quotation marks"),
        (format!("'{token}'"), "is in quotation marks"),
        (format!("{token} bridge"), "holds a space"),
        (format!("{token}\n{token}"), "holds a line break"),
    ] {
        let place =
            Place::new(&GOOD.replace("password = \"pw\"", "auth = \"token\"\ntoken_file = \"token\""));
        place.file("token", &text);
        let problems = place.problems();
        let expected = format!("FILE:6: sources.pbx1.token_file: {expected}");
        assert!(problems.len() == 1 && problems[0].starts_with(&expected), "{problems:?}");
        assert!(!problems[0].contains("eyJ"), "{problems:?}");
        place.file("token", &format!("\u{feff}{token}\r\n\n"));
        place.good();
    }
    for text in ["Bearer 0123456789abcdef", "\"0123456789abcdef\""] {
        let place = Place::new(GOOD).set("admin.actions=true").var("CTI_BRIDGE_ADMIN__TOKEN", text);
        assert!(place.problems()[0].contains("admin.token: "), "{:?}", place.problems());
    }
}
