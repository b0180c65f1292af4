//! What goes to the scripts and comes back, as JSON. Not the judging.
//!
//! **Invariant:** no number above 2^53 travels: Lua's numbers are doubles.

use otp_shared::{limits::Limit, signature::hex};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    domain::{
        judgement::{
            Call, DeliveryRecord, Hold, Interruption, Receipt, RequestCall, RequestVerdict, SendOutcome, Settlement, VerifyCall,
            VerifyVerdict,
        },
        operator::{Change, TOMBSTONE_MS},
    },
    store::{
        StoreError,
        memory::{AUDIT_KEPT, Spent, in_order},
    },
};

/// What a script answers.
#[derive(Debug, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Answer {
    /// After its deadline: nothing was done.
    Late {},
    /// Redis lost its epoch mark: nothing was done.
    Unfilled {},
    /// Done.
    Done {},
    /// No such challenge, hold, lease.
    Unknown {
        /// Of a guess.
        spent: Option<Spent>,
    },
    /// Charged; send.
    Send {
        /// Guesses left.
        attempts_left: u32,
    },
    /// A limit refuses.
    Refused {
        /// Its name; absent when only one was asked.
        #[serde(default)]
        limit: String,
        /// Until it would pass.
        retry_after_ms: u64,
        /// The subject is held now.
        hold: Option<HoldAnswer>,
        /// Of a guess.
        spent: Option<Spent>,
    },
    /// All guesses are used.
    Locked {
        /// Until the challenge ends.
        retry_after_ms: u64,
        /// Of a guess.
        spent: Option<Spent>,
    },
    /// A right guess.
    Accepted {
        /// What is spent now.
        spent: Spent,
    },
    /// A wrong guess.
    Incorrect {
        /// Guesses left.
        attempts_left: u32,
        /// What is spent now.
        spent: Spent,
    },
    /// [`Interruption::StaleOperatorState`]
    Stale {},
    /// [`Interruption::Replayed`]
    Replayed {},
    /// [`Interruption::InProgress`]
    InProgress {},
    /// [`Interruption::Mismatch`]
    Mismatch {},
    /// [`Interruption::Repeat`]
    Repeat {
        /// The first answer.
        answer: String,
    },
    /// A new version.
    Version {
        /// Of the operator state, or of the lease.
        version: u64,
        /// The epoch mark of the operator state, if there is one.
        epoch: Option<String>,
    },
    /// The holds in force.
    Holds {
        /// In no order.
        holds: Vec<HoldAnswer>,
    },
}

/// A hold as the scripts tell it.
#[derive(Debug, Deserialize)]
pub struct HoldAnswer {
    subject: String,
    until_ms: u64,
}

impl From<HoldAnswer> for Hold {
    fn from(hold: HoldAnswer) -> Self {
        Self { subject: hold.subject, until_ms: hold.until_ms }
    }
}

impl Answer {
    /// Reads an answer.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// As the answer to a request.
    pub fn into_request(self) -> Result<RequestVerdict, StoreError> {
        Ok(match self {
            Self::Send { attempts_left } => RequestVerdict::Send { attempts_left },
            Self::Refused { limit, retry_after_ms, hold, .. } => {
                RequestVerdict::Refused { limit: limit_named(&limit)?, retry_after_ms, hold: hold.map(Hold::from) }
            }
            Self::Unknown { .. } => RequestVerdict::Unknown,
            Self::Locked { retry_after_ms, .. } => RequestVerdict::Locked { retry_after_ms },
            other => RequestVerdict::Interrupted(other.into_interruption()?),
        })
    }

    /// As the answer to a guess, with what is spent now, if it was looked at.
    pub fn into_verify(self) -> Result<(VerifyVerdict, Option<Spent>), StoreError> {
        Ok(match self {
            Self::Accepted { spent } => (VerifyVerdict::Accepted, Some(spent)),
            Self::Incorrect { attempts_left, spent } => (VerifyVerdict::Incorrect { attempts_left }, Some(spent)),
            Self::Locked { retry_after_ms, spent } => (VerifyVerdict::Locked { retry_after_ms }, spent),
            Self::Unknown { spent } => (VerifyVerdict::Unknown, spent),
            Self::Refused { limit, retry_after_ms, spent, .. } => {
                (VerifyVerdict::Refused { limit: limit_named(&limit)?, retry_after_ms }, spent)
            }
            other => (VerifyVerdict::Interrupted(other.into_interruption()?), None),
        })
    }

    fn into_interruption(self) -> Result<Interruption, StoreError> {
        match self {
            Self::Stale {} => Ok(Interruption::StaleOperatorState),
            Self::Replayed {} => Ok(Interruption::Replayed),
            Self::InProgress {} => Ok(Interruption::InProgress),
            Self::Mismatch {} => Ok(Interruption::Mismatch),
            Self::Repeat { answer } => Ok(Interruption::Repeat(answer)),
            other => Err(other.unexpected()),
        }
    }

    /// An answer to another question.
    pub fn unexpected(&self) -> StoreError {
        StoreError::Corrupt(format!("unexpected: {}", format!("{self:?}").split(' ').next().unwrap_or_default()))
    }
}

fn limit_named(name: &str) -> Result<Limit, StoreError> {
    let found = Limit::ALL.into_iter().find(|limit| limit.name() == name);
    found.ok_or_else(|| StoreError::Corrupt("a limit that nobody knows".into()))
}

/// What every judging call tells.
fn call(call: &Call) -> Value {
    let mut value = json!({ "id": hex(&call.id), "nonce": hex(&call.nonce), "operator_version": call.operator_version });
    if let Some(asked) = &call.idempotency {
        value["idempotency"] = json!({ "key": hex(&asked.key), "body": hex(&asked.body) });
    }
    value
}

/// For `request.lua`.
pub fn request(request: &RequestCall) -> Value {
    let mut value = call(&request.call);
    value["challenge"] = hex(&request.challenge.0).into();
    value["expires_at_ms"] = request.expires_at_ms.into();
    value["resend"] = request.resend.into();
    value["phone"] = hex(&request.phone.0).into();
    value["address"] = request.origin.address.as_str().into();
    if let Some(site) = &request.origin.site {
        value["site"] = site.as_str().into();
    }
    value["phone_hold"] = request.phone_hold.as_str().into();
    value["address_hold"] = request.address_hold.as_str().into();
    value
}

/// For `settle.lua`.
pub fn settle(settlement: &Settlement) -> Value {
    let mut value = request(&settlement.request);
    match &settlement.outcome {
        SendOutcome::Left { channel, delivery, message, at_ms } => {
            value["outcome"] = "left".into();
            value["channel"] = json!(channel);
            value["delivery"] = json!(delivery);
            value["at_ms"] = json!(at_ms);
            if let Some(message) = message {
                value["message"] = hex(&message.0).into();
            }
        }
        SendOutcome::Undeliverable => value["outcome"] = "undeliverable".into(),
        SendOutcome::Failed => value["outcome"] = "failed".into(),
    }
    if let Some(answer) = &settlement.answer {
        value["answer"] = answer.as_str().into();
    }
    value
}

/// For `receipt.lua`.
pub fn receipt(receipt: &Receipt) -> Value {
    let mut value = json!({ "message": hex(&receipt.message.0), "delivery": receipt.delivery });
    if let Some(challenge) = receipt.challenge {
        value["challenge"] = hex(&challenge.0).into();
    }
    if let Some(reason) = receipt.reason {
        value["reason"] = json!(reason);
    }
    value
}

/// For `verify.lua`.
pub fn verify(verify: &VerifyCall, replica: &str) -> Value {
    let mut value = call(&verify.call);
    value["challenge"] = hex(&verify.challenge.0).into();
    value["expires_at_ms"] = verify.expires_at_ms.into();
    value["correct"] = verify.correct.into();
    value["phone"] = hex(&verify.phone.0).into();
    value["address"] = verify.origin.address.as_str().into();
    value["answer"] = verify.answer.as_str().into();
    value["replica"] = replica.into();
    value
}

/// For `operator.lua`; `fill` is the epoch mark to set where there is none.
pub fn operator(changes: &[Change], fill: Option<&str>) -> Result<Value, StoreError> {
    #[derive(Serialize)]
    struct Told<'a> {
        key: String,
        stamp: &'a crate::domain::operator::Stamp,
        text: String,
    }
    let told = |change| -> Result<Told<'_>, serde_json::Error> {
        let change: &Change = change;
        Ok(Told { key: change.about.key(), stamp: &change.stamp, text: serde_json::to_string(change)? })
    };
    let changes: Result<Vec<_>, _> = in_order(changes).into_iter().map(told).collect();
    let changes = changes.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let mut value = json!({ "changes": changes, "audit_kept": AUDIT_KEPT, "tombstone_ms": TOMBSTONE_MS });
    if let Some(epoch) = fill {
        value["fill"] = epoch.into();
    }
    Ok(value)
}

/// What [`delivery`] reads.
pub const DELIVERY_FIELDS: [&str; 4] = ["channel", "delivery", "reason", "sent_at_ms"];

/// The record of `HMGET` of [`DELIVERY_FIELDS`].
pub fn delivery(fields: [Option<String>; 4]) -> Result<Option<DeliveryRecord>, StoreError> {
    let [Some(channel), Some(delivery), reason, Some(sent_at_ms)] = fields else { return Ok(None) };
    Ok(Some(DeliveryRecord {
        channel: word(channel)?,
        delivery: word(delivery)?,
        reason: reason.map(word).transpose()?,
        sent_at_ms: sent_at_ms.parse().map_err(|_| StoreError::Corrupt("a time that is no number".into()))?,
    }))
}

fn word<T: serde::de::DeserializeOwned>(text: String) -> Result<T, StoreError> {
    serde_json::from_value(text.into()).map_err(|error| StoreError::Corrupt(error.to_string()))
}
