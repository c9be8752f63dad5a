//! Limits the open connections. A new one is always accepted: it may be a liveness probe.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;

/// The limit of concurrent connections.
const CONNECTIONS: usize = 64;

/// The slots of all connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: BTreeMap<u64, Connection>,
}

#[derive(Debug, Default)]
struct Connection {
    has_headers: bool,
    task: Option<AbortHandle>,
}

/// The slot of a connection; released on drop.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    slots: Slots,
}

impl Slots {
    /// Accepts a connection. If all slots are in use, closes the oldest connection without headers, or else the oldest.
    pub(super) fn enter(&self) -> Slot {
        let mut state = self.lock();
        if state.open.len() >= CONNECTIONS {
            let waiting = state.open.iter().find(|(_, connection)| !connection.has_headers);
            let oldest = waiting.or_else(|| state.open.iter().next()).map(|(number, _)| *number);
            let closed = oldest.and_then(|number| state.open.remove(&number));
            if let Some(task) = closed.and_then(|connection| connection.task) {
                task.abort();
            }
        }
        let number = state.next;
        state.next += 1;
        state.open.insert(number, Connection::default());
        Slot { number, slots: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Slot {
    /// Runs the connection until its slot is needed.
    pub(super) fn run<F>(self, connection: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (number, slots) = (self.number, self.slots.clone());
        let task = tokio::spawn(connection(Arc::new(self))).abort_handle();
        // The connection may have ended already.
        if let Some(connection) = slots.lock().open.get_mut(&number) {
            connection.task = Some(task);
        }
    }

    /// Records that the headers of the request are complete.
    pub(super) fn has_headers(&self) {
        if let Some(connection) = self.slots.lock().open.get_mut(&self.number) {
            connection.has_headers = true;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn open(slots: &Slots) -> Vec<u64> {
        slots.lock().open.keys().copied().collect()
    }

    #[tokio::test]
    async fn connections_without_headers_are_closed_first() {
        let slots = Slots::default();
        for number in 0..CONNECTIONS as u64 {
            let slot = slots.enter();
            if number != 1 {
                slot.has_headers();
            }
            slot.run(|slot| async move {
                let _place = slot;
                pending::<()>().await;
            });
        }
        assert_eq!(open(&slots).len(), CONNECTIONS);
        let late = slots.enter();
        late.has_headers();
        assert!(!open(&slots).contains(&1) && open(&slots).contains(&0));
        drop(slots.enter());
        assert_eq!(open(&slots).first(), Some(&2), "all others have sent headers: the oldest is closed");
        drop(late);
        assert_eq!(open(&slots).len(), CONNECTIONS - 2, "a slot is released");
    }
}
