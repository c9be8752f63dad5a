//! Brings telephone numbers to one form, so that the same number is recognised however it is written.

/// How numbers are dialled at a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Dialling {
    /// The country code, such as `39`. Empty: the digits as sent are the number.
    pub country_code: String,
    /// The digits that are dialled for a line to the outside. Empty for none.
    pub outside_prefix: String,
    /// The digits before a national number that its international form lacks, such as `0` in Germany. Empty for none, as in Italy.
    pub trunk_prefix: String,
}

/// A telephone number in international form, without the `+`. Without a country code, the digits as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct E164(String);

impl E164 {
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The prefix of an international number.
const INTERNATIONAL: &str = "00";
/// The fewest digits of an international number after the prefix, where the prefix may also begin a national number.
const WORLDWIDE: usize = 11;
/// The fewest digits of a national number after the country code.
const NATIONAL: usize = 9;
/// The code of Italy, whose numbers keep their 0.
const ITALY: &str = "39";

/// Characters between the digits of a number.
pub(super) fn is_separator(c: char) -> bool {
    " ()-./\u{a0}".contains(c)
}

impl Dialling {
    /// Returns the international form of a number that consists of digits, separators and perhaps a `+`. `None` for a text without
    /// digits.
    pub fn e164(&self, text: &str) -> Option<E164> {
        let is_international = text.trim_start_matches(is_separator).starts_with('+');
        // The optional zero of `+44 (0)20` is that of the national form.
        let text = match text.split_once("(0)") {
            Some((before, after)) if is_international && self.country_code != ITALY => {
                &*format!("{before}{after}")
            }
            _ => text,
        };
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if digits.is_empty() {
            return None;
        }
        Some(E164(if is_international || self.country_code.is_empty() {
            digits
        } else {
            self.as_dialled(&digits)
        }))
    }

    fn as_dialled(&self, digits: &str) -> String {
        let international = digits.strip_prefix(INTERNATIONAL);
        let after_prefix =
            digits.strip_prefix(&*self.outside_prefix).filter(|_| !self.outside_prefix.is_empty());
        match (after_prefix, international) {
            (Some(rest), _) if let Some(international) = rest.strip_prefix(INTERNATIONAL) => {
                international.to_owned()
            }
            // `00` is the prefix 0 before a national number, or begins an international one, which is long.
            (Some(rest), Some(international)) => {
                let is_own = international.starts_with(&*self.country_code);
                if is_own || international.len() >= WORLDWIDE {
                    international.to_owned()
                } else {
                    self.national(rest)
                }
            }
            (Some(rest), None) if self.is_dialled(digits, rest) => self.national(rest),
            (_, Some(international)) => international.to_owned(),
            _ => self.national(digits),
        }
    }

    /// Returns true if a number begins with the outside prefix, rather than with digits of its own that are the same.
    fn is_dialled(&self, digits: &str, rest: &str) -> bool {
        if self.outside_prefix != "0" {
            return rest.len() > super::own::LONGEST;
        }
        // Numbers begin with 0 themselves. An Italian mobile number has ten digits, beginning with 3.
        self.country_code == ITALY && digits.len() == 11 && rest.starts_with('3')
    }

    fn national(&self, digits: &str) -> String {
        let after_code = digits.strip_prefix(&*self.country_code);
        if after_code.is_some_and(|rest| rest.len() >= NATIONAL) {
            return digits.to_owned();
        }
        let trunk = digits.strip_prefix(&*self.trunk_prefix).unwrap_or(digits);
        format!("{}{trunk}", self.country_code)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn dialling(country: &str, outside: &str, trunk: &str) -> Dialling {
        let [country_code, outside_prefix, trunk_prefix] = [country, outside, trunk].map(str::to_owned);
        Dialling { country_code, outside_prefix, trunk_prefix }
    }

    #[test]
    fn every_form_of_a_number_is_the_same_number() {
        let italy = dialling("39", "", "");
        let italy_0 = dialling("39", "0", "");
        let italy_9 = dialling("39", "9", "");
        let germany_0 = dialling("49", "0", "0");
        let britain = dialling("44", "", "0");
        for (dialling, expected, forms) in [
            (
                &italy,
                "390721000111",
                &[
                    "0721000111",
                    "+390721000111",
                    "00390721000111",
                    "390721000111",
                    "+39 0721 000-111",
                    "(0721) 000.111",
                ][..],
            ),
            (&italy, "393331234567", &["3331234567", "+39 333 1234567", "00393331234567", "393331234567"]),
            (&italy, "393901234567", &["3901234567", "+393901234567"]),
            (&italy, "442079460000", &["+442079460000", "00442079460000"]),
            (
                &italy_0,
                "390721000111",
                &["0721000111", "00721000111", "+390721000111", "00390721000111", "000390721000111"],
            ),
            (
                &italy_0,
                "393331234567",
                &["3331234567", "03331234567", "+393331234567", "00393331234567", "000393331234567"],
            ),
            (&italy_0, "442079460000", &["00442079460000", "000442079460000"]),
            (&italy_9, "390721000111", &["0721000111", "90721000111", "900390721000111", "+390721000111"]),
            (
                &germany_0,
                "4930123456",
                &["030123456", "0030123456", "+4930123456", "+49 (0)30 123456", "004930123456"],
            ),
            (&britain, "442079460000", &["02079460000", "+44 (0)20 7946 0000", "00442079460000"]),
        ] {
            for form in forms {
                assert_eq!(dialling.e164(form).unwrap().as_str(), expected, "{form} with {dialling:?}");
            }
        }
    }

    #[test]
    fn without_a_country_code_the_digits_are_the_number() {
        let none = Dialling::default();
        assert_eq!(none.e164("+39 0721 000-111").unwrap().as_str(), "390721000111");
        assert_eq!(none.e164("00390721000111").unwrap().as_str(), "00390721000111");
        assert_eq!(none.e164("+ -"), None);
    }
}
