//! What a fan meets: the edge, and through it the origin.

use serde_json::json;

use super::{Report, Seen, Target};

const LANGUAGES: [&str; 4] = ["en", "fr", "rw", "sw"];

/// Everything at the edge but the blacklist.
pub async fn check(target: &Target, report: &mut Report<'_>) {
    report.note("the edge reaches the origin (/otp/status)", status(target).await);
    report.note("the fan's page is there", page(target).await);
    report.note("consent copy in four languages, of one version", consent(target).await);
    report.note("the edge refuses what is no number", no_number(target).await);
    report.note("the edge forwards no admin route", no_admin(target).await);
    report.note("a made-up challenge is refused", made_up(target).await);
}

async fn status(target: &Target) -> Seen {
    Ok(target.get(&format!("{}/otp/status", target.edge)).await?.expect("200")?.told())
}

async fn page(target: &Target) -> Seen {
    let answer = target.get(&format!("{}/", target.edge)).await?.expect("200")?;
    let is_page = answer.text.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype html>"));
    if is_page { Ok(format!("{} bytes", answer.text.len())) } else { Err("it is no HTML page".to_owned()) }
}

/// Each language in its own words, all of one version.
async fn consent(target: &Target) -> Seen {
    let mut versions = Vec::new();
    for language in LANGUAGES {
        let text = target.get(&format!("{}/otp/consent?locale={language}", target.edge)).await?.expect("200")?.json();
        if text["locale"] != language || text["text"].as_str().is_none_or(str::is_empty) {
            return Err(format!("`{language}` is answered in {}", text["locale"]));
        }
        versions.push(text["version"].as_str().unwrap_or_default().to_owned());
    }
    versions.dedup();
    match versions.as_slice() {
        [version] => Ok(format!("version {version}")),
        several => Err(format!("several versions at once: {}", several.join(", "))),
    }
}

async fn no_number(target: &Target) -> Seen {
    let url = format!("{}/otp/request", target.edge);
    Ok(target.post(&url, &json!({ "phone": "smoke" })).await?.expect("400 invalid_phone")?.told())
}

async fn no_admin(target: &Target) -> Seen {
    Ok(target.get(&format!("{}/admin/otp/dashboard", target.edge)).await?.expect("404 not_found")?.told())
}

async fn made_up(target: &Target) -> Seen {
    let told = target.post(&format!("{}/otp/verify", target.edge), &target.impossible_guess()).await?.told();
    // Blocked, as the test number may just have been, it is refused even earlier.
    if matches!(told.as_str(), "410 challenge_unknown" | "403 blacklisted") {
        Ok(told)
    } else {
        Err(format!("{told} instead of 410 challenge_unknown"))
    }
}
