//! Until when the certificates are good that we show to brokers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{config::Config, sink::config::Kind, tls};

/// How often the files are looked at: they may be renewed.
const LOOK: Duration = Duration::from_hours(1);

/// Their ends, by part. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends(Arc<Mutex<BTreeMap<String, Timestamp>>>);

impl Ends {
    pub(super) fn get(&self) -> BTreeMap<String, Timestamp> {
        self.0.lock().clone()
    }

    /// Looks at the files of the configuration, now and every hour. Never ends.
    pub(super) async fn keep(self, config: Config) {
        loop {
            let config = config.clone();
            // A file may lie on a disk that stands still.
            let found = tokio::task::spawn_blocking(move || look(&config)).await.unwrap_or_default();
            *self.0.lock() = found;
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn look(config: &Config) -> BTreeMap<String, Timestamp> {
    let sinks = config.sinks.iter().filter_map(|(name, sink)| {
        let trust = match &sink.kind {
            #[cfg(feature = "nats")]
            Kind::Nats(nats) => Some(&nats.trust),
            #[cfg(feature = "kafka")]
            Kind::Kafka(kafka) => kafka.tls.as_ref(),
            Kind::Stdout(_) => None,
        };
        Some((format!("sink/{name}"), tls::identity_ends(trust?)?))
    });
    sinks.collect()
}
