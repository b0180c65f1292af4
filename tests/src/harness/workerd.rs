//! The Worker in real workerd: `tests/workerd.mjs`, driven line by line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::{
    binaries::{file, repository},
    process::{Lines, Process},
    wait::until,
};

/// What the platform's rate-limit binding lets through.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    /// Requests of one number and address together, a minute.
    pub pair: u32,
    /// Requests of one address, a minute.
    pub address: u32,
}

/// What a Worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerdConfig {
    /// The origin's URL.
    pub origin: String,
    /// `EDGE_SHARED_SECRET`
    pub secret: String,
    /// Text bindings.
    pub vars: BTreeMap<String, String>,
    /// The rate-limit bindings.
    pub burst: Burst,
    /// Where KV keeps its values; in memory when absent.
    pub kv: Option<PathBuf>,
}

/// A running Worker with its KV namespace.
#[derive(Debug)]
pub struct Workerd {
    process: Process,
    url: String,
    told: usize,
}

impl Workerd {
    /// Starts it and waits until it answers.
    pub async fn start(config: &WorkerdConfig) -> Self {
        file("edge/build/index.js", "cargo xtask test NAME");
        file("node_modules/miniflare", "npm ci");
        let mut command = Command::new("node");
        command.current_dir(repository()).arg("tests/workerd.mjs").arg(config.json().to_string());
        let mut process = Process::start("workerd", command);
        let ready = until("workerd is ready", async || process.out().get(0).or_else(|| process.has_ended().then(String::new))).await;
        let ready: Value = serde_json::from_str(&ready).unwrap_or_default();
        let Some(url) = ready["url"].as_str() else { panic!("workerd does not start: {ready} {}", process.tail()) };
        Self { url: url.trim_end_matches('/').to_owned(), process, told: 0 }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The Worker's own log lines so far.
    pub fn log(&self) -> &Lines {
        self.process.err()
    }

    /// Puts a value, as ops do by hand.
    pub async fn kv_put(&mut self, key: &str, value: &str) {
        self.tell(json!({ "op": "kvPut", "key": key, "value": value })).await;
    }

    /// Puts bytes.
    pub async fn kv_put_base64(&mut self, key: &str, base64: &str) {
        self.tell(json!({ "op": "kvPut", "key": key, "base64": base64 })).await;
    }

    /// The value of `key` in base64.
    pub async fn kv_get_base64(&mut self, key: &str) -> Option<String> {
        self.tell(json!({ "op": "kvGet", "key": key })).await["base64"].as_str().map(ToOwned::to_owned)
    }

    /// Takes a key away.
    pub async fn kv_delete(&mut self, key: &str) {
        self.tell(json!({ "op": "kvDelete", "key": key })).await;
    }

    /// The KV operations that the Worker made since the last call of this.
    pub async fn kv_operations(&mut self) -> u64 {
        let counts = self.tell(json!({ "op": "kvCounts", "reset": true })).await;
        counts["counts"]["total"].as_u64().unwrap_or_else(|| panic!("no count: {counts}"))
    }

    /// From now on the Worker's KV calls do not return.
    pub async fn kv_hang(&mut self) {
        self.tell(json!({ "op": "kvHang" })).await;
    }

    /// From now on the Worker's KV calls fail.
    pub async fn kv_fail(&mut self) {
        self.tell(json!({ "op": "kvFail" })).await;
    }

    /// KV is well again.
    pub async fn kv_heal(&mut self) {
        self.tell(json!({ "op": "kvUnhang" })).await;
    }

    /// Runs the cron handler once.
    pub async fn run_cron(&mut self) {
        let done = self.tell(json!({ "op": "scheduled" })).await;
        assert_eq!(done["outcome"], "ok", "{done}");
    }

    /// The next request meets an isolate that remembers nothing. KV stays.
    pub async fn fresh_isolate(&mut self) {
        self.tell(json!({ "op": "freshIsolate" })).await;
    }

    /// Ends it; its log is complete afterwards.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    async fn tell(&mut self, command: Value) -> Value {
        self.process.tell(&command.to_string());
        self.told += 1;
        let answer = until("workerd answers a command", async || self.process.out().get(self.told)).await;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        assert_eq!(answer["ok"], true, "{command}: {answer}");
        answer
    }
}

impl WorkerdConfig {
    fn json(&self) -> Value {
        let limit = |limit: u32| json!({ "limit": limit, "period": 60 });
        let mut config = json!({
            "origin": self.origin,
            "secret": self.secret,
            "vars": self.vars,
            "rateLimits": { "BURST": limit(self.burst.pair), "BURST_ADDRESS": limit(self.burst.address) },
        });
        if let Some(directory) = &self.kv {
            config["kvPersist"] = json!(directory);
        }
        config
    }
}
