//! The task runner of Beistand: `cargo xtask ci` is what an integration machine runs and what a
//! person runs before a commit. It uses the standard library only, so that it builds in a second.

mod child;
mod ci;
mod doctor;
mod summary;
mod tally;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
The task runner of Beistand.

Usage: cargo xtask <COMMAND>

  ci [--fast]                      all checks, in order: format, clippy, tidy, unit,
                                   simulation, real clients (not with --fast)
  tidy                             the rules of the house
  sim [--seeds N] [--first SEED]   the simulation in virtual time: N seeds, from SEED on
  preflight [--runs N]             real preflights over links of known rates, N of each, as
                                   a table (20 unless told otherwise)
  record [--minutes N] [--kills N] a recorded session of N minutes (3 unless told otherwise), and
                                   a recording node killed at N moments (50), in real time
  bench                            what a forwarded packet costs
  doctor                           what this machine lacks for the tests, and the remedy
  help                             this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["ci"] => Ok(ci::run(false)),
        ["ci", "--fast"] => Ok(ci::run(true)),
        ["tidy"] => cargo(&["test", "--test", "tidy"], &[]),
        ["sim", options @ ..] => sim(options),
        ["preflight", options @ ..] => preflight(options),
        ["record", options @ ..] => record(options),
        ["bench"] => cargo(&["bench", "--bench", "forward"], &[]),
        ["doctor"] => Ok(doctor::report()),
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            Ok(true)
        }
        other => Err(format!("unknown arguments: {}", other.join(" "))),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(wrong) => {
            eprintln!("error: {wrong}\n  remedy: cargo xtask help");
            ExitCode::from(2)
        }
    }
}

/// The root of the repository, where cargo is to run.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The cargo that runs this, or the one on the path.
fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs cargo in the foreground, as if typed.
fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<bool, String> {
    let status = Command::new(cargo_program())
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root())
        .status()
        .map_err(|e| format!("cargo cannot be started: {e}"))?;
    Ok(status.success())
}

fn sim(options: &[&str]) -> Result<bool, String> {
    let environment = sim_environment(options)?;
    cargo(&["test", "--test", "sim"], &environment)
}

/// The measurements of the real tests, as often as asked for, with their table.
fn preflight(options: &[&str]) -> Result<bool, String> {
    let runs = preflight_runs(options)?;
    let test = "preflight::each_direction_of_a_link_is_measured";
    cargo(
        &["test", "--test", "real", "--", "--nocapture", test],
        &[("BEISTAND_PREFLIGHT_RUNS", runs)],
    )
}

fn preflight_runs<'a>(options: &[&'a str]) -> Result<&'a str, String> {
    match options {
        [] => Ok("20"),
        ["--runs", runs] if runs.parse::<u32>().is_ok_and(|runs| runs > 0) => Ok(runs),
        other => {
            let given = other.join(" ");
            Err(format!("preflight takes `--runs N`, and not `{given}`"))
        }
    }
}

/// The long recordings of the real tests: what was asked for, or both.
fn record(options: &[&str]) -> Result<bool, String> {
    let (minutes, kills) = record_options(options)?;
    let mut passed = true;
    for (wanted, name, test) in [
        (minutes, "BEISTAND_RECORD_MINUTES", "record::sync::"),
        (kills, "BEISTAND_RECORD_KILLS", "record::crash::"),
    ] {
        if let Some(number) = wanted {
            let arguments = ["test", "--test", "real", "--", "--nocapture", test];
            passed &= cargo(&arguments, &[(name, number)])?;
        }
    }
    Ok(passed)
}

/// Minutes and kills; the one that is not named is not run, unless neither is.
fn record_options<'a>(options: &[&'a str]) -> Result<(Option<&'a str>, Option<&'a str>), String> {
    let (mut minutes, mut kills) = (None, None);
    for pair in options.chunks(2) {
        let place = match pair.first() {
            Some(&"--minutes") => &mut minutes,
            Some(&"--kills") => &mut kills,
            other => return Err(format!("record knows no option {other:?}")),
        };
        let number = pair.get(1).copied().unwrap_or_default();
        if !number.parse::<u32>().is_ok_and(|number| number > 0) {
            return Err(format!("`{}` needs a number above 0", pair[0]));
        }
        *place = Some(number);
    }
    if options.is_empty() {
        return Ok((Some("3"), Some("50")));
    }
    Ok((minutes, kills))
}

/// What the simulation is told through its environment.
fn sim_environment<'a>(options: &[&'a str]) -> Result<Vec<(&'static str, &'a str)>, String> {
    let mut environment = Vec::new();
    let mut rest = options;
    while let Some((option, after)) = rest.split_first() {
        let name = match *option {
            "--seeds" => "BEISTAND_SIM_SEEDS",
            "--first" => "BEISTAND_SIM_FIRST",
            other => return Err(format!("sim knows no option `{other}`")),
        };
        let (value, after) = after
            .split_first()
            .ok_or_else(|| format!("`{option}` needs a number"))?;
        let number: u64 = value
            .parse()
            .map_err(|_| format!("`{option} {value}`: no number"))?;
        if *option == "--seeds" && number == 0 {
            return Err("`--seeds 0`: a simulation without a seed shows nothing".to_owned());
        }
        environment.push((name, *value));
        rest = after;
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_sim_become_its_environment() {
        let both = [("BEISTAND_SIM_SEEDS", "50"), ("BEISTAND_SIM_FIRST", "7")];
        assert_eq!(
            sim_environment(&["--seeds", "50", "--first", "7"]).as_deref(),
            Ok(&both[..])
        );
        assert_eq!(sim_environment(&[]).as_deref(), Ok(&[][..]));
        for wrong in [
            &["--seeds"][..],
            &["--seeds", "0"],
            &["--seeds", "many"],
            &["--first", "-1"],
            &["--speed", "1"],
        ] {
            assert!(sim_environment(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn preflight_runs_as_often_as_asked_for() {
        assert_eq!(preflight_runs(&[]).as_deref(), Ok("20"));
        assert_eq!(preflight_runs(&["--runs", "3"]).as_deref(), Ok("3"));
        for wrong in [&["--runs"][..], &["--runs", "0"], &["--seeds", "3"]] {
            assert!(preflight_runs(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn record_runs_what_is_asked_for_or_both() {
        assert_eq!(record_options(&[]), Ok((Some("3"), Some("50"))));
        assert_eq!(record_options(&["--minutes", "1"]), Ok((Some("1"), None)));
        let both = ["--kills", "9", "--minutes", "2"];
        assert_eq!(record_options(&both), Ok((Some("2"), Some("9"))));
        for wrong in [&["--minutes"][..], &["--kills", "0"], &["--hours", "1"]] {
            assert!(record_options(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_root_is_where_the_workspace_lies() {
        assert!(root().join("Cargo.lock").is_file(), "{}", root().display());
    }
}
