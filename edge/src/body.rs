//! Reads the fan's bodies: one flat JSON object (RFC 8259) of texts. Not a JSON reader for anything else: `serde_json`'s own brings
//! floating point along, a fifth of the Worker's size, to read three texts.
//!
//! **Invariant:** what is read here is what the origin reads from the same bytes; a property test compares the two.

use std::str::Chars;

/// The members of `POST /otp/request`, as in [`otp_shared::wire::OtpRequest`].
pub const REQUEST: [&str; 5] = ["phone", "locale", "purpose", "consentVersion", "challengeId"];
/// The members of `POST /otp/verify`, as in [`otp_shared::wire::VerifyRequest`].
pub const VERIFY: [&str; 3] = ["challengeId", "phone", "code"];

/// An object's members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(Vec<(String, Value)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Null,
    Text(String),
}

impl Members {
    /// Reads an object with these members or some of them, each at most once. `None` for everything else.
    pub fn read(body: &[u8], known: &[&str]) -> Option<Self> {
        let mut reader = Reader(str::from_utf8(body).ok()?.chars());
        let members = reader.object()?;
        let is_known = members.0.iter().all(|(name, _)| known.contains(&name.as_str()));
        (is_known && reader.is_at_end()).then_some(members)
    }

    /// A member's text; `None` when it is absent or `null`.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.iter().find(|(known, _)| known == name)? {
            (_, Value::Text(text)) => Some(text),
            (_, Value::Null) => None,
        }
    }

    fn add(&mut self, name: String, value: Value) -> Option<()> {
        let is_new = self.0.iter().all(|(known, _)| *known != name);
        is_new.then(|| self.0.push((name, value)))
    }
}

/// What is left to read.
struct Reader<'a>(Chars<'a>);

impl Reader<'_> {
    fn object(&mut self) -> Option<Members> {
        let mut members = Members::default();
        self.expect('{')?;
        if self.take('}') {
            return Some(members);
        }
        loop {
            let name = self.text()?;
            self.expect(':')?;
            members.add(name, self.value()?)?;
            if self.take('}') {
                return Some(members);
            }
            self.expect(',')?;
        }
    }

    fn value(&mut self) -> Option<Value> {
        if self.take('n') {
            return (self.char()? == 'u' && self.char()? == 'l' && self.char()? == 'l').then_some(Value::Null);
        }
        self.text().map(Value::Text)
    }

    fn text(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.char()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                '\0'..='\x1f' => return None,
                char => text.push(char),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        match self.char()? {
            char @ ('"' | '\\' | '/') => Some(char),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => self.unicode(),
            _ => None,
        }
    }

    /// `\uXXXX`, or two of them for a character outside the basic plane.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first.into());
        }
        let second = (self.char()? == '\\' && self.char()? == 'u').then(|| self.hex())??;
        char::decode_utf16([first, second]).next()?.ok()
    }

    fn hex(&mut self) -> Option<u16> {
        let mut value: u16 = 0;
        for _ in 0..4 {
            let digit = u16::try_from(self.char()?.to_digit(16)?).ok()?;
            value = value.checked_mul(16)?.checked_add(digit)?;
        }
        Some(value)
    }

    fn char(&mut self) -> Option<char> {
        self.0.next()
    }

    /// Takes the character if it is next, after white space.
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.as_str().trim_start_matches([' ', '\t', '\n', '\r']);
        let after = rest.strip_prefix(wanted);
        self.0 = after.unwrap_or(rest).chars();
        after.is_some()
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.take(wanted).then_some(())
    }

    fn is_at_end(&self) -> bool {
        self.0.as_str().trim_start_matches([' ', '\t', '\n', '\r']).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use otp_shared::wire::{OtpRequest, VerifyRequest};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn phone(body: &str) -> Option<String> {
        Members::read(body.as_bytes(), &REQUEST)?.text("phone").map(str::to_owned)
    }

    #[test]
    fn texts_are_read_as_they_are_meant() {
        let check = |body, expected| assert_eq!(phone(body).as_deref(), Some(expected), "{body}");
        check(r#"{"phone":"+250788123456"}"#, "+250788123456");
        check(" {\t\"locale\" : null ,\n\"phone\":\"a\" }\r\n", "a");
        check(r#"{"phone":"\"\\\/\b\f\n\r\t"}"#, "\"\\/\x08\x0c\n\r\t");
        check(r#"{"\u0070hone":"\u002B\u00e9\ud83d\ude00😀"}"#, "+é😀😀");
    }

    #[test]
    fn anything_else_is_refused() {
        for body in [
            "",
            "{",
            "[]",
            "null",
            r#"{"phone":"a""#,
            r#"{"phone":"a",}"#,
            r#"{"phone":"a"}x"#,
            r#"{"phone":"a" "locale":"b"}"#,
            r#"{"phone":"a","phone":"b"}"#,
            r#"{"phone":"a","admin":"b"}"#,
            r#"{"phone":1}"#,
            r#"{"phone":nul}"#,
            r#"{"phone":{}}"#,
            r#"{"phone":"\x"}"#,
            r#"{"phone":"\ud83d"}"#,
            r#"{"phone":"\ude00"}"#,
            r#"{"phone":"\u12"}"#,
            "{\"phone\":\"a\nb\"}",
            "{'phone':'a'}",
            r#"{phone:"a"}"#,
        ] {
            assert_eq!(Members::read(body.as_bytes(), &REQUEST), None, "{body}");
        }
        assert_eq!(Members::read(b"{\"phone\":\"\xff\"}", &REQUEST), None);
    }

    /// A member's name: most often one that some body has.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![9 => prop::sample::select([REQUEST.as_slice(), &VERIFY].concat()).prop_map(str::to_owned), 1 => any::<String>()]
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            6 => any::<String>().prop_map(serde_json::Value::from),
            1 => Just(serde_json::Value::Null),
            1 => any::<i64>().prop_map(serde_json::Value::from),
            1 => Just(json!({"a": []})),
        ]
    }

    /// A body, sometimes with one byte changed.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let object = prop::collection::hash_map(name(), value(), 0..6).prop_map(|members| json!(members).to_string().into_bytes());
        (object, prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()))).prop_map(|(mut bytes, change)| {
            if let Some((index, byte)) = change {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn the_edge_reads_what_the_origin_reads(body in body()) {
            let ours = Members::read(&body, &REQUEST).and_then(|members| members.text("phone").map(str::to_owned));
            prop_assert_eq!(ours, serde_json::from_slice::<OtpRequest>(&body).ok().map(|request| request.phone));

            let ours = Members::read(&body, &VERIFY).and_then(|members| {
                let text = |name| members.text(name).map(str::to_owned);
                Some((text("challengeId")?, text("phone")?, text("code")?))
            });
            let theirs = serde_json::from_slice::<VerifyRequest>(&body).ok();
            prop_assert_eq!(ours, theirs.map(|request| (request.challenge_id, request.phone, request.code)));
        }
    }
}
