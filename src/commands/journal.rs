//! `cti-bridge journal ls|inspect|verify|export|replay|erase|rename`.

mod erase;
mod range;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use self::range::Range;
use super::progress::Progress;
use crate::{
    app,
    app::config::Config,
    config::Flags,
    event::{Body, Mark, Record, structured, word},
    exit::Exit,
    journal::{self, Absence, Archive, Entry, Journal, Kind, Missing, OpenError, Renamed, Undelivered},
    route::{Plan, Rules, Verdict},
    runtime,
    sink::{self, Outcome},
    telemetry,
};

/// Inspect the journal on disk; works beside a running bridge
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge journal ls
  cti-bridge journal inspect --source pbx1 --from 15m
  cti-bridge journal export --from 2026-11-24T10:00:00Z --to 2026-11-24T11:00:00Z
  cti-bridge journal replay --sink bus --from 1h
  cti-bridge journal erase --number +390721000111")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// The journal's directory, instead of [journal] dir
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    /// List segments and cursors, with each sink's ledger
    Ls,
    /// Print a line per record, and per range of missing numbers
    Inspect(Range),
    /// Verify every segment: checksums, order, missing records
    Verify,
    /// Print the records as `CloudEvents`, one JSON line each
    Export(Range),
    /// Publish records again, in the class `replay`: never to live subjects
    Replay {
        /// The sink to publish to
        #[arg(long, value_name = "NAME")]
        sink: String,
        #[command(flatten)]
        range: Range,
    },
    /// Erase the events that name a telephone number; the bridge must not be running
    Erase(erase::Args),
    /// Give a copied journal a new name, and move its records aside; the bridge must not be running
    Rename,
}

/// Runs the command. Results go to `out`, errors to `err`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let config = if matches!(args.action, Action::Replay { .. } | Action::Erase(_)) {
        match super::configuration(&args.flags, err)? {
            None => return Ok(Exit::Config),
            found => found,
        }
    } else {
        None
    };
    let loaded = config.as_ref().map(|config| config.journal.clone());
    let Some(dir) = directory(args.dir.clone(), loaded, &args.flags, err)? else { return Ok(Exit::Config) };
    if let Action::Rename = args.action {
        return rename(&dir, out, err);
    }
    if let (Action::Erase(args), Some(mut config)) = (&args.action, config.clone()) {
        if let Some(disk) = &mut config.journal.disk {
            disk.dir = dir;
        }
        return erase::run(args, &config, out, err);
    }
    let Some(archive) = open(&dir, err)? else { return Ok(Exit::Journal) };
    match &args.action {
        Action::Ls => list(&archive, out),
        Action::Verify => verify(&archive, out, err),
        Action::Inspect(range) => inspect_all(&archive, range, out, err),
        Action::Export(range) => each(&archive, range, err, |record, plan| export(record, plan, out)),
        Action::Replay { sink, range } => {
            let Some(config) = &config else { return Ok(Exit::Config) };
            replay(&archive, range, config, sink, err)
        }
        Action::Erase(_) | Action::Rename => Ok(Exit::Clean),
    }
}

/// Returns the journal's directory: the given one, or that of the configuration. `None` if there is none; the reason is written to
/// `err`.
pub(super) fn directory(
    given: Option<PathBuf>,
    loaded: Option<app::config::journal::Config>,
    flags: &Flags,
    err: &mut impl Write,
) -> io::Result<Option<PathBuf>> {
    let config = match loaded {
        _ if given.is_some() => return Ok(given),
        Some(config) => config,
        // Most commands need no PBX or sink, so their secrets may be unreadable.
        None => match app::config::load_journal(flags) {
            Ok(config) => config,
            Err(problems) => return writeln!(err, "{problems}").map(|()| None),
        },
    };
    if config.disk.is_none() {
        writeln!(err, "the journal is in memory: set [journal] dir, or name a directory with --dir")?;
    }
    Ok(config.disk.map(|disk| disk.dir))
}

/// Opens the journal in `dir` for reading. `None` if that fails; the reason is written to `err`.
pub(super) fn open(dir: &Path, err: &mut impl Write) -> io::Result<Option<Archive>> {
    match Archive::open(dir) {
        Ok(archive) => return Ok(Some(archive)),
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let dir = dir.display();
            writeln!(
                err,
                "there is no journal in {dir}: the bridge creates it when it first runs with [journal] dir"
            )?;
        }
        Err(error) => writeln!(err, "{error}")?,
    }
    Ok(None)
}

fn rename(dir: &Path, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Renamed { old, new, aside, undelivered } = match journal::rename(dir) {
        Ok(renamed) => renamed,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(Exit::Journal);
        }
    };
    writeln!(out, "renamed journal {old} to {new}; its records are in {}", aside.display())?;
    for Undelivered { sink, source, count, from, to } in &undelivered {
        let (from, to) = (from.0, to.0);
        writeln!(out, "undelivered: sink {sink}, source {source}: {count} records, numbers {from} to {to}")?;
    }
    if undelivered.is_empty() {
        writeln!(out, "undelivered: none")?;
    }
    writeln!(
        out,
        "give this bridge an `instance` of its own, or each sink its own `stream` or `topic`, before you start it: the old \
         ones end with events of {old}, and it will not write there"
    )?;
    Ok(Exit::Clean)
}

fn list(archive: &Archive, out: &mut impl Write) -> io::Result<Exit> {
    writeln!(out, "journal {}, sources {}", archive.journal, archive.sources.join(", "))?;
    writeln!(out, "\n{:<22} {:>12} {:>16}  created", "segment", "bytes", "first position")?;
    for segment in &archive.segments {
        let name = segment.path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(out, "{name:<22} {:>12} {:>16}  {:.0}", segment.bytes, segment.first.0, segment.created)?;
    }
    writeln!(
        out,
        "\n{:<16} {:<16} {:>16} {:>12} {:>10} {:>8} {:>8}",
        "sink", "source", "next position", "published", "filtered", "dead", "lost"
    )?;
    for (sink, cursor) in &archive.cursors {
        let Some(cursor) = cursor else {
            writeln!(out, "{sink:<16} has no readable cursor")?;
            continue;
        };
        for (source, settled) in archive.sources.iter().zip(&cursor.sources) {
            let ledger = &settled.ledger;
            let lost: u64 = ledger.lost.values().sum();
            writeln!(
                out,
                "{sink:<16} {source:<16} {:>16} {:>12} {:>10} {:>8} {lost:>8}",
                cursor.next.0, ledger.published, ledger.filtered, ledger.dead_lettered
            )?;
        }
    }
    Ok(Exit::Clean)
}

fn verify(archive: &Archive, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let (mut exit, mut is_damaged) = (Exit::Clean, false);
    for segment in &archive.segments {
        let found = match segment.verify() {
            Ok(found) => found,
            Err(error) => {
                exit = unreadable(&error, err)?;
                continue;
            }
        };
        let damage = match (found.damaged, found.torn) {
            (0, 0) => "intact".to_owned(),
            (0, torn) => format!("{torn} bytes at the end are not a complete record"),
            (damaged, torn) => format!("{} damaged bytes, {} records are gone", damaged + torn, found.lost),
        };
        is_damaged |= found.damaged > 0;
        writeln!(out, "{}: {} records, {damage}", segment.path.display(), found.records)?;
    }
    if is_damaged {
        writeln!(
            out,
            "the bridge moves damaged bytes aside, counts and announces them when it reads them, or at its start"
        )?;
        exit = Exit::Journal;
    }
    Ok(exit)
}

pub(super) fn unreadable(error: &io::Error, err: &mut impl Write) -> io::Result<Exit> {
    writeln!(err, "could not read the journal: {error}")?;
    Ok(Exit::Journal)
}

fn each(
    archive: &Archive,
    range: &Range,
    err: &mut impl Write,
    mut show: impl FnMut(&Record, &mut Plan) -> io::Result<()>,
) -> io::Result<Exit> {
    let mut plan = Plan::new(archive.journal, Arc::clone(&archive.sources), Rules::default());
    let mut progress = Progress::new("records read", true);
    for record in archive.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => return unreadable(&error, err),
        };
        progress.step();
        if range.holds(&archive.sources, &record) {
            show(&record, &mut plan)?;
        }
    }
    drop(progress);
    complete(archive, err)
}

/// Not clean if records are missing in what was read.
pub(super) fn complete(archive: &Archive, err: &mut impl Write) -> io::Result<Exit> {
    match archive.damaged() {
        0 => Ok(Exit::Clean),
        damaged => {
            writeln!(
                err,
                "{damaged} record{} missing, as the bytes are damaged: `cti-bridge journal verify` shows where",
                if damaged == 1 { " is" } else { "s are" }
            )?;
            Ok(Exit::Journal)
        }
    }
}

fn inspect_all(
    archive: &Archive,
    range: &Range,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let mut at = Timestamp::MIN;
    for entry in archive.entries() {
        match entry {
            Err(error) => return unreadable(&error, err),
            Ok(Entry::Record(record)) => {
                at = record.at;
                if range.holds(&archive.sources, &record) {
                    inspect(archive, &record, out)?;
                }
            }
            Ok(Entry::Absence(absence)) => inspect_absence(archive, range, &absence, at, out)?,
        }
    }
    complete(archive, err)
}

/// `at`: when the record before it was received.
fn inspect_absence(
    archive: &Archive,
    range: &Range,
    absence: &Absence,
    at: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    let what = match absence.kind {
        Kind::Skipped => "skipped".to_owned(),
        Kind::Erased => "erased".to_owned(),
        Kind::Refused(reason) | Kind::Lost(reason) => word(&reason),
    };
    for missing in absence.ranges.iter().filter(|missing| range.overlaps(&archive.sources, missing, at)) {
        let Missing { source, count, from, to } = missing;
        let source = archive.sources.get(source.index()).map(String::as_str).unwrap_or_default();
        writeln!(out, "{:>10} {}..{} {source} [{what}] {count} events", absence.from.0, from.0, to.0)?;
    }
    if absence.ranges.is_empty() && range.source.is_none() {
        let count = absence.to.0 - absence.from.0;
        writeln!(out, "{:>10} numbers of an unknown source [{what}] {count} events", absence.from.0)?;
    }
    Ok(())
}

fn inspect(archive: &Archive, record: &Record, out: &mut impl Write) -> io::Result<()> {
    let (name, bytes) = match &record.body {
        Body::Event(frame) => {
            (String::from_utf8_lossy(&frame.name()).escape_debug().to_string(), frame.bytes.len())
        }
        Body::Notice(notice) => (format!("({})", notice.name), notice.data.len()),
        Body::Call(call) => (format!("call {} {}", call.key, call.step), call.data.len()),
    };
    let source = archive.sources.get(record.source.index()).map(String::as_str).unwrap_or_default();
    writeln!(
        out,
        "{:>10} {} {source} {} session {} {bytes:>7} bytes {name}",
        record.position.0, record.seq.0, record.at, record.session
    )
}

fn export(record: &Record, plan: &mut Plan, out: &mut impl Write) -> io::Result<()> {
    let Verdict::Publish(published) = plan.decide(record) else { return Ok(()) };
    let (mut line, mut scratch) = (Vec::new(), String::new());
    structured(&plan.envelope(record, &published, Mark::Copy { seq: record.seq }), &mut scratch, &mut line);
    // JSON allows line breaks between its tokens, and nowhere else: a space is the same.
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    line.push(b'\n');
    out.write_all(&line)
}

/// Records that are in memory at once.
const SLICE: usize = 20_000;

fn replay(
    archive: &Archive,
    range: &Range,
    config: &Config,
    sink: &str,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let Some(settings) = config.sinks.get(sink) else {
        let known: Vec<&str> = config.sinks.keys().map(String::as_str).collect();
        writeln!(err, "there is no sink {sink:?}: the configuration has {}", known.join(", "))?;
        return Ok(Exit::Usage);
    };
    telemetry::start(&config.log);
    let mut count = 0;
    let mut records = archive.records().peekable();
    while records.peek().is_some() {
        let mut slice = Vec::new();
        for record in records.by_ref() {
            let record = match record {
                Ok(record) => record,
                Err(error) => return unreadable(&error, err),
            };
            if range.holds(&archive.sources, &record) {
                slice.push(record);
            }
            if slice.len() == SLICE {
                break;
            }
        }
        count += slice.len();
        let line = Journal::replay(archive.journal, &archive.sources, sink, slice);
        match runtime::block_on(sink::replay(line, sink, settings)) {
            Some(Outcome::Drained) => {}
            Some(outcome) => {
                writeln!(err, "not all records were published: {outcome:?}")?;
                return Ok(Exit::Undelivered);
            }
            None => return Ok(Exit::Internal),
        }
    }
    writeln!(err, "published {count} records in the class `replay`")?;
    complete(archive, err)
}
