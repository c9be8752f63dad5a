//! The asynchronous runtime of a command.

/// Runs a command's future on a runtime of its own. `None`, with a line in the log, if the system denies the runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let value = runtime.block_on(future);
            // A blocking read of a terminal can't be cancelled; it must not keep the process alive.
            runtime.shutdown_background();
            Some(value)
        }
        Err(error) => {
            tracing::error!(%error, "could not start a runtime: the system refuses more threads or files");
            None
        }
    }
}
