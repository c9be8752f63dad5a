//! The standard streams of the commands.
//!
//! The output of a command is documented byte for byte, as long as it goes to a file or a pipe. A
//! terminal would interpret some of it, so there it is escaped as in JSON, which means the same to a JSON parser.
//! Standard error is always for people: it is escaped, and its secrets are masked.

use std::{
    borrow::Cow,
    fmt,
    io::{self, IsTerminal as _, Write},
};

use super::{escape::escaped_as_json, secrets, secrets::Words};

/// Standard output.
pub fn stdout() -> Screened<io::Stdout> {
    let screen = if io::stdout().is_terminal() { Screen::Escape } else { Screen::Nothing };
    Screened::new(io::stdout(), screen)
}

/// Standard error.
pub fn stderr() -> Screened<io::Stderr> {
    Screened::new(io::stderr(), Screen::EscapeAndMask)
}

/// Converts a text to its form on standard error.
pub fn for_people(text: &str) -> String {
    escaped(&secrets::mask(text, Words::Ours)).into_owned()
}

/// Keeps line breaks and tabs, which are ours: a peer's have been escaped before.
fn escaped(text: &str) -> Cow<'_, str> {
    escaped_as_json(text, |ch| matches!(ch, '\n' | '\t'))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Screen {
    Nothing,
    Escape,
    EscapeAndMask,
}

/// A writer that sanitises text: line by line, as a secret may arrive in pieces, and at each flush.
pub struct Screened<W: Write> {
    inner: W,
    screen: Screen,
    /// The start of a line.
    held: Vec<u8>,
}

/// The longest line that is held; a longer one is shown in pieces.
const LINE: usize = 256 * 1024;

impl<W: Write> Screened<W> {
    fn new(inner: W, screen: Screen) -> Self {
        Self { inner, screen, held: Vec::new() }
    }

    /// Writes the first `count` held bytes.
    fn show(&mut self, count: usize) -> io::Result<()> {
        let lines: Vec<u8> = self.held.drain(..count).collect();
        let text = String::from_utf8_lossy(&lines);
        let shown = match self.screen {
            Screen::EscapeAndMask => for_people(&text),
            _ => escaped(&text).into_owned(),
        };
        self.inner.write_all(shown.as_bytes())
    }
}

impl<W: Write> Write for Screened<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.screen == Screen::Nothing {
            return self.inner.write(bytes);
        }
        self.held.extend_from_slice(bytes);
        let lines = self.held.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        match lines {
            Some(count) => self.show(count)?,
            None if self.held.len() > LINE => self.show(complete(&self.held))?,
            None => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.held.is_empty() {
            self.show(complete(&self.held))?;
        }
        self.inner.flush()
    }
}

/// The number of bytes before an incomplete character at the end.
fn complete(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

impl<W: Write> Drop for Screened<W> {
    fn drop(&mut self) {
        // Without held text there is nothing to wait for a reader for.
        if !self.held.is_empty() {
            let _ = self.show(self.held.len());
        }
    }
}

impl<W: Write> fmt::Debug for Screened<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screened").field("screen", &self.screen).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn shown(screen: Screen, pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut screened = Screened::new(&mut out, screen);
        for piece in pieces {
            screened.write_all(piece).unwrap();
        }
        drop(screened);
        out
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let pieces: [&[u8]; 4] =
            [b"{\"a\":\"\xc2", b"\x9b2J\x1b[31m\"}\n\tb\r\x7f\xe2\x80", b"\xae", b"c\xff"];
        let escaped = "{\"a\":\"\\u009b2J\\u001b[31m\"}\n\tb\\u000d\\u007f\\u202ec\u{fffd}";
        assert_eq!(String::from_utf8(shown(Screen::Escape, &pieces)).unwrap(), escaped);
    }

    #[test]
    fn a_file_gets_the_bytes_unchanged() {
        let pieces: [&[u8]; 2] = [b"\xc2", b"\x9b\x1b[31m\r\n\xff"];
        assert_eq!(shown(Screen::Nothing, &pieces), pieces.concat());
    }

    #[test]
    fn standard_error_masks_a_secret_that_comes_in_pieces() {
        secrets::register(&"vexu-palindrome".into());
        let out = shown(Screen::EscapeAndMask, &[b"said: vexu-", b"palindrome\n", b"\x1b"]);
        assert_eq!(out, b"said: [secret]\n\\u001b");
    }

    #[test]
    fn a_prompt_is_shown_at_the_flush() {
        let mut out = Vec::new();
        let mut screened = Screened::new(&mut out, Screen::EscapeAndMask);
        write!(screened, "One-time password: ").unwrap();
        screened.flush().unwrap();
        assert_eq!(screened.inner, b"One-time password: ");
    }
}
