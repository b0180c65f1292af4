//! What operators write into fields, parsed once for the page and the JSON API.

use super::super::refusal::Refused;

/// The longest note, in characters.
const MAX_NOTE_CHARS: usize = 500;
/// The longest time to live, in seconds: ten years.
const MAX_TTL_S: u64 = 315_360_000;
/// How many entries a page of a list has when nobody says, and at most.
const PAGE_SIZE: usize = 100;
const MAX_PAGE_SIZE: usize = 1000;

/// A note of bearable length; empty when absent.
pub(super) fn note(note: Option<String>) -> Result<String, Refused> {
    let note = note.unwrap_or_default();
    if note.chars().count() > MAX_NOTE_CHARS {
        return Err(Refused::InvalidField("note: at most 500 characters"));
    }
    Ok(note)
}

/// A note, or `default` when there is none.
pub(super) fn note_or(text: Option<String>, default: &str) -> Result<String, Refused> {
    let note = note(text)?;
    Ok(if note.is_empty() { default.to_owned() } else { note })
}

/// A time to live in milliseconds, from seconds.
pub(super) fn ttl_ms(ttl_s: Option<u64>) -> Result<Option<u64>, Refused> {
    match ttl_s {
        Some(seconds) if !(1..=MAX_TTL_S).contains(&seconds) => Err(Refused::InvalidField("ttlS: seconds from 1 to 315360000")),
        ttl_s => Ok(ttl_s.map(|seconds| seconds * 1000)),
    }
}

/// How many entries a page of a list has.
pub fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_refusal_name_the_bounds() {
        let told = |refused: Refused| refused.to_string();
        assert!(told(note(Some("x".repeat(MAX_NOTE_CHARS + 1))).unwrap_err()).contains(&MAX_NOTE_CHARS.to_string()));
        assert!(told(ttl_ms(Some(MAX_TTL_S + 1)).unwrap_err()).contains(&MAX_TTL_S.to_string()));
    }

    #[test]
    fn what_is_within_the_bounds_is_taken() {
        assert_eq!(note(Some("é".repeat(MAX_NOTE_CHARS))).unwrap().chars().count(), MAX_NOTE_CHARS);
        assert_eq!((ttl_ms(Some(1)), ttl_ms(Some(MAX_TTL_S)), ttl_ms(None)), (Ok(Some(1000)), Ok(Some(MAX_TTL_S * 1000)), Ok(None)));
        assert_eq!((ttl_ms(Some(0)).is_err(), note_or(None, "why")), (true, Ok("why".to_owned())));
        assert_eq!((page_size(None), page_size(Some(0)), page_size(Some(5000))), (100, 1, 1000));
    }
}
