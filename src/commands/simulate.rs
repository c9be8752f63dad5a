//! `cti-bridge simulate`: a simulated PBX for developers.

mod call;
mod client;
mod fields;
mod trigger;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::LazyLock,
};

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    config::{InvalidValue, flags::Suggestions},
    exit::Exit,
    runtime,
    shutdown::Signals,
    telemetry,
};
use pbx_simulator::{
    Account, Flow, KnobError, Knobs, NAMES, Options, Replay, ReplayError, Simulator, Source, Tls,
};

/// Run a simulated PBX: the real protocol, invented calls, faults on demand
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "\
Examples:
  cti-bridge simulate --fault backend-down
  cti-bridge simulate --replay calls.jsonl --speed 10
  cti-bridge simulate trigger extenRinging --set callerNum=0721000111
  cti-bridge simulate call attended-transfer",
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    pbx: PbxArgs,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    Trigger(Box<trigger::Args>),
    Call(call::Args),
}

/// Options of the simulated PBX.
#[derive(Debug, Clone, clap::Args)]
struct PbxArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Listen beyond loopback: anyone there can read the events and guess the password
    #[arg(long)]
    listen_anywhere: bool,
    /// The user that may log in
    #[arg(long, default_value = "bridge")]
    username: String,
    /// Its password: for tests only, as it can be read in the process list
    #[arg(long, default_value = "bridge")]
    password: SecretString,
    /// Ask for one-time passwords of this base32 secret
    #[arg(long, value_name = "BASE32")]
    totp_secret: Option<SecretString>,
    /// Serve TLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Events per second, on average; 0 for none
    #[arg(long, default_value_t = 5.0, value_parser = rate)]
    rate: f64,
    /// Pad shorter events to this many bytes
    #[arg(long, value_name = "BYTES")]
    payload_bytes: Option<usize>,
    /// The same seed gives the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Send recorded events instead of invented ones, one JSON line each as `record` writes them, from the first login on
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "payload_bytes"])]
    replay: Option<PathBuf>,
    /// Speed relative to the recording
    #[arg(long, default_value_t = 1.0, requires = "replay", value_parser = speed)]
    speed: f64,
    /// Repeat the recording
    #[arg(long, requires = "replay")]
    repeat: bool,
    /// A fault, as in `--fault backend-down` or `--fault takeover-wait=2s`; repeatable, a wrong name lists all
    #[arg(long = "fault", value_name = "NAME[=VALUE]", value_parser = Suggestions(&FAULTS), hide_possible_values = true)]
    faults: Vec<String>,
}

/// Each as far as it is the same for everyone: `login=`.
static FAULTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let name = |form: &'static str| form.split_inclusive('=').next();
    NAMES.iter().copied().filter_map(name).collect()
});

fn rate(text: &str) -> Result<f64, InvalidValue> {
    let rate = text.parse().ok().filter(|rate| (0.0..=10_000.0).contains(rate));
    rate.ok_or(InvalidValue::new("write a number from 0 to 10000"))
}

fn speed(text: &str) -> Result<f64, InvalidValue> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1_000_000.0).contains(speed));
    speed.ok_or(InvalidValue::new("write a number from 0.001 to 1000000"))
}

/// The reason why the simulator cannot start with these arguments.
#[derive(Debug, thiserror::Error)]
enum InvalidArgs {
    #[error("{0} is not loopback: add --listen-anywhere to allow it")]
    NotLoopback(SocketAddr),
    #[error(transparent)]
    Fault(#[from] KnobError),
    #[error(transparent)]
    Recording(#[from] ReplayError),
    #[error(transparent)]
    Certificate(#[from] io::Error),
}

impl PbxArgs {
    fn options(&self) -> Result<Options, InvalidArgs> {
        if !self.listen.ip().is_loopback() && !self.listen_anywhere {
            return Err(InvalidArgs::NotLoopback(self.listen));
        }
        let mut knobs = Knobs::default();
        for fault in &self.faults {
            knobs.set(fault)?;
        }
        let source = match &self.replay {
            Some(path) => Source::Replay(Replay::read(path, self.speed, self.repeat)?),
            None if self.rate > 0.0 => {
                Source::Calls(Flow { rate: self.rate, payload_bytes: self.payload_bytes })
            }
            None => Source::Silence,
        };
        let account = Account {
            totp_secret: self.totp_secret.clone(),
            ..Account::new(&self.username, self.password.expose_secret())
        };
        let tls = self.certificate.as_ref().zip(self.key.as_ref());
        let tls = tls.map(|(certificate, key)| Tls::read(certificate, key)).transpose()?;
        Ok(Options { listen: self.listen, tls, seed: self.seed, source, knobs, ..Options::quiet(account) })
    }
}

/// Runs the simulator until a signal, or a subcommand.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    match &args.command {
        Some(Command::Trigger(args)) => return trigger::run(args, out, err),
        Some(Command::Call(args)) => return call::run(args, out, err),
        None => {}
    }
    Ok(match args.pbx.options() {
        Ok(options) => runtime::block_on(serve(options)).unwrap_or(Exit::Internal),
        Err(error) => {
            telemetry::print(&error.to_string());
            Exit::Usage
        }
    })
}

async fn serve(options: Options) -> Exit {
    let Ok(mut signals) = Signals::listen() else { return Exit::Internal };
    let listen = options.listen;
    let user = options.accounts.first().map(|account| account.username.clone()).unwrap_or_default();
    let simulator = match Simulator::start(options).await {
        Ok(simulator) => simulator,
        Err(error) => {
            telemetry::print(&format!("could not listen on {listen}: {error}: choose another --listen"));
            return Exit::Internal;
        }
    };
    telemetry::print(&format!(
        "a simulated PBX at {} for the user {user}; end it with Ctrl-C",
        simulator.url()
    ));
    signals.next().await;
    simulator.stop().await;
    Exit::Clean
}
