//! Of a challenge: who asked for it, and where its newest message is. Its guesses are [`super::attempts`], its code is kept nowhere.
//!
//! **Invariant:** the newest message only moves forwards.

use otp_shared::wire::{Channel, Delivery, FailureReason};

use super::{ChallengeKey, Damaged, MessageKey, Packer, Unpacker, message::MessageRecord};
use crate::{
    domain::evaluation::{DeliveryRecord, Receipt, Share},
    transaction::Value,
};

const FORMAT: u8 = 1;
/// For how long records outlive their challenge, in milliseconds, so that clocks that differ do not revive it.
pub const GRACE_MS: u64 = 60_000;

const HAS_SHARE: u8 = 1;
const HAS_NEWEST: u8 = 2;
const HAS_UNNAMED: u8 = 4;
const HAS_EARLY: u8 = 8;

/// Of one challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChallengeRecord {
    /// What its first send took from the address that asked, to be given back when the code is used.
    pub share: Option<Share>,
    /// Its newest message.
    pub newest: Option<Newest>,
    /// A receipt that came before the provider's answer was noted.
    pub early: Option<Receipt>,
}

/// The newest message of a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its send, among those of its number.
    pub tag: u32,
    /// Where it is.
    pub delivery: DeliveryRecord,
    /// While nobody has told its name: what the first receipt will name.
    pub unnamed: Option<MessageRecord>,
}

impl ChallengeRecord {
    /// Reads a record; an absent one is empty.
    pub fn read(value: Option<&Value>) -> Result<Self, Damaged> {
        value.map_or(Ok(Self::default()), |value| Self::unpack(value).ok_or(Damaged("a challenge")))
    }

    /// The bytes to keep.
    pub fn to_value(&self) -> Value {
        let unnamed = self.newest.as_ref().and_then(|newest| newest.unnamed.as_ref());
        let flags = [
            (self.share.is_some(), HAS_SHARE),
            (self.newest.is_some(), HAS_NEWEST),
            (unnamed.is_some(), HAS_UNNAMED),
            (self.early.is_some(), HAS_EARLY),
        ];
        let mut packer = Packer::new(FORMAT);
        packer.byte(flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag));
        if let Some(share) = &self.share {
            pack_share(&mut packer, share);
        }
        if let Some(newest) = &self.newest {
            packer.u32(newest.tag);
            packer.byte(channel_byte(newest.delivery.channel));
            packer.byte(rank(newest.delivery.delivery));
            packer.byte(reason_byte(newest.delivery.reason));
            packer.u48(newest.delivery.sent_at_ms);
        }
        if let Some(unnamed) = unnamed {
            unnamed.pack(&mut packer);
        }
        if let Some(early) = &self.early {
            packer.bytes(&early.message.0);
            packer.byte(rank(early.delivery));
            packer.byte(reason_byte(early.reason));
            packer.bytes(&early.challenge.map_or([0; 16], |challenge| challenge.0));
        }
        packer.value()
    }

    fn unpack(value: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(value, FORMAT)?;
        let flags = unpacker.byte()?;
        let has = |flag| flags & flag != 0;
        let share = if has(HAS_SHARE) { Some(unpack_share(&mut unpacker)?) } else { None };
        let mut newest = if has(HAS_NEWEST) { Some(unpack_newest(&mut unpacker)?) } else { None };
        if has(HAS_UNNAMED) {
            newest.as_mut()?.unnamed = Some(MessageRecord::unpack(&mut unpacker)?);
        }
        let early = if has(HAS_EARLY) { Some(unpack_early(&mut unpacker)?) } else { None };
        unpacker.end(Self { share, newest, early })
    }

    /// What two copies know together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            share: either(self.share, other.share, Ord::min),
            newest: either(self.newest, other.newest, Newest::merge),
            early: either(self.early, other.early, |one, two| if early_order(&two) > early_order(&one) { two } else { one }),
        }
    }
}

impl Newest {
    /// The later message; of one message what is known further.
    fn merge(self, other: Self) -> Self {
        let order = |newest: &Self| (newest.delivery.sent_at_ms, newest.tag);
        if order(&self) != order(&other) {
            return if order(&self) > order(&other) { self } else { other };
        }
        let unnamed = self.unnamed.clone().and(other.unnamed.clone()).min(self.unnamed.clone());
        let further = |newest: &Self| (rank(newest.delivery.delivery), reason_byte(newest.delivery.reason));
        let delivery = if further(&other) > further(&self) { other.delivery } else { self.delivery };
        Self { tag: self.tag, delivery, unnamed }
    }
}

fn either<T>(one: Option<T>, two: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, two) {
        (Some(one), Some(two)) => Some(both(one, two)),
        (one, two) => one.or(two),
    }
}

fn early_order(receipt: &Receipt) -> (u8, MessageKey, u8, Option<ChallengeKey>) {
    (rank(receipt.delivery), receipt.message, reason_byte(receipt.reason), receipt.challenge)
}

/// How far a message got. `delivered` is last: who reports it has seen it arrive, whatever failed before.
pub const fn rank(delivery: Delivery) -> u8 {
    match delivery {
        Delivery::Unconfirmed => 0,
        Delivery::Accepted => 1,
        Delivery::Sent => 2,
        Delivery::Failed => 3,
        Delivery::Delivered => 4,
    }
}

fn delivery_of(rank: u8) -> Option<Delivery> {
    [Delivery::Unconfirmed, Delivery::Accepted, Delivery::Sent, Delivery::Failed, Delivery::Delivered].get(usize::from(rank)).copied()
}

const fn channel_byte(channel: Channel) -> u8 {
    match channel {
        Channel::Whatsapp => 0,
        Channel::Sms => 1,
    }
}

const fn reason_byte(reason: Option<FailureReason>) -> u8 {
    match reason {
        None => 0,
        Some(FailureReason::Undeliverable) => 1,
        Some(FailureReason::Refused) => 2,
        Some(FailureReason::Dropped) => 3,
    }
}

/// The error is a byte that says nothing.
fn reason_of(byte: u8) -> Result<Option<FailureReason>, ()> {
    match byte {
        0 => Ok(None),
        1 => Ok(Some(FailureReason::Undeliverable)),
        2 => Ok(Some(FailureReason::Refused)),
        3 => Ok(Some(FailureReason::Dropped)),
        _ => Err(()),
    }
}

fn pack_share(packer: &mut Packer, share: &Share) {
    packer.u32(share.tag);
    packer.text(&share.address);
    packer.u48(share.address_us);
    packer.text(share.site.as_deref().unwrap_or_default());
    packer.u48(share.site_us);
}

fn unpack_share(unpacker: &mut Unpacker<'_>) -> Option<Share> {
    Some(Share {
        tag: unpacker.u32()?,
        address: unpacker.text()?,
        address_us: unpacker.u48()?,
        site: Some(unpacker.text()?).filter(|site| !site.is_empty()),
        site_us: unpacker.u48()?,
    })
}

fn unpack_newest(unpacker: &mut Unpacker<'_>) -> Option<Newest> {
    let tag = unpacker.u32()?;
    let channel = match unpacker.byte()? {
        0 => Channel::Whatsapp,
        1 => Channel::Sms,
        _ => return None,
    };
    let (delivery, reason) = (delivery_of(unpacker.byte()?)?, reason_of(unpacker.byte()?).ok()?);
    Some(Newest { tag, delivery: DeliveryRecord { channel, delivery, reason, sent_at_ms: unpacker.u48()? }, unnamed: None })
}

fn unpack_early(unpacker: &mut Unpacker<'_>) -> Option<Receipt> {
    let message = MessageKey(unpacker.array()?);
    let (delivery, reason) = (delivery_of(unpacker.byte()?)?, reason_of(unpacker.byte()?).ok()?);
    let challenge = Some(unpacker.array()?).filter(|key| *key != [0; 16]).map(ChallengeKey);
    Some(Receipt { challenge, message, delivery, reason })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::evaluation::PhoneKey;

    fn full() -> ChallengeRecord {
        let unnamed =
            MessageRecord { challenge: ChallengeKey([1; 16]), tag: 7, charged: Some(PhoneKey([2; 16])), requester: Some("a".into()) };
        let delivery = DeliveryRecord { channel: Channel::Whatsapp, delivery: Delivery::Unconfirmed, reason: None, sent_at_ms: 9 };
        ChallengeRecord {
            share: Some(Share { tag: 7, address: "a".into(), address_us: 20, site: Some("b".into()), site_us: 5 }),
            newest: Some(Newest { tag: 7, delivery, unnamed: Some(unnamed) }),
            early: Some(Receipt {
                challenge: Some(ChallengeKey([1; 16])),
                message: MessageKey([3; 16]),
                delivery: Delivery::Failed,
                reason: Some(FailureReason::Refused),
            }),
        }
    }

    #[test]
    fn the_bytes_are_pinned_and_read_back() {
        let bytes = [
            "010f",
            "000000070161000000000014016200 0000000005",
            "00000007000000000000000009",
            "01010101010101010101010101010101000000070102020202020202020202020202020202 0161",
            "03030303030303030303030303030303030201010101010101010101010101010101",
        ]
        .concat()
        .replace(' ', "");
        let message = "replicas of two versions read it: write a migration";
        assert_eq!(otp_shared::signature::hex(&full().to_value()), bytes, "{message}");
        assert_eq!(ChallengeRecord::read(Some(&full().to_value())), Ok(full()));
        assert_eq!(ChallengeRecord::read(Some(&ChallengeRecord::default().to_value())), Ok(ChallengeRecord::default()));
    }

    #[test]
    fn damage_is_told() {
        let whole = full().to_value();
        for end in 0..whole.len() {
            assert_eq!(ChallengeRecord::read(Some(&whole[..end].into())), Err(Damaged("a challenge")), "{end}");
        }
    }

    fn any_record() -> impl Strategy<Value = ChallengeRecord> {
        let newest = (0u32..3, 0u64..3, 0u8..5, any::<bool>()).prop_map(|(tag, sent_at_ms, rank, named)| {
            let unnamed = MessageRecord { challenge: ChallengeKey([1; 16]), tag, charged: None, requester: None };
            let delivery = delivery_of(rank).unwrap();
            let delivery = DeliveryRecord { channel: Channel::Whatsapp, delivery, reason: None, sent_at_ms };
            Newest { tag, delivery, unnamed: (!named).then_some(unnamed) }
        });
        let share = (0u32..3).prop_map(|tag| Share { tag, address: "a".into(), address_us: 1, site: None, site_us: 0 });
        let early = (0u8..3, 0u8..5).prop_map(|(message, rank)| Receipt {
            challenge: None,
            message: MessageKey([message; 16]),
            delivery: delivery_of(rank).unwrap(),
            reason: None,
        });
        let parts = (proptest::option::of(share), proptest::option::of(newest), proptest::option::of(early));
        parts.prop_map(|(share, newest, early)| ChallengeRecord { share, newest, early })
    }

    proptest! {
        #[test]
        fn copies_merge_in_any_order_and_any_number_of_times(a in any_record(), b in any_record(), c in any_record()) {
            prop_assert_eq!(a.clone().merge(a.clone()), a.clone());
            prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
            prop_assert_eq!(a.clone().merge(b.clone()).merge(c.clone()), a.clone().merge(b.clone().merge(c.clone())));
            prop_assert_eq!(ChallengeRecord::read(Some(&a.to_value())), Ok(a));
        }
    }
}
