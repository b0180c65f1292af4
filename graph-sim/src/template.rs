//! Message templates: their states per (name, language), and what a state means for a send.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::GraphError;

/// One translation of a template.
#[derive(Clone, Debug)]
pub struct Template {
    /// Meta's id: digits. A string in the lookup, an integer in webhooks.
    pub id: u64,
    /// Lower case, digits, underscores.
    pub name: String,
    /// Meta's code of the language, with an underscore.
    pub language: String,
    /// Where it stands in review.
    pub status: Status,
    /// `AUTHENTICATION`, unless Meta re-categorised it.
    pub category: String,
    /// What it was before.
    pub previous_category: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: String,
    /// `NONE`, or why it was rejected.
    pub rejected_reason: String,
    /// Seconds Meta tries to deliver; None after a re-categorisation.
    pub send_ttl_s: Option<u32>,
    /// Minutes the footer tells.
    pub code_expiration_minutes: u32,
}

/// A template's state, as both the lookup and the webhook spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are Meta's and say all there is")]
pub enum Status {
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

/// The development template in two languages, a spare, and one whose name merely contains the first's: a client that takes
/// the lookup's substring match for an exact one will pick it.
pub fn defaults() -> Vec<Template> {
    vec![
        Template::new(1, "old_otp_login", "en_US").with_status(Status::Rejected),
        Template::new(2, NAME, "rw_RW"),
        Template::new(3, NAME, "en_US"),
        Template::new(4, "otp_login_spare", "rw_RW"),
        Template::new(5, "otp_login_spare", "en_US"),
    ]
}

impl Template {
    /// An approved authentication template; `serial` makes its id.
    pub fn new(serial: u64, name: &str, language: &str) -> Self {
        Self {
            id: 594_425_479_000_000 + serial,
            name: name.to_owned(),
            language: language.to_owned(),
            status: Status::Approved,
            category: "AUTHENTICATION".to_owned(),
            previous_category: None,
            quality: "GREEN".to_owned(),
            rejected_reason: "NONE".to_owned(),
            send_ttl_s: Some(300),
            code_expiration_minutes: 5,
        }
    }

    /// The same in another state.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Whether it is this translation.
    pub fn is(&self, name: &str, language: &str) -> bool {
        self.name == name && self.language == language
    }

    /// Why a message cannot be sent with it, if so.
    pub fn usable(&self) -> Result<(), GraphError> {
        match self.status {
            Status::Approved => Ok(()),
            Status::Paused => Err(GraphError::new(132_015).details("Template is paused due to low quality so it cannot be sent")),
            Status::Disabled => Err(GraphError::new(132_016).details("Template was paused too many times and is now permanently disabled")),
            _ => Err(missing(&self.name, &self.language)),
        }
    }

    /// What the phone shows. Meta's own words, in English whatever the language.
    pub fn text(&self, code: &str) -> String {
        format!(
            "{code} is your verification code. For your security, do not share this code. This code expires in {} minutes.",
            self.code_expiration_minutes
        )
    }

    /// Every field of the lookup.
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

/// 132001, as Meta words it.
pub fn missing(name: &str, language: &str) -> GraphError {
    GraphError::new(132_001).details(format!("template name ({name}) does not exist in {language}"))
}
