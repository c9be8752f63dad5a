//! `cti-bridge route test`: shows what the routes do with an event.

mod input;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use self::input::{FIXTURES, Input};
use crate::{
    app::config::Config,
    config::Flags,
    event::{Body, JournalId, Record, SourceId},
    exit::Exit,
    route::{Explanation, Plan, Route, Verdict},
    sink,
};

/// Show what the routes of the sinks do with an event
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge route test --fixture every-event
  cti-bridge route test --event events.jsonl --sink bus --json")]
pub struct Args {
    /// The action.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Action {
    Test(TestArgs),
}

/// Show which route applies to each event, why those before it do not, and where the event is published
///
/// Connects to nothing. An event is a JSON object or array on a line of its own: a `CloudEvent` as the bridge publishes it, a Socket.IO array
/// ["name", …], or a line of `cti-bridge record`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge route test --fixture every-event
  cti-bridge route test --event events.jsonl --sink bus --json")]
struct TestArgs {
    /// A file of events, one per line; `-` reads standard input
    #[arg(long, value_name = "FILE", required_unless_present = "fixture", conflicts_with = "fixture")]
    event: Option<PathBuf>,
    /// A recording of invented people, built into the program
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(FIXTURES.iter().map(|(name, _)| *name)))]
    fixture: Option<String>,
    /// Only this sink; all by default
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// The source of events that do not name one; may be left out if there is only one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Print a JSON object per event and sink
    #[arg(long)]
    json: bool,
}

/// Runs the command. Results go to `out`, problems to `err`.
pub fn run(args: &Args, flags: &Flags, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let Action::Test(args) = &args.action;
    let Some(config) = super::configuration(flags, err)? else { return Ok(Exit::Config) };
    let sinks: Vec<_> =
        config.sinks.iter().filter(|(name, _)| args.sink.as_ref().is_none_or(|only| only == *name)).collect();
    if sinks.is_empty() {
        let known: Vec<&str> = config.sinks.keys().map(String::as_str).collect();
        let name = args.sink.as_deref().unwrap_or_default();
        writeln!(err, "there is no sink {name:?}: the configuration has {}", known.join(", "))?;
        return Ok(Exit::Usage);
    }
    let text = match args.text() {
        Ok(text) => text,
        Err(error) => {
            let file = args.event.as_deref().unwrap_or(Path::new("-")).display();
            writeln!(err, "can't read {file}: {error}")?;
            return Ok(Exit::Usage);
        }
    };
    let mut exit = Exit::Clean;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let input = match Input::parse(line) {
            Ok(input) => input,
            Err(error) => {
                writeln!(err, "line {}: {error}", number + 1)?;
                exit = Exit::Usage;
                continue;
            }
        };
        let source = match args.source_of(&input, &config) {
            Ok(source) => source,
            Err(error) => {
                writeln!(err, "line {}: {error}", number + 1)?;
                return Ok(Exit::Usage);
            }
        };
        let record = input.record(SourceId(0));
        let tested: Vec<_> = sinks
            .iter()
            .map(|(name, sink)| Tested { source: &source, record: &record, name, sink })
            .collect();
        if let (false, Some(first)) = (args.json, tested.first()) {
            writeln!(out, "{}", first.title())?;
        }
        for tested in tested {
            if args.json {
                writeln!(out, "{}", tested.json())?;
            } else {
                tested.write(out)?;
            }
        }
    }
    Ok(exit)
}

impl TestArgs {
    fn text(&self) -> io::Result<String> {
        if let Some(fixture) = &self.fixture {
            let text = FIXTURES.iter().find(|(name, _)| name == fixture).map(|(_, text)| *text);
            return Ok(text.unwrap_or_default().to_owned());
        }
        match self.event.as_deref() {
            None => Ok(String::new()),
            Some(path) if path == Path::new("-") => io::read_to_string(io::stdin()),
            Some(path) => std::fs::read_to_string(path),
        }
    }

    /// The name of the event's source: the event's own, the one that was chosen, or the only one.
    fn source_of(&self, input: &Input, config: &Config) -> Result<String, super::SourceChoiceError> {
        match (&self.source, &input.source) {
            (None, Some(source)) => Ok(source.clone()),
            (named, _) => super::one_source(config, named.as_deref()).map(|(name, _)| name.to_owned()),
        }
    }
}

/// An event and a sink.
struct Tested<'a> {
    source: &'a str,
    record: &'a Record,
    name: &'a str,
    sink: &'a sink::config::Config,
}

impl Tested<'_> {
    fn explanation(&self) -> Explanation<'_> {
        self.sink.routes.explain(self.source, self.record)
    }

    fn verdict(&self) -> Verdict {
        let mut plan: Plan = self.sink.plan(JournalId::draw(), Arc::new([self.source.to_owned()]));
        plan.decide(self.record)
    }

    /// The place that the event is published to, as the broker names it: key and value.
    fn address(&self) -> Option<Vec<(&'static str, String)>> {
        match self.verdict() {
            Verdict::Publish(published) => Some(self.sink.kind.address(&published.names)),
            Verdict::Filtered(_) => None,
        }
    }

    fn event(&self) -> (&'static str, String) {
        match &self.record.body {
            Body::Event(frame) => ("event", String::from_utf8_lossy(&frame.name()).into_owned()),
            Body::Notice(notice) => ("bridge", notice.name.to_string()),
            Body::Call(call) => ("call", call.step.to_string()),
        }
    }

    fn entity(&self) -> Option<String> {
        match &self.record.body {
            Body::Event(frame) => {
                let args = frame.args();
                crate::event::entity(&frame.name(), &args).map(|entity| entity.subject())
            }
            Body::Notice(_) => None,
            Body::Call(call) => Some(format!("call/{}", call.key)),
        }
    }

    /// The line above the sinks.
    fn title(&self) -> String {
        let (class, name) = self.event();
        let class = match class {
            "bridge" => "bridge event ",
            "call" => "call step ",
            _ => "",
        };
        let entity =
            self.entity().map_or_else(|| "no entity".to_owned(), |entity| format!("entity {entity}"));
        format!("{class}{name}, {entity}, source {}", self.source)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let explanation = self.explanation();
        write!(out, "  {}: ", self.name)?;
        match self.address() {
            None => write!(out, "dropped")?,
            Some(address) => {
                let is_on_change = explanation.route.is_some_and(Route::is_on_change);
                let condition = if is_on_change { " if its entity's data has changed" } else { "" };
                write!(out, "published{condition}")?;
                address.iter().try_for_each(|(key, value)| write!(out, ", {key} {value}"))?;
            }
        }
        writeln!(out)?;
        for (route, mismatch) in &explanation.passed {
            writeln!(out, "    route {} ({}) does not match: {mismatch}", route.name, route.place)?;
        }
        match explanation.route {
            Some(route) => writeln!(out, "    route {} ({}) applies", route.name, route.place),
            None if explanation.passed.is_empty() => writeln!(out, "    it has no routes"),
            None => writeln!(out, "    no route applies"),
        }
    }

    fn json(&self) -> Value {
        let (explanation, address, (class, name)) = (self.explanation(), self.address(), self.event());
        let passed = explanation.passed.iter().map(
            |(route, mismatch)| json!({ "route": &*route.name, "place": route.place, "mismatch": mismatch }),
        );
        let address = address.map(|address| {
            address
                .into_iter()
                .map(|(key, value)| (key.to_owned(), Value::from(value)))
                .collect::<serde_json::Map<_, _>>()
        });
        json!({
            "source": self.source,
            "class": class,
            "event": name,
            "entity": self.entity(),
            "sink": self.name,
            "outcome": if address.is_some() { "published" } else { "filtered" },
            "address": address,
            "route": explanation.route.map(|route| &*route.name),
            "place": explanation.route.map(|route| &route.place),
            "onChange": explanation.route.is_some_and(Route::is_on_change),
            "passed": passed.collect::<Vec<_>>(),
        })
    }
}
