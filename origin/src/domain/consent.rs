//! The consent text that fans agree to before a code is sent, in the languages we speak. Not the template's text: that one is Meta's.
//!
//! **Invariant:** the version names the words; whoever changes a text changes [`VERSION`].

use super::locale::Locale;

/// The version of every text below. A request that showed another one is refused.
pub const VERSION: &str = "2026-11-01";

/// One language's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consent {
    /// The language, as in `rw`.
    pub language: &'static str,
    /// What the fan agrees to.
    pub text: &'static str,
}

/// English first: it is what everybody else gets.
pub const TEXTS: [Consent; 4] = [
    Consent {
        language: "en",
        text: "By continuing you agree that we send a one-time code to this number over WhatsApp to sign you in. We use the number for nothing else without asking. Reply STOP to any code to get none for 24 hours.",
    },
    Consent {
        language: "fr",
        text: "En continuant, vous acceptez de recevoir sur ce numéro, par WhatsApp, un code à usage unique pour vous connecter. Nous n’utilisons ce numéro pour rien d’autre sans vous le demander. Répondez STOP à un code pour ne plus en recevoir pendant 24 heures.",
    },
    Consent {
        language: "rw",
        text: "Nukomeza, uremeye ko tukoherereza kuri iyi nimero, kuri WhatsApp, kode ikoreshwa rimwe gusa kugira ngo winjire. Iyi nimero ntituzayikoresha ikindi kintu tutabanje kukubaza. Subiza STOP kuri kode kugira ngo utongera kuyihabwa mu masaha 24.",
    },
    Consent {
        language: "sw",
        text: "Ukiendelea, unakubali tukutumie kwenye nambari hii, kupitia WhatsApp, msimbo wa kutumika mara moja ili uingie. Hatutatumia nambari hii kwa jambo lingine bila kukuuliza. Jibu STOP kwa msimbo wowote ili usipokee mwingine kwa saa 24.",
    },
];

/// The text in the fan's language, or in English.
pub fn text_for(locale: Option<&Locale>) -> Consent {
    let [english, ..] = TEXTS;
    let spoken = |consent: &&Consent| locale.is_some_and(|locale| locale.language() == consent.language);
    TEXTS.iter().find(spoken).copied().unwrap_or(english)
}

/// What an operator should know when consent is given in other languages than codes are sent in, in words.
pub fn mismatches(template_languages: &[String]) -> Vec<String> {
    let spoken: Vec<_> = template_languages.iter().filter_map(|code| Locale::parse(code).ok()).collect();
    let unsent = TEXTS.iter().map(|consent| consent.language).filter(|language| spoken.iter().all(|locale| locale.language() != *language));
    let unread = spoken.iter().map(Locale::language).filter(|language| TEXTS.iter().all(|consent| consent.language != *language));
    let (unsent, unread) = (unsent.collect::<Vec<_>>().join(", "), unread.collect::<Vec<_>>().join(", "));
    let mut told = Vec::new();
    if !unsent.is_empty() {
        told.push(format!("consent is shown in {unsent}, but no template is configured in that language"));
    }
    if !unread.is_empty() {
        told.push(format!("the template is sent in {unread}, but there is no consent text in that language"));
    }
    told
}

#[cfg(test)]
mod tests {
    use otp_shared::signature::hex;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_nearest_language_is_chosen() {
        let language = |text: &str| text_for(Locale::parse(text).ok().as_ref()).language;
        assert_eq!(
            (language("rw-RW"), language("fr_CA"), language("sw"), language("de"), text_for(None).language),
            ("rw", "fr", "sw", "en", "en")
        );
    }

    #[test]
    fn languages_that_differ_are_told() {
        let told = |codes: &[&str]| mismatches(&codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>());
        assert!(told(&["rw_RW", "en_US", "fr", "sw"]).is_empty());
        assert_eq!(told(&["rw_RW", "en_US"]), ["consent is shown in fr, sw, but no template is configured in that language"]);
        assert_eq!(
            told(&["rw_RW", "en_US", "fr", "sw", "de"]),
            ["the template is sent in de, but there is no consent text in that language"]
        );
    }

    #[test]
    fn the_version_names_the_words() {
        let digest = TEXTS.iter().fold(Sha256::new(), |hash, consent| hash.chain_update(consent.text)).finalize();
        assert_eq!((VERSION, hex(&digest[..8]).as_str()), ("2026-11-01", "92fb2ea5052744ce"), "a text changed: give it a new version");
    }
}
