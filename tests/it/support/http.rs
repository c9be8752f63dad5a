//! A scripted HTTP server over raw TCP that sends the given bytes, valid or not.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A field of the JSON body, as text.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body[name].as_str().map(str::to_owned)
    }
}

/// Serves one request per connection. Dropping it stops it.
pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// `answer` yields the bytes to send; the connection is closed after them.
    pub(crate) async fn start<F>(answer: impl Fn(Request) -> F + Send + Sync + 'static) -> io::Result<Self>
    where
        F: Future<Output = Vec<u8>> + Send + 'static,
    {
        Self::listen(None, answer).await
    }

    /// Same as [`Server::start`], over TLS.
    pub(crate) async fn listen<F>(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = Vec<u8>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer, tls) = (Arc::clone(&log), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    // The client may disconnect at any time.
                    let _ = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &log, &*answer).await,
                            Err(error) => Err(error),
                        },
                        None => serve(stream, &log, &*answer).await,
                    };
                });
            }
        });
        Ok(Self { port, seen, task })
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The requested paths so far, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|request| request.path).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S, F>(
    stream: S,
    log: &Mutex<Vec<Request>>,
    answer: &(impl Fn(Request) -> F + Sync),
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Vec<u8>>,
{
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    log.lock().unwrap().push(request.clone());
    let bytes = answer(request).await;
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

async fn read(stream: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Request { method, path, headers, body })
}

/// A complete, valid answer.
pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    with(status, &[("Content-Type", "application/json; charset=utf-8")], body)
}

/// A complete, valid answer with these headers.
pub(crate) fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let length = body.len();
    let fields: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
    format!(
        "HTTP/1.1 {status} Whatever\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
    )
    .into_bytes()
}

/// An answer with a `Content-Length` of `length` and this body.
pub(crate) fn promising(status: u16, length: usize, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Whatever\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
