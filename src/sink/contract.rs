//! The contract in types: [`Sink`] and [`Link`].

use std::{future::Future, time::Duration};

use super::{Acked, Outgoing, Partitions, Process, SinkError, Tail, config};
use crate::route::Names;

/// A place to publish to.
pub trait Sink: Send + Sync + 'static {
    /// One connection to it.
    type Link: Link;
    /// Connects, and reads what is there already. The driver bounds the time.
    fn open(&self) -> impl Future<Output = Result<(Self::Link, Tail), SinkError>> + Send;
    /// Takes over the secrets and certificates of a configuration that was read again; all else stays as it was. A link
    /// that is open keeps what it was opened with.
    fn renew(&mut self, _: &config::Config) {}
    /// Watches so long whether another process with our journal writes: what shows it, if one does. Asked for when the
    /// journal does not know what a partition ends with. Cancel safe.
    fn rival(
        &self,
        _link: &mut Self::Link,
        _ours: Process,
        _patience: Duration,
    ) -> impl Future<Output = Result<Option<String>, SinkError>> + Send {
        async { Ok(None) }
    }
}

/// One connection; see the contract above.
pub trait Link: Send {
    /// Hands a batch over. Not cancel safe: the driver gives the link up if it does not return in time.
    fn send(&mut self, batch: &[Outgoing<'_>]) -> impl Future<Output = Result<(), SinkError>> + Send;
    /// The next acknowledgement. Cancel safe.
    fn acked(&mut self) -> impl Future<Output = Result<Acked, SinkError>> + Send;
    /// The most records that it wants in flight.
    fn window(&self) -> usize {
        usize::MAX
    }
    /// The reason why it does not deliver although it is open: it recovers by itself, or the driver gives it up in time.
    fn trouble(&self) -> Option<SinkError> {
        None
    }
    /// Returns true if nothing in flight can still reach the broker, so that another link may follow at once.
    fn is_cut_off(&self) -> bool {
        false
    }
    /// The reason why the broker refuses heartbeats, with the remedy. It does not prevent delivery.
    fn refused_heartbeat(&self) -> Option<String> {
        None
    }
    /// Which of its partitions an event of this name goes to, of as many as its [`Tail`] had. The same each time.
    fn partitions(&self, _: &Names) -> Partitions {
        Partitions::One(0)
    }
    /// Publishes a dead letter, and waits for proof that the broker has it: `None`, or why the broker refuses it.
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
    /// The largest message the broker takes, in bytes, headers included.
    fn largest(&self) -> usize {
        usize::MAX
    }
    /// Closes the link cleanly. The driver bounds the time; dropping a link closes it at once.
    fn close(self) -> impl Future<Output = ()> + Send;
}
