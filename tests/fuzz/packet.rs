//! Any bytes are answered, and what is taken for an event is one: its arguments are JSON texts, and as many as it says.
#![no_main]

use cti_bridge::socketio::{Packet, decode};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|frame: &[u8]| {
    let Ok(Packet::Event(event)) = decode(frame) else { return };
    let args = &frame[event.args.start as usize..event.args.end as usize];
    // A frame that is no UTF-8 never gets as far as the codec.
    let Ok(args) = std::str::from_utf8(args) else { return };
    // The parser stops at a depth of 128; the codec does not.
    if args.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() < 100 {
        let parsed: Vec<Box<RawValue>> = serde_json::from_str(&format!("[{args}]")).expect("not JSON");
        assert_eq!(parsed.len(), usize::from(event.argc));
    }
});
