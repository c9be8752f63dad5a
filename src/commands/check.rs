//! `cti-bridge check`: tests the configuration, every source and every sink, and suggests fixes.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use super::{Ended, logout};
use crate::{
    app,
    app::config::Config,
    check::{self, CheckSessions, Format, Report, Scope, step::Stage},
    config::{Flags, nearest},
    exit::Exit,
    runtime, telemetry,
    terminal::Style,
};

/// Test every step from configuration to sinks and suggest fixes; works beside a running bridge
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = after_help())]
pub struct Args {
    /// A JSON object per line: {component, stage, verdict, messages, ms, details, exit}, at the end {summary, exit, first, …}
    #[arg(long)]
    json: bool,
    /// Only what needs no network: configuration, secrets, journal
    #[arg(long, conflicts_with_all = ["source", "sink", "wait"])]
    offline: bool,
    /// Check this source; without --source and --sink all sources and sinks; repeatable
    #[arg(long, value_name = "NAME")]
    source: Vec<String>,
    /// Check this sink; repeatable
    #[arg(long, value_name = "NAME")]
    sink: Vec<String>,
    /// Wait this long for an event of each source: a PBX updates each queue every minute
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    flags: Flags,
}

/// The table of stages.
fn after_help() -> String {
    let mut text = "Stages, each with the exit code if it is the first to fail (0: none failed, warnings do not count; 64: command line; 75: interrupted):\n".to_owned();
    for stage in Stage::ALL {
        let (name, exit, what) = stage.row();
        let _ = writeln!(text, "  {name:<10} {:>2}  {what}", exit as u8);
    }
    text.push_str("A login that gets no valid answer, rather than a refusal, ends with 69.\n\nExamples:\n  cti-bridge check\n  cti-bridge check --source pbx1 --wait 2m\n  cti-bridge check --offline -q");
    text
}

/// Runs the command. The report goes to `out`, errors of the command line to `err`.
pub fn run(args: &Args, out: &mut (impl Write + Send), err: &mut impl Write) -> io::Result<Exit> {
    let terminal = io::stdout().is_terminal();
    let (style, is_quiet) = (Style::of_stdout(), args.flags.quiet > 0);
    let format = if args.json { Format::Json } else { Format::Text { terminal, style, is_quiet } };
    let mut report = Report::new(out, format);
    let Some(config) = check::configuration(&mut report, || app::config::load(&args.flags)) else {
        return Ok(report.finish().exit());
    };
    for (what, names, known) in [
        ("source", &args.source, config.sources.keys().collect::<Vec<_>>()),
        ("sink", &args.sink, config.sinks.keys().collect()),
    ] {
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            let hint = match nearest(unknown, known.iter().map(|name| name.as_str())) {
                Some(right) => format!("did you mean {right}?"),
                None => format!(
                    "the configuration has {}",
                    known.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
                ),
            };
            writeln!(err, "there is no {what} {unknown:?}: {hint}")?;
            return Ok(Exit::Usage);
        }
    }
    // The report has all problems; the log is written on request only.
    if args.flags.wants_log() {
        telemetry::start(&config.log);
    }
    let scope = Scope {
        offline: args.offline,
        sources: args.source.clone(),
        sinks: args.sink.clone(),
        wait: args.wait,
    };
    match runtime::block_on(walk(&mut report, &config, &scope)) {
        Some(Ok(())) => Ok(report.finish().exit()),
        Some(Err(ended)) => {
            writeln!(err, "{ended}")?;
            Ok(ended.exit)
        }
        None => Ok(Exit::Internal),
    }
}

/// Runs all checks, and logs out also when interrupted.
async fn walk<W: Write>(report: &mut Report<W>, config: &Config, scope: &Scope) -> Result<(), Ended> {
    let opened = CheckSessions::new(logout::bridge(config.admin.as_ref()));
    let mut signals = super::signals()?;
    let interrupted = tokio::select! {
        () = check::walk(report, config, scope, &opened) => false,
        _ = signals.next() => true,
    };
    if interrupted {
        report.outcome.interrupted = true;
        opened.log_out().await;
    }
    Ok(())
}
