//! Redis itself, with commands that only read.

use redis::{Connection, RedisError};

use super::{Report, Seen, Target};

const WHAT: [&str; 3] = ["Redis answers PING", "Redis is a primary (INFO replication)", "Redis drops nothing under pressure (noeviction)"];

/// PING, role, eviction policy.
pub async fn check(target: &Target, report: &mut Report<'_>) {
    let Some(url) = target.redis.clone() else {
        for what in WHAT {
            report.skip(what, "no --redis");
        }
        return;
    };
    let checked = tokio::task::spawn_blocking(move || all(&url)).await;
    let results = checked.unwrap_or_else(|error| WHAT.map(|_| Err(error.to_string())));
    for (what, seen) in WHAT.iter().zip(results) {
        report.note(what, seen);
    }
}

fn all(url: &str) -> [Seen; 3] {
    match redis::Client::open(url).and_then(|client| client.get_connection_with_timeout(super::PATIENCE)) {
        Ok(mut connection) => [ping(&mut connection), role(&mut connection), policy(&mut connection)],
        Err(error) => WHAT.map(|_| Err(told(&error))),
    }
}

fn ping(connection: &mut Connection) -> Seen {
    redis::cmd("PING").query::<String>(connection).map_err(|error| told(&error))
}

fn role(connection: &mut Connection) -> Seen {
    match info(connection, "replication", "role")?.as_str() {
        "master" => Ok("role:master".to_owned()),
        role => Err(format!("role:{role}")),
    }
}

/// Any other policy may drop used-marks and guesses: a used code would work again.
fn policy(connection: &mut Connection) -> Seen {
    match info(connection, "memory", "maxmemory_policy")?.as_str() {
        "noeviction" => Ok("maxmemory_policy:noeviction".to_owned()),
        policy => Err(format!("maxmemory_policy:{policy}")),
    }
}

fn info(connection: &mut Connection, section: &str, name: &str) -> Seen {
    let info: String = redis::cmd("INFO").arg(section).query(connection).map_err(|error| told(&error))?;
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned()).ok_or_else(|| format!("INFO {section} has no {name}"))
}

/// Without the URL, which may have a password in it.
fn told(error: &RedisError) -> String {
    error.category().to_owned()
}
