//! Operators: named tokens, compared in constant time; wrong ones are limited and logged, a right one always passes.

use std::{net::IpAddr, net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request},
};
use otp_shared::{
    headers,
    problem::{Problem, ProblemCode},
};
use subtle::ConstantTimeEq;

use super::{Http, problem_response::ProblemResponse, signed::header};

/// The fewest characters of a token.
const MIN_TOKEN_CHARS: usize = 24;

/// The tokens that operators have. `Debug` shows their names only.
#[derive(Clone, Default)]
pub struct AdminTokens(Vec<(String, String)>);

impl std::fmt::Debug for AdminTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl AdminTokens {
    /// Reads `name=token,name=token`.
    pub fn parse(text: &str) -> Option<Self> {
        let pair = |pair: &str| {
            let (name, token) = pair.trim().split_once('=')?;
            (!name.is_empty() && token.len() >= MIN_TOKEN_CHARS).then(|| (name.to_owned(), token.to_owned()))
        };
        text.split(',').map(pair).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The name of a right token. Looks at every token, whichever is right.
    pub fn name_of(&self, token: &str) -> Option<&str> {
        let check = |found, (name, right): &'_ (String, String)| {
            let equal: bool = right.as_bytes().ct_eq(token.as_bytes()).into();
            if equal { Some(name.clone()) } else { found }
        };
        let name = self.0.iter().fold(None, check)?;
        self.0.iter().map(|(each, _)| each.as_str()).find(|each| *each == name)
    }

    /// The token of that name.
    pub fn token_of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(each, _)| each == name).map(|(_, token)| token.as_str())
    }

    /// Whether nobody has a token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// An operator, by the name of the token.
#[derive(Debug, Clone)]
pub struct Operator(pub String);

impl FromRequestParts<Arc<Http>> for Operator {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut request::Parts, http: &Arc<Http>) -> Result<Self, ProblemResponse> {
        authenticate(http, &parts.headers, peer(parts)).await
    }
}

/// The socket's peer: without a signature the only address there is.
pub fn peer(parts: &request::Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// Who sends the admin token; a wrong or missing one is an error.
pub async fn authenticate(http: &Http, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Operator, ProblemResponse> {
    if http.admin_tokens.is_empty() {
        return Err(Problem::new(ProblemCode::AdminDisabled, "Set ADMIN_TOKENS to use the admin API.").retry_after_s(3600).into());
    }
    check(http, header(headers, headers::ADMIN_TOKEN).unwrap_or_default(), peer).await
}

/// Whose token it is; a wrong one counts against the address it comes from, whichever way it came.
pub async fn check(http: &Http, token: &str, peer: Option<IpAddr>) -> Result<Operator, ProblemResponse> {
    match http.admin_tokens.name_of(token) {
        Some(name) => Ok(Operator(name.to_owned())),
        None => Err(http.app.wrong_admin_token(peer).await.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_names_and_a_length() {
        let tokens = AdminTokens::parse("ana=aaaaaaaaaaaaaaaaaaaaaaaa, ben=bbbbbbbbbbbbbbbbbbbbbbbb").unwrap();
        assert_eq!(tokens.name_of("bbbbbbbbbbbbbbbbbbbbbbbb"), Some("ben"));
        assert_eq!(tokens.name_of("bbbbbbbbbbbbbbbbbbbbbbb"), None);
        assert_eq!(tokens.name_of(""), None);
        assert_eq!(format!("{tokens:?}"), r#"["ana", "ben"]"#);
        for bad in ["", "ana", "=aaaaaaaaaaaaaaaaaaaaaaaa", "ana=short", "ana=aaaaaaaaaaaaaaaaaaaaaaaa,"] {
            assert!(AdminTokens::parse(bad).is_none(), "{bad}");
        }
    }
}
