//! Passes reloaded secrets and certificates to the drivers of running sinks.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::config::Config;

/// Announces the configuration of each sink whose secrets or certificates have changed. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Renewals(Arc<Mutex<BTreeMap<String, watch::Sender<Option<Config>>>>>);

impl Renewals {
    /// Announces a sink's configuration. Its driver applies secrets and certificates from it, and nothing else.
    pub fn announce(&self, sink: &str, config: Config) {
        self.with(sink, |sender| drop(sender.send_replace(Some(config))));
    }

    /// Subscribes to the announcements for one sink from now on.
    pub(super) fn listen(&self, sink: &str) -> Renewal {
        Renewal(self.with(sink, watch::Sender::subscribe))
    }

    fn with<T>(&self, sink: &str, call: impl FnOnce(&watch::Sender<Option<Config>>) -> T) -> T {
        let mut sinks = self.0.lock();
        call(sinks.entry(sink.to_owned()).or_default())
    }
}

/// A driver's subscription. A clone has seen the same announcements.
#[derive(Debug, Clone)]
pub(super) struct Renewal(watch::Receiver<Option<Config>>);

impl Renewal {
    /// Waits for a configuration that was not taken yet. Cancel safe.
    pub(super) async fn announced(&mut self) {
        if self.0.changed().await.is_err() {
            // The sender is gone.
            std::future::pending::<()>().await;
        }
    }

    /// Returns true if there is a configuration that was not taken yet.
    pub(super) fn is_announced(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Takes the newest configuration. `None` if it was taken before.
    pub(super) fn take(&mut self) -> Option<Config> {
        self.is_announced().then(|| self.0.borrow_and_update().clone()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::sink::stdout;

    #[tokio::test]
    async fn a_sink_gets_its_own_configuration_once() {
        let renewals = Renewals::default();
        let (mut one, mut other) = (renewals.listen("one"), renewals.listen("other"));
        let format = stdout::config::Format::Json;
        let config = Config::new(None, stdout::config::Config { format });
        renewals.announce("one", config);
        one.clone().announced().await;
        assert!(one.take().is_some() && one.take().is_none());
        assert!(one.announced().now_or_never().is_none());
        assert!(other.take().is_none() && other.announced().now_or_never().is_none());
    }
}
