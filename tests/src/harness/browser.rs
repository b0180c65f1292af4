//! Real Chromium, driven as a person drives it: by mouse, keys and what is on the screen.
//!
//! Not a mock of a browser, and not a way around one: pages keep their content security policy, and what is asked of a page is asked through
//! the `DevTools` protocol, which no policy hinders.
//!
//! **Invariant:** a browser has one tab, which is always in front (a hidden one would neither follow nor be drawn), and a profile of its own.

use std::process::Command;
use std::time::Duration;

use chromiumoxide::{
    Page,
    cdp::{
        browser_protocol::{
            input::{
                DispatchKeyEventParams, DispatchKeyEventType, DispatchMouseEventParams, DispatchMouseEventType, InsertTextParams,
                MouseButton,
            },
            network::Cookie,
            page::{AddScriptToEvaluateOnNewDocumentParams, SetBypassCspParams},
        },
        js_protocol::runtime::EvaluateParams,
    },
    handler::HandlerConfig,
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{
    process::Process,
    wait::{until, within},
};

mod look;

/// How long one command may take on a busy machine.
const COMMAND: Duration = Duration::from_mins(1);
/// How long Chromium may take to start on a busy machine.
const START: Duration = Duration::from_mins(1);

const FLAGS: [&str; 12] = [
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-sync",
    "--no-first-run",
    // Loopback only, whatever the machine's environment says.
    "--no-proxy-server",
    "--remote-debugging-port=0",
    "about:blank",
];

/// Notes in every document what a page must never do, before anything of the page runs.
const WATCH: &str = "
    window.faults = [];
    addEventListener('securitypolicyviolation', (event) => faults.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    addEventListener('error', (event) => faults.push(`error: ${event.message}`));
    addEventListener('unhandledrejection', (event) => faults.push(`rejection: ${event.reason}`));
";

/// A running Chromium and its tab.
#[derive(Debug)]
pub struct Browser {
    page: Page,
    handler: JoinHandle<()>,
    _process: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts one that knows nothing: no cookie, no choice of language.
    pub async fn start() -> Self {
        let profile = TempDir::new().expect("there is room for a temporary directory");
        let mut process = Process::start("chromium", command(&profile));
        let listens = within(START, async || match process.err().find(listening) {
            Some(url) => Some(Some(url)),
            None => process.has_ended().then_some(None),
        });
        let Some(url) = listens.await.flatten() else { panic!("chromium does not start; is it installed? {}", process.tail()) };
        let config = HandlerConfig { viewport: None, request_timeout: COMMAND, ..HandlerConfig::default() };
        let (browser, mut handler) =
            chromiumoxide::Browser::connect_with_config(url, config).await.expect("chromium listens where it says");
        let handler = tokio::spawn(async move { while handler.next().await.is_some() {} });
        // Not the tab it starts with, which it may still replace by another.
        let page = browser.new_page("about:blank").await.expect("chromium opens a tab");
        page.execute(AddScriptToEvaluateOnNewDocumentParams::new(WATCH)).await.expect("a new tab can be watched");
        Self { page, handler, _process: process, _profile: profile }
    }

    /// Goes to `url` and waits until everything of it is loaded.
    pub async fn go(&self, url: &str) {
        // Not by `Page.navigate`, whose end the client waits for by events that a busy browser may have sent before.
        self.leaving(async || self.run(&format!("location.assign({})", json!(url))).await).await;
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.leaving(async || self.run("location.reload()").await).await;
    }

    /// Does what leads to another page, and waits until that one is loaded.
    pub async fn leaving(&self, act: impl AsyncFnOnce()) {
        self.run("window.left = true").await;
        act().await;
        self.until("the page is loaded", "!window.left && document.readyState === 'complete'").await;
    }

    /// From the next page on, has pages run what their content security policy forbids.
    pub async fn without_policy(&self) {
        self.page.execute(SetBypassCspParams::new(true)).await.expect("a policy can be set aside");
    }

    /// What an expression is worth on the page, or why that cannot be told.
    pub async fn try_ask<T: DeserializeOwned>(&self, expression: &str) -> Result<T, String> {
        let evaluate = EvaluateParams::builder().expression(expression).await_promise(true).return_by_value(true).user_gesture(true);
        let told = self.page.execute(evaluate.build()?).await.map_err(|error| error.to_string())?.result;
        if let Some(thrown) = told.exception_details {
            return Err(format!("{thrown:?}"));
        }
        serde_json::from_value(told.result.value.unwrap_or(Value::Null)).map_err(|error| error.to_string())
    }

    /// What an expression is worth on the page.
    pub async fn ask<T: DeserializeOwned>(&self, expression: &str) -> T {
        self.try_ask(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Runs a statement on the page.
    pub async fn run(&self, statement: &str) {
        self.ask::<Value>(&format!("{{ {statement}; null }}")).await;
    }

    /// Waits until an expression is true of the page. A page that is being replaced says nothing.
    pub async fn until(&self, what: &str, condition: &str) {
        let holds = within(super::wait::PATIENCE, async || self.try_ask::<bool>(condition).await.ok().filter(|holds| *holds)).await;
        if holds.is_none() {
            let screen = self.try_ask::<String>("document.body.innerText").await;
            panic!("waited in vain until {what} ({condition}); the screen says: {screen:?}");
        }
    }

    /// Waits until the text at `selector` contains `text`.
    pub async fn until_told(&self, selector: &str, text: &str) {
        let told = format!("(document.querySelector({})?.textContent ?? '').includes({})", json!(selector), json!(text));
        self.until(&format!("{selector} says {text:?}"), &told).await;
    }

    /// The text at `selector`, with every blank as a space; empty where there is nothing.
    pub async fn text(&self, selector: &str) -> String {
        let text: String = self.ask(&format!("document.querySelector({})?.textContent ?? ''", json!(selector))).await;
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Clicks in the middle of what is at `selector`, once it is there and nothing lies over it.
    pub async fn click(&self, selector: &str) {
        let (x, y) = until(&format!("{selector} can be clicked"), async || self.middle(selector).await).await;
        for phase in [DispatchMouseEventType::MousePressed, DispatchMouseEventType::MouseReleased] {
            let event = DispatchMouseEventParams::builder().r#type(phase).x(x).y(y).button(MouseButton::Left).click_count(1);
            self.page.execute(event.build().expect("the event has a place")).await.expect("the mouse works");
        }
    }

    async fn middle(&self, selector: &str) -> Option<(f64, f64)> {
        let script = format!(
            "(() => {{
                const node = document.querySelector({});
                node.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const {{ x, y, width, height }} = node.getBoundingClientRect();
                const middle = [x + width / 2, y + height / 2];
                return node.contains(document.elementFromPoint(...middle)) ? middle : null;
            }})()",
            json!(selector)
        );
        self.try_ask(&script).await.ok()?
    }

    /// Presses a button by keyboard: works on a page, too, whose parts are replaced at any moment.
    pub async fn press(&self, selector: &str) {
        self.focus(selector).await;
        for phase in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
            let event = DispatchKeyEventParams::builder().r#type(phase.clone()).key("Enter").code("Enter").windows_virtual_key_code(13);
            let event = if phase == DispatchKeyEventType::KeyDown { event.text("\r") } else { event };
            self.page.execute(event.build().expect("the event has a kind")).await.expect("the keyboard works");
        }
    }

    /// Replaces what is in a field by `text`.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.focus(selector).await;
        self.run("document.activeElement.select()").await;
        self.page.execute(InsertTextParams::new(text)).await.expect("the keyboard works");
    }

    async fn focus(&self, selector: &str) {
        let script = format!(
            "(() => {{ const node = document.querySelector({}); node?.focus(); return node !== null && document.activeElement === node }})()",
            json!(selector)
        );
        self.until(&format!("{selector} can be focused"), &script).await;
    }

    /// Chooses an option, as by the platform's own list.
    pub async fn choose(&self, selector: &str, value: &str) {
        self.focus(selector).await;
        self.run(&format!(
            "{{
                const list = document.activeElement;
                list.value = {};
                for (const name of ['input', 'change']) list.dispatchEvent(new Event(name, {{ bubbles: true }}));
            }}",
            json!(value)
        ))
        .await;
    }

    /// The cookie of that name which the page at hand would be sent with.
    pub async fn cookie(&self, name: &str) -> Option<Cookie> {
        let cookies = self.page.get_cookies().await.expect("chromium tells its cookies");
        cookies.into_iter().find(|cookie| cookie.name == name)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.handler.abort();
    }
}

fn command(profile: &TempDir) -> Command {
    let mut command = Command::new("chromium");
    // What it keeps beside its profile belongs to its home.
    command.env("HOME", profile.path()).arg(format!("--user-data-dir={}", profile.path().display())).args(FLAGS);
    if nix::unistd::geteuid().is_root() {
        // Its sandbox refuses to run as root, as in a container.
        command.arg("--no-sandbox");
    }
    command
}

fn listening(line: &str) -> Option<String> {
    line.strip_prefix("DevTools listening on ").map(str::to_owned)
}
