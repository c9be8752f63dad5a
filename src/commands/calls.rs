//! `cti-bridge calls`: calls that go on and calls that have ended, from the journal.

mod csv;
mod line;
mod list;
mod reader;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use self::{
    line::Printer,
    list::{Calls, Named, Row},
    reader::{Reader, source},
};
use super::journal;
use crate::{
    app::config::{SourceCalls, load_calls},
    config::Flags,
    exit::Exit,
    journal::Archive,
    runtime,
    terminal::Style,
};

/// Show calls that go on, and calls that have ended
///
/// Reads the journal, beside a running bridge, as far back as it keeps delivered events ([journal] retain, by default 15 minutes). A
/// line on standard error says so if that is less than --since. Numbers and names are shown as the PBX sent them.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
A line has the start, the direction (← inbound, → outbound, ↔ internal), who calls whom, the state or outcome, the time until the \
answer, the time talked, and queue, parking slot and transfers. A `?` marks what the bridge had to infer.

Examples:
  cti-bridge calls
  cti-bridge calls --follow
  cti-bridge calls --since 15m --number +390721000111
  cti-bridge calls --since 24h --csv")]
pub struct Args {
    /// Go on, and print a call again whenever it changes; reads the journal every second until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Calls that go on, or that ended within this time
    #[arg(long, value_name = "AGO", value_parser = super::duration, default_value = "1h")]
    since: Duration,
    /// Only calls with this party, as "+39 0721 000111" or as the PBX shows it; a number that the PBX has masked never matches
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    number: Option<String>,
    /// Only calls of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print the newest event of each call as a JSON object
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print ended calls as comma-separated values, with a header
    #[arg(long)]
    csv: bool,
    /// The journal's directory, instead of [journal] dir
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

impl Args {
    /// Whether the output is for people, rather than for programs.
    pub fn is_for_people(&self) -> bool {
        !self.json && !self.csv
    }
}

/// The time between two reads of the journal.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs the command. Calls go to `out`, errors to `err`.
pub fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Some(dir) = journal::directory(args.dir.clone(), None, &args.flags, err)? else {
        return Ok(Exit::Config);
    };
    // A journal that was copied elsewhere has no configuration.
    let sources = load_calls(&args.flags).unwrap_or_default();
    let named = match args.number.as_deref().map(|number| Named::new(number, &sources)) {
        Some(None) => {
            writeln!(err, "--number has no digits: give a number, such as \"+39 0721 000111\" or \"201\"")?;
            return Ok(Exit::Usage);
        }
        named => named.flatten(),
    };
    let ago = SignedDuration::try_from(args.since).unwrap_or(SignedDuration::MAX);
    let since = Timestamp::now().checked_sub(ago).unwrap_or(Timestamp::MIN);
    let mut reader = Reader::new(&dir, Calls::new(since, named));
    let archive = match reader.read(args.source.as_deref(), err)? {
        Ok(archive) => archive,
        Err(exit) => return Ok(exit),
    };
    let rows = reader.calls.take_changed();
    if rows.is_empty() && are_off(&sources, args.source.as_deref()) {
        writeln!(err, "calls are off: set `calls = true` in [derive]")?;
        return Ok(Exit::Config);
    }
    let several = archive.sources.len() > 1;
    let printer = Printer::new(Style::of_stdout(), TimeZone::system(), several);
    let reach = reader.reach(&archive, since).map(|reach| printer.moment(reach, Timestamp::now()));
    let screen = Screen { args, printer };
    screen.begin(out)?;
    for row in &rows {
        screen.show(&archive, row, out)?;
    }
    out.flush()?;
    if let Some(reach) = reach {
        writeln!(err, "the journal reaches back to {reach}; calls that ended before are in the sinks only")?;
    }
    if args.follow {
        return runtime::block_on(follow(&screen, &mut reader, (out, err))).unwrap_or(Ok(Exit::Internal));
    }
    if rows.is_empty() {
        let ago = humantime::format_duration(args.since);
        writeln!(err, "no call is going on, and none has ended in the last {ago}")?;
    }
    journal::complete(&archive, err)
}

/// Whether the configuration derives no calls, of this source or of any. A journal without a configuration may have some.
fn are_off(sources: &Sources, only: Option<&str>) -> bool {
    let mut shown = sources.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).peekable();
    shown.peek().is_some() && shown.all(|(_, source)| !source.is_derived)
}

/// Shows what changes, until a signal.
async fn follow(
    screen: &Screen<'_>,
    reader: &mut Reader<'_>,
    (out, err): (&mut impl Write, &mut impl Write),
) -> io::Result<Exit> {
    let mut signals = match super::signals() {
        Ok(signals) => signals,
        Err(ended) => return writeln!(err, "{ended}").map(|()| ended.exit),
    };
    loop {
        tokio::select! {
            _ = signals.next() => return Ok(Exit::Clean),
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let archive = match reader.read(screen.args.source.as_deref(), err)? {
            Ok(archive) => archive,
            Err(exit) => return Ok(exit),
        };
        for row in &reader.calls.take_changed() {
            screen.show(&archive, row, out)?;
        }
        out.flush()?;
    }
}

/// Where calls are shown, and how.
struct Screen<'a> {
    args: &'a Args,
    printer: Printer,
}

impl Screen<'_> {
    /// Writes the header.
    fn begin(&self, out: &mut impl Write) -> io::Result<()> {
        match (self.args.json, self.args.csv) {
            (true, _) => Ok(()),
            (_, true) => writeln!(out, "{}", csv::HEADER),
            _ => writeln!(out, "{}", self.printer.header()),
        }
    }

    fn show(&self, archive: &Archive, row: &Row, out: &mut impl Write) -> io::Result<()> {
        let source = source(archive, row.source);
        if self.args.json {
            out.write_all(&row.data)?;
            return writeln!(out);
        }
        if self.args.csv {
            return if row.is_over() { writeln!(out, "{}", csv::record(source, row)) } else { Ok(()) };
        }
        writeln!(out, "{}", self.printer.line(source, row, Timestamp::now()))
    }
}

/// The settings of all sources that concern calls.
type Sources = BTreeMap<String, SourceCalls>;
