//! The business number, as `GET /{version}/{phone-number-id}` returns it.

use serde_json::{Value, json};

use crate::error::GraphError;
use crate::lookup::select_fields;
use crate::settings::Settings;

/// What can change about the business number.
#[derive(Clone, Debug)]
pub struct BusinessNumber {
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: String,
    /// How many people it may message a day: `TIER_250`, `TIER_2K`, `TIER_10K`, `TIER_100K`,
    /// `TIER_UNLIMITED`.
    pub tier: String,
    /// `CONNECTED`, `FLAGGED`, `RESTRICTED`, …
    pub status: String,
}

impl Default for BusinessNumber {
    fn default() -> Self {
        Self { quality: "GREEN".to_owned(), tier: "TIER_2K".to_owned(), status: "CONNECTED".to_owned() }
    }
}

/// The fields in the response, unless the query has `fields`.
const DEFAULT_FIELDS: &str = "verified_name,display_phone_number,quality_rating,id";

impl BusinessNumber {
    /// The `fields`, separated by commas, as a JSON object.
    ///
    /// # Errors
    /// 100 for an unknown field.
    pub fn to_json(&self, settings: &Settings, fields: Option<&str>) -> Result<Value, GraphError> {
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
        select_fields(all, fields.unwrap_or(DEFAULT_FIELDS), "WhatsAppBusinessPhoneNumber")
    }
}
