//! The supported versions of the Graph API.
//!
//! Meta silently serves an expired version as the oldest supported one. Here it is refused, so that
//! a test notices an outdated setting.

use crate::error::GraphError;

/// The newest version.
pub const CURRENT: &str = "v26.0";

/// Each version with its end in Unix seconds, from Meta's changelog. The newest has no end yet.
const VERSIONS: &[(&str, u64)] = &[
    ("v20.0", 1_790_208_000), // 2026-09-24
    ("v21.0", 1_800_489_600), // 2027-01-21
    ("v22.0", 1_810_771_200), // 2027-05-20
    ("v23.0", 1_822_953_600), // 2027-10-08
    ("v24.0", 1_834_444_800), // 2028-02-18
    ("v25.0", 1_848_441_600), // 2028-07-29
    (CURRENT, u64::MAX),
];

/// Checks that `version` is supported at `now_ms` (Unix milliseconds).
///
/// # Errors
/// 2635 for an expired version, 2500 for an unknown one.
pub fn check(version: &str, now_ms: u64) -> Result<(), GraphError> {
    match VERSIONS.iter().find(|(known, _)| *known == version) {
        Some((_, end_s)) if now_ms / 1_000 < *end_s => Ok(()),
        Some(_) => Err(GraphError::new(2_635)
            .message(format!("(#2635) You are calling a deprecated version of the API. Please update to the latest version: {CURRENT}."))),
        None => Err(unknown_path(&format!("/{version}"))),
    }
}

/// 2500: there is nothing at `path`.
pub fn unknown_path(path: &str) -> GraphError {
    GraphError::new(2_500).message(format!("Unknown path components: {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_answers_until_its_end() {
        let code = |version, now_s: u64| check(version, now_s * 1_000).err().map(|error| error.code);
        assert_eq!(code("v26.0", 1_795_392_000), None);
        assert_eq!(code("v21.0", 1_800_489_599), None);
        assert_eq!(code("v21.0", 1_800_489_600), Some(2_635));
        assert_eq!(code("v99.0", 1_795_392_000), Some(2_500));
        assert_eq!(code("26.0", 1_795_392_000), Some(2_500));
    }
}
