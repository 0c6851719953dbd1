//! Metrics and settings that a document names exist.

use crate::markdown::{prose, spans};
use crate::source::{Finding, Source, Text};
use crate::spelled::literals;
use std::collections::{BTreeMap, BTreeSet};

const REMEDY: &str = "name it as it is called, or leave it out";

/// `beistand_queue_drops_total{queue="udp"}`: the name is a text of the code.
pub fn check_metrics(sources: &[Source], documents: &[Text]) -> Vec<Finding> {
    let known = literals(sources);
    check(documents, |word| {
        let name = word.split('{').next().unwrap_or(word);
        name.starts_with("beistand_") && !known.contains(name)
    })
}

/// What looks like a setting and is none: a field of events, and a file.
const OTHERS: [&str; 2] = ["data.event_seq", "node.key"];

/// `limits.ws_queue_bytes`: where the first part is a table of the settings, the second is a key.
pub fn check_settings(documents: &[Text], settings: &str) -> Vec<Finding> {
    let tables = tables(settings);
    check(documents, |word| {
        let (table, key) = word.split_once('.').unwrap_or((word, ""));
        let is_key = key.starts_with(|c: char| c.is_ascii_lowercase())
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let keys = tables.get(table).filter(|_| is_key);
        keys.is_some_and(|keys| !keys.contains(key)) && !OTHERS.contains(&word)
    })
}

fn check(documents: &[Text], is_missing: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in documents {
        for (number, line) in prose(document) {
            for word in spans(line).into_iter().filter(|word| is_missing(word)) {
                let wrong = format!("there is no `{word}`");
                findings.push(document.finding(number, wrong, REMEDY));
            }
        }
    }
    findings
}

/// The keys of each table of the file of settings; what is optional is commented out.
fn tables(settings: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut table = "";
    for line in settings.lines() {
        let line = line.trim_start_matches(['#', ' ']);
        let name = line.trim_matches(['[', ']']);
        let is_name = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '.'));
        if line.starts_with('[') && is_name {
            table = name;
        } else if let Some((key, _)) = line.split_once(" = ")
            && !key.contains(' ')
        {
            tables.entry(table).or_default().insert(key);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(line: &str) -> [Text; 1] {
        [Text {
            path: "README.md".to_owned(),
            text: line.to_owned(),
        }]
    }

    #[test]
    fn a_metric_that_the_node_has_not_is_found() {
        let code = [Source::example(
            "src/host/a.rs",
            "fn f() { g(\"beistand_joins_total\") }",
        )];
        let found = |line: &str| check_metrics(&code, &documents(line)).len();
        assert_eq!(
            found("`beistand_joins_total{outcome=\"ok\"}` `beistand serve`"),
            0
        );
        assert_eq!(found("`beistand_joins` and `beistand_leaves_total`"), 2);
    }

    #[test]
    fn a_setting_that_the_file_has_not_is_found() {
        let settings = "[limits]\n# How many a = b.\n# [\"1.2.3.4\"]: an example.\nsessions = 1\n# bytes = 2\n\n# [tls]\n# cert = \"x\"\n";
        let found = |line: &str| check_settings(&documents(line), settings).len();
        assert_eq!(
            found("`limits.sessions`, `limits.bytes`, `tls.cert`, `room.rs`, `limits.rs_2`"),
            0
        );
        assert_eq!(found("`limits.session` and `tls.key`"), 2);
    }
}
