//! Reading what a bridge publishes, as it comes.

use futures_util::future::BoxFuture;

use super::SinkError;
use crate::event::Received;

/// A subscription that stores nothing and disturbs no other consumer.
pub trait Subscription: Send {
    /// The events that have come, one at least, in the order of each source. Cancel safe.
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Received>, SinkError>>;
}
