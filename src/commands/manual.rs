//! The manual page of the configuration, `cti-bridge.toml(5)`: made of the example, which shows and explains every key.

use std::fmt::Write as _;

use super::annotated::{self, Entry, Item};

const HEAD: &str = r#".TH "cti\-bridge.toml" 5 "" "cti\-bridge" "File formats"
.SH NAME
cti\-bridge.toml \- configuration of cti\-bridge
.SH DESCRIPTION
The bridge reads this TOML file when it starts, and again on SIGHUP. Each key is shown with its default, or with an example.
\fBcti\-bridge config check\fR checks the file; \fBcti\-bridge config show\fR prints the effective settings and where each
came from.
"#;

const TAIL: &str = r".SH FILES
.TP
.I /etc/cti\-bridge/config.toml
The file that the packaged service reads.
.TP
.I /etc/cti\-bridge/credentials/
The secrets that it names.
.SH SEE ALSO
.BR cti\-bridge (1)
";

fn write(entry: &Entry, page: &mut String) {
    if entry.keys.is_empty() {
        page.push_str(".PP\n");
    }
    for (request, key) in std::iter::once(".TP").chain(std::iter::repeat(".TQ")).zip(&entry.keys) {
        let _ = writeln!(page, "{request}\n.B {}", escaped(key).replace('"', "\\(dq"));
    }
    for line in &entry.text {
        let _ = writeln!(page, "{}", if line.is_empty() { ".PP".to_owned() } else { escaped(line) });
    }
}

/// The page, in roff.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    for item in annotated::items() {
        match item {
            Item::Table(header) => {
                let _ = writeln!(page, ".SH \"{}\"", escaped(header));
            }
            Item::Entry(entry) => write(&entry, &mut page),
        }
    }
    page + TAIL
}

/// Text without a meaning to roff.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_example_has_its_entry() {
        let page = page();
        for key in annotated::keys() {
            let tag = format!(".B {}\n", escaped(key).replace('"', "\\(dq"));
            assert!(page.contains(&tag), "{key}");
        }
        for table in ["[sources.pbx1]", "[sinks.bus]", "[sinks.stream]", "[journal]", "[log]", "[admin]"] {
            assert!(page.contains(&format!(".SH \"{table}\"\n")), "{table}");
        }
        assert!(page.starts_with(".TH") && !page.contains("\n\n"), "{page}");
    }

    #[test]
    fn a_comment_explains_the_keys_below_it() {
        let page = page();
        let expected = ".TP\n.B #".replace('#', "ua_type = \\(dqnone\\(dq");
        let (_, after) = page.split_once(&expected).unwrap_or_default();
        assert!(after.starts_with("\nThe client type that the session claims to be"), "{after:.200}");
        let pair = ".TP\n.B token_file = \\(dqpbx1\\-token\\(dq\n.TQ\n.B token = ";
        assert!(page.contains(pair), "{page}");
        assert!(page.contains("\n.SH \"[journal]\"\n.PP\nThe durable log that keeps events until"), "{page}");
    }
}
