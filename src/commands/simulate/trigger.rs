//! `cti-bridge simulate trigger`: sends one event into a running simulator.

use std::{
    io::{self, Write},
    sync::LazyLock,
};

use event::{Class, Schema};
use serde::Serialize;
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{
    client::{RequestError, Target},
    fields::{self, FieldError},
};
use crate::{
    config::{InvalidValue, flags::Suggestions, nearest},
    exit::Exit,
    runtime,
};

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
    #[command(flatten)]
    target: Target,
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
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl TriggerError {
    const fn exit(&self) -> Exit {
        match self {
            Self::Unknown { .. } | Self::Json { .. } | Self::Count { .. } | Self::Field { .. } => Exit::Usage,
            Self::Request(error) => error.exit(),
        }
    }
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'a str,
    args: &'a RawValue,
}

/// Runs the command.
pub(super) fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> io::Result<Exit> {
    let sent = match args.arguments() {
        Ok(arguments) => {
            let event = Event { event: &args.name, args: &arguments };
            let sent = runtime::block_on(args.target.post("/trigger", &event));
            sent.map(|sent| sent.map_err(TriggerError::from))
        }
        Err(error) => Some(Err(error)),
    };
    match sent {
        Some(Ok(sessions)) => {
            writeln!(out, "sent {} to {sessions}", args.name)?;
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
}
