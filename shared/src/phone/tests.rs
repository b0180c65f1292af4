//! Spellings, aliases, refusals.

use proptest::prelude::*;

use super::*;

fn e164(text: &str) -> String {
    Phone::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}")).e164()
}

fn prefix(text: &str) -> PhonePrefix {
    PhonePrefix::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn every_spelling_of_a_number_is_one_identity() {
    let spellings = [
        "+250788123456",
        "00250788123456",
        "00 250 788 123 456",
        " +250 788 123 456 ",
        "+250-788-123-456",
        "+250.788.123.456",
        "(+250) 788 123 456",
        "+(250)788123456",
        "+ 250788123456",
        "(00)250788123456",
        "+250\u{a0}788\u{a0}123\u{a0}456",
        "+250\u{202f}788\u{2009}123\u{3000}456",
        "+250\u{2011}788\u{2013}123\u{2212}456",
        "\u{202a}+250 788 123 456\u{202c}",
        "\u{feff}+250788\u{200b}123456\u{200e}",
    ];
    for text in spellings {
        assert_eq!(e164(text), "+250788123456", "{text:?}");
    }
}

#[test]
fn what_is_no_international_number_is_refused() {
    use PhoneError::{Character, Empty, LeadingZero, MissingPlus, PlusInside, TooLong, TooShort};
    let cases = [
        ("", Empty),
        ("  - ( ) ", Empty),
        ("\u{200b}", Empty),
        ("lol", Character),
        ("+lol", Character),
        ("+25078812345x", Character),
        ("+250788123456 ext 7", Character),
        ("tel:+250788123456", Character),
        ("+250788123456\n", Character),
        ("+250\t788123456", Character),
        ("+250788123456\0", Character),
        ("+250788123456/7", Character),
        ("+250,788,123,456", Character),
        ("+25078812345６", Character),
        ("+٢٥٠٧٨٨١٢٣٤٥٦", Character),
        ("+२५०७८८१२३४५६", Character),
        ("＋250788123456", Character),
        ("𝟐50788123456", Character),
        ("250788123456", MissingPlus),
        ("0788123456", MissingPlus),
        ("0", MissingPlus),
        ("(0)0788123456", MissingPlus),
        ("0 0 250788123456", MissingPlus),
        ("-250788123456", MissingPlus),
        ("++250788123456", PlusInside),
        ("250+788123456", PlusInside),
        ("00+250788123456", PlusInside),
        ("+250788123456+", PlusInside),
        ("+0788123456", LeadingZero),
        ("+00250788123456", LeadingZero),
        ("000250788123456", LeadingZero),
        ("+", TooShort),
        ("00", TooShort),
        ("+2507881", TooShort),
        ("+1234567890123456", TooLong),
        ("+99999999999999999999999999", TooLong),
    ];
    for (text, error) in cases {
        assert_eq!(Phone::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn the_bounds_of_e164_are_in() {
    assert_eq!(e164("+12345678"), "+12345678");
    assert_eq!(e164("+999999999999999"), "+999999999999999");
}

#[test]
fn the_aliases_of_a_whatsapp_account_are_one_number() {
    let cases = [
        // Brazil: the ninth digit is added to mobiles, which begin with 6 to 9.
        ("+55 11 6123-4567", "+5511961234567"),
        ("+55 11 9123-4567", "+5511991234567"),
        ("+55 11 96123-4567", "+5511961234567"),
        ("+55 11 5123-4567", "+551151234567"),
        ("+55 11 2123-4567", "+551121234567"),
        // Mexico: the 1 goes.
        ("+52 1 55 1234 5678", "+525512345678"),
        ("+52 55 1234 5678", "+525512345678"),
        // Argentina: the 9 is added.
        ("+54 11 1234-5678", "+5491112345678"),
        ("+54 9 11 1234-5678", "+5491112345678"),
        ("+54 351 123-4567", "+5493511234567"),
        ("+54 2901 12-3456", "+5492901123456"),
        // Not an area code.
        ("+54 800 123 4567", "+548001234567"),
        // Others keep what looks alike.
        ("+521551234567", "+521551234567"),
        ("+12155123456", "+12155123456"),
    ];
    for (text, canonical) in cases {
        assert_eq!(e164(text), canonical, "{text:?}");
    }
}

#[test]
fn a_domestic_argentine_spelling_is_refused_and_not_guessed() {
    for text in ["+54 011 1234-5678", "+54 11 15 1234-5678", "+54 9 11 15 1234-5678", "+54 0351 15 123-4567"] {
        assert_eq!(Phone::parse(text), Err(PhoneError::Trunk), "{text:?}");
    }
    assert_eq!(Phone::parse("011 15 1234-5678"), Err(PhoneError::MissingPlus));
}

#[test]
fn a_trunk_zero_is_left_for_the_origin_to_refuse() {
    assert_eq!(e164("+44 (0)20 7946 0018"), "+4402079460018");
    assert_eq!(e164("+2500788123456"), "+2500788123456");
}

#[test]
fn a_mask_hides_at_least_five_digits() {
    let cases = [
        ("+250788123456", "+25078•••••56"),
        ("+12345678", "+1•••••78"),
        ("+123456789", "+12•••••89"),
        ("+123456789012345", "+12345••••••••45"),
    ];
    for (number, masked) in cases {
        let phone = Phone::parse(number).unwrap();
        assert_eq!(phone.masked(), masked);
        assert_eq!(format!("{phone:?}"), masked, "Debug is what logs print");
    }
}

#[test]
fn json_has_the_full_number_and_is_parsed_on_the_way_in() {
    let phone: Phone = serde_json::from_str(r#""00250 788 123 456""#).unwrap();
    assert_eq!(serde_json::to_string(&phone).unwrap(), r#""+250788123456""#);
    assert_eq!(serde_json::from_str::<Phone>(r#""\u002b250788123456""#).unwrap(), phone, "an escape cannot be borrowed");
    for json in [r#""lol""#, r#""""#, "250788123456", "null", "{}", "[]"] {
        assert!(serde_json::from_str::<Phone>(json).is_err(), "{json}");
    }
}

#[test]
fn an_error_tells_nothing_of_the_number() {
    let error = serde_json::from_str::<Phone>(r#""+250788123456x""#).unwrap_err().to_string();
    assert!(!error.contains("788"), "{error}");
}

#[test]
fn a_prefix_covers_the_numbers_that_begin_with_it() {
    let phone = Phone::parse("+250788123456").unwrap();
    for text in ["+2", "+250", "+25078", "00 250 788", "+250788123456"] {
        assert!(prefix(text).covers(&phone), "{text}");
    }
    for text in ["+1", "+251", "+25079", "+507", "+2507881234560", "+788"] {
        assert!(!prefix(text).covers(&phone), "{text}");
    }
}

#[test]
fn a_prefix_has_1_to_14_digits() {
    assert_eq!(prefix("+12345678901234").to_string(), "+12345678901234");
    let cases = [
        ("", PhoneError::Empty),
        ("+", PhoneError::TooShort),
        ("+0", PhoneError::LeadingZero),
        ("250", PhoneError::MissingPlus),
        ("+123456789012345", PhoneError::TooLong),
        ("+25078*", PhoneError::Character),
    ];
    for (text, error) in cases {
        assert_eq!(PhonePrefix::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn a_prefix_as_long_as_a_number_is_masked_in_logs() {
    assert_eq!(format!("{:?} {:?}", prefix("+2507881"), prefix("+250788123456")), "+2507881 +2507881•••••");
}

#[test]
fn a_prefix_in_an_old_spelling_is_rewritten_like_the_numbers() {
    let cases = [
        ("+52155", "+5255"),
        ("+521", "+52"),
        ("+5255", "+5255"),
        ("+5411", "+54911"),
        ("+54911", "+54911"),
        ("+54", "+54"),
        ("+551161", "+5511961"),
        ("+551196", "+551196"),
        ("+551130", "+551130"),
    ];
    for (text, canonical) in cases {
        assert_eq!(prefix(text).to_string(), canonical, "{text}");
    }
}

fn number() -> impl Strategy<Value = String> {
    "\\+[1-9][0-9]{7,14}"
}

fn old_spelling() -> impl Strategy<Value = String> {
    prop_oneof!["\\+55[1-9]{2}[678][0-9]{7}", "\\+521[2-9][0-9]{9}", "\\+54[123][0-9]{9}"]
}

proptest! {
    #[test]
    fn any_text_parses_to_a_number_in_bounds_or_not_at_all(text in ".*") {
        if let Ok(phone) = Phone::parse(&text) {
            prop_assert!((MIN_DIGITS..=MAX_DIGITS).contains(&phone.digits().len()));
        }
    }

    #[test]
    fn the_canonical_spelling_is_a_fixed_point(text in prop_oneof![number(), old_spelling()]) {
        if let Ok(phone) = Phone::parse(&text) {
            prop_assert_eq!(Phone::parse(&phone.e164()), Ok(phone));
            prop_assert_eq!(phone.digits(), phone.as_u64().to_string());
        }
    }

    #[test]
    fn separators_change_nothing(text in number(), noise in prop::collection::vec((0_usize..17, "[ ().\\-\u{a0}\u{200b}]"), 0..8)) {
        let mut noisy = text.clone();
        for (place, separator) in noise {
            let places: Vec<usize> = noisy.char_indices().map(|(at, _)| at).collect();
            noisy.insert_str(places[place % places.len()], &separator);
        }
        prop_assert_eq!(Phone::parse(&noisy), Phone::parse(&text));
        prop_assert_eq!(Phone::parse(&noisy.replace('+', "00")), Phone::parse(&text));
    }

    #[test]
    fn a_mask_shows_seven_digits_at_most(text in number()) {
        if let Ok(phone) = Phone::parse(&text) {
            let shown = phone.masked().chars().filter(char::is_ascii_digit).count();
            prop_assert!(shown <= 7 && shown + 5 <= phone.digits().len());
        }
    }

    #[test]
    fn a_prefix_covers_exactly_what_begins_with_it(text in "\\+25[0-9]{7,12}", start in "\\+25[0-9]{0,3}", taken in 2_usize..14) {
        let phone = Phone::parse(&text).unwrap();
        prop_assert_eq!(prefix(&start).covers(&phone), text.starts_with(&start));
        prop_assert!(prefix(&text[..taken.min(text.len())]).covers(&phone));
    }

    #[test]
    fn a_prefix_of_an_old_spelling_covers_the_number(text in old_spelling(), taken in 6_usize..14) {
        let phone = Phone::parse(&text).unwrap();
        prop_assert!(prefix(&text[..taken.min(text.len())]).covers(&phone));
    }
}
