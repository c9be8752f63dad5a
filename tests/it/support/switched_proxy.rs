//! A proxy in front of a server that can be closed, like an unplugged cable.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A proxy on loopback.
pub(crate) struct SwitchedProxy {
    open: watch::Sender<bool>,
    address: SocketAddr,
}

impl SwitchedProxy {
    /// Starts an open proxy to `server`.
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = watch::Sender::new(true);
        let state = open.subscribe();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut state) = (server.clone(), state.clone());
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = state.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { open, address }
    }

    /// Opens it, or closes it and cuts all connections.
    pub(crate) fn set(&self, open: bool) {
        self.open.send_replace(open);
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}
