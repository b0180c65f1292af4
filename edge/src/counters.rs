//! What this isolate did since its last report to the origin. Not metrics in general: these few numbers, told approximately.
//!
//! **Invariant:** a report is built once and keeps its sequence number until it is known to have arrived, so that the origin counts it
//! once however often it is sent.

use otp_shared::problem::ProblemCode;

use crate::json::Object;

/// The least time between two reports, in milliseconds.
pub const PAUSE_MS: u64 = 10_000;

/// After this, a planned report that has not been taken never will: its request was killed. Within it, the report itself may wait
/// [`PAUSE_MS`] for its turn.
const GIVE_UP_MS: u64 = 20_000;

/// A report as it is sent, as often as needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// 1, 2, 3 … within the isolate.
    pub sequence: u64,
    /// [`otp_shared::wire::EdgeCounters`] as JSON.
    pub json: String,
}

/// Counts by name: a handful, so a list.
type Tally = Vec<(&'static str, u64)>;

/// The counts of one isolate. All times in milliseconds since the Unix epoch.
#[derive(Debug, Default)]
pub struct Counters {
    isolate: String,
    sequence: u64,
    passed: u64,
    refused: Tally,
    errors: Tally,
    unsent: Option<Report>,
    next_ms: u64,
    planned_ms: Option<u64>,
}

impl Counters {
    /// Counts of the isolate that is named so.
    pub fn new(isolate: String) -> Self {
        Self { isolate, ..Self::default() }
    }

    /// A request was answered by the origin.
    pub fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }

    /// A request was refused here.
    pub fn refuse(&mut self, code: ProblemCode) {
        add_one(&mut self.refused, code.as_str());
    }

    /// A part of the edge failed.
    pub fn error(&mut self, name: &'static str) {
        add_one(&mut self.errors, name);
    }

    /// Whether the caller is to send a report, and in how many milliseconds; if so, it is planned, and nobody else is asked.
    pub fn plan(&mut self, now_ms: u64) -> Option<u64> {
        let is_planned = self.planned_ms.is_some_and(|planned_ms| now_ms < planned_ms.saturating_add(GIVE_UP_MS));
        if is_planned || (self.unsent.is_none() && self.is_zero()) {
            return None;
        }
        self.planned_ms = Some(now_ms);
        Some(self.next_ms.saturating_sub(now_ms).min(PAUSE_MS))
    }

    /// The report to send now: the last one again, if it did not arrive.
    pub fn take(&mut self, snapshot_age_s: Option<u64>, now_ms: u64) -> Report {
        self.planned_ms = None;
        self.next_ms = now_ms.saturating_add(PAUSE_MS);
        let report = self.unsent.take().unwrap_or_else(|| self.report(snapshot_age_s));
        self.unsent.insert(report).clone()
    }

    /// The report with this sequence number has arrived.
    pub fn arrived(&mut self, sequence: u64) {
        self.unsent.take_if(|report| report.sequence == sequence);
    }

    fn is_zero(&self) -> bool {
        self.passed == 0 && self.refused.is_empty() && self.errors.is_empty()
    }

    fn report(&mut self, snapshot_age_s: Option<u64>) -> Report {
        self.sequence = self.sequence.saturating_add(1);
        let report = Object::begin()
            .text("isolate", &self.isolate)
            .number("sequence", self.sequence)
            .number("passed", std::mem::take(&mut self.passed))
            .raw("refused", &told(&mut self.refused))
            .raw("errors", &told(&mut self.errors));
        let report = match snapshot_age_s {
            Some(age_s) => report.number("snapshotAgeS", age_s),
            None => report,
        };
        Report { sequence: self.sequence, json: report.finish() }
    }
}

fn add_one(tally: &mut Tally, name: &'static str) {
    match tally.iter_mut().find(|(known, _)| *known == name) {
        Some((_, count)) => *count = count.saturating_add(1),
        None => tally.push((name, 1)),
    }
}

/// Tells the counts and forgets them.
fn told(tally: &mut Tally) -> String {
    tally.drain(..).fold(Object::begin(), |object, (name, count)| object.number(name, count)).finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use otp_shared::wire::EdgeCounters;

    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;

    fn counters() -> Counters {
        let mut counters = Counters::new("a1".into());
        counters.pass();
        counters
    }

    #[test]
    fn the_first_report_is_sent_at_once_and_the_next_after_a_pause() {
        let mut counters = counters();
        assert_eq!(counters.plan(NOW_MS), Some(0));
        counters.take(None, NOW_MS);
        counters.arrived(1);
        counters.pass();
        assert_eq!(counters.plan(NOW_MS + 1_000), Some(PAUSE_MS - 1_000));
        assert_eq!(counters.plan(NOW_MS + 2_000), None, "it is planned already");
    }

    #[test]
    fn nothing_happened_nothing_is_sent() {
        assert_eq!(Counters::new("a1".into()).plan(NOW_MS), None);
    }

    #[test]
    fn refusals_alone_are_reported_too() {
        let mut counters = Counters::new("a1".into());
        counters.refuse(ProblemCode::Blacklisted);
        counters.refuse(ProblemCode::Blacklisted);
        counters.error("kv_read");
        assert_eq!(counters.plan(NOW_MS), Some(0));
        let expected = EdgeCounters {
            isolate: "a1".into(),
            sequence: 1,
            passed: 0,
            refused: BTreeMap::from([("blacklisted".into(), 2)]),
            errors: BTreeMap::from([("kv_read".into(), 1)]),
            snapshot_age_s: Some(7),
        };
        assert_eq!(counters.take(Some(7), NOW_MS).json, serde_json::to_string(&expected).unwrap(), "the origin reads this");
    }

    #[test]
    fn a_report_that_did_not_arrive_is_sent_again_unchanged() {
        let mut counters = counters();
        let first = counters.take(None, NOW_MS);
        counters.pass();
        assert_eq!(counters.take(Some(3), NOW_MS + PAUSE_MS), first);
        counters.arrived(1);
        let second = counters.take(None, NOW_MS + 2 * PAUSE_MS);
        assert_eq!(second.sequence, 2);
        assert!(second.json.contains(r#""passed":1"#), "{}", second.json);
    }

    #[test]
    fn a_late_arrival_does_not_drop_another_report() {
        let mut counters = counters();
        counters.take(None, NOW_MS);
        counters.arrived(9);
        assert_eq!(counters.take(None, NOW_MS).sequence, 1);
    }

    #[test]
    fn a_plan_whose_request_was_killed_is_forgotten() {
        let mut counters = counters();
        counters.plan(NOW_MS);
        assert_eq!(counters.plan(NOW_MS + GIVE_UP_MS - 1), None);
        assert_eq!(counters.plan(NOW_MS + GIVE_UP_MS), Some(0));
    }
}
