//! `cti-bridge demo`: a simulated PBX and the bridge in one process; events on standard output.

use std::str::FromStr as _;

use data_encoding::BASE32_NOPAD;

use crate::{
    app,
    config::{Assignment, Flags, InvalidValue},
    exit::Exit,
    runtime, telemetry,
};
use pbx_simulator::{Account, Flow, Options, Simulator, Source};

/// Try the bridge without a PBX: simulates one, bridges it, prints the events
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge demo --pretty
  cti-bridge demo --sink nats://127.0.0.1:4222")]
pub struct Args {
    /// End after this many events
    #[arg(long, value_name = "N")]
    events: Option<u64>,
    /// Print for people instead of programs
    #[arg(long, conflicts_with = "sink")]
    pretty: bool,
    /// Publish to a NATS server instead, as in <nats://127.0.0.1:4222>
    #[arg(long, value_name = "URL")]
    sink: Option<String>,
    /// Events per second, on average
    #[arg(long, default_value_t = 5.0, value_parser = rate)]
    rate: f64,
    /// The same seed gives the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn rate(text: &str) -> Result<f64, InvalidValue> {
    let rate = text.parse().ok().filter(|rate| (0.001..=10_000.0).contains(rate));
    rate.ok_or(InvalidValue::new("write a number from 0.001 to 10000"))
}

/// Runs until Ctrl-C, or the last event.
pub fn run(args: &Args) -> Exit {
    runtime::block_on(demo(args)).unwrap_or(Exit::Internal)
}

async fn demo(args: &Args) -> Exit {
    // New for each run, so that they are valid nowhere else.
    let secret = BASE32_NOPAD.encode(&std::array::from_fn::<u8, 20, _>(|_| fastrand::u8(..)));
    // Random, as it is masked wherever it is shown, and "demo" is the source's name.
    let password = BASE32_NOPAD.encode(&std::array::from_fn::<u8, 10, _>(|_| fastrand::u8(..)));
    let account = Account::new("bridge", &password).with_totp(&secret);
    let options = Options {
        seed: args.seed,
        source: Source::Calls(Flow { rate: args.rate, payload_bytes: None }),
        ..Options::quiet(account)
    };
    let simulator = match Simulator::start(options).await {
        Ok(simulator) => simulator,
        Err(error) => {
            telemetry::print(&format!("could not start the simulated PBX: {error}"));
            return Exit::Internal;
        }
    };
    let mut settings = vec![
        format!("sources.demo.url={}", simulator.url()),
        "sources.demo.username=bridge".to_owned(),
        format!("sources.demo.password={password}"),
        format!("sources.demo.totp_secret={secret}"),
        "admin.listen=off".to_owned(),
    ];
    if let Some(url) = &args.sink {
        settings.extend(["sinks.out.type=nats".to_owned(), format!("sinks.out.servers=[\"{url}\"]")]);
    } else {
        let format = if args.pretty { "pretty" } else { "json" };
        // Events only: nothing else is written to standard output.
        settings.extend(["type=stdout", "heartbeat=off"].map(|setting| format!("sinks.out.{setting}")));
        settings.push(format!("sinks.out.format={format}"));
    }
    let set = settings.iter().filter_map(|setting| Assignment::from_str(setting).ok()).collect();
    let config = match app::config::load_with(&Flags { set, ..Flags::default() }, []) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            telemetry::print(&problems.to_string());
            return Exit::Config;
        }
    };
    telemetry::start(&config.log);
    app::run(&config, app::Options { limit: args.events, until_closed: true, reload: None }).await
}
