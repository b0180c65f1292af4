//! Section 5 of the runbook: block, refused, unblock, open again. The one check that changes something.
//!
//! **Invariant:** an entry that was there before is left alone, and one that was made here is taken back, whatever fails in between.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::{ENTRY_TTL_S, Report, Seen, Target};

const PATH: &str = "/admin/otp/blacklist";
/// The edge's caches may be a minute old, and a snapshot is published every ten seconds.
const SPREAD: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(500);
const WHAT: [&str; 4] =
    ["a number can be blocked", "the blocked number is refused", "the block can be taken back", "the number is served again"];

/// Block, refused, unblock, served.
pub async fn check(target: &Target, report: &mut Report<'_>) {
    let hindrance = hindrance(target).await;
    if let Err(why) = hindrance {
        for what in WHAT {
            report.skip(what, &why);
        }
        return;
    }
    // A lost answer may have left an entry: from here on it is taken back in any case.
    let blocked = report.note(WHAT[0], block(target).await);
    if blocked {
        report.note(WHAT[1], until_told(target, "403 blacklisted").await);
    } else {
        report.skip(WHAT[1], "it is not blocked");
    }
    report.note(WHAT[2], unblock(target).await);
    report.note(WHAT[3], until_told(target, "410 challenge_unknown").await);
}

/// Why the number had better not be touched.
async fn hindrance(target: &Target) -> Result<(), String> {
    if target.admin_token.is_none() {
        return Err("no admin token".to_owned());
    }
    let path = format!("/admin/otp/decisions?limit=1&phone={}", target.phone.replace('+', "%2B"));
    let standing = target.admin(Method::GET, &path, None).await?.expect("200")?.json();
    if let Some(kind) = standing["standing"]["blacklistedBy"].as_str() {
        return Err(format!("{} is blocked already (by {kind}); choose another --phone", target.phone));
    }
    // A block that was just taken back may linger in the edge's caches; one of this address will not go away.
    until_told(target, "410 challenge_unknown").await.map(drop)
}

async fn block(target: &Target) -> Seen {
    let body = json!({ "type": "phone", "value": target.phone, "note": "smoke test", "ttlS": ENTRY_TTL_S });
    let changed = target.admin(Method::POST, PATH, Some(&body)).await?.expect("200")?.json();
    Ok(format!("stored in {}", changed["stored"]))
}

/// Tried until it is gone: it is the one thing that must not stay.
async fn unblock(target: &Target) -> Seen {
    let body = json!({ "type": "phone", "value": target.phone, "note": "smoke test" });
    let began = Instant::now();
    loop {
        let answer = target.admin(Method::DELETE, PATH, Some(&body)).await.map(|answer| answer.told());
        match answer.as_deref() {
            Ok("200") => return Ok("200".to_owned()),
            Ok("404 not_found") => return Err("there was nothing to take back".to_owned()),
            _ if began.elapsed() < Duration::from_secs(10) => tokio::time::sleep(PAUSE).await,
            other => return Err(format!("{other:?}; the entry ends by itself within {ENTRY_TTL_S} s")),
        }
    }
}

/// Asks at the edge until it answers so: its snapshot follows the origin's with a delay.
async fn until_told(target: &Target, wanted: &str) -> Seen {
    let began = Instant::now();
    loop {
        let told = guess(target).await;
        match told {
            Ok(told) if told == wanted => return Ok(format!("{told} after {} s", began.elapsed().as_secs())),
            told if began.elapsed() > SPREAD => return Err(format!("{told:?} instead of {wanted} for {} s", SPREAD.as_secs())),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn guess(target: &Target) -> Seen {
    Ok(target.post(&format!("{}/otp/verify", target.edge), &target.impossible_guess()).await?.told())
}
