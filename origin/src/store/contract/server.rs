//! A `redis-server` of a test's own: on a free port, without persistence, stopped when it is dropped.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use ::redis::{Client, Connection};

use crate::store::redis::{RedisConfig, RedisMode};

/// What sentinels here call the master.
pub const MASTER: &str = "otp";

/// A running server, unless it was stopped.
pub struct Server {
    port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start(arguments: &[&str]) -> Self {
        let mut server = Self::prepare(&[&["--save", "", "--appendonly", "no", "--databases", "1024"], arguments].concat());
        server.start_again();
        server
    }

    /// Starts a sentinel that watches `master`, alone, and takes it for gone after 300 ms.
    pub fn start_sentinel(master: &Self) -> Self {
        let mut sentinel = Self::prepare(&["--sentinel"]);
        let watched = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {} 1\nsentinel down-after-milliseconds {MASTER} 300\nsentinel failover-timeout {MASTER} 2000\n",
            master.port
        );
        std::fs::write(sentinel.directory.join("sentinel.conf"), watched).expect("its own directory");
        sentinel.arguments.insert(0, "sentinel.conf".into());
        sentinel.start_again();
        sentinel
    }

    fn prepare(arguments: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let port = free_port();
        let name = format!("otp-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        Self { port, directory, arguments: arguments.iter().map(ToString::to_string).collect(), child: None }
    }

    /// Starts it again, empty, on the same port.
    pub fn start_again(&mut self) {
        let child = Command::new("redis-server")
            .args(&self.arguments)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .current_dir(&self.directory)
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server: install the package of that name");
        self.child = Some(child);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&mut self) {
        for _ in 0..2000 {
            if self.try_connect().is_some() {
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("its own child"));
            assert!(ended.is_none(), "redis-server ended at once: {ended:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("redis-server does not answer within ten seconds");
    }

    /// Whoever takes the port between its choice and the start answers under another process id.
    fn try_connect(&self) -> Option<Connection> {
        let mut connection =
            Client::open(format!("redis://127.0.0.1:{}", self.port)).ok()?.get_connection_with_timeout(Duration::from_millis(500)).ok()?;
        let info: String = ::redis::cmd("INFO").arg("server").query(&mut connection).ok()?;
        let id = self.child.as_ref()?.id();
        info.lines().any(|line| line == format!("process_id:{id}")).then_some(connection)
    }

    /// Ends it the hard way.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }

    /// Lets it stand still, or go on: connections stay open, nothing is answered.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("kill is there");
        assert!(status.success());
    }

    /// Whether it was started and not killed.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    pub fn url(&self, database: u32) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn config(&self, database: u32) -> RedisConfig {
        RedisConfig { url: self.url(database), mode: RedisMode::Standalone, sentinel_name: String::new() }
    }

    /// A connection for the test itself. A sentinel drops those of whom it promotes, so one may break while it is made.
    pub fn connection(&self) -> Connection {
        (0..20).find_map(|_| self.try_connect()).expect("it runs")
    }

    /// How many were made, this one included.
    pub fn connections(&self) -> u64 {
        let info: String = ::redis::cmd("INFO").arg("stats").query(&mut self.connection()).expect("it answers");
        let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")?.trim().parse().ok());
        count.expect("INFO tells it")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Calls of every command since the server started or the counters were reset.
pub fn commands(connection: &mut Connection) -> BTreeMap<String, u64> {
    let info: String = ::redis::cmd("INFO").arg("commandstats").query(connection).expect("it answers");
    let count = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    info.lines().filter_map(count).collect()
}

/// A port that nobody listens on, at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}
