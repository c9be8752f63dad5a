//! A server that is none, or means harm: what it sends is read up to a bound, and no further.
#![cfg(feature = "nats")]

use std::time::Duration;

use cti_bridge::{
    app::config::load_with,
    config::{Assignment, Flags},
    sink::{Link as _, Sink as _, SinkError, nats::Nats},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    time::timeout,
};

const INFO: &str =
    "INFO {\"server_id\":\"x\",\"version\":\"2.15.0\",\"headers\":true,\"max_payload\":1048576}\r\n";
/// What may be under way in the buffers of two connections, and of those who read them.
const UNDER_WAY: usize = 24 << 20;

fn sink(server: &str) -> Nats {
    let set = [
        "sources.a.url=http://127.0.0.1:1",
        "sources.a.username=u",
        "sources.a.password=p",
        "sinks.s.type=nats",
        &format!("sinks.s.servers=[\"{server}\"]"),
    ];
    let set = set.iter().map(|set| set.parse::<Assignment>().unwrap()).collect();
    let config = load_with(&Flags { set, ..Flags::default() }, []).unwrap().config;
    Nats::new(config.sinks["s"].of().unwrap())
}

/// A server that greets, answers the client's first PING if it is asked to, and then sends `text`, and `filler` without an
/// end. Yields how many bytes it could send.
async fn hostile(greets: bool, text: &'static str, filler: u8) -> (String, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let sent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        if greets {
            write.write_all(INFO.as_bytes()).await.unwrap();
            while lines.next_line().await.unwrap().is_some_and(|line| line != "PING") {}
            write.write_all(b"PONG\r\n").await.unwrap();
        }
        let mut sent = 0;
        let filler = vec![filler; 1 << 20];
        let mut next = text.as_bytes();
        while let Ok(Ok(())) = timeout(Duration::from_secs(20), write.write_all(next)).await {
            sent += next.len();
            if sent > 4 * UNDER_WAY {
                break;
            }
            next = &filler;
        }
        sent
    });
    (url, sent)
}

/// What becomes of a link to it.
async fn outcome(url: &str) -> SinkError {
    match sink(url).open().await {
        Err(error) => error,
        Ok((mut link, _)) => link.acked().await.err().unwrap(),
    }
}

async fn is_cut_off(greets: bool, text: &'static str, filler: u8, expected: &str) {
    let (url, sent) = hostile(greets, text, filler).await;
    let error = timeout(Duration::from_mins(1), outcome(&url)).await.expect("still reading");
    assert!(matches!(error, SinkError::Again(_)), "{error:?}");
    assert!(format!("{error:#}").contains(expected), "{error:#}");
    let sent = sent.await.unwrap();
    assert!(sent <= UNDER_WAY, "{sent} bytes were read of {text:?}");
}

#[tokio::test]
async fn a_message_without_an_end_is_cut_off() {
    let expected = "sent a message of 1099511627776 bytes";
    is_cut_off(true, "MSG _INBOX.x 1 1099511627776\r\n", b'x', expected).await;
}

#[tokio::test]
async fn an_error_without_an_end_is_cut_off() {
    is_cut_off(true, "-ERR '", b'x', "sent a line of more than 4096 bytes").await;
}

#[tokio::test]
async fn a_greeting_without_an_end_is_cut_off() {
    is_cut_off(false, "INFO {\"x\":\"", b'x', "sent a line of more than 1048576 bytes").await;
}

#[tokio::test]
async fn another_greeting_without_an_end_is_cut_off() {
    is_cut_off(true, "INFO {\"x\":\"", b'x', "sent a line of more than 1048576 bytes").await;
}

#[tokio::test]
async fn an_unknown_greeting_is_not_a_server() {
    is_cut_off(false, "HTTP/1.1 400 Bad Request\r\n", b'x', "the server that answers is not a NATS server")
        .await;
}

#[tokio::test]
async fn an_error_without_text_does_not_panic() {
    is_cut_off(true, "-ERR\r\n", b'\n', "sent a malformed -ERR line").await;
}
