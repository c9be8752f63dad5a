//! The tests' own sink in the suite.

use super::*;
use crate::support::file_sink;

struct Events {
    directory: tempfile::TempDir,
    read: usize,
}

impl Events {
    fn settings(&self) -> file_sink::config::Config {
        file_sink::config::Config { path: self.directory.path().join("events.jsonl") }
    }
}

impl Bench for Events {
    type Sink = file_sink::File;

    async fn start() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), read: 0 }
    }

    fn sink(&self) -> file_sink::File {
        file_sink::File::new(&self.settings())
    }

    fn config(&self) -> Config {
        Config::new(None, self.settings())
    }

    async fn arrived(&mut self) -> Vec<Value> {
        new_lines(&self.settings().path, &mut self.read).await
    }
}

#[tokio::test]
async fn file() {
    Box::pin(all::<Events>()).await;
}
