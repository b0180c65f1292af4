//! What a replica believes, and is wrong about: it is never told, only decided on and then compared.

use std::{panic::AssertUnwindSafe, sync::Arc};

use ::redis::{Commands, Connection};
use futures_util::FutureExt as _;
use otp_shared::limits::Limit;
use tokio::task::JoinSet;

use super::{Fixture, again, disturbances::Disturbances, guess, on_fallback::replica, on_redis::wait_until, only, resend};
use crate::store::contract::server::Server;
use crate::{
    domain::evaluation::{Quotas, RequestVerdict, VerifyVerdict},
    store::StoreState,
};

/// Two replicas that stay connected to one Redis.
async fn at_two_replicas(quotas: Quotas, case: impl AsyncFn(Connection, [Fixture; 2])) {
    let disturbances = Disturbances::default();
    loop {
        let server = Server::start(&[]);
        let replicas = [1, 2].map(|slot| replica(&server, slot, quotas.clone(), 2));
        for replica in &replicas {
            wait_until(&replica.records, StoreState::Connected).await;
        }
        let connection = server.connection();
        disturbances.watch(&server);
        let tried = AssertUnwindSafe(case(connection, replicas)).catch_unwind().await;
        disturbances.check(&server);
        match tried {
            Ok(()) => return,
            Err(_) if disturbances.take() => {}
            Err(failure) => std::panic::resume_unwind(failure),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_replica_committed_is_told() {
    at_two_replicas(only(Limit::RequestPhoneHour, "2/1h"), async |_, [one, other]| {
        let asked = one.ask(1);
        one.sent(&asked).await;
        other.sent(&again(&asked)).await;
        one.refused(&again(&asked)).await;
        assert_eq!(other.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 4 });
        assert_eq!(one.verify(&guess(&asked, false)).await, VerifyVerdict::Incorrect { attempts_left: 3 });
        assert_eq!(other.verify(&guess(&asked, true)).await, VerifyVerdict::Accepted);
        assert_eq!(one.verify(&guess(&asked, true)).await, VerifyVerdict::Unknown);
        assert_eq!(one.request(&resend(&asked)).await, RequestVerdict::Unknown);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_flushed_refuses_nobody() {
    at_two_replicas(only(Limit::RequestPhoneHour, "1/1h"), async |mut connection, [one, other]| {
        let asked = one.ask(1);
        one.sent(&asked).await;
        one.refused(&again(&asked)).await;
        let keys: Vec<String> = connection.scan_match("otp:*").expect("it answers").map(|key| key.expect("a text")).collect();
        let _: () = connection.del(keys).expect("it answers");
        one.sent(&again(&asked)).await;
        other.refused(&again(&asked)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_number_at_two_replicas_at_once_is_sent_one_message() {
    at_two_replicas(only(Limit::RequestPhoneHour, "1/1h"), async |_, replicas| {
        let asked = replicas[0].ask(1);
        let mut tasks = JoinSet::new();
        for _ in 0..30 {
            for replica in &replicas {
                let (records, call) = (Arc::clone(&replica.records), again(&asked));
                tasks.spawn(async move { records.request(&call).await.expect("the store answers") });
            }
        }
        let verdicts = tasks.join_all().await;
        assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, RequestVerdict::Send { .. })).count(), 1);
        assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, RequestVerdict::Refused { .. })).count(), 59);
    })
    .await;
}
