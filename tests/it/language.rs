//! Keeps retired words out of what operators and contributors read. `docs/design/glossary.md` has the words in use.

use std::{fs, path::Path};

const PLACES: [&str; 9] = [
    "src",
    "crates",
    "tests/it/support",
    "docs",
    "config",
    "charts",
    "systemd",
    "README.md",
    "ARCHITECTURE.md",
];

/// Complete words, case-sensitive. Ordinary English words are not listed, as they have uses that are right.
const PHRASES: &[&str] = &[
    "Better in a file",
    "Mend",
    "a trial only",
    "anew",
    "come round",
    "ended unasked",
    "finds it away",
    "goes with a problem",
    "in good order",
    "is no URL",
    "is no duration",
    "is no key",
    "is no placeholder",
    "it takes what we publish",
    "mend",
    "mended",
    "missing and not announced",
    "on the bridge's line",
    "opens nothing any more",
    "part of the program",
    "stand still",
    "stands still",
    "the way open",
    "user name and password are taken",
    "will be begun",
];

const IDENTIFIERS: &[&str] = &[
    "Bell",
    "Cutter",
    "DECK",
    "Desk",
    "Glance",
    "Guests",
    "Judged",
    "Keeper",
    "Lately",
    "Looked",
    "Nudged",
    "Owed",
    "Stretch",
    "Told",
    "bury",
    "census",
    "commands::ask",
    "commands::watch",
    "cursor::Lane",
    "disk::held",
    "farewell",
    "glance",
    "haunt",
    "is_crowded",
    "journal::look",
    "keeper",
    "oddity",
    "resync::watch",
    "session::sight",
    "sink::kept",
    "stands_still",
    "tally",
    "trouble_aside",
    "untroubled",
];

#[test]
fn retired_words_stay_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for place in PLACES {
        search(&root.join(place), &mut found);
    }
    assert!(found.is_empty(), "use the words of docs/design/glossary.md:\n{}", found.join("\n"));
}

#[test]
fn a_retired_word_is_found_as_a_complete_word() {
    for text in ["reads it anew.", "in good\n//! order", "state.stands_still()", "(Keeper)"] {
        assert!(retired(text).next().is_some(), "{text}");
    }
    for text in ["renewal", "amends", "ZooKeeper", "finally", "canew_", "a good order"] {
        assert_eq!(retired(text).next(), None, "{text}");
    }
}

fn search(path: &Path, found: &mut Vec<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            search(&entry.unwrap().path(), found);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        found.extend(retired(&text).map(|word| format!("{}: {word}", path.display())));
    }
}

/// The retired words in a text, also where a phrase continues on the next line of a comment.
fn retired(text: &str) -> impl Iterator<Item = &'static str> {
    let words: Vec<&str> =
        text.split_whitespace().filter(|word| !matches!(*word, "//" | "///" | "//!" | "#" | "\\")).collect();
    let text = words.join(" ");
    let is_word = |ch: char| ch.is_alphanumeric() || ch == '_';
    PHRASES.iter().chain(IDENTIFIERS).copied().filter(move |word| {
        text.match_indices(word).any(|(start, _)| {
            !text[..start].ends_with(is_word) && !text[start + word.len()..].starts_with(is_word)
        })
    })
}
