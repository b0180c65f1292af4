//! Which translations of the template may be sent, learned in any order from the operator's flag,
//! lookups, webhooks and Meta's refusals of sends. Pure: who asks Meta, and when, is `watch`'s and
//! `sending`'s.
//!
//! **Invariant:** the status of a translation depends on the set of observations, not on their
//! order. Until there is one, sends are allowed: a refused send costs nothing and says more than
//! any lookup.

use super::{
    lookup::{ListedTranslation, language_code},
    report::{LanguageReport, TemplateReport},
    template_status::{Observation, Source, TemplateStatus},
};
use crate::domain::locale::Locale;

/// What Meta gives an authentication template that has no TTL of its own, in seconds.
pub const DEFAULT_TTL_S: u64 = 600;
/// What a TTL of -1 means, in seconds.
const MAX_TTL_S: u64 = 30 * 86_400;
const CATEGORY: &str = "AUTHENTICATION";

/// The template in all configured languages.
#[derive(Debug)]
pub struct Templates {
    name: String,
    /// The operator's word, which decides; `None`: Meta's does.
    flag: Option<bool>,
    /// When the flag was set, in Unix seconds.
    flag_since_s: u64,
    translations: Vec<Translation>,
}

#[derive(Debug)]
struct Translation {
    code: String,
    /// The one that counts.
    observation: Option<Observation>,
    /// When its status was first observed, in Unix seconds.
    since_s: u64,
    /// Left out of the newest lookup although it was usable before.
    absent: bool,
    category: Option<String>,
    ttl_s: Option<u64>,
    quality: Option<String>,
}

/// A translation changed its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: TemplateStatus,
    /// From now on.
    pub to: TemplateStatus,
}

impl Templates {
    /// Nothing observed yet. `flag` is the operator's, set at `flag_since_s`.
    pub fn new(name: &str, languages: &[String], flag: Option<bool>, flag_since_s: u64) -> Self {
        let translations = languages.iter().map(|code| Translation::new(&language_code(code))).collect();
        Self { name: name.to_owned(), flag, flag_since_s, translations }
    }

    /// The languages to try for a fan, best first. Empty: nothing may be sent.
    ///
    /// With the flag on nothing is left out, but what Meta refuses comes last.
    pub fn candidates(&self, locale: Option<&Locale>) -> Vec<String> {
        let mut candidates: Vec<_> = self.translations.iter().filter(|translation| self.allows(translation)).collect();
        candidates.sort_by_key(|translation| (!translation.status().usable(), translation.distance(locale)));
        candidates.into_iter().map(|translation| translation.code.clone()).collect()
    }

    /// Whether no language may be sent.
    pub fn blocked(&self) -> bool {
        !self.translations.iter().any(|translation| self.allows(translation))
    }

    /// Takes in an observation of one language of the template `name`; `None`: the template or the
    /// language is not ours, or nothing changed.
    pub fn observe(&mut self, name: &str, language: &str, observation: Observation) -> Option<Change> {
        self.translation(name, language)?.observe(observation)
    }

    /// Takes in a complete lookup that began at `at_s`, and returns the languages that changed. A
    /// language that it leaves out is missing; one that was usable before, only when it is left out
    /// twice running: an empty response by mistake must not stop every send.
    pub fn apply_lookup(&mut self, listed: &[ListedTranslation], at_s: u64) -> Vec<(String, Change)> {
        let Self { name, translations, .. } = self;
        let mut changes = Vec::new();
        for translation in translations {
            let same = |listed: &&ListedTranslation| listed.name == *name && listed.language == translation.code;
            let found = listed.iter().filter(same).min_by_key(|listed| listed.status);
            changes.extend(translation.apply_lookup(found, at_s).map(|change| (translation.code.clone(), change)));
        }
        changes
    }

    /// Meta changed the quality of a language.
    pub fn set_quality(&mut self, name: &str, language: &str, quality: &str) {
        if let Some(translation) = self.translation(name, language) {
            translation.quality = Some(quality.to_owned());
        }
    }

    /// Meta changed the category of a language.
    pub fn set_category(&mut self, name: &str, language: &str, category: &str) {
        if let Some(translation) = self.translation(name, language) {
            translation.category = Some(category.to_owned());
            // Meta clears the TTL with it.
            translation.ttl_s = None;
        }
    }

    /// The longest that Meta tries to deliver, over the languages in use, in seconds.
    pub fn ttl_s(&self) -> u64 {
        let usable = self.translations.iter().filter(|translation| translation.status().usable());
        usable.filter_map(|translation| translation.ttl_s).max().unwrap_or(DEFAULT_TTL_S)
    }

    /// What an operator should look at. `code_life_s` is how long a code lives.
    pub fn warnings(&self, code_life_s: u64) -> Vec<String> {
        let contradicted = self.flag == Some(true) && !self.translations.iter().any(|translation| translation.status().usable());
        let flag = contradicted.then(|| "OTP_WHATSAPP_TEMPLATE_APPROVED=1, but Meta refuses the template in every language".to_owned());
        flag.into_iter().chain(self.translations.iter().flat_map(|translation| translation.warnings(code_life_s))).collect()
    }

    /// For `/otp/status`.
    pub fn report(&self, rate_limit_doc: Option<String>, warnings: Vec<String>) -> TemplateReport {
        let languages: Vec<_> = self.translations.iter().map(Translation::report).collect();
        let best = languages.iter().min_by_key(|language| language.status);
        let flagged = self.flag.map(|on| if on { TemplateStatus::Approved } else { TemplateStatus::Withheld });
        let status = flagged.unwrap_or(best.map_or(TemplateStatus::Missing, |best| best.status));
        TemplateReport {
            approved: status.approved(),
            status,
            name: self.name.clone(),
            rate_limit_doc,
            source: flagged.map(|_| Source::Env).or(best.and_then(|best| best.source)),
            since: flagged.map(|_| self.flag_since_s).or(best.and_then(|best| best.since)),
            reason: match self.flag {
                Some(on) => Some(format!("OTP_WHATSAPP_TEMPLATE_APPROVED={}", u8::from(on))),
                None => best.and_then(|best| best.reason.clone()),
            },
            languages,
            warnings,
        }
    }

    fn allows(&self, translation: &Translation) -> bool {
        self.flag.unwrap_or_else(|| translation.status().usable())
    }

    fn translation(&mut self, name: &str, language: &str) -> Option<&mut Translation> {
        let ours = self.name == name;
        self.translations.iter_mut().find(|translation| ours && translation.code == language)
    }
}

impl Translation {
    fn new(code: &str) -> Self {
        Self { code: code.to_owned(), observation: None, since_s: 0, absent: false, category: None, ttl_s: None, quality: None }
    }

    fn status(&self) -> TemplateStatus {
        self.observation.as_ref().map_or(TemplateStatus::Unknown, |observation| observation.status)
    }

    fn observe(&mut self, mut new: Observation) -> Option<Change> {
        if self.observation.as_ref().is_some_and(|known| !new.supersedes(known)) {
            return None;
        }
        let (from, to) = (self.status(), new.status);
        match self.observation.take().filter(|known| known.status == to) {
            // The same status again: it holds since it was first observed, and keeps its reason.
            Some(known) => new.reason = new.reason.or(known.reason),
            None => self.since_s = new.at_s,
        }
        self.observation = Some(new);
        (from != to).then_some(Change { from, to })
    }

    fn apply_lookup(&mut self, found: Option<&ListedTranslation>, at_s: u64) -> Option<Change> {
        let Some(found) = found else {
            let first_time = self.observation.is_some() && self.status().usable() && !self.absent;
            self.absent = true;
            let missing = Observation { status: TemplateStatus::Missing, at_s, source: Source::Graph, reason: None };
            return if first_time { None } else { self.observe(missing) };
        };
        self.absent = false;
        self.category = found.category.clone().or(self.category.take());
        self.quality = found.quality.clone().or(self.quality.take());
        self.ttl_s = Some(match found.ttl_s {
            Some(ttl_s) => u64::try_from(ttl_s).unwrap_or(MAX_TTL_S),
            None => DEFAULT_TTL_S,
        });
        self.observe(Observation { status: found.status, at_s, source: Source::Graph, reason: found.reason.clone() })
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
        let wrong_category = category.map(|category| format!("{code}: the template's category is {category}, not {CATEGORY}"));
        let long_ttl = ttl_s.map(|ttl_s| format!("{code}: WhatsApp delivers for up to {ttl_s} s, but a code lives {code_life_s} s"));
        wrong_category.into_iter().chain(long_ttl).collect()
    }

    fn report(&self) -> LanguageReport {
        let observation = self.observation.as_ref();
        LanguageReport {
            code: self.code.clone(),
            approved: self.status().approved(),
            status: self.status(),
            source: observation.map(|observation| observation.source),
            since: observation.map(|_| self.since_s),
            reason: observation.and_then(|observation| observation.reason.clone()),
            category: self.category.clone(),
            ttl_s: self.ttl_s,
            quality: self.quality.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
