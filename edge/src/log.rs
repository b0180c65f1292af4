//! The Worker's log lines: one JSON object each, with the target `otp::edge`, so that they read like the origin's. Not a logger:
//! `platform` writes them to the console.
//!
//! **Never logged:** a number (only masked), a code, a token, a session or challenge id, a cookie, a query string.

use crate::json::Object;

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What happens all day.
    Info,
    /// Somebody should look.
    Warn,
}

/// A log line in the making.
#[derive(Debug, Clone)]
pub struct Line {
    level: Level,
    fields: Object,
}

impl Line {
    /// Begins a line about `event`, a short name in `snake_case`.
    pub fn new(level: Level, event: &'static str) -> Self {
        let name = match level {
            Level::Info => "INFO",
            Level::Warn => "WARN",
        };
        Self { level, fields: Object::begin().text("level", name).text("target", "otp::edge").text("event", event) }
    }

    /// Adds a text.
    #[must_use]
    pub fn with(self, name: &'static str, value: &str) -> Self {
        Self { fields: self.fields.text(name, value), ..self }
    }

    /// Adds a text if there is one.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a number.
    #[must_use]
    pub fn count(self, name: &'static str, count: u64) -> Self {
        Self { fields: self.fields.number(name, count), ..self }
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The line's text.
    pub fn finish(self) -> String {
        self.fields.finish()
    }
}

/// How many lines the requests of an isolate may write in one [`WINDOW_MS`]: the platform bills by the line, and a flood must not run up
/// that bill. The counters tell how many there were.
const LINES: u32 = 20;
const WINDOW_MS: u64 = 10_000;

/// What is left to write.
#[derive(Debug, Default)]
pub struct Budget {
    window: u64,
    spent: u32,
}

impl Budget {
    /// Whether one more line may be written at `now_ms`; if so, it is spent.
    pub fn spend(&mut self, now_ms: u64) -> bool {
        let window = now_ms.div_euclid(WINDOW_MS);
        if window != self.window {
            *self = Self { window, spent: 0 };
        }
        self.spent = self.spent.saturating_add(1);
        self.spent <= LINES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_few_lines_and_a_quiet_minute_all_of_them() {
        let mut budget = Budget::default();
        let written = (0..1_000).filter(|_| budget.spend(WINDOW_MS)).count();
        assert_eq!(written, 20);
        assert!(budget.spend(2 * WINDOW_MS));
    }

    #[test]
    fn a_line_is_one_json_object() {
        let line = Line::new(Level::Warn, "kv_failed").with("key", "a \"quoted\"\nkey").with_some("phone", None).count("bytes", 12);
        assert_eq!(line.finish(), r#"{"level":"WARN","target":"otp::edge","event":"kv_failed","key":"a \"quoted\"\nkey","bytes":12}"#);
    }
}
