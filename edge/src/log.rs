//! The Worker's log lines: one JSON object each, with the target `otp::edge`, so that they read like the origin's. Not a logger:
//! `platform` writes them to the console.
//!
//! **Never logged:** a number (only masked), a code, a token, a session or challenge id, a cookie, a query string.

use serde_json::{Map, Value};

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
    fields: Map<String, Value>,
}

impl Line {
    /// Begins a line about `event`, a short name in `snake_case`.
    pub fn new(level: Level, event: &'static str) -> Self {
        let name = match level {
            Level::Info => "INFO",
            Level::Warn => "WARN",
        };
        Self { level, fields: Map::new() }.with("level", name).with("target", "otp::edge").with("event", event)
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(&self.fields).unwrap_or_default())
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
        let line = Line::new(Level::Warn, "kv_failed").with("key", "snapshot:origin").with("ms", 12).to_string();
        assert_eq!(line, r#"{"event":"kv_failed","key":"snapshot:origin","level":"WARN","ms":12,"target":"otp::edge"}"#);
    }
}
