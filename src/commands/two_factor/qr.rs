//! A QR code in half-block characters, two modules each.

use std::io;

use fast_qr::{ECL, QRBuilder};

use crate::terminal::has_colours;

/// The terminal that shows the code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    /// Characters in a line.
    columns: usize,
    /// Whether to print black on white with escape sequences, regardless of the terminal's colours.
    colour: bool,
}

impl Terminal {
    /// Returns the terminal of standard output; `None` if its width is unknown.
    pub(super) fn of_stdout() -> Option<Self> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        let colour = has_colours(true);
        Some(Self { columns: usize::from(size.ws_col), colour })
    }
}

/// Light modules around the code; readers need four.
const QUIET: usize = 4;

/// Returns the code as text; `None` if it does not fit on a line, or the text does not fit into a code.
pub(super) fn draw(text: &str, terminal: Terminal) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let side = code.size + 2 * QUIET;
    if side > terminal.columns {
        return None;
    }
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..code.size + QUIET).contains(&x) && (QUIET..code.size + QUIET).contains(&y);
        inside && code[y - QUIET][x - QUIET].value()
    };
    let (begin, end) = if terminal.colour { ("\u{1b}[38;5;16;48;5;231m", "\u{1b}[0m") } else { ("", "") };
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        drawn.push_str(begin);
        for x in 0..side {
            // Without colours characters are taken to be light on a dark ground, so light modules are drawn.
            let ink = |y| y < side && dark(x, y) == terminal.colour;
            drawn.push(match (ink(y), ink(y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        drawn.push_str(end);
        drawn.push('\n');
    }
    Some(drawn)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const URL: &str = "otpauth://totp/NethVoice:bridge?algorithm=SHA1&digits=6&period=30&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn it_fits_an_ordinary_terminal_but_not_a_narrow_one() {
        let drawn = draw(URL, Terminal { columns: 80, colour: false }).unwrap();
        let widths: Vec<usize> = drawn.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0] && *width <= 60), "{widths:?}");
        assert_eq!(widths.len(), widths[0].div_ceil(2));
        assert!(draw(URL, Terminal { columns: widths[0], colour: true }).is_some());
        assert!(draw(URL, Terminal { columns: widths[0] - 1, colour: true }).is_none());
    }

    /// Each module again, from the characters: both ways of drawing show the same code, a frame of light around it.
    #[test]
    fn colours_change_nothing_but_the_ink() {
        let modules = |colour: bool| {
            let drawn = draw(URL, Terminal { columns: 80, colour }).unwrap();
            let bare = drawn.replace("\u{1b}[38;5;16;48;5;231m", "").replace("\u{1b}[0m", "");
            let halves = |line: &str, upper: bool| {
                line.chars()
                    .map(|c| (c == '█' || (c == '▀') == upper && c != ' ') == colour)
                    .collect::<Vec<_>>()
            };
            bare.lines().flat_map(|line| [halves(line, true), halves(line, false)]).collect::<Vec<_>>()
        };
        let (ink, bare) = (modules(true), modules(false));
        let side = ink[0].len();
        assert_eq!(ink[..side], bare[..side]);
        assert!(ink[..QUIET].iter().flatten().all(|dark| !dark), "the frame is light");
        // The corner of a code is a finder pattern: seven dark modules.
        assert!(ink[QUIET][QUIET..QUIET + 7].iter().all(|dark| *dark) && !ink[QUIET][QUIET + 7]);
    }
}
