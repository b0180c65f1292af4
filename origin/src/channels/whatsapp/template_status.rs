//! The status of one translation of the template, and which of two observations of it counts.
//! Spellings are those of the lookup (`status`) and of the webhook (`event`), which overlap.

use serde::Serialize;

use super::errors::TemplateFault;

/// A translation's status, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateStatus {
    /// May be sent.
    Approved,
    /// May be sent, but its quality is low.
    Flagged,
    /// Nothing is known yet, or nothing that we understand: it may be tried.
    Unknown,
    /// In review.
    Pending,
    /// Refused or disabled, and an appeal is running.
    InAppeal,
    /// The account has too many templates.
    LimitExceeded,
    /// Paused for low quality; comes back by itself.
    Paused,
    /// Locked against changes and use.
    Locked,
    /// Put away by its owner.
    Archived,
    /// Refused in review.
    Rejected,
    /// Disabled for low quality.
    Disabled,
    /// Deleted, or about to be.
    Deleted,
    /// Meta knows no such translation.
    Missing,
    /// The operator's flag forbids it.
    Withheld,
}

/// Who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `OTP_WHATSAPP_TEMPLATE_APPROVED`.
    Env,
    /// A lookup, or Meta's answer to a send.
    Graph,
    /// A webhook.
    Webhook,
}

/// What one source said of a translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The status it reported.
    pub status: TemplateStatus,
    /// As of when, in Unix seconds: Meta's time of an event, ours when a lookup began.
    pub at_s: u64,
    /// Who reported it.
    pub source: Source,
    /// Meta's reason; `None`: it gave none.
    pub reason: Option<String>,
}

impl TemplateStatus {
    /// Reads a `status` or an `event`. What Meta adds one day is [`TemplateStatus::Unknown`].
    pub fn parse(text: &str) -> Self {
        match text {
            "APPROVED" | "REINSTATED" => Self::Approved,
            "FLAGGED" => Self::Flagged,
            "PENDING" => Self::Pending,
            "IN_APPEAL" => Self::InAppeal,
            "LIMIT_EXCEEDED" => Self::LimitExceeded,
            "PAUSED" => Self::Paused,
            "LOCKED" => Self::Locked,
            "ARCHIVED" => Self::Archived,
            "REJECTED" => Self::Rejected,
            "DISABLED" => Self::Disabled,
            "DELETED" | "PENDING_DELETION" => Self::Deleted,
            _ => Self::Unknown,
        }
    }

    /// Whether a send has a chance.
    pub fn usable(self) -> bool {
        self <= Self::Unknown
    }

    /// Yes, no, or not known.
    pub fn approved(self) -> Option<bool> {
        (self != Self::Unknown).then(|| self.usable())
    }
}

impl From<TemplateFault> for TemplateStatus {
    fn from(fault: TemplateFault) -> Self {
        match fault {
            TemplateFault::Missing => Self::Missing,
            TemplateFault::Paused => Self::Paused,
            TemplateFault::Disabled => Self::Disabled,
        }
    }
}

impl Observation {
    /// Whether this counts rather than `other`. The newest wins; in the same second a webhook beats
    /// a lookup, which may have begun before it, and a bad status beats a good one. It is a total
    /// order, so the order and repetition of observations make no difference.
    pub fn supersedes(&self, other: &Self) -> bool {
        let rank = |observation: &Self| (observation.at_s, observation.source, observation.status);
        rank(self) > rank(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_meta_has_its_status() {
        for (spellings, usable) in [
            (&["APPROVED", "REINSTATED", "FLAGGED"][..], Some(true)),
            (
                &[
                    "PENDING",
                    "IN_APPEAL",
                    "LIMIT_EXCEEDED",
                    "PAUSED",
                    "LOCKED",
                    "ARCHIVED",
                    "REJECTED",
                    "DISABLED",
                    "DELETED",
                    "PENDING_DELETION",
                ],
                Some(false),
            ),
            (&["UNARCHIVED", "SOMETHING_NEW", "approved", ""], None),
        ] {
            for spelling in spellings {
                assert_eq!(TemplateStatus::parse(spelling).approved(), usable, "{spelling}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_may_be_tried() {
        assert!(TemplateStatus::parse("SOMETHING_NEW").usable());
        assert!(!TemplateStatus::Withheld.usable());
    }
}
