//! A phone number as one identity: the same fan is the same [`Phone`], however the number was spelled.
//!
//! Not a validator: whether a number can exist is libphonenumber's to say, at the origin. This parser is small enough for the edge. It
//! normalises separators and a leading `00`, folds the three aliases under which WhatsApp knows one account, and takes the rest literally;
//! a trunk prefix left inside (`+44 (0)20 …`) makes a number that the origin refuses.
//!
//! **Invariant:** a [`Phone`] has 8 to 15 digits (E.164), does not begin with a zero, and is its own canonical spelling.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The fewest digits a number may have, calling code included.
pub const MIN_DIGITS: usize = 8;
/// The most digits a number may have, calling code included (ITU-T E.164, 6.2.1).
pub const MAX_DIGITS: usize = 15;
/// The most digits a prefix may have: one fewer than a number's, or it would be a number.
pub const MAX_PREFIX_DIGITS: usize = 14;

/// A number in canonical E.164. The integer is its digits: 15 of them fit, and none leads with a zero, so nothing is lost.
///
/// `Debug` masks it and there is no `Display`: the full number is only ever asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(u64);

/// The first digits of canonical numbers, such as `+25078`. The integer is its digits: 1 to 14, and none leads with a zero.
///
/// `Debug` masks what goes beyond seven digits, since a prefix may be as long as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhonePrefix(u64);

/// Why a text is no [`Phone`] or [`PhonePrefix`]. Holds nothing of the text, so it may be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing but separators.
    #[error("the number is empty")]
    Empty,
    /// The calling code must be told: there is no "home" country here.
    #[error("the number does not begin with + or 00")]
    MissingPlus,
    /// A plus after the beginning.
    #[error("the number has a plus inside")]
    PlusInside,
    /// Neither an ASCII digit nor a separator.
    #[error("the number has a character that is neither a digit (0-9) nor a separator")]
    Character,
    /// No calling code begins with a zero.
    #[error("the calling code begins with a zero")]
    LeadingZero,
    /// An Argentine number dialled with its trunk prefix: `+54 0…` or `… 15 …`.
    #[error("the number has a trunk prefix inside")]
    Trunk,
    /// Fewer than [`MIN_DIGITS`], or a prefix of none.
    #[error("the number has too few digits")]
    TooShort,
    /// More than [`MAX_DIGITS`], or than [`MAX_PREFIX_DIGITS`] in a prefix.
    #[error("the number has too many digits")]
    TooLong,
}

impl Phone {
    /// Reads a number with its calling code, spelled with a plus or `00`, with or without separators.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let digits = international_digits(text)?;
        match digits.len() {
            ..MIN_DIGITS => Err(PhoneError::TooShort),
            MIN_DIGITS..=MAX_DIGITS if has_argentine_trunk(&digits) => Err(PhoneError::Trunk),
            MIN_DIGITS..=MAX_DIGITS => number(&canonical(digits)).map(Self),
            _ => Err(PhoneError::TooLong),
        }
    }

    /// The full number as E.164 prints it, such as `+250788123456`. Never log it.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// The full number without the plus, as Meta's `wa_id` has it. Never log it.
    pub fn digits(&self) -> String {
        self.0.to_string()
    }

    /// The digits as one integer. Never log it.
    pub fn as_u64(&self) -> u64 {
        self.0
    }

    /// The number for logs and pages, such as `+25078•••••56`: at least five digits stay hidden, whatever its length.
    pub fn masked(&self) -> String {
        let digits = self.digits();
        let tail = digits.len().saturating_sub(2);
        let head = tail.saturating_sub(5).min(5);
        let mask = |(place, digit)| if (head..tail).contains(&place) { '•' } else { digit };
        format!("+{}", digits.chars().enumerate().map(mask).collect::<String>())
    }

    /// The first `digits` digits, or `None` when it has fewer.
    pub(crate) fn leading(self, digits: u32) -> Option<u64> {
        let dropped = (self.0.checked_ilog10()? + 1).checked_sub(digits)?;
        Some(self.0 / 10_u64.pow(dropped))
    }
}

impl PhonePrefix {
    /// Reads a prefix with a plus or `00`, of 1 to 14 digits. An old spelling of Brazil's, Mexico's or Argentina's mobile numbers is
    /// rewritten like the numbers themselves: as it stands, it would cover none.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let digits = canonical_prefix(international_digits(text)?);
        if digits.len() > MAX_PREFIX_DIGITS { Err(PhoneError::TooLong) } else { number(&digits).map(Self) }
    }

    /// Whether the number begins with this prefix.
    pub fn covers(&self, phone: &Phone) -> bool {
        phone.leading(self.count()) == Some(self.0)
    }

    /// How many digits it has.
    pub(crate) fn count(self) -> u32 {
        self.0.checked_ilog10().map_or(0, |log| log + 1)
    }

    /// The digits as one integer.
    pub(crate) fn as_u64(self) -> u64 {
        self.0
    }

    /// The prefix of these digits; `None` if there are none or too many.
    pub(crate) fn from_u64(digits: u64) -> Option<Self> {
        let prefix = Self(digits);
        (1..=MAX_PREFIX_DIGITS).contains(&usize::try_from(prefix.count()).ok()?).then_some(prefix)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for PhonePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for PhonePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = |(place, digit)| if place > 7 { '•' } else { digit };
        f.write_str(&self.to_string().chars().enumerate().map(mask).collect::<String>())
    }
}

impl Serialize for Phone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.e164())
    }
}

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// The digits after the plus or `00`, without separators.
fn international_digits(text: &str) -> Result<String, PhoneError> {
    let text = text.trim_start_matches(is_separator);
    if text.is_empty() {
        return Err(PhoneError::Empty);
    }
    let international = text.strip_prefix('+').or_else(|| text.strip_prefix("00"));
    let digits = ascii_digits(international.unwrap_or(text))?;
    match international {
        None => Err(PhoneError::MissingPlus),
        Some(_) if digits.starts_with('0') => Err(PhoneError::LeadingZero),
        Some(_) => Ok(digits),
    }
}

/// What people and address books put between digits. Control characters are not among them, nor is a slash: it separates two numbers.
fn is_separator(c: char) -> bool {
    let punctuation = matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let typographic_space = matches!(c, '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}');
    // A number copied from a phone's contacts often comes wrapped in marks of writing direction.
    let invisible =
        matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    punctuation || typographic_space || invisible
}

/// Only ASCII: other scripts' digits would be a second spelling that humans and databases compare differently.
fn ascii_digits(text: &str) -> Result<String, PhoneError> {
    let digit = |c| match c {
        '0'..='9' => Ok(c),
        '+' => Err(PhoneError::PlusInside),
        _ => Err(PhoneError::Character),
    };
    text.chars().filter(|c| !is_separator(*c)).map(digit).collect()
}

fn number(digits: &str) -> Result<u64, PhoneError> {
    if digits.is_empty() {
        return Err(PhoneError::TooShort);
    }
    digits.parse().map_err(|_| PhoneError::TooLong)
}

/// Folds the aliases under which one WhatsApp account is known into the spelling that is dialled today.
fn canonical(mut digits: String) -> String {
    match (digits.len(), digits.as_bytes()) {
        // Brazil: area code and eight digits, from before mobile numbers got their ninth; landlines begin with 2 to 5.
        (12, [b'5', b'5', _, _, b'6'..=b'9', ..]) => digits.insert(4, '9'),
        // Mexico: the 1 that mobile numbers needed from abroad until 2019.
        (13, [b'5', b'2', b'1', ..]) => drop(digits.remove(2)),
        // Argentina: the 9 marks a mobile from abroad; area codes begin with 1, 2 or 3.
        (12, [b'5', b'4', b'1'..=b'3', ..]) => digits.insert(2, '9'),
        _ => {}
    }
    digits
}

/// [`canonical`] for the first digits alone: only what no canonical number begins with is rewritten.
fn canonical_prefix(mut digits: String) -> String {
    match digits.as_bytes() {
        [b'5', b'5', _, _, b'6'..=b'8', ..] => digits.insert(4, '9'),
        [b'5', b'2', b'1', ..] => drop(digits.remove(2)),
        [b'5', b'4', b'1'..=b'3', ..] => digits.insert(2, '9'),
        _ => {}
    }
    digits
}

/// An Argentine number as dialled at home: a leading 0, or the 15 that the 9 stands for, which makes it too long. Where the area code
/// ends, and so where the 15 stands, takes a table; such a number is refused rather than guessed.
fn has_argentine_trunk(digits: &str) -> bool {
    digits.strip_prefix("54").is_some_and(|national| national.starts_with('0') || national.len() > 11)
}
