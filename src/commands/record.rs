//! `cti-bridge record FILE`: records the events of a PBX for `simulate --replay`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    live_session::{Ended, LiveSession},
    logout, output,
};
use crate::{
    app::config::Config,
    config::Flags,
    event::{Body, Origin, RawEvent, Record, SourceId},
    exit::Exit,
    route::{Privacy, privacy::Redactor},
    runtime, telemetry,
};

/// Record the events of a PBX for `simulate --replay`
///
/// Opens a session of its own, which works beside the bridge and takes over no other session. Numbers and names of external
/// parties are masked; names of the PBX's own users and extensions are not. Ctrl-C ends it and logs out.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge record calls.jsonl --for 10m")]
pub struct Args {
    /// The new file: one event per line, readable by its owner only
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The source to record; may be left out if there is only one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// End after this time: 10m
    #[arg(long = "for", value_name = "TIME", value_parser = super::duration)]
    time: Option<Duration>,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Record numbers, names, addresses and pictures too
    #[arg(long)]
    reveal: bool,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Runs until a signal, the time limit, or the last event. Prints a summary to `err`.
pub fn run(args: &Args, err: &mut impl Write) -> io::Result<Exit> {
    let Some(config) = super::configuration(&args.flags, err)? else { return Ok(Exit::Config) };
    // Before the login: a file in the way costs none. A link that leads nowhere is in the way too.
    if !args.force && args.file.symlink_metadata().is_ok() {
        let file = args.file.display();
        writeln!(err, "{file} already exists: name another file, or add --force to replace it")?;
        return Ok(Exit::Usage);
    }
    if args.flags.wants_log() {
        telemetry::start(&config.log);
    }
    match runtime::block_on(args.record(&config)) {
        None => Ok(Exit::Internal),
        Some(Ok(Some(recorder))) => {
            writeln!(err, "{}: {}", args.file.display(), recorder.summary())?;
            Ok(Exit::Clean)
        }
        Some(Ok(None)) => Ok(Exit::Clean),
        Some(Err(ended)) => {
            writeln!(err, "{ended}")?;
            Ok(ended.exit)
        }
    }
}

impl Args {
    /// `None` if it was ended before it started.
    async fn record(&self, config: &Config) -> Result<Option<Recorder>, Ended> {
        let mut signals = super::signals()?;
        let (name, source) = super::one_source(config, self.source.as_deref())
            .map_err(|problem| Ended::new(Exit::Usage, problem))?;
        let mut watch = tokio::select! {
            opened = LiveSession::open(name, source, logout::bridge(config.admin.as_ref())) => opened.map_err(|ended| ended.of(name))?,
            _ = signals.next() => return Ok(None),
        };
        let privacy = if self.reveal { Privacy::clear() } else { Privacy::outside() };
        let mut recorder = match Recorder::new(&self.file, self.force, Redactor::of_one(privacy)) {
            Ok(recorder) => recorder,
            Err(error) => {
                watch.close().await;
                return Err(self.unwritable(&error));
            }
        };
        let until = self.time.and_then(|time| Instant::now().checked_add(time));
        let ended = loop {
            let records = tokio::select! {
                records = watch.next() => records,
                () = at(until) => break Ok(()),
                _ = signals.next() => break Ok(()),
            };
            match records.map(|records| recorder.take(&records, self.events)) {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => break Ok(()),
                Ok(Err(error)) => break Err(self.unwritable(&error)),
                Err(ended) => break Err(ended.of(name)),
            }
        };
        watch.close().await;
        ended?;
        output::sync(recorder.file.get_ref()).map_err(|error| self.unwritable(&error))?;
        Ok(Some(recorder))
    }

    fn unwritable(&self, error: &io::Error) -> Ended {
        Ended::new(Exit::OUTPUT, output::unwritable(self.file.display(), error))
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The recording.
struct Recorder {
    file: BufWriter<File>,
    redactor: Redactor,
    events: u64,
    /// Binary attachments have no place in a line of JSON.
    binary: u64,
    gaps: u64,
}

impl Recorder {
    fn new(path: &Path, force: bool, redactor: Redactor) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        let file = match path.symlink_metadata().map(|found| found.file_type()) {
            // A pipe or a device is written to; only a file, or a link, is replaced.
            Ok(found) if force && !found.is_file() && !found.is_symlink() => options.open(path)?,
            Ok(_) if force => fs::remove_file(path).and_then(|()| options.create_new(true).open(path))?,
            _ => options.create_new(true).open(path)?,
        };
        Ok(Self { file: BufWriter::new(file), redactor, events: 0, binary: 0, gaps: 0 })
    }

    /// Writes what of the records is an event; whether these were all.
    fn take(&mut self, records: &[Record], most: Option<u64>) -> io::Result<bool> {
        // A snapshot is nothing that the PBX sent by itself.
        for record in records.iter().filter(|record| record.origin == Origin::Live) {
            match &record.body {
                Body::Event(frame) if frame.attachments.is_empty() => {
                    self.file.write_all(&line(frame, &mut self.redactor))?;
                    self.events += 1;
                    if most.is_some_and(|most| self.events >= most) {
                        self.file.flush()?;
                        return Ok(true);
                    }
                }
                Body::Event(_) => self.binary += 1,
                // The first tells that nothing was seen before.
                Body::Notice(notice) => self.gaps += u64::from(notice.name == "gap"),
                // Calls are derived again from the events.
                Body::Call(_) => {}
            }
        }
        self.file.flush()?;
        Ok(false)
    }

    fn summary(&self) -> String {
        let mut parts = vec![format!("recorded {} events", self.events)];
        for (count, what) in [
            (self.gaps.saturating_sub(1), "gaps where events may be missing"),
            (self.binary, "left out for their binary attachments"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }
}

/// An event as `simulate --replay` reads it: name and arguments are the PBX's own text.
fn line(frame: &RawEvent, redactor: &mut Redactor) -> Vec<u8> {
    let args = Bytes::from([b"[", &frame.args()[..], b"]"].concat());
    let args = redactor.event(SourceId(0), &frame.name(), &args).unwrap_or(args);
    let name = frame.bytes.get(frame.name.start as usize..frame.name.end as usize).unwrap_or_default();
    let mut line = format!("{{\"at\":\"{:.6}\",\"event\":\"", frame.at).into_bytes();
    line.extend_from_slice(name);
    line.extend_from_slice(b"\",\"args\":");
    // What could not be masked is one text.
    let whole = args.first() == Some(&b'[');
    line.extend_from_slice(if whole { b"" } else { b"[" });
    line.extend_from_slice(&args);
    line.extend_from_slice(if whole { b"}" } else { b"]}" });
    // JSON allows line breaks between its tokens, and nowhere else: a space is the same.
    for byte in line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    line.push(b'\n');
    line
}
