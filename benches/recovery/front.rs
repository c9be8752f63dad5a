//! A failing component in front of a PBX, such as a proxy or a network.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

/// A fault of the PBX. Open connections are cut when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing listens.
    Refused,
    /// A proxy answers every request 502.
    BadGateway,
    /// The middleware is up and its backend is down: REST 502, the websocket 101 and end of file.
    NoBackend,
    /// Connections are accepted and closed.
    Closed,
    /// Connections are accepted but not answered until the PBX resumes.
    NoAnswer,
    /// SYN packets are dropped.
    Swallowed,
}

impl Fault {
    pub(crate) const ALL: [Self; 6] =
        [Self::Refused, Self::BadGateway, Self::NoBackend, Self::Closed, Self::NoAnswer, Self::Swallowed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::BadGateway => "502",
            Self::NoBackend => "101, then closed",
            Self::Closed => "accepted and closed",
            Self::NoAnswer => "accepted, no answer",
            Self::Swallowed => "SYNs dropped",
        }
    }
}

/// A port that forwards to a PBX unless it has a fault.
pub(crate) struct Front {
    address: SocketAddr,
    fault: watch::Sender<Option<Fault>>,
}

impl Front {
    pub(crate) async fn start(pbx: SocketAddr) -> Self {
        let listener = low_port().await;
        let address = listener.local_addr().unwrap();
        let (fault, faults) = watch::channel(None);
        tokio::spawn(serve(listener, pbx, faults));
        Self { address, fault }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn turn(&self, fault: Option<Fault>) {
        self.fault.send_replace(fault);
    }
}

/// Returns a port below the ephemeral range, so that no client takes it while nothing listens.
async fn low_port() -> TcpListener {
    loop {
        let port = fastrand::u16(20_000..30_000);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return listener;
        }
    }
}

async fn serve(listener: TcpListener, pbx: SocketAddr, mut faults: watch::Receiver<Option<Fault>>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let mut fillers: Vec<JoinHandle<io::Result<TcpStream>>> = Vec::new();
    loop {
        tokio::select! {
            changed = faults.changed() => {
                if changed.is_err() {
                    return;
                }
                fillers.drain(..).for_each(|filler| filler.abort());
                let fault = *faults.borrow_and_update();
                if fault.is_some_and(|fault| fault != Fault::NoBackend) {
                    connections.shutdown().await;
                }
                if fault == Some(Fault::Refused) {
                    listener = None;
                } else if listener.is_none() {
                    listener = Some(TcpListener::bind(address).await.unwrap());
                }
                if let Some(listener) = &listener {
                    let swallows = fault == Some(Fault::Swallowed);
                    SockRef::from(listener).listen(if swallows { 0 } else { 1024 }).unwrap();
                    if swallows {
                        fillers = fill(address).await;
                    }
                }
            }
            accepted = accept(listener.as_ref()), if *faults.borrow() != Some(Fault::Swallowed) => {
                let (stream, faults) = (accepted.unwrap(), faults.clone());
                connections.spawn(connection(stream, pbx, faults));
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

/// Fills the backlog of a listener that accepts nothing, until a connection is dropped.
async fn fill(address: SocketAddr) -> Vec<JoinHandle<io::Result<TcpStream>>> {
    let mut fillers = Vec::new();
    loop {
        let let_in = Arc::new(tokio::sync::Notify::new());
        let notify = Arc::clone(&let_in);
        fillers.push(tokio::spawn(async move {
            let stream = TcpStream::connect(address).await?;
            notify.notify_one();
            std::future::pending::<()>().await;
            Ok(stream)
        }));
        if timeout(Duration::from_millis(200), let_in.notified()).await.is_err() {
            return fillers;
        }
    }
}

async fn connection(
    mut stream: TcpStream,
    pbx: SocketAddr,
    mut faults: watch::Receiver<Option<Fault>>,
) -> io::Result<()> {
    let fault = *faults.borrow_and_update();
    match fault {
        None | Some(Fault::NoBackend) => {}
        Some(Fault::Refused | Fault::Closed | Fault::Swallowed) => return Ok(()),
        Some(Fault::BadGateway) => {
            let _ = stream.read(&mut [0; 4096]).await?;
            stream
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await?;
            return stream.shutdown().await;
        }
        Some(Fault::NoAnswer) => {
            let _ = faults.wait_for(Option::is_none).await;
            // Staggered.
            sleep(Duration::from_millis(fastrand::u64(..20))).await;
        }
    }
    let mut behind = TcpStream::connect(pbx).await?;
    copy_bidirectional(&mut stream, &mut behind).await.map(|_| ())
}
