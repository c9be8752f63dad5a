//! `cti-bridge route test`: the real binary.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::{
    bridge::program,
    config::{GOOD, Place},
};

const ROUTES: &str = r#"
[[sinks.bus.routes]]
name = "pictures"
match = { event = "userProfileAvatar*" }
drop = true
[[sinks.bus.routes]]
match = { class = "event", entity = "queue/*", where = [{ path = "/queue", equals = 401 }] }
subject = "wall.{entity}"
on_change = true
[sinks.console]
type = "stdout"
"#;

/// Runs the command with these events on standard input.
fn test(args: &[&str], events: &str) -> (Option<i32>, String, String) {
    let place = Place::new(&format!("{GOOD}{ROUTES}"));
    let file = place.flags.config.clone().unwrap();
    let mut command = program();
    command.args(["route", "test", "--config"]).arg(&file).args(args);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(events.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text =
        |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&file.display().to_string(), "FILE");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn each_event_shows_its_route_and_the_reasons() {
    let events = r#"["userProfileAvatarUpdate",{"username":"ada"}]

{"at":"2026-11-24T09:00:00Z","event":"queueUpdate","args":[{"queue":"401"}]}
{"at":"2026-11-24T09:00:00Z","event":"queueUpdate","args":[{"queue":"402"}]}
{"specversion":"1.0","type":"cti.bridge.gap.v1","source":"/cti/pbx2","id":"a","data":{"reason":"started"}}
{"specversion":"1.0","type":"cti.call.ended.v1","source":"/cti/pbx1","id":"b","subject":"call/17","data":{"call":"17"}}
"#;
    let expected = r#"userProfileAvatarUpdate, entity user/ada, source pbx1
  bus: dropped
    route pictures (FILE:9) applies
queueUpdate, entity queue/401, source pbx1
  bus: published if its entity's data has changed, subject wall.401
    route pictures (FILE:9) does not match: event
    route 2 (FILE:13) applies
queueUpdate, entity queue/402, source pbx1
  bus: published, subject cti.v1.pbx1.event.queueUpdate.402
    route pictures (FILE:9) does not match: event
    route 2 (FILE:13) does not match: where: "/queue" in ["401"]
    no route applies
bridge event gap, no entity, source pbx2
  bus: published, subject cti.v1.pbx2.bridge.gap._
    route pictures (FILE:9) does not match: class
    route 2 (FILE:13) does not match: class
    no route applies
call step ended, entity call/17, source pbx1
  bus: published, subject cti.v1.pbx1.call.ended.17
    route pictures (FILE:9) does not match: event
    route 2 (FILE:13) does not match: class
    no route applies
"#;
    let (code, out, err) = test(&["--event", "-", "--sink", "bus"], events);
    assert_eq!((code, &*out, &*err), (Some(0), expected, ""), "{out}");
}

#[test]
fn json_has_an_object_per_event_and_sink() {
    let (code, out, err) = test(&["--fixture", "every-event", "--json"], "");
    assert_eq!((code, &*err), (Some(0), ""));
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of =
        |event: &str, sink: &str| lines.iter().find(|it| it["event"] == event && it["sink"] == sink).unwrap();
    let dropped = of("userProfileAvatarUpdate", "bus");
    assert_eq!((&dropped["outcome"], &dropped["address"]), (&"filtered".into(), &Value::Null));
    let moved = of("queueUpdate", "bus");
    assert_eq!((&moved["address"]["subject"], &moved["onChange"]), (&"wall.401".into(), &true.into()));
    assert_eq!(moved["passed"][0]["mismatch"], "event");
    assert_eq!(of("queueUpdate", "console")["route"], Value::Null);
}

#[test]
fn a_wrong_line_is_named_and_the_others_are_tested() {
    let (code, out, err) = test(&["--event", "-", "--sink", "bus"], "[\"a\"]\nnonsense\n[\"b\"]\n");
    assert_eq!((code, out.matches("no route applies").count()), (Some(64), 2), "{out}");
    assert!(err.starts_with("line 2: it is neither a CloudEvent"), "{err}");
    let (code, _, err) = test(&["--event", "/nonexistent"], "");
    assert!(code == Some(64) && err.starts_with("can't read /nonexistent: No such file"), "{err}");
    let (code, _, err) = test(&["--fixture", "parking", "--sink", "nowhere"], "");
    assert_eq!(
        (code, &*err),
        (Some(64), "there is no sink \"nowhere\": the configuration has bus, console\n")
    );
}
