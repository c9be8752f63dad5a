//! A proxy in front of a server that breaks connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// A fault of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Cuts the connection after this many bytes to the server, most likely within a frame.
    CutUp(u64),
    /// Cuts the connection after this many bytes from the server.
    CutDown(u64),
    /// Delays the server's answers after this many bytes, then cuts the connection.
    Hold(u64),
    /// Drops the server's answers after this many bytes; the connection stays open.
    Mute(u64),
    /// Drops this percentage of answers, each with its connection. Requires answers that start with their length, as Kafka's.
    Lose(u8),
    /// Cuts off the client after this many bytes; the rest of what it sent arrives later, while it has its next connection.
    Late(u64),
}

impl Fault {
    /// A random fault, except for [`Fault::Mute`], which lasts until a deadline expires.
    pub(crate) fn random() -> Self {
        match fastrand::u8(..4) {
            0 => Self::CutUp(fastrand::u64(..150_000)),
            1 => Self::CutDown(fastrand::u64(..12_000)),
            2 => Self::Hold(fastrand::u64(2_000..8_000)),
            _ => Self::Late(fastrand::u64(2_000..150_000)),
        }
    }
}

/// A proxy on loopback.
pub(crate) struct FaultyProxy {
    address: SocketAddr,
    faults: Arc<AtomicU32>,
}

impl FaultyProxy {
    /// Starts a proxy to `server`. The first `faults` connections get the fault that `fault` returns; later ones have none.
    pub(crate) async fn to(server: String, faults: u32, fault: fn() -> Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let fault = (count.load(Ordering::Relaxed) < faults).then(fault);
                tokio::spawn(carry(client, server, fault, Arc::clone(&count)));
            }
        });
        Self { address, faults: made }
    }

    /// The number of connections that it has broken.
    pub(crate) fn faults(&self) -> u32 {
        self.faults.load(Ordering::Relaxed)
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, fault: Option<Fault>, count: Arc<AtomicU32>) {
    let Some(fault) = fault else {
        let _ = copy_bidirectional(&mut client, &mut server).await;
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let broken = match fault {
        Fault::CutUp(bytes) => tokio::select! {
            all = first(bytes, &mut from_client, &mut to_server) => all,
            _ = copy(&mut from_server, &mut to_client) => false,
        },
        Fault::CutDown(bytes) => tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => false,
            all = first(bytes, &mut from_server, &mut to_client) => all,
        },
        Fault::Hold(bytes) => tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => false,
            all = async {
                let all = first(bytes, &mut from_server, &mut to_client).await;
                sleep(Duration::from_millis(fastrand::u64(20..150))).await;
                all
            } => all,
        },
        Fault::Mute(bytes) => tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => true,
            _ = async {
                let _ = first(bytes, &mut from_server, &mut to_client).await;
                copy(&mut from_server, &mut sink()).await
            } => false,
        },
        Fault::Lose(percent) => tokio::select! {
            _ = copy(&mut from_client, &mut to_server) => false,
            lost = async {
                while fastrand::u8(..100) >= percent {
                    let length = from_server.read_u32().await?;
                    to_client.write_u32(length).await?;
                    first(length.into(), &mut from_server, &mut to_client).await;
                }
                // The server has processed the request.
                from_server.read_u32().await
            } => lost.is_ok(),
        },
        Fault::Late(bytes) => {
            let all = tokio::select! {
                all = first(bytes, &mut from_client, &mut to_server) => all,
                _ = copy(&mut from_server, &mut to_client) => false,
            };
            let mut late = Vec::new();
            let _ = timeout(Duration::from_millis(20), from_client.read_to_end(&mut late)).await;
            drop((from_client, to_client));
            sleep(Duration::from_millis(fastrand::u64(..300))).await;
            let _ = to_server.write_all(&late).await;
            // The server reads it while the connection is open.
            let _ = timeout(Duration::from_millis(50), copy(&mut from_server, &mut sink())).await;
            all
        }
    };
    if broken {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Copies this many bytes. Returns whether there were enough.
async fn first(bytes: u64, from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> bool {
    copy(&mut from.take(bytes), to).await.ok() == Some(bytes)
}
