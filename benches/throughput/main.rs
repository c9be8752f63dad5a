//! How much the bridge costs, beside what it can't be cheaper than and what anybody would write.
//!
//! `cargo bench --bench throughput -- [--runs 5] [--events 100000]`; see benches/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unchecked_time_subtraction,
    reason = "a program for measuring"
)]

mod passthrough;
mod process;
mod subscriber;

use std::time::{Duration, Instant};

use cti_bridge::simulator::{Account, Options, Simulator};
use process::{Contender, Server};
use subscriber::Subscriber;

/// Events are told apart by a number that runs round in this many.
const ROUND: usize = 1_000;

#[derive(Debug, Clone, Copy)]
struct Figures {
    rate: f64,
    cpu: f64,
    p50: f64,
    p99: f64,
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == "passthrough") {
        return passthrough::run(&args[1], &args[2], &args[3], args[4] == "headers").await;
    }
    let number = |name: &str, default: usize| {
        let place = args.iter().position(|arg| arg == name);
        place.and_then(|place| args.get(place + 1)).map_or(default, |text| text.parse().unwrap())
    };
    let (runs, events) = (number("--runs", 5), number("--events", 100_000));
    println!("{events} events, {runs} interleaved runs; frame {} bytes", frame(0, 0).len());
    let mut all: Vec<Vec<Figures>> = vec![Vec::new(); Contender::ALL.len()];
    for run in 1..=runs {
        for (contender, all) in Contender::ALL.into_iter().zip(&mut all) {
            let figures = measure(contender, events).await;
            println!(
                "run {run} {:<28} {:>8.0} events/s {:>6.2} us CPU/event  p50 {:>6.2} ms  p99 {:>6.2} ms",
                contender.name(),
                figures.rate,
                figures.cpu,
                figures.p50,
                figures.p99
            );
            all.push(figures);
        }
    }
    println!("medians:");
    for (contender, all) in Contender::ALL.into_iter().zip(&all) {
        let median = |of: fn(&Figures) -> f64| {
            let mut sorted: Vec<f64> = all.iter().map(of).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        println!(
            "{:<34} {:>8.0} events/s {:>6.2} us CPU/event  p50 {:>6.2} ms  p99 {:>6.2} ms",
            contender.name(),
            median(|f| f.rate),
            median(|f| f.cpu),
            median(|f| f.p50),
            median(|f| f.p99)
        );
    }
}

/// An `extenUpdate` of about 0.85 KB. The number and the time are where the subscriber looks for them.
fn frame(number: usize, micros: u64) -> String {
    let codecs = "\"alaw\",\"ulaw\",\"g722\"";
    let leg = r#""id":"PJSIP/201-0000000a>PJSIP/trk-0000000b","owner":"201","direction":"out","connected":true,"duration":12,"startTime":1795538000000,"uniqueId":"1795538000.20","linkedId":"1795538000.20","queueId":"","throughQueue":false,"throughTrunk":true,"inConference":false,"recording":"false","counterpartNum":"+15550100111","counterpartName":"Rossi","chSource":null,"chDest":null"#;
    let exten = 201 + number % 8;
    format!(
        r#"42["extenUpdate",{{"exten":"{exten}","n":{number},"t":{micros},"name":"Ada Neri","username":"ada","status":"busy","ip":"192.0.2.9","port":"5060","mac":"","chanType":"pjsip","sipuseragent":"Yealink SIP-T46U 108.86.0.118","codecs":[{codecs}],"context":"from-internal","useWebsocket":false,"dnd":false,"cf":"","cfb":"","cfu":"","cfVm":"","cfbVm":"","cfuVm":"","conversations":{{"PJSIP/201-0000000a>PJSIP/trk-0000000b":{{{leg}}}}}}}]"#
    )
}

fn micros() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap()
}

async fn measure(contender: Contender, events: usize) -> Figures {
    let server = Server::start();
    let pbx = Simulator::start(Options::quiet(Account::new("bridge", "p"))).await.unwrap();
    let mut subscriber = Subscriber::connect(server.address());
    let process = contender.start(&pbx, &server.url()).await;
    pbx.live().wait_for(|live| *live == 1).await.unwrap();
    // Past the contender's own beginnings, and into a warm state.
    let frames: Vec<String> = (0..ROUND).map(|number| frame(number, 0)).collect();
    pbx.burst(&frames, 5 * ROUND);
    subscriber = tokio::task::spawn_blocking(move || subscriber.count(5 * ROUND, ROUND)).await.unwrap().0;

    let cpu = process.cpu();
    let began = Instant::now();
    pbx.burst(&frames, events);
    let (mut subscriber, _) =
        tokio::task::spawn_blocking(move || subscriber.count(events, ROUND)).await.unwrap();
    let took = began.elapsed();
    let cpu = process.cpu() - cpu;

    let collecting = tokio::task::spawn_blocking(move || subscriber.latencies(5_000, micros));
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    for number in 0..5_000 {
        pace.tick().await;
        pbx.send_text(&frame(number % ROUND, micros()));
    }
    let mut latencies = collecting.await.unwrap();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize] as f64 / 1_000.0;
    Figures {
        rate: events as f64 / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / events as f64,
        p50: at(0.5),
        p99: at(0.99),
    }
}
