//! Requests and responses of the runtime, to and from plain facts and bytes.
//!
//! **Invariant:** a body never occupies more than its limit and one chunk, whatever its sender announced.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, ReadableStream, ReadableStreamDefaultReader, Request, Response, ResponseInit};
use worker::js_sys::{ArrayBuffer, Object, Uint8Array, futures::JsFuture};

use super::{clock::within, js};
use crate::{
    decide,
    refusal::{Refusal, Reply},
    request::{Facts, path_and_query},
};
use otp_shared::{country::Country, headers, problem::ProblemCode, routes::body_limit, signature::Claimed};

/// How long a client may take to send its body, in milliseconds.
const BODY_MS: u64 = 10_000;

/// What is known of the request before its body is read.
pub fn facts(request: &Request) -> Facts {
    let url = request.url();
    let (path, query) = path_and_query(&url);
    let headers = request.headers();
    Facts {
        method: request.method(),
        path: path.to_owned(),
        query: query.to_owned(),
        content_type: header(&headers, "content-type"),
        content_length: header(&headers, "content-length").and_then(|text| text.parse().ok()),
        address: header(&headers, "cf-connecting-ip").and_then(|text| text.parse().ok()),
        country: country(request),
    }
}

/// A header's value.
pub fn header(headers: &Headers, name: &str) -> Option<String> {
    headers.get(name).ok().flatten()
}

fn country(request: &Request) -> Option<Country> {
    let country = js::get(&js::get(request, "cf").ok()?, "country").ok()?.as_string()?;
    Country::parse(&country).ok()
}

/// The signature headers of the origin's own call; empty texts where there is none, which no signature matches.
pub struct SignatureHeaders {
    content_digest: String,
    signature_input: String,
    signature: String,
}

impl SignatureHeaders {
    /// Reads them.
    pub fn of(request: &Request) -> Self {
        let text = |name| header(&request.headers(), name).unwrap_or_default();
        Self {
            content_digest: text(headers::CONTENT_DIGEST),
            signature_input: text(headers::SIGNATURE_INPUT),
            signature: text(headers::SIGNATURE),
        }
    }

    /// As the verifier takes them.
    pub fn claimed(&self) -> Claimed<'_> {
        Claimed { content_digest: &self.content_digest, signature_input: &self.signature_input, signature: &self.signature }
    }
}

/// The whole body: 413 once it is over the route's limit, 400 when it breaks off or does not arrive in time.
pub async fn body(request: &Request, facts: &Facts) -> Result<Vec<u8>, Refusal> {
    let stream = request.body().filter(|_| facts.has_body());
    let Some(stream) = stream else { return Ok(Vec::new()) };
    let read = read_all(&stream, body_limit(&facts.path), facts.content_length);
    within(BODY_MS, read).await.unwrap_or_else(|| Err(Refusal::new(ProblemCode::InvalidBody, "The body did not arrive in time.")))
}

async fn read_all(stream: &ReadableStream, limit: usize, announced: Option<u64>) -> Result<Vec<u8>, Refusal> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let announced = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(announced.min(limit));
    while let Some(chunk) = read_chunk(&reader).await? {
        let length = usize::try_from(chunk.length()).unwrap_or(usize::MAX);
        if bytes.len().saturating_add(length) > limit {
            return Err(decide::too_large(limit));
        }
        bytes.extend(chunk.to_vec());
    }
    Ok(bytes)
}

async fn read_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, Refusal> {
    let broken = |_| Refusal::new(ProblemCode::InvalidBody, "The body broke off.");
    let result = JsFuture::from(reader.read()).await.map_err(broken)?;
    Ok(js::get(&result, "value").map_err(broken)?.dyn_into().ok())
}

/// The edge's own answer.
pub fn response(reply: &Reply) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &reply.headers {
        headers.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(reply.status);
    init.set_headers(&headers);
    let body = Some(reply.body.as_str()).filter(|_| has_body(reply.status));
    Response::new_with_opt_str_and_init(body, &init)
}

/// Adds headers to an answer, next to those that it has.
pub fn add(response: &Response, headers: &[(&'static str, String)]) -> Result<(), JsValue> {
    let theirs = response.headers();
    headers.iter().try_for_each(|(name, value)| theirs.append(name, value))
}

/// The origin's answer with other headers. Its bytes are not looked at: they do not even enter the Worker's own memory.
pub fn passed_on(status: u16, headers: &Headers, body: &ArrayBuffer) -> Result<Response, JsValue> {
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(headers);
    let body: Option<&Object> = if has_body(status) { Some(body.unchecked_ref()) } else { None };
    Response::new_with_opt_buffer_source_and_init(body, &init)
}

/// Some answers have no body by definition, and the runtime refuses even an empty one.
fn has_body(status: u16) -> bool {
    !matches!(status, 101 | 204 | 205 | 304)
}
