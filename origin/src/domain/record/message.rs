//! What a message belongs to, by the provider's name for it: receipts and complaints name nothing else, and come when the challenge may be long gone.
//!
//! **Invariant:** what was taken out (the refund, the requester) never comes back.

use super::{ChallengeKey, Damaged, Packer, PhoneKey, Unpacker};
use crate::transaction::Value;

const FORMAT: u8 = 1;
/// How long it is known whom a message belongs to, in milliseconds.
pub const TTL_MS: u64 = 86_400_000;

/// Of one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageRecord {
    /// Its challenge.
    pub challenge: ChallengeKey,
    /// Its send, among those of its number.
    pub tag: u32,
    /// Whose limits the send charged, until it is known whether the message arrived.
    pub charged: Option<PhoneKey>,
    /// The address that asked for it, until its receiver reports it as unsolicited.
    pub requester: Option<String>,
}

impl MessageRecord {
    /// Reads a record.
    pub fn read(value: Option<&Value>) -> Result<Option<Self>, Damaged> {
        let unpack = |value: &Value| {
            let mut unpacker = Unpacker::new(value, FORMAT)?;
            let record = Self::unpack(&mut unpacker)?;
            unpacker.end(record)
        };
        value.map(|value| unpack(value).ok_or(Damaged("a message"))).transpose()
    }

    /// The bytes to keep.
    pub fn to_value(&self) -> Value {
        let mut packer = Packer::new(FORMAT);
        self.pack(&mut packer);
        packer.value()
    }

    pub(super) fn pack(&self, packer: &mut Packer) {
        packer.bytes(&self.challenge.0);
        packer.u32(self.tag);
        packer.byte(self.charged.is_some().into());
        if let Some(phone) = self.charged {
            packer.bytes(&phone.0);
        }
        packer.text(self.requester.as_deref().unwrap_or_default());
    }

    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> Option<Self> {
        let (challenge, tag) = (ChallengeKey(unpacker.array()?), unpacker.u32()?);
        let charged = if unpacker.flag()? { Some(PhoneKey(unpacker.array()?)) } else { None };
        let requester = Some(unpacker.text()?).filter(|address| !address.is_empty());
        Some(Self { challenge, tag, charged, requester })
    }

    /// What two copies know together. Copies of one message differ only in what was taken out.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let charged = self.charged.and(other.charged).min(self.charged);
        let requester = self.requester.clone().and(other.requester.clone()).min(self.requester.clone());
        Self { charged, requester, ..self.min(other) }
    }
}
