//! What operators call: the JSON API and the page. Both extract, call one use case of `app::operators`, and map its
//! result; what one of them can do, the other can, with the same checks.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use crate::app::operators::{csv, export::ExportedEntry};

pub mod json;
pub mod page;

/// The exported blacklist as a file to keep.
fn csv_file(entries: &[ExportedEntry]) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment; filename=\"blacklist.csv\"")];
    (headers, csv::write(entries)).into_response()
}
