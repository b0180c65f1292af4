//! Scripted faults: rules that wait for a call and decide its response.

use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::GraphError;

/// What happens to a call instead of the usual response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Fault {
    /// Only the rule's delay.
    Slow,
    /// An error of Meta, or of the text-message provider. Nothing is sent.
    Error {
        /// `error.code`.
        code: u32,
        /// `error.error_subcode`; 463 means that a token has expired.
        #[serde(default)]
        subcode: Option<u32>,
        /// The HTTP status; Meta has been seen to send 200. Absent: the status of the style.
        #[serde(default)]
        status: Option<u16>,
        /// The `Retry-After` header, in seconds.
        #[serde(default)]
        retry_after_s: Option<u64>,
        /// `error.error_data.details`.
        #[serde(default)]
        details: Option<String>,
    },
    /// Accepted, and there is never a response.
    Hang,
    /// The connection closes without a response.
    Drop {
        /// Whether the message was accepted first.
        accepted: bool,
    },
    /// Accepted; the response is 200 with a body that is not JSON.
    Garbage,
    /// A status without Meta's error envelope, as a proxy on the way would respond.
    Bare {
        /// The HTTP status.
        status: u16,
        /// Whether the message was accepted first.
        accepted: bool,
    },
    /// Accepted; the response is 200 without `messages`.
    NoId,
    /// Accepted, with this `message_status`; no automatic receipt follows.
    Held {
        /// `held_for_quality_assessment` or `paused`.
        message_status: String,
    },
    /// Accepted; the automatic receipt says `failed` with this code.
    FailsLater {
        /// Meta's error code in the receipt.
        code: u32,
    },
    /// Accepted; the automatic receipts end at `sent`.
    NeverDelivered,
}

/// The kind of call that a rule waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// A send over WhatsApp.
    #[default]
    Send,
    /// A lookup of one or all templates.
    Templates,
    /// A lookup of the business number.
    Number,
    /// A send over either text-message provider.
    Sms,
}

/// A fault, and the calls that it applies to. Of several matching rules the oldest applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The kind of call. Absent in JSON: `send`.
    #[serde(default)]
    pub on: Operation,
    /// Only messages to this number, in any spelling with its country code. Absent: any.
    #[serde(default)]
    pub to: Option<String>,
    /// How many calls it applies to. Absent: all of them, until the script is cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// Delay of the response in milliseconds, after the message was accepted.
    #[serde(default)]
    pub delay_ms: u64,
    /// What happens.
    pub fault: Fault,
}

impl Fault {
    /// The error `code`, and the rest of it by default.
    pub fn error(code: u32) -> Self {
        Self::Error { code, subcode: None, status: None, retry_after_s: None, details: None }
    }

    /// The error `code` with a `Retry-After` header, in seconds.
    pub fn error_after(code: u32, retry_after_s: u64) -> Self {
        Self::Error { code, subcode: None, status: None, retry_after_s: Some(retry_after_s), details: None }
    }

    /// Whether the message arrives in spite of the fault.
    pub fn accepts(&self) -> bool {
        match self {
            Self::Error { .. } => false,
            Self::Drop { accepted } | Self::Bare { accepted, .. } => *accepted,
            _ => true,
        }
    }

    /// The Graph API's error, if this fault is [`Fault::Error`].
    pub fn as_error(&self) -> Option<GraphError> {
        let Self::Error { code, subcode, status, retry_after_s, details } = self else {
            return None;
        };
        Some(GraphError {
            subcode: *subcode,
            status: status.and_then(|status| StatusCode::from_u16(status).ok()),
            retry_after_s: *retry_after_s,
            details: details.clone(),
            ..GraphError::new(*code)
        })
    }
}

impl Rule {
    /// Applies to the next call.
    pub fn once(fault: Fault) -> Self {
        Self::times(1, fault)
    }

    /// Applies to the next `times` calls.
    pub fn times(times: u32, fault: Fault) -> Self {
        Self { times: Some(times), ..Self::always(fault) }
    }

    /// Applies to every call until the script is cleared.
    pub fn always(fault: Fault) -> Self {
        Self { on: Operation::Send, to: None, times: None, delay_ms: 0, fault }
    }

    /// Only for messages to `number`.
    #[must_use]
    pub fn to(mut self, number: &str) -> Self {
        self.to = Some(number.to_owned());
        self
    }

    /// For another operation than a send.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.on = operation;
        self
    }

    /// Delays the response by `delay`.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    fn matches(&self, operation: Operation, digits: &str) -> bool {
        self.on == operation && self.to.as_deref().is_none_or(|to| only_digits(to) == digits)
    }
}

/// The rules that are not used up, oldest first.
#[derive(Debug, Default)]
pub struct Script {
    rules: Vec<Rule>,
}

impl Script {
    /// Adds a rule after the others.
    pub fn push(&mut self, rule: Rule) {
        if rule.times != Some(0) {
            self.rules.push(rule);
        }
    }

    /// Removes every rule.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules that are not used up.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The oldest rule that matches this call; it then applies to one call less. `digits` is empty
    /// for a call without a recipient.
    pub fn take(&mut self, operation: Operation, digits: &str) -> Option<Rule> {
        let at = self.rules.iter().position(|rule| rule.matches(operation, digits))?;
        let rule = self.rules.get_mut(at)?;
        let taken = rule.clone();
        rule.times = rule.times.map(|left| left.saturating_sub(1));
        if rule.times == Some(0) {
            self.rules.remove(at);
        }
        Some(taken)
    }
}

/// `number` without everything that is not a digit.
pub fn only_digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_used_up_and_the_next_one_follows() {
        let mut script = Script::default();
        script.push(Rule::times(2, Fault::error(130_429)));
        script.push(Rule::once(Fault::Hang));
        let mut faults = || script.take(Operation::Send, "250788123456").map(|rule| rule.fault);
        assert_eq!(faults(), Some(Fault::error(130_429)));
        assert_eq!(faults(), Some(Fault::error(130_429)));
        assert_eq!(faults(), Some(Fault::Hang));
        assert_eq!(faults(), None);
    }

    #[test]
    fn a_rule_for_one_number_leaves_the_others_alone() {
        let mut script = Script::default();
        script.push(Rule::always(Fault::error(131_056)).to("+250 788 123 456"));
        assert!(script.take(Operation::Send, "250788000000").is_none());
        assert!(script.take(Operation::Sms, "250788123456").is_none());
        assert!(script.take(Operation::Send, "250788123456").is_some());
        assert!(script.take(Operation::Send, "250788123456").is_some());
    }

    #[test]
    fn a_rule_reads_from_the_json_people_write() {
        let rule: Rule = serde_json::from_str(r#"{"times":1,"fault":{"kind":"error","code":4,"retryAfterS":7}}"#).unwrap();
        assert_eq!(rule, Rule::once(Fault::error_after(4, 7)));
    }
}
