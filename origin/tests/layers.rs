//! Which part of the origin may know which: HTTP calls use cases and nothing behind them, and no use case knows HTTP.

#![expect(clippy::unwrap_used, reason = "a source that cannot be read has failed its test")]

use std::{fs, path::Path};

/// Every Rust file below a folder of the sources, with its path.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder)];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.display().to_string(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "there is nothing in {folder}");
    found
}

#[track_caller]
fn assert_absent(folder: &str, words: &[&str], why: &str) {
    for (path, text) in sources(folder) {
        // `crate::{app, http}` is one path a line, too.
        let text = text.split_whitespace().collect::<String>();
        for word in words {
            assert!(!text.contains(word), "{path} has {word}: {why}");
        }
    }
}

#[test]
fn handlers_touch_neither_the_store_nor_the_operator_state() {
    assert_absent("http", &["app.store.", "app.operators.", "Store>"], "a handler extracts, calls one use case and maps");
}

#[test]
fn use_cases_do_not_know_http() {
    assert_absent(
        "app",
        &["crate::http", "super::http", "axum::", "{http::", ",http::"],
        "the page, the API and the tests call the same use cases",
    );
}
