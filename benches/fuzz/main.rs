//! Runs the targets of `tests/fuzz` in a loop on stable Rust, with randomly cut, spliced and mutated seeds.
//! See benches/README.md.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a program for people")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use cti_bridge::fuzz;

type Run = Box<dyn Fn(&[u8])>;

/// A target and its seeds.
struct Target {
    name: &'static str,
    run: Run,
    seeds: &'static [&'static str],
}

fn targets() -> Vec<Target> {
    let file = std::env::temp_dir().join(format!("cti-bridge-fuzz-{}.toml", std::process::id()));
    let target = |name, run: fn(&[u8]), seeds| Target { name, run: Box::new(run), seeds };
    vec![
        target(
            "packet",
            fuzz::packet,
            &[
                r#"42["extenUpdate",{"exten":"201","dnd":false,"n":[1,2.5e3,null]}]"#,
                r#"451-/,17["voice\u0061",{"_placeholder":true,"num":0},"\ud83d\ude00"]"#,
                "40{\"sid\":\"a\"}",
                "43009[]",
                r#"0{"sid":"a","pingInterval":25000}"#,
                r#"42["userPresenceUpdate",{"presence":{"username":"ada","status":"dnd","to":""}}]"#,
            ],
        ),
        target(
            "segment",
            fuzz::segment,
            &["\u{1}k\0a\0b\u{1}c\u{2}d\u{5}@\0e", "\0k\0a\0b\u{6}\u{7f}\0c\u{7}0\u{3}\u{2}\0d"],
        ),
        Target {
            name: "config",
            run: Box::new(move |input| fuzz::config(&file, input)),
            seeds: &[
                "[sources.a]\nurl = \"https://pbx.example.org\"\nusername = \"u\"\npassword = \"p\"\nmax_frame = \"8MiB\"\n[sinks.s]\ntype = \"stdout\"\n",
                "[sources.a]\nurl = \"http://127.0.0.1\"\nusername = \"u\"\npassword = \"p\"\n[sinks.s]\ntype = \"nats\"\nservers = [\"nats://127.0.0.1:4222\"]\nsubject = \"cti.{source}.{slug}\"\n[journal]\nmax_age = \"1day\"\nmemory = \"1MiB\"\n[admin]\nlisten = \"127.0.0.1:9464\"\n",
                "drain_timeout = \"5s\"\n[log]\nlevel = \"info\"\nformat = \"json\"\n",
            ],
        },
        #[cfg(feature = "nats")]
        target(
            "framing",
            fuzz::framing,
            &[
                "\u{7}INFO {\"max_payload\":1048576}\r\nPING\r\n-ERR 'x'\r\nMSG a.b 1 5\r\nabcde\r\n",
                "\u{3}HMSG a 1 r 22 24\r\nNATS/1.0\r\nA: b\r\n\r\n\r\nok\r\n+OK\r\nPONG\r\n",
                "\u{10}MSG a 1 1099511627776\r\nHMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n",
            ],
        ),
        target(
            "address",
            fuzz::address,
            &[
                "https://ada:p%40ss@pbx.example.org:8443/api?x#y",
                "nats://token@[::1]:4222",
                "tls://h",
                "http://127.0.0.1/a@b",
            ],
        ),
        target(
            "http",
            fuzz::http,
            &[
                "Tue, 24 Nov 2026 12:00:00 GMTTue, 24 Nov 2026 12:01:30 GMT",
                "Sun, 06 Nov 1994 08:49:37 GMT                          100",
                "Thu, 01 Jan 1970 00:00:00 -0000   18446744073709551615 999",
            ],
        ),
    ]
}

/// Tokens that are meaningful to some target.
const TOKENS: &[&str] = &[
    "\r\n",
    "\"",
    "\\",
    "\\u",
    "[",
    "]",
    "{",
    "}",
    ",",
    "@",
    ":",
    "//",
    "%",
    "=",
    "-",
    "0",
    "9",
    "99999999999999999999",
    "MSG ",
    "HMSG ",
    "INFO ",
    "-ERR",
    " ",
    "\n",
    "true",
    "null",
    "1e999",
    "GMT",
    "\u{e9}",
    "+0000",
    "[[",
    "#",
    "'''",
];

fn mutate(random: &mut fastrand::Rng, seeds: &[&str], input: &mut Vec<u8>) {
    // Half of the inputs are mutations of earlier ones.
    if input.len() > 600 || random.bool() {
        input.clear();
        input.extend_from_slice(seeds[random.usize(..seeds.len())].as_bytes());
    }
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=input.len());
        let to = (at + random.usize(..12)).min(input.len());
        match random.u8(..6) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..to)),
            2 => drop(input.splice(at..at, TOKENS[random.usize(..TOKENS.len())].bytes())),
            3 => drop(input.splice(at..at, [random.u8(..)])),
            4 => input[at..to].iter_mut().for_each(|byte| *byte = random.u8(..)),
            _ => {
                let seed = seeds[random.usize(..seeds.len())].as_bytes();
                let from = random.usize(..seed.len());
                drop(input.splice(at..to, seed[from..].iter().take(40).copied()));
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--bench")).collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|it| it == name);
        at.map_or(default, |at| arguments[at + 1].parse().unwrap())
    };
    let (count, seed) = (number("--count", 100_000), number("--seed", 1));
    let only = arguments.first().filter(|it| !it.starts_with("--"));
    std::panic::set_hook(Box::new(|_| {}));
    for target in targets().iter().filter(|target| only.is_none_or(|only| only == target.name)) {
        let (mut random, mut input, start) = (fastrand::Rng::with_seed(seed), Vec::new(), Instant::now());
        for number in 0..count {
            mutate(&mut random, target.seeds, &mut input);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
                let message = panic.downcast_ref::<String>().map(String::as_str);
                let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
                println!(
                    "{}: execution {number} of seed {seed}: {message}\n{:?}",
                    target.name,
                    input.escape_ascii().to_string()
                );
                std::process::exit(1);
            }
        }
        println!("{:<10} {count:>12} executions, {:>6.0} s", target.name, start.elapsed().as_secs_f64());
    }
}
