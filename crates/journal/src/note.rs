//! Identifies an event at a broker after its record is gone from the journal.

use event::{HIDDEN_NAME, Record, Seq, event_type};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A published event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Note {
    /// Number of the event; 0 for none.
    pub seq: Seq,
    /// Receive time in microseconds since 1970; `None` in a cursor of format 1, which stored the number only.
    pub time: Option<i64>,
    /// Its `CloudEvents` type.
    pub ty: String,
}

/// Serialized form of a note, in either cursor format.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(Seq),
    Full {
        seq: Seq,
        #[serde(default)]
        time: Option<i64>,
        #[serde(default)]
        ty: String,
    },
}

impl From<Written> for Note {
    fn from(written: Written) -> Self {
        match written {
            Written::Number(seq) => Self { seq, ..Self::default() },
            Written::Full { seq, time, ty } => Self { seq, time, ty },
        }
    }
}

impl Note {
    /// Creates a note of an event as its broker stores it.
    pub fn new(seq: Seq, time: Timestamp, ty: String) -> Self {
        Self { seq, time: Some(time.as_microsecond()), ty }
    }

    /// Returns whether an event with this time and type matches. Data is not compared: privacy, mode and
    /// version change it. Privacy may also hide the name of an unknown event, and with it the type.
    pub fn is(&self, time: Timestamp, ty: &str) -> bool {
        let hidden = || event_type(HIDDEN_NAME);
        let is_hidden = || [ty, &self.ty].contains(&&*hidden()) && is_of_pbx(ty) && is_of_pbx(&self.ty);
        self.time.is_none_or(|noted| noted == time.as_microsecond() && (self.ty == ty || is_hidden()))
    }
}

fn is_of_pbx(ty: &str) -> bool {
    ty.starts_with("cti.event.")
}

impl From<&Record> for Note {
    fn from(record: &Record) -> Self {
        Self::new(record.seq, record.at, record.ty())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_read_as_a_note_that_fits_anything() {
        let old: Vec<Note> = serde_json::from_str("[7, {\"seq\": 8, \"time\": 1, \"ty\": \"t\"}]").unwrap();
        assert_eq!((old[0].seq, old[1].seq), (Seq(7), Seq(8)));
        let time = |nanoseconds| Timestamp::from_nanosecond(nanoseconds).unwrap();
        assert!(old[0].is(time(5_000), "anything"));
        assert!(old[1].is(time(1_999), "t"), "a broker keeps microseconds");
        assert!(!old[1].is(time(2_000), "t") && !old[1].is(time(1_000), "u"));
        let hidden = Note::new(Seq(9), time(1_000), "cti.event.xxx.v1".to_owned());
        let named = Note::new(Seq(9), time(1_000), "cti.event.odd.v1".to_owned());
        assert!(hidden.is(time(1_000), "cti.event.odd.v1") && named.is(time(1_000), "cti.event.xxx.v1"));
        assert!(!hidden.is(time(2_000), "cti.event.odd.v1") && !hidden.is(time(1_000), "cti.bridge.gap.v1"));
        let again: Vec<Note> = serde_json::from_str(&serde_json::to_string(&old).unwrap()).unwrap();
        assert_eq!(again, old);
    }
}
