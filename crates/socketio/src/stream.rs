//! The stream under the websocket, which records when bytes arrive.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// TCP, or TLS on it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The times at which bytes arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Activity {
    /// The time of the last bytes; initially, of the connection.
    pub(super) last_read: Instant,
    /// The time of the first bytes of a message that is still incomplete.
    pub(super) message_since: Option<Instant>,
}

/// Records when bytes arrive: a slow message proves that the peer is alive before it is complete.
pub(super) struct Watched {
    stream: Box<dyn Stream>,
    pub(super) activity: Activity,
}

impl Watched {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, activity: Activity { last_read: Instant::now(), message_since: None } }
    }

    /// Records that a message is complete.
    pub(super) fn complete(&mut self) {
        self.activity.message_since = None;
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            let now = Instant::now();
            self.activity.last_read = now;
            self.activity.message_since.get_or_insert(now);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
