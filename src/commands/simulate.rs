//! `cti-bridge simulate`: a PBX for developers.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    cli,
    exit::Exit,
    shutdown::Signals,
    simulator::{Account, Fault, Knobs, Options, Simulator, replay::Recording},
};

/// Run a simulated PBX: the real protocol, invented calls, faults on demand
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The user that may log in
    #[arg(long, default_value = "bridge")]
    username: String,
    /// Its password: one for trials, it can be read in the process list
    #[arg(long, default_value = "bridge")]
    password: String,
    /// Ask for one-time passwords of this base32 secret
    #[arg(long, value_name = "BASE32")]
    totp_secret: Option<String>,
    /// Things that happen per second
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// Pad each extension's state to at least this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    payload: usize,
    /// The same seed tells the same story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Send recorded events, a JSON line each, over and over, instead of invented ones
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// How many times as fast as recorded
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// A fault, as in `--fault backend-down` or `--fault takeover=2s`; repeatable, a wrong name lists all
    #[arg(long = "fault", value_name = "NAME[=VALUE]")]
    faults: Vec<Fault>,
}

/// Runs until a signal.
#[allow(clippy::print_stderr, reason = "a program for a terminal")]
pub fn run(args: &Args) -> Exit {
    let recording = match args.replay.as_deref().map(Recording::read).transpose() {
        Ok(recording) => recording,
        Err(reason) => {
            eprintln!("{reason}");
            return Exit::Usage;
        }
    };
    if !(args.rate > 0.0 && args.rate <= 10_000.0) {
        eprintln!("--rate must be above 0 and at most 10000");
        return Exit::Usage;
    }
    let mut knobs = Knobs::default();
    for fault in &args.faults {
        // Checked when it was parsed.
        let _ = knobs.set(fault);
    }
    let options = Options {
        listen: args.listen,
        accounts: vec![Account {
            username: args.username.clone(),
            password: args.password.clone(),
            totp_secret: args.totp_secret.clone(),
            privacy: false,
        }],
        seed: args.seed,
        payload: args.payload,
        rate: recording.is_none().then_some(args.rate),
        knobs,
    };
    cli::block_on(serve(options, recording, args.speed)).unwrap_or(Exit::Internal)
}

#[allow(clippy::print_stderr, reason = "a program for a terminal")]
async fn serve(options: Options, recording: Option<Recording>, speed: f64) -> Exit {
    let (Ok(mut signals), listen) = (Signals::listen(), options.listen) else { return Exit::Internal };
    let user = options.accounts.first().map(|account| account.username.clone()).unwrap_or_default();
    let simulator = match Simulator::start(options).await {
        Ok(simulator) => simulator,
        Err(error) => {
            eprintln!("can't listen on {listen}: {error}: choose another --listen");
            return Exit::Internal;
        }
    };
    eprintln!("a simulated PBX at {} for the user {user}; end it with Ctrl-C", simulator.url());
    let play = async {
        let Some(recording) = recording.filter(|recording| !recording.is_empty()) else {
            return std::future::pending().await;
        };
        loop {
            let mut live = simulator.live();
            if live.wait_for(|live| *live > 0).await.is_err() {
                return;
            }
            recording.play(&simulator, speed).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        _ = signals.next() => {}
        () = play => {}
    }
    Exit::Clean
}
