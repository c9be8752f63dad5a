//! `cti-bridge tail`: shows events as they arrive, from the PBX or from a sink.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::Arc,
};

use super::{
    live_session::{Ended, LiveSession},
    logout,
};
use crate::{
    app::config::Config,
    config::Flags,
    event::{Class, CloudEvent, Mark, Seq, SourceId, event_type},
    exit::Exit,
    route::{Plan, Privacy, Rules, Verdict, privacy::Redactor},
    runtime,
    shutdown::Signals,
    sink::{
        Bridge, SinkError,
        stdout::{Lines, config::Format},
    },
    telemetry,
};

/// Show events as they arrive, without numbers and names of external parties
///
/// By default from the PBX, over a session of its own, which works beside the bridge and takes over no other session. Ctrl-C
/// ends it and logs out.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge tail --type extenUpdate --entity 201
  cti-bridge tail --sink bus --json")]
pub struct Args {
    /// The source to watch; may be left out if there is only one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Show what the bridge publishes to this sink, instead of the PBX's events
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// Only events of this name, or steps of calls; repeatable. The bridge's own notices are always shown
    #[arg(long = "type", value_name = "EVENT")]
    types: Vec<String>,
    /// Only events about this extension, queue, trunk, parking, user or call; repeatable
    #[arg(long = "entity", value_name = "ID")]
    entities: Vec<String>,
    /// Print a line for people per event; the default on a terminal
    #[arg(long, conflicts_with = "json")]
    pretty: bool,
    /// Print a `CloudEvent` as a JSON object per event; the default in a pipe
    #[arg(long)]
    json: bool,
    /// Show numbers, names, addresses and pictures too
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Runs until a signal, or until the reader closes the pipe.
pub fn run(args: &Args, err: &mut impl Write) -> io::Result<Exit> {
    let Some(config) = super::configuration(&args.flags, err)? else { return Ok(Exit::Config) };
    if args.flags.wants_log() {
        telemetry::start(&config.log);
    }
    let ended = match runtime::block_on(args.tail(&config)) {
        None => return Ok(Exit::Internal),
        Some(Ok(())) => return Ok(Exit::Clean),
        Some(Err(ended)) => ended,
    };
    writeln!(err, "{ended}")?;
    Ok(ended.exit)
}

impl Args {
    async fn tail(&self, config: &Config) -> Result<(), Ended> {
        let mut signals = super::signals()?;
        let pretty = self.pretty || !self.json && io::stdout().is_terminal();
        let screen = Screen {
            lines: Lines::to_stdout(if pretty { Format::Pretty } else { Format::Json }),
            redactor: Redactor::of_one(if self.reveal { Privacy::clear() } else { Privacy::outside() }),
            args: self,
        };
        match &self.sink {
            None => self.watch_pbx(config, screen, &mut signals).await,
            Some(name) => {
                let ended = tokio::select! {
                    ended = self.watch_bus(config, name, screen) => ended,
                    _ = signals.next() => Ok(()),
                };
                ended.or_else(Ended::unless_clean)
            }
        }
    }

    async fn watch_bus(&self, config: &Config, name: &str, mut screen: Screen<'_>) -> Result<(), Ended> {
        let usage = |problem: String| Ended::new(Exit::Usage, problem);
        let sink = config.sinks.get(name).ok_or_else(|| {
            let known: Vec<&str> = config.sinks.keys().map(String::as_str).collect();
            usage(format!("there is no sink {name:?}: the configuration has {}", known.join(", ")))
        })?;
        let sources: Vec<String> = match &self.source {
            None => config.sources.keys().cloned().collect(),
            named => vec![
                super::one_source(config, named.as_deref())
                    .map_err(|error| usage(error.to_string()))?
                    .0
                    .to_owned(),
            ],
        };
        let bridge = Bridge { instance: &config.instance, sources: &sources };
        let failed = |error: SinkError| Ended::new(Exit::Unavailable, format!("sinks.{name}: {error:#}"));
        let opening =
            sink.kind.subscribe(bridge).map_err(|reason| usage(format!("sinks.{name} is {reason}")))?;
        let mut subscription = opening.await.map_err(failed)?;
        loop {
            for received in subscription.next().await.map_err(failed)? {
                screen.show(received.event()).await?;
            }
        }
    }

    async fn watch_pbx(
        &self,
        config: &Config,
        mut screen: Screen<'_>,
        signals: &mut Signals,
    ) -> Result<(), Ended> {
        let (name, source) = super::one_source(config, self.source.as_deref())
            .map_err(|problem| Ended::new(Exit::Usage, problem))?;
        let mut watch = tokio::select! {
            opened = LiveSession::open(name, source, logout::bridge(config.admin.as_ref())) => opened.map_err(|ended| ended.of(name))?,
            _ = signals.next() => return Ok(()),
        };
        let mut plan = Plan::new(watch.journal(), Arc::new([name.to_owned()]), Rules::default());
        let mut prev = Seq::default();
        let show = async {
            loop {
                for record in watch.next().await? {
                    let Verdict::Publish(published) = plan.decide(&record) else { continue };
                    let event = plan.envelope(&record, &published, Mark::Numbered { seq: record.seq, prev });
                    if screen.show(event).await? {
                        prev = record.seq;
                    }
                }
            }
        };
        let ended = tokio::select! {
            ended = show => ended,
            _ = signals.next() => Ok(()),
        };
        watch.close().await;
        ended.or_else(Ended::unless_clean).map_err(|ended| ended.of(name))
    }

    /// Whether it was asked for.
    fn wants(&self, event: &CloudEvent<'_>) -> bool {
        let Some(name) = name(event).or_else(|| step(event)) else { return true };
        let slug = event.ty.strip_prefix("cti.event.").and_then(|ty| ty.strip_suffix(".v1"));
        let of_type = |wanted: &String| wanted == name || Some(wanted.as_str()) == slug;
        let about = |wanted: &String| {
            let Some((_, id)) = event.subject.and_then(|subject| subject.split_once('/')) else {
                return false;
            };
            id == wanted
                || id.split_once("/member/").is_some_and(|(whole, part)| whole == wanted || part == wanted)
        };
        (self.types.is_empty() || self.types.iter().any(of_type))
            && (self.entities.is_empty() || self.entities.iter().any(about))
    }
}

/// The Socket.IO name of an event of the PBX; none of what the bridge says itself.
fn name<'a>(event: &CloudEvent<'a>) -> Option<&'a str> {
    let slug = event.ty.strip_prefix("cti.event.").and_then(|ty| ty.strip_suffix(".v1"))?;
    Some(event.event.unwrap_or(slug))
}

/// The step of an event of a call. `None` for any other event.
fn step<'a>(event: &CloudEvent<'a>) -> Option<&'a str> {
    event.ty.strip_prefix("cti.call.")?.strip_suffix(".v1")
}

/// Where events are shown, and how.
struct Screen<'a> {
    lines: Lines<tokio::io::Stdout>,
    redactor: Redactor,
    args: &'a Args,
}

impl Screen<'_> {
    /// Shows the event, if it was asked for.
    async fn show(&mut self, mut event: CloudEvent<'_>) -> Result<bool, Ended> {
        if !self.args.wants(&event) {
            return Ok(false);
        }
        let source = SourceId(0);
        let subject = event.subject.and_then(|subject| self.redactor.subject(source, subject));
        let (mut ty, name) = (None, name(&event));
        if let Some(name) = name {
            let hidden = if event.binary {
                self.redactor.binary_event(source, name.as_bytes(), &event.data)
            } else {
                self.redactor.event(source, name.as_bytes(), &event.data)
            };
            event.data = hidden.unwrap_or(event.data);
            ty = self.redactor.event_name(name.as_bytes()).map(event_type);
        } else if let Some(step) = step(&event)
            && let Some(hidden) = self.redactor.notice(source, (Class::Call, step), &event.data)
        {
            event.data = hidden;
        }
        let event = CloudEvent {
            subject: subject.as_deref().or(event.subject),
            ty: ty.as_deref().unwrap_or(event.ty),
            event: event.event.filter(|_| ty.is_none()),
            ..event
        };
        self.lines.print(std::iter::once(&event)).await.map_err(|error| match error {
            // A closed pipe is a clean end, as for any filter.
            SinkError::Gone(_) => Ended::new(Exit::Clean, ""),
            error => Ended::new(Exit::OUTPUT, format!("{error:#}")),
        })?;
        Ok(true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::event::{JournalId, Origin};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn wants(line: &[&str], ty: &str, name: Option<&str>, subject: Option<&str>) -> bool {
        let Line { args } = Line::try_parse_from([&["tail"], line].concat()).unwrap();
        args.wants(&CloudEvent {
            journal: JournalId::draw(),
            mark: Mark::Status { start: 0, count: 0 },
            sink: None,
            gap: Seq(0),
            source: "/cti/pbx1",
            ty,
            subject,
            event: name,
            time: jiff::Timestamp::UNIX_EPOCH,
            args: 1,
            origin: Origin::Live,
            binary: false,
            redacted: None,
            cause: None,
            schema: None,
            data: bytes::Bytes::new(),
        })
    }

    #[test]
    fn filters_select_events_and_never_hide_notices() {
        let exten = ("cti.event.extenUpdate.v1", None, Some("extension/201"));
        let member = ("cti.event.queueMemberUpdate.v1", None, Some("queue/401/member/201"));
        let summary = ("cti.event.satellite=2Fsummary.v1", Some("satellite/summary"), None);
        let call = ("cti.call.ended.v1", None, Some("call/417-1"));
        let gap = ("cti.bridge.gap.v1", None, None);
        for (line, wanted) in [
            (&[][..], [true, true, true, true, true]),
            (&["--type", "extenUpdate"], [true, false, false, false, true]),
            (&["--type", "satellite/summary"], [false, false, true, false, true]),
            (&["--type", "satellite=2Fsummary", "--type", "extenUpdate"], [true, false, true, false, true]),
            (&["--type", "ended"], [false, false, false, true, true]),
            (&["--entity", "201"], [true, true, false, false, true]),
            (&["--entity", "401"], [false, true, false, false, true]),
            (&["--entity", "417-1"], [false, false, false, true, true]),
            (&["--entity", "20", "--entity", "1"], [false, false, false, false, true]),
            (&["--entity", "201", "--type", "queueMemberUpdate"], [false, true, false, false, true]),
        ] {
            let found =
                [exten, member, summary, call, gap].map(|(ty, name, subject)| wants(line, ty, name, subject));
            assert_eq!(found, wanted, "{line:?}");
        }
    }
}
