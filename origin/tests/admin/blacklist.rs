//! Blocking, many at once, and what a hand wrote to KV.

use std::{sync::Arc, time::Duration};

use axum::http::Method;
use otp_origin::app::publish;
use serde_json::json;

use crate::bench::{Bench, NOW_MS};

const LIST: &str = "/admin/otp/blacklist";
const IMPORT: &str = "/admin/otp/blacklist/import";

#[tokio::test]
async fn a_block_says_where_it_is_and_how_far_it_has_spread() {
    let bench = Bench::new();
    let answer = bench.block("phone", "+250 788 000 000", "Incident #123").await.expect(200).json();
    assert_eq!(answer["entry"]["value"], "+250788000000");
    assert_eq!(
        (&answer["stored"][0], &answer["spread"]["origin"], &answer["spread"]["edge"]),
        (&json!("memory"), &json!("every_replica"), &json!("no_edge"))
    );
    bench.request("+250788000000", "198.51.100.1").await.refused("blacklisted");
    let body = Some(json!({ "type": "phone", "value": "+250788000000" }));
    bench.admin(Method::DELETE, LIST, body.clone()).await.expect(200);
    bench.request("+250788000000", "198.51.100.1").await.expect(202);
    bench.admin(Method::DELETE, LIST, body).await.expect(404).refused("not_found");
}

#[tokio::test]
async fn a_change_is_pending_until_the_edge_has_it_and_then_caches_may_lag() {
    let bench = Bench::with_hand(json!({ "entries": [], "unreadable": [] })).await;
    let answer = bench.block("ip", "203.0.113.1", "").await.expect(200).json();
    assert_eq!(answer["spread"]["edge"], "pending");
    let publisher = tokio::spawn(publish::run(Arc::clone(&bench.app)));
    let published = async || {
        loop {
            let list = bench.admin(Method::GET, LIST, None).await.expect(200).json();
            if list["entries"][0]["spread"]["edge"] == "published" {
                return list["entries"][0]["spread"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let spread = tokio::time::timeout(Duration::from_secs(10), published()).await.expect("it is published at once");
    assert!(spread["snapshotVersion"].is_u64());
    assert_eq!(spread["cachesUntilS"], NOW_MS / 1000 + 90);
    publisher.abort();
}

#[tokio::test]
async fn what_covers_very_many_needs_insisting() {
    let bench = Bench::new();
    for (kind, value) in [("cidr", "0.0.0.0/0"), ("cidr", "2000::/3"), ("prefix", "+25"), ("prefix", "+250"), ("country", "RW")] {
        bench.block(kind, value, "").await.expect(409).refused("conflict");
        let insisting = json!({ "type": kind, "value": value, "force": true });
        bench.admin(Method::POST, LIST, Some(insisting)).await.expect(200);
    }
    bench.block("country", "UG", "not served here").await.expect(200);
}

#[tokio::test]
async fn pages_follow_one_another_and_show_everything_once() {
    let bench = Bench::new();
    for last in 0..7 {
        bench.block("ip", &format!("203.0.113.{last}"), "").await.expect(200);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = bench.admin(Method::GET, &format!("{LIST}?limit=3&after={after}"), None).await.expect(200).json();
        assert_eq!(page["total"], 7);
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["value"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..7).map(|last| format!("203.0.113.{last}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_import_with_a_mistake_takes_nothing_and_tells_every_line() {
    let bench = Bench::new();
    let csv = "type,value,note\nphone,+250788000001,good\nphone,lol,bad\ncidr,0.0.0.0/0,wide\nfan,x,bad\n";
    let answer = bench.admin_sends(Method::POST, IMPORT, Some(("text/csv", csv))).await.expect(400).refused("invalid_body").json();
    let lines: Vec<_> = answer["errors"].as_array().unwrap().iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5]);
    assert_eq!(bench.admin(Method::GET, LIST, None).await.json()["total"], 0);
    let json_array = json!([{ "type": "ip", "value": "203.0.113.1" }, { "type": "ip" }]);
    let answer = bench.admin(Method::POST, IMPORT, Some(json_array)).await.expect(400).json();
    assert_eq!(answer["errors"][0]["line"], 2);
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let bench = Bench::new();
    bench.block("ip", "203.0.113.1", "known").await.expect(200);
    let csv = "type,value,note\nip,203.0.113.1,known\nip,203.0.113.2,new\nip,203.0.113.2,newer\n";
    let answer = bench.admin_sends(Method::POST, &format!("{IMPORT}?dryRun=true"), Some(("text/csv", csv))).await.expect(200).json();
    assert_eq!((&answer["entries"], &answer["added"], &answer["unchanged"]), (&json!(3), &json!(1), &json!(1)));
    assert_eq!(bench.admin(Method::GET, LIST, None).await.json()["total"], 1);
}

#[tokio::test]
async fn ten_thousand_entries_are_imported_listed_and_enforced() {
    let bench = Bench::new();
    let rows: Vec<_> = (0..10_000).map(|number| format!("phone,+25078{number:07},pump")).collect();
    let csv = format!("type,value,note\n{}", rows.join("\n"));
    let answer = bench.admin_sends(Method::POST, IMPORT, Some(("text/csv", &csv))).await.expect(200).json();
    assert_eq!(answer["added"], 10_000);
    let list = bench.admin(Method::GET, &format!("{LIST}?limit=1000"), None).await.expect(200).json();
    assert_eq!((&list["total"], list["entries"].as_array().unwrap().len()), (&json!(10_000), 1000));
    bench.request("+250780009999", "198.51.100.1").await.refused("blacklisted");
    bench.request("+250780010000", "198.51.100.1").await.expect(202);
    let again = bench.admin_sends(Method::POST, IMPORT, Some(("text/csv", &csv))).await.expect(200).json();
    assert_eq!((&again["added"], &again["changed"], &again["unchanged"]), (&json!(0), &json!(0), &json!(10_000)));
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let bench = Bench::new();
    bench.block("phone", "+250788000001", "=HYPERLINK(\"x\"), quoted \"so\"\nand on").await.expect(200);
    let ending = json!({ "type": "ip", "value": "203.0.113.1", "ttlS": 60 });
    bench.admin(Method::POST, LIST, Some(ending)).await.expect(200);
    let csv = bench.admin(Method::GET, "/admin/otp/blacklist/export?format=csv", None).await.expect(200).text;
    assert!(csv.contains("\"'=HYPERLINK"), "a spreadsheet must not run it: {csv}");
    let json = bench.admin(Method::GET, "/admin/otp/blacklist/export", None).await.expect(200).text;
    for (media_type, text) in [("text/csv", &csv), ("application/json", &json)] {
        let same = bench.admin_sends(Method::POST, IMPORT, Some((media_type, text))).await.expect(200).json();
        assert_eq!(same["unchanged"], 2, "{same}");
        let elsewhere = Bench::new().admin_sends(Method::POST, IMPORT, Some((media_type, text))).await.expect(200).json();
        assert_eq!(elsewhere["added"], 2, "{elsewhere}");
    }
    bench.clock.advance_ms(61_000);
    let later = bench.admin_sends(Method::POST, IMPORT, Some(("text/csv", &csv))).await.expect(200).json();
    assert_eq!((&later["ended"], &later["unchanged"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn an_import_of_another_kind_or_size_is_refused() {
    let bench = Bench::new();
    bench.admin_sends(Method::POST, IMPORT, Some(("text/plain", "x"))).await.expect(415);
    bench.admin_sends(Method::POST, IMPORT, None).await.expect(415);
    bench.admin_sends(Method::POST, IMPORT, Some(("text/csv", &"x".repeat(5 * 1024 * 1024 + 1)))).await.expect(413);
}

#[tokio::test]
async fn what_a_hand_wrote_is_shown_as_such_and_can_be_adopted() {
    let until_s = NOW_MS / 1000 + 60;
    let entries = json!([
        { "type": "phone", "value": "+250788000001", "untilS": null },
        { "type": "ip", "value": "203.0.113.1", "untilS": until_s },
    ]);
    let bench = Bench::with_hand(json!({ "entries": entries, "unreadable": ["blacklist:phone:lol"], "snapshot": null })).await;
    bench.request("+250788000001", "198.51.100.1").await.expect(202);
    let list = bench.admin(Method::GET, LIST, None).await.expect(200).json();
    assert_eq!(
        (&list["total"], &list["entries"][0]["source"], &list["hand"]["unreadable"][0]),
        (&json!(2), &json!("hand"), &json!("blacklist:phone:lol"))
    );
    let one = json!({ "type": "phone", "value": "+250788000001" });
    bench.admin(Method::DELETE, LIST, Some(one.clone())).await.expect(409).refused("conflict");

    let adopted = bench.admin(Method::POST, "/admin/otp/blacklist/adopt", Some(one.clone())).await.expect(200).json();
    assert_eq!(adopted["adopted"], 1);
    bench.request("+250788000001", "198.51.100.2").await.refused("blacklisted");
    let list = bench.admin(Method::GET, LIST, None).await.json();
    assert_eq!((&list["entries"][1]["source"], &list["entries"][1]["alsoByHand"]), (&json!("operator"), &json!(true)));

    let all = bench.admin(Method::POST, "/admin/otp/blacklist/adopt", Some(json!({ "all": true }))).await.expect(200).json();
    assert_eq!(all["adopted"], 1, "the other one; the first is an operator's already");
    let stranger = json!({ "type": "phone", "value": "+250788000009" });
    bench.admin(Method::POST, "/admin/otp/blacklist/adopt", Some(stranger)).await.expect(404);
    bench.clock.advance_ms(61_000);
    assert_eq!(bench.admin(Method::GET, LIST, None).await.json()["total"], 1, "KV's end is the adopted entry's, too");
}
