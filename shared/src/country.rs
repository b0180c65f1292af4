//! Countries by their ISO 3166-1 alpha-2 code, and the country that a calling code gives away.
//!
//! Not for judging a number: who numbers the plan's ranges inside a shared calling code (+1, +7, +44, …) takes libphonenumber's data,
//! which only the origin carries.
//!
//! **Invariant:** a [`Country`] is an assigned code, and [`Country::of`] never guesses.

use std::fmt;

use crate::phone::Phone;

/// An ISO 3166-1 alpha-2 code, upper case, or `XK`: Kosovo has none assigned, and everybody uses this one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// Why a text is no [`Country`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a country code of ISO 3166-1 alpha-2, such as RW")]
pub struct CountryError;

impl Country {
    /// Reads a code in either case. `XX` and `T1`, by which Cloudflare means "unknown" and Tor, are no countries.
    pub fn parse(text: &str) -> Result<Self, CountryError> {
        let [first, second] = text.as_bytes() else { return Err(CountryError) };
        Self::from_bytes([first.to_ascii_uppercase(), second.to_ascii_uppercase()]).ok_or(CountryError)
    }

    /// The country of a number, where its calling code belongs to one alone; `None` says "not known here", never "no country".
    pub fn of(phone: &Phone) -> Option<Self> {
        // E.164 codes have one to three digits and none begins another, so the order does not matter; +1 and +7 are shared.
        [3, 2].into_iter().find_map(|digits| by_calling_code(phone.leading(digits)?))
    }

    /// The code, such as `RW`.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn as_bytes(self) -> [u8; 2] {
        self.0
    }

    pub(crate) fn from_bytes(code: [u8; 2]) -> Option<Self> {
        ASSIGNED.binary_search_by(|assigned| assigned.as_bytes().cmp(&code)).ok().map(|_| Self(code))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn by_calling_code(code: u64) -> Option<Country> {
    let found = CALLING_CODES.binary_search_by_key(&code, |(code, _)| *code).ok()?;
    CALLING_CODES.get(found).and_then(|(_, country)| Country::parse(country).ok())
}

/// Every assigned code (ISO 3166-1) and `XK`, sorted.
#[rustfmt::skip]
const ASSIGNED: &[&str] = &[
    "AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU", "AW", "AX", "AZ", "BA", "BB", "BD", "BE",
    "BF", "BG", "BH", "BI", "BJ", "BL", "BM", "BN", "BO", "BQ", "BR", "BS", "BT", "BV", "BW", "BY", "BZ", "CA", "CC", "CD",
    "CF", "CG", "CH", "CI", "CK", "CL", "CM", "CN", "CO", "CR", "CU", "CV", "CW", "CX", "CY", "CZ", "DE", "DJ", "DK", "DM",
    "DO", "DZ", "EC", "EE", "EG", "EH", "ER", "ES", "ET", "FI", "FJ", "FK", "FM", "FO", "FR", "GA", "GB", "GD", "GE", "GF",
    "GG", "GH", "GI", "GL", "GM", "GN", "GP", "GQ", "GR", "GS", "GT", "GU", "GW", "GY", "HK", "HM", "HN", "HR", "HT", "HU",
    "ID", "IE", "IL", "IM", "IN", "IO", "IQ", "IR", "IS", "IT", "JE", "JM", "JO", "JP", "KE", "KG", "KH", "KI", "KM", "KN",
    "KP", "KR", "KW", "KY", "KZ", "LA", "LB", "LC", "LI", "LK", "LR", "LS", "LT", "LU", "LV", "LY", "MA", "MC", "MD", "ME",
    "MF", "MG", "MH", "MK", "ML", "MM", "MN", "MO", "MP", "MQ", "MR", "MS", "MT", "MU", "MV", "MW", "MX", "MY", "MZ", "NA",
    "NC", "NE", "NF", "NG", "NI", "NL", "NO", "NP", "NR", "NU", "NZ", "OM", "PA", "PE", "PF", "PG", "PH", "PK", "PL", "PM",
    "PN", "PR", "PS", "PT", "PW", "PY", "QA", "RE", "RO", "RS", "RU", "RW", "SA", "SB", "SC", "SD", "SE", "SG", "SH", "SI",
    "SJ", "SK", "SL", "SM", "SN", "SO", "SR", "SS", "ST", "SV", "SX", "SY", "SZ", "TC", "TD", "TF", "TG", "TH", "TJ", "TK",
    "TL", "TM", "TN", "TO", "TR", "TT", "TV", "TW", "TZ", "UA", "UG", "UM", "US", "UY", "UZ", "VA", "VC", "VE", "VG", "VI",
    "VN", "VU", "WF", "WS", "XK", "YE", "YT", "ZA", "ZM", "ZW",
];

/// The calling codes to which libphonenumber's metadata give exactly one region, sorted. Left out are the shared ones: +1, +7, +39, +44,
/// +47, +61, +212, +262, +290, +358, +590, +599; those of no country (+800, +870, +882, …); and +247, whose region has no assigned code.
#[rustfmt::skip]
const CALLING_CODES: &[(u64, &str)] = &[
    (20, "EG"), (27, "ZA"), (30, "GR"), (31, "NL"), (32, "BE"), (33, "FR"), (34, "ES"), (36, "HU"), (40, "RO"), (41, "CH"),
    (43, "AT"), (45, "DK"), (46, "SE"), (48, "PL"), (49, "DE"), (51, "PE"), (52, "MX"), (53, "CU"), (54, "AR"), (55, "BR"),
    (56, "CL"), (57, "CO"), (58, "VE"), (60, "MY"), (62, "ID"), (63, "PH"), (64, "NZ"), (65, "SG"), (66, "TH"), (81, "JP"),
    (82, "KR"), (84, "VN"), (86, "CN"), (90, "TR"), (91, "IN"), (92, "PK"), (93, "AF"), (94, "LK"), (95, "MM"), (98, "IR"),
    (211, "SS"), (213, "DZ"), (216, "TN"), (218, "LY"), (220, "GM"), (221, "SN"), (222, "MR"), (223, "ML"), (224, "GN"),
    (225, "CI"), (226, "BF"), (227, "NE"), (228, "TG"), (229, "BJ"), (230, "MU"), (231, "LR"), (232, "SL"), (233, "GH"),
    (234, "NG"), (235, "TD"), (236, "CF"), (237, "CM"), (238, "CV"), (239, "ST"), (240, "GQ"), (241, "GA"), (242, "CG"),
    (243, "CD"), (244, "AO"), (245, "GW"), (246, "IO"), (248, "SC"), (249, "SD"), (250, "RW"), (251, "ET"), (252, "SO"),
    (253, "DJ"), (254, "KE"), (255, "TZ"), (256, "UG"), (257, "BI"), (258, "MZ"), (260, "ZM"), (261, "MG"), (263, "ZW"),
    (264, "NA"), (265, "MW"), (266, "LS"), (267, "BW"), (268, "SZ"), (269, "KM"), (291, "ER"), (297, "AW"), (298, "FO"),
    (299, "GL"), (350, "GI"), (351, "PT"), (352, "LU"), (353, "IE"), (354, "IS"), (355, "AL"), (356, "MT"), (357, "CY"),
    (359, "BG"), (370, "LT"), (371, "LV"), (372, "EE"), (373, "MD"), (374, "AM"), (375, "BY"), (376, "AD"), (377, "MC"),
    (378, "SM"), (380, "UA"), (381, "RS"), (382, "ME"), (383, "XK"), (385, "HR"), (386, "SI"), (387, "BA"), (389, "MK"),
    (420, "CZ"), (421, "SK"), (423, "LI"), (500, "FK"), (501, "BZ"), (502, "GT"), (503, "SV"), (504, "HN"), (505, "NI"),
    (506, "CR"), (507, "PA"), (508, "PM"), (509, "HT"), (591, "BO"), (592, "GY"), (593, "EC"), (594, "GF"), (595, "PY"),
    (596, "MQ"), (597, "SR"), (598, "UY"), (670, "TL"), (672, "NF"), (673, "BN"), (674, "NR"), (675, "PG"), (676, "TO"),
    (677, "SB"), (678, "VU"), (679, "FJ"), (680, "PW"), (681, "WF"), (682, "CK"), (683, "NU"), (685, "WS"), (686, "KI"),
    (687, "NC"), (688, "TV"), (689, "PF"), (690, "TK"), (691, "FM"), (692, "MH"), (850, "KP"), (852, "HK"), (853, "MO"),
    (855, "KH"), (856, "LA"), (880, "BD"), (886, "TW"), (960, "MV"), (961, "LB"), (962, "JO"), (963, "SY"), (964, "IQ"),
    (965, "KW"), (966, "SA"), (967, "YE"), (968, "OM"), (970, "PS"), (971, "AE"), (972, "IL"), (973, "BH"), (974, "QA"),
    (975, "BT"), (976, "MN"), (977, "NP"), (992, "TJ"), (993, "TM"), (994, "AZ"), (995, "GE"), (996, "KG"), (998, "UZ"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn country_of(number: &str) -> Option<String> {
        Country::of(&Phone::parse(number).unwrap()).map(|country| country.to_string())
    }

    #[test]
    fn codes_are_read_in_either_case_and_printed_in_upper_case() {
        for text in ["RW", "rw", "Rw"] {
            assert_eq!(Country::parse(text).unwrap().as_str(), "RW");
        }
        assert_eq!(Country::parse("XK").unwrap().as_str(), "XK");
    }

    #[test]
    fn what_is_no_country_is_refused() {
        for text in ["", "R", "RWA", "XX", "T1", "ZZ", "R ", " RW", "EU", "UK", "ŘW", "é", "12"] {
            assert_eq!(Country::parse(text), Err(CountryError), "{text:?}");
        }
    }

    #[test]
    fn an_unshared_calling_code_gives_the_country() {
        let cases = [
            ("+250788123456", "RW"),
            ("+254712345678", "KE"),
            ("+256712345678", "UG"),
            ("+27821234567", "ZA"),
            ("+33612345678", "FR"),
            ("+5511961234567", "BR"),
            ("+998901234567", "UZ"),
        ];
        for (number, country) in cases {
            assert_eq!(country_of(number).as_deref(), Some(country), "{number}");
        }
    }

    #[test]
    fn a_shared_or_unassigned_calling_code_gives_nothing() {
        let numbers = [
            "+12125551234",
            "+79161234567",
            "+77011234567",
            "+390612345678",
            "+447700900123",
            "+4740612345",
            "+61412345678",
            "+212612345678",
            "+262692123456",
            "+358401234567",
            "+590690123456",
            "+59995181234",
            "+88213123456",
            "+80012345678",
            "+247412345678",
            "+210123456789",
        ];
        for number in numbers {
            assert_eq!(country_of(number), None, "{number}");
        }
    }

    #[test]
    fn both_tables_are_sorted_and_hold_only_what_parses() {
        assert!(ASSIGNED.is_sorted_by(|a, b| a < b));
        assert!(CALLING_CODES.is_sorted_by(|(a, _), (b, _)| a < b));
        for (code, country) in CALLING_CODES {
            assert!(Country::parse(country).is_ok(), "{code}");
        }
    }

    #[test]
    fn no_calling_code_begins_another() {
        for (code, _) in CALLING_CODES.iter().filter(|(code, _)| *code >= 100) {
            let shorter = CALLING_CODES.binary_search_by_key(&(code / 10), |(code, _)| *code);
            assert!(shorter.is_err(), "{code}");
        }
    }
}
