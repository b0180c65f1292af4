//! What Meta's review does to templates and to the account, and how the webhook tells it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::courier::{Posted, WebhookError};
use crate::payload;
use crate::state::World;
use crate::template::{Status, Template};

/// A change of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Review {
    /// It may be sent, for the first time.
    Approve,
    /// It may be sent again after a pause.
    Reinstate,
    /// It may not be sent for a while: people blocked or reported it.
    Pause,
    /// It may never be sent again.
    Disable,
    /// It was refused.
    Reject {
        /// `PROMOTIONAL`, `INCORRECT_CATEGORY`, `INVALID_FORMAT`, …
        reason: String,
    },
    /// People's opinion of it changed.
    Quality {
        /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
        score: String,
    },
    /// Meta moved it to another category, which clears its time to live.
    Category {
        /// `AUTHENTICATION`, `MARKETING`, `UTILITY`.
        category: String,
    },
}

impl World {
    /// The templates as they are.
    pub fn templates(&self) -> Vec<Template> {
        self.lock().templates.clone()
    }

    /// Puts a template in, or in place of the one with its name and language. Nothing is told.
    pub fn put_template(&self, template: Template) {
        let mut state = self.lock();
        state.templates.retain(|other| !other.is(&template.name, &template.language));
        state.templates.push(template);
    }

    /// Takes a translation away. Nothing is told.
    pub fn remove_template(&self, name: &str, language: &str) {
        self.lock().templates.retain(|template| !template.is(name, language));
    }

    /// Changes a template without telling: a receiver that relies on the webhook alone never learns it.
    ///
    /// # Errors
    /// [`WebhookError::UnknownTemplate`].
    pub fn review_quietly(&self, name: &str, language: &str, review: &Review) -> Result<(), WebhookError> {
        self.apply(name, language, review).map(drop)
    }

    /// Changes a template and tells the webhook.
    ///
    /// # Errors
    /// [`WebhookError::UnknownTemplate`]; or the webhook did not get through, and the template is changed all the same.
    pub async fn review(&self, name: &str, language: &str, review: &Review) -> Result<Posted, WebhookError> {
        let before = self.apply(name, language, review)?;
        let mut value = payload::template(&before, self.lock().hyphens);
        let field = review.tell(&before, &mut value);
        self.event(field, &Value::Object(value)).await
    }

    /// The business number's quality and tier from now on. Nothing is told: Meta's events for it vary, see [`World::event`].
    pub fn set_number(&self, quality: &str, tier: &str) {
        let mut state = self.lock();
        quality.clone_into(&mut state.number.quality);
        tier.clone_into(&mut state.number.tier);
    }

    /// Changes the template and returns what it was before.
    fn apply(&self, name: &str, language: &str, review: &Review) -> Result<Template, WebhookError> {
        let mut state = self.lock();
        let found = state.templates.iter_mut().find(|template| template.is(name, language));
        let template = found.ok_or_else(|| WebhookError::UnknownTemplate(name.to_owned()))?;
        let before = template.clone();
        review.apply(template);
        Ok(before)
    }
}

impl Review {
    fn apply(&self, template: &mut Template) {
        match self {
            Self::Approve | Self::Reinstate => {
                template.status = Status::Approved;
                "NONE".clone_into(&mut template.rejected_reason);
            }
            Self::Pause => template.status = Status::Paused,
            Self::Disable => template.status = Status::Disabled,
            Self::Reject { reason } => {
                template.status = Status::Rejected;
                template.rejected_reason.clone_from(reason);
            }
            Self::Quality { score } => template.quality.clone_from(score),
            Self::Category { category } => {
                template.previous_category = Some(std::mem::replace(&mut template.category, category.clone()));
                template.send_ttl_s = None;
            }
        }
    }

    /// Adds to `value` what this change says, and names its field.
    fn tell(&self, before: &Template, value: &mut Map<String, Value>) -> &'static str {
        let (field, more) = match self {
            Self::Approve => status("APPROVED", "NONE", json!({})),
            Self::Reinstate => status("REINSTATED", "NONE", json!({ "other_info": { "title": "UNPAUSE" } })),
            Self::Pause => status(
                "PAUSED",
                "NONE",
                json!({ "other_info": { "title": "FIRST_PAUSE",
                "description": "Your template was paused because of negative feedback." } }),
            ),
            Self::Disable => status("DISABLED", "NONE", json!({ "other_info": { "title": "DISABLED" } })),
            Self::Reject { reason } => status("REJECTED", reason, json!({ "rejection_info": { "reason": reason } })),
            Self::Quality { score } => {
                ("message_template_quality_update", json!({ "previous_quality_score": before.quality, "new_quality_score": score }))
            }
            Self::Category { category } => {
                ("template_category_update", json!({ "previous_category": before.category, "new_category": category }))
            }
        };
        if let Value::Object(more) = more {
            value.extend(more);
        }
        if field == STATUS {
            value.insert("message_template_category".to_owned(), before.category.as_str().into());
        }
        field
    }
}

const STATUS: &str = "message_template_status_update";

fn status(event: &str, reason: &str, mut more: Value) -> (&'static str, Value) {
    more["event"] = event.into();
    more["reason"] = reason.into();
    (STATUS, more)
}
