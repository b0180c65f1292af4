//! Message templates: one state for each name and language, and what a state means for a send.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::GraphError;

/// A template in one language.
#[derive(Clone, Debug)]
pub struct Template {
    /// Meta's id. It is a string in the lookup and an integer in webhooks.
    pub id: u64,
    /// Lower-case letters, digits and underscores.
    pub name: String,
    /// Meta's code of the language, such as `rw_RW`.
    pub language: String,
    /// The result of Meta's review.
    pub status: TemplateStatus,
    /// `AUTHENTICATION`, unless Meta changed it.
    pub category: String,
    /// The category before Meta changed it. Absent: it was never changed.
    pub previous_category: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: String,
    /// Why it was rejected, or `NONE`.
    pub rejected_reason: String,
    /// How long Meta tries to deliver, in seconds. Absent after a change of the category.
    pub send_ttl_s: Option<u32>,
    /// The minutes in the footer.
    pub code_expiration_minutes: u32,
}

/// A template's state, spelled as in the lookup and in webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Meta's names")]
pub enum TemplateStatus {
    Approved,
    Archived,
    Deleted,
    Disabled,
    InAppeal,
    LimitExceeded,
    Paused,
    Pending,
    PendingDeletion,
    Rejected,
}

/// The name of the development template.
pub const NAME: &str = "otp_login";

/// The development template and a spare one, each in two languages. The first in the list is
/// another template whose name contains theirs: a client that takes the lookup's substring match
/// for an exact one picks it by mistake.
pub fn defaults() -> Vec<Template> {
    vec![
        Template::new(1, "old_otp_login", "en_US").with_status(TemplateStatus::Rejected),
        Template::new(2, NAME, "rw_RW"),
        Template::new(3, NAME, "en_US"),
        Template::new(4, "otp_login_spare", "rw_RW"),
        Template::new(5, "otp_login_spare", "en_US"),
    ]
}

impl Template {
    /// An approved authentication template, with an id made of `serial`.
    pub fn new(serial: u64, name: &str, language: &str) -> Self {
        Self {
            id: 594_425_479_000_000 + serial,
            name: name.to_owned(),
            language: language.to_owned(),
            status: TemplateStatus::Approved,
            category: "AUTHENTICATION".to_owned(),
            previous_category: None,
            quality: "GREEN".to_owned(),
            rejected_reason: "NONE".to_owned(),
            send_ttl_s: Some(300),
            code_expiration_minutes: 5,
        }
    }

    /// The same template in another state.
    #[must_use]
    pub fn with_status(mut self, status: TemplateStatus) -> Self {
        self.status = status;
        self
    }

    /// Whether it has this name and language.
    pub fn is(&self, name: &str, language: &str) -> bool {
        self.name == name && self.language == language
    }

    /// Checks that messages can be sent with it.
    ///
    /// # Errors
    /// 132015 if it is paused, 132016 if it is disabled, 132001 in every other state but approved.
    pub fn check_sendable(&self) -> Result<(), GraphError> {
        match self.status {
            TemplateStatus::Approved => Ok(()),
            TemplateStatus::Paused => Err(GraphError::new(132_015).details("Template is paused due to low quality so it cannot be sent")),
            TemplateStatus::Disabled => {
                Err(GraphError::new(132_016).details("Template was paused too many times and is now permanently disabled"))
            }
            _ => Err(missing(&self.name, &self.language)),
        }
    }

    /// What the phone shows: Meta's text, in English for every language.
    pub fn text(&self, code: &str) -> String {
        format!(
            "{code} is your verification code. For your security, do not share this code. This code expires in {} minutes.",
            self.code_expiration_minutes
        )
    }

    /// All fields of the lookup.
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("id", self.id.to_string().into());
        put("name", self.name.as_str().into());
        put("language", self.language.as_str().into());
        put("status", json!(self.status));
        put("category", self.category.as_str().into());
        put("components", self.components());
        put("quality_score", json!({ "score": self.quality, "date": 1_790_000_000 }));
        put("rejected_reason", self.rejected_reason.as_str().into());
        if let Some(ttl) = self.send_ttl_s {
            put("message_send_ttl_seconds", ttl.into());
        }
        if let Some(previous) = &self.previous_category {
            put("previous_category", previous.as_str().into());
        }
        fields
    }

    fn components(&self) -> Value {
        let minutes = self.code_expiration_minutes;
        let url = format!("https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code_expiration_minutes={minutes}&code=otp{{{{1}}}}");
        json!([
            { "type": "BODY", "text": "*{{1}}* is your verification code. For your security, do not share this code.",
              "add_security_recommendation": true, "example": { "body_text": [["123456"]] } },
            { "type": "FOOTER", "text": format!("This code expires in {minutes} minutes."), "code_expiration_minutes": minutes },
            { "type": "BUTTONS", "buttons": [ { "type": "URL", "text": "Copy code", "url": url,
              "example": [ "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp123456" ] } ] },
        ])
    }
}

/// 132001: there is no such template, in Meta's words.
pub fn missing(name: &str, language: &str) -> GraphError {
    GraphError::new(132_001).details(format!("template name ({name}) does not exist in {language}"))
}
