//! `cti-bridge simulate trigger`: sends one event into a running simulator.

use std::{
    io::{self, Write},
    sync::LazyLock,
    time::Duration,
};

use event::{Class, Schema};
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use url::Url;

use super::fields::{self, FieldError};
use crate::{
    api,
    config::{InvalidValue, flags::Suggestions, nearest},
    exit::Exit,
    runtime,
    text::PeerText,
};

/// The simulator answers at once, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// Send one event into a running simulator
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  cti-bridge simulate trigger extenRinging --set callerNum=0721000111
  cti-bridge simulate trigger userMainPresenceUpdate --set mainPresence.status=dnd
  cti-bridge simulate trigger huntGroupUpdate --data '{\"group\":\"601\"}'")]
pub(super) struct Args {
    /// The event; without --data or --args it is sent with the first example of its schema
    #[arg(value_name = "NAME", value_parser = Suggestions(&NAMES), hide_possible_values = true)]
    name: String,
    /// Set a field, dotted (`mainPresence.status=dnd`) or as a JSON Pointer (`/members/201/paused=true`); repeatable
    #[arg(long = "set", value_name = "FIELD=VALUE", value_parser = setting, conflicts_with = "arguments")]
    settings: Vec<(String, String)>,
    /// The data, as JSON: the one argument, or the array of arguments of an event with more or fewer
    #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
    data: Option<String>,
    /// All arguments, as a JSON array
    #[arg(long = "args", value_name = "JSON")]
    arguments: Option<String>,
    /// The simulator's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// The user that the simulator was started with
    #[arg(long, default_value = "bridge")]
    username: String,
    /// The user's password
    #[arg(long, default_value = "bridge")]
    password: SecretString,
}

/// Names of the events of the catalogue.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let events = event::schemas().iter().filter(|schema| schema.class == Class::Event);
    events.map(|schema| schema.name.as_str()).collect()
});

fn setting(text: &str) -> Result<(String, String), InvalidValue> {
    let (field, value) =
        text.split_once('=').ok_or(InvalidValue::new("write FIELD=VALUE, as in callerNum=0721000111"))?;
    Ok((field.to_owned(), value.to_owned()))
}

/// The reason why the event was not sent.
#[derive(Debug, thiserror::Error)]
enum TriggerError {
    #[error("the catalogue has no event {name}: {hint}")]
    Unknown { name: String, hint: String },
    #[error("{flag} is not {form}: {source}")]
    Json { flag: &'static str, form: &'static str, source: serde_json::Error },
    #[error("the data of {name} is the array of its {expected} arguments: give so many with --data")]
    Count { name: String, expected: u16 },
    #[error("{name}: {source}")]
    Field { name: String, source: FieldError },
    #[error(
        "no simulator answers at {url}: {reason}; start one with `cti-bridge simulate`, or give its address with --url"
    )]
    Unreachable { url: Url, reason: PeerText, source: reqwest::Error },
    #[error(
        "the simulator at {0} refused the user or the password: give those it was started with (--username, --password)"
    )]
    Credentials(Url),
    #[error("the simulator at {url} refused the event: {reason}")]
    Refused { url: Url, reason: PeerText },
    #[error(
        "the server at {url} is not a simulator of this version (HTTP {status}): give the address that `cti-bridge simulate` printed with --url"
    )]
    NotASimulator { url: Url, status: StatusCode },
    #[error(
        "the simulator at {0} has no session that may receive the event: connect a bridge, then trigger again"
    )]
    NoSession(Url),
}

impl TriggerError {
    const fn exit(&self) -> Exit {
        match self {
            Self::Unknown { .. } | Self::Json { .. } | Self::Count { .. } | Self::Field { .. } => Exit::Usage,
            Self::Credentials(_) => Exit::Refused,
            Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::NotASimulator { .. }
            | Self::NoSession(_) => Exit::Unavailable,
        }
    }
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'a str,
    args: &'a RawValue,
}

#[derive(Deserialize)]
struct Sent {
    sessions: usize,
}

#[derive(Deserialize)]
struct Envelope {
    message: String,
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let sent = match args.arguments() {
        Ok(arguments) => runtime::block_on(args.send(&arguments)),
        Err(error) => Some(Err(error)),
    };
    match sent {
        Some(Ok(sessions)) => {
            let plural = if sessions == 1 { "" } else { "s" };
            writeln!(out, "sent {} to {sessions} session{plural}", args.name)?;
            Ok(Exit::Clean)
        }
        Some(Err(error)) => {
            writeln!(err, "{error}")?;
            Ok(error.exit())
        }
        None => Ok(Exit::Internal),
    }
}

impl Args {
    /// Returns the array of arguments. What --data or --args gives is kept byte for byte, unless a field is set.
    fn arguments(&self) -> Result<Box<RawValue>, TriggerError> {
        let json = |flag, form| move |source| TriggerError::Json { flag, form, source };
        if let Some(args) = &self.arguments {
            let _: Vec<&RawValue> = serde_json::from_str(args).map_err(json("--args", "a JSON array"))?;
            return serde_json::from_str(args).map_err(json("--args", "a JSON array"));
        }
        let schema = event::event_schema(self.name.as_bytes());
        let mut data: Box<RawValue> = match (&self.data, schema.and_then(|schema| schema.examples.first())) {
            (Some(data), _) => serde_json::from_str(data).map_err(json("--data", "JSON"))?,
            (None, Some(example)) => example.clone(),
            (None, None) => return Err(self.unknown()),
        };
        if !self.settings.is_empty() {
            let mut value: Value = serde_json::from_str(data.get()).map_err(json("--data", "JSON"))?;
            for (field, text) in &self.settings {
                fields::set(&mut value, schema.map(|schema| &schema.data), field, text)
                    .map_err(|source| TriggerError::Field { name: self.name.clone(), source })?;
            }
            data = to_raw_value(&value).map_err(json("--set", "JSON"))?;
        }
        match schema {
            Some(schema) if schema.args != 1 => self.counted(schema, data),
            _ => to_raw_value(&[data]).map_err(json("--data", "JSON")),
        }
    }

    /// The data of an event with several arguments, or none, is their array.
    fn counted(&self, schema: &Schema, data: Box<RawValue>) -> Result<Box<RawValue>, TriggerError> {
        let count = serde_json::from_str::<Vec<&RawValue>>(data.get()).map(|args| args.len());
        if count.is_ok_and(|count| count == usize::from(schema.args)) {
            return Ok(data);
        }
        Err(TriggerError::Count { name: self.name.clone(), expected: schema.args })
    }

    fn unknown(&self) -> TriggerError {
        let hint = match nearest(&self.name, NAMES.iter().copied()) {
            Some(near) => format!("did you mean {near}? For an event of your own, add --data or --args"),
            None => "give its data with --data or --args".to_owned(),
        };
        TriggerError::Unknown { name: self.name.clone(), hint }
    }

    /// Returns the number of sessions that the event went to.
    async fn send(&self, args: &RawValue) -> Result<usize, TriggerError> {
        let url = || self.url.clone();
        let unreachable = |source: reqwest::Error| {
            let reason = if source.is_timeout() {
                PeerText::new(&format!("not within {PATIENCE:?}"))
            } else {
                api::innermost(&source)
            };
            TriggerError::Unreachable { url: url(), reason, source }
        };
        // That there is one already is no fault.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().map_err(unreachable)?;
        let mut endpoint = url();
        endpoint.set_path("/trigger");
        let request = client
            .post(endpoint)
            .basic_auth(&self.username, Some(self.password.expose_secret()))
            .json(&Event { event: &self.name, args });
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.text().await.map_err(unreachable)?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(TriggerError::Credentials(url()));
        }
        if let Ok(Sent { sessions }) = serde_json::from_str(&body) {
            return if sessions == 0 { Err(TriggerError::NoSession(url())) } else { Ok(sessions) };
        }
        let is_ours = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST
        );
        match serde_json::from_str(&body) {
            Ok(Envelope { message }) if is_ours => {
                Err(TriggerError::Refused { url: url(), reason: PeerText::new(&message) })
            }
            _ => Err(TriggerError::NotASimulator { url: url(), status }),
        }
    }
}
