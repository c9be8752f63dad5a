//! Encodes calls for the head of a segment of the journal: compact, exact, and decoded from damaged bytes without a panic.
//!
//! Fields have no names, numbers have a variable length, a time is the distance from the one before, and a text that a call repeats
//! is a reference to where it was first.

mod values;

use std::collections::HashMap;

/// Most bytes that decoded texts may use. A reference is shorter than its text.
const LIMIT: usize = 16 << 20;

/// A value that can be saved.
pub(crate) trait Saved: Sized {
    fn save<'a>(&'a self, out: &mut Encoder<'a>);
    /// Decodes a value; `None` if the bytes are damaged.
    fn load(input: &mut Decoder<'_>) -> Option<Self>;
}

#[derive(Debug, Default)]
pub(crate) struct Encoder<'a> {
    pub(crate) bytes: Vec<u8>,
    /// Texts that can be referred to, by the order of their appearance.
    texts: HashMap<&'a str, u64>,
    time: i128,
}

impl Encoder<'_> {
    /// Forgets all texts, so that what follows can be decoded alone.
    pub(crate) fn forget_texts(&mut self) {
        self.texts.clear();
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn number(&mut self, mut number: u128) {
        while let byte @ 0x80.. = number {
            self.bytes.push(byte.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }
}

#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    texts: Vec<&'a str>,
    time: i128,
    /// Bytes of texts that may still be decoded.
    allowance: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, texts: Vec::new(), time: 0, allowance: LIMIT }
    }

    pub(crate) fn forget_texts(&mut self) {
        self.texts.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u128> {
        let mut number = 0;
        for place in 0..18 {
            let byte = self.byte()?;
            number |= u128::from(byte & 0x7F) << (7 * place);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn size(&mut self) -> Option<usize> {
        self.number()?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let number = self.size()?;
        let text = if number % 2 == 1 {
            self.texts.get(number / 2).copied()?
        } else {
            let (text, rest) = self.rest.split_at_checked(number / 2)?;
            self.rest = rest;
            let text = std::str::from_utf8(text).ok()?;
            self.texts.push(text);
            text
        };
        self.allowance = self.allowance.checked_sub(size_of::<String>() + text.len())?;
        Some(text)
    }
}

/// Saves an enum as a number.
macro_rules! saved_variants {
    ($type:ident { $($variant:ident = $number:literal),+ $(,)? }) => {
        impl $crate::saved::Saved for $type {
            fn save<'a>(&'a self, out: &mut $crate::saved::Encoder<'a>) {
                out.byte(match self { $(Self::$variant => $number),+ });
            }

            fn load(input: &mut $crate::saved::Decoder<'_>) -> Option<Self> {
                match input.byte()? {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use saved_variants;
