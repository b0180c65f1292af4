//! What Meta, the edge, Kubernetes and Prometheus call.

use otp_shared::{problem::ProblemCode, routes};

use super::{Content, GET, Operation, POST, Success, Trust, done, json, ok};

/// One row a method of a path.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: "webhookHandshake",
        method: GET,
        path: routes::WEBHOOK,
        summary: "Meta's handshake.",
        trust: Trust::Edge,
        query: &[("hub.mode", "`subscribe`"), ("hub.verify_token", "`WHATSAPP_VERIFY_TOKEN`"), ("hub.challenge", "Echoed.")],
        body: None,
        successes: &[Success { status: 200, what: "The challenge.", content: Content::Text("text/plain") }],
        refused: &[ProblemCode::Forbidden],
    },
    Operation {
        id: "webhook",
        method: POST,
        path: routes::WEBHOOK,
        summary: "Receipts, template and account events, inbound messages. Signed by Meta with `X-Hub-Signature-256`.",
        trust: Trust::Edge,
        query: &[],
        body: Some(json("WebhookEvents")),
        successes: &[Success { status: 200, what: "The events are taken.", content: Content::None }],
        refused: &[ProblemCode::Forbidden],
    },
    Operation {
        id: "edgeCounters",
        method: POST,
        path: routes::INTERNAL_COUNTERS,
        summary: "What one isolate of the edge did since its last report.",
        trust: Trust::Edge,
        query: &[],
        body: Some(json("EdgeCounters")),
        successes: &[done("Counted; a repeat counts nothing.")],
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
