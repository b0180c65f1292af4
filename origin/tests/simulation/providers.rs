//! What providers do: they take a message or refuse it, and tell later what became of it.

use otp_origin::{
    clock::Clock,
    domain::evaluation::{Charged, MessageKey, Receipt, RequestCall, SendOutcome, SendReport},
};
use otp_shared::wire::{Channel, Delivery, FailureReason};

use crate::{
    model::REPORTED_SENDS,
    replica::Replica,
    scene::{Message, Scene},
    world::lock,
};

impl Scene {
    /// The provider is called; what became of it is noted, perhaps after the first receipt.
    pub async fn send(&self, call: usize, challenge: usize, replica: &Replica, request: RequestCall, charged: Charged) {
        let failures = self.habits.failures;
        let (fails, kind) = self.random(|random| (random.chance(failures), random.below(8)));
        let (key, early, again) = self.random(|random| (random.bytes(), random.chance(15), random.chance(15)));
        let at_ms = replica.clock.now_ms();
        let left = |delivery, message| SendOutcome::Left { channel: Channel::Whatsapp, delivery, message, at_ms };
        let named = kind < 6;
        let outcome = match (fails, kind) {
            (true, 0..=2) => SendOutcome::Undeliverable,
            (true, _) => SendOutcome::Failed,
            (false, _) if named => left(Delivery::Accepted, Some(MessageKey(key))),
            (false, _) => left(Delivery::Unconfirmed, None),
        };
        let is_left = matches!(outcome, SendOutcome::Left { .. });
        if is_left {
            let mut story = self.story();
            story.challenges[challenge].left = true;
            story.messages.push(Message { key: MessageKey(key), call, challenge, named });
            let may_have_failed = !named && story.challenges[challenge].told_failed;
            drop(story);
            if may_have_failed {
                lock(&self.world).model.refunding(call, false);
            }
        } else {
            lock(&self.world).model.refunding(call, outcome == SendOutcome::Failed);
        }
        if is_left && early {
            let last = self.story().messages.len() - 1;
            self.receipt(replica.index, last).await;
        }
        let answer = is_left.then(|| format!("sent-{call}"));
        if let Some(answer) = &answer {
            lock(&self.world).model.answering(call, answer);
        }
        let report = SendReport { request, charged, outcome, answer };
        for _ in 0..=usize::from(again) {
            self.record_outcome(call, replica, &report).await;
        }
    }

    async fn record_outcome(&self, call: usize, replica: &Replica, report: &SendReport) {
        let issued = self.issued();
        self.note(|| format!("call {call}: {:?}", report.outcome));
        match replica.records.record_outcome(report).await {
            Ok(()) => {
                let failed = report.outcome == SendOutcome::Failed;
                lock(&self.world).model.told_outcome(replica.teller(), call, issued, failed, report.answer.as_deref());
            }
            Err(error) => self.error(replica.index, issued, &error),
        }
    }

    /// A receipt of a message, of any kind.
    pub async fn receipt(&self, replica: usize, message: usize) {
        let message = self.story().messages[message];
        let (kind, with_challenge) = self.random(|random| (random.below(4), random.chance(70)));
        let delivery = [Delivery::Sent, Delivery::Sent, Delivery::Delivered, Delivery::Failed][kind];
        if delivery == Delivery::Failed {
            // A receipt of a message that is not known here is taken for that of the challenge's message whose name the provider has not
            // told.
            let mut story = self.story();
            story.challenges[message.challenge].told_failed = true;
            let candidates = story.messages.iter().filter(|other| other.challenge == message.challenge && !other.named);
            let calls: Vec<_> = candidates.map(|other| other.call).chain([message.call]).collect();
            drop(story);
            for call in calls {
                lock(&self.world).model.refunding(call, false);
            }
        }
        let challenge = (with_challenge || !message.named).then(|| self.story().challenges[message.challenge].key);
        let reason = (delivery == Delivery::Failed).then_some(FailureReason::Refused);
        let issued = self.issued();
        self.note(|| format!("replica {replica} gets a receipt of call {}: {delivery:?}", message.call));
        let receipt = Receipt { challenge, message: message.key, delivery, reason };
        if let Err(error) = self.replicas[replica].records.receipt(&receipt).await {
            self.error(replica, issued, &error);
        }
    }

    /// The receiver did not ask for the message.
    pub async fn report(&self, replica: usize, message: usize) {
        let message = self.story().messages[message];
        let issued = self.issued();
        self.note(|| format!("replica {replica} hears that call {} was unsolicited", message.call));
        if let Err(error) = self.replicas[replica].records.report_unsolicited(message.key, REPORTED_SENDS).await {
            self.error(replica, issued, &error);
        }
    }

    pub async fn delivery(&self, replica: usize, challenge: usize) {
        let key = self.story().challenges[challenge].key;
        let issued = self.issued();
        match self.replicas[replica].records.delivery(key).await {
            Ok(record) => lock(&self.world).model.told_delivery(replica, challenge, issued, record),
            Err(error) => self.error(replica, issued, &error),
        }
    }
}
