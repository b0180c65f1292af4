//! The operators' page, its forms and its files.

use otp_shared::problem::Code;

use super::{Body, Content, GET, Operation, POST, Success, Trust, ok};

/// One row a method of a path.
pub const OPERATIONS: &[Operation] = &[
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
            Success {
                status: 200,
                what: "Done, with what was found; JSON for the page's script.",
                content: Content::JsonOr("DashboardDone", "text/html"),
            },
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
];
