//! What Meta's review does to templates and to the business number, and the webhooks about it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::payload;
use crate::simulator::Simulator;
use crate::template::{Template, TemplateStatus};
use crate::webhook::{Posted, WebhookError};

/// A change of a template by Meta.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Review {
    /// It may be sent, for the first time.
    Approve,
    /// It may be sent again after a pause.
    Reinstate,
    /// It may not be sent for a while, because people blocked or reported it.
    Pause,
    /// It may never be sent again.
    Disable,
    /// It was rejected.
    Reject {
        /// `PROMOTIONAL`, `INCORRECT_CATEGORY`, `INVALID_FORMAT`, …
        reason: String,
    },
    /// Its quality rating changed.
    Quality {
        /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
        score: String,
    },
    /// It was moved to another category, which clears its time to live.
    Category {
        /// `AUTHENTICATION`, `MARKETING` or `UTILITY`.
        category: String,
    },
}

impl Simulator {
    /// All templates in their present state.
    pub fn templates(&self) -> Vec<Template> {
        self.lock().templates.clone()
    }

    /// Adds a template, or replaces the one with the same name and language. Posts no webhook.
    pub fn put_template(&self, template: Template) {
        let mut state = self.lock();
        state.templates.retain(|other| !other.is(&template.name, &template.language));
        state.templates.push(template);
    }

    /// Removes one language of a template. Posts no webhook.
    pub fn remove_template(&self, name: &str, language: &str) {
        self.lock().templates.retain(|template| !template.is(name, language));
    }

    /// Changes a template without a webhook: a receiver that does not poll never sees this change.
    ///
    /// # Errors
    /// [`WebhookError::UnknownTemplate`].
    pub fn review_quietly(&self, name: &str, language: &str, review: &Review) -> Result<(), WebhookError> {
        self.apply(name, language, review).map(drop)
    }

    /// Changes a template and posts the webhook about it.
    ///
    /// # Errors
    /// [`WebhookError::UnknownTemplate`]; or the webhook was not accepted, and then the template is
    /// changed nevertheless.
    pub async fn review(&self, name: &str, language: &str, review: &Review) -> Result<Posted, WebhookError> {
        let before = self.apply(name, language, review)?;
        let mut value = payload::template(&before, self.lock().hyphens);
        let field = review.describe(&before, &mut value);
        self.event(field, &Value::Object(value)).await
    }

    /// Sets the business number's quality and tier. Posts no webhook, because Meta's events for it
    /// vary: use [`Simulator::event`].
    pub fn set_number(&self, quality: &str, tier: &str) {
        let mut state = self.lock();
        quality.clone_into(&mut state.number.quality);
        tier.clone_into(&mut state.number.tier);
    }

    /// Changes the template and returns it as it was before.
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
                template.status = TemplateStatus::Approved;
                "NONE".clone_into(&mut template.rejected_reason);
            }
            Self::Pause => template.status = TemplateStatus::Paused,
            Self::Disable => template.status = TemplateStatus::Disabled,
            Self::Reject { reason } => {
                template.status = TemplateStatus::Rejected;
                template.rejected_reason.clone_from(reason);
            }
            Self::Quality { score } => template.quality.clone_from(score),
            Self::Category { category } => {
                template.previous_category = Some(std::mem::replace(&mut template.category, category.clone()));
                template.send_ttl_s = None;
            }
        }
    }

    /// Adds the members for this change to `value`, and returns the webhook's field.
    fn describe(&self, before: &Template, value: &mut Map<String, Value>) -> &'static str {
        let (field, members) = match self {
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
        if let Value::Object(members) = members {
            value.extend(members);
        }
        if field == STATUS {
            value.insert("message_template_category".to_owned(), before.category.as_str().into());
        }
        field
    }
}

const STATUS: &str = "message_template_status_update";

fn status(event: &str, reason: &str, mut members: Value) -> (&'static str, Value) {
    members["event"] = event.into();
    members["reason"] = reason.into();
    (STATUS, members)
}
