//! Secrets and certificates of sinks that run: read again by the life cycle, handed to the drivers here.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::config::Config;

/// Where each sink's configuration is announced when its secrets or certificates have changed. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Renewals(Arc<Mutex<BTreeMap<String, watch::Sender<Option<Config>>>>>);

impl Renewals {
    /// Announces a sink's configuration. Its driver takes secrets and certificates from it, and nothing else.
    pub fn announce(&self, sink: &str, config: Config) {
        self.with(sink, |sender| drop(sender.send_replace(Some(config))));
    }

    /// Listens for one sink, from now on.
    pub(super) fn listen(&self, sink: &str) -> Renewal {
        Renewal(self.with(sink, watch::Sender::subscribe))
    }

    fn with<T>(&self, sink: &str, call: impl FnOnce(&watch::Sender<Option<Config>>) -> T) -> T {
        let mut sinks = self.0.lock();
        call(sinks.entry(sink.to_owned()).or_default())
    }
}

/// One driver's end. A clone has seen what the original has.
#[derive(Debug, Clone)]
pub(super) struct Renewal(watch::Receiver<Option<Config>>);

impl Renewal {
    /// Resolves when there is a configuration that was not taken yet. Cancel safe.
    pub(super) async fn announced(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could announce one.
            std::future::pending::<()>().await;
        }
    }

    /// Whether there is a configuration that was not taken yet.
    pub(super) fn is_announced(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// The newest configuration, once.
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
    async fn a_sink_hears_of_its_own_configuration_once() {
        let renewals = Renewals::default();
        let (mut one, mut other) = (renewals.listen("one"), renewals.listen("other"));
        let format = stdout::config::Format::Json;
        let config = Config::new(None, None, stdout::config::Config { format });
        renewals.announce("one", config);
        one.clone().announced().await;
        assert!(one.take().is_some() && one.take().is_none());
        assert!(one.announced().now_or_never().is_none());
        assert!(other.take().is_none() && other.announced().now_or_never().is_none());
    }
}
