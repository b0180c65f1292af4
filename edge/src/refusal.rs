//! The edge's own answers: refusals as problem documents, and the few JSON answers of its signed endpoints. Not the origin's answers,
//! which pass through.
//!
//! **Invariant:** no answer of the edge may be cached or sniffed.

use otp_shared::{
    headers::REQUEST_ID,
    phone::Phone,
    problem::{MEDIA_TYPE, Problem, ProblemCode},
    routes::RouteError,
};

/// A request that ends here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the caller is told.
    pub problem: Problem,
    /// The `Allow` header of a 405.
    pub allow: Option<&'static str>,
    /// Which kind of entry matched, for the log alone: a fan is not told whether the number or the address is blocked.
    pub because: Option<&'static str>,
    /// The number it is about, for the log, which masks it.
    pub about: Option<Phone>,
}

impl Refusal {
    /// A refusal with nothing but its code and detail.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::from(Problem::new(code, detail))
    }

    /// Notes for the log which kind of entry matched.
    #[must_use]
    pub fn because(self, kind: &'static str) -> Self {
        Self { because: Some(kind), ..self }
    }

    /// Notes for the log which number it is about.
    #[must_use]
    pub fn about(self, phone: Option<Phone>) -> Self {
        Self { about: phone, ..self }
    }

    /// The answer that tells it.
    pub fn reply(&self) -> Reply {
        let mut reply = Reply::new(self.problem.code.status(), MEDIA_TYPE, self.problem.to_json());
        reply.headers.extend(self.problem.retry_after_s.map(|seconds| ("retry-after", seconds.to_string())));
        reply.headers.extend(self.allow.map(|methods| ("allow", methods.to_owned())));
        reply
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, allow: None, because: None, about: None }
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NotFound => Self::new(ProblemCode::NotFound, "The edge knows no such path."),
            RouteError::MethodNotAllowed(methods) => {
                Self { allow: Some(methods), ..Self::new(ProblemCode::MethodNotAllowed, format!("This path takes {methods}.")) }
            }
        }
    }
}

/// An answer that the edge writes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body's text.
    pub body: String,
}

impl Reply {
    /// A 200 with a JSON body.
    pub fn json(body: String) -> Self {
        Self::new(200, "application/json", body)
    }

    fn new(status: u16, media_type: &str, body: String) -> Self {
        let headers = vec![
            ("content-type", media_type.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// Names the request, so that a fan's complaint finds its log lines.
    #[must_use]
    pub fn request_id(mut self, id: &str) -> Self {
        self.headers.push((REQUEST_ID, id.to_owned()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_refusal_is_a_problem_document_that_nobody_caches() {
        let reply = Refusal::new(ProblemCode::NotFound, "Nothing.").reply();
        assert_eq!(reply.status, 404);
        assert_eq!(header(&reply, "content-type"), Some("application/problem+json"));
        assert_eq!(header(&reply, "cache-control"), Some("no-store"));
        assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&reply, "retry-after"), None);
        assert!(reply.body.contains(r#""code":"not_found""#), "{}", reply.body);
    }

    #[test]
    fn a_refusal_that_ends_says_when() {
        let reply = Refusal::from(Problem::new(ProblemCode::EdgeHold, "Later.").retry_after_s(42)).reply();
        assert_eq!((reply.status, header(&reply, "retry-after")), (429, Some("42")));
        assert!(reply.body.contains(r#""retryAfterS":42"#), "{}", reply.body);
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let reply = Refusal::from(RouteError::MethodNotAllowed("GET, POST")).reply();
        assert_eq!((reply.status, header(&reply, "allow")), (405, Some("GET, POST")));
    }

    #[test]
    fn the_caller_is_not_told_which_entry_matched() {
        let refusal = Refusal::new(ProblemCode::Blacklisted, "Blocked.").because("prefix");
        assert!(!refusal.reply().body.contains("prefix"));
    }
}
