//! What a call was answered, under its nonce: whoever lost the answer on the way gets it again, though the records have moved on since.
//!
//! **Invariant:** a call has one answer.

use otp_shared::limits::Limit;

use super::{Damaged, Packer, Unpacker};
use crate::transaction::Value;

const FORMAT: u8 = 1;

/// Of one nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The call that came with it.
    pub id: [u8; 16],
    /// What it was answered.
    pub answer: Answer,
}

/// The answer of a call that changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A request: send.
    Send {
        /// Guesses left.
        attempts_left: u32,
    },
    /// A request: do not send.
    Refused {
        /// The limit that ends last.
        limit: Limit,
        /// The Unix millisecond from which it would pass.
        until_ms: u64,
        /// What is held, and the Unix millisecond at which that ends.
        hold: Option<(Held, u64)>,
    },
    /// A right guess.
    Accepted,
    /// A wrong guess.
    Incorrect {
        /// Guesses left.
        attempts_left: u32,
    },
    /// A guess at a challenge whose guesses were used.
    Locked,
    /// A guess at a challenge that was used or has ended.
    Unknown,
}

/// Which subject of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its number.
    Phone,
    /// Its address.
    Address,
}

impl CallRecord {
    /// Reads a record.
    pub fn read(value: Option<&Value>) -> Result<Option<Self>, Damaged> {
        value.map(|value| Self::unpack(value).ok_or(Damaged("a call"))).transpose()
    }

    /// The bytes to keep.
    pub fn to_value(&self) -> Value {
        let mut packer = Packer::new(FORMAT);
        packer.bytes(&self.id);
        match self.answer {
            Answer::Send { attempts_left } => {
                packer.byte(0);
                packer.u32(attempts_left);
            }
            Answer::Refused { limit, until_ms, hold } => {
                packer.byte(1);
                packer.text(limit.name());
                packer.u48(until_ms);
                packer.byte(hold.map_or(0, |(held, _)| if held == Held::Phone { 1 } else { 2 }));
                packer.u48(hold.map_or(0, |(_, until_ms)| until_ms));
            }
            Answer::Accepted => packer.byte(2),
            Answer::Incorrect { attempts_left } => {
                packer.byte(3);
                packer.u32(attempts_left);
            }
            Answer::Locked => packer.byte(4),
            Answer::Unknown => packer.byte(5),
        }
        packer.value()
    }

    fn unpack(value: &[u8]) -> Option<Self> {
        let mut unpacker = Unpacker::new(value, FORMAT)?;
        let id = unpacker.array()?;
        let answer = match unpacker.byte()? {
            0 => Answer::Send { attempts_left: unpacker.u32()? },
            1 => unpack_refused(&mut unpacker)?,
            2 => Answer::Accepted,
            3 => Answer::Incorrect { attempts_left: unpacker.u32()? },
            4 => Answer::Locked,
            5 => Answer::Unknown,
            _ => return None,
        };
        unpacker.end(Self { id, answer })
    }
}

fn unpack_refused(unpacker: &mut Unpacker<'_>) -> Option<Answer> {
    let (name, until_ms) = (unpacker.text()?, unpacker.u48()?);
    let limit = Limit::ALL.into_iter().find(|limit| limit.name() == name)?;
    let (held, hold_until_ms) = (unpacker.byte()?, unpacker.u48()?);
    let hold = match held {
        0 => None,
        1 => Some((Held::Phone, hold_until_ms)),
        2 => Some((Held::Address, hold_until_ms)),
        _ => return None,
    };
    Some(Answer::Refused { limit, until_ms, hold })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_pinned_and_read_back() {
        let check = |answer: Answer, bytes: &str| {
            let record = CallRecord { id: [7; 16], answer };
            let message = "replicas of two versions read it: write a migration";
            assert_eq!(otp_shared::signature::hex(&record.to_value()), format!("01{}{bytes}", "07".repeat(16)), "{message}");
            assert_eq!(CallRecord::read(Some(&record.to_value())), Ok(Some(record)));
        };
        let refused = |hold| Answer::Refused { limit: Limit::RequestIp, until_ms: 9, hold };
        check(Answer::Send { attempts_left: 5 }, "0000000005");
        check(refused(None), "010a726571756573742e697000000000000900000000000000");
        check(refused(Some((Held::Phone, 8))), "010a726571756573742e697000000000000901000000000008");
        check(refused(Some((Held::Address, 8))), "010a726571756573742e697000000000000902000000000008");
        check(Answer::Accepted, "02");
        check(Answer::Incorrect { attempts_left: 4 }, "0300000004");
        check(Answer::Locked, "04");
        check(Answer::Unknown, "05");
        assert_eq!(CallRecord::read(Some(&[2; 18].as_slice().into())), Err(Damaged("a call")));
    }
}
