//! The challenge: an id that proves itself, and a code that is derived and never stored. Not the counting of guesses: that is the store's.
//!
//! The arithmetic: 6 digits and 5 guesses are 5 in 10⁶ a challenge; 10 challenges a day and number make 5 in 10⁵ a day.
//!
//! **Invariant:** who knows only a number can make neither id nor code; who has the id learns nothing of the code.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::Mac;
use otp_shared::{
    phone::Phone,
    secret::{self, Secret},
};
use subtle::ConstantTimeEq;

use super::evaluation::ChallengeKey;

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in.
    Login,
}

impl Purpose {
    /// As in the request's `purpose`.
    pub fn parse(text: &str) -> Option<Self> {
        (text == "login").then_some(Self::Login)
    }

    fn byte(self) -> u8 {
        match self {
            Self::Login => 1,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        (byte == 1).then_some(Self::Login)
    }
}

/// Six digits. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Passcode(String);

impl Passcode {
    /// Takes exactly six ASCII digits, as a fan types them.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| Self(text.to_owned()))
    }

    /// The digits, for the message alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl std::fmt::Debug for Passcode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passcode(redacted)")
    }
}

/// A challenge whose id is authentic for its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// Its record's name.
    pub key: ChallengeKey,
    /// Unix millisecond at which it ends.
    pub expires_at_ms: u64,
    /// What its code is for.
    pub purpose: Purpose,
}

/// The keys of one `OTP_SECRET`.
struct Keys {
    id: [u8; 2],
    challenge: [u8; 32],
    code: [u8; 32],
}

impl Keys {
    fn new(secret: &Secret) -> Self {
        let [first, second, ..] = secret.derive("key-id");
        Self { id: [first, second], challenge: secret.derive("challenge-id"), code: secret.derive("code") }
    }
}

/// Issues challenges under the current secret, and reads those of the current and the previous one.
pub struct Challenges {
    current: Keys,
    previous: Option<Keys>,
}

const FORMAT: u8 = 1;
const PAYLOAD_BYTES: usize = 1 + 2 + 16 + 8 + 1;
const MAC_BYTES: usize = 16;
/// The length of every id's text.
pub const ID_CHARS: usize = (PAYLOAD_BYTES + MAC_BYTES).div_ceil(3) * 4 - 1;

impl Challenges {
    /// Derives the keys.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        Self { current: Keys::new(current), previous: previous.map(Keys::new) }
    }

    /// The id of `challenge` for `phone`: format, key id, 128 random bits, expiry and purpose, and a MAC over them and the number.
    pub fn id(&self, challenge: &Challenge, phone: Phone) -> String {
        let keys = &self.current;
        let mut bytes = Vec::with_capacity(PAYLOAD_BYTES + MAC_BYTES);
        bytes.push(FORMAT);
        bytes.extend(keys.id);
        bytes.extend(challenge.key.0);
        bytes.extend(challenge.expires_at_ms.to_be_bytes());
        bytes.push(challenge.purpose.byte());
        let mac = tag(keys, &bytes, phone);
        bytes.extend(mac);
        BASE64.encode(bytes)
    }

    /// Reads an id that belongs to `phone`. `None`: made up, damaged, of another number, or of a secret that is no longer valid.
    /// Expiry is the caller's to judge.
    pub fn parse(&self, id: &str, phone: Phone) -> Option<Challenge> {
        let bytes = decode(id)?;
        let (payload, mac) = bytes.split_at_checked(PAYLOAD_BYTES)?;
        let keys = self.keys(payload)?;
        let authentic: bool = tag(keys, payload, phone).ct_eq(mac).into();
        authentic.then(|| read(payload)).flatten()
    }

    /// The code of an id that [`Challenges::parse`] accepted: the same on every resend and every replica.
    pub fn code(&self, id: &str, challenge: &Challenge, phone: Phone) -> Option<Passcode> {
        let keys = self.keys(&decode(id)?)?;
        Some(derive_code(&keys.code, challenge.key, phone))
    }

    fn keys(&self, payload: &[u8]) -> Option<&Keys> {
        let id = payload.get(1..3)?;
        std::iter::once(&self.current).chain(&self.previous).find(|keys| keys.id == id)
    }
}

/// The record's name in an id, without proof that the id is authentic: enough to look up how its message fares.
pub fn unproven_key(id: &str) -> Option<ChallengeKey> {
    read(decode(id)?.get(..PAYLOAD_BYTES)?).map(|challenge| challenge.key)
}

fn decode(id: &str) -> Option<Vec<u8>> {
    if id.len() > 2 * ID_CHARS {
        return None;
    }
    let bytes = BASE64.decode(id).ok()?;
    (bytes.len() == PAYLOAD_BYTES + MAC_BYTES && bytes.first() == Some(&FORMAT)).then_some(bytes)
}

fn read(payload: &[u8]) -> Option<Challenge> {
    let key = payload.get(3..19)?.try_into().ok()?;
    let expires = payload.get(19..27)?.try_into().ok()?;
    let purpose = Purpose::from_byte(*payload.get(27)?)?;
    Some(Challenge { key: ChallengeKey(key), expires_at_ms: u64::from_be_bytes(expires), purpose })
}

fn tag(keys: &Keys, payload: &[u8], phone: Phone) -> [u8; MAC_BYTES] {
    let tag = secret::mac(&keys.challenge).chain_update(payload).chain_update(phone.digits()).finalize().into_bytes();
    let mut short = [0; MAC_BYTES];
    short.copy_from_slice(&tag[..MAC_BYTES]);
    short
}

/// HOTP's idea (RFC 4226) with the challenge as the moving factor. Draws of 32 bits above the largest multiple of 10⁶ are thrown away,
/// so that every code is equally likely.
fn derive_code(key: &[u8; 32], challenge: ChallengeKey, phone: Phone) -> Passcode {
    const UNBIASED: u32 = u32::MAX / 1_000_000 * 1_000_000;
    let draws = (0u8..).flat_map(|round| {
        let block = secret::mac(key).chain_update(challenge.0).chain_update(phone.digits()).chain_update([round]).finalize().into_bytes();
        let words: Vec<u32> = block.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]])).collect();
        words
    });
    let drawn = draws.into_iter().find(|word| *word < UNBIASED).expect("256 rounds of 8 draws, each accepted with 99.98 %");
    let mut digits = String::with_capacity(6);
    write!(digits, "{:06}", drawn % 1_000_000).expect("writing to a String does not fail");
    Passcode(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn challenges(fill: char) -> Challenges {
        Challenges::new(&secret(fill), None)
    }

    fn secret(fill: char) -> Secret {
        Secret::parse(&fill.to_string().repeat(32)).unwrap()
    }

    fn phone(text: &str) -> Phone {
        Phone::parse(text).unwrap()
    }

    fn challenge() -> Challenge {
        Challenge { key: ChallengeKey([7; 16]), expires_at_ms: 1_790_000_300_000, purpose: Purpose::Login }
    }

    #[test]
    fn an_id_is_read_back_for_its_own_number_only() {
        let challenges = challenges('a');
        let id = challenges.id(&challenge(), phone("+250788123456"));
        assert_eq!(id.len(), ID_CHARS);
        assert_eq!(challenges.parse(&id, phone("+250788123456")), Some(challenge()));
        assert_eq!(challenges.parse(&id, phone("+250788123457")), None);
        assert_eq!(unproven_key(&id), Some(challenge().key));
    }

    #[test]
    fn id_and_code_are_pinned() {
        let challenges = challenges('a');
        let id = challenges.id(&challenge(), phone("+250788123456"));
        let code = challenges.code(&id, &challenge(), phone("+250788123456")).unwrap();
        let message = "replicas of two versions run side by side during a roll-out: write a migration";
        assert_eq!(id, "AaPFBwcHBwcHBwcHBwcHBwcHBwAAAaDEVP_gAZKyO_opAyQZ1XYKpPdvBSA", "{message}");
        assert_eq!(code.expose(), "492291", "{message}");
    }

    #[test]
    fn ids_of_the_previous_secret_stay_good_and_keep_their_code() {
        let phone = phone("+250788123456");
        let old = challenges('a');
        let id = old.id(&challenge(), phone);
        let rotated = Challenges::new(&secret('b'), Some(&secret('a')));
        assert_eq!(rotated.parse(&id, phone), Some(challenge()));
        assert_eq!(rotated.code(&id, &challenge(), phone), old.code(&id, &challenge(), phone));
        assert_eq!(challenges('b').parse(&id, phone), None);
    }

    #[test]
    fn debug_shows_no_digit() {
        assert_eq!(format!("{:?}", Passcode::parse("123456").unwrap()), "Passcode(redacted)");
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        for text in ["", "12345", "1234567", "12 456", "12345a", "１２３４５６", "+12345", "123456\n"] {
            assert!(Passcode::parse(text).is_none(), "{text:?}");
        }
        assert!(Passcode::parse("012345").is_some());
    }

    #[test]
    fn every_digit_is_equally_likely_in_every_place() {
        let key = [3; 32];
        let mut counts = [[0u32; 10]; 6];
        for n in 0u128..20_000 {
            let code = derive_code(&key, ChallengeKey(n.to_be_bytes()), phone("+250788123456"));
            for (place, digit) in code.expose().bytes().enumerate() {
                counts[place][usize::from(digit - b'0')] += 1;
            }
        }
        // Chi-squared with 9 degrees of freedom: above 33.7 once in 10⁴; the inputs are fixed, so this never flickers.
        for place in counts {
            let chi: f64 = place.iter().map(|&n| (f64::from(n) - 2000.0).powi(2) / 2000.0).sum();
            assert!(chi < 33.7, "{chi}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_id_is_refused(at in 0usize..ID_CHARS, by in 1u8..64) {
            const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let challenges = challenges('a');
            let mut id = challenges.id(&challenge(), phone("+250788123456")).into_bytes();
            let old = ALPHABET.iter().position(|letter| *letter == id[at]).unwrap();
            id[at] = ALPHABET[(old + usize::from(by)) % 64];
            prop_assert_eq!(challenges.parse(std::str::from_utf8(&id).unwrap(), phone("+250788123456")), None);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            prop_assert_eq!(challenges('a').parse(&text, phone("+250788123456")), None);
        }
    }
}
