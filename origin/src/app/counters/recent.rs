//! What was counted lately, so that a repetition is not counted again. Approximate: hashes, and only the newest of them.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
};

/// How many are remembered: 16 bytes each.
const KEPT: usize = 20_000;

/// The newest things that were counted.
#[derive(Debug, Default)]
pub struct Recent {
    hasher: RandomState,
    known: HashSet<u64>,
    in_order: VecDeque<u64>,
}

impl Recent {
    /// Whether this is seen for the first time, as far as is remembered.
    pub fn is_new(&mut self, thing: &impl Hash) -> bool {
        let hash = self.hasher.hash_one(thing);
        if !self.known.insert(hash) {
            return false;
        }
        self.in_order.push_back(hash);
        if self.in_order.len() > KEPT
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_remembered() {
        let mut recent = Recent::default();
        assert!(recent.is_new(&"first"));
        assert!(!recent.is_new(&"first"));
        assert!((0..KEPT).all(|number| recent.is_new(&number)));
        assert_eq!(recent.known.len(), KEPT);
        assert!(recent.is_new(&"first"), "it was the oldest");
    }
}
