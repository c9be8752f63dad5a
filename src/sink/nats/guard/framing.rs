//! Checks the lines and messages of a NATS server against size limits as they arrive. Pure.
//!
//! ```text
//! INFO {…}␍␊   PING␍␊   PONG␍␊   +OK␍␊   -ERR '…'␍␊
//! MSG  <subject> <sid> [reply] <bytes>␍␊<payload>␍␊
//! HMSG <subject> <sid> [reply] <header bytes> <bytes>␍␊<header><payload>␍␊
//! ```
//!
//! The client buffers a line until it ends, and a message until it is complete, at any length. Everything that passes
//! here is limited. Lines are split exactly as the client splits them, or the two would disagree about where a payload
//! begins.
//!
//! Source: <https://docs.nats.io/reference/reference-protocols/nats-protocol>

/// The longest INFO. A cluster of a thousand servers sends 64 KiB.
pub(super) const INFO: usize = 1 << 20;
/// The longest line of a message: servers limit theirs to 4 KiB by default.
const MESSAGE_LINE: usize = 64 << 10;
/// The longest other line.
const OTHER_LINE: usize = 4 << 10;
/// The bytes that identify the kind of a line.
const VERB: usize = 5;
/// The largest message, header and payload: no server can be configured to accept more.
const MESSAGE: usize = 64 << 20;
/// The most lines in a header. The client keeps each as a string of its own, which takes more memory than the line does.
const HEADER_LINES: usize = 1024;

/// Data that no NATS server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A line that is too long.
    #[error("a line of more than {0} bytes")]
    Line(usize),
    /// A message that is too large.
    #[error("a message of {0} bytes, where {MESSAGE} is the limit")]
    Message(usize),
    /// A header that is too long.
    #[error("a message header of more than {HEADER_LINES} lines")]
    Header,
    /// A line that can't be parsed.
    #[error("a malformed {0} line")]
    Malformed(&'static str),
}

/// The state of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    /// An incomplete line.
    line: Vec<u8>,
    message: Message,
}

/// The remaining bytes of a message.
#[derive(Debug, Default, Clone, Copy)]
struct Message {
    header: usize,
    header_lines: usize,
    /// Payload and line end.
    rest: usize,
}

impl Framing {
    /// Checks the next bytes. After a violation none of `bytes` may be relayed.
    pub fn check(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            bytes = self.message.skip(bytes)?;
            if self.message.is_over() {
                bytes = self.line(bytes)?;
            }
        }
        Ok(())
    }

    /// Returns the length of the incomplete line, in bytes.
    pub fn buffered(&self) -> usize {
        self.line.len()
    }

    /// Reads a line, or the available part of it. Returns the bytes after it.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let Some(end) = line_end(&self.line, bytes) else {
            // The first bytes identify the kind of an incomplete line.
            let start = self.line.iter().chain(bytes).take(VERB).copied();
            let limit = limit(&start.collect::<Vec<u8>>());
            if self.line.len() + bytes.len() > limit {
                return Err(Violation::Line(limit));
            }
            self.line.extend_from_slice(bytes);
            return Ok(&[]);
        };
        let (last, rest) = bytes.split_at(end);
        if self.line.is_empty() {
            self.message = parse_line(last)?;
        } else {
            self.line.extend_from_slice(last);
            self.message = parse_line(&self.line)?;
            self.line.clear();
            self.line.shrink_to(OTHER_LINE);
        }
        Ok(rest)
    }
}

impl Message {
    fn is_over(&self) -> bool {
        self.header == 0 && self.rest == 0
    }

    /// Skips the bytes of the message. Returns the bytes after it.
    fn skip<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let (header, bytes) = bytes.split_at(self.header.min(bytes.len()));
        self.header_lines += memchr::memchr_iter(b'\n', header).count();
        if self.header_lines > HEADER_LINES {
            return Err(Violation::Header);
        }
        self.header -= header.len();
        let (rest, bytes) = bytes.split_at(self.rest.min(bytes.len()));
        self.rest -= rest.len();
        Ok(bytes)
    }
}

/// Returns the index in `bytes` after the `␍␊` of the line that begins with `start`. `None` if the line does not end there.
fn line_end(start: &[u8], bytes: &[u8]) -> Option<usize> {
    let before = |at: usize| match at.checked_sub(1) {
        Some(before) => bytes.get(before),
        None => start.last(),
    };
    memchr::memchr_iter(b'\n', bytes).find(|at| before(*at) == Some(&b'\r')).map(|at| at + 1)
}

/// Returns the length limit of a line with this start, including its line end.
fn limit(start: &[u8]) -> usize {
    if start.starts_with(b"INFO ") {
        INFO
    } else if start.starts_with(b"MSG ") || start.starts_with(b"HMSG ") {
        MESSAGE_LINE
    } else {
        OTHER_LINE
    }
}

/// Checks a complete line. Returns the message that it announces.
fn parse_line(line: &[u8]) -> Result<Message, Violation> {
    let limit = limit(line);
    if line.len() > limit {
        return Err(Violation::Line(limit));
    }
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    if let Some(arguments) = line.strip_prefix(b"MSG ") {
        let malformed = Violation::Malformed("MSG");
        let text = std::str::from_utf8(arguments).map_err(|_| malformed)?;
        let words = text.split(' ').filter(|word| !word.is_empty());
        let [size] = sizes(words, 2).ok_or(malformed)?;
        return message(0, size);
    }
    if let Some(arguments) = line.strip_prefix(b"HMSG ") {
        let malformed = Violation::Malformed("HMSG");
        let text = std::str::from_utf8(arguments).map_err(|_| malformed)?;
        let [header, size] = sizes(text.split_whitespace(), 2).ok_or(malformed)?;
        return message(header, size.checked_sub(header).ok_or(malformed)?);
    }
    // The client reads what follows the space without checking that there is one.
    if line.starts_with(b"-ERR") && line.len() < b"-ERR ".len() {
        return Err(Violation::Malformed("-ERR"));
    }
    Ok(Message::default())
}

/// Returns the last `N` words as numbers. `None` unless `names` words, or one more, precede them.
fn sizes<'a, const N: usize>(words: impl Iterator<Item = &'a str>, names: usize) -> Option<[usize; N]> {
    // One more than is valid.
    let words: Vec<&str> = words.take(names + N + 2).collect();
    let (_, sizes) = words.split_last_chunk::<N>()?;
    if !(names..=names + 1).contains(&(words.len() - N)) {
        return None;
    }
    let mut numbers = [0; N];
    for (number, size) in numbers.iter_mut().zip(sizes) {
        *number = size.parse().ok()?;
    }
    Some(numbers)
}

fn message(header: usize, payload: usize) -> Result<Message, Violation> {
    let size = header.saturating_add(payload);
    if size > MESSAGE {
        return Err(Violation::Message(size));
    }
    Ok(Message { header, header_lines: 0, rest: payload + b"\r\n".len() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &[u8]) -> Result<(), Violation> {
        Framing::default().check(text)
    }

    #[test]
    fn valid_server_frames_pass() {
        let text: &[u8] = b"INFO {\"max_payload\":1048576}\r\nPING\r\nPONG\r\n+OK\r\n-ERR 'Stale Connection'\r\n\
            MSG a.b 1 5\r\nab\r\nc\r\nMSG a 2 reply.to 0\r\n\r\n\
            HMSG a 1 22 24\r\nNATS/1.0\r\nA: b\r\n\r\n\r\nok\r\nHMSG a 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\nPING\r\n";
        let mut framing = Framing::default();
        assert_eq!(framing.check(text), Ok(()));
        assert!(framing.line.is_empty() && framing.message.is_over());
        // As it arrives one byte at a time.
        let mut framing = Framing::default();
        assert!(text.chunks(1).all(|byte| framing.check(byte).is_ok()));
        assert!(framing.line.is_empty() && framing.message.is_over());
    }

    #[test]
    fn a_message_is_no_larger_than_any_server_allows() {
        let size = format!("MSG a 1 {}\r\n", 1_u64 << 40);
        assert_eq!(check(size.as_bytes()), Err(Violation::Message(1 << 40)));
        assert_eq!(
            check(format!("HMSG a 1 12 {}\r\n", MESSAGE + 1).as_bytes()),
            Err(Violation::Message(MESSAGE + 1))
        );
        assert_eq!(check(format!("MSG a 1 {MESSAGE}\r\n").as_bytes()), Ok(()));
        assert_eq!(check(b"MSG a 1 99999999999999999999999\r\n"), Err(Violation::Malformed("MSG")));
        assert_eq!(
            check(format!("HMSG a 1 {0} {0}\r\n", usize::MAX).as_bytes()),
            Err(Violation::Message(usize::MAX))
        );
    }

    #[test]
    fn a_line_that_never_ends_is_refused_by_its_kind() {
        for (start, limit) in [
            ("INFO {", INFO),
            ("-ERR '", OTHER_LINE),
            ("MSG a", MESSAGE_LINE),
            ("HMSG a", MESSAGE_LINE),
            ("", OTHER_LINE),
        ] {
            let text = [start.as_bytes(), &vec![b'x'; limit + 1]].concat();
            assert_eq!(check(&text), Err(Violation::Line(limit)), "{start}");
            let mut framing = Framing::default();
            let refused = text.chunks(1000).position(|chunk| framing.check(chunk).is_err());
            assert_eq!(refused, Some(limit / 1000), "{start}");
            assert!(framing.line.len() <= limit);
            // Also one that does end.
            let text = [&text[..], b"\r\n"].concat();
            assert_eq!(check(&text), Err(Violation::Line(limit)), "{start}");
        }
    }

    #[test]
    fn frames_that_break_the_client_are_refused() {
        assert_eq!(check(b"-ERR\r\n"), Err(Violation::Malformed("-ERR")));
        assert_eq!(check(b"HMSG a 1 24 22\r\n"), Err(Violation::Malformed("HMSG")));
        for line in ["MSG a 1\r\n", "MSG a 1 r 5 5\r\n", "MSG \r\n", "MSG a 1 x\r\n", "MSG \u{e9} 1\r\n"] {
            assert_eq!(check(line.as_bytes()), Err(Violation::Malformed("MSG")), "{line}");
        }
        let lines = "a:\r\n".repeat(HEADER_LINES);
        let header = format!("NATS/1.0\r\n{lines}\r\n");
        let text = format!("HMSG a 1 {0} {0}\r\n{header}\r\n", header.len());
        assert_eq!(check(text.as_bytes()), Err(Violation::Header));
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"MSG a 1 ".to_vec()),
            Just(b"HMSG a 1 3 ".to_vec()),
            Just(b"INFO {}\r\n".to_vec()),
            Just(b"-ERR".to_vec()),
            (0..20_usize).prop_map(|number| number.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..8),
        ]
    }

    proptest! {
        #[test]
        fn how_it_arrives_makes_no_difference(
            pieces in prop::collection::vec(piece(), 0..20),
            cuts in prop::collection::vec(1..9_usize, 1..20),
        ) {
            let text = pieces.concat();
            let at_once = check(&text);
            let (mut framing, mut rest, mut result) = (Framing::default(), &text[..], Ok(()));
            for cut in cuts.iter().cycle() {
                if rest.is_empty() || result.is_err() {
                    break;
                }
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                (result, rest) = (framing.check(part), after);
            }
            prop_assert_eq!(result, at_once);
        }
    }
}
