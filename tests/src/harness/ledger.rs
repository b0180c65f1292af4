//! What must never be seen: the story's codes, tokens and numbers, and the places where they could have leaked.
//!
//! Not a list of patterns: it searches for the very values that were in play.
//!
//! **Invariant:** a code is looked for in every answer and every log line; a token or a full number in every log line.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// The secrets of one stack. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    numbers: Vec<String>,
    tokens: Vec<String>,
    answers: Vec<String>,
}

/// Members of a log line that hold clock readings: a code may look like the fraction of a second.
const CLOCKS: [&str; 3] = ["timestamp", "time", "at"];

/// Characters that people put between a number's digits.
const SEPARATORS: [char; 6] = [' ', '-', '.', '(', ')', '\u{a0}'];

impl Ledger {
    /// A number in play, as `+250788123456`.
    pub fn number(&self, e164: &str) {
        self.lock().numbers.push(e164.trim_start_matches('+').to_owned());
    }

    /// A bearer of rights in play: a session id, a cookie, an admin token, a key.
    pub fn token(&self, token: &str) {
        self.lock().tokens.push(token.to_owned());
    }

    /// What somebody was answered, headers and body.
    pub fn answer(&self, text: String) {
        self.lock().answers.push(text);
    }

    /// What leaked, one sentence each; empty when nothing did. `codes` are those that arrived on phones.
    pub fn leaks(&self, codes: &[String], logs: &[String]) -> Vec<String> {
        let entries = self.lock();
        let mut leaks = Vec::new();
        for line in logs {
            let text = without_clocks(line);
            let joined = text.replace(SEPARATORS, "");
            let number = entries.numbers.iter().any(|number| joined.contains(number.as_str()));
            let token = entries.tokens.iter().any(|token| text.contains(token.as_str()));
            let code = codes.iter().any(|code| says(&text, code));
            for (found, what) in [(number, "a full number"), (token, "a token"), (code, "a code")] {
                if found {
                    leaks.push(format!("{what} in the log line: {line}"));
                }
            }
        }
        let answers = entries.answers.iter().filter(|answer| codes.iter().any(|code| says(answer, code)));
        leaks.extend(answers.map(|answer| format!("a code in the answer: {answer}")));
        leaks
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line without what is a clock's; a line that is no JSON stays as it is.
fn without_clocks(line: &str) -> String {
    let Ok(Value::Object(mut members)) = serde_json::from_str(line) else { return line.to_owned() };
    members.retain(|name, _| !CLOCKS.contains(&name.as_str()) && !name.ends_with("_ms") && !name.ends_with("_us"));
    Value::Object(members).to_string()
}

/// Whether `text` has `code` as a word of its own: six digits inside a longer name or number are no code.
pub fn says(text: &str, code: &str) -> bool {
    let part_of_a_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/');
    text.match_indices(code).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + code.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(part_of_a_word) && !after.is_some_and(part_of_a_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaks(line: &str) -> usize {
        let ledger = Ledger::default();
        ledger.number("+250788123456");
        ledger.token("fan-session-token");
        ledger.leaks(&["012345".to_owned()], &[line.to_owned()]).len()
    }

    #[test]
    fn a_leak_is_found_however_it_is_written() {
        for line in [
            r#"{"message":"sent 012345"}"#,
            r#"{"fields":{"body":"{\"code\":\"012345\"}"}}"#,
            r#"{"phone":"+250788123456"}"#,
            r#"{"phone":"+250 788-123 456"}"#,
            r#"{"cookie":"fan_session=fan-session-token"}"#,
            "thread panicked at code 012345",
        ] {
            assert_eq!(leaks(line), 1, "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        for line in [
            r#"{"timestamp":"2026-11-23T08:00:00.012345Z"}"#,
            r#"{"id":"ab012345"}"#,
            r#"{"phone":"+25078•••••56"}"#,
            r#"{"took_us":1012345}"#,
        ] {
            assert_eq!(leaks(line), 0, "{line}");
        }
    }

    #[test]
    fn a_code_in_an_answer_is_found() {
        let ledger = Ledger::default();
        ledger.answer(r#"{"code":"code_incorrect","expected":"012345"}"#.to_owned());
        assert_eq!(ledger.leaks(&["012345".to_owned()], &[]).len(), 1);
    }
}
