//! What a call costs Redis: commands, keys and bytes, counted by Redis itself, on a replica as it runs in production.

use ::redis::{Commands, Connection, cmd};

use super::{Fixture, LEFT, fresh, guess, on_fallback::connected, wide};
use crate::domain::evaluation::{Call, MessageKey, RequestCall, SendOutcome, VerifyCall};
use crate::store::contract::server::{Server, commands};

const CALLS: u8 = 50;
const OF_A_SEND: u64 = 16;
const OF_A_VERIFY: u64 = 8;
const KEYS_OF_A_SEND: usize = 4;
const BYTES_OF_A_SEND: u64 = 700;

/// A replica of a fleet that has operator state, and its version.
async fn in_service(server: &Server) -> (Fixture, u64) {
    let fixture = connected(server, wide()).await;
    let version = fixture.records.merge_operator(&[]).await.expect("it answers");
    (fixture, version)
}

fn ask(fixture: &Fixture, phone: u8, operator_version: u64) -> RequestCall {
    let asked = fixture.ask(phone);
    RequestCall { call: Call { operator_version, ..asked.call.clone() }, ..asked }
}

async fn send(fixture: &Fixture, asked: &RequestCall) {
    fixture.sent(asked).await;
    let SendOutcome::Left { channel, delivery, at_ms, .. } = LEFT else { unreachable!("it left") };
    let left = SendOutcome::Left { channel, delivery, message: Some(MessageKey(fresh())), at_ms };
    fixture.record_outcome(asked, left, None).await;
}

/// All commands since they were last counted, in scripts too, and those of the pings in between.
fn since(connection: &mut Connection) -> u64 {
    let counted = commands(connection);
    println!("{counted:?}");
    let _: () = cmd("CONFIG").arg("RESETSTAT").query(connection).expect("it answers");
    counted.iter().filter(|(name, _)| !["info", "config|resetstat"].contains(&name.as_str())).map(|(_, calls)| calls).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_and_a_verify_run_few_commands() {
    let server = Server::start(&[]);
    let (fixture, version) = in_service(&server).await;
    let mut connection = server.connection();
    since(&mut connection);
    let asked: Vec<_> = (0..CALLS).map(|phone| ask(&fixture, phone, version)).collect();
    for asked in &asked {
        send(&fixture, asked).await;
    }
    // Fewer pings than calls.
    assert!(since(&mut connection) / u64::from(CALLS) <= OF_A_SEND);
    for asked in &asked {
        let right = guess(asked, true);
        fixture.verify(&VerifyCall { call: Call { operator_version: version, ..right.call.clone() }, ..right }).await;
    }
    assert!(since(&mut connection) / u64::from(CALLS) <= OF_A_VERIFY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_leaves_few_keys_and_bytes() {
    let server = Server::start(&[]);
    let (fixture, version) = in_service(&server).await;
    let asked = ask(&fixture, 1, version);
    send(&fixture, &RequestCall { challenge: crate::domain::evaluation::ChallengeKey([0xab; 16]), ..asked }).await;
    let mut connection = server.connection();
    let keys: Vec<String> = connection.scan_match("otp:*").expect("it answers").map(|key| key.expect("a text")).collect();
    let own: Vec<_> = keys.into_iter().filter(|key| !key.contains(":cell:") && !key.contains(":recipients")).collect();
    let bytes =
        own.iter().map(|key| -> u64 { cmd("MEMORY").arg("USAGE").arg(key).query(&mut connection).expect("it answers") }).sum::<u64>();
    println!("{own:?}: {bytes} bytes");
    assert!(own.len() <= KEYS_OF_A_SEND && bytes <= BYTES_OF_A_SEND);
}
