//! Live subscriptions to the events of a bridge.

use futures_util::future::BoxFuture;

use super::SinkError;
use crate::event::Received;

/// A subscription that stores nothing and does not affect other consumers.
pub trait Subscription: Send {
    /// Waits for events. Returns at least one, in order for each source. Cancel safe.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Received>, SinkError>>;
}
