//! Websocket frames (RFC 6455, section 5) as the server's side writes and reads them.
//!
//! Written by hand because a library frames for one connection and never breaks a rule: here one
//! framed message goes to every socket, a burst is framed ahead of time, and a test may send half
//! a frame. Knows nothing of what the frames carry.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// The largest message that the backend accepts; 900,000 bytes pass and 1,100,000 end the connection.
const MAX_MESSAGE: usize = 1_000_000;

/// One unfragmented text frame. The payload isn't checked: invalid UTF-8 is a fault worth sending.
pub fn text(payload: &[u8]) -> Bytes {
    framed(FIN | TEXT, payload)
}

/// One unfragmented binary frame.
pub fn binary(payload: &[u8]) -> Bytes {
    framed(FIN | BINARY, payload)
}

pub(super) fn pong(payload: &[u8]) -> Bytes {
    framed(FIN | PONG, payload)
}

pub(super) fn close(payload: &[u8]) -> Bytes {
    framed(FIN | CLOSE, payload)
}

fn framed(first: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    out.put_u8(first);
    put_length(&mut out, payload.len());
    out.put_slice(payload);
    out.freeze()
}

fn put_length(out: &mut BytesMut, length: usize) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.put_u8(short),
        (_, Ok(medium)) => {
            out.put_u8(126);
            out.put_u16(medium);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
}

/// A complete message, or a control frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Text(Bytes),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    Close(Bytes),
}

/// The client broke the framing, or sent more than the backend accepts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Assembles a client's messages from the bytes read.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub(super) buffer: BytesMut,
    /// Opcode and content of a fragmented message, from its first frame until its last.
    fragments: Option<(u8, BytesMut)>,
}

impl Decoder {
    /// The next message, or `None` until more has been read into [`Decoder::buffer`].
    pub(super) fn next(&mut self) -> Result<Option<Received>, Broken> {
        while let Some((fin, opcode, payload)) = self.frame()? {
            match opcode {
                PING => return Ok(Some(Received::Ping(payload.freeze()))),
                PONG => return Ok(Some(Received::Pong)),
                CLOSE => return Ok(Some(Received::Close(payload.freeze()))),
                TEXT | BINARY if self.fragments.is_none() => self.fragments = Some((opcode, payload)),
                CONTINUATION => match &mut self.fragments {
                    Some((_, whole)) if whole.len() + payload.len() <= MAX_MESSAGE => {
                        whole.extend_from_slice(&payload);
                    }
                    _ => return Err(Broken),
                },
                _ => return Err(Broken),
            }
            if fin && let Some((opcode, whole)) = self.fragments.take() {
                let whole = whole.freeze();
                return Ok(Some(if opcode == TEXT {
                    Received::Text(whole)
                } else {
                    Received::Binary(whole)
                }));
            }
        }
        Ok(None)
    }

    fn frame(&mut self) -> Result<Option<(bool, u8, BytesMut)>, Broken> {
        let mut head = &self.buffer[..];
        if head.len() < 2 {
            return Ok(None);
        }
        let (first, second) = (head.get_u8(), head.get_u8());
        // A client must mask (RFC 6455, 5.1) and no extension was negotiated, so no RSV bit is set.
        if second & MASKED == 0 || first & 0x70 != 0 {
            return Err(Broken);
        }
        let length = match second & 0x7F {
            126 if head.len() >= 2 => usize::from(head.get_u16()),
            127 if head.len() >= 8 => usize::try_from(head.get_u64()).map_err(|_| Broken)?,
            126 | 127 => return Ok(None),
            short => usize::from(short),
        };
        if length > MAX_MESSAGE {
            return Err(Broken);
        }
        if head.len() < 4 + length {
            return Ok(None);
        }
        let mask = [head[0], head[1], head[2], head[3]];
        let start = self.buffer.len() - head.len() + 4;
        self.buffer.advance(start);
        let mut payload = self.buffer.split_to(length);
        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        Ok(Some((first & FIN != 0, first & 0x0F, payload)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::from(&framed(first, payload)[..]);
        out[1] |= MASKED;
        let head = out.len() - payload.len();
        let key = [1, 2, 3, 4];
        let mut all = out[..head].to_vec();
        all.extend_from_slice(&key);
        all.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        all
    }

    proptest! {
        #[test]
        fn a_message_is_read_whatever_its_length_and_however_it_arrives(
            payload in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                prop::collection::vec(any::<u8>(), 65_500..65_600),
            ],
            cut in any::<prop::sample::Index>(),
        ) {
            let wire = masked(FIN | BINARY, &payload);
            let cut = cut.index(wire.len());
            let mut decoder = Decoder::default();
            decoder.buffer.extend_from_slice(&wire[..cut]);
            prop_assert_eq!(decoder.next(), Ok(None));
            decoder.buffer.extend_from_slice(&wire[cut..]);
            prop_assert_eq!(decoder.next(), Ok(Some(Received::Binary(payload.into()))));
            prop_assert!(decoder.buffer.is_empty());
        }
    }

    #[test]
    fn a_control_frame_may_come_between_two_fragments() {
        let mut decoder = Decoder::default();
        for wire in [masked(TEXT, b"4"), masked(FIN | PING, b"x"), masked(FIN | CONTINUATION, b"0")] {
            decoder.buffer.extend_from_slice(&wire);
        }
        assert_eq!(decoder.next(), Ok(Some(Received::Ping(Bytes::from_static(b"x")))));
        assert_eq!(decoder.next(), Ok(Some(Received::Text(Bytes::from_static(b"40")))));
    }

    #[test]
    fn an_unmasked_or_oversized_frame_is_refused() {
        let mut decoder = Decoder::default();
        decoder.buffer.extend_from_slice(&text(b"40"));
        assert_eq!(decoder.next(), Err(Broken));
        let mut decoder = Decoder::default();
        decoder.buffer.extend_from_slice(&masked(FIN | TEXT, &vec![b'x'; MAX_MESSAGE + 1])[..20]);
        assert_eq!(decoder.next(), Err(Broken));
    }
}
