//! Operator state: a map from subject to its newest change, merged by one rule wherever two copies meet. Not where copies are kept, nor who may change them.
//!
//! **Invariant:** [`OperatorState::merge`] is commutative, associative, idempotent and monotone: order, repetition and delay do no harm.

use std::collections::BTreeMap;

use otp_shared::subject::Subject;
use serde::{Deserialize, Serialize};

/// How long a removal is remembered, in milliseconds: longer than any copy stays away unnoticed.
pub const TOMBSTONE_MS: u64 = 24 * 3600 * 1000;

/// When a change was made, so that any two are ordered everywhere the same way: a hybrid logical clock with the change's id as the last word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Unix milliseconds, never behind any stamp this replica has seen.
    pub ms: u64,
    /// Tells apart changes of one millisecond.
    pub counter: u32,
    /// Random name of the change.
    pub id: String,
}

/// Whom or what a change is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "lowercase")]
pub enum Target {
    /// A blacklist entry.
    Blacklist {
        /// `phone`, `ip`, `cidr`, `prefix`, `country`.
        #[serde(rename = "type")]
        kind: String,
        /// In its canonical spelling.
        value: String,
    },
    /// A session id that an operator authorised.
    Session {
        /// The id.
        id: String,
    },
    /// A full number that an operator asked to see. Never in force: it is there for the audit alone.
    Reveal {
        /// `phone`, or whatever else was masked.
        #[serde(rename = "type")]
        kind: String,
        /// What was shown.
        value: String,
    },
}

/// One change by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Whom or what it is about.
    #[serde(flatten)]
    pub target: Target,
    /// When, ordered.
    pub stamp: Stamp,
    /// The name of the operator's token.
    #[serde(rename = "who")]
    pub actor: String,
    /// The reason, in the operator's words.
    pub note: String,
    /// `true`: the entry is there; `false`: it is removed.
    pub present: bool,
    /// Unix millisecond at which an entry ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

impl Target {
    /// The blacklist entry for `subject`.
    pub fn blacklist(subject: &Subject) -> Self {
        Self::Blacklist { kind: subject.kind().to_owned(), value: subject.value() }
    }

    /// `phone`, `ip`, `cidr`, `prefix`, `country`, `session` or `reveal`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Blacklist { kind, .. } => kind,
            Self::Session { .. } => "session",
            Self::Reveal { .. } => "reveal",
        }
    }

    /// The key under which copies keep the change: `phone:+250…`, `session:…`.
    pub fn key(&self) -> String {
        match self {
            Self::Blacklist { kind, value } => format!("{kind}:{value}"),
            Self::Session { id } => format!("session:{id}"),
            Self::Reveal { kind, value } => format!("reveal:{kind}:{value}"),
        }
    }
}

impl Change {
    /// Whether the entry is in force at `now_ms`.
    pub fn in_force(&self, now_ms: u64) -> bool {
        self.present && self.until_ms.is_none_or(|until| now_ms < until)
    }

    /// Whether nothing needs this change any more: an old removal, or an entry that ended long ago.
    pub fn is_garbage(&self, now_ms: u64) -> bool {
        let ended = if self.present { self.until_ms } else { Some(self.stamp.ms) };
        ended.is_some_and(|ended| ended + TOMBSTONE_MS < now_ms)
    }
}

/// The newest change of every subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorState {
    changes: BTreeMap<String, Change>,
}

impl OperatorState {
    /// Takes `change` if it is newer than what is known of its subject; says whether it was.
    pub fn merge(&mut self, change: Change) -> bool {
        let key = change.target.key();
        if self.changes.get(&key).is_some_and(|known| known.stamp >= change.stamp) {
            return false;
        }
        self.changes.insert(key, change);
        true
    }

    /// The newest change of a subject, in force or not.
    pub fn get(&self, target: &Target) -> Option<&Change> {
        self.changes.get(&target.key())
    }

    /// Every subject's newest change, by key.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.values()
    }

    /// The stamp of a change made now: after every stamp seen, even when this clock is behind.
    pub fn next_stamp(&self, now_ms: u64, id: String) -> Stamp {
        let last = self.changes.values().map(|change| &change.stamp).max();
        match last {
            Some(last) if last.ms >= now_ms => Stamp { ms: last.ms, counter: last.counter + 1, id },
            _ => Stamp { ms: now_ms, counter: 0, id },
        }
    }

    /// Forgets what nothing needs any more.
    pub fn collect_garbage(&mut self, now_ms: u64) {
        self.changes.retain(|_, change| !change.is_garbage(now_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_changes_are_spelled_as_ever() {
        let spelled = |target, until_ms| {
            let stamp = Stamp { ms: 1_795_420_800_000, counter: 2, id: "00ff".to_owned() };
            let change = Change { target, stamp, actor: "ops".to_owned(), note: "why".to_owned(), present: true, until_ms };
            serde_json::to_string(&change).unwrap()
        };
        let (kind, value) = ("ip".to_owned(), "203.0.113.1".to_owned());
        let stored = [
            spelled(Target::Blacklist { kind: kind.clone(), value: value.clone() }, None),
            spelled(Target::Session { id: "an-id".to_owned() }, Some(1_795_420_860_000)),
            spelled(Target::Reveal { kind, value }, None),
        ];
        let rest = r#""stamp":{"ms":1795420800000,"counter":2,"id":"00ff"},"who":"ops","note":"why","present":true"#;
        assert_eq!(
            stored,
            [
                format!(r#"{{"about":"blacklist","type":"ip","value":"203.0.113.1",{rest}}}"#),
                format!(r#"{{"about":"session","id":"an-id",{rest},"untilMs":1795420860000}}"#),
                format!(r#"{{"about":"reveal","type":"ip","value":"203.0.113.1",{rest}}}"#),
            ],
            "Redis, KV and the other replicas hold this: write a migration"
        );
    }
}
