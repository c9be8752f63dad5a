//! `[sinks.NAME.privacy]`.

use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::{Addresses, Content, Key, Names, Numbers, Privacy, Profile, own::OwnNumbers, settings::Settings};
use crate::config::Section;

/// The personal data that the sink hides.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Table {
    /// "clear", "outside" (numbers and names of outside parties, in the form that the PBX uses) or "strict" (everything that names a
    /// person). Each of the following keys overrides the profile for one class of data.
    profile: Profile,
    /// Telephone numbers: "clear", "truncate" (the last three digits become xxx), "pseudonym" or "drop" (xxx).
    numbers: Option<Numbers>,
    /// Names: "clear", "outside" (names of outside parties become xxx), "pseudonym" or "drop" (xxx; usernames become pseudonyms).
    names: Option<Names>,
    /// IP, MAC, SIP and e-mail addresses: "clear", "pseudonym" or "drop" (xxx).
    addresses: Option<Addresses>,
    /// Pictures and binary attachments: "clear" or "drop" (xxx).
    media: Option<Content>,
    /// Transcriptions of calls: "clear" or "drop" (xxx).
    speech: Option<Content>,
    /// Notes and messages: "clear" or "drop" (xxx).
    text: Option<Content>,
    /// The numbers of the PBX's own extensions, which stay clear: `?` is any digit, `*` any digits. If unset, all of up to five digits.
    own_numbers: Option<Vec<String>>,
    /// A file with the key of the pseudonyms, which `cti-bridge privacy key` creates. Readable by its owner only.
    key_file: Option<String>,
}

impl Table {
    /// Checks what the schema can't, and reads the key. Returns `None` if it has reported a problem.
    pub(crate) fn validate(self, section: &mut Section<'_>) -> Option<Privacy> {
        let profile = Settings::from(self.profile);
        let settings = Settings {
            numbers: self.numbers.unwrap_or(profile.numbers),
            names: self.names.unwrap_or(profile.names),
            addresses: self.addresses.unwrap_or(profile.addresses),
            media: self.media.unwrap_or(profile.media),
            speech: self.speech.unwrap_or(profile.speech),
            text: self.text.unwrap_or(profile.text),
        };
        let own = self.own_numbers.map(|globs| own(globs, section));
        let key = match (self.key_file, settings.needs_key()) {
            (Some(name), _) => Some(key(&name, section)?),
            (None, None) => None,
            (None, Some(setting)) => {
                let text = format!(
                    "`key_file` is missing: {setting} needs a key. Create one with `cti-bridge privacy key --file PATH`, and set \
                     `key_file` to its path"
                );
                section.problem("key_file", text);
                return None;
            }
        };
        let own = own.map_or(Some(OwnNumbers::Short), |own| own.map(OwnNumbers::Globs))?;
        Some(Privacy::new(settings, own, key))
    }
}

fn key(name: &str, section: &mut Section<'_>) -> Option<Key> {
    let text = section.private_file("key_file", name)?;
    match Key::parse(text.expose_secret()) {
        Ok(key) => Some(key),
        Err(error) => {
            section.problem("key_file", error.to_string());
            None
        }
    }
}

fn own(globs: Vec<String>, section: &mut Section<'_>) -> Option<Vec<String>> {
    let legal = |glob: &String| {
        !glob.is_empty() && glob.bytes().all(|byte| byte.is_ascii_digit() || b"?*+#".contains(&byte))
    };
    if globs.iter().all(legal) {
        return Some(globs);
    }
    section.problem(
        "own_numbers",
        "holds something that is not a pattern of numbers: write digits, `?` and `*`, as in \"2??\"",
    );
    None
}
