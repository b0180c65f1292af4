//! The checklist, line by line.

use super::Seen;

/// What was checked, and how it came out.
pub struct Report<'a> {
    say: Box<dyn FnMut(&str) + 'a>,
    ok: usize,
    failed: Vec<String>,
    skipped: usize,
}

impl<'a> Report<'a> {
    /// An empty one.
    pub fn new(say: impl FnMut(&str) + 'a) -> Self {
        Self { say: Box::new(say), ok: 0, failed: Vec::new(), skipped: 0 }
    }

    /// Notes one check. Says whether it passed.
    pub fn note(&mut self, what: &str, seen: Seen) -> bool {
        let passed = seen.is_ok();
        let (mark, told) = match seen {
            Ok(told) => ("[x]", told),
            Err(told) => ("[ ]", format!("FAILED: {told}")),
        };
        (self.say)(&format!("- {mark} {what:<52} {told}"));
        if passed {
            self.ok += 1;
        } else {
            self.failed.push(what.to_owned());
        }
        passed
    }

    /// Notes a check that could not be made, and why.
    pub fn skip(&mut self, what: &str, why: &str) {
        (self.say)(&format!("- [-] {what:<52} skipped: {why}"));
        self.skipped += 1;
    }

    /// What failed.
    pub fn failed(&self) -> &[String] {
        &self.failed
    }

    /// One line about all of it.
    pub fn summary(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.ok, self.failed.len(), self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_remembered_and_skips_are_not_failures() {
        let mut lines = Vec::new();
        let mut report = Report::new(|line| lines.push(line.to_owned()));
        report.note("one", Ok("fine".to_owned()));
        report.note("two", Err("503".to_owned()));
        report.skip("three", "no token");
        assert_eq!((report.failed(), report.summary().as_str()), (&["two".to_owned()][..], "1 passed, 1 failed, 1 skipped"));
        drop(report);
        assert!(lines[0].starts_with("- [x] one") && lines[1].contains("FAILED: 503") && lines[2].starts_with("- [-] three"), "{lines:?}");
    }
}
