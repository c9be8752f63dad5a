//! Passing on what client and server say, until one of them ends.

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

use super::{Framing, Greeted, Noted, Stream};

/// Bytes read at a time.
const BUFFER: usize = 64 << 10;
/// How long what is under way may take when the client has gone.
const GRACE: Duration = Duration::from_secs(2);

/// Waits for the client, and passes on what the two say. `ended` ends that.
pub(super) async fn run(
    listener: TcpListener,
    from: IpAddr,
    greeted: Greeted,
    noted: Noted,
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
        () = relay(client, greeted, &noted) => {}
        () = late => {}
    }
}

/// The client's connection. Others are closed.
async fn accept(listener: TcpListener, from: IpAddr) -> io::Result<TcpStream> {
    loop {
        let (client, peer) = listener.accept().await?;
        if peer.ip() == from {
            client.set_nodelay(true)?;
            return Ok(client);
        }
    }
}

async fn relay(client: TcpStream, greeted: Greeted, noted: &Noted) {
    let Greeted { stream, info, rest } = greeted;
    let (from_client, mut to_client) = client.into_split();
    // An end of the client is seen below.
    let _ = to_client.write_all(&info).await;
    let mut framing = Framing::default();
    match stream {
        Stream::Plain(tcp) => {
            let (read, write) = tcp.into_split();
            let down = down(read, &mut to_client, &mut framing, rest, noted);
            pass(from_client, write, down).await;
        }
        Stream::Tls(tls) => {
            let (read, write) = tokio::io::split(*tls);
            let down = down(read, &mut to_client, &mut framing, rest, noted);
            pass(from_client, write, down).await;
        }
    }
}

/// Passes on both directions; the end of one is the end of both.
async fn pass(
    from_client: OwnedReadHalf,
    mut to_server: impl AsyncWrite + Unpin,
    down: impl Future<Output = io::Result<()>>,
) {
    let mut from_client = BufReader::with_capacity(BUFFER, from_client);
    tokio::select! {
        _ = copy_buf(&mut from_client, &mut to_server) => {}
        _ = down => {
            // What the server said last is read only from a connection that is not reset.
            let _ = timeout(GRACE, tokio::io::copy_buf(&mut from_client, &mut tokio::io::sink())).await;
        }
    }
    let _ = timeout(GRACE, to_server.shutdown()).await;
}

/// Passes on what the server sends, as long as it is what a server may send.
async fn down(
    mut server: impl AsyncRead + Unpin,
    client: &mut OwnedWriteHalf,
    framing: &mut Framing,
    mut bytes: Vec<u8>,
    noted: &Noted,
) -> io::Result<()> {
    let ended = loop {
        if let Err(violation) = framing.check(&bytes) {
            let _ = noted.set(violation);
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
