//! The language a fan reads, as apps write it. Not a list of what we speak: consent and templates choose the nearest they have.

/// A language tag: `rw`, `en-US`, `en_US`. Kept as language and optional region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locale {
    language: String,
    region: Option<String>,
}

/// Why a text is no [`Locale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a locale is a language tag such as rw or en-US")]
pub struct LocaleError;

impl Locale {
    /// Reads a BCP 47 tag, with hyphen or underscore; scripts and variants are passed over.
    pub fn parse(text: &str) -> Result<Self, LocaleError> {
        let mut parts = text.split(['-', '_']);
        let language = parts.next().filter(|part| is_letters(part, 2..=3)).ok_or(LocaleError)?.to_ascii_lowercase();
        let mut region = None;
        for part in parts {
            if part.is_empty() || part.len() > 8 || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(LocaleError);
            }
            if region.is_none() && is_letters(part, 2..=2) {
                region = Some(part.to_ascii_uppercase());
            }
        }
        if text.len() > 35 {
            return Err(LocaleError);
        }
        Ok(Self { language, region })
    }

    /// Two or three lower-case letters.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Two upper-case letters.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }
}

fn is_letters(part: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_locale() {
        for text in ["en-US", "en_US", "EN-us", "en-Latn-US"] {
            let locale = Locale::parse(text).unwrap();
            assert_eq!((locale.language(), locale.region()), ("en", Some("US")), "{text}");
        }
        assert_eq!(Locale::parse("rw").unwrap().region(), None);
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["", "e", "english", "e1", "en-", "en--US", "en-US!", "en-aaaaaaaaa", "ŕw", "en-a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r"] {
            assert!(Locale::parse(text).is_err(), "{text}");
        }
    }
}
