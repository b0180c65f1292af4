//! What happened in each of the last minutes, for the dashboard's plots. Not metrics: those are totals, and the scraper keeps their history.
//!
//! **Invariant:** at most [`MINUTES`] minutes are kept, whatever happens.

use std::collections::VecDeque;

use serde::Serialize;

/// How many minutes are kept: three hours.
pub const MINUTES: usize = 180;
const MINUTE_MS: u64 = 60_000;

/// What happened in one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Minute {
    /// Its first second, as Unix second.
    pub at_s: u64,
    /// Messages that left.
    pub sent: u64,
    /// Messages that arrived on a phone.
    pub delivered: u64,
    /// Codes that were typed rightly.
    pub verified: u64,
    /// Requests that a limit of the origin refused.
    pub limited: u64,
    /// Requests that the edge refused; counted in the minute in which it told.
    pub edge_refused: u64,
}

/// One of a minute's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// [`Minute::sent`]
    Sent,
    /// [`Minute::delivered`]
    Delivered,
    /// [`Minute::verified`]
    Verified,
    /// [`Minute::limited`]
    Limited,
    /// [`Minute::edge_refused`]
    EdgeRefused,
}

impl Line {
    /// The figure that a count of this replica belongs to.
    pub fn of(name: &str, label: &str) -> Option<Self> {
        match (name, label) {
            ("sends", "accepted" | "unconfirmed") => Some(Self::Sent),
            ("receipts", "delivered") => Some(Self::Delivered),
            ("verifies", "accepted") => Some(Self::Verified),
            ("limited", _) => Some(Self::Limited),
            _ => None,
        }
    }
}

impl Minute {
    fn figure(&mut self, line: Line) -> &mut u64 {
        match line {
            Line::Sent => &mut self.sent,
            Line::Delivered => &mut self.delivered,
            Line::Verified => &mut self.verified,
            Line::Limited => &mut self.limited,
            Line::EdgeRefused => &mut self.edge_refused,
        }
    }
}

/// The last minutes in which anything happened, oldest first.
#[derive(Debug, Default)]
pub struct Series(VecDeque<Minute>);

impl Series {
    /// `count` more of `line`. A clock that was set back counts in the newest minute.
    pub fn count(&mut self, line: Line, count: u64, now_ms: u64) {
        let at_s = minute_of(now_ms);
        if self.0.back().is_none_or(|newest| newest.at_s < at_s) {
            self.0.push_back(Minute { at_s, ..Minute::default() });
        }
        if self.0.len() > MINUTES {
            self.0.pop_front();
        }
        if let Some(newest) = self.0.back_mut() {
            *newest.figure(line) += count;
        }
    }

    /// The last [`MINUTES`] minutes without a gap, the present one last.
    pub fn view(&self, now_ms: u64) -> Vec<Minute> {
        let newest_s = minute_of(now_ms);
        let first_s = newest_s.saturating_sub(MINUTE_MS / 1000 * (MINUTES as u64 - 1));
        let mut kept = self.0.iter().skip_while(|minute| minute.at_s < first_s).peekable();
        let times = (first_s..=newest_s).step_by(60);
        times.map(|at_s| kept.next_if(|minute| minute.at_s == at_s).copied().unwrap_or(Minute { at_s, ..Minute::default() })).collect()
    }
}

/// The Unix second at which the minute began.
fn minute_of(now_ms: u64) -> u64 {
    now_ms / MINUTE_MS * (MINUTE_MS / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_040_000;

    #[test]
    fn minutes_without_anything_are_shown_as_nothing() {
        let mut series = Series::default();
        series.count(Line::Sent, 2, NOW_MS - 2 * MINUTE_MS);
        series.count(Line::Verified, 1, NOW_MS);
        let view = series.view(NOW_MS + 59_000);
        assert_eq!(view.len(), MINUTES);
        let last: Vec<_> = view.iter().rev().take(3).map(|minute| (minute.sent, minute.verified)).collect();
        assert_eq!(last, [(0, 1), (0, 0), (2, 0)]);
    }

    #[test]
    fn old_minutes_make_way() {
        let mut series = Series::default();
        for minute in 0..2 * MINUTES as u64 {
            series.count(Line::Limited, 1, NOW_MS + minute * MINUTE_MS);
        }
        assert_eq!(series.0.len(), MINUTES);
        let view = series.view(NOW_MS + (2 * MINUTES as u64 - 1) * MINUTE_MS);
        assert!(view.iter().all(|minute| minute.limited == 1));
        assert!(series.view(NOW_MS + 10 * MINUTES as u64 * MINUTE_MS).iter().all(|minute| minute.limited == 0));
    }

    #[test]
    fn a_clock_that_was_set_back_loses_nothing() {
        let mut series = Series::default();
        series.count(Line::Sent, 1, NOW_MS);
        series.count(Line::Sent, 1, NOW_MS - 10 * MINUTE_MS);
        assert_eq!(series.view(NOW_MS).last().unwrap().sent, 2);
    }
}
