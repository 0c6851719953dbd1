//! The table at the end of `ci`, and the one line below it.

use crate::tally::Tally;
use std::io::IsTerminal;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// With the reason, in a few words.
    Failed(String),
    NotRun,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub step: &'static str,
    pub outcome: Outcome,
    pub took: Duration,
    /// A step without tests, as the format, counts as one.
    pub tally: Option<Tally>,
}

impl Row {
    pub fn not_run(step: &'static str) -> Row {
        Row {
            step,
            outcome: Outcome::NotRun,
            took: Duration::ZERO,
            tally: None,
        }
    }

    fn passed(&self) -> u64 {
        match (self.tally, &self.outcome) {
            (Some(tally), _) => tally.passed,
            (None, Outcome::Passed) => 1,
            (None, Outcome::Failed(_) | Outcome::NotRun) => 0,
        }
    }

    /// A step that failed although none of its tests did has failed as one.
    fn failed(&self) -> u64 {
        let tests = self.tally.map_or(0, |tally| tally.failed);
        match self.outcome {
            Outcome::Failed(_) => tests.max(1),
            Outcome::Passed | Outcome::NotRun => tests,
        }
    }
}

/// Is colour welcome?
pub fn is_coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

fn paint(text: &str, code: &str, coloured: bool) -> String {
    if coloured {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// The heading of a step in the stream.
pub fn heading(text: &str) -> String {
    paint(&format!("=== {text} ==="), "1", is_coloured())
}

/// The table, and below it, alone on its line, `N passed, N failed`.
pub fn table(rows: &[Row], coloured: bool) -> String {
    let mut text = String::new();
    text += &format!(
        "{:<14} {:<8} {:>8} {:>8} {:>8}\n",
        "step", "result", "seconds", "passed", "failed"
    );
    for row in rows {
        let (result, code, reason) = match &row.outcome {
            Outcome::Passed => ("ok", "32", ""),
            Outcome::Failed(reason) => ("FAILED", "31", reason.as_str()),
            Outcome::NotRun => ("not run", "33", ""),
        };
        let result = paint(&format!("{result:<8}"), code, coloured);
        let line = match row.outcome {
            Outcome::NotRun => {
                format!("{:<14} {result} {:>8} {:>8} {:>8}", row.step, "-", "-", "-")
            }
            Outcome::Passed | Outcome::Failed(_) => format!(
                "{:<14} {result} {:>8.1} {:>8} {:>8}  {reason}",
                row.step,
                row.took.as_secs_f64(),
                row.passed(),
                row.failed(),
            ),
        };
        text += line.trim_end();
        text.push('\n');
    }
    let (passed, failed) = totals(rows);
    text += &format!("\n{passed} passed, {failed} failed\n");
    text
}

fn totals(rows: &[Row]) -> (u64, u64) {
    (
        rows.iter().map(Row::passed).sum(),
        rows.iter().map(Row::failed).sum(),
    )
}

/// Did every step run, and pass?
pub fn all_passed(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.outcome == Outcome::Passed) && totals(rows).1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: &'static str, outcome: Outcome, tally: Option<(u64, u64)>) -> Row {
        let tally = tally.map(|(passed, failed)| Tally {
            passed,
            failed,
            ignored: 0,
        });
        Row {
            step,
            outcome,
            took: Duration::from_millis(1250),
            tally,
        }
    }

    #[test]
    fn the_table_ends_with_one_plain_line() {
        let rows = [
            row("format", Outcome::Passed, None),
            row(
                "unit",
                Outcome::Failed("2 tests failed".to_owned()),
                Some((40, 2)),
            ),
            Row::not_run("simulation"),
        ];
        let wanted = "\
step           result    seconds   passed   failed
format         ok            1.2        1        0
unit           FAILED        1.2       40        2  2 tests failed
simulation     not run         -        -        -

41 passed, 2 failed
";
        assert_eq!(table(&rows, false), wanted);
        assert!(!all_passed(&rows));
        assert!(table(&rows, true).contains("\u{1b}[31mFAILED"));
    }

    #[test]
    fn a_step_that_fails_without_a_failed_test_counts_as_one() {
        let rows = [row(
            "unit",
            Outcome::Failed("does not build".to_owned()),
            Some((0, 0)),
        )];
        assert!(table(&rows, false).ends_with("\n0 passed, 1 failed\n"));
    }

    #[test]
    fn only_steps_that_ran_and_passed_make_a_success() {
        assert!(all_passed(&[row("format", Outcome::Passed, None)]));
        assert!(!all_passed(&[
            row("format", Outcome::Passed, None),
            Row::not_run("unit")
        ]));
    }
}
