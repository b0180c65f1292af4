//! The operators' routes, one subject a file. Every one needs `x-admin-token`.

use axum::extract::{FromRequest, Request};
use otp_shared::{problem::Problem, routes};
use serde::{Serialize, de::DeserializeOwned};

use super::{answer::Answer, body};
use crate::{
    app::{operators::Stored, spread::Spread},
    domain::operator::Change,
};

pub mod audit;
pub mod blacklist;
pub mod dashboard;
pub mod decisions;
pub mod holds;
pub mod sessions;

/// The longest note, in characters.
const MAX_NOTE_CHARS: usize = 500;

/// A JSON body within the route's limit.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Answer;

    async fn from_request(request: Request, _: &S) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        body::require_json(&parts.headers)?;
        let bytes = body::read(body, routes::body_limit(parts.uri.path())).await?;
        Ok(Self(body::parse(&bytes)?))
    }
}

/// A change as operators see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    entry: Entry,
    stored: Vec<Stored>,
    /// How far it has spread; only what the edge judges by does.
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<Spread>,
}

/// An entry as operators see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    about: crate::domain::operator::About,
    present: bool,
    note: String,
    who: String,
    changed_at_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_s: Option<u64>,
}

impl From<Change> for Entry {
    fn from(change: Change) -> Self {
        Self {
            about: change.about,
            present: change.present,
            note: change.note,
            who: change.who,
            changed_at_s: change.stamp.ms / 1000,
            until_s: change.until_ms.map(|until| until / 1000),
        }
    }
}

/// A note of bearable length.
pub fn checked_note(note: Option<String>) -> Result<String, Problem> {
    let note = note.unwrap_or_default();
    if note.chars().count() > MAX_NOTE_CHARS {
        let detail = format!("note: at most {MAX_NOTE_CHARS} characters");
        return Err(Problem::new(otp_shared::problem::Code::InvalidBody, detail));
    }
    Ok(note)
}

/// A time to live in milliseconds, from seconds that make sense: one second to ten years.
pub fn checked_ttl_ms(ttl_s: Option<u64>) -> Result<Option<u64>, Problem> {
    match ttl_s {
        Some(seconds) if !(1..=315_360_000).contains(&seconds) => {
            Err(Problem::new(otp_shared::problem::Code::InvalidBody, "ttlS: seconds from 1 to 315360000"))
        }
        ttl => Ok(ttl.map(|seconds| seconds * 1000)),
    }
}

/// The page of a list that `limit` and `after` ask for.
#[derive(Debug, serde::Deserialize)]
pub struct Page {
    /// At most so many; 100 when absent, 1,000 at most.
    limit: Option<usize>,
    /// The key of the last entry of the page before.
    after: Option<String>,
}

impl Page {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 1000)
    }

    /// The part of `all`, which is ordered by `key`, that this page shows, and what to ask for next.
    fn of<T>(&self, all: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let after = self.after.as_deref().unwrap_or_default();
        let mut left = all.into_iter().skip_while(|each| key(each).as_str() <= after);
        let page: Vec<_> = left.by_ref().take(self.limit()).collect();
        let next = left.next().and_then(|_| page.last().map(key));
        (page, next)
    }
}
