//! Writes the few JSON objects of the edge. By hand, because a general serialiser and its maps weigh more in the Worker than what they
//! would write; the tests read all of it back with one.
//!
//! **Invariant:** every text is escaped; what is put in raw is JSON that this module wrote.

/// An object in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object(String);

impl Object {
    /// An object without members.
    pub fn begin() -> Self {
        Self(String::from("{"))
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, name: &'static str, value: &str) -> Self {
        self.raw(name, &quoted(value))
    }

    /// Adds a whole number.
    #[must_use]
    pub fn number(self, name: &'static str, value: u64) -> Self {
        self.raw(name, &value.to_string())
    }

    /// Adds JSON as it is.
    #[must_use]
    pub fn raw(mut self, name: &'static str, json: &str) -> Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        for part in [comma, "\"", name, "\":", json] {
            self.0.push_str(part);
        }
        self
    }

    /// The object's text.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An array of JSON texts.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut text = String::from("[");
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&item);
    }
    text.push(']');
    text
}

/// A text with its quotation marks.
pub fn quoted(text: &str) -> String {
    // A text always serialises.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let inner = list([Object::begin().finish(), quoted("a\n\"b\""), "1".to_owned()]);
        let text =
            Object::begin().text("text", "\\ \u{7} é").number("number", u64::MAX).raw("list", &inner).raw("empty", &list([])).finish();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read, json!({"text": "\\ \u{7} é", "number": u64::MAX, "list": [{}, "a\n\"b\"", 1], "empty": []}));
    }
}
