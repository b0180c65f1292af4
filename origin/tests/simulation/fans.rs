//! What fans do: each function is one call with what follows it, and tells the model what came of it.

use std::sync::Arc;

use otp_origin::{
    clock::Clock,
    domain::evaluation::{Call, ChallengeKey, Idempotency, Interruption, PhoneKey, RequestCall, RequestVerdict, VerifyCall, VerifyVerdict},
};

use crate::{
    executor::pause,
    model::{Asked, CallInfo, Issued, Progress, answer_text},
    scene::{Ask, Challenge, Scene, name, network},
    world::lock,
};

/// As often as the origin judges again because operators changed something.
const MAX_STALE: usize = 3;

impl Scene {
    fn new_challenge(&self, ask: Ask) -> usize {
        let life_ms = self.random(|random| random.between(60, 300)) * 1000;
        let now_ms = self.replicas[ask.replica].clock.now_ms();
        let mut story = self.story();
        let key = ChallengeKey(name(1, story.challenges.len()));
        let (phone, address) = (ask.phone, ask.address);
        story.challenges.push(Challenge { key, expires_at_ms: now_ms + life_ms, phone, address, left: false, told_failed: false });
        story.challenges.len() - 1
    }

    /// A fan asks for a code; what is sent is noted. What the fan is told in the end, and whether the store told it.
    pub async fn ask(self: &Arc<Self>, ask: Ask) -> Option<(RequestVerdict, bool)> {
        let replica = &self.replicas[ask.replica];
        let number = ask.resend.unwrap_or_else(|| self.new_challenge(ask));
        let challenge = self.story().challenges[number].clone();
        for _ in 0..MAX_STALE {
            let call = RequestCall {
                call: self.new_call(replica, ask.idempotency, ask.nonce),
                challenge: challenge.key,
                expires_at_ms: challenge.expires_at_ms,
                resend: ask.resend.is_some(),
                phone: PhoneKey(name(2, ask.phone)),
                network: network(ask.address),
                phone_hold: format!("phone:{}", ask.phone),
                address_hold: format!("address:{}", ask.address),
            };
            let at = lock(&self.world).model.call(info(&call.call, Asked::Send, ask.phone, ask.address, number, challenge.expires_at_ms));
            self.note(|| format!("call {at}: replica {} is asked for a code, {ask:?}", ask.replica));
            let (issued, held) = (self.issued(), lock(&self.world).model.held());
            let basis = self.basis(replica, &call.call);
            let verdict = match replica.records.request(&call).await {
                Ok(verdict) => verdict,
                Err(error) => {
                    self.error(ask.replica, issued, &error);
                    return None;
                }
            };
            let teller = replica.teller();
            self.note(|| format!("call {at}: {verdict:?} ({})", if teller.connected { "store" } else { "memory" }));
            lock(&self.world).model.told_request(teller, at, &verdict);
            if matches!(verdict, RequestVerdict::Send { .. }) {
                self.check_basis(replica, &basis, at);
                lock(&self.world).model.check_not_held(at, &held, teller.clock_ms);
            }
            if verdict == RequestVerdict::Interrupted(Interruption::StaleOperatorState) {
                if let Err(error) = replica.sync().await {
                    self.error(ask.replica, issued, &error);
                    return None;
                }
                continue;
            }
            if let RequestVerdict::Send { charged, .. } = &verdict {
                self.send(at, number, replica, call, charged.clone()).await;
            }
            return Some((verdict, teller.connected));
        }
        None
    }

    /// A fan types a code.
    pub async fn guess(
        &self,
        replica: usize,
        challenge: usize,
        correct: bool,
        idempotency: Option<Idempotency>,
        nonce: Option<[u8; 16]>,
    ) -> Option<VerifyVerdict> {
        let about = self.story().challenges[challenge].clone();
        for _ in 0..MAX_STALE {
            let call = self.new_call(&self.replicas[replica], idempotency, nonce);
            let at = lock(&self.world).model.call(info(
                &call,
                Asked::Guess { correct },
                about.phone,
                about.address,
                challenge,
                about.expires_at_ms,
            ));
            let call = VerifyCall {
                answer: answer_text(&call.id),
                call,
                challenge: about.key,
                expires_at_ms: about.expires_at_ms,
                correct,
                phone: PhoneKey(name(2, about.phone)),
                network: network(about.address),
            };
            self.story().guesses.push((at, call.clone()));
            let basis = self.basis(&self.replicas[replica], &call.call);
            let verdict = self.verify(replica, at, &call).await?;
            if matches!(verdict, VerifyVerdict::Accepted | VerifyVerdict::Incorrect { .. }) {
                self.check_basis(&self.replicas[replica], &basis, at);
            }
            if verdict != VerifyVerdict::Interrupted(Interruption::StaleOperatorState) {
                return Some(verdict);
            }
            let issued = self.issued();
            if let Err(error) = self.replicas[replica].sync().await {
                self.error(replica, issued, &error);
                return None;
            }
        }
        None
    }

    /// The same guess under the same id.
    pub async fn verify_again(&self, replica: usize, at: usize, call: &VerifyCall) {
        lock(&self.world).model.calls[at].is_repeated = true;
        self.verify(replica, at, call).await;
    }

    pub async fn verify(&self, replica: usize, at: usize, call: &VerifyCall) -> Option<VerifyVerdict> {
        self.note(|| format!("call {at}: replica {replica} gets a guess, {}", if call.correct { "right" } else { "wrong" }));
        let issued = self.issued();
        match self.replicas[replica].records.verify(call).await {
            Ok(verdict) => {
                let teller = self.replicas[replica].teller();
                self.note(|| format!("call {at}: {verdict:?} ({})", if teller.connected { "store" } else { "memory" }));
                lock(&self.world).model.told_verify(teller, at, &verdict);
                Some(verdict)
            }
            Err(error) => {
                self.error(replica, issued, &error);
                None
            }
        }
    }

    /// Asks, and if that is refused waits for exactly as long as was told, and asks again.
    pub async fn come_back(self: &Arc<Self>, ask: Ask) {
        let Some((RequestVerdict::Refused { limit, retry_after_ms, .. }, by_store)) = self.ask(ask).await else { return };
        self.pass_ms(retry_after_ms);
        pause(1).await;
        let Some((verdict, by_store_again)) = self.ask(ask).await else { return };
        let passed = matches!(verdict, RequestVerdict::Send { .. }) || by_store != by_store_again;
        lock(&self.world)
            .model
            .check(passed, || format!("4. {} told to come back in {retry_after_ms} ms, and then refused: {verdict:?}", limit.name()));
    }

    /// The same with wrong guesses.
    pub async fn guess_again_in_time(&self, replica: usize, challenge: usize) {
        let mut refused = None;
        for _ in 0..8 {
            match self.guess(replica, challenge, false, None, None).await {
                Some(VerifyVerdict::Refused { retry_after_ms, .. }) => {
                    refused = Some(retry_after_ms);
                    break;
                }
                Some(_) => {}
                None => return,
            }
        }
        let Some(retry_after_ms) = refused else { return };
        self.pass_ms(retry_after_ms);
        let verdict = self.guess(replica, challenge, false, None, None).await;
        let passed = !matches!(verdict, Some(VerifyVerdict::Refused { .. }));
        lock(&self.world).model.check(passed, || format!("4. a guess was told to come back in {retry_after_ms} ms, and then refused"));
    }
}

fn info(call: &Call, asked: Asked, phone: usize, address: usize, challenge: usize, expires_at_ms: u64) -> CallInfo {
    CallInfo {
        asked,
        id: call.id,
        nonce: call.nonce,
        phone,
        address,
        challenge,
        expires_at_ms,
        idempotency: call.idempotency.map(|idempotency| idempotency.key),
        issued: Issued::default(),
        refunded: false,
        given_back: None,
        counted: None,
        progress: Progress::Open,
        is_repeated: false,
    }
}
