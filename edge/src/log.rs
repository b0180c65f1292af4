//! The Worker's log lines: one JSON object each, with the target `otp::edge`, so that they read like the origin's. Not a logger:
//! `platform` writes them to the console.
//!
//! **Never logged:** a number (only masked), a code, a token, a session or challenge id, a cookie, a query string.

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What happens all day.
    Info,
    /// Somebody should look.
    Warn,
}

/// A log line in the making: the object without its closing brace. (Written by hand, because a tree of JSON values weighs more in the
/// Worker than all of its own logic.)
#[derive(Debug, Clone)]
pub struct Line {
    level: Level,
    text: String,
}

impl Line {
    /// Begins a line about `event`, a short name in `snake_case`.
    pub fn new(level: Level, event: &'static str) -> Self {
        let name = match level {
            Level::Info => "INFO",
            Level::Warn => "WARN",
        };
        let line = Self { level, text: format!("{{\"level\":\"{name}\",\"target\":\"otp::edge\"") };
        line.with("event", event)
    }

    /// Adds a text.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        // A text always serialises.
        let value = serde_json::to_string(value).unwrap_or_default();
        self.push(name, &value);
        self
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
    pub fn count(mut self, name: &'static str, count: usize) -> Self {
        self.push(name, &count.to_string());
        self
    }

    fn push(&mut self, name: &str, json: &str) {
        for part in [",\"", name, "\":", json] {
            self.text.push_str(part);
        }
    }

    /// How loud it is.
    pub fn level(&self) -> Level {
        self.level
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)?;
        f.write_str("}")
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
        assert_eq!(line.to_string(), r#"{"level":"WARN","target":"otp::edge","event":"kv_failed","key":"a \"quoted\"\nkey","bytes":12}"#);
    }
}
