//! Which numbers are served: libphonenumber's data says whether a number exists and in which country. Not parsing: `otp_shared::phone` did that.
//!
//! **Invariant:** one number has one spelling; a spelling that libphonenumber would write differently is refused, so that it cannot walk around a block.

use std::collections::BTreeSet;

use otp_shared::{country::Country, phone::Phone};

/// The countries whose numbers get codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countries {
    /// Every country.
    All,
    /// These.
    Only(BTreeSet<Country>),
}

/// Why a number is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// No such number exists, or this is not its spelling.
    #[error("no such number exists in any country, or it is not written in its canonical form")]
    Invalid,
    /// It exists, in a country that is not served.
    #[error("codes are not sent to numbers of this country")]
    Unsupported,
}

impl Countries {
    /// Reads `RW,KE` or `all`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case("all") {
            return Some(Self::All);
        }
        let countries: Option<BTreeSet<_>> = text.split(',').map(|code| Country::parse(code.trim()).ok()).collect();
        countries.filter(|set| !set.is_empty()).map(Self::Only)
    }

    /// Whether numbers of this country get codes.
    pub fn serve(&self, country: Country) -> bool {
        match self {
            Self::All => true,
            Self::Only(set) => set.contains(&country),
        }
    }
}

/// The country of `phone`, if the number exists and its country is served.
pub fn check(phone: Phone, served: &Countries) -> Result<Country, NumberError> {
    let country = country(phone).ok_or(NumberError::Invalid)?;
    if served.serve(country) { Ok(country) } else { Err(NumberError::Unsupported) }
}

/// The country of `phone`; `None`: no such number exists, or this is not its spelling.
pub fn country(phone: Phone) -> Option<Country> {
    let spelled = phone.e164();
    let number = phonenumber::parse(None, &spelled).ok()?;
    let canonical = number.format().mode(phonenumber::Mode::E164).to_string();
    if canonical != spelled || !number.is_valid() {
        return None;
    }
    number.country().id().and_then(|id| Country::parse(id.as_ref()).ok())
}

/// The digits with which the numbers of a country begin, such as `250`.
pub fn calling_code(country: Country) -> Option<String> {
    phonenumber::metadata::DATABASE.by_id(country.as_str()).map(|metadata| metadata.country_code().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str, served: &str) -> Result<String, NumberError> {
        check(Phone::parse(text).expect("the edge lets it pass"), &Countries::parse(served).unwrap())
            .map(|country| country.as_str().to_owned())
    }

    #[test]
    fn numbers_are_placed_in_their_country() {
        for (number, country) in [
            ("+250788123456", "RW"),
            ("+254712345678", "KE"),
            ("+447400123456", "GB"),
            ("+16502530000", "US"),
            ("+5511987654321", "BR"),
            ("+525512345678", "MX"),
            ("+5491123456789", "AR"),
        ] {
            assert_eq!(check_text(number, "all").as_deref(), Ok(country), "{number}");
        }
    }

    #[test]
    fn a_spelling_that_is_not_canonical_is_refused() {
        for number in ["+2500788123456", "+44007911123456", "+250000000000", "+25078812345", "+9991234567890"] {
            assert_eq!(check_text(number, "all"), Err(NumberError::Invalid), "{number}");
        }
    }

    #[test]
    fn only_listed_countries_are_served() {
        assert_eq!(check_text("+254712345678", "RW, UG"), Err(NumberError::Unsupported));
        assert_eq!(check_text("+250788123456", "RW, UG").as_deref(), Ok("RW"));
        for bad in ["", "RWA", "RW,,KE", "R1"] {
            assert_eq!(Countries::parse(bad), None, "{bad}");
        }
    }
}
