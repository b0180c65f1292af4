//! Just enough of Rust's grammar to see which paths a file names: comments and strings do not count.
//!
//! Not a parser: it knows words, `::`, braces and commas. What a macro pastes together escapes it.

/// A piece of the text that matters for paths.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Token<'a> {
    /// An identifier, a keyword or a number.
    Word(&'a str),
    /// `::`
    Path,
    /// Any other character.
    Mark(char),
}

/// The tokens of a source text, without its comments, strings and character literals.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let skipped = silent(rest);
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        let (token, length) = token(rest, first);
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

fn token(rest: &str, first: char) -> (Token<'_>, usize) {
    match word_length(rest) {
        0 if rest.starts_with("::") => (Token::Path, 2),
        0 => (Token::Mark(first), first.len_utf8()),
        length => (Token::Word(&rest[..length]), length),
    }
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

/// How many bytes at the front say nothing about paths; 0 when a token starts here.
fn silent(rest: &str) -> usize {
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        string(rest)
    } else if rest.starts_with("r\"") || rest.starts_with("r#") {
        raw_string(rest)
    } else if rest.starts_with('\'') {
        character(rest)
    } else {
        rest.len() - rest.trim_start().len()
    }
}

/// Block comments nest in Rust.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn string(rest: &str) -> usize {
    let mut escaped = true; // so that the opening quote does not close
    for (at, character) in rest.char_indices() {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// 0 for a raw identifier such as `r#type`, which is a word.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    let open = 1 + hashes;
    if !rest[open..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    rest[open + 1..].find(&close).map_or(rest.len(), |at| open + 1 + at + close.len())
}

/// 0 for a lifetime, whose quote is then an ordinary mark.
fn character(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((after, escaped))) => {
            let from = after + escaped.len_utf8();
            rest[from..].find('\'').map_or(0, |at| from + at + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        let word = |token| if let Token::Word(word) = token { Some(word) } else { None };
        tokens(source).into_iter().filter_map(word).collect()
    }

    #[test]
    fn comments_say_nothing() {
        assert_eq!(words("a // tokio::spawn\nb /* c /* d */ e */ f"), ["a", "b", "f"]);
    }

    #[test]
    fn strings_say_nothing() {
        assert_eq!(words(r#"a "tokio \" axum" b"#), ["a", "b"]);
        assert_eq!(words("a r#\"tokio \" axum\"# b r\"c\" d"), ["a", "b", "d"]);
        assert_eq!(words(r#"let a = "\\"; b"#), ["let", "a", "b"]);
    }

    #[test]
    fn a_quoted_quote_opens_no_string() {
        assert_eq!(words("a '\"' b '\\'' c '\\u{22}' d"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_lifetime_is_not_an_open_character() {
        assert_eq!(words("fn f<'a>(x: &'a str) {}"), ["fn", "f", "a", "x", "a", "str"]);
    }

    #[test]
    fn a_raw_identifier_is_a_word() {
        assert!(words("r#type").contains(&"type"));
    }

    #[test]
    fn an_unfinished_text_ends() {
        for source in ["\"", "/*", "r#\"", "'", "'\\", "é\"ü"] {
            let _ends = tokens(source);
        }
    }
}
