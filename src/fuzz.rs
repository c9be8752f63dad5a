//! What must hold whatever a peer, a disk or a file says. Each function panics if it does not.
//!
//! `tests/fuzz` and `benches/fuzz` call these with bytes of their own making; see `benches/README.md`.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{
    app::config::load_with,
    config::Flags,
    event::{Notice, Origin, RawEvent},
    net::Address,
    session::{Detector, Findings},
    socketio::{self, Packet},
};

/// A frame of the PBX: what is taken for an event is one, and its arguments are as many JSON texts as it says.
pub fn packet(input: &[u8]) {
    let Ok(Packet::Event(event)) = socketio::decode(input) else { return };
    let args = &input[event.args.start as usize..event.args.end as usize];
    // A frame that is no UTF-8 never gets as far as the codec.
    let Ok(args) = std::str::from_utf8(args) else { return };
    // The parser stops at a depth of 128; the codec does not.
    if args.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() < 100 {
        let parsed: Vec<Box<RawValue>> = serde_json::from_str(&format!("[{args}]")).expect("not JSON");
        assert_eq!(parsed.len(), usize::from(event.argc));
    }
    let frame = RawEvent {
        at: Timestamp::UNIX_EPOCH,
        bytes: Bytes::copy_from_slice(input),
        name: event.name,
        args: event.args,
        argc: event.argc,
        attachments: Box::default(),
    };
    let (name, args) = (frame.name(), frame.args());
    assert!(crate::event::slug(&name).len() <= 64);
    for notice in Detector::new(true, Findings::default()).inspect(&frame, Origin::Live) {
        let Notice::Drift { event, path, count: 1, .. } = notice else {
            panic!("another notice: {notice:?}")
        };
        assert!(event.chars().count() <= 64 && path.len() <= 1024);
    }
    if let Some(entity) = crate::event::entity(&name, &args) {
        assert!(crate::event::entity_token(Some(&entity.key())).len() <= 64);
    }
}

pub use crate::journal::fuzz::segment;

/// A configuration: whatever is wrong is a problem with a text, in one line.
pub fn config(file: &std::path::Path, input: &[u8]) {
    if std::fs::write(file, input).is_err() {
        return;
    }
    match load_with(&Flags { config: Some(file.to_owned()), ..Flags::default() }, []) {
        Ok(loaded) => assert!(!loaded.config.sources.is_empty() && !loaded.config.sinks.is_empty()),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// What a NATS server sends: how it is cut makes no difference, and the client never waits for more than the bounds.
#[cfg(feature = "nats")]
pub fn framing(input: &[u8]) {
    use crate::sink::nats::Framing;
    let Some((cut, input)) = input.split_first() else { return };
    let at_once = Framing::default().check(input);
    let mut framing = Framing::default();
    let in_pieces = input.chunks(usize::from(*cut).max(1)).try_for_each(|piece| framing.check(piece));
    assert_eq!(at_once, in_pieces);
    if at_once.is_ok() {
        assert!(framing.buffered() <= 1 << 20);
    }
}

/// A URL: what is printed has no part of what was written before an `@`, and can be read again.
pub fn address(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(address) = text.parse::<Address>() else { return };
    let printed = address.to_string();
    assert!(!address.url().as_str().contains('@') || address.user_info().is_none(), "{printed}");
    assert!(address.url().host_str().is_some_and(|host| !host.is_empty()));
    let again: Address = address.with_user_info().as_str().parse().expect("it can't be read again");
    assert_eq!(again.to_string(), printed);
}

/// `Date` and `Retry-After`: any text is a time within bounds, or none.
pub fn http(input: &[u8]) {
    let (date, wait) = input.split_at(input.len() / 2);
    crate::api::fuzz(date, wait);
}
