//! Bursts of many events: frames made by copying a template and setting a few digits.

use std::ops::Range;

use super::frame;

/// The digits of the running number in each event.
const DIGITS: usize = 12;
/// Extensions 201 to 250 take turns.
const EXTENSIONS: u64 = 50;
const EXTENSION_MARK: &str = "@@@";
const NUMBER_MARK: &str = "############";

/// A framed `extenUpdate` with places for the extension and the running number, which stands in the
/// conversation's `uniqueId` and `linkedId`.
#[derive(Debug)]
pub(super) struct Template {
    frame: Vec<u8>,
    extensions: Vec<usize>,
    numbers: Vec<usize>,
}

impl Template {
    /// Arguments of about `payload_bytes` of JSON; never fewer than some 560.
    pub(super) fn new(payload_bytes: usize) -> Self {
        let object = |agent: &str| {
            format!(
                concat!(
                    r#"{{"exten":"{e}","name":"Ada Neri","username":"user{e}","status":"busy","ip":"10.1.2.9","port":"5060","#,
                    r#""mac":"","chanType":"pjsip","sipuseragent":"Yealink T46{a}","codecs":["alaw"],"context":"from-internal","#,
                    r#""useWebsocket":false,"dnd":false,"cf":"","cfb":"","cfu":"","cfVm":"","cfbVm":"","cfuVm":"","#,
                    r#""conversations":{{"PJSIP/{e}-0a>PJSIP/north-0b":{{"id":"PJSIP/{e}-0a>PJSIP/north-0b","owner":"{e}","#,
                    r#""direction":"out","connected":true,"duration":12,"startTime":1795538000000,"#,
                    r#""uniqueId":"1795538000.{n}","linkedId":"1795538000.{n}","queueId":"","throughQueue":false,"#,
                    r#""throughTrunk":true,"inConference":false,"recording":"false","counterpartNum":"01632960111","#,
                    r#""counterpartName":"Rossi","chSource":null,"chDest":null}}}}}}"#
                ),
                e = EXTENSION_MARK,
                a = agent,
                n = NUMBER_MARK,
            )
        };
        let bare = object("").len();
        let agent = "x".repeat(payload_bytes.saturating_sub(bare));
        let text = format!(r#"42["extenUpdate",{}]"#, object(&agent));
        let frame = frame::text(text.as_bytes()).to_vec();
        let places = |mark: &str| places(&frame, mark.as_bytes());
        Self { extensions: places(EXTENSION_MARK), numbers: places(NUMBER_MARK), frame }
    }

    /// Appends the frame of one event.
    pub(super) fn write(&self, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        self.extensions.iter().for_each(|at| put(&mut frame[*at..at + 3], 201 + number % EXTENSIONS));
        self.numbers.iter().for_each(|at| put(&mut frame[*at..at + DIGITS], number));
    }

    /// Takes frames off the front of `numbers` until `out` holds `limit` bytes or none are left.
    pub(super) fn fill(&self, numbers: &mut Range<u64>, limit: usize, out: &mut Vec<u8>) {
        while out.len() < limit
            && let Some(number) = numbers.next()
        {
            self.write(number, out);
        }
    }
}

fn places(frame: &[u8], mark: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(frame, mark).collect()
}

/// Writes a number with leading zeros.
fn put(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn frames_are_valid_json_of_the_requested_size_and_number() {
        let template = Template::new(850);
        let mut out = Vec::new();
        template.write(123_456, &mut out);
        let text = std::str::from_utf8(&out[4..]).unwrap();
        let args: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        assert_eq!(text.len() - r#"42["extenUpdate",]"#.len(), 850);
        assert_eq!(args[1]["exten"], "207");
        let id = "PJSIP/207-0a>PJSIP/north-0b";
        assert_eq!(args[1]["conversations"][id]["uniqueId"], "1795538000.000000123456");
    }

    #[test]
    fn a_range_comes_in_pieces_without_a_hole() {
        let template = Template::new(0);
        let mut numbers = 5..100;
        let mut frames = 0;
        while !numbers.is_empty() {
            let mut out = Vec::new();
            template.fill(&mut numbers, 4_096, &mut out);
            frames += out.len() / template.frame.len();
        }
        assert_eq!(frames, 95);
    }
}
