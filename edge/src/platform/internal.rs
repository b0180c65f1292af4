//! The origin's signed calls, carried out on KV. What they are and when they conflict is [`crate::internal`]'s.

use otp_shared::{
    kv::{KV_OPERATOR_PREFIX, operator_key},
    problem::ProblemCode,
};

use super::{
    Call,
    clock::now_s,
    http::{self, SignatureHeaders},
    kv::{Failed, Kv},
    memory,
};
use crate::{
    config::Config,
    hand::Hand,
    internal::{self, Copies, Internal, newer_copy, newer_snapshot, stored, stored_version},
    refusal::{Refusal, Reply},
    snapshots::Source,
};

impl From<Failed> for Refusal {
    fn from(_: Failed) -> Self {
        Self::new(ProblemCode::Internal, "KV did not answer, or not in time.").because("kv")
    }
}

/// Answers a call. The signature is checked before the body is read, and again with it.
pub async fn serve(call: &Call, config: &Config, internal: Internal) -> Result<Reply, Refusal> {
    let signature = SignatureHeaders::of(&call.request);
    internal::verify_headers(&config.keys, &call.facts, &signature.claimed(), now_s())?;
    let body = http::body(&call.request, &call.facts).await?;
    internal::verify(&config.keys, &call.facts, &body, &signature.claimed(), now_s())?;
    let kv = Kv::of(&call.env);
    match internal {
        Internal::PutSnapshot => put_snapshot(&kv, body).await,
        Internal::PutCopy(replica) => put_copy(&kv, call, &replica, body).await,
        Internal::Copies => copies(&kv).await,
        Internal::Hand => hand(&kv).await,
    }
}

/// This isolate knows it at once; the others read it from KV.
async fn put_snapshot(kv: &Kv, body: Vec<u8>) -> Result<Reply, Refusal> {
    let key = Source::Origin.kv_key();
    let in_kv = stored_version(kv.read(key).await?);
    let mine = memory::isolate(|isolate| isolate.snapshots.version(Source::Origin));
    let snapshot = newer_snapshot(body, in_kv.max(mine))?;
    kv.write(key, snapshot.as_bytes()).await?;
    let version = snapshot.version();
    memory::isolate(|isolate| isolate.snapshots.install(Source::Origin, snapshot));
    Ok(Reply::json(stored(version)))
}

async fn put_copy(kv: &Kv, call: &Call, replica: &str, body: Vec<u8>) -> Result<Reply, Refusal> {
    let key = operator_key(replica);
    let in_kv = kv.read(&key).await?;
    let copy = newer_copy(&call.facts, body, in_kv.as_deref())?;
    kv.write(&key, &copy.encode()).await?;
    Ok(Reply::json(stored(copy.version)))
}

/// All copies or a failure: a replica that recovers from these must not take some for all.
async fn copies(kv: &Kv) -> Result<Reply, Refusal> {
    let mut copies = Copies::default();
    for key in kv.list(KV_OPERATOR_PREFIX).await? {
        // A key that expired or was deleted since the listing has no copy.
        let Some(value) = kv.read(&key.name).await? else { continue };
        if !copies.add(&key.name, &value) {
            memory::isolate(|isolate| isolate.counters.error("operator_copy_damaged"));
        }
    }
    Ok(Reply::json(copies.finish()))
}

async fn hand(kv: &Kv) -> Result<Reply, Refusal> {
    let hand = Hand::read(kv.hand().await?);
    let in_kv = kv.read(Source::Hand.kv_key()).await?;
    Ok(Reply::json(hand.view(in_kv)))
}
