//! The operators' JSON API, one subject a file. Every route needs `x-admin-token`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequest, Request},
    routing::{delete, get, post},
};
use otp_shared::routes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    app::operators::{Changed, Stored, page_size, propagation::Propagation},
    domain::operator::{Change, Target},
    http::{Http, body, problem_response::ProblemResponse},
};

mod audit;
mod blacklist;
mod figures;
mod holds;
mod import;
mod sessions;

/// The routes.
pub fn routes() -> Router<Arc<Http>> {
    Router::new()
        .route("/admin/otp/blacklist", get(blacklist::get).post(blacklist::post).delete(blacklist::delete))
        .route("/admin/otp/blacklist/import", post(import::post))
        .route("/admin/otp/blacklist/export", get(blacklist::export))
        .route("/admin/otp/blacklist/adopt", post(blacklist::adopt))
        .route("/admin/otp/blacklist/reveal", post(blacklist::reveal))
        .route("/admin/otp/decisions", get(figures::decisions))
        .route("/admin/otp/dashboard", get(figures::dashboard))
        .route("/admin/otp/audit", get(audit::get))
        .route("/admin/otp/holds", get(holds::get).delete(holds::delete))
        .route("/admin/sessions", get(sessions::get).post(sessions::post).delete(sessions::delete_all))
        .route("/admin/sessions/{session_id}", delete(sessions::delete))
}

/// A JSON body within the route's limit.
struct Json<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, _: &S) -> Result<Self, ProblemResponse> {
        let (parts, body) = request.into_parts();
        body::require_json(&parts.headers)?;
        let bytes = body::read(body, routes::body_limit(parts.uri.path())).await?;
        Ok(Self(body::parse(&bytes)?))
    }
}

/// A change as operators see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangedBody {
    entry: Entry,
    stored: Vec<Stored>,
    #[serde(rename = "spread", skip_serializing_if = "Option::is_none")]
    propagation: Option<Propagation>,
}

impl From<Changed> for ChangedBody {
    fn from(changed: Changed) -> Self {
        Self { entry: changed.change.into(), stored: changed.stored, propagation: changed.propagation }
    }
}

/// An entry as operators see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    target: Target,
    present: bool,
    note: String,
    #[serde(rename = "who")]
    actor: String,
    changed_at_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_s: Option<u64>,
}

impl From<Change> for Entry {
    fn from(change: Change) -> Self {
        Self {
            target: change.target,
            present: change.present,
            note: change.note,
            actor: change.actor,
            changed_at_s: change.stamp.ms / 1000,
            until_s: change.until_ms.map(|until| until / 1000),
        }
    }
}

/// The page of a list that `limit` and `after` ask for.
#[derive(Debug, Deserialize)]
struct Page {
    /// At most so many; 100 when absent, 1,000 at most.
    limit: Option<usize>,
    /// The key of the last entry of the page before.
    after: Option<String>,
}

impl Page {
    /// The part of `all`, which is ordered by `key`, that this page shows, and the `after` of the next one.
    fn of<T>(&self, all: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let after = self.after.as_deref().unwrap_or_default();
        let mut left = all.into_iter().skip_while(|each| key(each).as_str() <= after);
        let page: Vec<_> = left.by_ref().take(page_size(self.limit)).collect();
        let next = left.next().and_then(|_| page.last().map(key));
        (page, next)
    }
}
