//! Reads the head of an HTTP/1 answer and not a byte more: the rest belongs to another protocol.
//!
//! Parsed, not compared: a status line may lack its reason phrase (RFC 9112, section 4), and header fields may be repeated
//! or hold lists (RFC 9110, section 5.3).

use std::io;

use httparse::{EMPTY_HEADER, ParserConfig, Response, Status};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The limit of a head, in bytes and in header fields.
const LARGEST: usize = 16 * 1024;
const FIELDS: usize = 128;

/// Status and header fields of an answer.
#[derive(Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    fields: Vec<(String, Vec<u8>)>,
}

/// The reason why there is no head.
#[derive(Debug, thiserror::Error)]
pub enum NoHead {
    /// The connection failed or ended.
    #[error(transparent)]
    Io(io::Error),
    /// The answer is not HTTP/1, or its head does not end.
    #[error("not an HTTP/1 answer")]
    NotHttp,
}

impl Head {
    /// The values of all fields of this name, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.trim_ascii())
    }

    /// Returns true if the token list in the fields of this name contains `token`, ignoring case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|listed| listed.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Reads the head of the final answer, and skips interim ones. Byte by byte, so that nothing after it is consumed.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Head, NoHead> {
    let mut bytes = Vec::new();
    loop {
        bytes.push(stream.read_u8().await.map_err(NoHead::Io)?);
        let is_http = b"HTTP/1.".get(..bytes.len().min(7)).is_some_and(|start| bytes.starts_with(start));
        if !is_http || bytes.len() > LARGEST {
            return Err(NoHead::NotHttp);
        }
        if !(bytes.ends_with(b"\r\n\r\n") || bytes.ends_with(b"\n\n")) {
            continue;
        }
        let head = parse(&bytes).ok_or(NoHead::NotHttp)?;
        // 101 is final: it ends HTTP on this connection.
        if !(100..200).contains(&head.status) || head.status == 101 {
            return Ok(head);
        }
        bytes.clear();
    }
}

fn parse(bytes: &[u8]) -> Option<Head> {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut answer = Response::new(&mut fields);
    let mut config = ParserConfig::default();
    config
        .ignore_invalid_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    match config.parse_response(&mut answer, bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) | Err(_) => return None,
    }
    let fields = answer.headers.iter().map(|field| (field.name.to_owned(), field.value.to_owned())).collect();
    Some(Head { status: answer.code?, fields })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn head(mut bytes: &[u8]) -> (Result<Head, NoHead>, &[u8]) {
        (read(&mut bytes).await, bytes)
    }

    #[tokio::test]
    async fn a_status_line_needs_no_reason_phrase() {
        for line in
            ["HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 Connection established", "HTTP/1.1 200 \u{e4}"]
        {
            let text = format!("{line}\r\nA: b\r\n\r\nrest");
            let (head, rest) = head(text.as_bytes()).await;
            assert_eq!(head.unwrap().status, 200, "{line}");
            assert_eq!(rest, b"rest", "{line}");
        }
    }

    #[tokio::test]
    async fn tokens_are_found_in_lists_and_repeated_fields() {
        for fields in [
            "Connection: keep-alive, Upgrade",
            "connection:upgrade",
            "CONNECTION: close ,\tUPGRADE , x",
            "Connection: keep-alive\r\nConnection: Upgrade",
        ] {
            let text = format!("HTTP/1.1 101\r\n{fields}\r\n\r\n");
            assert!(head(text.as_bytes()).await.0.unwrap().has_token("Connection", "upgrade"), "{fields}");
        }
        let (head, _) = head(b"HTTP/1.1 101\r\nConnection: upgrades, x upgrade\r\n\r\n").await;
        assert!(!head.unwrap().has_token("Connection", "upgrade"));
    }

    #[tokio::test]
    async fn interim_answers_are_skipped() {
        let (head, rest) = head(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101\r\n\r\n42").await;
        assert_eq!((head.unwrap().status, rest), (101, &b"42"[..]));
    }

    #[tokio::test]
    async fn anything_else_is_rejected() {
        let long = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", "x".repeat(20_000));
        for text in ["SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/2 200\r\n\r\n", &long] {
            assert!(matches!(head(text.as_bytes()).await.0, Err(NoHead::NotHttp)), "{text:.40}");
        }
        assert!(matches!(head(b"HTTP/1.1 200 OK\r\n").await.0, Err(NoHead::Io(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(start in "HTTP/1.[01] [0-9]{0,4}", rest in "[ -~\\r\\n\u{e9}]{0,64}") {
            let text = format!("{start}{rest}\r\n\r\n");
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(head(text.as_bytes()));
        }
    }
}
