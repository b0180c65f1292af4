//! The keys of the edge's Workers KV namespace, `OTP_KV`. One writer a key.
//!
//! Not the values: those of the snapshots are in [`crate::snapshot`], the operator copies are the origin's and opaque to the edge.

/// What the origin publishes: blacklist and holds, as a [`Snapshot`](crate::snapshot::Snapshot). Written through the edge's signed endpoint.
pub const KV_SNAPSHOT_ORIGIN: &str = "snapshot:origin";
/// What ops wrote by hand, gathered from [`KV_BLACKLIST_PREFIX`] by the Worker's cron, in the same format.
pub const KV_SNAPSHOT_HAND: &str = "snapshot:hand";
/// Before a replica's name: its sealed copy of the operator state.
pub const KV_OPERATOR_PREFIX: &str = "operator:";
/// Before a kind and a value: an entry that ops wrote by hand, see [`Subject::kv_key`](crate::subject::Subject::kv_key).
pub const KV_BLACKLIST_PREFIX: &str = "blacklist:";

/// The key of one replica's copy of the operator state.
pub fn operator_key(replica: &str) -> String {
    format!("{KV_OPERATOR_PREFIX}{replica}")
}

/// The replica whose copy the key holds; `None` for any other key.
pub fn operator_replica(key: &str) -> Option<&str> {
    key.strip_prefix(KV_OPERATOR_PREFIX).filter(|replica| !replica.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_already_in_the_store() {
        let keys = [KV_SNAPSHOT_ORIGIN, KV_SNAPSHOT_HAND, KV_OPERATOR_PREFIX, KV_BLACKLIST_PREFIX];
        assert_eq!(keys, ["snapshot:origin", "snapshot:hand", "operator:", "blacklist:"], "stored keys: write a migration");
    }

    #[test]
    fn an_operator_key_gives_its_replica_back() {
        assert_eq!(operator_key("backend-7d4f-x2x9q"), "operator:backend-7d4f-x2x9q");
        assert_eq!(operator_replica("operator:backend-7d4f-x2x9q"), Some("backend-7d4f-x2x9q"));
        assert_eq!(operator_replica("operator:"), None);
        assert_eq!(operator_replica("snapshot:origin"), None);
    }
}
