//! The command line.

use clap::{
    Parser, Subcommand,
    error::{ContextKind, ContextValue},
};

use crate::{
    commands::{self, output},
    config::Flags,
    exit::Exit,
    hardening, telemetry,
    terminal::{self, Colour},
};

const AFTER: &str = "\
Exit codes: 0 clean, 1 `config diff` found differences, 64 command line, 69 PBX or broker can't be reached, 70 internal, 73 the journal can't be used, \
75 stopped with undelivered events, 77 credentials refused, 78 configuration; `check --help` has its own.
A look without a PBX: cti-bridge demo --pretty";

/// Republishes every event of a NethVoice telephone system on NATS or Kafka, in order and without silent loss.
#[derive(Debug, Parser)]
#[command(version = VERSION, after_help = AFTER, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colours in output and log
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_default_value = true)]
    color: Colour,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");

/// The subcommands.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "each command documents itself")]
pub enum Command {
    Run(commands::run::Args),
    /// Check, show, compare or describe the configuration
    Config {
        #[command(flatten)]
        args: commands::config::Args,
        #[command(flatten)]
        flags: Flags,
    },
    /// Show what the routes of the sinks do with an event
    Route {
        #[command(flatten)]
        args: commands::route::Args,
        #[command(flatten)]
        flags: Flags,
    },
    Check(commands::check::Args),
    Status(commands::status::Args),
    Health(commands::health::Args),
    #[cfg(feature = "simulator")]
    Demo(commands::demo::Args),
    #[cfg(feature = "simulator")]
    Simulate(commands::simulate::Args),
    Journal(commands::journal::Args),
    Calls(commands::calls::Args),
    Verify(commands::verify::Args),
    Tail(commands::tail::Args),
    Catalogue(commands::catalogue::Args),
    Schema(commands::catalogue::SchemaArgs),
    #[command(name = "asyncapi")]
    AsyncApi(commands::catalogue::AsyncApiArgs),
    Record(commands::record::Args),
    #[command(name = "2fa")]
    TwoFactor(commands::two_factor::Args),
    Token(commands::token::Args),
    Privacy(commands::privacy::Args),
    Generate(commands::generate::Args),
}

/// The program: arguments → command → exit code.
pub fn main() -> Exit {
    hardening::forbid_core_dumps();
    telemetry::catch_panics();
    let exit = match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(mut error) => output::run(|out, _| {
            hide_values(&mut error, std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()));
            // Help and version are no errors, and go to standard output.
            if error.use_stderr() {
                let _ = error.print();
                return Ok(Exit::Usage);
            }
            out.check(error.print()).map(|()| Exit::Clean)
        }),
    };
    telemetry::flush();
    exit
}

/// Beside `--set` a word that clap does not know may be a password: `--set KEY= PASSWORD`.
fn hide_values(error: &mut clap::Error, mut args: impl Iterator<Item = String>) {
    if !args.any(|arg| arg == "--set" || arg.starts_with("--set=")) {
        return;
    }
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if matches!(error.get(kind), Some(ContextValue::String(word)) if !word.starts_with('-')) {
            error.insert(kind, ContextValue::String("…".to_owned()));
        }
    }
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> Exit {
        terminal::choose(self.color);
        output::run(|out, err| match self.command {
            Command::Run(args) => Ok(commands::run::run(&args)),
            #[cfg(feature = "simulator")]
            Command::Demo(args) => Ok(commands::demo::run(&args)),
            #[cfg(feature = "simulator")]
            Command::Simulate(args) => commands::simulate::run(&args, out, err),
            Command::Config { args, flags } => commands::config::run(&args, &flags, out, err),
            Command::Route { args, flags } => commands::route::run(&args, &flags, out, err),
            Command::Check(args) => commands::check::run(&args, out.styled(), err),
            Command::Status(args) => commands::status::run(&args, out.styled(), err),
            Command::Health(args) => commands::health::run(&args, out, err),
            Command::Calls(args) => {
                let out = if args.is_for_people() { out.styled() } else { out };
                commands::calls::run(&args, out, err)
            }
            Command::Verify(args) => commands::verify::run(&args, out, err),
            Command::Tail(args) => commands::tail::run(&args, err),
            Command::Catalogue(args) => commands::catalogue::run(&args, out.styled(), err),
            Command::Schema(args) => commands::catalogue::schema(&args, out, err),
            Command::AsyncApi(args) => commands::catalogue::asyncapi(&args, out),
            Command::Record(args) => commands::record::run(&args, err),
            Command::TwoFactor(args) => commands::two_factor::run(&args, out.styled(), err),
            Command::Token(args) => commands::token::run(&args, out, err),
            Command::Privacy(args) => commands::privacy::run(&args, out, err),
            Command::Generate(args) => commands::generate::run(&args, out, err),
            Command::Journal(args) => commands::journal::run(&args, out, err),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_examples_and_each_is_right() {
        let mut abouts = std::collections::BTreeSet::new();
        for command in Cli::command().get_subcommands() {
            let about = command.get_about().unwrap().to_string();
            assert!(!about.starts_with("Flags"), "{} has the text of its flags", command.get_name());
            assert!(abouts.insert(about), "{} has another command's text", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
            assert!(!examples.is_empty(), "{} has no examples", command.get_name());
            for example in examples.lines() {
                let parsed = Cli::try_parse_from(example.split_whitespace());
                assert!(parsed.is_ok(), "{example}");
            }
        }
    }

    #[test]
    fn completions_suggest_faults_and_levels_and_any_text_is_taken() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "cti-bridge", &mut script);
        let script = String::from_utf8(script).unwrap();
        for word in ["backend-down", "snapshot-delay=", "trace", "journald", "always"] {
            assert!(script.contains(word), "{word}");
        }
        for line in ["simulate --fault snapshot-delay=7s", "run --log-level info,cti_bridge=debug", "run -vv"]
        {
            Cli::try_parse_from(format!("cti-bridge {line}").split(' ')).unwrap();
        }
        assert!(Cli::try_parse_from(["cti-bridge", "run", "-v", "-q"]).is_err());
    }
}
