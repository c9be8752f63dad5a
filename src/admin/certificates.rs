//! The expiry of the client certificates for brokers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{app::config::Config, tls};

/// Interval at which the files are read: they may be renewed.
const INTERVAL: Duration = Duration::from_hours(1);

/// The expiry dates by component. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends(Arc<Mutex<BTreeMap<String, Timestamp>>>);

impl Ends {
    pub(super) fn get(&self) -> BTreeMap<String, Timestamp> {
        self.0.lock().clone()
    }

    /// Reads the files of the configuration now and every hour. Never ends.
    pub(super) async fn keep(self, config: Config) {
        loop {
            let config = config.clone();
            // The disk may be hung.
            let found = tokio::task::spawn_blocking(move || expiries(&config)).await.unwrap_or_default();
            *self.0.lock() = found;
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

fn expiries(config: &Config) -> BTreeMap<String, Timestamp> {
    let sinks = config
        .sinks
        .iter()
        .filter_map(|(name, sink)| Some((format!("sink/{name}"), tls::identity_ends(sink.kind.trust()?)?)));
    sinks.collect()
}
