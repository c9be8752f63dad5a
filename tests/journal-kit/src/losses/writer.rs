//! The writer process, which gets killed.

use std::{
    io::Write as _,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use event::{RawEvent, SinkId, SourceId};
use fastrand::Rng;
use jiff::Timestamp;
use journal::{Journal, Live, Reader, Unmonitored, fs};

use super::{
    super::{begin, read, settle},
    Cause, Round, SINKS, SOURCES,
};

/// Exits by itself if it is not killed.
const LONGEST: Duration = Duration::from_mins(1);

/// Opens the journal of the round in the environment, and appends until it is killed.
pub fn write() {
    let round = Round::from_environment();
    let cause = round.cause();
    let journal = open(&round);
    let mut rng = Rng::with_seed(round.seed ^ round.sent[0]);
    for source in [0, 1] {
        report("first", source, journal.newest(id(source)).0.0 + 1);
    }
    let mut sessions = SOURCES.map(|source| begin(&journal, source));
    let mut reader = journal.reader(SinkId(0));
    let mut sent = round.sent;
    let (ends, mut has_reported) = (Instant::now() + LONGEST, false);
    while Instant::now() < ends {
        let source = rng.usize(..2);
        let batch = rng.u64(1..8);
        report("offered", source, sent[source] + batch);
        append(&mut sessions[source], sent[source], batch, &mut rng);
        sent[source] += batch;
        report("committed", source, sent[source]);
        if cause != Cause::Newest && rng.u8(..4) == 0 {
            settle_some(&journal, &mut reader, &mut rng);
        }
        match rng.u8(..) {
            // Maintenance runs once a second, at any moment: it writes cursors and drops expired records.
            ..12 => journal.sync(),
            // If written records are never dropped, no loss may be announced twice.
            12..14 if !cause.takes_the_oldest() => journal.announce_losses(),
            _ => {}
        }
        if !has_reported && has_lost(&journal) {
            report("lost", source, 0);
            has_reported = true;
        }
        if has_reported || rng.u8(..8) == 0 {
            sleep(Duration::from_micros(rng.u64(..2_000)));
        }
    }
}

pub(super) fn open(round: &Round) -> Journal {
    let config = round.cause().config(&round.dir);
    let opened = Journal::open(
        &config,
        Arc::new(fs::Disk),
        &SOURCES.map(str::to_owned),
        &SINKS.map(str::to_owned),
        Arc::new(Unmonitored),
    );
    opened.unwrap_or_else(|error| panic!("it was refused: {error}")).0
}

pub(super) fn id(source: usize) -> SourceId {
    SourceId(u16::try_from(source).unwrap())
}

/// Appends numbered events, most of them of one name; some supersede an earlier one of their extension.
fn append(session: &mut Live, first: u64, count: u64, rng: &mut Rng) {
    for number in first..first + count {
        let name = if rng.u8(..8) == 0 { "queueUpdate" } else { "extenUpdate" };
        let (entity, filler) = (rng.u8(..20), "x".repeat(rng.usize(..800)));
        session.event(frame(name, &format!(r#"{{"exten":"{entity}","n":{number},"x":"{filler}"}}"#)));
    }
    session.commit();
}

fn frame(name: &str, data: &str) -> RawEvent {
    let text = format!("42[\"{name}\",{data}]");
    let (begin, end) = (4 + u32::try_from(name.len()).unwrap(), u32::try_from(text.len()).unwrap() - 1);
    let (name, args) = (4..begin, begin + 2..end);
    RawEvent { at: Timestamp::now(), bytes: text.into(), name, args, argc: 1, attachments: Box::default() }
}

/// The first sink mostly keeps up; the second one never reads.
fn settle_some(journal: &Journal, reader: &mut Reader, rng: &mut Rng) {
    let records = read(reader);
    settle(reader, &records[..rng.usize(..=records.len())]);
    // Unsettled records are read again.
    *reader = journal.reader(SinkId(0));
}

fn has_lost(journal: &Journal) -> bool {
    [0, 1].into_iter().any(|source| !journal.ledger(SinkId(1), id(source)).0.lost.is_empty())
}

/// Writes one complete line at once, so that it survives the kill.
fn report(what: &str, source: usize, number: u64) {
    let line = format!("@ {what} {source} {number}\n");
    // The parent is gone, so nothing will kill this process either.
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        std::process::exit(0);
    }
}
