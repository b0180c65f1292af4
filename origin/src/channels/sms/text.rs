//! The text itself, in the fan's language. Not WhatsApp's, which Meta keeps as a template.
//!
//! **Invariant:** every text is plain ASCII of at most 160 characters, so that it is one message on
//! any network (3GPP TS 23.038) and costs one.

use std::time::Duration;

use crate::domain::{challenge::Passcode, locale::Locale};

/// The text with `code`, which is valid for `lifetime` more.
pub fn render(code: &Passcode, locale: Option<&Locale>, lifetime: Duration) -> String {
    let code = code.expose();
    // Rounded down: a code must not end before its text says so.
    let minutes = (lifetime.as_secs() / 60).max(1);
    match locale.map_or("en", Locale::language) {
        "rw" => format!("{code} ni kode yawe yo kwinjira. Ntuyihe undi muntu. Irangira mu minota {minutes}."),
        "fr" => format!("{code} est votre code de connexion. Ne le partagez pas. Il expire dans {minutes} min."),
        "sw" => format!("{code} ni msimbo wako wa kuingia. Usimpe mtu mwingine. Unaisha baada ya dakika {minutes}."),
        _ => format!("{code} is your sign-in code. Do not share it. It expires in {minutes} min."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(locale: &str, lifetime_s: u64) -> String {
        render(&Passcode::parse("012345").unwrap(), Locale::parse(locale).ok().as_ref(), Duration::from_secs(lifetime_s))
    }

    #[test]
    fn every_text_is_one_message() {
        for locale in ["rw", "fr-CA", "sw", "en", "de", ""] {
            let text = text(locale, 900);
            assert!(text.is_ascii() && text.len() <= 160, "{text}");
            assert!(text.starts_with("012345 "), "{text}");
        }
    }

    #[test]
    fn a_language_we_do_not_speak_is_english() {
        assert_eq!(text("de", 300), text("en", 300));
        assert_ne!(text("rw", 300), text("en", 300));
    }

    #[test]
    fn the_minutes_are_those_that_are_left() {
        assert!(text("en", 299).ends_with("in 4 min."));
        assert!(text("en", 20).ends_with("in 1 min."));
    }
}
