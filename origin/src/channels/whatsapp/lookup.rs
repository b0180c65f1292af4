//! One lookup of the template: `GET /{waba}/message_templates`. Not what follows from it: that is
//! `templates`'.
//!
//! **Invariant:** the name is sent along, but matched by us: Meta's filter has behaved as a
//! substring match. Pages follow the cursor, never the `next` URL, which holds a token and could
//! point anywhere.

use std::time::Duration;

use serde_json::Value;

use super::{
    client::{Client, LookupError},
    template_status::TemplateStatus,
};

const FIELDS: &str =
    "id,name,language,status,category,quality_score,rejected_reason,message_send_ttl_seconds,previous_category,correct_category";
const PAGE_SIZE: &str = "50";
const MAX_PAGES: usize = 40;
const TIMEOUT: Duration = Duration::from_secs(10);

/// One translation as a lookup lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTranslation {
    /// The template's name.
    pub name: String,
    /// Meta's code, with an underscore.
    pub language: String,
    /// Its status with Meta.
    pub status: TemplateStatus,
    /// Why it was rejected; `None`: it was not, or Meta gives no reason.
    pub reason: Option<String>,
    /// `AUTHENTICATION`, unless Meta changed it.
    pub category: Option<String>,
    /// Seconds; -1: thirty days. `None`: Meta's default.
    pub ttl_s: Option<i64>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: Option<String>,
}

/// Every translation of every template whose name contains `name`, over all pages.
pub async fn list(client: &Client, name: &str) -> Result<Vec<ListedTranslation>, LookupError> {
    let mut listed = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut query = vec![("name", name), ("fields", FIELDS), ("limit", PAGE_SIZE)];
        query.extend(after.as_deref().map(|cursor| ("after", cursor)));
        let page = client.templates(&query, TIMEOUT).await?;
        listed.extend(read(&page).ok_or(LookupError::Unanswered)?);
        after = next(&page);
        if after.is_none() {
            return Ok(listed);
        }
    }
    Err(LookupError::Endless(MAX_PAGES))
}

/// A page's translations; `None`: it has no `data`. A translation that cannot be read is skipped.
fn read(page: &Value) -> Option<Vec<ListedTranslation>> {
    Some(page.get("data")?.as_array()?.iter().filter_map(translation).collect())
}

fn translation(item: &Value) -> Option<ListedTranslation> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(ListedTranslation {
        name: text("name")?,
        language: language_code(&text("language")?),
        status: TemplateStatus::parse(&text("status")?),
        reason: text("rejected_reason").and_then(reason),
        category: text("category"),
        ttl_s: item.get("message_send_ttl_seconds").and_then(integer),
        quality: item.pointer("/quality_score/score").and_then(Value::as_str).map(str::to_owned),
    })
}

/// The cursor of the page after this one.
fn next(page: &Value) -> Option<String> {
    page.pointer("/paging/next").filter(|next| next.is_string())?;
    page.pointer("/paging/cursors/after")?.as_str().map(str::to_owned)
}

/// A number that Meta writes as a number or as a text.
pub(super) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Meta's language code as requests want it: some webhooks print `en-US`.
pub(super) fn language_code(language: &str) -> String {
    language.replace('-', "_")
}

/// Meta's reason; `NONE` is none.
pub(super) fn reason(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty() && text != "NONE")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_reads_as_meta_writes_it() {
        let page = json!({ "data": [
            { "id": "594425479261596", "name": "otp_login", "language": "rw_RW", "status": "APPROVED", "category": "AUTHENTICATION",
              "quality_score": { "score": "GREEN", "date": 1_790_000_000 }, "rejected_reason": "NONE", "message_send_ttl_seconds": 300 },
            { "id": 5, "name": "otp_login", "language": "en-US", "status": "REJECTED", "rejected_reason": "SCAM", "message_send_ttl_seconds": "-1" },
            { "name": 7 }, "damage",
        ] });
        let listed = read(&page).unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!((listed[0].status, listed[0].ttl_s, listed[0].reason.as_deref()), (TemplateStatus::Approved, Some(300), None));
        assert_eq!(listed[0].quality.as_deref(), Some("GREEN"));
        assert_eq!((listed[1].language.as_str(), listed[1].ttl_s, listed[1].reason.as_deref()), ("en_US", Some(-1), Some("SCAM")));
    }

    #[test]
    fn a_page_without_data_is_not_an_empty_one() {
        assert_eq!(read(&json!({})), None);
        assert_eq!(read(&json!({ "data": {} })), None);
        assert_eq!(read(&json!({ "data": [] })), Some(vec![]));
    }

    #[test]
    fn the_cursor_is_followed_while_there_is_a_next_page() {
        let cursors = json!({ "before": "a", "after": "b" });
        assert_eq!(next(&json!({ "paging": { "cursors": cursors, "next": "https://elsewhere/?access_token=x" } })), Some("b".to_owned()));
        assert_eq!(next(&json!({ "paging": { "cursors": cursors } })), None);
        assert_eq!(next(&json!({})), None);
    }
}
