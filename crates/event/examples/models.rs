//! Prints the state of extensions: `cargo run --package cti-event --example models <events.jsonl`.

#![allow(clippy::print_stdout, reason = "an example")]

use event::model::Data;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Event<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lines() {
        let line = line?;
        let event: Event = serde_json::from_str(&line)?;
        match Data::parse(event.r#type, event.data.get().as_bytes())? {
            Some(Data::ExtenUpdate(state)) => println!("{} {}", state.exten, state.status),
            Some(Data::BridgeGap(gap)) => println!("gap: {}", gap.reason),
            _ => {}
        }
    }
    Ok(())
}
