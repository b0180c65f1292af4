//! What operators do, one use case a file. The page and the JSON API both call these and nothing else.
//!
//! - change something: `block`, `unblock`, `import`, `adopt`, `authorise`, `revoke`, `lift_hold`, `reveal`
//! - look at something: `list`, `export`, `audit`, `look_up`, `dashboard`, `propagation`, `manual_kv`
//! - `fields` and `names` parse what operators write
//! - `state`, `changes`, `sync`: this replica's copy of the operator state, how it changes, and how copies meet.
//!   The rule by which copies merge is `domain::operator`'s
//!
//! **Invariant:** whoever calls a use case has proved to be an operator; `actor` is the name of the token.

pub mod adopt;
pub mod audit;
pub mod authorise;
pub mod block;
mod changes;
pub mod csv;
pub mod dashboard;
pub mod export;
mod fields;
pub mod import;
pub mod lift_hold;
pub mod list;
pub mod look_up;
pub mod manual_kv;
pub mod names;
pub mod propagation;
pub mod reveal;
pub mod revoke;
mod state;
mod sync;
pub mod unblock;
pub mod wrong_token;

pub use changes::{Changed, ChangedMany, ProposedChange, Stored};
pub use fields::page_size;
pub use state::{Operators, add_blacklist};
pub use sync::{LastCopy, exchange};
