//! The contract in types: [`Sink`] and [`Link`].

use std::{future::Future, time::Duration};

use super::{Acked, Outgoing, Partitions, Process, SinkError, Tail, config};
use crate::route::Names;

/// A place to publish to.
pub trait Sink: Send + Sync + 'static {
    /// A connection to the sink.
    type Link: Link;
    /// Connects, and reads the newest stored events. The driver limits the time.
    fn open(&self) -> impl Future<Output = Result<(Self::Link, Tail), SinkError>> + Send;
    /// Applies the secrets and certificates of a reloaded configuration, and nothing else. An open link keeps those it was
    /// opened with.
    fn renew(&mut self, _: &config::Config) {}
    /// Applies the destinations of a reloaded configuration, and nothing else. Returns true if they need another link.
    fn redirect(&mut self, _: &config::Config) -> bool {
        false
    }
    /// Watches for at most `patience` for another process that writes with our journal. Returns the evidence, if there is any. Called
    /// if the journal does not know the last event of a partition. Cancel safe.
    fn rival(
        &self,
        _link: &mut Self::Link,
        _ours: Process,
        _patience: Duration,
    ) -> impl Future<Output = Result<Option<String>, SinkError>> + Send {
        async { Ok(None) }
    }
}

/// A connection; see the contract in [`crate::sink`].
pub trait Link: Send {
    /// Sends a batch. Not cancel safe: the driver drops the link if it does not return in time.
    fn send(&mut self, batch: &[Outgoing<'_>]) -> impl Future<Output = Result<(), SinkError>> + Send;
    /// Waits for the next acknowledgement. Cancel safe.
    fn acked(&mut self) -> impl Future<Output = Result<Acked, SinkError>> + Send;
    /// The most records in flight.
    fn window(&self) -> usize {
        usize::MAX
    }
    /// The reason why the open link does not deliver. It recovers by itself, or the driver drops it in time. `None` while it
    /// delivers.
    fn trouble(&self) -> Option<SinkError> {
        None
    }
    /// Returns true if nothing in flight can still reach the broker, so that another link may be opened at once.
    fn is_cut_off(&self) -> bool {
        false
    }
    /// The reason why the broker refuses heartbeats, with the remedy. It does not prevent delivery. `None` while it accepts them.
    fn refused_heartbeat(&self) -> Option<String> {
        None
    }
    /// Returns the partitions for an event of this name, of those in the link's [`Tail`]. Always the same for one name.
    fn partitions(&self, _: &Names) -> Partitions {
        Partitions::One(0)
    }
    /// Publishes a dead letter, and waits until the broker has stored it. Returns the reason if the broker refuses it.
    fn letter(
        &mut self,
        letter: &Outgoing<'_>,
    ) -> impl Future<Output = Result<Option<String>, SinkError>> + Send {
        let sent = self.send(std::slice::from_ref(letter));
        async { sent.await.map(|()| None) }
    }
    /// The destination of an event, in the operator's terms.
    fn destination(&self, names: &Names) -> String {
        String::from_utf8_lossy(&names.destination).into_owned()
    }
    /// The largest message that the broker accepts, headers included, in bytes.
    fn largest(&self) -> usize {
        usize::MAX
    }
    /// Closes the link cleanly. The driver limits the time; dropping a link closes it at once.
    fn close(self) -> impl Future<Output = ()> + Send;
}
