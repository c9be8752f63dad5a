//! `cti-bridge verify`: reads the events of a sink back, and verifies that they are complete.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};

use super::progress::Progress;
use crate::{
    config::Flags,
    exit::Exit,
    runtime,
    sink::{
        self,
        verify::{Checker, Finding},
        verify_calls::{CallChecker, CallFinding, CallReport},
    },
    telemetry,
    text::PeerText,
};

/// Verify that a sink holds every event exactly once, in order
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge verify --sink bus --since 24h
  cti-bridge verify --sink bus --calls")]
pub struct Args {
    /// The sink to read
    #[arg(long, value_name = "NAME")]
    sink: String,
    /// Only events received within this time: 24h
    #[arg(long, value_name = "AGO", value_parser = super::duration)]
    since: Option<std::time::Duration>,
    /// Verify calls too: one start and one end each, with steps that fit together. The sink must get all events of calls
    #[arg(long)]
    calls: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Runs the command. Results go to `out`, errors of the connection to `err`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some(config) = super::configuration(&args.flags, err)? else { return Ok(Exit::Config) };
    let Some(settings) = config.sinks.get(&args.sink) else {
        let known: Vec<&str> = config.sinks.keys().map(String::as_str).collect();
        writeln!(err, "there is no sink {:?}: the configuration has {}", args.sink, known.join(", "))?;
        return Ok(Exit::Usage);
    };
    telemetry::start(&config.log);
    let ago = args.since.and_then(|since| SignedDuration::try_from(since).ok());
    let since = ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    let sources: Vec<String> = config.sources.keys().cloned().collect();
    let bridge = sink::Bridge { instance: &config.instance, sources: &sources };
    let mut checker = Checker::new(since);
    let mut calls = args.calls.then(|| CallChecker::new(since));
    let mut progress = Progress::new("events read", false);
    let read = sink::read_back(settings, bridge, |held| {
        progress.step();
        checker.take(held);
        if let Some(calls) = &mut calls {
            calls.take(held);
        }
    });
    let read = runtime::block_on(read);
    drop(progress);
    match read {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            writeln!(err, "{error:#}")?;
            return Ok(Exit::Undelivered);
        }
        None => return Ok(Exit::Internal),
    }
    let (events, gaps) = (checker.events, checker.gaps);
    let findings = checker.finish();
    findings.iter().try_for_each(|finding| show(finding, out))?;
    let verdict = if findings.is_empty() { "complete, in order, everything once" } else { "not complete" };
    writeln!(out, "{}: events: {events}, announced gaps: {gaps}; {verdict}", args.sink)?;
    let are_calls_sound = match calls.map(CallChecker::finish) {
        Some(report) => show_calls(&args.sink, &report, out)?,
        None => true,
    };
    Ok(if findings.is_empty() && are_calls_sound { Exit::Clean } else { Exit::Journal })
}

fn show(finding: &Finding, out: &mut impl Write) -> io::Result<()> {
    match finding {
        Finding::Hole(source, from, to, Some(reason)) => {
            writeln!(out, "{}: missing from {} to {}: {reason}", PeerText::new(source), from.0, to.0)
        }
        Finding::Hole(source, from, to, None) => {
            let source = PeerText::new(source);
            writeln!(out, "{source}: missing from {} to {}, and no notice says why", from.0, to.0)
        }
        Finding::Disorder(source, seq) => {
            writeln!(out, "{}: {} follows a higher number", PeerText::new(source), seq.0)
        }
    }
}

/// Returns true if no call breaks a promise.
fn show_calls(sink: &str, report: &CallReport, out: &mut impl Write) -> io::Result<bool> {
    for finding in &report.findings {
        match finding {
            CallFinding::Broken(source, call, seq, rule) => {
                writeln!(out, "{}: call {call} {rule}: sequence {}", PeerText::new(source), seq.0)?;
            }
            CallFinding::Unreadable(source, seq) => {
                writeln!(
                    out,
                    "{}: {} is not an event of a call that this version knows",
                    PeerText::new(source),
                    seq.0
                )?;
            }
        }
    }
    let is_sound = report.findings.is_empty();
    let CallReport { calls, going_on, events, uncertain, .. } = report;
    let oldest = report.oldest.as_ref();
    let oldest = oldest.map_or_else(String::new, |(source, call)| {
        format!(" (the oldest is {call} of {})", PeerText::new(source))
    });
    let verdict = if is_sound { "one start and one end each, every step fits" } else { "not consistent" };
    writeln!(
        out,
        "{sink}: calls: {calls}, going on: {going_on}{oldest}, events of calls: {events}, uncertain: {uncertain}; {verdict}"
    )?;
    Ok(is_sound)
}
