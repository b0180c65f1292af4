//! A fan asks for a code.
//!
//! 1. Parse: number, locale, purpose, consent, challenge. 2. Blacklist. 3. Is there a channel that could send? 4. One evaluation by the store.
//! 5. Send, on a task of its own: a fan who hangs up cancels nothing. 6. Note what became of it; known failures give limits back.

use std::{sync::Arc, time::Duration};

use otp_shared::{
    limits::Limit,
    phone::Phone,
    problem::DEFAULT_RETRY_AFTER_S,
    wire::{self, Delivery, OtpAccepted, OtpRequest},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{App, caller::Caller, delivery::state_at, refusal::Refused};
use crate::{
    channels::{Channel, Message, Refusal, Sent},
    clock,
    domain::{
        challenge::{Challenge, Purpose},
        consent,
        evaluation::{ChallengeKey, Charged, Interruption, RequestCall, RequestVerdict, SendOutcome, SendReport},
        locale::Locale,
    },
};
/// How often a evaluation is repeated because operators changed something meanwhile.
const MAX_STALE: usize = 3;

/// A request whose fields are all of their form.
struct Parsed {
    phone: Phone,
    country: otp_shared::country::Country,
    locale: Option<Locale>,
    challenge: Challenge,
    id: String,
    resend: bool,
    /// The consent version that the fan was shown, if the app told.
    consent: Option<String>,
}

/// What the store keeps for a repeat of the same idempotency key: enough to give the first answer again, and no secret.
#[derive(Serialize, Deserialize)]
struct Answer {
    key: String,
    expires_at_ms: u64,
    sent_at_ms: u64,
    channel: wire::Channel,
    delivery: Delivery,
    attempts_left: u32,
}

impl App {
    /// Judges, sends, and answers with the challenge.
    pub async fn request_code(self: &Arc<Self>, body: OtpRequest, caller: Caller) -> Result<OtpAccepted, Refused> {
        let parsed = self.parse_request(&body)?;
        let obstacle = self.sender.channels.iter().map(|channel| channel.unavailable_reason(parsed.locale.as_ref()));
        self.refuse_blacklisted(Some((parsed.phone, parsed.country)), caller.address)?;
        refuse_without_channel(obstacle)?;
        let (call, verdict) = self.evaluate_request(&parsed, &caller).await?;
        let (attempts_left, charged) = match verdict {
            RequestVerdict::Send { attempts_left, charged } => (attempts_left, charged),
            RequestVerdict::Refused { limit, retry_after_ms, hold } => return Err(Refused::Limited { limit, retry_after_ms, hold }),
            RequestVerdict::Unknown => return Err(Refused::ChallengeUnknown),
            RequestVerdict::Locked { retry_after_ms } => return Err(Refused::ChallengeLocked { retry_after_ms }),
            RequestVerdict::Interrupted(Interruption::Repeat(answer)) => return self.repeat(&answer, parsed.phone),
            RequestVerdict::Interrupted(interruption) => return Err(interrupted(&interruption)),
        };
        let app = Arc::clone(self);
        let sending = self.sender.tasks.spawn(async move { app.send(parsed, call, charged, attempts_left).await });
        sending.await.unwrap_or(Err(Refused::DeliveryUnavailable { retry_after_s: DEFAULT_RETRY_AFTER_S }))
    }

    fn parse_request(&self, body: &OtpRequest) -> Result<Parsed, Refused> {
        let (phone, country) = self.served_phone(&body.phone)?;
        let locale = body.locale.as_deref().map(Locale::parse).transpose();
        let locale = locale.map_err(|_| Refused::InvalidField("locale: a language tag such as rw or en-US"))?;
        let purpose = Purpose::parse(body.purpose.as_deref().unwrap_or("login")).ok_or(Refused::InvalidField("purpose: login"))?;
        if body.consent_version.as_ref().is_some_and(|shown| shown != consent::VERSION) {
            return Err(Refused::ConsentStale);
        }
        let now_ms = self.clock.now_ms();
        let challenge = match &body.challenge_id {
            None => {
                Challenge { key: ChallengeKey(clock::random()), expires_at_ms: now_ms + duration_ms(self.settings.challenge_ttl), purpose }
            }
            // Not whether it has ended: a repeat of an idempotency key is answered after that, too.
            Some(id) => self.secrets.challenges.parse(id, phone).ok_or(Refused::ChallengeUnknown)?,
        };
        let id = body.challenge_id.clone().unwrap_or_else(|| self.secrets.challenges.id(&challenge, phone));
        Ok(Parsed { phone, country, locale, challenge, id, resend: body.challenge_id.is_some(), consent: body.consent_version.clone() })
    }

    async fn evaluate_request(&self, parsed: &Parsed, caller: &Caller) -> Result<(RequestCall, RequestVerdict), Refused> {
        let mut call = self.request_call(parsed, caller);
        for _ in 0..MAX_STALE {
            let verdict = self.telemetry.timings.store.time(self.store.request(&call)).await?;
            if verdict != RequestVerdict::Interrupted(Interruption::StaleOperatorState) {
                return Ok((call, verdict));
            }
            self.sync_operators().await?;
            self.refuse_blacklisted(Some((parsed.phone, parsed.country)), caller.address)?;
            call = self.request_call(parsed, caller);
        }
        Err(interrupted(&Interruption::StaleOperatorState))
    }

    fn request_call(&self, parsed: &Parsed, caller: &Caller) -> RequestCall {
        let network = caller.network();
        RequestCall {
            call: caller.call(self, clock::random(), "request"),
            challenge: parsed.challenge.key,
            expires_at_ms: parsed.challenge.expires_at_ms,
            resend: parsed.resend,
            phone: self.secrets.keys.phone(parsed.phone),
            phone_hold: self.phone_hold(parsed.phone),
            address_hold: format!("address:{}", network.address),
            network,
        }
    }

    /// The subject under which a number is held: the hash that the edge looks up.
    pub fn phone_hold(&self, phone: Phone) -> String {
        format!("phone:{:016x}", self.secrets.hasher.hash(&phone).as_u64())
    }

    async fn send(
        self: Arc<Self>,
        parsed: Parsed,
        request: RequestCall,
        charged: Charged,
        attempts_left: u32,
    ) -> Result<OtpAccepted, Refused> {
        if let Some(version) = &parsed.consent {
            tracing::info!(target: "otp::consent", phone = parsed.phone.masked(), version, "asked for a code after this consent text");
        }
        let (channel, message_id) = match self.send_by_any(&parsed).await {
            Ok(left) => left,
            Err(refusals) => return Err(self.refund(request, charged, &refusals).await),
        };
        let now_ms = self.clock.now_ms();
        let delivery = if message_id.is_some() { Delivery::Accepted } else { Delivery::Unconfirmed };
        let message = message_id.map(|id| self.secrets.keys.message(&id));
        self.telemetry.counters.add("sends", if delivery == Delivery::Accepted { "accepted" } else { "unconfirmed" });
        self.telemetry.counters.add("country_sends", parsed.country.as_str());
        let answer = Answer {
            key: otp_shared::signature::hex(&parsed.challenge.key.0),
            expires_at_ms: parsed.challenge.expires_at_ms,
            sent_at_ms: now_ms,
            channel,
            delivery,
            attempts_left,
        };
        let accepted = self.accepted(&answer, parsed.id);
        let answer = serde_json::to_string(&answer).expect("a struct of strings and numbers serialises");
        let report =
            SendReport { request, charged, outcome: SendOutcome::Left { channel, delivery, message, at_ms: now_ms }, answer: Some(answer) };
        let app = Arc::clone(&self);
        self.sender.tasks.spawn(async move { app.record_outcome(report).await });
        Ok(accepted)
    }

    /// The first channel that takes it, and the provider's name for the message if its answer was not lost. What a channel refused did not leave, so the next
    /// one makes no second message; the error is why each of them refused.
    async fn send_by_any(&self, parsed: &Parsed) -> Result<(wire::Channel, Option<String>), Vec<Refusal>> {
        let mut refusals = Vec::new();
        let Some(code) = self.secrets.challenges.code(&parsed.id, &parsed.challenge, parsed.phone) else { return Err(refusals) };
        let left_ms = parsed.challenge.expires_at_ms.saturating_sub(self.clock.now_ms());
        let message = Message {
            to: parsed.phone,
            code,
            locale: parsed.locale.clone(),
            reference: otp_shared::signature::hex(&parsed.challenge.key.0),
            lifetime: Duration::from_millis(left_ms),
        };
        let deadline = Instant::now() + self.settings.send_deadline;
        for channel in self.in_order(parsed).await {
            if let Some(obstacle) = channel.unavailable_reason(parsed.locale.as_ref()) {
                refusals.push(obstacle);
                continue;
            }
            let sending = channel.send(&message, deadline.saturating_duration_since(Instant::now()));
            match self.telemetry.timings.send.time(sending).await {
                Sent::Accepted { message_id } => return Ok((channel.name(), Some(message_id))),
                Sent::Unconfirmed => return Ok((channel.name(), None)),
                Sent::Refused(refusal) => refusals.push(refusal),
            }
        }
        Err(refusals)
    }

    /// The channels in the order to try them. When the challenge's last message is known to have failed, another channel comes first.
    async fn in_order(&self, parsed: &Parsed) -> Vec<&Arc<dyn Channel>> {
        let mut channels: Vec<_> = self.sender.channels.iter().collect();
        if parsed.resend && channels.len() > 1 {
            let failed = self.failed_channel(parsed.challenge.key).await;
            channels.sort_by_key(|channel| Some(channel.name()) == failed);
        }
        channels
    }

    /// The channel over which the challenge's newest message failed.
    async fn failed_channel(&self, challenge: ChallengeKey) -> Option<wire::Channel> {
        // A store that does not answer costs the better guess, not the send.
        let record = self.store.delivery(challenge).await.ok()??;
        let state = state_at(&record, self.sender.whatsapp.template_ttl_s(), self.clock.now_ms());
        (state.delivery == Delivery::Failed).then_some(state.channel)
    }

    /// Nothing left: the limits are given back. One channel that cannot reach the number decides how much: otherwise numbers could be tried without end while
    /// another channel is out of service.
    async fn refund(&self, request: RequestCall, charged: Charged, refusals: &[Refusal]) -> Refused {
        let undeliverable = refusals.contains(&Refusal::Undeliverable);
        let outcome = if undeliverable { SendOutcome::Undeliverable } else { SendOutcome::Failed };
        let refused = told(refusals);
        self.telemetry.counters.add(
            "sends",
            match refused {
                _ if undeliverable => "undeliverable",
                Refused::TemplateNotApproved => "template",
                _ => "failed",
            },
        );
        self.record_outcome(SendReport { request, charged, outcome, answer: None }).await;
        refused
    }

    async fn record_outcome(&self, report: SendReport) {
        if let Err(error) = self.store.record_outcome(&report).await {
            self.telemetry.counters.add("errors", "settle");
            tracing::warn!(target: "otp::request", %error, "what became of a send could not be noted");
        }
    }

    fn repeat(&self, answer: &str, phone: Phone) -> Result<OtpAccepted, Refused> {
        let answer: Answer = serde_json::from_str(answer).map_err(|_| Refused::ChallengeUnknown)?;
        let key = otp_shared::signature::unhex(&answer.key).ok_or(Refused::ChallengeUnknown)?;
        let challenge = Challenge { key: ChallengeKey(key), expires_at_ms: answer.expires_at_ms, purpose: Purpose::Login };
        Ok(self.accepted(&answer, self.secrets.challenges.id(&challenge, phone)))
    }

    /// The 202, with durations as of now.
    fn accepted(&self, answer: &Answer, challenge_id: String) -> OtpAccepted {
        let now_ms = self.clock.now_ms();
        let resend_at_ms = answer.sent_at_ms + self.settings.quotas.of(Limit::RequestPhoneCooldown).window_ms();
        OtpAccepted {
            challenge_id,
            channel: answer.channel,
            delivery: answer.delivery,
            expires_in_s: answer.expires_at_ms.saturating_sub(now_ms).div_ceil(1000),
            resend_in_s: resend_at_ms.saturating_sub(now_ms).div_ceil(1000),
            attempts_left: answer.attempts_left,
        }
    }
}

/// Before any limit is charged: whether every channel has an obstacle.
fn refuse_without_channel(obstacles: impl Iterator<Item = Option<Refusal>>) -> Result<(), Refused> {
    let obstacles: Option<Vec<_>> = obstacles.collect();
    match obstacles {
        None => Ok(()),
        Some(obstacles) if obstacles.first() == Some(&Refusal::TemplateNotApproved) => Err(Refused::TemplateNotApproved),
        Some(obstacles) => Err(told(&obstacles)),
    }
}

/// What a fan is told when every channel refused: the shortest wait, if waiting helps at all.
fn told(refusals: &[Refusal]) -> Refused {
    let waits = refusals.iter().filter_map(|refusal| match refusal {
        Refusal::Unavailable { retry_after_s } => Some(*retry_after_s),
        Refusal::Undeliverable | Refusal::TemplateNotApproved => None,
    });
    match waits.min() {
        Some(retry_after_s) => Refused::DeliveryUnavailable { retry_after_s },
        None if refusals.contains(&Refusal::Undeliverable) => Refused::Undeliverable,
        None if refusals.is_empty() => Refused::DeliveryUnavailable { retry_after_s: DEFAULT_RETRY_AFTER_S },
        None => Refused::TemplateNotApproved,
    }
}

/// Those interruptions that are refusals.
pub(super) fn interrupted(interruption: &Interruption) -> Refused {
    match interruption {
        Interruption::Replayed => Refused::Replayed,
        Interruption::InProgress => Refused::InProgress,
        Interruption::Mismatch => Refused::IdempotencyMismatch,
        Interruption::StaleOperatorState | Interruption::Repeat(_) => {
            Refused::Store(crate::store::StoreError::Unavailable("the operator state keeps changing".to_owned()))
        }
    }
}

/// Milliseconds of a configured duration.
pub fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Refusal = Refusal::Unavailable { retry_after_s: 5 };
    const TOMORROW: Refusal = Refusal::Unavailable { retry_after_s: 80_000 };

    #[test]
    fn the_shortest_wait_is_told() {
        assert_eq!(told(&[BUSY, TOMORROW]), Refused::DeliveryUnavailable { retry_after_s: 5 });
        assert_eq!(told(&[TOMORROW, BUSY]), Refused::DeliveryUnavailable { retry_after_s: 5 });
        assert_eq!(told(&[Refusal::Undeliverable, TOMORROW]), Refused::DeliveryUnavailable { retry_after_s: 80_000 });
        assert_eq!(told(&[Refusal::TemplateNotApproved, Refusal::Undeliverable]), Refused::Undeliverable);
        assert_eq!(told(&[Refusal::TemplateNotApproved]), Refused::TemplateNotApproved);
    }

    #[test]
    fn one_channel_without_an_obstacle_is_enough() {
        assert_eq!(refuse_without_channel([Some(BUSY), None].into_iter()), Ok(()));
        assert_eq!(
            refuse_without_channel([Some(TOMORROW), Some(BUSY)].into_iter()),
            Err(Refused::DeliveryUnavailable { retry_after_s: 5 })
        );
        let unapproved = Some(Refusal::TemplateNotApproved);
        assert_eq!(refuse_without_channel([unapproved, Some(TOMORROW)].into_iter()), Err(Refused::TemplateNotApproved));
    }
}
