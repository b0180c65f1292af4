//! Every minute: the keys that ops wrote by hand become one snapshot. What it holds is [`crate::hand`]'s.
//!
//! **Invariant:** the old snapshot stays unless a complete listing says otherwise.

use std::rc::Rc;

use worker::Env;

use super::{
    clock::now_s,
    console,
    kv::{Failed, Kv},
};
use crate::{
    config::Config,
    hand::Hand,
    log::{Level, Line},
    snapshots::Source,
};

/// Gathers and, when something changed, writes.
pub async fn run(env: &Env, config: &Rc<Config>) {
    match gather(&Kv::of(env), config).await {
        Ok(hand) if hand.unreadable() > 0 => {
            console::write(Line::new(Level::Warn, "hand_unreadable").count("keys", hand.unreadable() as u64));
        }
        Ok(_) => {}
        Err(Failed) => console::write(Line::new(Level::Warn, "hand_failed")),
    }
}

async fn gather(kv: &Kv, config: &Config) -> Result<Hand, Failed> {
    let hand = Hand::read(kv.hand().await?);
    let key = Source::Hand.kv_key();
    let stored = kv.read(key).await?;
    if let Some(bytes) = hand.changed(stored, config.keys.hasher(), now_s()) {
        kv.write(key, &bytes).await?;
        console::write(Line::new(Level::Info, "hand_written").count("bytes", bytes.len() as u64));
    }
    Ok(hand)
}
