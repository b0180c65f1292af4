//! The fan's page in real Chromium: from a number to a session and out again, in every language, and what it says on the way.

use otp_graph_sim::Receipt;
use otp_shared::{limits::Limit, routes};
use otp_tests::harness::{Browser, Plan, Sent, Stack, Store, until};

const LANGUAGES: [(&str, &str, &str); 4] = [
    ("en", "Sign in", "Enter the code"),
    ("fr", "Connexion", "Saisissez le code"),
    ("rw", "Injira", "Andika kode"),
    ("sw", "Ingia", "Weka msimbo"),
];

/// The page, at its first sight.
async fn page(stack: &mut Stack) -> Browser {
    let browser = Browser::start().await;
    browser.go(&stack.edge().url()).await;
    browser.until("the consent text is there", "document.getElementById('consent').textContent.length > 20").await;
    browser
}

/// Types a number as people in Rwanda write it, and sends it.
async fn send_number(browser: &Browser, phone: &str) {
    browser.fill("#number", &phone.replacen("+250", "0", 1)).await;
    browser.click("#send").await;
}

/// The same up to the code, which arrives.
async fn receive_code(browser: &Browser, stack: &Stack) -> Sent {
    let phone = stack.phone();
    send_number(browser, &phone).await;
    let code = stack.graph.arrived(&phone, 1).await.code;
    browser.until_told("h1", "Enter the code").await;
    Sent { phone, challenge_id: String::new(), code }
}

async fn type_code(browser: &Browser, code: &str) {
    browser.fill("#code", code).await;
    browser.click("#verify").await;
}

/// The minutes and seconds in a text such as "in 0:58."
fn seconds(text: &str) -> Option<u32> {
    let (minutes, seconds) = text.split_once(':')?;
    let minutes: u32 = minutes.split(' ').next_back()?.parse().ok()?;
    let seconds: u32 = seconds.get(..2)?.parse().ok()?;
    Some(minutes * 60 + seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_signs_in_with_a_number_and_a_code_and_out_again() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let webhook = format!("{}{}", stack.edge().url(), routes::WEBHOOK);
    stack.graph.set_webhook(&webhook);
    let browser = page(&mut stack).await;
    assert_eq!(browser.text("#country option").await, "Rwanda (+250)");
    let consent = stack.fan().get("/otp/consent?locale=en").await.expect(200).json();
    assert_eq!(Some(browser.text("#consent").await.as_str()), consent["text"].as_str());
    browser.look("fan-number").await;

    let sent = receive_code(&browser, &stack).await;
    assert!(browser.text("#sent-to").await.replace([' ', '\u{a0}'], "").contains(&sent.phone));
    browser.until("the code can be typed at once", "document.activeElement.autocomplete === 'one-time-code'").await;
    let message = stack.graph.arrived(&sent.phone, 1).await;
    stack.graph.receipt(&message.id, Receipt::Delivered).await.expect("the edge takes the receipt");
    browser.until_told("#delivery", "The message is on your phone.").await;
    browser.look("fan-code").await;

    type_code(&browser, &sent.wrong_code(1)).await;
    browser.until_told("#problem", "That is not the code.").await;
    browser.until_told("#attempts", "Tries left: 4").await;
    browser.look("fan-wrong-code").await;

    type_code(&browser, &sent.code).await;
    browser.until_told("h1", "You are signed in").await;
    browser.look("fan-signed-in").await;
    assert_kept_safely(&browser, &stack, &sent.code).await;
    browser.reload().await;
    browser.until_told("h1", "You are signed in").await;

    browser.click("#sign-out").await;
    browser.until_told("#note", "You are signed out.").await;
    assert!(browser.cookie("fan_session").await.is_none());
    browser.assert_faultless("signing out").await;
}

/// The session is where no script can read it, and nothing of the sign-in stays where one can.
async fn assert_kept_safely(browser: &Browser, stack: &Stack, code: &str) {
    let cookie = browser.cookie("fan_session").await.expect("a fan who is signed in has a cookie");
    stack.note_token(&cookie.value);
    assert!(cookie.http_only && cookie.secure, "{cookie:?}");
    let kept: String = browser.ask("JSON.stringify([document.cookie, {...sessionStorage}, {...localStorage}])").await;
    assert!(!kept.contains(code) && !kept.contains(&cookie.value) && !kept.contains("fan_session"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_end_the_challenge_and_the_page_starts_again() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let browser = page(&mut stack).await;
    let sent = receive_code(&browser, &stack).await;
    for left in (1..5).rev() {
        type_code(&browser, &sent.wrong_code(left)).await;
        browser.until_told("#attempts", &format!("Tries left: {left}")).await;
    }
    type_code(&browser, &sent.wrong_code(5)).await;
    browser.until_told("h1", "Sign in").await;
    browser.until_told("#problem", "All tries for this code are used up.").await;
    browser.look("fan-locked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_who_is_limited_sees_the_wait_go_by() {
    let mut stack = Plan::on(Store::Embedded).limit(Limit::RequestPhoneCooldown, "1/10m").start().await;
    let phone = stack.phone();
    stack.fan().request(&phone).await.expect(202);
    let browser = page(&mut stack).await;
    send_number(&browser, &phone).await;
    browser.until_told("#problem", "There were too many tries.").await;
    browser.until_told("#retry", "You can try again in ").await;
    let first = seconds(&browser.text("#retry").await).expect("a time is told");
    assert!((1..=600).contains(&first), "{first} s");
    until("the time that is left gets shorter", async || seconds(&browser.text("#retry").await).filter(|left| *left < first)).await;
    let is_off: bool = browser.ask("document.getElementById('send').getAttribute('aria-disabled') === 'true'").await;
    assert!(is_off);
    browser.look("fan-limited").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_comes_again_once_the_cooldown_has_passed() {
    let mut stack = Plan::on(Store::Embedded).limit(Limit::RequestPhoneCooldown, "1/8s").start().await;
    let browser = page(&mut stack).await;
    let sent = receive_code(&browser, &stack).await;
    browser.until_told("#resend", "Send the code again in 0:0").await;
    browser.click("#resend").await;
    assert_eq!(stack.graph.messages_to(&sent.phone).len(), 1, "a press during the cooldown does nothing");
    browser.until("the cooldown has passed", "document.getElementById('resend').getAttribute('aria-disabled') === 'false'").await;
    browser.click("#resend").await;
    assert_eq!(stack.graph.arrived(&sent.phone, 2).await.code, sent.code);
    browser.until_told("#note", "The same code was sent once more.").await;
    type_code(&browser, &sent.code).await;
    browser.until_told("h1", "You are signed in").await;
    let cookie = browser.cookie("fan_session").await.expect("a fan who is signed in has a cookie");
    stack.note_token(&cookie.value);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_four_languages() {
    let mut stack = Plan::on(Store::Embedded).start().await;
    let browser = page(&mut stack).await;
    for (language, title, _) in LANGUAGES {
        speak(&browser, language, title).await;
        browser.until("the terms are in that language", &format!("document.getElementById('consent').lang === '{language}'")).await;
        browser.glance(&format!("fan-number-{language}")).await;
    }
    speak(&browser, "en", "Sign in").await;
    let sent = receive_code(&browser, &stack).await;
    for (language, _, title) in LANGUAGES {
        speak(&browser, language, title).await;
        browser.glance(&format!("fan-code-{language}")).await;
    }
    // What was chosen stays chosen, and so does the challenge.
    browser.reload().await;
    browser.until_told("h1", "Weka msimbo").await;
    type_code(&browser, &sent.wrong_code(1)).await;
    browser.until("the problem is told", "document.getElementById('problem').textContent !== ''").await;
    browser.glance("fan-wrong-code-sw").await;
}

/// Chooses a language; the page follows, and leaves no word out.
async fn speak(browser: &Browser, language: &str, title: &str) {
    browser.choose("#language", language).await;
    browser.until_told("h1", title).await;
    let lang: String = browser.ask("document.documentElement.lang").await;
    assert_eq!(lang, language);
    let gaps: String = browser.ask("document.body.innerText.match(/undefined|\\{\\w+\\}/)?.[0] ?? ''").await;
    assert_eq!(gaps, "", "{language}");
}
