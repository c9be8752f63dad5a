//! The NATS sink in mode "jetstream": a stream of our own, every event once, in order.
//!
//! **How.** Every message names the stream sequence that must come before it (`Nats-Expected-Last-Sequence`): the
//! fence. So what the stream holds is always an unbroken prefix of what was sent, whatever is late, cut or sent by
//! a second bridge. After any trouble the client is discarded; a new one reads what the stream ends with and goes on
//! right after that, so nothing is stored twice, at any length of outage.
//!
//! **What it owns.** The connection, the fence, the size of the window, the deadline of the server's answers, the
//! stream's settings if it creates it. The driver does the rest, also the comparing of the tail with the line.
//!
//! **What it does not do.** It deletes and purges nothing, and changes no stream that exists, but for adding the
//! subjects that it lacks.
//!
//! **Tried and rejected**, with cuts, stopped and killed servers, and bytes of an old connection that arrive late:
//! * `Nats-Msg-Id` alone, as the deduplication window forgets, and resending from the first failure reorders;
//! * a chain of `Nats-Expected-Last-Msg-Id`, as late bytes of an old connection fit into it again;
//! * atomic batches, as the server writes everything twice;
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

pub use self::link::Publisher;
use self::{api::Api, findings::Finding, shared::Shared, stream::Ours};
pub(super) use self::{inspect::permitted, stream::filter};
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
    ours: Ours,
    allow: String,
    shared: Arc<Shared>,
    /// What was last said of the stream's settings.
    told: Mutex<Vec<String>>,
}

impl JetStream {
    /// A sink for the stream of these sources: the configured one, or the one named as the bridge is.
    pub fn new(config: &Config, Bridge { instance, sources }: Bridge<'_>) -> Self {
        let name = config.stream.name.clone().unwrap_or_else(|| instance.to_owned());
        let ours = Ours::new(name, &config.subject, sources);
        Self {
            servers: Arc::new(Servers::new(config)),
            content_mode: config.content_mode,
            settings: config.stream.clone(),
            allow: allow(&ours, config),
            ours,
            shared: Arc::default(),
            told: Mutex::default(),
        }
    }

    /// Opens a link on a connection: the stream, and what it ends with.
    async fn open_on(&self, connected: Connected) -> Result<(Publisher, Tail), SinkError> {
        let api = Api { connected: &connected, stream: &self.ours.stream };
        let (info, warnings) = stream::prepare(&api, &self.settings, &self.ours).await?;
        self.tell(warnings);
        let (stored, last) =
            tail::read(&api, info.last_sequence, (&info.config.subjects, &self.settings.ignored)).await?;
        let settings = (self.content_mode, &self.settings);
        let connected = (connected, Arc::clone(&self.servers));
        let link = Publisher::open(connected, settings, &info.config, last, Arc::clone(&self.shared)).await?;
        Ok((link, Tail::Partitions(vec![stored.into_iter().collect()])))
    }

    /// Says what is unwise about the stream once, and again when it has changed.
    fn tell(&self, findings: Vec<Finding>) {
        let sentences: Vec<String> = findings.into_iter().map(|finding| finding.sentence).collect();
        let mut told = self.told.lock();
        if *told != sentences {
            for finding in &sentences {
                tracing::warn!(
                    stream = self.ours.stream,
                    finding,
                    "the stream's settings weaken the guarantee"
                );
            }
            *told = sentences;
        }
    }
}

/// The end of the sentence on a permission that is missing.
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

    async fn rival(
        &self,
        _: &mut Publisher,
        ours: Process,
        patience: Duration,
    ) -> Result<Option<String>, SinkError> {
        self.watch(ours, patience).await
    }
}
