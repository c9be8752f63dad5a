//! Events that differ from the catalogue, against the simulator.

use std::collections::BTreeSet;

use cti_bridge::event::{Body, DriftKind, Origin, drifts, event_schema, schemas};
use pbx_simulator::{Account, Flow, Options, Simulator, Source};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::scene::{self, Scene, scene, scene_on};

const ON: &str = "detect_drift=true";

/// The example of an event in the catalogue.
fn example(name: &str) -> Value {
    let schema = event_schema(name.as_bytes()).unwrap();
    serde_json::from_str(schema.examples[0].get()).unwrap()
}

/// Sends an event, and checks what follows it.
async fn send(scene: &mut Scene, name: &str, args: &str, expected: &[(&str, &str)]) {
    scene.pbx.emit(name, args);
    assert_eq!(scene.says().await, name);
    for (path, kind) in expected {
        let told = scene.notice("drift").await;
        assert_eq!(told, json!({ "event": name, "path": path, "kind": kind, "count": 1 }));
    }
}

#[tokio::test]
async fn each_kind_of_change_is_announced_once() {
    let mut scene = scene(None, &[ON]).await;
    scene.live().await;
    let good = example("queueMemberUpdate");
    let changed = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut event = good.clone();
        change(event.as_object_mut().unwrap());
        event.to_string()
    };
    let unknown = changed(&|event| drop(event.insert("skill~/level".to_owned(), 7.into())));
    let missing = changed(&|event| drop(event.remove("paused")));
    let other = changed(&|event| drop(event.insert("paused".to_owned(), "yes".into())));
    let new = changed(&|event| drop(event.insert("type".to_owned(), "virtual".into())));
    for round in 0..2 {
        let told = |path, kind| if round == 0 { vec![(path, kind)] } else { vec![] };
        for (name, args, expected) in [
            ("queueMemberUpdate", &good.to_string(), vec![]),
            ("queueMemberUpdate", &unknown, told("/skill~0~1level", "unknown_field")),
            ("queueMemberUpdate", &missing, told("/paused", "missing_field")),
            ("queueMemberUpdate", &other, told("/paused", "other_type")),
            ("queueMemberUpdate", &new, told("/type", "new_value")),
            ("serverReload", &String::new(), told("", "unknown_event")),
        ] {
            send(&mut scene, name, args, &expected).await;
        }
    }
    // The session's own control events and what a filter keeps out are not compared.
    scene.pbx.emit("authe_ok", r#"{"message":7}"#);
    scene.pbx.emit("actionNethLink", "1,2,3");
    send(&mut scene, "answerWebrtc", "\"201\"", &[]).await;

    let mut found: Vec<_> =
        scene.findings.list().into_iter().map(|it| (it.path, it.kind, it.count)).collect();
    found.sort();
    let expected = [
        ("", DriftKind::UnknownEvent),
        ("/paused", DriftKind::MissingField),
        ("/paused", DriftKind::OtherType),
        ("/skill~0~1level", DriftKind::UnknownField),
        ("/type", DriftKind::NewValue),
    ];
    assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind, 2)));
    let counts = scene.findings.counts();
    assert_eq!(counts[&("unknown", DriftKind::UnknownEvent)], 2);
    assert_eq!(counts[&("queueMemberUpdate", DriftKind::NewValue)], 2);
}

#[tokio::test]
async fn a_new_session_announces_nothing_again() {
    let mut scene = scene(None, &[ON]).await;
    scene.live().await;
    send(&mut scene, "e", "1", &[("", "unknown_event")]).await;
    scene.pbx.cut();
    scene.notice("disconnected").await;
    scene.live().await;
    send(&mut scene, "e", "1", &[]).await;
    send(&mut scene, "f", "1", &[("", "unknown_event")]).await;
}

#[tokio::test]
async fn without_detection_nothing_is_announced() {
    let mut scene = scene(None, &["detect_drift=false"]).await;
    scene.live().await;
    send(&mut scene, "e", "1", &[]).await;
    send(&mut scene, "f", "1", &[]).await;
    assert!(scene.findings.list().is_empty());
}

/// A proxy in front of the PBX that renames a field in all answers.
async fn renaming(pbx: &Simulator, from: &'static str, to: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, behind) = (format!("http://{}", listener.local_addr().unwrap()), pbx.address());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_pbx, mut to_pbx) = TcpStream::connect(behind).await.unwrap().into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_pbx).await });
            tokio::spawn(async move {
                let mut read = vec![0; 1 << 20];
                while let Ok(length @ 1..) = from_pbx.read(&mut read).await {
                    let mut bytes = read[..length].to_vec();
                    let at = (0..length).filter(|at| bytes[*at..].starts_with(from.as_bytes()));
                    for at in at.collect::<Vec<_>>() {
                        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
                    }
                    to_client.write_all(&bytes).await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    url
}

#[tokio::test]
async fn a_snapshot_is_compared_too() {
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "secret"))).await.unwrap();
    let proxy = renaming(&pbx, "\"parkedCaller\"", "\"parkedCalled\"").await;
    let mut source = scene::Source::start(&proxy, None, &[ON, "resync=true"]);
    source.live().await;
    source.notice("resync.started").await;
    let mut last = String::new();
    let mut told = Vec::new();
    while last != "resync.completed" {
        match source.next().await.body {
            Body::Event(frame) => last = String::from_utf8(frame.name().into_owned()).unwrap(),
            Body::Notice(notice) => {
                last = notice.name.into_owned();
                if last == "drift" {
                    told.push(serde_json::from_slice::<Value>(&notice.data).unwrap());
                }
            }
            Body::Call(call) => panic!("a call: {call:?}"),
        }
    }
    let expected = |path, kind| json!({ "event": "parkingUpdate", "path": path, "kind": kind, "count": 1 });
    assert_eq!(
        told,
        [expected("/parkedCalled", "unknown_field"), expected("/parkedCaller", "missing_field")]
    );
}

/// Events that the simulator invents, to see what becomes of unknown ones.
const INVENTED: [&str; 2] = ["huntGroupUpdate.v2", "phoneLightOn"];

#[tokio::test]
async fn the_simulated_office_sends_what_the_catalogue_describes() {
    for seed in 1..=3 {
        let mut options =
            Options::quiet(Account { extension: Some("201".to_owned()), ..Account::new("bridge", "secret") });
        (options.seed, options.source) = (seed, Source::Calls(Flow { rate: 1500.0, payload_bytes: None }));
        let mut scene = scene_on(options, &[ON, "resync=true", "resync_interval=1m"]).await;
        let (mut events, mut names, mut announced) = (0, BTreeSet::new(), BTreeSet::new());
        while events < 2500 {
            let record = scene.next().await;
            match record.body {
                Body::Event(frame) => {
                    events += usize::from(record.origin == Origin::Live);
                    let name = String::from_utf8(frame.name().into_owned()).unwrap();
                    if let Some(schema) = event_schema(name.as_bytes()) {
                        let found = drifts(schema, frame.argc, &frame.args());
                        assert!(found.is_empty(), "seed {seed}: {name} {:?} {found:?}", frame.args());
                    }
                    names.insert(name);
                }
                Body::Notice(notice) if notice.name == "drift" => {
                    let data: Value = serde_json::from_slice(&notice.data).unwrap();
                    assert_eq!(data["kind"], "unknown_event", "{data}");
                    announced.insert(data["event"].as_str().unwrap().to_owned());
                }
                Body::Notice(_) | Body::Call(_) => {}
            }
        }
        let unknown: BTreeSet<_> =
            names.iter().filter(|name| event_schema(name.as_bytes()).is_none()).cloned().collect();
        assert!(unknown.iter().all(|name| INVENTED.contains(&&**name)), "{unknown:?}");
        assert_eq!(announced, unknown);
        assert!(names.len() > 8 && schemas().len() > names.len(), "{names:?}");
    }
}
