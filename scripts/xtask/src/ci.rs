//! All checks in order, each with a limit of time; the first that fails ends the run, and the
//! table shows what did not run.

use crate::child::{self, End, Sink};
use crate::summary::{self, Outcome, Row};
use crate::tally::Tally;
use crate::{cargo_program, doctor, root};
use std::process::Command;
use std::time::Duration;

/// One step: the commands of cargo that make it.
struct Step {
    name: &'static str,
    commands: &'static [&'static [&'static str]],
    /// Time for all its commands, their builds included, on a machine with two cores.
    limit: Duration,
    /// Runs tests: then it must run one at least.
    has_tests: bool,
    needs_clients: bool,
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Every command compiles our packages with clippy, as `cargo clippy` does: so they and what they depend on
/// are compiled once, for the checks and the tests. The second variable is how `cargo clippy -- -D warnings`
/// hands its arguments over.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("RUSTC_WORKSPACE_WRAPPER", "clippy-driver"),
    (
        "CLIPPY_ARGS",
        "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
    ),
];

const STEPS: [Step; 6] = [
    Step {
        name: "format",
        commands: &[&["fmt", "--all", "--check"]],
        limit: minutes(2),
        has_tests: false,
        needs_clients: false,
    },
    Step {
        name: "clippy",
        commands: &[&["test", "--workspace", "--all-targets", "--no-run"]],
        limit: minutes(40),
        has_tests: false,
        needs_clients: false,
    },
    Step {
        name: "tidy",
        commands: &[&["test", "--test", "tidy"]],
        limit: minutes(20),
        has_tests: true,
        needs_clients: false,
    },
    Step {
        name: "unit",
        commands: &[
            &["test", "--lib", "--bins", "--no-fail-fast"],
            &["test", "--package", "xtask", "--no-fail-fast"],
        ],
        limit: minutes(20),
        has_tests: true,
        needs_clients: false,
    },
    Step {
        name: "simulation",
        commands: &[&["test", "--test", "sim"]],
        limit: minutes(20),
        has_tests: true,
        needs_clients: false,
    },
    Step {
        name: "real clients",
        // More than there are cores: most of them wait, and tests/real/turn.rs gives out the cores.
        commands: &[&["test", "--test", "real", "--", "--test-threads=4"]],
        limit: minutes(40),
        has_tests: true,
        needs_clients: true,
    },
];

/// Runs the steps; has everything passed?
pub fn run(fast: bool) -> bool {
    let steps = STEPS.iter().filter(|step| !(fast && step.needs_clients));
    let mut rows: Vec<Row> = Vec::new();
    for step in steps {
        let stopped = rows.iter().any(|row| row.outcome != Outcome::Passed);
        rows.push(if stopped {
            Row::not_run(step.name)
        } else {
            run_step(step)
        });
    }
    println!("\n{}", summary::heading("summary"));
    print!("{}", summary::table(&rows, summary::is_coloured()));
    summary::all_passed(&rows)
}

fn run_step(step: &Step) -> Row {
    println!("\n{}", summary::heading(step.name));
    let start = child::now();
    let mut tally = Tally::default();
    let outcome = match missing(step) {
        Some(reason) => Outcome::Failed(reason),
        None => run_commands(step, &mut tally),
    };
    let tally = step.has_tests.then_some(tally);
    Row {
        step: step.name,
        outcome,
        took: child::now() - start,
        tally,
    }
}

/// What this machine lacks for the step fails it: nothing is skipped.
fn missing(step: &Step) -> Option<String> {
    if !step.needs_clients || doctor::report() {
        return None;
    }
    Some("this machine lacks something, see the remedies above".to_owned())
}

/// All commands of a step run, even if one fails: each shows something else.
fn run_commands(step: &Step, tally: &mut Tally) -> Outcome {
    let deadline = child::now() + step.limit;
    let mut reason = None;
    for arguments in step.commands {
        println!("$ cargo {}", arguments.join(" "));
        let mut command = Command::new(cargo_program());
        command
            .args(*arguments)
            .current_dir(root())
            .envs(ENVIRONMENT);
        if summary::is_coloured() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        let end = child::run(
            command,
            deadline,
            &mut Sink {
                out: &mut std::io::stdout(),
                tally,
            },
        );
        reason = reason.or(wrong(&end, step, tally));
    }
    match reason {
        None if step.has_tests && tally.passed == 0 => {
            Outcome::Failed("no test ran, so nothing was shown".to_owned())
        }
        None if tally.ignored > 0 => Outcome::Failed(format!("{} ignored", tally.ignored)),
        None => Outcome::Passed,
        Some(reason) => Outcome::Failed(reason),
    }
}

fn wrong(end: &End, step: &Step, tally: &Tally) -> Option<String> {
    match end {
        End::Passed => None,
        End::Failed if tally.failed > 0 => Some("see the failed tests above".to_owned()),
        End::Failed => Some("see its output above".to_owned()),
        End::OutOfTime => Some(format!("not done within {} min", step.limit.as_secs() / 60)),
        End::NotStarted(e) => Some(format!("cannot be started: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_run_from_cheap_to_dear_and_only_the_last_needs_clients() {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(
            names,
            [
                "format",
                "clippy",
                "tidy",
                "unit",
                "simulation",
                "real clients"
            ]
        );
        assert!(
            STEPS
                .iter()
                .all(|step| step.needs_clients == (step.name == "real clients"))
        );
    }

    #[test]
    fn a_step_names_why_it_failed() {
        let step = &STEPS[5];
        let none = Tally::default();
        let one = Tally { failed: 1, ..none };
        assert_eq!(wrong(&End::Passed, step, &one), None);
        assert_eq!(
            wrong(&End::Failed, step, &one).as_deref(),
            Some("see the failed tests above")
        );
        assert_eq!(
            wrong(&End::Failed, step, &none).as_deref(),
            Some("see its output above")
        );
        assert_eq!(
            wrong(&End::OutOfTime, step, &none).as_deref(),
            Some("not done within 40 min")
        );
    }
}
