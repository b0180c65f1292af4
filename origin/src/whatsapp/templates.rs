//! Which translations of the template may be sent, learned from the operator's flag, lookups, webhooks and Meta's answers to sends, in any order.
//! Pure: who asks Meta, and when, is `lookup`'s and `sending`'s.
//!
//! **Invariant:** what is known of a translation depends on the set of things heard about it, not on the order of hearing. Until Meta has said
//! anything, sends are allowed: a refused send costs nothing and says more than any lookup.

use serde::Serialize;

use super::{
    lookup::{Listed, normalised},
    standing::{Heard, Source, Standing},
};
use crate::domain::locale::Locale;

/// What Meta gives an authentication template that has no TTL of its own, in seconds.
pub const DEFAULT_TTL_S: u64 = 600;
/// What a TTL of -1 means.
const LONGEST_TTL_S: u64 = 30 * 86_400;
const CATEGORY: &str = "AUTHENTICATION";

/// The template in all configured languages.
#[derive(Debug)]
pub struct Templates {
    name: String,
    flag: Option<bool>,
    since_s: u64,
    translations: Vec<Translation>,
}

#[derive(Debug)]
struct Translation {
    code: String,
    /// The newest.
    heard: Option<Heard>,
    /// When its standing was first heard of, in Unix seconds.
    since_s: u64,
    /// Left out of the newest lookup although it was usable before.
    absent: bool,
    category: Option<String>,
    ttl_s: Option<u64>,
    quality: Option<String>,
}

/// A translation changed its standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: Standing,
    /// From now on.
    pub to: Standing,
}

/// The `template` of `/otp/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStatus {
    /// Whether codes can be sent in some language; `null` until Meta or the operator has said so.
    pub approved: Option<bool>,
    /// The best language's standing.
    pub status: Standing,
    /// The template's name.
    pub name: String,
    /// Every configured language, in order of preference.
    pub languages: Vec<LanguageStatus>,
    /// `OTP_WHATSAPP_RATE_LIMIT_DOC`.
    pub rate_limit_doc: Option<String>,
    /// Who said so.
    pub source: Option<Source>,
    /// Since when, in Unix seconds.
    pub since: Option<u64>,
    /// Why, if told.
    pub reason: Option<String>,
    /// What an operator should look at, in words.
    pub warnings: Vec<String>,
}

/// One language of [`TemplateStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LanguageStatus {
    /// Meta's code, such as `rw_RW`.
    pub code: String,
    /// Whether codes can be sent in it; `null`: not known.
    pub approved: Option<bool>,
    /// Its standing with Meta.
    pub status: Standing,
    /// Who said so.
    pub source: Option<Source>,
    /// Since when, in Unix seconds.
    pub since: Option<u64>,
    /// Why, if told.
    pub reason: Option<String>,
    /// Meta's category; anything but `AUTHENTICATION` is wrong.
    pub category: Option<String>,
    /// Seconds that Meta tries to deliver a message.
    pub ttl_s: Option<u64>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: Option<String>,
}

impl Templates {
    /// Nothing heard yet. `flag` is the operator's, given at `since_s`.
    pub fn new(name: &str, languages: &[String], flag: Option<bool>, since_s: u64) -> Self {
        let translations = languages.iter().map(|code| Translation::new(&normalised(code))).collect();
        Self { name: name.to_owned(), flag, since_s, translations }
    }

    /// The languages to try for a fan, best first. Empty: nothing may be sent.
    ///
    /// With the flag on nothing is left out, but what Meta refuses comes last.
    pub fn candidates(&self, locale: Option<&Locale>) -> Vec<String> {
        let mut candidates: Vec<_> = self.translations.iter().filter(|translation| self.allows(translation)).collect();
        candidates.sort_by_key(|translation| (!translation.standing().usable(), translation.distance(locale)));
        candidates.into_iter().map(|translation| translation.code.clone()).collect()
    }

    /// Whether no language may be sent.
    pub fn barred(&self) -> bool {
        !self.translations.iter().any(|translation| self.allows(translation))
    }

    /// Takes in something heard about one language of the template `name`; `None`: it is not ours, or it changes nothing.
    pub fn hear(&mut self, name: &str, language: &str, heard: Heard) -> Option<Change> {
        self.translation(name, language)?.hear(heard)
    }

    /// Takes in a complete lookup that began at `at_s`. What it leaves out is missing; what was usable before, only when it is left out twice
    /// running: an empty answer by mistake must not stop every send.
    pub fn looked_up(&mut self, listed: &[Listed], at_s: u64) -> Vec<(String, Change)> {
        let Self { name, translations, .. } = self;
        let mut changes = Vec::new();
        for translation in translations {
            let same = |listed: &&Listed| listed.name == *name && listed.language == translation.code;
            let found = listed.iter().filter(same).min_by_key(|listed| listed.standing);
            changes.extend(translation.looked_up(found, at_s).map(|change| (translation.code.clone(), change)));
        }
        changes
    }

    /// Meta changed the quality of a language.
    pub fn rated(&mut self, name: &str, language: &str, quality: &str) {
        if let Some(translation) = self.translation(name, language) {
            translation.quality = Some(quality.to_owned());
        }
    }

    /// Meta changed the category of a language.
    pub fn categorised(&mut self, name: &str, language: &str, category: &str) {
        if let Some(translation) = self.translation(name, language) {
            translation.category = Some(category.to_owned());
            // Meta clears the TTL with it.
            translation.ttl_s = None;
        }
    }

    /// The longest that Meta tries to deliver, over the languages in use, in seconds.
    pub fn ttl_s(&self) -> u64 {
        let usable = self.translations.iter().filter(|translation| translation.standing().usable());
        usable.filter_map(|translation| translation.ttl_s).max().unwrap_or(DEFAULT_TTL_S)
    }

    /// What an operator should look at. `code_life_s` is how long a code lives.
    pub fn warnings(&self, code_life_s: u64) -> Vec<String> {
        let believed = self.flag == Some(true) && !self.translations.iter().any(|translation| translation.standing().usable());
        let flag = believed.then(|| "OTP_WHATSAPP_TEMPLATE_APPROVED=1, but Meta refuses the template in every language".to_owned());
        flag.into_iter().chain(self.translations.iter().flat_map(|translation| translation.warnings(code_life_s))).collect()
    }

    /// For `/otp/status`.
    pub fn status(&self, rate_limit_doc: Option<String>, warnings: Vec<String>) -> TemplateStatus {
        let languages: Vec<_> = self.translations.iter().map(Translation::status).collect();
        let best = languages.iter().min_by_key(|language| language.status);
        let flagged = self.flag.map(|on| if on { Standing::Approved } else { Standing::Withheld });
        let status = flagged.unwrap_or(best.map_or(Standing::Missing, |best| best.status));
        TemplateStatus {
            approved: status.approved(),
            status,
            name: self.name.clone(),
            rate_limit_doc,
            source: flagged.map(|_| Source::Env).or(best.and_then(|best| best.source)),
            since: flagged.map(|_| self.since_s).or(best.and_then(|best| best.since)),
            reason: match self.flag {
                Some(on) => Some(format!("OTP_WHATSAPP_TEMPLATE_APPROVED={}", u8::from(on))),
                None => best.and_then(|best| best.reason.clone()),
            },
            languages,
            warnings,
        }
    }

    fn allows(&self, translation: &Translation) -> bool {
        self.flag.unwrap_or_else(|| translation.standing().usable())
    }

    fn translation(&mut self, name: &str, language: &str) -> Option<&mut Translation> {
        let ours = self.name == name;
        self.translations.iter_mut().find(|translation| ours && translation.code == language)
    }
}

impl Translation {
    fn new(code: &str) -> Self {
        Self { code: code.to_owned(), heard: None, since_s: 0, absent: false, category: None, ttl_s: None, quality: None }
    }

    fn standing(&self) -> Standing {
        self.heard.as_ref().map_or(Standing::Unknown, |heard| heard.standing)
    }

    fn hear(&mut self, heard: Heard) -> Option<Change> {
        if self.heard.as_ref().is_some_and(|known| !heard.outweighs(known)) {
            return None;
        }
        let (from, to) = (self.standing(), heard.standing);
        let known = self.heard.replace(heard);
        if let (Some(known), Some(now)) = (known, &mut self.heard)
            && from == to
        {
            now.reason = now.reason.take().or(known.reason);
            return None;
        }
        self.since_s = self.heard.as_ref().map_or(0, |heard| heard.at_s);
        (from != to).then_some(Change { from, to })
    }

    fn looked_up(&mut self, found: Option<&Listed>, at_s: u64) -> Option<Change> {
        let Some(found) = found else {
            let forgiven = self.heard.is_some() && self.standing().usable() && !self.absent;
            self.absent = true;
            let missing = Heard { standing: Standing::Missing, at_s, source: Source::Graph, reason: None };
            return if forgiven { None } else { self.hear(missing) };
        };
        self.absent = false;
        self.category = found.category.clone().or(self.category.take());
        self.quality = found.quality.clone().or(self.quality.take());
        self.ttl_s = Some(match found.ttl_s {
            Some(ttl_s) => u64::try_from(ttl_s).unwrap_or(LONGEST_TTL_S),
            None => DEFAULT_TTL_S,
        });
        self.hear(Heard { standing: found.standing, at_s, source: Source::Graph, reason: found.reason.clone() })
    }

    /// 0: the fan's language and region; 1: the language; 2: another.
    fn distance(&self, locale: Option<&Locale>) -> u8 {
        let (Some(wanted), Ok(own)) = (locale, Locale::parse(&self.code)) else {
            return 2;
        };
        match (own == *wanted, own.language() == wanted.language()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }

    fn warnings(&self, code_life_s: u64) -> Vec<String> {
        let code = &self.code;
        let category = self.category.as_deref().filter(|category| *category != CATEGORY);
        let ttl_s = self.ttl_s.filter(|ttl_s| *ttl_s > code_life_s);
        let unrated = category.map(|category| format!("{code}: the template's category is {category}, not {CATEGORY}"));
        let late = ttl_s.map(|ttl_s| format!("{code}: WhatsApp delivers for up to {ttl_s} s, but a code lives {code_life_s} s"));
        unrated.into_iter().chain(late).collect()
    }

    fn status(&self) -> LanguageStatus {
        let heard = self.heard.as_ref();
        LanguageStatus {
            code: self.code.clone(),
            approved: self.standing().approved(),
            status: self.standing(),
            source: heard.map(|heard| heard.source),
            since: heard.map(|_| self.since_s),
            reason: heard.and_then(|heard| heard.reason.clone()),
            category: self.category.clone(),
            ttl_s: self.ttl_s,
            quality: self.quality.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
