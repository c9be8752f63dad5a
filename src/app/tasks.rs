//! Tasks tracked by name.

use std::collections::BTreeMap;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// A task of the bridge, by its name.
pub(super) struct Tasks<T> {
    set: JoinSet<T>,
    names: BTreeMap<Id, String>,
}

impl<T: Send + 'static> Tasks<T> {
    pub(super) fn new() -> Self {
        Self { set: JoinSet::new(), names: BTreeMap::new() }
    }

    pub(super) fn spawn(
        &mut self,
        name: String,
        task: impl Future<Output = T> + Send + 'static,
    ) -> AbortHandle {
        let handle = self.set.spawn(task);
        self.names.insert(handle.id(), name);
        handle
    }

    /// Waits for the next task to end. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<(String, Result<T, JoinError>)> {
        let (id, ended) = match self.set.join_next_with_id().await? {
            Ok((id, value)) => (id, Ok(value)),
            Err(error) => (error.id(), Err(error)),
        };
        Some((self.names.remove(&id).unwrap_or_default(), ended))
    }
}
