//! `cti-bridge privacy`, and the key of a sink's pseudonyms in the configuration.

use std::{
    fs::{self, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
};

use crate::support::bridge::program;

const KEY: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
/// Of 0721000111 in Italy, with that key.
const PSEUDONYM: &str = "p_de34os7hcdimcjhvsbxzrlxxeu";

fn run(dir: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = program();
    command.args(args).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

fn key_file(dir: &Path, name: &str, text: &str, mode: u32) {
    fs::write(dir.join(name), text).unwrap();
    fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
}

fn checked(dir: &Path, privacy: &str) -> (Option<i32>, String) {
    let text = format!(
        "[sources.a]\nurl = \"http://127.0.0.1:1\"\nusername = \"u\"\npassword = \"p\"\ncountry_code = \"39\"\n\
         [sinks.out]\ntype = \"stdout\"\n[sinks.out.privacy]\n{privacy}\n"
    );
    fs::write(dir.join("config.toml"), text).unwrap();
    fs::set_permissions(dir.join("config.toml"), Permissions::from_mode(0o600)).unwrap();
    let (code, out, err) = run(dir, &["config", "check", "--config", "config.toml"], "");
    (code, out + &err)
}

#[test]
fn a_key_is_created_once_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = run(dir.path(), &["privacy", "key", "--file", "key"], "");
    assert_eq!(code, Some(0));
    let text = fs::read_to_string(dir.path().join("key")).unwrap();
    assert_eq!(text.trim().len(), 64);
    assert!(out.contains("key id ") && !out.contains(text.trim()), "{out}");
    assert_eq!(fs::metadata(dir.path().join("key")).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, _, err) = run(dir.path(), &["privacy", "key", "--file", "key"], "");
    assert!(code == Some(73) && err.contains("a key is never replaced"), "{code:?} {err}");
    assert_eq!(fs::read_to_string(dir.path().join("key")).unwrap(), text);
    let (code, out, err) = run(dir.path(), &["privacy", "key"], "");
    assert!(code == Some(0) && out.trim().len() == 64 && err.contains("key id: "), "{out} {err}");
}

#[test]
fn pseudonyms_are_those_that_a_sink_publishes() {
    let dir = tempfile::tempdir().unwrap();
    key_file(dir.path(), "old", KEY, 0o600);
    key_file(dir.path(), "new", &KEY.replace("0b", "0c"), 0o600);
    let args =
        ["privacy", "pseudonym", "--key-file", "old", "--key-file", "new", "--country-code", "39", "-"];
    let (code, out, err) = run(dir.path(), &args, "0721000111\n\n+39 0721 000-111\n");
    assert_eq!((code, &*err), (Some(0), ""));
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert_eq!((lines[1][0], lines[1][1]), ("0721000111", PSEUDONYM));
    assert_eq!(lines[1][1..], lines[2][1..]);
    assert_ne!(lines[1][1], lines[1][2]);
    let (code, _) = checked(dir.path(), "profile = \"strict\"\nkey_file = \"old\"");
    assert_eq!(code, Some(0));
    let (code, out, err) =
        run(dir.path(), &["privacy", "pseudonym", "--config", "config.toml", "0721000111"], "");
    assert!(code == Some(0) && out.contains(PSEUDONYM), "{out} {err}");
    let (code, out, _) =
        run(dir.path(), &["privacy", "pseudonym", "--key-file", "old", "--name", "Ada Neri"], "");
    assert!(code == Some(0) && out.contains("Ada Neri\tp_"), "{out}");
    let (code, _, err) = run(dir.path(), &["privacy", "pseudonym", "--key-file", "old", "Ada"], "");
    assert!(code == Some(64) && err.contains("has no digits"), "{err}");
}

#[test]
fn a_key_that_is_missing_or_readable_by_others_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    key_file(dir.path(), "key", KEY, 0o600);
    key_file(dir.path(), "shared", KEY, 0o640);
    key_file(dir.path(), "short", &KEY[..62], 0o600);
    for (privacy, expected) in [
        ("profile = \"strict\"", "numbers = \"pseudonym\" needs a key"),
        ("names = \"drop\"", "names = \"drop\", for usernames, needs a key"),
        ("addresses = \"pseudonym\"", "Create one with `cti-bridge privacy key --file PATH`"),
        ("profile = \"strict\"\nkey_file = \"absent\"", "absent: No such file"),
        ("profile = \"strict\"\nkey_file = \"shared\"", "readable by others than its owner: chmod 600"),
        ("profile = \"strict\"\nkey_file = \"short\"", "is not a key"),
        ("own_numbers = [\"2x\"]", "holds something that is not a pattern of numbers"),
        ("profile = \"strikt\"", "did you mean \"strict\"?"),
    ] {
        let (code, text) = checked(dir.path(), privacy);
        assert!(code != Some(0) && text.contains(expected), "{privacy}: {text}");
        assert!(!text.contains("0b0b"), "the key is shown: {text}");
    }
    for privacy in [
        "",
        "profile = \"outside\"",
        "numbers = \"drop\"",
        "profile = \"strict\"\nkey_file = \"key\"\nown_numbers = [\"2??\"]",
    ] {
        assert_eq!(checked(dir.path(), privacy).0, Some(0), "{privacy}");
    }
}
