//! `cti-bridge run`: the service.

use crate::{app, config::Flags, exit::Exit, reload::Reload, runtime, telemetry};

/// Run the bridge.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge run
  cti-bridge run --config office.toml -v")]
pub struct Args {
    #[command(flatten)]
    flags: Flags,
}

/// Runs until it is stopped.
pub fn run(args: &Args) -> Exit {
    let loaded = match app::config::load(&args.flags) {
        Ok(loaded) => loaded,
        Err(problems) => {
            // The log is configured by what can't be read.
            telemetry::print(&problems.to_string());
            return Exit::Config;
        }
    };
    telemetry::start(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!(warning, "configuration");
    }
    let reload = Some(Reload::new(args.flags.clone(), &loaded));
    let options = app::Options { reload, ..app::Options::default() };
    runtime::block_on(app::run(&loaded.config, options)).unwrap_or(Exit::Internal)
}
