//! The processes that benchmarks start, and access to a stream.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::{path::Path, process::Command};

use async_nats::jetstream::{self, stream};
use pbx_simulator::Simulator;

/// The stream.
pub(crate) const STREAM: &str = "cti-bridge";

/// The topic.
pub(crate) const TOPIC: &str = "cti.events.v1";

/// The destination of the bridge, and the directory of its journal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Destination<'a> {
    /// Core NATS, by URL.
    Core(&'a str),
    /// A stream, by URL of the server.
    Stream(&'a str, &'a Path),
    /// A topic, by broker: `host:port`.
    Kafka(&'a str, &'a Path),
}

/// The binary that is measured: the one built beside this program, unless `CTI_BRIDGE` names another.
pub(crate) fn program() -> Command {
    Command::new(std::env::var_os("CTI_BRIDGE").unwrap_or_else(|| env!("CARGO_BIN_EXE_cti-bridge").into()))
}

/// The bridge.
pub(crate) fn bridge(pbx: &Simulator, destination: Destination<'_>) -> Command {
    bridge_with(Path::new("/dev/null"), pbx, destination)
}

/// The bridge with a configuration file.
#[allow(dead_code, reason = "a part of the programs uses it")]
pub(crate) fn bridge_with(config: &Path, pbx: &Simulator, destination: Destination<'_>) -> Command {
    let (sink, journal) = match destination {
        Destination::Core(nats) => (vec!["type=nats".to_owned(), format!("servers=[\"{nats}\"]")], None),
        Destination::Stream(nats, journal) => {
            let sink = ["type=nats".to_owned(), format!("servers=[\"{nats}\"]"), "mode=jetstream".to_owned()];
            (sink.to_vec(), Some(journal))
        }
        Destination::Kafka(broker, journal) => {
            (vec!["type=kafka".to_owned(), format!("brokers=[\"{broker}\"]")], Some(journal))
        }
    };
    let mut command = program();
    command.args(["run", "--config"]).arg(config);
    for set in [
        format!("sources.pbx1.url={}", pbx.url()),
        "sources.pbx1.username=bridge".to_owned(),
        "sources.pbx1.resync=false".to_owned(),
        "sources.pbx1.password=p".to_owned(),
        // The burst is faster than any PBX, and must fit completely.
        "journal.memory=256MiB".to_owned(),
    ]
    .into_iter()
    .chain(sink.into_iter().map(|set| format!("sinks.bus.{set}")))
    .chain(journal.map(|journal| format!("journal.dir={}", journal.display())))
    {
        command.args(["--set", &set]);
    }
    command
}

/// The command that runs a Node script.
pub(crate) async fn node(script: &str, pbx: &Simulator, broker: &str) -> Command {
    let mut command = Command::new("node");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node").join(script);
    command.arg(script).args([pbx.url().as_str(), &token(pbx).await, broker]);
    command
}

/// A token of the simulated PBX.
pub(crate) async fn token(pbx: &Simulator) -> String {
    let trust = cti_bridge::tls::Trust::default().client_config().unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(std::sync::Arc::unwrap_or_clone(trust))
        .build()
        .unwrap();
    let login = serde_json::json!({ "username": "bridge", "password": "p" });
    let answer = client.post(pbx.url().join("/api/login").unwrap()).json(&login).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// An `extenUpdate` of about 0.85 KB, with the number and the time in the fields that the readers expect.
pub(crate) fn frame(number: usize, micros: u64) -> String {
    let codecs = "\"alaw\",\"ulaw\",\"g722\"";
    let leg = r#""id":"PJSIP/201-0000000a>PJSIP/trk-0000000b","owner":"201","direction":"out","connected":true,"duration":12,"startTime":1795538000000,"uniqueId":"1795538000.20","linkedId":"1795538000.20","queueId":"","throughQueue":false,"throughTrunk":true,"inConference":false,"recording":"false","counterpartNum":"+15550100111","counterpartName":"Rossi","chSource":null,"chDest":null"#;
    let exten = 201 + number % 8;
    format!(
        r#"42["extenUpdate",{{"exten":"{exten}","n":{number},"t":{micros},"name":"Ada Neri","username":"ada","status":"busy","ip":"192.0.2.9","port":"5060","mac":"","chanType":"pjsip","sipuseragent":"Yealink SIP-T46U 108.86.0.118","codecs":[{codecs}],"context":"from-internal","useWebsocket":false,"dnd":false,"cf":"","cfb":"","cfu":"","cfVm":"","cfbVm":"","cfuVm":"","conversations":{{"PJSIP/201-0000000a>PJSIP/trk-0000000b":{{{leg}}}}}}}]"#
    )
}

/// Unix time in microseconds.
pub(crate) fn micros() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap()
}

/// Creates the stream for programs that do not create it.
pub(crate) async fn create_stream(nats: &str) {
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["cti.v1.*.event.>".to_owned(), "cti.bench.>".to_owned()],
        ..stream::Config::default()
    };
    let context = jetstream::new(async_nats::connect(nats).await.unwrap());
    context.create_stream(config).await.unwrap();
}

/// The number of messages in the stream; `None` while the server or the stream is unavailable.
pub(crate) async fn stored(context: &jetstream::Context) -> Option<u64> {
    Some(context.get_stream(STREAM).await.ok()?.cached_info().state.messages)
}

/// The file system of a directory: its device, type and mount point.
pub(crate) fn file_system(directory: &Path) -> String {
    let directory = directory.canonicalize().unwrap();
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    let of = |line: &str| {
        let mut fields = line.split(' ');
        let (device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
        directory.starts_with(point).then(|| (point.len(), format!("{device} ({kind}, on {point})")))
    };
    mounts.lines().filter_map(of).max_by_key(|(length, _)| *length).map_or_else(String::new, |(_, text)| text)
}
