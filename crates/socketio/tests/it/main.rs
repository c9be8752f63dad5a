//! Tests the client against real servers, and against peers that violate the protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod node;
mod peers;

use socketio::{ConnectError, Options, Probe, Socket};
use std::time::Duration;
use tokio::net::TcpStream;
use url::Url;

/// A session over plain TCP.
async fn connect(url: &Url, options: Options) -> Result<Socket, ConnectError> {
    let addresses = url.socket_addrs(|| None).unwrap();
    let stream = TcpStream::connect(&addresses[..]).await.map_err(ConnectError::Io)?;
    Socket::connect(stream, url, options).await
}

/// A probe with the event `ping`.
fn probe(after: Duration, answer: Duration) -> Probe {
    Probe { event: "ping".to_owned(), after, answer }
}
