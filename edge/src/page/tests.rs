use std::collections::{BTreeMap, BTreeSet};

use otp_shared::{country::Country, phone::Phone, problem::Code, wire::Delivery};
use serde_json::Value;

use super::*;

const LANGUAGES: [&str; 4] = ["en", "fr", "rw", "sw"];

fn get(path: &str, query: &str, known: Option<&str>) -> Reply {
    answer(&Asked { method: "GET", path, query, known }).unwrap().unwrap()
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).unwrap_or_default()
}

/// The texts between the quotation marks of `attribute="…"` in the document.
fn attributes(attribute: &str) -> BTreeSet<&'static str> {
    INDEX.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn words() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = include_str!("../../page/words.js");
    let (_, object) = text.split_once("var WORDS = ").unwrap();
    let json: BTreeMap<String, Value> = serde_json::from_str(object.trim_end().trim_end_matches(';')).unwrap();
    json.into_iter().map(|(language, words)| (language, flat("", &words))).collect()
}

/// `problems.burst` and the like.
fn flat(prefix: &str, words: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in words.as_object().unwrap() {
        let name = format!("{prefix}{key}");
        match value.as_str() {
            Some(text) => drop(found.insert(name, text.to_owned())),
            None => found.extend(flat(&format!("{name}."), value)),
        }
    }
    found
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect()
}

#[test]
fn the_whole_page_stays_under_60_kilobytes() {
    let bytes: usize = ["/", "/app.js", "/app.css", "/icon.svg"].iter().map(|path| get(path, "", None).body.len()).sum();
    assert!(bytes < 60_000, "{bytes} bytes: a fan pays for each of them");
}

#[test]
fn what_is_not_the_page_is_not_answered() {
    for path in ["", "/index.html", "/app.js/", "/otp/request", "/page/app.js", "//"] {
        assert!(answer(&Asked { method: "GET", path, query: "", known: None }).is_none(), "{path}");
    }
}

#[test]
fn the_page_is_only_read() {
    let refusal = answer(&Asked { method: "POST", path: "/", query: "", known: None }).unwrap().unwrap_err();
    assert_eq!((refusal.problem.code, refusal.allow), (Code::MethodNotAllowed, Some("GET, HEAD")));
    assert!(answer(&Asked { method: "HEAD", path: "/", query: "", known: None }).unwrap().is_ok());
}

#[test]
fn every_part_is_served_with_the_strict_headers() {
    for path in ["/", "/app.js", "/app.css", "/icon.svg", "/favicon.ico"] {
        let reply = get(path, "", None);
        assert_eq!(header(&reply, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&reply, "referrer-policy"), "same-origin", "{path}");
        let policy = header(&reply, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        for word in ["unsafe", "*", "http:", "https:", "data:"] {
            assert!(!policy.contains(word), "{path}: {policy}");
        }
    }
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    for inline in ["<style", " style=", " onclick=", " onload=", "<script>", "javascript:"] {
        assert!(!INDEX.contains(inline), "{inline}");
    }
    for text in [INDEX, SCRIPT, STYLE] {
        for elsewhere in ["http://", "https://", "\"//", "url(", "@import"] {
            assert!(!text.contains(elsewhere), "{elsewhere}");
        }
    }
}

#[test]
fn the_script_writes_text_and_never_markup() {
    for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "setAttribute(\"on"] {
        assert!(!SCRIPT.contains(way), "{way}");
    }
}

#[test]
fn the_script_is_of_2015() {
    let code: Vec<&str> = SCRIPT.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    for newer in
        ["=>", "`", "?.", "??", "async ", "await ", "let ", "const ", "class ", "fetch(", "Promise", "...", ".includes(", "padStart"]
    {
        let found = code.iter().find(|line| line.contains(newer) && !line.starts_with('"'));
        assert_eq!(found, None, "an old browser stops at {newer:?}");
    }
}

#[test]
fn the_document_asks_for_its_parts_by_their_versions() {
    let document = get("/", "", None).body;
    for (path, version) in [("/app.js", SCRIPT_VERSION), ("/app.css", STYLE_VERSION)] {
        assert!(document.contains(&format!("\"{path}?{}\"", query(version))), "{path}");
        assert_eq!(header(&get(path, &query(version), None), "cache-control"), FOREVER);
    }
}

#[test]
fn what_is_asked_for_by_another_version_is_not_kept() {
    assert_eq!(header(&get("/app.js", "v=0000000000000000", None), "cache-control"), REVALIDATE);
    assert_eq!(header(&get("/", "", None), "cache-control"), REVALIDATE);
}

#[test]
fn who_has_the_page_is_not_sent_it_again() {
    let tag = header(&get("/", "", None), "etag").to_owned();
    for known in [tag.clone(), tag.replace("W/", ""), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = get("/", "", Some(&known));
        assert_eq!((again.status, again.body.as_str(), header(&again, "etag")), (304, "", tag.as_str()), "{known}");
    }
    assert_eq!(get("/", "", Some("W/\"0123456789abcdef\"")).status, 200);
}

#[test]
fn a_version_tells_texts_apart() {
    // FNV-1a's own test vectors.
    assert_eq!(
        (version(&[""]), version(&["a"]), version(&["foobar"])),
        (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8)
    );
    assert_eq!(version(&["foo", "bar"]), version(&["foobar"]));
}

#[test]
fn every_problem_has_words_in_every_language() {
    for (language, words) in words() {
        for code in Code::ALL {
            let text = words.get(&format!("problems.{}", code.as_str()));
            assert!(text.is_some_and(|text| text.len() > 15), "{language}: what does a fan read for {}?", code.as_str());
        }
        let ours: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).chain(["offline", "unknown"]).collect();
        let told = words.keys().filter_map(|key| key.strip_prefix("problems."));
        assert_eq!(told.filter(|code| !ours.contains(code)).collect::<Vec<_>>(), [""; 0], "{language}: no such problem");
    }
}

#[test]
fn every_delivery_has_words_in_every_language() {
    let every = [Delivery::Accepted, Delivery::Unconfirmed, Delivery::Sent, Delivery::Delivered, Delivery::Failed];
    for (language, words) in words() {
        for state in every {
            let name = serde_json::to_value(state).unwrap();
            assert!(words.contains_key(&format!("delivery.{}", name.as_str().unwrap())), "{language}: {state:?}");
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
        for id in SCRIPT.split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
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
    for name in SCRIPT.split("word(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(words["en"].contains_key(name), "{name}");
    }
}

/// `("RW", "250", "Rwanda")`
fn countries() -> Vec<(&'static str, &'static str, &'static str)> {
    let lines = include_str!("../../page/countries.js").lines().filter(|line| line.starts_with("  \""));
    let rows = lines.flat_map(|line| line.trim_matches([' ', '"', '+']).split('|')).filter(|row| !row.is_empty());
    rows.map(|row| {
        let (codes, name) = row.split_once(' ').unwrap();
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
