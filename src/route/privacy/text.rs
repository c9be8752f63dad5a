//! Hides personal data in one text, according to its place.

use super::{
    Inner, MASK,
    dialling::Dialling,
    free::{user_part, without_last_three},
    harmless::{is_address, is_harmless, is_hidden, is_placeholder, is_plain, is_unique_id},
    key::Kind,
    own::{LONGEST, OwnNumbers},
    rules::{KeyPlace, Place, Rule},
    settings::{Addresses, Content, Names, Numbers},
};

/// The rules of a sink, for the texts of one source. Pure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts<'a> {
    pub(super) rules: &'a Inner,
    pub(super) dialling: &'a Dialling,
}

impl Texts<'_> {
    /// Returns the replacement for a text; `None` if it stays. `None` as the text is one that can't be decoded.
    pub(super) fn text(&self, place: Place, text: Option<&str>) -> Option<String> {
        let settings = self.rules.settings;
        let Some(text) = text else {
            return (place.rule != Rule::Id || settings.is_thorough()).then(|| MASK.to_owned());
        };
        if text.is_empty() || text == MASK {
            return None;
        }
        let masked = || Some(MASK.to_owned());
        match place.rule {
            Rule::Hidden => masked(),
            Rule::Address => match settings.addresses {
                Addresses::Clear => self.free(text),
                _ => self.address(text),
            },
            Rule::Media => (settings.media == Content::Drop).then(|| MASK.to_owned()),
            Rule::Speech if settings.speech == Content::Drop => masked(),
            Rule::Text if settings.text == Content::Drop => masked(),
            Rule::Speech | Rule::Text => self.free(text),
            Rule::Number | Rule::OwnNumber => self.number(text, place.rule),
            Rule::Name | Rule::OwnName | Rule::Username => self.name(text, place.rule),
            Rule::Channel => self.channel(text),
            Rule::Id if !settings.is_thorough() || is_unique_id(text) => None,
            Rule::Id | Rule::Described => self.described(text, place),
            Rule::Unknown => self.unknown(text),
        }
    }

    /// Returns the replacement for a key; `None` if it stays. `None` as the key is one that can't be decoded.
    pub(super) fn key(&self, place: KeyPlace, key: Option<&str>) -> Option<String> {
        let Some(key) = key else { return Some(MASK.to_owned()) };
        let replaced = match place {
            KeyPlace::Field => None,
            _ if !self.rules.settings.is_thorough() && self.rules.own == OwnNumbers::Short => self.free(key),
            KeyPlace::Map(rule) => self.text(Place { rule, node: None }, Some(key)),
            KeyPlace::Unknown if !self.rules.settings.hides_names() || is_identifier(key) => self.free(key),
            KeyPlace::Unknown => self.unknown(key),
        };
        self.distinct(Kind::Name, key, replaced)
    }

    /// Replaces a mask by a pseudonym if there is a key: keys and entities must stay apart.
    pub(super) fn distinct(&self, kind: Kind, text: &str, replaced: Option<String>) -> Option<String> {
        match (replaced, &self.rules.key) {
            (Some(mask), Some(key)) if mask == MASK && text != MASK && self.rules.settings.is_thorough() => {
                let number = if is_plain(text) { self.dialling.e164(text) } else { None };
                Some(number.map_or_else(|| key.pseudonym(kind, text), |number| key.number(&number)))
            }
            (replaced, _) => replaced,
        }
    }

    /// Returns the replacement for a number that is not quoted.
    pub(super) fn unquoted(&self, place: Place, text: &str) -> Option<String> {
        let settings = self.rules.settings;
        if place.rule.is_deep(settings) {
            return Some(MASK.to_owned());
        }
        match place.rule {
            Rule::Number | Rule::OwnNumber => self.number(text, Rule::Number),
            _ if !settings.replaces_numbers() || place.is_numeric() => None,
            _ => {
                let digits = text.bytes().filter(u8::is_ascii_digit).count();
                let is_harmless = digits <= LONGEST || super::harmless::is_unix_time(text);
                (!is_harmless).then(|| self.replaced_number(text))
            }
        }
    }

    /// A value that the catalogue declares to be a number.
    fn number(&self, text: &str, rule: Rule) -> Option<String> {
        if is_hidden(text) {
            return None;
        }
        // An address may consist of few digits, as extensions do.
        if self.rules.settings.is_thorough() && is_address(text) {
            return self.address(text);
        }
        // Already masked by the PBX.
        let plain = text.strip_suffix(MASK).unwrap_or(text);
        if is_plain(plain) {
            if plain.len() < text.len() || self.rules.own.has(text) {
                return None;
            }
            return match self.rules.settings.numbers {
                Numbers::Clear => None,
                _ => Some(self.replaced_number(text)),
            };
        }
        if is_placeholder(text) {
            return None;
        }
        let settings = self.rules.settings;
        match settings.numbers {
            // The PBX's own trunks have names.
            _ if rule == Rule::OwnNumber && !text.contains('@') => self.name(text, Rule::OwnName),
            Numbers::Clear => self.free(text),
            Numbers::Truncate => Some(MASK.to_owned()),
            _ if text == "<unknown>" => None,
            Numbers::Pseudonym => Some(self.replaced_number(user_part(text))),
            Numbers::Drop => Some(MASK.to_owned()),
        }
    }

    /// The replacement for a number, as configured.
    pub(super) fn replaced_number(&self, text: &str) -> String {
        match (self.rules.settings.numbers, &self.rules.key) {
            (Numbers::Clear, _) => text.to_owned(),
            (Numbers::Truncate, _) => without_last_three(text),
            (Numbers::Pseudonym, Some(key)) => match self.dialling.e164(text).filter(|_| is_plain(text)) {
                Some(number) => key.number(&number),
                None => key.pseudonym(Kind::Number, text),
            },
            // A key is required, and a mask is safe.
            (Numbers::Pseudonym, None) | (Numbers::Drop, _) => MASK.to_owned(),
        }
    }

    fn name(&self, text: &str, rule: Rule) -> Option<String> {
        let is_own = rule != Rule::Name;
        match self.rules.settings.names {
            Names::Clear => self.free(text),
            Names::Outside if is_own => self.free(text),
            Names::Outside => (!super::key::is_pseudonym(text)).then(|| MASK.to_owned()),
            _ if is_hidden(text) || text == "<unknown>" => None,
            // Who has no name is often named by number.
            _ if rule != Rule::Username && is_plain(text) => self.number(text, Rule::Number),
            Names::Drop if rule != Rule::Username => Some(MASK.to_owned()),
            Names::Pseudonym | Names::Drop => Some(self.pseudonym(Kind::Name, text)),
        }
    }

    pub(super) fn pseudonym(&self, kind: Kind, text: &str) -> String {
        // A key is required, and a mask is safe.
        self.rules.key.as_ref().map_or_else(|| MASK.to_owned(), |key| key.pseudonym(kind, text))
    }

    pub(super) fn address(&self, text: &str) -> Option<String> {
        match self.rules.settings.addresses {
            Addresses::Clear => None,
            Addresses::Pseudonym if super::key::is_pseudonym(text) => None,
            Addresses::Pseudonym => Some(self.pseudonym(Kind::Address, &text.to_lowercase())),
            Addresses::Drop => Some(MASK.to_owned()),
        }
    }

    /// A value that the catalogue describes, and not as personal: a word, never a sentence.
    fn described(&self, text: &str, place: Place) -> Option<String> {
        let is_word =
            || text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@') && !text.starts_with("data:");
        if !self.rules.settings.hides_names() {
            self.free(text)
        } else if place.is_known(text) || is_harmless(text) {
            None
        } else if is_plain(text) {
            self.number(text, Rule::Number)
        } else if is_word() {
            self.free(text)
        } else {
            Some(MASK.to_owned())
        }
    }

    /// A value that the catalogue does not describe: anything may be a name.
    pub(super) fn unknown(&self, text: &str) -> Option<String> {
        if !self.rules.settings.hides_names() {
            self.free(text)
        } else if is_harmless(text) {
            None
        } else if is_plain(text) {
            self.number(text, Rule::Number)
        } else if text.starts_with("data:") {
            (self.rules.settings.media == Content::Drop).then(|| MASK.to_owned())
        } else if is_address(text) || text.contains('@') && !super::channel::is_channel(text) {
            if is_address(text) { self.address(text) } else { self.mail(text) }
        } else if super::channel::is_channel(text) {
            self.channel(text)
        } else {
            self.name(text, Rule::Name)
        }
    }

    /// A text with an `@`: an address, or a name with one.
    fn mail(&self, text: &str) -> Option<String> {
        if text.contains(char::is_whitespace) || self.rules.settings.addresses == Addresses::Clear {
            return self.name(text, Rule::Name);
        }
        self.address(text)
    }
}

/// Returns true for a key that looks like the name of a field. Otherwise it is data.
fn is_identifier(key: &str) -> bool {
    key.len() <= 64
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:$".contains(&byte))
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || "_$".contains(c))
        && !is_address(key)
}

impl Texts<'_> {
    /// Returns true for a run of digits that must be hidden in a text: an own number, and one whose end is masked, stays.
    pub(super) fn is_hideable(&self, digits: &str, after: &str) -> bool {
        digits.bytes().filter(u8::is_ascii_digit).count() > LONGEST
            && !after.starts_with(MASK)
            && (self.rules.own == OwnNumbers::Short || !self.rules.own.has(digits))
    }

    /// Returns true for the most frequent text that stays: the number of an extension.
    pub(super) fn is_short_number(&self, rule: Rule, text: &str) -> bool {
        let is_number = matches!(
            rule,
            Rule::Number | Rule::OwnNumber | Rule::Id | Rule::Described | Rule::Unknown | Rule::Channel
        );
        is_number
            && text.len() <= LONGEST
            && self.rules.own == OwnNumbers::Short
            && text.bytes().all(|byte| byte.is_ascii_digit())
    }
}
