//! The dashboard in real Chromium: an operator's night, without a reload; and what forged forms and hostile notes do there: nothing.

use std::time::{Duration, Instant};

use chromiumoxide::cdp::browser_protocol::network::CookieSameSite;
use otp_shared::problem::ProblemCode;
use otp_tests::harness::{ADMIN_TOKEN, Answer, Browser, Plan, Stack, Store, until, within};
use reqwest::header::COOKIE;

const PATH: &str = "/admin/sms/otp";
const OTP_ADMIN: &str = "otp_admin";
/// How soon the dashboard tells what Redis does.
const PROMISED: Duration = Duration::from_secs(5);
/// How soon it has to be told even where other stories take the machine's time.
const AT_WORST: Duration = Duration::from_mins(1);

async fn stack() -> Stack {
    Plan::on(Store::Redis).start().await
}

/// The page that asks for a token.
async fn at_the_door(stack: &Stack) -> Browser {
    let browser = Browser::start().await;
    browser.go(&format!("{}{PATH}", stack.origin_url())).await;
    browser
}

/// The dashboard of an operator who has signed in. Its script has its first figures.
async fn signed_in(stack: &Stack) -> Browser {
    let browser = at_the_door(stack).await;
    sign_in(&browser, ADMIN_TOKEN).await;
    follows(&browser).await;
    // Gone at a reload.
    browser.run("window.sameDocument = true").await;
    browser
}

async fn sign_in(browser: &Browser, token: &str) {
    browser.fill("#token", token).await;
    browser.leaving(async || browser.click("main form button").await).await;
}

/// The script draws once it has the first figures.
async fn follows(browser: &Browser) {
    browser.until("the dashboard follows", "document.querySelectorAll('#plots svg').length === 2").await;
}

async fn assert_not_reloaded(browser: &Browser) {
    assert!(browser.ask::<bool>("window.sameDocument === true").await, "the page was loaded anew");
}

/// The value of a figure or card, by its title.
fn figure(title: &str) -> String {
    format!(
        "Number([...document.querySelectorAll('.figures dt, .card h3')].find((node) => node.textContent === '{title}').parentNode.querySelector('dd, .value').textContent.match(/\\d+/)[0])"
    )
}

/// A form's button in a list, by its words for a screen reader.
fn button(label: &str) -> String {
    format!("button[aria-label^='{label}']")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_and_a_right_one_becomes_a_cookie_that_no_script_reads() {
    let stack = stack().await;
    let browser = at_the_door(&stack).await;
    browser.look("dashboard-sign-in").await;
    sign_in(&browser, "admin-token-of-the-stories-0002").await;
    let alert = browser.text("[role=alert]").await;
    assert_eq!(alert, "The request is not authenticated. That is no operator's token.");
    assert_eq!(browser.text("#state").await, "", "nothing is shown without a token");
    browser.look("dashboard-refused").await;

    sign_in(&browser, ADMIN_TOKEN).await;
    follows(&browser).await;
    browser.until_told("#live-state", "redis connected").await;
    let cookie = browser.cookie(OTP_ADMIN).await.expect("a sign-in leaves a cookie");
    stack.note_token(&cookie.value);
    assert!(cookie.http_only && cookie.secure, "{cookie:?}");
    assert_eq!(cookie.same_site, Some(CookieSameSite::Strict));
    assert_eq!(browser.ask::<String>("document.cookie").await, "");
    assert!(!browser.ask::<String>("document.documentElement.outerHTML").await.contains(ADMIN_TOKEN));

    browser.leaving(async || browser.press("header form button").await).await;
    browser.until("nobody is signed in", "document.getElementById('token') !== null").await;
    browser.reload().await;
    browser.until("nobody is signed in", "document.getElementById('token') !== null").await;
    assert_eq!(browser.text("[role=alert]").await, "", "that nobody is signed in is no news");
    browser.assert_faultless("signing out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fans_do_shows_without_a_reload() {
    let stack = stack().await;
    let browser = signed_in(&stack).await;
    let (sent, limited) = (figure("Sent"), figure("Rate limited"));
    assert_eq!(browser.ask::<(u32, u32)>(&format!("[{sent}, {limited}]")).await, (0, 0));
    let (fan, phone) = (stack.fan(), stack.phone());
    let code = fan.receive_code(&stack.graph, &phone).await;
    browser.until("the message is counted", &format!("{sent} === 1")).await;
    fan.request(&phone).await.refused(ProblemCode::RateLimited);
    browser.until("the refusal is counted", &format!("{limited} === 1")).await;
    fan.verify(&code, &code.wrong_code(1)).await.refused(ProblemCode::CodeIncorrect);
    browser.until("the wrong guess is counted", &format!("{} === 1", figure("Wrong guesses"))).await;
    fan.verify(&code, &code.code).await.expect(200);
    browser.until("the sign-in is counted", &format!("{} === 1", figure("Verified"))).await;
    browser.until_told("#live-refusals", "rate_limited").await;
    browser.until_told("#live-decisions", "request.phone.cooldown").await;
    assert_not_reloaded(&browser).await;

    browser.fill("#look-up-phone", &phone).await;
    browser.press("form:has(#look-up-phone) button").await;
    browser.until_told("#found", "Not blacklisted here.").await;
    browser.until_told("#found", "request.phone.cooldown").await;
    let page: String = browser.ask("document.body.innerText").await;
    assert!(!page.contains(&phone), "numbers are masked");
    browser.look("dashboard-figures").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_blocked_shown_and_released_on_the_page() {
    let stack = stack().await;
    let browser = signed_in(&stack).await;
    let phone = stack.phone();
    block(&browser, &phone, "Incident #123").await;
    browser.until_told("#live-blacklist", "Incident #123").await;
    browser.until_told("#announcement", "Blocked.").await;
    stack.signed_fan().request(&phone).await.refused(ProblemCode::Blacklisted);
    browser.until_told("#live-blacklist", "published").await;
    stack.fan().request(&phone).await.refused(ProblemCode::Blacklisted);

    let page = "document.body.innerText";
    assert!(!browser.ask::<String>(page).await.contains(&phone), "numbers are masked");
    browser.press(&format!("#live-blacklist {}", button("Show"))).await;
    browser.until("the full number is shown", &format!("{page}.includes('{phone}')")).await;
    browser.until_told("#live-audit", "looked at").await;
    browser.look("dashboard-blacklist").await;

    browser.press(&format!("#live-blacklist {}", button("Remove"))).await;
    browser.until_told("#live-blacklist", "Nobody is blocked.").await;
    stack.signed_fan().request(&phone).await.expect(202);
    assert_not_reloaded(&browser).await;
    browser.assert_faultless("blocking").await;
}

async fn block(browser: &Browser, phone: &str, note: &str) {
    browser.choose("#block-type", "phone").await;
    browser.fill("#block-value", phone).await;
    browser.fill("#block-note", note).await;
    browser.press("form:has(#block-value) button").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_given_by_hand_and_taken_back() {
    let stack = stack().await;
    let browser = signed_in(&stack).await;
    browser.fill("#session-note", "Phone lost, known to the club").await;
    browser.press("form:has(#session-id) button").await;
    browser.until_told("#found", "A new session id").await;
    let id = browser.text("#found code").await;
    stack.note_token(&id);
    let fan = stack.unsigned_fan();
    fan.from_onboarding(&id).await.expect(204);
    browser.until_told("#live-sessions", "Phone lost, known to the club").await;
    assert!(!browser.text("#live-sessions").await.contains(&id), "an id is a key: the list does not hand it out");
    browser.look("dashboard-sessions").await;

    let insider = stack.fan();
    insider.set_cookie(fan.cookie());
    insider.session().await.expect(200);
    browser.press(&format!("#live-sessions {}", button("Revoke"))).await;
    browser.until_told("#live-sessions", "No session id is authorised by hand.").await;
    insider.session().await.refused(ProblemCode::Unauthorized);
    assert_not_reloaded(&browser).await;
    browser.assert_faultless("sessions").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_markup_stays_text_and_runs_nothing() {
    const NOTE: &str = "<script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\">'\"&";
    let stack = stack().await;
    let browser = signed_in(&stack).await;
    block(&browser, &stack.phone(), NOTE).await;
    for list in ["#live-blacklist", "#live-audit"] {
        browser.until_told(list, NOTE).await;
    }
    assert_inert(&browser).await;
    // Escaping alone has to do, too: as the whole page, and put in by the script.
    browser.without_policy().await;
    browser.reload().await;
    follows(&browser).await;
    assert!(runs_scripts(&browser).await, "without its policy the page would run what a note brings");
    block(&browser, &stack.phone(), &format!("{NOTE}2")).await;
    browser.until_told("#live-audit", &format!("{NOTE}2")).await;
    assert_inert(&browser).await;
}

/// Whether a script that somebody gets into the page is run.
async fn runs_scripts(browser: &Browser) -> bool {
    let put_in = "const script = document.createElement('script'); script.textContent = 'window.ran = true'; document.body.append(script)";
    browser.run(&format!("{put_in}; script.remove()")).await;
    browser.ask("window.ran === true").await
}

async fn assert_inert(browser: &Browser) {
    let found: String = browser.ask("JSON.stringify([typeof hacked, document.querySelectorAll('body script, img').length, faults])").await;
    assert_eq!(found, r#"["undefined",0,[]]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_page_changes_nothing() {
    let stack = stack().await;
    let browser = signed_in(&stack).await;
    let phone = stack.phone();
    let cookie = browser.cookie(OTP_ADMIN).await.expect("a sign-in leaves a cookie").value;
    stack.note_token(&cookie);

    // Another port of the same host is the same site: the browser sends the cookie along, and SameSite does not help.
    browser.go(&format!("{}/a-page-without-a-policy", stack.graph.url())).await;
    let submit = format!(
        "const form = document.createElement('form');
        form.method = 'post';
        form.action = '{}{PATH}';
        for (const [name, value] of [['action', 'block'], ['type', 'phone'], ['value', '{phone}'], ['csrf', 'guessed']]) {{
            const field = document.createElement('input');
            [field.name, field.value] = [name, value];
            form.append(field);
        }}
        document.body.append(form);
        form.submit()",
        stack.origin_url()
    );
    browser.leaving(async || browser.run(&submit).await).await;
    browser.until_told("body", ProblemCode::Forbidden.as_str()).await;

    let form = format!("action=block&type=phone&value=%2B{}", &phone[1..]);
    post_form(&stack, &cookie, &form).await.refused(ProblemCode::Forbidden);
    post_form(&stack, "forged", &form).await.refused(ProblemCode::Forbidden);
    let list = stack.admin().get("/admin/otp/blacklist").await.expect(200);
    assert!(!list.text().contains(&phone), "{list}");
    stack.signed_fan().request(&phone).await.expect(202);
}

async fn post_form(stack: &Stack, cookie: &str, form: &str) -> Answer {
    let post = stack.http().post(format!("{}{PATH}", stack.origin_url())).header(COOKIE, format!("{OTP_ADMIN}={cookie}"));
    let post = post.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    Answer::read(post.send().await.expect("the origin answers")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_follows_redis_away_and_back_within_five_seconds() {
    let mut stack = stack().await;
    let browser = signed_in(&stack).await;
    browser.until_told("#live-state", "redis connected").await;
    let (mut away, mut back) = (Duration::MAX, Duration::MAX);
    // Another story may take the machine's time just then: one of three rounds has to keep the promise, and every one has to arrive.
    for _ in 0..3 {
        stack.redis_mut().kill();
        away = away.min(told(&browser, "memory fallback").await);
        if back == Duration::MAX {
            browser.look("dashboard-fallback").await;
        }
        stack.redis_mut().restart_empty().await;
        back = back.min(told(&browser, "redis connected").await);
        if away.max(back) <= PROMISED {
            break;
        }
    }
    println!("the dashboard told of Redis' end after {away:?} and of its return after {back:?}");
    assert!(away.max(back) <= PROMISED, "{away:?} and {back:?}");
    assert_not_reloaded(&browser).await;
    browser.assert_faultless("the fallback").await;
}

/// How long the dashboard took to say so.
async fn told(browser: &Browser, state: &str) -> Duration {
    let since = Instant::now();
    let says = async || browser.text("#live-state").await.contains(state).then_some(());
    within(AT_WORST, says).await.unwrap_or_else(|| panic!("the dashboard never says {state}"));
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_there_without_javascript() {
    let stack = stack().await;
    let cookie = signed_in(&stack).await.cookie(OTP_ADMIN).await.expect("a sign-in leaves a cookie").value;
    stack.note_token(&cookie);
    stack.fan().sign_in(&stack.graph, &stack.phone()).await;
    let get = async || {
        let get = stack.http().get(format!("{}{PATH}", stack.origin_url())).header(COOKIE, format!("{OTP_ADMIN}={cookie}"));
        Answer::read(get.send().await.expect("the origin answers")).await.expect(200).text()
    };
    let html =
        until("the figures are in the page", async || Some(get().await).filter(|html| html.contains("<dt>Sent</dt><dd>1</dd>"))).await;
    for part in
        ["redis connected", "<dt>Verified</dt><dd>1</dd>", "Rate limited", "request.phone.cooldown", "Nobody is blocked.", "name=\"csrf\""]
    {
        assert!(html.contains(part), "{part} in {html}");
    }
}
