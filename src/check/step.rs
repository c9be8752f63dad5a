//! The steps of a check and its outcome: pure.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use crate::exit::Exit;

/// The stages, in the order of the chain. Their names are for programs: they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table below says it")]
pub enum Stage {
    Config,
    Secrets,
    Journal,
    Dns,
    Tcp,
    Tls,
    Api,
    Login,
    Otp,
    Profile,
    Websocket,
    Session,
    Event,
    Connect,
    Stream,
    Publish,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Config,
        Self::Secrets,
        Self::Journal,
        Self::Dns,
        Self::Tcp,
        Self::Tls,
        Self::Api,
        Self::Login,
        Self::Otp,
        Self::Profile,
        Self::Websocket,
        Self::Session,
        Self::Event,
        Self::Connect,
        Self::Stream,
        Self::Publish,
    ];

    /// The row of the table: name, exit code of a failure, and what it tests.
    pub const fn row(self) -> (&'static str, Exit, &'static str) {
        match self {
            Self::Config => ("config", Exit::Config, "the configuration is valid"),
            Self::Secrets => {
                ("secrets", Exit::File, "the files it names are readable: secrets, certificates")
            }
            Self::Journal => ("journal", Exit::Journal, "the journal's directory is writable and has space"),
            Self::Dns => ("dns", Exit::Host, "the PBX's name resolves (or the proxy's)"),
            Self::Tcp => ("tcp", Exit::Unavailable, "it accepts a connection"),
            Self::Tls => (
                "tls",
                Exit::Tls,
                "its certificate is trusted, matches the name, and is valid for two more weeks",
            ),
            Self::Api => ("api", Exit::Api, "its CTI API answers"),
            Self::Login => ("login", Exit::Refused, "credentials accepted"),
            Self::Otp => ("otp", Exit::Otp, "one-time password accepted; clock offset"),
            Self::Profile => ("profile", Exit::User, "the user and its permissions"),
            Self::Websocket => ("websocket", Exit::Websocket, "upgrade, open packet and namespace"),
            Self::Session => ("session", Exit::Session, "the session is accepted (`authe_ok`)"),
            Self::Event => ("event", Exit::Event, "an event arrives, with --wait"),
            Self::Connect => ("connect", Exit::Sink, "the sink's servers answer and accept the credentials"),
            Self::Stream => {
                ("stream", Exit::Stream, "its stream meets the guarantee's requirements, or can be created")
            }
            Self::Publish => ("publish", Exit::Publish, "test publish accepted (a status message is sent)"),
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.row().0
    }
}

/// What a step concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// The bridge itself.
    Bridge,
    /// A source, by its name.
    Source(String),
    /// A sink, by its name.
    Sink(String),
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge => f.write_str("bridge"),
            Self::Source(name) => write!(f, "source/{name}"),
            Self::Sink(name) => write!(f, "sink/{name}"),
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Passed.
    Ok,
    /// Passed, with a warning.
    Warning,
    /// Failed.
    Failed(Exit),
    /// Skipped, as it needs a failed stage.
    Skipped,
}

/// One finished step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it concerns.
    pub component: Component,
    /// Which stage.
    pub stage: Stage,
    /// How it ended.
    pub verdict: Verdict,
    /// Sentences: findings, problems, remedies.
    pub messages: Vec<String>,
    /// Figures for programs.
    pub details: Map<String, Value>,
    /// How long it took.
    pub took: Duration,
}

/// The findings of a stage that passed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The finding.
    pub message: String,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Figures for programs.
    pub details: Map<String, Value>,
}

impl Found {
    /// A finding without warnings.
    pub fn well(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// Adds warnings.
    #[must_use]
    pub fn warn(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Adds a figure.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// The reason why a stage failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The code, if it is not the stage's own.
    pub exit: Option<Exit>,
    /// Problems and remedies, a sentence each.
    pub messages: Vec<String>,
}

impl Fault {
    /// A failure with the stage's own code.
    pub fn from_messages(messages: Vec<String>) -> Self {
        Self { exit: None, messages }
    }
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::from_messages(vec![format!("{error:#}")])
    }
}

/// The sum of all steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Steps that passed.
    pub ok: usize,
    /// Steps with a warning.
    pub warnings: usize,
    /// Steps that failed.
    pub failed: usize,
    /// Skipped steps.
    pub skipped: usize,
    /// Whether a signal interrupted it.
    pub interrupted: bool,
    /// The first that failed, and the code it gives the process.
    pub first: Option<(Component, Stage, Exit)>,
}

impl Outcome {
    /// Counts a step.
    pub fn count(&mut self, step: &Step) {
        match step.verdict {
            Verdict::Ok => self.ok += 1,
            Verdict::Warning => self.warnings += 1,
            Verdict::Skipped => self.skipped += 1,
            Verdict::Failed(exit) => {
                self.failed += 1;
                self.first.get_or_insert_with(|| (step.component.clone(), step.stage, exit));
            }
        }
    }

    /// The exit code: the first failure decides; warnings do not count.
    pub fn exit(&self) -> Exit {
        let otherwise = if self.interrupted { Exit::Undelivered } else { Exit::Clean };
        self.first.as_ref().map_or(otherwise, |(.., exit)| *exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(stage: Stage, verdict: Verdict) -> Step {
        let (messages, details, took) = (Vec::new(), Map::new(), Duration::ZERO);
        Step { component: Component::Bridge, stage, verdict, messages, details, took }
    }

    #[test]
    fn the_first_failure_decides_and_a_warning_is_none() {
        let mut outcome = Outcome::default();
        outcome.count(&step(Stage::Tls, Verdict::Warning));
        assert_eq!(outcome.exit(), Exit::Clean);
        outcome.interrupted = true;
        assert_eq!(outcome.exit(), Exit::Undelivered);
        for stage in [Stage::Dns, Stage::Publish] {
            outcome.count(&step(stage, Verdict::Failed(stage.row().1)));
        }
        outcome.count(&step(Stage::Tcp, Verdict::Skipped));
        assert_eq!(outcome.exit(), Exit::Host);
        assert_eq!((outcome.warnings, outcome.failed, outcome.skipped), (1, 2, 1));
    }

    #[test]
    fn every_stage_has_a_name_and_a_code_of_its_own() {
        let mut names: Vec<_> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Stage::ALL.len());
        assert!(Stage::ALL.iter().all(|stage| stage.row().1 != Exit::Clean && stage.row().1 != Exit::Usage));
        let mut codes: Vec<u8> = Stage::ALL.iter().map(|stage| stage.row().1 as u8).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Stage::ALL.len());
    }
}
