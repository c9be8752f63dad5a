//! `cti-bridge journal erase`: removes the events that name a telephone number.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, Write},
    sync::Arc,
};

use crate::{
    app::config::Config,
    derive::{self, CallCounters},
    event::{Body, Record},
    exit::Exit,
    journal::{Erased, Journal, Unmonitored, fs},
    route::privacy::{Dialling, E164, mentions},
};

/// Flags of the command.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Args {
    /// The number, as "+39 0721 000111" or as the PBX shows it; repeat it for several. "-" reads one per line from stdin, which
    /// keeps them out of the process list
    #[arg(long = "number", value_name = "NUMBER", required = true, allow_hyphen_values = true)]
    numbers: Vec<String>,
}

/// A number in the forms of one source.
struct Wanted {
    dialling: Dialling,
    numbers: Vec<E164>,
}

impl Wanted {
    fn is_named(&self, name: &[u8], data: &[u8]) -> bool {
        self.numbers.iter().any(|number| mentions(number, &self.dialling, name, data))
    }

    fn is_named_in(&self, record: &Record) -> bool {
        match &record.body {
            Body::Event(frame) => {
                self.is_named(&frame.name(), &[b"[", &frame.args()[..], b"]"].concat())
                    || frame.attachments.iter().any(|attachment| self.is_named(b"", attachment))
            }
            Body::Call(call) => self.is_named(b"", &call.data),
            Body::Notice(_) => false,
        }
    }
}

/// Runs the command. The bridge must not be running.
pub(super) fn run(
    args: &Args,
    config: &Config,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Exit> {
    let numbers = match read(&args.numbers)? {
        Ok(numbers) => numbers,
        Err(problem) => {
            writeln!(err, "{problem}")?;
            return Ok(Exit::Usage);
        }
    };
    let Some(disk) = &config.journal.disk else {
        writeln!(err, "the journal is in memory: it is gone with the process, so there is nothing to erase")?;
        return Ok(Exit::Config);
    };
    let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
    let (sources, sinks) = (names(config.sources.keys().collect()), names(config.sinks.keys().collect()));
    // As the bridge opens it: the calls that are going on go on with the next start.
    let calls = derive::calls(config.sources_with_calls(), &CallCounters::default());
    let monitor = Arc::new(Unmonitored);
    let opened = Journal::open_with(disk, Arc::new(fs::Disk), &sources, &sinks, monitor, Some(&calls));
    let journal = match opened {
        Ok((journal, recovery)) => {
            for note in recovery.notes {
                writeln!(err, "the journal was repaired: {note}")?;
            }
            journal
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(Exit::Journal);
        }
    };
    let wanted: Vec<Wanted> = journal
        .sources()
        .iter()
        .map(|source| {
            let dialling =
                config.sources.get(source).map(|source| source.dialling.clone()).unwrap_or_default();
            let numbers = numbers.iter().filter_map(|number| dialling.e164(number)).collect();
            Wanted { dialling, numbers }
        })
        .collect();
    let matches =
        |record: &Record| wanted.get(record.source.index()).is_some_and(|wanted| wanted.is_named_in(record));
    let is_in_letter = |content: &[u8]| wanted.iter().any(|wanted| wanted.is_named(b"", content));
    let erased = journal
        .erase(&matches)
        .and_then(|erased| journal.erase_dead_letters(&is_in_letter).map(|letters| (erased, letters)));
    let outcome = match erased {
        Ok((erased, letters)) => report(&journal, config, &erased, letters, out).map(|()| Exit::Clean),
        Err(error) => {
            writeln!(err, "could not erase everything: {error}; check the disk, and run the command again")?;
            Ok(Exit::Journal)
        }
    };
    journal.close();
    outcome
}

/// The numbers, or what is wrong with them.
fn read(given: &[String]) -> io::Result<Result<BTreeSet<String>, String>> {
    let mut numbers = BTreeSet::new();
    for text in given {
        if text == "-" {
            for line in io::stdin().lock().lines() {
                numbers.insert(line?.trim().to_owned());
            }
        } else {
            numbers.insert(text.trim().to_owned());
        }
    }
    numbers.retain(|number| !number.is_empty());
    let digits = |number: &String| number.chars().filter(char::is_ascii_digit).count();
    // A shorter one is an extension, which is named in nearly every event.
    Ok(match numbers.iter().find(|number| digits(number) < SHORTEST) {
        Some(number) => Err(format!(
            "{number:?} has fewer than {SHORTEST} digits: give the complete number, as in +390721000111"
        )),
        None if numbers.is_empty() => Err("no number was given on stdin".to_owned()),
        None => Ok(numbers),
    })
}

/// The fewest digits of a number to erase.
const SHORTEST: usize = 6;

fn report(
    journal: &Journal,
    config: &Config,
    erased: &Erased,
    letters: u64,
    out: &mut impl Write,
) -> io::Result<()> {
    let total: u64 = erased.records.iter().sum();
    writeln!(
        out,
        "erased {total} events ({} bytes) in {} segments, and {letters} dead letters",
        erased.bytes, erased.segments
    )?;
    for (source, count) in journal.sources().iter().zip(&erased.records).filter(|(_, count)| **count > 0) {
        writeln!(out, "  source {source}: {count} events")?;
    }
    for (source, settings) in &config.sources {
        if settings.dialling.country_code.is_empty() {
            writeln!(
                out,
                "source {source} has no `country_code`: numbers were compared digit by digit, so also give the number as this PBX shows it"
            )?;
        }
    }
    let dir = config.journal.disk.as_ref().map(|disk| disk.dir.display().to_string()).unwrap_or_default();
    writeln!(out, "not searched:")?;
    for (name, sink) in &config.sinks {
        writeln!(out, "  what was delivered to the sink {name} ({})", sink.kind.type_name())?;
    }
    if erased.quarantined > 0 {
        writeln!(out, "  {} damaged files in {dir}/quarantine: remove them", erased.quarantined)?;
    }
    if erased.renamed > 0 {
        writeln!(out, "  {} segments in {dir}/renamed: remove them", erased.renamed)?;
    }
    writeln!(out, "  backups and snapshots of {dir}, logs, and what consumers keep")
}
