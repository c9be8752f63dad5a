//! See `cti_bridge::fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let file = std::env::temp_dir().join(format!("cti-bridge-fuzz-{}.toml", std::process::id()));
    cti_bridge::fuzz::config(&file, input);
});
