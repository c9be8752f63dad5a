//! A sink from outside the crate: one directory, and one line that registers it.

use std::{process::Command, sync::Arc};

use clap::Parser as _;
use cti_bridge::{
    app::config::schema,
    cli::Cli,
    event::{Notice, SinkId, SourceId},
    exit::Exit,
    journal::Journal,
    sink::{self, Bridge, Context, Outcome, TooLate, register, verify::Checker},
};

use crate::support::{
    config::{GOOD, Place},
    file_sink::{self, TYPE},
};

/// The types of sink are fixed by the first configuration that is read, so this has a process to itself.
#[test]
fn a_sink_from_outside_needs_one_line() {
    let test = std::env::current_exe().unwrap();
    let run =
        Command::new(test).args(["--exact", "sink::file::registered", "--ignored", "--nocapture"]).output();
    let output = run.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn registered() {
    register(TYPE).unwrap();

    let sinks = "[sinks.one]\ntype = \"file\"\npath = \"one.jsonl\"\n[journal]\ndir = \"journal\"\n";
    let sources = GOOD.split("[sinks").next().unwrap();
    let place = Place::new(&format!("{sources}{sinks}"));
    let config = place.good().config;
    let one = &config.sinks["one"];
    let path = place.directory.path().join("one.jsonl");
    assert_eq!(one.of::<file_sink::config::Config>().unwrap().path, path);
    assert_eq!(one.kind.type_name(), "file");
    assert_eq!(register(TYPE), Err(TooLate));

    // The configuration knows its keys, its words and its conflicts, as those of any other sink.
    assert!(schema().as_value().to_string().contains("Events in a file, one per line."));
    let bad = |text: &str| Place::new(&format!("{sources}{text}")).problems().join("\n");
    let unknown = bad("[sinks.one]\ntype = \"file\"\npaht = \"x\"\n");
    assert!(unknown.contains("did you mean `path`?"), "{unknown}");
    let mistyped = bad("[sinks.one]\ntype = \"fiel\"\n");
    assert!(mistyped.contains("did you mean \"file\"?"), "{mistyped}");
    let overlap = bad("[sinks.one]\ntype = \"file\"\n[sinks.two]\ntype = \"file\"\n");
    assert!(overlap.contains("writes to the same file"), "{overlap}");

    // It runs, and is read back.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let names: Arc<[String]> = Arc::new(["pbx1".to_owned()]);
        let journal = Journal::memory(1 << 20, &names, &["one".to_owned()]);
        let context = Context::new("test", journal.clone(), Arc::new(["one".to_owned()]));
        for _ in 0..10 {
            journal.notice(SourceId(0), &Notice::Started { version: "test" });
        }
        context.stop.drain();
        assert_eq!(sink::spawn(&context, SinkId(0), one).await, Outcome::Drained);
        let (mut checker, bridge) = (Checker::new(None), Bridge { instance: "test", sources: &names });
        sink::read_back(one, bridge, |held| checker.take(held)).await.unwrap();
        assert_eq!(checker.events, 10);
        assert_eq!(checker.finish(), []);
    });

    // The commands know it.
    let path = place.flags.config.clone().unwrap();
    let run = |line: &[&str]| {
        let end = ["--config", path.to_str().unwrap()];
        Cli::try_parse_from([&["cti-bridge"], line, &end].concat()).unwrap().run()
    };
    assert_eq!(run(&["verify", "--sink", "one"]), Exit::Clean);
    assert_eq!(run(&["tail", "--sink", "one"]), Exit::Usage);
}
