//! How Meta parses a recipient's number.
//!
//! **Invariant:** a number without a plus gets the business's own country code in front, whatever
//! its digits are. That is Meta's documented rule, and the reason why a code can reach a stranger.

use crate::error::GraphError;
use crate::settings::Business;

/// The digits of `to`, with country code. Separators are hyphens, round brackets and spaces, and
/// nothing else.
///
/// # Errors
/// 131009 for anything but 8 to 15 digits, 131021 for the business's own number.
pub fn digits(to: &str, business: &Business) -> Result<String, GraphError> {
    let written = to.trim();
    let plus = written.starts_with('+');
    let mut digits = if plus { String::new() } else { business.country_code.clone() };
    for c in written.chars().skip(usize::from(plus)) {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '(' | ')' => {}
            _ => return Err(invalid()),
        }
    }
    if !(8..=15).contains(&digits.len()) || digits.starts_with('0') {
        return Err(invalid());
    }
    if digits == business.digits {
        return Err(GraphError::new(131_021).details("Sender and recipient phone number is the same."));
    }
    Ok(digits)
}

/// The `wa_id` that WhatsApp responds with. Mostly it equals `digits`, but Mexican mobile numbers
/// get an extra 1, and many Brazilian ones lose their ninth digit. A client that matches receipts
/// by number does not find these.
pub fn wa_id(digits: &str) -> String {
    if let Some(national) = digits.strip_prefix("52").filter(|national| national.len() == 10) {
        return format!("521{national}");
    }
    if let Some((area, subscriber)) = digits.strip_prefix("55").filter(|n| n.len() == 11).and_then(|n| n.split_at_checked(2))
        && area >= "31"
        && let Some(eight) = subscriber.strip_prefix('9')
    {
        return format!("55{area}{eight}");
    }
    digits.to_owned()
}

fn invalid() -> GraphError {
    GraphError::new(131_009).details("Recipient phone number is not valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn business() -> Business {
        Business { country_code: "250".to_owned(), digits: "250700000000".to_owned() }
    }

    fn check(to: &str, expected: Result<&str, u32>) {
        let read = digits(to, &business());
        assert_eq!(read.as_deref().map_err(|error| error.code), expected, "{to}");
    }

    #[test]
    fn a_plus_means_the_number_as_it_is() {
        check("+250788123456", Ok("250788123456"));
        check("+250 788-123 (456)", Ok("250788123456"));
        check("+16315551234", Ok("16315551234"));
    }

    #[test]
    fn without_a_plus_the_business_country_is_prepended() {
        check("1 (631) 555-1234", Ok("25016315551234"));
        check("250788123456", Ok("250250788123456"));
        check("788123456", Ok("250788123456"));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        check("", Err(131_009));
        check("+", Err(131_009));
        check("+2507881", Err(131_009));
        check("00250788123456", Err(131_009));
        check("+2507881234567890", Err(131_009));
        check("+25078812345x", Err(131_009));
        check("+250.788.123.456", Err(131_009));
        check("+0788123456", Err(131_009));
    }

    #[test]
    fn the_business_cannot_write_to_itself() {
        check("+250700000000", Err(131_021));
        check("700000000", Err(131_021));
    }

    #[test]
    fn the_wa_id_differs_where_whatsapp_does() {
        for (digits, expected) in [
            ("250788123456", "250788123456"),
            ("525512345678", "5215512345678"),
            ("5215512345678", "5215512345678"),
            ("5531987654321", "553187654321"),
            ("5511987654321", "5511987654321"),
        ] {
            assert_eq!(wa_id(digits), expected);
        }
    }
}
