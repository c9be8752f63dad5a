//! Compares what the next process finds and announces with what was appended.

use event::{Body, Record, SinkId};

use super::{
    super::{begin, notice_of, read, settle},
    Round, SINKS, SOURCES, Written,
    writer::{id, open},
};

/// Collected violations.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub lost: u64,
    pub broken: Vec<String>,
}

impl Verdict {
    fn check(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(text());
        }
    }
}

/// First and last number.
type Span = (u64, u64);

pub(super) fn judge(round: &Round, written: &[Written; 2]) -> Verdict {
    let journal = open(round);
    journal.announce_losses();
    let sessions = SOURCES.map(|source| begin(&journal, source));
    let mut verdict = Verdict::default();
    // Records removed by compaction are charged and announced when a sink passes their position.
    let mut readers = [0, 1].map(|sink| journal.reader(SinkId(sink)));
    let mut records = [Vec::new(), Vec::new()];
    while readers.iter().any(|reader| !reader.at_end()) {
        for (reader, records) in readers.iter_mut().zip(&mut records) {
            let next = read(reader);
            settle(reader, &next);
            records.extend(next);
        }
        journal.announce_losses();
    }
    for (source, name) in SOURCES.iter().enumerate() {
        let of = |sink: usize| records[sink].iter().filter(move |record| record.source == id(source));
        let account = Account {
            // The second sink has settled nothing, so it reads every retained notice.
            records: of(1).collect(),
            written: written[source],
            newest: journal.newest(id(source)).0.0,
        };
        for ((sink, sink_name), number) in SINKS.iter().enumerate().zip((0..).map(SinkId)) {
            let (ledger, pending) = journal.ledger(number, id(source));
            let found = of(sink).count() as u64;
            let (lost, announced) = (ledger.lost.values().sum::<u64>(), account.announced(sink_name));
            let reported: u64 = announced.iter().map(|(count, _)| count).sum();
            let place = format!("{name} at {sink_name}");
            verdict.check(pending == 0, || format!("{place}: {pending} pending of {found} that were read"));
            verdict.check(ledger.received == ledger.settled() + pending, || format!("{place}: {ledger:?}"));
            verdict.check(lost == reported, || {
                format!("{place}: {lost} lost by its ledger, {reported} announced")
            });
            let given = account.given();
            verdict.check(ledger.received == given, || {
                format!("{place}: {} received by its ledger, {given} numbers given", ledger.received)
            });
        }
        account.numbers(name, &mut verdict);
        account.events(name, &mut verdict);
    }
    drop(sessions);
    verdict
}

/// Records of one source, from its first number on.
struct Account<'a> {
    records: Vec<&'a Record>,
    written: Written,
    newest: u64,
}

impl Account<'_> {
    /// Returns the notices of loss for a sink: the count and the numbers of each.
    fn announced(&self, sink: &str) -> Vec<(u64, Span)> {
        let lost = self.records.iter().map(|record| notice_of(record));
        let lost = lost.filter(|(what, data)| *what == "lost" && data["sink"] == sink);
        lost.map(|(_, data)| {
            let number = |key: &str| data[key].as_u64().unwrap();
            (number("count"), (number("from"), number("to")))
        })
        .collect()
    }

    /// Returns the numbers that gaps list as skipped.
    fn skipped(&self) -> Vec<Span> {
        let gaps = self.records.iter().map(|record| notice_of(record)).filter(|(what, _)| *what == "gap");
        gaps.filter_map(|(_, data)| Some((data["skipped"][0].as_u64()?, data["skipped"][1].as_u64()?)))
            .collect()
    }

    fn given(&self) -> u64 {
        let skipped: u64 = self.skipped().iter().map(length).sum();
        (self.newest + 1).saturating_sub(self.written.first).saturating_sub(skipped)
    }

    /// Checks that every number has a record or a notice, and that notices count no more than is missing.
    fn numbers(&self, name: &str, verdict: &mut Verdict) {
        let (mut missing, mut next) = (Vec::new(), self.written.first);
        for record in &self.records {
            let seq = record.seq.0;
            verdict.check(seq >= next, || format!("{name}: number {seq} comes after {}", next - 1));
            missing.extend((next < seq).then(|| (next, seq - 1)));
            next = seq + 1;
        }
        missing.extend((next <= self.newest).then_some((next, self.newest)));
        let (announced, skipped) = (self.announced(SINKS[1]), self.skipped());
        let known: Vec<Span> =
            announced.iter().map(|(_, span)| *span).chain(skipped.iter().copied()).collect();
        let silent = outside(&missing, known);
        verdict.check(silent.is_empty(), || {
            format!(
                "{name}: {} ranges of numbers that no notice covers, the first {:?}",
                silent.len(),
                silent[0]
            )
        });
        let lost: u64 = announced.iter().map(|(count, _)| count).sum();
        let gone = missing.iter().map(length).sum::<u64>().saturating_sub(skipped.iter().map(length).sum());
        verdict.check(lost == gone, || format!("{name}: {gone} numbers gone, {lost} announced"));
        verdict.lost += lost;
    }

    /// Checks that every committed event is present or announced as lost.
    fn events(&self, name: &str, verdict: &mut Verdict) {
        let found: Vec<u64> = self.records.iter().filter_map(|record| number(record)).collect();
        verdict.check(found.is_sorted_by(|a, b| a < b), || format!("{name}: events are out of order"));
        let (found, Written { committed, offered, .. }) = (found.len() as u64, self.written);
        let lost: u64 = self.announced(SINKS[1]).iter().map(|(count, _)| count).sum();
        verdict.check(found + lost >= committed, || {
            format!("{name}: {committed} events committed, {found} there, {lost} announced as lost")
        });
        verdict.check(found <= offered, || format!("{name}: {found} events there, {offered} offered"));
    }
}

fn length((from, to): &Span) -> u64 {
    to - from + 1
}

/// Returns the parts of `spans` outside all `known` ones.
fn outside(spans: &[Span], mut known: Vec<Span>) -> Vec<Span> {
    known.sort_unstable();
    let mut left = Vec::new();
    for &(mut from, to) in spans {
        for &(begin, end) in &known {
            if begin > from && begin <= to && end >= from {
                left.push((from, begin - 1));
            }
            if begin <= to && end >= from {
                from = end + 1;
            }
        }
        left.extend((from <= to).then_some((from, to)));
    }
    left
}

fn number(record: &Record) -> Option<u64> {
    let Body::Event(frame) = &record.body else { return None };
    let data: serde_json::Value = serde_json::from_slice(&frame.args()).unwrap();
    data["n"].as_u64()
}
