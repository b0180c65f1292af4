//! Header names and values that the edge and the origin exchange. Not the fan's: of these, only [`IDEMPOTENCY_KEY`] is sent by a fan.

/// RFC 9530: the digest of the body.
pub const CONTENT_DIGEST: &str = "content-digest";
/// RFC 9421: what is signed, when, with which nonce and key.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// RFC 9421: the signature.
pub const SIGNATURE: &str = "signature";
/// The fan's address as the edge saw it. Signed; believed from nowhere else.
pub const CLIENT_ADDRESS: &str = "otp-client-address";
/// The country the platform places that address in. Signed.
pub const CLIENT_COUNTRY: &str = "otp-client-country";
/// Origin to edge: a subject stays refused until a time ([`HoldNotice`]). Taken off before the fan sees the answer.
pub const HOLD: &str = "otp-hold";
/// Origin to edge: [`SIGNATURE_REFUSED`] marks a 401 that is about the edge's signature and not about the fan.
pub const SIGNATURE_STATUS: &str = "otp-signature";
/// The value of [`SIGNATURE_STATUS`].
pub const SIGNATURE_REFUSED: &str = "refused";
/// Names one request in the logs of both sides.
pub const REQUEST_ID: &str = "x-request-id";
/// The fan's own key by which a repeat is recognised.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The operator's token. The edge strips it.
pub const ADMIN_TOKEN: &str = "x-admin-token";
/// The headers by which the origin talks to the edge alone.
pub const INTERNAL: [&str; 2] = [HOLD, SIGNATURE_STATUS];

/// Whom a hold is about: the number or the address of the request that is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldSubject {
    /// The phone number.
    Phone,
    /// The client's address.
    Address,
}

/// The value of the [`HOLD`] header: `phone;until=1790000000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldNotice {
    /// Whom it is about.
    pub subject: HeldSubject,
    /// Unix second at which the hold ends by itself.
    pub until_s: u64,
}

impl HoldNotice {
    /// The header's value.
    pub fn encode(&self) -> String {
        let subject = match self.subject {
            HeldSubject::Phone => "phone",
            HeldSubject::Address => "address",
        };
        format!("{subject};until={}", self.until_s)
    }

    /// Reads the header's value; `None` when it is not of the form.
    pub fn parse(value: &str) -> Option<Self> {
        let (subject, until) = value.split_once(";until=")?;
        let subject = match subject {
            "phone" => HeldSubject::Phone,
            "address" => HeldSubject::Address,
            _ => return None,
        };
        Some(Self { subject, until_s: until.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_notice_survives_the_wire() {
        let notice = HoldNotice { subject: HeldSubject::Address, until_s: 1_790_000_000 };
        assert_eq!(notice.encode(), "address;until=1790000000");
        assert_eq!(HoldNotice::parse(&notice.encode()), Some(notice));
    }

    #[test]
    fn anything_else_is_no_notice() {
        for text in ["", "phone", "phone;until=", "phone;until=-1", "fan;until=1", "phone;until=1;x"] {
            assert_eq!(HoldNotice::parse(text), None, "{text}");
        }
    }
}
