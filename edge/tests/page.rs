//! The fan's page in `edge/page/`, as the platform serves it: what it weighs, what it may do, and that it has words for everything.

use std::collections::{BTreeMap, BTreeSet};

use otp_shared::{country::Country, phone::Phone, problem::ProblemCode, wire::Delivery};
use serde_json::Value;

const INDEX: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/app.css");
const ICON: &str = include_str!("../page/icon.svg");
const HEADERS: &str = include_str!("../page/_headers");
const WORDS: &str = include_str!("../page/words.js");
/// In the order in which they need one another.
const SCRIPTS: [(&str, &str); 7] = [
    ("words", WORDS),
    ("countries", include_str!("../page/countries.js")),
    ("talk", include_str!("../page/talk.js")),
    ("phone", include_str!("../page/phone.js")),
    ("choice", include_str!("../page/choice.js")),
    ("net", include_str!("../page/net.js")),
    ("app", include_str!("../page/app.js")),
];
const LANGUAGES: [&str; 4] = ["en", "fr", "rw", "sw"];

/// The texts between the quotation marks of `attribute="…"` in the document.
fn attributes(attribute: &str) -> BTreeSet<&'static str> {
    INDEX.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn words() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = WORDS;
    let (_, object) = text.split_once("var WORDS = ").expect("a file of ours is of its form");
    let json: BTreeMap<String, Value> =
        serde_json::from_str(object.trim_end().trim_end_matches(';')).expect("a file of ours is of its form");
    json.into_iter().map(|(language, words)| (language, flat("", &words))).collect()
}

/// `problems.burst` and the like.
fn flat(prefix: &str, words: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in words.as_object().expect("a file of ours is of its form") {
        let name = format!("{prefix}{key}");
        match value.as_str() {
            Some(text) => drop(found.insert(name, text.to_owned())),
            None => found.extend(flat(&format!("{name}."), value)),
        }
    }
    found
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split('}').next().expect("a file of ours is of its form")).collect()
}

fn script() -> String {
    SCRIPTS.map(|(_, text)| text).concat()
}

#[test]
fn the_whole_page_stays_under_60_kilobytes() {
    let bytes = [INDEX, STYLE, ICON, &script()].map(str::len).iter().sum::<usize>();
    assert!(bytes < 60_000, "{bytes} bytes: a fan pays for each of them");
}

#[test]
fn everything_is_served_with_strict_headers() {
    assert!(HEADERS.contains("\n/*\n"), "for every file");
    let policy =
        HEADERS.lines().find_map(|line| line.trim().strip_prefix("Content-Security-Policy: ")).expect("a file of ours is of its form");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
    for word in ["unsafe", "*", "http:", "https:", "data:"] {
        assert!(!policy.contains(word), "{policy}");
    }
    assert!(HEADERS.contains("X-Content-Type-Options: nosniff"));
}

#[test]
fn the_document_asks_for_every_script_in_order() {
    let asked: Vec<_> = INDEX.split("<script src=\"/").skip(1).filter_map(|rest| rest.split(".js\" defer>").next()).collect();
    assert_eq!(asked, SCRIPTS.map(|(name, _)| name));
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    for inline in ["<style", " style=", " onclick=", " onload=", "<script>", "javascript:"] {
        assert!(!INDEX.contains(inline), "{inline}");
    }
    for text in [INDEX, &script(), STYLE] {
        for elsewhere in ["http://", "https://", "\"//", "url(", "@import"] {
            assert!(!text.contains(elsewhere), "{elsewhere}");
        }
    }
}

#[test]
fn the_script_writes_text_and_never_markup() {
    for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setAttribute(\"on"] {
        assert!(!script().contains(way), "{way}");
    }
}

#[test]
fn the_script_is_of_2015() {
    let script = script();
    let code: Vec<&str> = script.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    for newer in
        ["=>", "`", "?.", "??", "async ", "await ", "let ", "const ", "class ", "fetch(", "Promise", "...", ".includes(", "padStart"]
    {
        let found = code.iter().find(|line| line.contains(newer) && !line.starts_with('"'));
        assert_eq!(found, None, "an old browser stops at {newer:?}");
    }
}

#[test]
fn every_problem_has_words_in_every_language() {
    for (language, words) in words() {
        for code in ProblemCode::ALL {
            let text = words.get(&format!("problems.{}", code.as_str()));
            assert!(text.is_some_and(|text| text.len() > 15), "{language}: what does a fan read for {}?", code.as_str());
        }
        let ours: BTreeSet<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).chain(["offline", "unknown"]).collect();
        let told = words.keys().filter_map(|key| key.strip_prefix("problems."));
        assert_eq!(told.filter(|code| !ours.contains(code)).collect::<Vec<_>>(), [""; 0], "{language}: no such problem");
    }
}

#[test]
fn every_delivery_has_words_in_every_language() {
    let every = [Delivery::Accepted, Delivery::Unconfirmed, Delivery::Sent, Delivery::Delivered, Delivery::Failed];
    for (language, words) in words() {
        for state in every {
            let name = serde_json::to_value(state).expect("a file of ours is of its form");
            assert!(
                words.contains_key(&format!("delivery.{}", name.as_str().expect("a file of ours is of its form"))),
                "{language}: {state:?}"
            );
        }
    }
}

#[test]
fn the_languages_say_the_same_things() {
    let words = words();
    assert_eq!(words.keys().map(String::as_str).collect::<Vec<_>>(), LANGUAGES);
    for (language, theirs) in &words {
        for (key, english) in &words["en"] {
            let text = theirs.get(key).unwrap_or_else(|| panic!("{language} has no word for {key}"));
            assert_eq!(placeholders(text), placeholders(english), "{language}: {key}");
        }
        assert_eq!(theirs.len(), words["en"].len(), "{language} has a word that English has not");
    }
}

#[test]
fn every_language_can_be_chosen() {
    for language in LANGUAGES {
        assert!(INDEX.contains(&format!("<option value=\"{language}\" lang=\"{language}\">")), "{language}");
        assert_eq!(INDEX.matches(&format!("<p lang=\"{language}\">")).count(), 2, "{language}: without JavaScript, and without an answer");
    }
}

#[test]
fn the_document_and_the_script_fit() {
    let (words, ids) = (words(), attributes("id"));
    for word in attributes("data-word") {
        assert!(words["en"].contains_key(word), "{word}");
    }
    for call in ["at(\"", "set(\"", "button(\""] {
        for id in script().split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(ids.contains(id), "{call}{id}");
        }
    }
    for label in attributes("for").into_iter().chain(attributes("aria-describedby")) {
        assert!(ids.contains(label), "{label}");
    }
}

#[test]
fn every_word_that_the_script_says_is_there() {
    let words = words();
    for name in script().split("word(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(words["en"].contains_key(name), "{name}");
    }
}

/// `("RW", "250", "Rwanda")`
fn countries() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = include_str!("../page/countries.js").lines().filter(|line| line.starts_with("  \""));
    let rows = lines.flat_map(|line| line.trim_matches([' ', '"', '+']).split('|')).filter(|row| !row.is_empty());
    rows.map(|row| {
        let (codes, name) = row.split_once(' ').expect("a file of ours is of its form");
        let (id, code) = codes.split_at(2);
        (id, code, name)
    })
    .collect()
}

#[test]
fn every_country_has_its_own_calling_code() {
    for (id, code, name) in countries() {
        assert!(Country::parse(id).is_ok(), "{name}");
        let number = Phone::parse(&format!("+{code}23456789")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let known = Country::of(&number).map_or(id.to_owned(), |country| country.to_string());
        assert_eq!(known, id, "+{code}");
    }
}

#[test]
fn no_country_that_a_calling_code_names_is_missing() {
    let listed: BTreeSet<&str> = countries().into_iter().map(|(id, ..)| id).collect();
    assert_eq!(listed.len(), countries().len(), "a country is listed twice");
    let numbers = (20..1000_u32).filter_map(|code| Phone::parse(&format!("+{code}23456789")).ok());
    for country in numbers.filter_map(|number| Country::of(&number)) {
        assert!(listed.contains(country.as_str()), "{country}");
    }
}
