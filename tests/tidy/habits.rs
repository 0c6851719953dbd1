//! Habits: each file says what it is for, nothing is left half done, no test is put aside or
//! waits for time to pass, and whoever lets a lint off says why.

use crate::source::{Finding, Source, Text};
use crate::walk::walk;

/// The one file of tests that may wait, for a condition and with a deadline.
const WAITING_PLACE: &str = "tests/real/wait.rs";

pub fn check_opening(source: &Source) -> Vec<Finding> {
    let opening = source.text.text.lines().next().unwrap_or_default();
    if opening
        .strip_prefix("//!")
        .is_some_and(|says| !says.trim().is_empty())
    {
        return Vec::new();
    }
    let remedy = "begin it with `//!` and one sentence on what it is for";
    vec![source.finding(1, "the file does not say what it is for".to_owned(), remedy)]
}

pub fn check_leftovers(source: &Source) -> Vec<Finding> {
    let walk = walk(&source.tokens);
    let mut findings = Vec::new();
    for attribute in &walk.attributes {
        let first = attribute.words.first().map(String::as_str);
        let conditional =
            first == Some("cfg_attr") && attribute.words.iter().any(|w| w == "ignore");
        if first == Some("ignore") || conditional {
            let remedy = "make it pass, or delete it: a test that does not run shows nothing";
            findings.push(source.finding(attribute.line, "a test is ignored".to_owned(), remedy));
        }
    }
    for word in walk.words.iter().filter(|w| w.called_as_macro) {
        if matches!(word.word.as_str(), "todo" | "unimplemented" | "dbg") {
            let wrong = format!("`{}!` is left in", word.word);
            findings.push(source.finding(word.line, wrong, "finish it or take it out"));
        }
    }
    findings
}

/// Notes to oneself, in any text of ours. Taken apart here so that this file holds none.
pub fn check_notes(text: &Text) -> Vec<Finding> {
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let mut findings = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(note) = words.find(|w| notes.contains(w)) {
            let remedy = "do it now, or file an issue and take the note out";
            findings.push(text.finding(index + 1, format!("a note says {note}"), remedy));
        }
    }
    findings
}

pub fn check_sleep(source: &Source) -> Vec<Finding> {
    if !source.text.is_test() || source.text.path == WAITING_PLACE {
        return Vec::new();
    }
    let remedy = "wait for the condition itself: virtual time in tests/sim, tests/real/wait.rs \
                  with a deadline in tests/real";
    walk(&source.tokens)
        .paths
        .iter()
        .filter(|p| p.segments.last().is_some_and(|last| is_sleep(last)))
        .map(|p| {
            let wrong = format!("a test waits for time to pass, `{}`", p.segments.join("::"));
            source.finding(p.line, wrong, remedy)
        })
        .collect()
}

fn is_sleep(name: &str) -> bool {
    matches!(name, "sleep" | "sleep_ms" | "sleep_until" | "park_timeout")
}

pub fn check_reasons(source: &Source) -> Vec<Finding> {
    walk(&source.tokens)
        .attributes
        .iter()
        .filter(|a| {
            let first = a.words.first().map(String::as_str);
            let lets_off = |w: &String| w == "allow" || w == "expect";
            let relevant = matches!(first, Some("allow" | "expect"))
                || (first == Some("cfg_attr") && a.words.iter().any(lets_off));
            relevant && !a.words.iter().any(|w| w == "reason")
        })
        .map(|a| {
            let remedy = "obey it, or add `reason = \"…\"`";
            source.finding(
                a.line,
                "a lint is let off without a reason".to_owned(),
                remedy,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> usize {
        rule(&Source::example(path, text)).len()
    }

    #[test]
    fn a_file_that_does_not_say_what_it_is_for_is_found() {
        for text in ["", "use a::b;", "// x", "//!", "\n//! x"] {
            assert_eq!(found(check_opening, "src/a.rs", text), 1, "{text:?}");
        }
        assert_eq!(found(check_opening, "src/a.rs", "//! What it is for."), 0);
    }

    #[test]
    fn an_ignored_test_and_a_leftover_are_found() {
        for text in [
            "#[test] #[ignore] fn f() {}",
            "#[test] #[ignore = \"slow\"] fn f() {}",
            "#[test] #[cfg_attr(debug_assertions, ignore)] fn f() {}",
            "mod a { fn f() { todo!() } }",
            "fn f() { unimplemented!(\"x\"); }",
            "fn f() { let x = dbg!(1); }",
        ] {
            assert_eq!(found(check_leftovers, "src/a.rs", text), 1, "{text}");
        }
        let free = "fn ignore() { let todo = 1; let dbg = todo != 2; f(\"todo!()\") }";
        assert_eq!(found(check_leftovers, "src/a.rs", free), 0);
    }

    #[test]
    fn a_note_to_oneself_is_found() {
        let note = |word: &str| {
            let text = format!("fn f() {{}}\n// {word}: later\n");
            check_notes(&Text {
                path: "src/a.rs".to_owned(),
                text,
            })
        };
        assert_eq!(
            note(concat!("TO", "DO")).len() + note(concat!("FIX", "ME")).len(),
            2
        );
        assert_eq!(note(concat!("TO", "DO"))[0].line, 2);
        assert_eq!(note("TODOS are fine, and METHODS too").len(), 0);
    }

    #[test]
    fn a_test_that_sleeps_is_found() {
        for text in [
            "fn f() { std::thread::sleep(d); }",
            "use std::thread::sleep;",
            "async fn f() { tokio::time::sleep(d).await }",
            "use tokio::time::{sleep_until, timeout};",
        ] {
            assert_eq!(found(check_sleep, "tests/sim/main.rs", text), 1, "{text}");
            assert_eq!(found(check_sleep, "src/room/tests.rs", text), 1, "{text}");
            assert_eq!(found(check_sleep, WAITING_PLACE, text), 0, "{text}");
        }
    }

    #[test]
    fn a_lint_let_off_without_a_reason_is_found() {
        for text in [
            "#[allow(dead_code)] fn f() {}",
            "#![expect(unused)]",
            "mod a { #[cfg_attr(test, allow(unused))] fn f() {} }",
        ] {
            assert_eq!(found(check_reasons, "src/a.rs", text), 1, "{text}");
        }
        let free = "#[allow(dead_code, reason = \"x\")] fn f() {} #[deny(a)] fn g() {}";
        assert_eq!(found(check_reasons, "src/a.rs", free), 0);
    }
}
