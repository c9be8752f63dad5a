//! The head of a segment: what the derived records depend on, as of the segment's first entry.
//!
//! ```text
//! sources u16 │ for each: source u16 │ length u32 │ state │ crc32c u32
//! ```
//!
//! A damaged head is as good as none: recovery starts from an older one. A segment's file may be replaced by one without
//! a head, unless it is the newest.

use std::io;

use event::SourceId;

use super::segment::Header;

use crate::{
    derive::Derive,
    fs::{self, File},
};

/// Saved states by source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head(pub(crate) Vec<(SourceId, Vec<u8>)>);

impl Head {
    /// Saves the states. `None` if there are no sources, as in a journal that derives nothing.
    pub(crate) fn of(states: &[Option<Box<dyn Derive>>]) -> Option<Self> {
        let by_source = (0..).map(SourceId).zip(states);
        let saved = by_source.filter_map(|(source, state)| Some((source, state.as_ref()?.save())));
        (!states.is_empty()).then(|| Self(saved.collect()))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = u16::try_from(self.0.len()).unwrap_or(u16::MAX).to_le_bytes().to_vec();
        for (source, state) in &self.0 {
            out.extend_from_slice(&source.0.to_le_bytes());
            out.extend_from_slice(&u32::try_from(state.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(state);
        }
        let sum = crc32c::crc32c(&out).to_le_bytes();
        out.extend_from_slice(&sum);
        out
    }

    /// Decodes a head; `None` if it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*sum) != crc32c::crc32c(content) {
            return None;
        }
        let (count, mut rest) = content.split_first_chunk()?;
        let mut states = Vec::new();
        for _ in 0..u16::from_le_bytes(*count) {
            let (source, after) = rest.split_first_chunk()?;
            let (length, after) = after.split_first_chunk()?;
            let (state, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            states.push((SourceId(u16::from_le_bytes(*source)), state.to_vec()));
            rest = after;
        }
        Some(Self(states))
    }

    /// Reads the head of a segment, given the offset of the first entry; `None` if it has none, or a damaged one.
    pub(crate) fn read(file: &dyn File, header: &Header, start: usize) -> io::Result<Option<Self>> {
        let mut bytes = vec![0; header.head as usize];
        let from = start.saturating_sub(bytes.len());
        let read = fs::read_fully(file, &mut bytes, from as u64)?;
        bytes.truncate(read);
        Ok(Self::decode(&bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_or_not_at_all() {
        for head in [Head::default(), Head(vec![(SourceId(1), b"one".to_vec()), (SourceId(7), vec![])])] {
            let bytes = head.encode();
            assert_eq!(Head::decode(&bytes), Some(head));
            for end in 0..bytes.len() {
                assert_eq!(Head::decode(&bytes[..end]), None);
            }
            for at in 0..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1;
                assert_eq!(Head::decode(&bytes), None);
            }
        }
    }
}
