//! Until when the certificates are good that we show to brokers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{app::config::Config, tls};

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
    let sinks = config
        .sinks
        .iter()
        .filter_map(|(name, sink)| Some((format!("sink/{name}"), tls::identity_ends(sink.kind.trust()?)?)));
    sinks.collect()
}
