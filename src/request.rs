//! What an operator asks of the running bridge by a signal, and how it reaches those it concerns.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGHUP: whoever waits before another attempt tries at once.
    Retry,
    /// SIGUSR1: every live session reads the PBX's state anew.
    Resync,
    /// Every session is opened anew; whoever waits before another attempt tries at once.
    Reconnect,
}

/// The signals that ask for something other than the end (those are [`crate::shutdown::Signals`]), and what else may ask.
#[derive(Debug)]
pub struct Requests {
    hangup: Signal,
    user: Signal,
    asked: mpsc::Receiver<Request>,
    ask: mpsc::Sender<Request>,
}

impl Requests {
    /// Listens from now on. Needs the runtime.
    pub fn listen() -> std::io::Result<Self> {
        let (ask, asked) = mpsc::channel(4);
        let (hangup, user) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
        Ok(Self { hangup, user, asked, ask })
    }

    /// For those who ask without a signal.
    pub fn ask(&self) -> mpsc::Sender<Request> {
        self.ask.clone()
    }

    /// The next request. Cancel safe.
    pub async fn next(&mut self) -> Request {
        // Neither a signal's stream nor the channel ends: we hold a sender.
        tokio::select! {
            _ = self.hangup.recv() => Request::Retry,
            _ = self.user.recv() => Request::Resync,
            Some(request) = self.asked.recv() => request,
        }
    }
}

/// A request to everyone who listens. Clones make the same call.
#[derive(Debug, Clone, Default)]
pub struct Call(watch::Sender<()>);

/// One who listens to a [`Call`]; a clone has heard what the original has.
#[derive(Debug, Clone)]
pub struct Listener(watch::Receiver<()>);

impl Call {
    /// Makes the call. Several before anyone listens are one.
    pub fn make(&self) {
        self.0.send_replace(());
    }

    /// Listens to calls made from now on.
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

impl Listener {
    /// Resolves with the next call, at once if one was made meanwhile. Cancel safe.
    pub async fn called(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could call.
            std::future::pending::<()>().await;
        }
    }

    /// Calls made so far are settled.
    pub fn settle(&mut self) {
        self.0.mark_unchanged();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_call_is_heard_once_by_each_also_by_those_who_were_busy() {
        let call = Call::default();
        call.make();
        let (mut one, mut other) = (call.listen(), call.listen());
        assert!(one.called().now_or_never().is_none(), "made before it listened");
        call.make();
        call.make();
        one.called().await;
        assert!(one.called().now_or_never().is_none());
        other.settle();
        assert!(other.called().now_or_never().is_none());
        drop(call);
        assert!(other.called().now_or_never().is_none());
    }
}
