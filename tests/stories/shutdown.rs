//! A rolling restart: readiness drops first, and requests in flight finish.

use std::time::Duration;

use otp_graph_sim::{Fault, Rule};
use otp_tests::harness::{Plan, Store, until};

#[tokio::test(flavor = "multi_thread")]
async fn on_sigterm_readiness_drops_and_the_request_in_flight_finishes() {
    let mut stack = Plan::on(Store::Redis).start().await;
    let (fan, phone) = (stack.fan(), stack.phone());
    let ready = format!("{}/readyz", stack.origin_url());
    assert_eq!(stack.http().get(&ready).send().await.expect("a running origin answers").status(), 200);

    stack.graph.script(Rule::once(Fault::Slow).after(Duration::from_secs(4)));
    let in_flight = tokio::spawn({
        let phone = phone.clone();
        async move { fan.request(&phone).await }
    });
    stack.graph.arrived(&phone, 1).await;
    stack.origin().terminate();
    // Refused connections are not readiness either.
    let http = stack.http().clone();
    until("readiness drops", async || http.get(&ready).send().await.map_or(true, |it| it.status() == 503).then_some(())).await;
    assert!(!in_flight.is_finished(), "readiness dropped only after the work was done");
    in_flight.await.expect("the request in flight is answered").expect(202);
    stack.origin().ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_survives_the_restart_of_the_origin_on_either_store() {
    for store in [Store::Embedded, Store::Redis] {
        let mut stack = Plan::on(store).start().await;
        let fan = stack.fan();
        let sent = fan.receive_code(&stack.graph, &stack.phone()).await;
        stack.stop_origin();
        stack.start_origin().await;
        fan.verify(&sent, &sent.code).await.expect(200);
    }
}
