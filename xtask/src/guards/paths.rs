//! Which crates and modules a source text names, and whether it may.

use super::source::{Token, tokens};

/// The crates of `crates` that `source` names at the start of a path: `tokio::spawn`, `use tokio;`.
pub fn crates_named<'a>(source: &str, crates: &[&'a str]) -> Vec<&'a str> {
    let tokens = tokens(source);
    crates.iter().copied().filter(|name| (0..tokens.len()).any(|at| names_crate(&tokens, at, name))).collect()
}

fn names_crate(tokens: &[Token<'_>], at: usize, name: &str) -> bool {
    let inside_another_path = at > 0 && tokens[at - 1] == Token::Path && !leading(tokens, at - 1);
    tokens[at] == Token::Word(name) && !inside_another_path && (tokens.get(at + 1) == Some(&Token::Path) || imported(tokens, at))
}

/// `::tokio` starts a path, `net::tokio` goes on with one.
fn leading(tokens: &[Token<'_>], separator: usize) -> bool {
    !matches!(separator.checked_sub(1).map(|before| tokens[before]), Some(Token::Word(_) | Token::Mark('>')))
}

fn imported(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| tokens[before]);
    matches!(before, Some(Token::Word("use" | "crate"))) && tokens.get(at + 1) != Some(&Token::Mark('!'))
}

/// The modules of `modules` that `source` reaches from the crate's root or from above: `crate::store`,
/// `use crate::{app, domain}`, `super::super::http`.
pub fn modules_reached<'a>(source: &str, modules: &[&'a str]) -> Vec<&'a str> {
    let reached = reached(&tokens(source));
    modules.iter().copied().filter(|module| reached.iter().any(|word| word == module)).collect()
}

fn reached(tokens: &[Token<'_>]) -> Vec<String> {
    let roots = tokens.windows(2).enumerate().filter(|(_, pair)| matches!(pair, [Token::Word("crate" | "super"), Token::Path]));
    roots.flat_map(|(at, _)| first_segments(&tokens[at + 2..])).map(str::to_owned).collect()
}

/// What follows `crate::`: one word, or the first word of each branch of a group.
fn first_segments<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    match tokens.first() {
        Some(Token::Word(word)) => vec![*word],
        Some(Token::Mark('{')) => branches(tokens),
        _ => Vec::new(),
    }
}

fn branches<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let mut depth = 0_u32;
    let mut words = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 1)) {
            (Token::Mark('{'), _) => depth += 1,
            (Token::Mark('}'), _) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if let (1, Token::Mark('{' | ','), Some(Token::Word(word))) = (depth, token, tokens.get(at + 1)) {
            words.push(*word);
        }
    }
    words
}

/// Whether `source` calls or names `path`, written as its last two words: `Instant::now`.
pub fn names_path(source: &str, path: [&str; 2]) -> bool {
    let [first, second] = path;
    tokens(source).windows(3).any(|three| three == [Token::Word(first), Token::Path, Token::Word(second)])
}

/// Whether `source` has the word at all.
pub fn names_word(source: &str, word: &str) -> bool {
    tokens(source).contains(&Token::Word(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_named_by_a_path_or_an_import() {
        for source in
            ["use worker::Env;", "worker::kv::Kv", "use worker;", "#[worker::event(fetch)]", "use {::worker::Env};", "extern crate worker;"]
        {
            assert_eq!(crates_named(source, &["worker", "tokio"]), ["worker"], "{source}");
        }
    }

    #[test]
    fn other_things_of_that_name_are_not_the_crate() {
        for source in ["let worker = 1;", "crate::worker::x()", "// use worker::Env", "\"worker::Env\"", "my_worker::x()"] {
            assert_eq!(crates_named(source, &["worker"]), [""; 0], "{source}");
        }
    }

    #[test]
    fn a_module_is_reached_from_the_root_or_from_above() {
        for source in [
            "use crate::store::Redis;",
            "use crate::{domain::Code, store::{self, Redis}};",
            "super::super::store::x()",
            "use crate::{\n    store\n};",
        ] {
            assert_eq!(modules_reached(source, &["store", "app"]), ["store"], "{source}");
        }
    }

    #[test]
    fn a_deeper_word_of_that_name_is_another_module() {
        for source in ["use crate::domain::store;", "use crate::{domain::{store, app}};", "fn store() {}"] {
            assert_eq!(modules_reached(source, &["store", "app"]), [""; 0], "{source}");
        }
    }

    #[test]
    fn a_path_is_seen_whatever_stands_before_it() {
        assert!(names_path("std::time::Instant::now()", ["Instant", "now"]));
        assert!(!names_path("Instant::from(now)", ["Instant", "now"]));
        assert!(names_word("use std::time::{Duration, SystemTime};", "SystemTime"));
    }
}
