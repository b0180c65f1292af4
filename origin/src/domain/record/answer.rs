//! What repeats of an idempotency key get.
//!
//! **Invariant:** a key belongs to one body; an answer that was given stays the answer.

use super::{Damaged, Packer, Unpacker};
use crate::transaction::Value;

const FORMAT: u8 = 1;

/// Of one idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnswerRecord {
    /// How far the first call got.
    pub progress: Progress,
    /// Hash of the body that the key came with.
    pub body: [u8; 16],
}

/// How far the first call with an idempotency key got.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Not answered yet.
    InFlight {
        /// The call's id.
        call: [u8; 16],
    },
    /// It failed: a repeat tries again.
    Failed {
        /// The call's id.
        call: [u8; 16],
    },
    /// What repeats get.
    Answered(String),
}

impl AnswerRecord {
    /// Reads a record.
    pub fn read(value: Option<&Value>) -> Result<Option<Self>, Damaged> {
        value.map(|value| Self::unpack(value).ok_or(Damaged("an answer"))).transpose()
    }

    /// The bytes to keep.
    pub fn to_value(&self) -> Value {
        let mut packer = Packer::new(FORMAT);
        packer.bytes(&self.body);
        match &self.progress {
            Progress::InFlight { call } => {
                packer.byte(0);
                packer.bytes(call);
            }
            Progress::Failed { call } => {
                packer.byte(1);
                packer.bytes(call);
            }
            Progress::Answered(answer) => {
                packer.byte(2);
                packer.bytes(answer.as_bytes());
            }
        }
        packer.value()
    }

    fn unpack(value: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(value, FORMAT)?;
        let body = unpacker.array()?;
        let progress = match unpacker.byte()? {
            0 => Progress::InFlight { call: unpacker.array()? },
            1 => Progress::Failed { call: unpacker.array()? },
            2 => Progress::Answered(String::from_utf8(unpacker.rest().to_vec()).ok()?),
            _ => return None,
        };
        unpacker.end(Self { progress, body })
    }

    /// What two copies know together: an answer before a failure before a call in flight.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned_and_read_back() {
        let check = |progress: Progress, bytes: &str| {
            let record = AnswerRecord { progress, body: [7; 16] };
            let message = "replicas of two versions read it: write a migration";
            assert_eq!(otp_shared::signature::hex(&record.to_value()), format!("01{}{bytes}", "07".repeat(16)), "{message}");
            assert_eq!(AnswerRecord::read(Some(&record.to_value())), Ok(Some(record)));
        };
        check(Progress::InFlight { call: [1; 16] }, &format!("00{}", "01".repeat(16)));
        check(Progress::Failed { call: [1; 16] }, &format!("01{}", "01".repeat(16)));
        check(Progress::Answered("hi".to_owned()), "026869");
        assert_eq!(AnswerRecord::read(Some(&[1, 2].as_slice().into())), Err(Damaged("an answer")));
    }

    #[test]
    fn an_answer_that_was_given_stays() {
        let record = |progress| AnswerRecord { progress, body: [7; 16] };
        let (answered, failed) = (record(Progress::Answered("hi".to_owned())), record(Progress::Failed { call: [1; 16] }));
        assert_eq!(failed.clone().merge(answered.clone()), answered);
        assert_eq!(answered.clone().merge(failed), answered);
    }
}
