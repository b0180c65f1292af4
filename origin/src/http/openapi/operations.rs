//! The table of operations: one row a method of a path. Not the shapes of bodies: those are in `schemas`, by name.
//!
//! What follows from a row's trust and body (a missing signature, a body too large, …) is added by [`Operation::refusals`] and not repeated
//! in the rows.

use std::collections::BTreeMap;

use otp_shared::problem::Code;
use serde_json::Value;

/// Whom an operation believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It needs no proof.
    Nobody,
    /// The edge's signature.
    Edge,
    /// The edge's signature and the fan's cookie.
    Fan,
    /// The edge's signature, or an operator's token, or an id that an operator authorised.
    EdgeOrOperator,
    /// An operator's token.
    Operator,
    /// The dashboard's sign-in, or an operator's token.
    Dashboard,
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Its schema.
    pub schema: &'static str,
    /// Any of these.
    pub media_types: &'static [&'static str],
}

/// What a success carries.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// No body.
    None,
    /// JSON of the named schema.
    Json(&'static str),
    /// Text of the media type.
    Text(&'static str),
    /// JSON of the named schema, or, if asked for, text of the media type.
    JsonOr(&'static str, &'static str),
}

/// One way to succeed.
#[derive(Debug, Clone, Copy)]
pub struct Success {
    pub status: u16,
    pub what: &'static str,
    pub content: Content,
}

/// One method of a path.
#[derive(Debug)]
pub struct Operation {
    pub id: &'static str,
    /// In lower case, as OpenAPI has it.
    pub method: &'static str,
    pub path: &'static str,
    pub summary: &'static str,
    pub trust: Trust,
    /// Name and description; all optional.
    pub query: &'static [(&'static str, &'static str)],
    pub body: Option<Body>,
    pub successes: &'static [Success],
    /// Beyond those that follow from trust and body.
    pub refused: &'static [Code],
}

const GET: &str = "get";
const POST: &str = "post";
const DELETE: &str = "delete";

const PAGE: &[(&str, &str)] = &[("limit", "At most so many, 1 to 1000; 100 when absent."), ("after", "The `next` of the page before.")];

const fn json(schema: &'static str) -> Option<Body> {
    Some(Body { schema, media_types: &["application/json"] })
}

const fn ok(what: &'static str, schema: &'static str) -> Success {
    Success { status: 200, what, content: Content::Json(schema) }
}

const fn done(what: &'static str) -> Success {
    Success { status: 204, what, content: Content::None }
}

impl Operation {
    /// Which part of the product it belongs to.
    pub fn tag(&self) -> &'static str {
        match (self.trust, self.path) {
            (_, path) if path.starts_with("/webhooks/") => "webhook",
            (_, path) if path.starts_with("/internal/") => "edge",
            (Trust::Operator | Trust::Dashboard, _) => "operator",
            (_, path) if path.starts_with("/otp/") || path.starts_with("/auth/") => "fan",
            _ => "service",
        }
    }

    /// Path, query and header parameters.
    pub fn parameters(&self) -> impl Iterator<Item = Value> {
        let names = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let path = names.map(|name| serde_json::json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
        let query = self.query.iter().map(|(name, what)| serde_json::json!({ "name": name, "in": "query", "description": what, "schema": { "type": "string" } }));
        let header = self.is_repeatable().then(|| {
            serde_json::json!({
                "name": "Idempotency-Key", "in": "header",
                "description": "A repeat with the same key and body gets the first answer again: no second message, no limit charged.",
                "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]{16,128}$" },
            })
        });
        path.chain(query).chain(header)
    }

    /// Every refusal, by status.
    pub fn refusals(&self) -> BTreeMap<u16, Vec<Code>> {
        let by_trust: &[Code] = match self.trust {
            Trust::Nobody => &[],
            Trust::Edge | Trust::Fan | Trust::EdgeOrOperator => &[Code::Unauthorized, Code::OriginUnavailable],
            Trust::Operator | Trust::Dashboard => &[Code::Unauthorized, Code::RateLimited, Code::AdminDisabled],
        };
        let by_body: &[Code] = match self.body {
            Some(_) => &[Code::InvalidBody, Code::TooLarge, Code::UnsupportedMediaType],
            None => &[],
        };
        let by_key: &[Code] = if self.is_repeatable() { &[Code::InProgress, Code::IdempotencyMismatch] } else { &[] };
        let mut refusals = BTreeMap::<u16, Vec<Code>>::new();
        for code in [by_trust, by_body, by_key, self.refused, &[Code::Internal]].concat() {
            let of_status = refusals.entry(code.status()).or_default();
            if !of_status.contains(&code) {
                of_status.push(code);
            }
        }
        refusals
    }

    /// Whether a person may get a refusal as a page.
    pub fn refuses_by_page(&self) -> bool {
        self.trust == Trust::Dashboard
    }

    fn is_repeatable(&self) -> bool {
        matches!(self.id, "requestCode" | "verifyCode")
    }
}

/// Every operation of the origin.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "requestCode",
        method: POST,
        path: otp_shared::routes::OTP_REQUEST,
        summary: "Ask for a code; with `challengeId`, for the same code once more.",
        trust: Trust::Edge,
        query: &[],
        body: json("OtpRequest"),
        successes: &[Success { status: 202, what: "A message is on its way.", content: Content::Json("OtpAccepted") }],
        refused: &[
            Code::InvalidPhone,
            Code::UnsupportedCountry,
            Code::Blacklisted,
            Code::ConsentStale,
            Code::ChallengeUnknown,
            Code::Undeliverable,
            Code::RateLimited,
            Code::Burst,
            Code::EdgeHold,
            Code::ChallengeLocked,
            Code::TemplateNotApproved,
            Code::DeliveryUnavailable,
        ],
    },
    Operation {
        id: "deliveryState",
        method: GET,
        path: "/otp/request/{challenge_id}",
        summary: "Where the newest message of a challenge is.",
        trust: Trust::Edge,
        query: &[],
        body: None,
        successes: &[ok("Its state.", "DeliveryState")],
        refused: &[Code::ChallengeUnknown],
    },
    Operation {
        id: "verifyCode",
        method: POST,
        path: otp_shared::routes::OTP_VERIFY,
        summary: "Type a code. Five guesses for the life of a challenge; a code works once.",
        trust: Trust::Edge,
        query: &[],
        body: json("VerifyRequest"),
        successes: &[ok("The code is right.", "Verified")],
        refused: &[
            Code::InvalidPhone,
            Code::UnsupportedCountry,
            Code::CodeIncorrect,
            Code::Blacklisted,
            Code::ChallengeUnknown,
            Code::RateLimited,
            Code::Burst,
            Code::ChallengeLocked,
        ],
    },
    Operation {
        id: "status",
        method: GET,
        path: otp_shared::routes::OTP_STATUS,
        summary: "How the service does: Redis, limits, template, sending, snapshot. No secrets, no numbers.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[ok("How it does.", "Status")],
        refused: &[],
    },
    Operation {
        id: "consent",
        method: GET,
        path: otp_shared::routes::OTP_CONSENT,
        summary: "The consent text in the nearest of English, French, Kinyarwanda and Swahili, with its version.",
        trust: Trust::Nobody,
        query: &[("locale", "A language tag such as `rw` or `en-US`.")],
        body: None,
        successes: &[ok("The text.", "Consent")],
        refused: &[Code::InvalidBody],
    },
    Operation {
        id: "fromOnboarding",
        method: POST,
        path: otp_shared::routes::FROM_ONBOARDING,
        summary: "Turn a session id into the fan's cookie.",
        trust: Trust::EdgeOrOperator,
        query: &[],
        body: json("FromOnboarding"),
        successes: &[done("The cookie is in `Set-Cookie`.")],
        refused: &[Code::SessionNotAuthorised, Code::RateLimited, Code::AdminDisabled],
    },
    Operation {
        id: "session",
        method: GET,
        path: otp_shared::routes::SESSION,
        summary: "Who the cookie is.",
        trust: Trust::Fan,
        query: &[],
        body: None,
        successes: &[ok("Who it is.", "Session")],
        refused: &[],
    },
    Operation {
        id: "signOut",
        method: DELETE,
        path: otp_shared::routes::SESSION,
        summary: "End the session.",
        trust: Trust::Fan,
        query: &[],
        body: None,
        successes: &[done("The cookie is worth nothing from now on.")],
        refused: &[],
    },
    Operation {
        id: "webhookHandshake",
        method: GET,
        path: otp_shared::routes::WEBHOOK,
        summary: "Meta's handshake.",
        trust: Trust::Edge,
        query: &[("hub.mode", "`subscribe`"), ("hub.verify_token", "`WHATSAPP_VERIFY_TOKEN`"), ("hub.challenge", "Echoed.")],
        body: None,
        successes: &[Success { status: 200, what: "The challenge.", content: Content::Text("text/plain") }],
        refused: &[Code::Forbidden],
    },
    Operation {
        id: "webhook",
        method: POST,
        path: otp_shared::routes::WEBHOOK,
        summary: "Receipts, template and account events, inbound messages. Signed by Meta with `X-Hub-Signature-256`.",
        trust: Trust::Edge,
        query: &[],
        body: json("WebhookEvents"),
        successes: &[Success { status: 200, what: "The events are taken.", content: Content::None }],
        refused: &[],
    },
    Operation {
        id: "edgeCounters",
        method: POST,
        path: otp_shared::routes::INTERNAL_COUNTERS,
        summary: "What one isolate of the edge did since its last report.",
        trust: Trust::Edge,
        query: &[],
        body: json("EdgeCounters"),
        successes: &[done("Counted; a repeat counts nothing.")],
        refused: &[],
    },
    Operation {
        id: "dashboard",
        method: GET,
        path: "/admin/otp/dashboard",
        summary: "The figures of an incident at a glance.",
        trust: Trust::Operator,
        query: &[],
        body: None,
        successes: &[ok("The figures of this replica, and the edge's as it heard them.", "Dashboard")],
        refused: &[],
    },
    Operation {
        id: "blacklist",
        method: GET,
        path: "/admin/otp/blacklist",
        summary: "The entries in force, a page at a time.",
        trust: Trust::Operator,
        query: PAGE,
        body: None,
        successes: &[ok("A page.", "BlacklistPage")],
        refused: &[Code::InvalidBody],
    },
    Operation {
        id: "block",
        method: POST,
        path: "/admin/otp/blacklist",
        summary: "Block; a second time, change note and end.",
        trust: Trust::Operator,
        query: &[],
        body: json("BlacklistChange"),
        successes: &[ok("The entry, and where it is stored.", "Changed")],
        refused: &[Code::Conflict, Code::OriginUnavailable],
    },
    Operation {
        id: "unblock",
        method: DELETE,
        path: "/admin/otp/blacklist",
        summary: "Unblock.",
        trust: Trust::Operator,
        query: &[],
        body: json("BlacklistChange"),
        successes: &[ok("The removal, and where it is stored.", "Changed")],
        refused: &[Code::NotFound, Code::Conflict, Code::OriginUnavailable],
    },
    Operation {
        id: "importBlacklist",
        method: POST,
        path: "/admin/otp/blacklist/import",
        summary: "Block many at once: all of them or none.",
        trust: Trust::Operator,
        query: &[("dryRun", "`true`: say what it would do, and do nothing."), ("force", "`true`: take wide entries, too.")],
        body: Some(Body { schema: "BlacklistImport", media_types: &["application/json", "text/csv"] }),
        successes: &[ok("What was done, or would be.", "BlacklistImported")],
        refused: &[Code::OriginUnavailable],
    },
    Operation {
        id: "exportBlacklist",
        method: GET,
        path: "/admin/otp/blacklist/export",
        summary: "Every entry, in the form that import takes.",
        trust: Trust::Operator,
        query: &[("format", "`json`, which it is when absent, or `csv`.")],
        body: None,
        successes: &[Success { status: 200, what: "The entries.", content: Content::JsonOr("BlacklistExport", "text/csv") }],
        refused: &[Code::InvalidBody],
    },
    Operation {
        id: "adoptBlacklist",
        method: POST,
        path: "/admin/otp/blacklist/adopt",
        summary: "Make entries the origin's that were written to KV by hand.",
        trust: Trust::Operator,
        query: &[],
        body: json("BlacklistAdoption"),
        successes: &[ok("How many.", "BlacklistAdopted")],
        refused: &[Code::NotFound, Code::OriginUnavailable],
    },
    Operation {
        id: "decisions",
        method: GET,
        path: "/admin/otp/decisions",
        summary: "Why a number or an address was refused, or was not, and what stands against it now; this replica's newest.",
        trust: Trust::Operator,
        query: &[("phone", "A number."), ("ip", "An address."), ("limit", "At most so many, 1 to 1000; 100 when absent.")],
        body: None,
        successes: &[ok("The newest first.", "Decisions")],
        refused: &[Code::InvalidBody, Code::InvalidPhone, Code::OriginUnavailable],
    },
    Operation {
        id: "holds",
        method: GET,
        path: "/admin/otp/holds",
        summary: "Subjects that came back too often while refused, held at the edge until a time.",
        trust: Trust::Operator,
        query: &[],
        body: None,
        successes: &[ok("The holds in force.", "Holds")],
        refused: &[Code::OriginUnavailable],
    },
    Operation {
        id: "liftHold",
        method: DELETE,
        path: "/admin/otp/holds",
        summary: "Lift one.",
        trust: Trust::Operator,
        query: &[],
        body: json("HeldSubject"),
        successes: &[done("It is lifted.")],
        refused: &[Code::NotFound, Code::OriginUnavailable],
    },
    Operation {
        id: "audit",
        method: GET,
        path: "/admin/otp/audit",
        summary: "Who changed what, when and why; newest first.",
        trust: Trust::Operator,
        query: &[("format", "`markdown` for a table to paste into the incident's timeline."), PAGE[0], PAGE[1]],
        body: None,
        successes: &[Success { status: 200, what: "The changes.", content: Content::JsonOr("Audit", "text/markdown") }],
        refused: &[Code::InvalidBody, Code::OriginUnavailable],
    },
    Operation {
        id: "manualSessions",
        method: GET,
        path: "/admin/sessions",
        summary: "The session ids that operators authorised, a page at a time.",
        trust: Trust::Operator,
        query: PAGE,
        body: None,
        successes: &[ok("A page.", "SessionPage")],
        refused: &[Code::InvalidBody],
    },
    Operation {
        id: "authoriseSession",
        method: POST,
        path: "/admin/sessions",
        summary: "Authorise a session id: `from-onboarding` then turns it into a cookie.",
        trust: Trust::Operator,
        query: &[],
        body: json("SessionChange"),
        successes: &[ok("The authorisation, and where it is stored.", "Changed")],
        refused: &[Code::OriginUnavailable],
    },
    Operation {
        id: "withdrawAllSessions",
        method: DELETE,
        path: "/admin/sessions",
        summary: "Take every authorisation back; with none left it changes nothing.",
        trust: Trust::Operator,
        query: &[],
        body: json("AllSessions"),
        successes: &[ok("How many.", "SessionsWithdrawn")],
        refused: &[Code::OriginUnavailable],
    },
    Operation {
        id: "withdrawSession",
        method: DELETE,
        path: "/admin/sessions/{session_id}",
        summary: "Take an authorisation back, and with it the cookie that was made from it.",
        trust: Trust::Operator,
        query: &[],
        body: None,
        successes: &[ok("The removal, and where it is stored.", "Changed")],
        refused: &[Code::NotFound, Code::OriginUnavailable],
    },
    Operation {
        id: "dashboardPage",
        method: GET,
        path: "/admin/sms/otp",
        summary: "The dashboard, or its sign-in.",
        trust: Trust::Dashboard,
        query: &[("page", "The blacklist's page, from 1."), ("said", "What was done just before.")],
        body: None,
        successes: &[Success { status: 200, what: "The page.", content: Content::Text("text/html") }],
        refused: &[],
    },
    Operation {
        id: "dashboardForm",
        method: POST,
        path: "/admin/sms/otp",
        summary: "One of the dashboard's forms, with the sign-in's own token.",
        trust: Trust::Dashboard,
        query: &[],
        body: Some(Body { schema: "DashboardForm", media_types: &["application/x-www-form-urlencoded"] }),
        successes: &[
            Success { status: 303, what: "Done; the page says so.", content: Content::None },
            Success { status: 200, what: "Done, with what was found; JSON for the page's script.", content: Content::JsonOr("DashboardDone", "text/html") },
        ],
        refused: &[Code::Forbidden, Code::InvalidPhone, Code::NotFound, Code::Conflict, Code::OriginUnavailable],
    },
    Operation {
        id: "dashboardLive",
        method: GET,
        path: "/admin/sms/otp/live",
        summary: "What changes on the dashboard, for its script.",
        trust: Trust::Dashboard,
        query: &[("page", "The blacklist's page, from 1.")],
        body: None,
        successes: &[ok("The sections as they are now.", "DashboardLive")],
        refused: &[],
    },
    Operation {
        id: "dashboardStyle",
        method: GET,
        path: "/admin/sms/otp/dashboard.css",
        summary: "The dashboard's style.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[Success { status: 200, what: "A style sheet.", content: Content::Text("text/css") }],
        refused: &[],
    },
    Operation {
        id: "dashboardScript",
        method: GET,
        path: "/admin/sms/otp/dashboard.js",
        summary: "The dashboard's script.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[Success { status: 200, what: "A script.", content: Content::Text("text/javascript") }],
        refused: &[],
    },
    Operation {
        id: "dashboardIcon",
        method: GET,
        path: "/admin/sms/otp/icon.svg",
        summary: "The dashboard's icon.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[Success { status: 200, what: "A picture.", content: Content::Text("image/svg+xml") }],
        refused: &[],
    },
    Operation {
        id: "metrics",
        method: GET,
        path: "/metrics",
        summary: "This replica's figures for Prometheus.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[Success { status: 200, what: "The figures.", content: Content::Text("text/plain") }],
        refused: &[],
    },
    Operation {
        id: "openapi",
        method: GET,
        path: "/openapi.json",
        summary: "This document.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[ok("This document.", "OpenApi")],
        refused: &[],
    },
    Operation {
        id: "healthz",
        method: GET,
        path: "/healthz",
        summary: "Whether the process lives.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[Success { status: 200, what: "It lives.", content: Content::None }],
        refused: &[],
    },
    Operation {
        id: "readyz",
        method: GET,
        path: "/readyz",
        summary: "Whether the process takes work. Degraded is not down: without Redis it stays ready.",
        trust: Trust::Nobody,
        query: &[],
        body: None,
        successes: &[
            ok("It takes work.", "Readiness"),
            Success { status: 503, what: "Starting, stopping, or its clock is more than 10 s off.", content: Content::Json("Readiness") },
        ],
        refused: &[],
    },
];
