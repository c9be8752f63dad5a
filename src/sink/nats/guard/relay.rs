//! Relays between client and server until either closes the connection.

use std::{io, net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, copy_buf},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Framing, Greeted, Stream, ViolationCell};

/// Bytes read at a time.
const BUFFER: usize = 64 << 10;
/// The time limit for data in flight once the client is gone.
const GRACE: Duration = Duration::from_secs(2);

/// Waits for the client, and relays. `ended` stops it.
pub(super) async fn run(
    listener: TcpListener,
    from: IpAddr,
    greeted: Greeted,
    violation: ViolationCell,
    ended: CancellationToken,
) {
    let accepted = tokio::select! {
        client = accept(listener, from) => client,
        () = ended.cancelled() => return,
    };
    let Ok(client) = accepted else { return };
    let late = async {
        ended.cancelled().await;
        sleep(GRACE).await;
    };
    tokio::select! {
        () = relay(client, greeted, &violation) => {}
        () = late => {}
    }
}

/// Accepts the client's connection. Closes all others.
async fn accept(listener: TcpListener, from: IpAddr) -> io::Result<TcpStream> {
    loop {
        let (client, peer) = listener.accept().await?;
        if peer.ip() == from {
            client.set_nodelay(true)?;
            return Ok(client);
        }
    }
}

async fn relay(client: TcpStream, greeted: Greeted, violation: &ViolationCell) {
    let Greeted { stream, info, rest } = greeted;
    let (from_client, mut to_client) = client.into_split();
    // If the client is gone, the relay below ends.
    let _ = to_client.write_all(&info).await;
    let mut framing = Framing::default();
    match stream {
        Stream::Plain(tcp) => {
            let (read, write) = tcp.into_split();
            let down = down(read, &mut to_client, &mut framing, rest, violation);
            relay_both(from_client, write, down).await;
        }
        Stream::Tls(tls) => {
            let (read, write) = tokio::io::split(*tls);
            let down = down(read, &mut to_client, &mut framing, rest, violation);
            relay_both(from_client, write, down).await;
        }
    }
}

/// Relays both directions; the end of one ends both.
async fn relay_both(
    from_client: OwnedReadHalf,
    mut to_server: impl AsyncWrite + Unpin,
    down: impl Future<Output = io::Result<()>>,
) {
    let mut from_client = BufReader::with_capacity(BUFFER, from_client);
    tokio::select! {
        _ = copy_buf(&mut from_client, &mut to_server) => {}
        _ = down => {
            // Unread bytes would reset the connection, and the client would lose the server's last message.
            let _ = timeout(GRACE, tokio::io::copy_buf(&mut from_client, &mut tokio::io::sink())).await;
        }
    }
    let _ = timeout(GRACE, to_server.shutdown()).await;
}

/// Relays what the server sends, until a violation.
async fn down(
    mut server: impl AsyncRead + Unpin,
    client: &mut OwnedWriteHalf,
    framing: &mut Framing,
    mut bytes: Vec<u8>,
    violation: &ViolationCell,
) -> io::Result<()> {
    let ended = loop {
        if let Err(found) = framing.check(&bytes) {
            let _ = violation.set(found);
            break Ok(());
        }
        client.write_all(&bytes).await?;
        bytes.resize(BUFFER, 0);
        match server.read(&mut bytes).await {
            Ok(0) => break Ok(()),
            Ok(read) => bytes.truncate(read),
            Err(error) => break Err(error),
        }
    };
    client.shutdown().await?;
    ended
}
