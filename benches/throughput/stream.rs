//! Counts the stored events.

use std::time::Duration;

use async_nats::jetstream::{self, Context};
use tokio::time::sleep;

use super::common;

pub(crate) struct Stream {
    context: Context,
    /// The number of messages before the run.
    before: u64,
}

impl Stream {
    /// Waits until nothing more is stored.
    pub(crate) async fn at_rest(nats: &str) -> Self {
        let context = jetstream::new(async_nats::connect(nats).await.unwrap());
        let mut before = 0;
        loop {
            sleep(Duration::from_millis(300)).await;
            let now = common::stored(&context).await.unwrap();
            if now == before {
                return Self { context, before };
            }
            before = now;
        }
    }

    /// Waits until this many more messages are stored.
    pub(crate) async fn holds(&self, events: usize) {
        let all = self.before + u64::try_from(events).unwrap();
        while common::stored(&self.context).await.unwrap() < all {
            sleep(Duration::from_millis(2)).await;
        }
    }
}
