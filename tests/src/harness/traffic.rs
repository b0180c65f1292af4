//! Steady traffic: so many fans a second who want to sign in, each with a number and an address of their own, whatever happens meanwhile.
//!
//! Not a benchmark: it says what became of every fan, and nothing of how fast.
//!
//! **Invariant:** every fan who set out is in the table, in one row.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use otp_shared::problem::ProblemCode;
use tokio::task::JoinSet;

use super::{
    door::Door,
    fan::{Fan, Sent, challenge_of},
    stack::Stack,
};
use otp_graph_sim::Simulator;

/// What became of one fan.
#[derive(Debug, Clone)]
pub struct Journey {
    /// When the request set out, and when its answer was there.
    pub request: (Instant, Instant),
    /// The same of the verify, if the fan got that far.
    pub verify: Option<(Instant, Instant)>,
    /// How it ended.
    pub end: End,
    /// The code that arrived, if one did.
    pub sent: Option<Sent>,
}

/// How much traffic there is, and of what kind.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Fans a second.
    pub per_s: u32,
    /// How long fans set out.
    pub lasting: Duration,
    /// How long a fan takes to type the code, at most.
    pub thinking: Duration,
    /// Whether each fan types the code a second time at once, which has to be refused.
    pub again: bool,
}

/// How a journey ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The code verified, and a second time was refused.
    SignedIn,
    /// The code verified twice: a used code was taken again.
    UsedTwice,
    /// The request was refused with this status and code.
    Refused(u16, String),
    /// The code was sent, and its right verify refused.
    Lost(u16, String),
    /// The second verify was answered with something else than "used".
    Odd(u16, String),
}

/// Traffic that runs until it is collected.
pub struct Traffic {
    started: Instant,
    journeys: JoinSet<Journey>,
}

/// What became of everybody.
pub struct Journeys {
    started: Instant,
    all: Vec<Journey>,
}

impl Traffic {
    /// Lets fans set out through `door`, and returns once the last one has.
    pub async fn run(stack: &Stack, door: &Door, pace: Pace) -> Self {
        let Pace { per_s, lasting, thinking, again } = pace;
        let (started, pause) = (Instant::now(), Duration::from_secs(1) / per_s);
        let mut traffic = Self { started, journeys: JoinSet::new() };
        let mut next = tokio::time::interval(pause);
        let mut set_out = 0;
        while started.elapsed() < lasting {
            next.tick().await;
            // Spread over the whole span, so that codes of before are typed during and after.
            let wait = thinking.mul_f64(f64::from(set_out % 97) / 97.0);
            let (fan, phone, graph) = (stack.fan_at(door.clone()), stack.phone(), stack.graph.simulator());
            traffic.journeys.spawn(async move { journey(fan, phone, graph, wait, again).await });
            set_out += 1;
        }
        traffic
    }

    /// Waits for the last fan.
    pub async fn collect(self) -> Journeys {
        Journeys { started: self.started, all: self.journeys.join_all().await }
    }
}

async fn journey(fan: Fan, phone: String, graph: Arc<Simulator>, wait: Duration, again: bool) -> Journey {
    let began = Instant::now();
    let asked = fan.request(&phone).await;
    let request = (began, Instant::now());
    if asked.status != 202 {
        let end = End::Refused(asked.status, asked.code().unwrap_or_default());
        return Journey { request, verify: None, end, sent: None };
    }
    let code = graph.arrived(&phone, 1).await.code;
    let sent = Sent { phone, challenge_id: challenge_of(&asked), code };
    tokio::time::sleep(wait).await;
    let began = Instant::now();
    let verified = fan.verify(&sent, &sent.code).await;
    let verify = Some((began, Instant::now()));
    let end = match verified.status {
        200 if again => typed_again(&fan, &sent).await,
        200 => End::SignedIn,
        status => End::Lost(status, verified.code().unwrap_or_default()),
    };
    Journey { request, verify, end, sent: Some(sent) }
}

/// A used code is refused.
async fn typed_again(fan: &Fan, sent: &Sent) -> End {
    let again = fan.verify(sent, &sent.code).await;
    match (again.status, again.code()) {
        (200, _) => End::UsedTwice,
        (_, Some(code)) if code == ProblemCode::ChallengeUnknown.as_str() => End::SignedIn,
        (status, code) => End::Odd(status, code.unwrap_or_default()),
    }
}

impl Journeys {
    /// How many journeys ended so.
    pub fn count(&self, is: impl Fn(&Journey) -> bool) -> usize {
        self.all.iter().filter(|journey| is(journey)).count()
    }

    /// Those that did not end with a fan signed in.
    pub fn failed(&self) -> Vec<&Journey> {
        self.all.iter().filter(|journey| journey.end != End::SignedIn).collect()
    }

    /// The codes that arrived.
    pub fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.all.iter().filter_map(|journey| journey.sent.as_ref())
    }

    /// How many set out.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether nobody set out.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// The table of what was sent, verified, refused and lost, by the second in which each fan set out, five seconds a row.
impl fmt::Display for Journeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows: BTreeMap<u64, BTreeMap<String, usize>> = BTreeMap::new();
        for journey in &self.all {
            let second = journey.request.0.duration_since(self.started).as_secs() / 5 * 5;
            *rows.entry(second).or_default().entry(format!("{:?}", journey.end)).or_default() += 1;
        }
        writeln!(f, "set out at   what became of them")?;
        for (second, ends) in rows {
            let ends: Vec<_> = ends.into_iter().map(|(end, count)| format!("{end} {count}")).collect();
            writeln!(f, "{second:>3} to {:>3} s  {}", second + 5, ends.join(", "))?;
        }
        Ok(())
    }
}
