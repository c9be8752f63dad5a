//! `journal` on a journal that is damaged, and with a configuration whose secrets are out of reach.

use std::{fs, path::Path, sync::Arc};

use cti_bridge::{
    event::{EndReason, RawEvent, SourceId},
    health::Board,
    journal::{Journal, Opened, Options, Sync, WhenFull, fs::Disk as FileSystem},
};

use crate::support::bridge::program;

const EVENTS: usize = 2_000;

/// A journal with so many events.
fn journal(dir: &Path) {
    let config = Options {
        dir: dir.to_owned(),
        sync: Sync::Every(std::time::Duration::from_millis(50)),
        max_bytes: Some(1 << 30),
        max_age: None,
        when_full: WhenFull::DropOldest,
        name_quota: 100,
        retain: std::time::Duration::from_hours(1),
        memory: 64 << 20,
    };
    let health = Board::default().component("journal".to_owned());
    let names = |name: &str| vec![name.to_owned()];
    let (journal, _) =
        Journal::open(&config, Arc::new(FileSystem), &names("pbx1"), &names("bus"), Arc::new(health))
            .unwrap();
    let opened =
        Opened { user: "b".into(), profile: None, sees: vec![], privacy: None, may_have_missed: vec![] };
    let mut live = journal.ingest(SourceId(0)).begin(opened);
    for number in 0..EVENTS {
        let text = format!(r#"42["e",{{"n":{number}}}]"#);
        let args = 7..u32::try_from(text.len() - 1).unwrap();
        let (at, bytes) = (jiff::Timestamp::now(), text.into_bytes().into());
        live.event(RawEvent { at, bytes, name: 4..5, args, argc: 1, attachments: Box::default() });
    }
    live.commit();
    live.end(EndReason::Stopping, String::new());
    journal.close();
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = program().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn exporting_a_damaged_journal_reports_what_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("journal");
    journal(&dir);
    let dir = dir.to_str().unwrap();
    let (code, complete, _) = run(&["journal", "export", "--dir", dir]);
    assert_eq!((code, complete.lines().count()), (Some(0), EVENTS + 3));

    let segment = fs::read_dir(Path::new(dir).join("segments")).unwrap().next().unwrap().unwrap().path();
    let mut content = fs::read(&segment).unwrap();
    let needle = br#"{"n":1000}"#;
    let at = content.windows(needle.len()).position(|window| window == needle).unwrap();
    content[at] ^= 0xff;
    fs::write(&segment, content).unwrap();
    for command in ["export", "inspect"] {
        let (code, out, err) = run(&["journal", command, "--dir", dir]);
        assert_eq!(code, Some(73), "{err}");
        assert!(err.contains("1 record is missing"), "{err}");
        let lines = if command == "export" { EVENTS + 2 } else { EVENTS + 3 };
        assert_eq!(out.lines().count(), lines, "{command}: what follows the damage is there, too");
    }
}

#[test]
fn a_journal_is_listed_without_any_secret() {
    let place = tempfile::tempdir().unwrap();
    journal(&place.path().join("journal"));
    let file = place.path().join("config.toml");
    let config = "[sources.pbx1]\nurl = \"https://pbx\"\nusername = \"u\"\npassword_file = \"absent\"\n\
                  [sinks.bus]\ntype = \"nats\"\ntoken_file = \"absent\"\n[journal]\ndir = \"journal\"\n";
    fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&["journal", "ls", "--config", file]);
    assert_eq!((code, out.contains("pbx1")), (Some(0), true), "{out}{err}");
    fs::write(file, config.replace("dir = ", "sync = \"abc\"\ndir = ")).unwrap();
    let (code, _, err) = run(&["journal", "ls", "--config", file]);
    assert_eq!(
        (code, err.contains("journal.sync"), err.contains("password")),
        (Some(78), true, false),
        "{err}"
    );
}
