//! The NATS sink in mode "jetstream": a stream of our own, every event once, in order.
//!
//! **How.** Every message names the stream sequence that must precede it (`Nats-Expected-Last-Sequence`): the
//! fence. So the stream always holds an unbroken prefix of the sent messages, whatever is delayed, cut or sent by
//! a second bridge. After any failure the client is discarded; a new one reads the end of the stream and continues
//! right after it, so nothing is stored twice, however long the outage.
//!
//! **What it owns.** The connection, the fence, the size of the window, the time limit of the server's answers, and the
//! stream's settings if it creates it. The driver does the rest, including the comparison of the tail with the journal.
//!
//! **What it does not do.** It deletes and purges nothing, and changes no existing stream except for adding missing
//! subjects.
//!
//! **Tried and rejected**, with cut connections, stopped and killed servers, and late messages of an old connection:
//! * `Nats-Msg-Id` alone: the deduplication window forgets, and resending from the first failure reorders;
//! * a chain of `Nats-Expected-Last-Msg-Id`: late messages of an old connection fit into it again;
//! * atomic batches: the server writes everything twice;
//! * the client's own JetStream context for publishing: twice the work, and its time-outs fire one after another.

mod answer;
mod api;
mod draft;
mod findings;
mod flight;
mod inspect;
mod link;
mod read_back;
mod rival;
mod shared;
mod stream;
mod tail;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

pub(super) use self::inspect::permitted;
pub use self::link::Publisher;
use self::{api::Api, findings::Finding, shared::Shared, stream::Ours};
use super::{
    config::{self, Config},
    connect::{Connected, Servers, api},
};
use crate::sink::{self, Bridge, Process, Sink, SinkError, Tail, config::ContentMode};

/// A stream on a NATS server, or on several of one cluster.
#[derive(Debug)]
pub struct JetStream {
    servers: Arc<Servers>,
    content_mode: ContentMode,
    settings: config::Stream,
    sources: Vec<String>,
    ours: Ours,
    allow: String,
    shared: Arc<Shared>,
    /// The findings that were logged last.
    logged: Mutex<Vec<String>>,
}

impl JetStream {
    /// Returns a sink for the stream of these sources: the configured one, or the one named after the bridge.
    pub fn new(config: &Config, Bridge { instance, sources }: Bridge<'_>) -> Self {
        let name = config.stream.name.clone().unwrap_or_else(|| instance.to_owned());
        let ours = Ours::new(name, config, sources);
        Self {
            servers: Arc::new(Servers::new(config)),
            content_mode: config.content_mode,
            settings: config.stream.clone(),
            sources: sources.to_vec(),
            allow: allow(&ours, config),
            ours,
            shared: Arc::default(),
            logged: Mutex::default(),
        }
    }

    /// Opens a link on a connection: prepares the stream, and reads its end.
    async fn open_on(&self, connected: Connected) -> Result<(Publisher, Tail), SinkError> {
        let api = Api { connected: &connected, stream: &self.ours.stream };
        let (info, warnings) = stream::prepare(&api, &self.settings, &self.ours).await?;
        self.log(warnings);
        let (stored, last) =
            tail::read(&api, info.last_sequence, (&info.config.subjects, &self.settings.ignored)).await?;
        let settings = (self.content_mode, &self.settings);
        let connected = (connected, Arc::clone(&self.servers));
        let link = Publisher::open(connected, settings, &info.config, last, Arc::clone(&self.shared)).await?;
        Ok((link, Tail::Partitions(vec![stored.into_iter().collect()])))
    }

    /// Logs the findings about the stream once, and again when they change.
    fn log(&self, findings: Vec<Finding>) {
        let sentences: Vec<String> = findings.into_iter().map(|finding| finding.sentence).collect();
        let mut logged = self.logged.lock();
        if *logged != sentences {
            for finding in &sentences {
                tracing::warn!(
                    stream = self.ours.stream,
                    finding,
                    "the stream's settings weaken the guarantee"
                );
            }
            *logged = sentences;
        }
    }
}

/// The required permissions, which complete the sentence "allow the account …".
fn allow(ours: &Ours, config: &Config) -> String {
    let (name, api, inbox) = (&ours.stream, api(config.stream.domain.as_deref()), &config.inbox_prefix);
    format!(
        "to publish {}, {}, {api}.STREAM.INFO.{name}, {api}.STREAM.CREATE.{name}, {api}.STREAM.UPDATE.{name}, \
         {api}.STREAM.MSG.GET.{name} and {inbox}.>, and to subscribe to {inbox}.>",
        ours.subjects.join(", "),
        ours.outside.join(", "),
    )
}

impl Sink for JetStream {
    type Link = Publisher;

    async fn open(&self) -> Result<(Publisher, Tail), SinkError> {
        let connected = self.servers.connect(self.allow.clone()).await?;
        let server = connected.server.clone();
        let opened = self.open_on(connected).await.map_err(|error| self.servers.failed(&server, error))?;
        self.servers.succeeded();
        Ok(opened)
    }

    fn renew(&mut self, config: &sink::config::Config) {
        if let Some(config) = config.of::<Config>() {
            self.servers = Arc::new(self.servers.renewed(config));
        }
    }

    fn redirect(&mut self, config: &sink::config::Config) -> bool {
        let Some(config) = config.of::<Config>() else { return false };
        let bridge = Bridge { instance: &self.ours.stream, sources: &self.sources };
        // The name of the stream stays.
        let ours = Ours { stream: self.ours.stream.clone(), ..Self::new(config, bridge).ours };
        let is_other = ours != self.ours;
        if is_other {
            self.allow = allow(&ours, self.servers.config());
            self.ours = ours;
        }
        is_other
    }

    async fn rival(
        &self,
        _: &mut Publisher,
        ours: Process,
        patience: Duration,
    ) -> Result<Option<String>, SinkError> {
        self.watch(ours, patience).await
    }
}
