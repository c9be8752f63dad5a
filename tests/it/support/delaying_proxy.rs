//! A proxy in front of a server that delivers a client's bytes long after the client has gone, like a network that buffers
//! them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Passes,
    Keeps,
    HandsOn,
}

#[derive(Debug, Default)]
struct Counts {
    kept: AtomicUsize,
    answered: AtomicUsize,
}

/// A proxy on loopback.
pub(crate) struct DelayingProxy {
    address: SocketAddr,
    stage: watch::Sender<Stage>,
    counts: Arc<Counts>,
}

impl DelayingProxy {
    /// Starts a proxy to `server`.
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stage, counts) = (watch::Sender::new(Stage::Passes), Arc::new(Counts::default()));
        let (state, count) = (stage.subscribe(), Arc::clone(&counts));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                // A connection that starts later is not affected.
                let state = if *state.borrow() == Stage::Passes {
                    state.clone()
                } else {
                    watch::Sender::new(Stage::Passes).subscribe()
                };
                tokio::spawn(up(from_client, to_server, state.clone(), Arc::clone(&count)));
                tokio::spawn(down(from_server, to_client, state, Arc::clone(&count)));
            }
        });
        Self { address, stage, counts }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Buffers what clients send on the current connections from now on.
    pub(crate) fn keep(&self) {
        self.stage.send_replace(Stage::Keeps);
    }

    /// The number of buffered bytes.
    pub(crate) fn kept(&self) -> usize {
        self.counts.kept.load(Ordering::Relaxed)
    }

    /// Forwards the buffered bytes, and waits for the server's answer to them.
    pub(crate) async fn hand_on(&self) {
        self.stage.send_replace(Stage::HandsOn);
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut answered = 0;
        // An answer may come in pieces, or several in a row.
        while answered == 0 || self.counts.answered.load(Ordering::Relaxed) > answered {
            assert!(Instant::now() < deadline, "the server does not answer the late bytes");
            answered = self.counts.answered.load(Ordering::Relaxed);
            sleep(Duration::from_millis(500)).await;
        }
    }
}

async fn up(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut stage: watch::Receiver<Stage>,
    counts: Arc<Counts>,
) {
    let (mut buffer, mut kept) = (vec![0; 1 << 16], Vec::new());
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if *stage.borrow() == Stage::Passes {
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        } else {
            kept.extend_from_slice(&buffer[..count]);
            counts.kept.fetch_add(count, Ordering::Relaxed);
        }
    }
    if !kept.is_empty() && stage.wait_for(|stage| *stage == Stage::HandsOn).await.is_ok() {
        let _ = to.write_all(&kept).await;
        // The server sees the end of the stream once this is dropped, after it has read everything.
        let _ = stage.wait_for(|stage| *stage == Stage::Passes).await;
    }
}

async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    stage: watch::Receiver<Stage>,
    counts: Arc<Counts>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if *stage.borrow() == Stage::HandsOn {
            counts.answered.fetch_add(count, Ordering::Relaxed);
        }
        let _ = to.write_all(&buffer[..count]).await;
    }
}
