//! See `cti_bridge::fuzz::framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cti_bridge::fuzz::framing(input));
