//! Looking at a page: pictures at the sizes and in the colours that people have, and what a checker of accessibility (axe) says.

use std::path::PathBuf;
use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chromiumoxide::cdp::browser_protocol::{
    emulation::{MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams},
    page::{CaptureScreenshotParams, Viewport},
};

use super::Browser;
use crate::harness::binaries::{file, repository};

/// A screen, in CSS pixels.
#[derive(Debug, Clone, Copy)]
struct Screen {
    name: &'static str,
    width: u32,
    height: u32,
    is_phone: bool,
}

const SCREENS: [Screen; 2] = [
    Screen { name: "phone", width: 360, height: 740, is_phone: true },
    Screen { name: "desktop", width: 1280, height: 800, is_phone: false },
];
const SCHEMES: [&str; 2] = ["light", "dark"];

static AXE: LazyLock<String> = LazyLock::new(|| {
    let path = file("node_modules/axe-core/axe.min.js", "npm ci");
    std::fs::read_to_string(path).expect("axe is a text")
});

/// What is found, if it is worse than moderate: the rule, and where.
const FINDINGS: &str = "
    axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) => `${impact} ${id} at ${target}: ${failureSummary}`)))
";

impl Browser {
    /// Takes the page's picture on every screen in every colour scheme as `target/pictures/NAME-SCREEN-SCHEME.png`; the story has failed when
    /// it does not fit, is not accessible, or did what its policy forbids.
    pub async fn look(&self, name: &str) {
        for screen in SCREENS {
            for scheme in SCHEMES {
                self.show_on(screen, scheme).await;
                let name = format!("{name}-{}-{scheme}", screen.name);
                self.picture(&name).await;
                self.assert_fits(&name, screen).await;
                self.assert_accessible(&name).await;
            }
        }
        self.assert_faultless(name).await;
    }

    /// The same on a phone in light colours alone.
    pub async fn glance(&self, name: &str) {
        let [phone, _] = SCREENS;
        self.show_on(phone, "light").await;
        self.picture(name).await;
        self.assert_fits(name, phone).await;
        self.assert_accessible(name).await;
        self.assert_faultless(name).await;
    }

    async fn show_on(&self, screen: Screen, scheme: &str) {
        let scale = if screen.is_phone { 2.0 } else { 1.0 };
        let metrics = SetDeviceMetricsOverrideParams::new(screen.width, screen.height, scale, screen.is_phone);
        self.page.execute(metrics).await.expect("a screen can be emulated");
        let media = SetEmulatedMediaParams::builder().feature(MediaFeature::new("prefers-color-scheme", scheme));
        self.page.execute(media.build()).await.expect("a colour scheme can be emulated");
        self.until("the screen is in use", &format!("matchMedia('(prefers-color-scheme: {scheme})').matches")).await;
    }

    /// The whole page, also what has to be scrolled to.
    async fn picture(&self, name: &str) {
        let [width, height]: [f64; 2] = self.ask("[innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]").await;
        let clip = Viewport::builder().x(0.0).y(0.0).width(width).height(height).scale(1.0).build().expect("the part is whole");
        let capture = CaptureScreenshotParams::builder().clip(clip).capture_beyond_viewport(true).build();
        let picture = self.page.execute(capture).await.expect("chromium draws the page").result.data;
        let picture = BASE64.decode(AsRef::<[u8]>::as_ref(&picture)).expect("a picture comes in base64");
        let path = pictures().join(format!("{name}.png"));
        std::fs::write(&path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Nobody has to scroll sideways.
    async fn assert_fits(&self, name: &str, screen: Screen) {
        let wide: u32 = self.ask("Math.max(document.documentElement.scrollWidth, innerWidth)").await;
        assert!(wide <= screen.width, "{name} is {wide} pixels wide");
    }

    async fn assert_accessible(&self, name: &str) {
        if self.ask("typeof axe === 'undefined'").await {
            self.run(&AXE).await;
        }
        let findings: Vec<String> = self.ask(FINDINGS).await;
        assert!(findings.is_empty(), "{name}: {findings:#?}");
    }

    /// The page ran without an error and kept to its content security policy.
    pub async fn assert_faultless(&self, name: &str) {
        let faults: Vec<String> = self.ask("faults").await;
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
}

fn pictures() -> PathBuf {
    let directory = repository().join("target/pictures");
    std::fs::create_dir_all(&directory).expect("the build's own directory can be written");
    directory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_hard_to_read_is_found_and_what_is_not_is_not() {
        let browser = Browser::start().await;
        browser.run("document.documentElement.lang = 'en'; document.title = 'A page'").await;
        browser.run("document.body.innerHTML = '<main><h1>A page</h1><p>Some text</p></main>'").await;
        browser.assert_accessible("a good page").await;
        browser.run("document.querySelector('p').style.color = '#aaa'; document.querySelector('p').innerHTML += '<img src=x>'").await;
        let findings: Vec<String> = browser.ask(FINDINGS).await;
        for rule in ["serious color-contrast at p", "critical image-alt at img"] {
            assert!(findings.iter().any(|finding| finding.starts_with(rule)), "{rule} in {findings:#?}");
        }
    }
}
