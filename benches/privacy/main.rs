//! Measures what hiding personal data costs. See benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for measuring"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use bytes::Bytes;
use cti_bridge::{
    event::{Body, Origin, Position, RawEvent, Record, Seq, SourceId},
    route::{Plan, Privacy, Rules, privacy::Key},
};
use jiff::Timestamp;

/// Events per round, and rounds of each kind, which take turns.
const EVENTS: usize = 100_000;
const ROUNDS: usize = 15;
/// Extensions whose events take turns.
const EXTENSIONS: usize = 100;

fn main() {
    let key = || Key::parse(&"0b".repeat(32)).unwrap();
    for (what, callers) in [("the same 100 callers", EXTENSIONS), ("a new caller each time", EVENTS)] {
        let records: Vec<_> = (0..callers).map(record).collect();
        let profiles = [
            ("clear", Privacy::clear()),
            ("outside", Privacy::outside()),
            ("strict", Privacy::strict(key())),
        ];
        let mut rounds = vec![Vec::new(); profiles.len()];
        for _ in 0..ROUNDS {
            for ((_, privacy), rounds) in profiles.iter().zip(&mut rounds) {
                rounds.push(decide(&records, privacy));
            }
        }
        let size = match &records[0].body {
            Body::Event(event) => event.size(),
            Body::Notice(_) | Body::Call(_) => 0,
        };
        println!(
            "extenUpdate of {size} bytes with one conversation, {what}; ns per event, median of {ROUNDS} rounds:"
        );
        let clear = median(&mut rounds[0]);
        for ((name, _), rounds) in profiles.iter().zip(&mut rounds) {
            let median = median(rounds);
            println!("  {name:<8} {median:>8.0}  {:+8.0}", median - clear);
        }
    }
}

/// What a sink does with each record before it is sent.
fn decide(records: &[Record], privacy: &Privacy) -> f64 {
    let rules = Rules { privacy: privacy.clone(), ..Rules::default() };
    let mut plan = Plan::new("abcdefghij".parse().unwrap(), Arc::new(["pbx1".to_owned()]), rules);
    for record in records.iter().take(EXTENSIONS) {
        black_box(plan.decide(record));
    }
    let start = Instant::now();
    for record in records.iter().cycle().take(EVENTS) {
        black_box(plan.decide(black_box(record)));
    }
    start.elapsed().as_nanos() as f64 / EVENTS as f64
}

fn median(rounds: &mut [f64]) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn record(number: usize) -> Record {
    let exten = 200 + number % EXTENSIONS;
    let caller = format!("07210{number:05}");
    let channel = format!("PJSIP/{exten}-{number:08x}>PJSIP/{caller}-{:08x}", number + 1);
    let args = format!(
        concat!(
            r#"{{"exten":"{exten}","name":"User {exten}","username":"user{exten}","status":"busy","ip":"10.1.2.9","port":"5060","mac":"","#,
            r#""chanType":"pjsip","sipuseragent":"Yealink SIP-T46S","codecs":["alaw"],"context":"from-internal","useWebsocket":false,"#,
            r#""dnd":false,"cf":"","cfb":"","cfu":"","cfVm":"","cfbVm":"","cfuVm":"","conversations":{{"{channel}":{{"id":"{channel}","#,
            r#""owner":"{exten}","direction":"in","connected":true,"duration":12,"startTime":1795538000000,"#,
            r#""uniqueId":"1795538000.20","linkedId":"1795538000.20","throughQueue":false,"inConference":false,"recording":"false","#,
            r#""counterpartNum":"{caller}","counterpartName":"Rossi","chSource":null,"chDest":{{"type":"dest","channel":"PJSIP/{caller}-{number:08x}","#,
            r#""callerNum":"{caller}","callerName":"Rossi","bridgedNum":"{exten}","bridgedName":"User {exten}","channelStatus":"up","startTime":1795538000000}}}}}}}}"#
        ),
        exten = exten,
        caller = caller,
        channel = channel,
        number = number,
    );
    let name = "extenUpdate";
    let bytes = Bytes::from([name, &args].concat());
    let (split, end) = (u32::try_from(name.len()).unwrap(), u32::try_from(bytes.len()).unwrap());
    Record {
        position: Position(1),
        source: SourceId(0),
        seq: Seq(1),
        at: Timestamp::UNIX_EPOCH,
        session: 1,
        origin: Origin::Live,
        gap: Seq(0),
        unchanged: false,
        body: Body::Event(RawEvent {
            at: Timestamp::UNIX_EPOCH,
            bytes,
            name: 0..split,
            args: split..end,
            argc: 1,
            attachments: Box::default(),
        }),
    }
}
