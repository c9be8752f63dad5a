//! Requests of an operator to the running bridge, and the triggers that distribute them.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGHUP: reload the configuration, and retry failed components at once.
    Retry,
    /// SIGUSR1: every live session reads the PBX's state again.
    Resync,
    /// Reopen every session, and retry failed components at once.
    Reconnect,
}

/// Requests by signal or by the admin endpoint. [`crate::shutdown::Signals`] has the signals that stop the process.
#[derive(Debug)]
pub struct Requests {
    hangup: Signal,
    user: Signal,
    asked: mpsc::Receiver<Request>,
    ask: mpsc::Sender<Request>,
}

impl Requests {
    /// Starts listening. Needs the runtime.
    pub fn listen() -> std::io::Result<Self> {
        let (ask, asked) = mpsc::channel(4);
        let (hangup, user) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
        Ok(Self { hangup, user, asked, ask })
    }

    /// A sender of requests without a signal.
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

/// A request to all receivers. Clones fire the same trigger.
#[derive(Debug, Clone, Default)]
pub struct Trigger(watch::Sender<()>);

/// The receiving end of a [`Trigger`]. A clone has seen what the original has.
#[derive(Debug, Clone)]
pub struct TriggerReceiver(watch::Receiver<()>);

impl Trigger {
    /// Notifies all receivers. Requests that a receiver has not seen yet merge into one.
    pub fn fire(&self) {
        self.0.send_replace(());
    }

    /// Returns a receiver of future requests.
    pub fn subscribe(&self) -> TriggerReceiver {
        TriggerReceiver(self.0.subscribe())
    }
}

impl TriggerReceiver {
    /// Waits for the next request; returns at once if one is pending. Cancel safe.
    pub async fn triggered(&mut self) {
        if self.0.changed().await.is_err() {
            // The trigger is gone.
            std::future::pending::<()>().await;
        }
    }

    /// Drops a pending request.
    pub fn clear(&mut self) {
        self.0.mark_unchanged();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_request_reaches_each_receiver_once() {
        let trigger = Trigger::default();
        trigger.fire();
        let (mut one, mut other) = (trigger.subscribe(), trigger.subscribe());
        assert!(one.triggered().now_or_never().is_none(), "fired before it subscribed");
        trigger.fire();
        trigger.fire();
        one.triggered().await;
        assert!(one.triggered().now_or_never().is_none());
        other.clear();
        assert!(other.triggered().now_or_never().is_none());
        drop(trigger);
        assert!(other.triggered().now_or_never().is_none());
    }
}
