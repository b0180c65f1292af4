//! The business number as `GET /{phone-number-id}` tells it.

use serde_json::{Map, Value, json};

use crate::error::GraphError;
use crate::settings::Settings;

/// What about the number can change.
#[derive(Clone, Debug)]
pub struct Number {
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: String,
    /// Unique people a day: `TIER_250`, `TIER_2K`, `TIER_10K`, `TIER_100K`, `TIER_UNLIMITED`.
    pub tier: String,
    /// `CONNECTED`, `FLAGGED`, `RESTRICTED`, …
    pub status: String,
}

impl Default for Number {
    fn default() -> Self {
        Self { quality: "GREEN".to_owned(), tier: "TIER_2K".to_owned(), status: "CONNECTED".to_owned() }
    }
}

/// What is told when nothing is asked for.
const DEFAULT_FIELDS: &str = "verified_name,display_phone_number,quality_rating,id";

impl Number {
    /// The fields asked for.
    ///
    /// # Errors
    /// 100 for a field there is not.
    pub fn read(&self, settings: &Settings, fields: Option<&str>) -> Result<Value, GraphError> {
        let all = json!({
            "id": settings.phone_number_id,
            "display_phone_number": settings.business.digits,
            "verified_name": "OTP development",
            "quality_rating": self.quality,
            "status": self.status,
            "code_verification_status": "VERIFIED",
            "name_status": "APPROVED",
            "platform_type": "CLOUD_API",
            "throughput": { "level": "STANDARD" },
            "messaging_limit_tier": self.tier,
            "whatsapp_business_manager_messaging_limit": self.tier,
        });
        select(all, fields.unwrap_or(DEFAULT_FIELDS), "WhatsAppBusinessPhoneNumber")
    }
}

/// The members of `object` named in `fields`, and always its id.
///
/// # Errors
/// 100 for a name that `node` does not have.
pub(crate) fn select(object: Value, fields: &str, node: &str) -> Result<Value, GraphError> {
    let Value::Object(mut object) = object else { return Ok(object) };
    let mut selected = Map::new();
    for field in fields.split(',').map(str::trim).chain(["id"]) {
        match object.remove(field) {
            Some(value) => drop(selected.insert(field.to_owned(), value)),
            None if selected.contains_key(field) || OPTIONAL.contains(&field) => {}
            None => {
                let text = format!("Tried accessing nonexisting field ({field}) on node type ({node})");
                return Err(GraphError::parameter(text));
            }
        }
    }
    Ok(Value::Object(selected))
}

/// Fields of a template that are left out rather than null.
const OPTIONAL: &[&str] = &["message_send_ttl_seconds", "previous_category", "correct_category", "sub_category"];
