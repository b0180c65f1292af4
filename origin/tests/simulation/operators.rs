//! What operators do, and sessions: blocks, lifted holds, sign-outs.

use otp_origin::{clock::Clock, domain::operator::Target};

use crate::{scene::Scene, world::lock};

impl Scene {
    pub async fn sign_out(&self, replica: usize) {
        let session = {
            let mut story = self.story();
            let session = format!("session-{}", story.sessions.len());
            story.sessions.push(session.clone());
            session
        };
        let issued = self.issued();
        self.note(|| format!("replica {replica}: {session} signs out"));
        let until_ms = self.replicas[replica].clock.now_ms() + 100 * 86_400_000;
        match self.replicas[replica].records.revoke(&session, until_ms).await {
            Ok(()) => lock(&self.world).model.told_sign_out(replica, &session),
            Err(error) => self.error(replica, issued, &error),
        }
    }

    pub async fn check_session(&self, replica: usize, session: usize) {
        let session = self.story().sessions[session].clone();
        // As of now: what is told while this call is on its way, it need not know.
        let must_know = self.must_know_sign_out(replica, &session);
        let own = lock(&self.world).model.is_signed_out(replica, None, &session);
        let (issued, server) = (self.issued(), self.replicas[replica].remote.server());
        match self.replicas[replica].records.revoked(&session).await {
            Ok(revoked) => {
                let same = self.replicas[replica].remote.server() == server && lock(&self.world).model.faults == issued.faults;
                self.note(|| format!("replica {replica}: is {session} signed out? {revoked}"));
                let mut world = lock(&self.world);
                world
                    .model
                    .check(revoked || !(own || same && must_know), || format!("6. replica {replica} forgot that {session} signed out"));
            }
            Err(error) => self.error(replica, issued, &error),
        }
    }

    fn must_know_sign_out(&self, replica: usize, session: &str) -> bool {
        let server = self.replicas[replica].remote.server();
        let world = lock(&self.world);
        world.model.is_signed_out(replica, server.map(|server| &world.servers[server].known), session)
    }

    /// An operator blocks or unblocks somebody.
    pub async fn change(&self, replica: usize, subject: usize, present: bool) {
        let id = self.random(|random| format!("{:016x}", random.next()));
        let target = Target::Blacklist { kind: "phone".into(), value: format!("+25078812345{subject}") };
        self.note(|| format!("replica {replica}: an operator {} {subject}", if present { "blocks" } else { "unblocks" }));
        match self.replicas[replica].change(target, present, id).await {
            Ok(change) => self.story().changes.push(change),
            Err((change, _)) => self.story().doubtful.push(change),
        }
    }

    pub async fn read_operators(&self, replica: usize) {
        let issued = self.issued();
        if let Err(error) = self.replicas[replica].keep_in_sync().await {
            self.error(replica, issued, &error);
        }
    }

    pub async fn holds(&self, replica: usize, lift: bool) {
        let (issued, held) = (self.issued(), lock(&self.world).model.held());
        let holds = match self.replicas[replica].records.holds().await {
            Ok(holds) => holds,
            Err(error) => return self.error(replica, issued, &error),
        };
        let now_ms = self.replicas[replica].teller().clock_ms;
        lock(&self.world).model.told_holds(&holds, &held, issued, now_ms);
        let Some(first) = holds.first().filter(|_| lift) else { return };
        self.note(|| format!("replica {replica}: the hold of {} is lifted", first.subject));
        let issued = self.issued();
        lock(&self.world).model.lifting(&first.subject);
        match self.replicas[replica].records.lift_hold(&first.subject).await {
            Ok(_) => lock(&self.world).model.lifted(&first.subject, issued),
            Err(error) => self.error(replica, issued, &error),
        }
    }
}
