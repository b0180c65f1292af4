//! A real redis-server on a free port, without persistence of its own, to be killed, stopped and restarted by a story.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use redis::{Commands, Connection, FromRedisValue};
use tempfile::TempDir;

use super::{
    ports::free_port,
    process::Process,
    wait::{PATIENCE, until, within},
};

const ATTEMPTS: usize = 5;

/// One server. Its port stays its own over a restart.
#[derive(Debug)]
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Process,
}

impl RedisServer {
    /// An empty server that answers.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = ["--save", "", "--appendonly", "no"].iter().chain(arguments).map(ToString::to_string).collect();
        for _ in 0..ATTEMPTS {
            let directory = TempDir::new().expect("there is room for a temporary directory");
            if let Some(server) = Self::try_start(directory, arguments.clone()).await {
                return server;
            }
        }
        panic!("redis-server did not start in {ATTEMPTS} attempts; is it installed?");
    }

    /// A server that follows this one, and has what it has.
    pub async fn start_replica(&self) -> Self {
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &self.port.to_string(), "--repl-diskless-sync-delay", "0"]).await;
        until("the replica follows", async || replica.info("replication").contains("master_link_status:up").then_some(())).await;
        replica
    }

    /// A sentinel that watches this master under `name`, alone, and takes it for gone after 300 ms.
    pub async fn start_sentinel(&self, name: &str) -> Self {
        let watched = format!(
            "sentinel monitor {name} 127.0.0.1 {} 1\nsentinel down-after-milliseconds {name} 300\nsentinel failover-timeout {name} 2000\n",
            self.port
        );
        for _ in 0..ATTEMPTS {
            let directory = TempDir::new().expect("there is room for a temporary directory");
            std::fs::write(directory.path().join("sentinel.conf"), &watched).expect("the directory is ours");
            let arguments = ["sentinel.conf", "--sentinel"].map(str::to_owned).to_vec();
            if let Some(sentinel) = Self::try_start(directory, arguments).await {
                until("the sentinel sees the replica", async || sentinel.info("sentinel").contains("slaves=1").then_some(())).await;
                return sentinel;
            }
        }
        panic!("the sentinel did not start in {ATTEMPTS} attempts");
    }

    /// Three masters with a replica each, which serve every slot.
    pub async fn start_cluster() -> Vec<Self> {
        let mut nodes = Vec::new();
        for _ in 0..6 {
            nodes.push(Self::start_with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"]).await);
        }
        Self::join(&nodes).await;
        nodes
    }

    async fn join(nodes: &[Self]) {
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses).args(["--cluster-replicas", "1", "--cluster-yes"]);
        let done = tokio::task::spawn_blocking(move || create.output()).await.expect("the command is run").expect("redis-cli is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        for node in nodes {
            let serves = async || node.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(());
            until("the cluster serves every slot", serves).await;
        }
        let replicas = async || {
            let follow = |node: &Self| node.info("replication").contains("master_link_status:up");
            (nodes.iter().filter(|node| follow(node)).count() == nodes.len() / 2).then_some(())
        };
        until("every master has a replica", replicas).await;
    }

    async fn try_start(directory: TempDir, arguments: Vec<String>) -> Option<Self> {
        let port = free_port();
        let mut process = run(directory.path(), port, &arguments);
        answers(&mut process, port).await.then_some(Self { directory, port, arguments, process })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A section of `INFO`.
    pub fn info(&self, section: &str) -> String {
        self.ask(&["INFO", section])
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// A connection for the story's own questions.
    pub fn connection(&self) -> Connection {
        connect(self.port).expect("the server answers")
    }

    /// Ends the server at once, as a crash does. What was not saved is lost.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops the server's process: connections stay open and nothing answers.
    pub fn pause(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Writes the present data to disk, for [`Self::restart_with_saved_data`].
    pub fn save(&self) {
        let _: () = self.ask(&["SAVE"]);
    }

    /// Kills the server and starts it on the same port with nothing in it.
    pub async fn restart_empty(&mut self) {
        let _ = std::fs::remove_file(self.directory.path().join("dump.rdb"));
        self.restart_with_saved_data().await;
    }

    /// Kills the server and starts it on the same port with what the last [`Self::save`] wrote.
    pub async fn restart_with_saved_data(&mut self) {
        self.kill();
        for _ in 0..ATTEMPTS {
            self.process = run(self.directory.path(), self.port, &self.arguments);
            if answers(&mut self.process, self.port).await {
                return;
            }
        }
        panic!("redis-server did not return to port {}", self.port);
    }

    /// Sends one command.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let (name, arguments) = words.split_first().expect("a command has a name");
        redis::cmd(name).arg(arguments).query(&mut self.connection()).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// The keys that match `pattern`, sorted.
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        let mut connection = self.connection();
        let mut keys: Vec<String> =
            connection.scan_match(pattern).expect("a scan starts").map(|key| key.expect("a scan goes on")).collect();
        keys.sort();
        keys
    }

    /// Every key with a dump of its value, as bytes that can be searched.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.keys("*").into_iter().map(|key| (key.clone(), self.value(&key))).collect()
    }

    /// Watches what clients send from now on.
    pub async fn monitor(&self) -> Monitor {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "monitor"]);
        let process = Process::start("redis-cli monitor", command);
        until("Redis is watched", async || process.out().get(0)).await;
        Monitor { process, port: self.port, seen: 1, marks: 0 }
    }

    fn value(&self, key: &str) -> Vec<u8> {
        let kind: String = self.ask(&["TYPE", key]);
        let value: redis::Value = match kind.as_str() {
            "string" => self.ask(&["GET", key]),
            "hash" => self.ask(&["HGETALL", key]),
            "list" => self.ask(&["LRANGE", key, "0", "-1"]),
            "set" => self.ask(&["SMEMBERS", key]),
            "zset" => self.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
            "stream" => self.ask(&["XRANGE", key, "-", "+"]),
            // It expired in between.
            _ => redis::Value::Nil,
        };
        let mut bytes = Vec::new();
        flatten(&value, &mut bytes);
        bytes
    }
}

fn flatten(value: &redis::Value, bytes: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(text) => bytes.extend(text),
        redis::Value::SimpleString(text) => bytes.extend(text.bytes()),
        redis::Value::Int(number) => bytes.extend(number.to_string().bytes()),
        redis::Value::Array(values) => values.iter().for_each(|value| flatten(value, bytes)),
        _ => {}
    }
    bytes.push(b' ');
}

/// Redis' own account of what its clients send, command by command, in order.
#[derive(Debug)]
pub struct Monitor {
    process: Process,
    port: u16,
    seen: usize,
    marks: usize,
}

impl Monitor {
    /// The names of the commands that clients sent since the last call of this. What a script calls is not among them, nor what a new
    /// connection says about itself.
    pub async fn commands(&mut self) -> Vec<String> {
        self.marks += 1;
        let mark = format!("mark-{}", self.marks);
        let mut connection = connect(self.port).expect("the server answers");
        let _: String = redis::cmd("ECHO").arg(&mark).query(&mut connection).expect("the server answers");
        let marked = || self.process.out().all().iter().position(|line| line.contains(&mark));
        let end = until("Redis has told everything", async || marked()).await;
        let lines = self.process.out().all();
        let told = lines.get(self.seen..end).unwrap_or_default();
        self.seen = end + 1;
        told.iter().filter_map(|line| name(line)).filter(|name| !matches!(name.as_str(), "client" | "hello" | "echo")).collect()
    }
}

/// The command's name in `1790000000.123456 [0 127.0.0.1:40000] "EVALSHA" "…"`; a script's commands have `[0 lua]`.
fn name(line: &str) -> Option<String> {
    let (client, words) = line.split_once("] \"")?;
    Some(words.split('"').next()?.to_lowercase()).filter(|_| !client.ends_with(" lua"))
}

fn run(directory: &Path, port: u16, arguments: &[String]) -> Process {
    let mut command = Command::new("redis-server");
    command.current_dir(directory).args(arguments).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    Process::start("redis-server", command)
}

/// Whether the server on `port` answers and is ours: another one may have been faster.
async fn answers(process: &mut Process, port: u16) -> bool {
    let ours = format!("process_id:{}\r", process.id());
    let answered = within(PATIENCE, async || {
        if process.has_ended() {
            return Some(false);
        }
        let info: String = redis::cmd("INFO").arg("server").query(&mut connect(port)?).ok()?;
        Some(info.contains(&ours))
    });
    answered.await.unwrap_or(false)
}

fn connect(port: u16) -> Option<Connection> {
    redis::Client::open(url(port)).ok()?.get_connection().ok()
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_returns_on_its_port_with_or_without_its_data() {
        let mut redis = RedisServer::start().await;
        let _: () = redis.ask(&["SET", "otp:{v1}:a", "1"]);
        redis.save();
        let _: () = redis.ask(&["SET", "otp:{v1}:b", "2"]);
        redis.restart_with_saved_data().await;
        assert_eq!(redis.keys("otp:*"), ["otp:{v1}:a"]);
        redis.restart_empty().await;
        assert!(redis.contents().is_empty());
    }

    #[tokio::test]
    async fn a_script_is_one_command_of_its_client() {
        let redis = RedisServer::start().await;
        let mut monitor = redis.monitor().await;
        let _: () = redis.ask(&["SET", "a", "1"]);
        assert_eq!(monitor.commands().await, ["set"]);
        let _: () = redis.ask(&["EVAL", "return redis.call('get', 'a')", "0"]);
        assert_eq!(monitor.commands().await, ["eval"]);
        assert!(monitor.commands().await.is_empty());
    }
}
