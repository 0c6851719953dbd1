//! What the documents list is what the code has: states, reasons, causes, events, meters, topics.
//! A table is known by its first header cell, and stands in a document once.

use crate::markdown::{Row, Table, links, spans, tables};
use crate::source::{Finding, Source, Text};
use crate::spelled::{causes, fields_of, literals, words_of};
use std::collections::BTreeSet;

const CONTRACT: &str = "docs/contract.md";
const README: &str = "README.md";
const REMEDY: &str = "let the document say what the code does";

/// The tables, by document and first header cell, that list the words of an enum.
const ENUMS: [(&str, &str, &str); 6] = [
    (CONTRACT, "state", "SessionState"),
    (CONTRACT, "pause reason", "PauseReason"),
    (CONTRACT, "end reason", "EndReason"),
    (CONTRACT, "event", "EventKind"),
    (CONTRACT, "entry kind", "EntryKind"),
    (README, "event", "EventKind"),
];

/// The tables that list the fields of a struct, and the fields that are told of elsewhere.
const STRUCTS: [(&str, &str, &[&str]); 2] = [
    ("per session", "Totals", &["participants"]),
    (
        "per participant (all joins of one identity)",
        "ParticipantTotals",
        &["sid", "role", "preflight", "present"],
    ),
];

/// Rows of fields whose words are those of an enum: table, field, enum.
const ROWS: [(&str, &str, &str); 1] = [("field", "`kind`", "WarningKind")];

pub fn check(sources: &[Source], documents: &[Text], schemas: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, head, name) in ENUMS {
        let words = words_of(sources, name);
        let real = Real {
            ordered: head == "pause reason", // highest precedence first
            repeated: head == "entry kind",  // a row for each of its causes
            ..Real::new(name, &words)
        };
        findings.extend(with_table(documents, path, head, |document, table| {
            real.compare(document, table.line, &column(&table.rows, 0))
        }));
    }
    for (head, name, elsewhere) in STRUCTS {
        let mut fields = fields_of(sources, name);
        fields.retain(|field| !elsewhere.contains(&field.as_str()));
        let real = Real::new(name, &fields);
        findings.extend(with_table(documents, CONTRACT, head, |document, table| {
            real.compare(document, table.line, &column(&table.rows, 0))
        }));
    }
    for (head, field, name) in ROWS {
        let words = words_of(sources, name);
        let real = Real::new(name, &words);
        findings.extend(with_table(documents, CONTRACT, head, |document, table| {
            let rows = table.rows.iter().filter(|row| row.cells[0] == field);
            let listed: Vec<String> = rows.flat_map(|row| cell_words(row, 2)).collect();
            real.compare(document, table.line, &listed)
        }));
    }
    findings.extend(check_ledger(sources, documents));
    findings.extend(check_topics(sources, documents, schemas));
    findings
}

/// The column of causes holds every cause, and that of events every event.
fn check_ledger(sources: &[Source], documents: &[Text]) -> Vec<Finding> {
    let reasons: BTreeSet<String> = ["PauseReason", "EndReason"]
        .iter()
        .flat_map(|name| words_of(sources, name))
        .collect();
    let causes: Vec<String> = causes(sources)
        .into_iter()
        .filter(|cause| !reasons.contains(cause))
        .collect();
    let events = words_of(sources, "EventKind");
    let repeated = |name, words| Real {
        repeated: true,
        ..Real::new(name, words)
    };
    with_table(documents, CONTRACT, "entry kind", |document, table| {
        let mut findings = Vec::new();
        for (at, real) in [
            (1, repeated("the causes of entries", &causes)),
            (2, repeated("EventKind", &events)),
        ] {
            findings.extend(real.compare(document, table.line, &column(&table.rows, at)));
        }
        findings
    })
}

/// Each topic with a schema is in the table, once for each schema, and the code knows it.
fn check_topics(sources: &[Source], documents: &[Text], schemas: &[String]) -> Vec<Finding> {
    let literals = literals(sources);
    let real = Real::new("config/schemas", schemas);
    with_table(documents, CONTRACT, "topic", |document, table| {
        let cells = table.rows.iter().flat_map(|row| &row.cells);
        let linked: Vec<String> = cells
            .flat_map(|cell| links(cell))
            .map(|link| link.trim_start_matches("../").to_owned())
            .collect();
        let mut findings = real.compare(document, table.line, &linked);
        for row in &table.rows {
            for topic in cell_words(row, 0) {
                if !literals.contains(&topic) {
                    let wrong = format!("no code says the topic `{topic}`");
                    findings.push(document.finding(row.line, wrong, REMEDY));
                }
            }
        }
        findings
    })
}

/// Looks at the table that begins with `head`; that there is not exactly one is a finding, too.
fn with_table(
    documents: &[Text],
    path: &str,
    head: &str,
    look: impl Fn(&Text, &Table) -> Vec<Finding>,
) -> Vec<Finding> {
    let Some(document) = documents.iter().find(|document| document.path == path) else {
        panic!("{path} is not there: the rule saw nothing");
    };
    let found: Vec<Table> = tables(document)
        .into_iter()
        .filter(|table| table.head[0] == head)
        .collect();
    match found.as_slice() {
        [table] => look(document, table),
        several => {
            let wrong = format!("{} tables begin with `{head}`, not one", several.len());
            vec![document.finding(1, wrong, "say it once")]
        }
    }
}

fn cell_words(row: &Row, column: usize) -> Vec<String> {
    let cell = row.cells.get(column).map_or("", String::as_str);
    let words = spans(cell).into_iter().map(str::to_owned);
    // "`recording.failed`, `.ready`" is short for both.
    let mut before = String::new();
    words
        .map(|word| {
            let full = if word.starts_with('.') {
                let group = before.split('.').next().unwrap_or_default();
                format!("{group}{word}")
            } else {
                word
            };
            before.clone_from(&full);
            full
        })
        .collect()
}

fn column(rows: &[Row], column: usize) -> Vec<String> {
    rows.iter()
        .flat_map(|row| cell_words(row, column))
        .collect()
}

/// What a column is held against.
struct Real<'a> {
    name: &'a str,
    words: &'a [String],
    /// The document has them in the order of the code.
    ordered: bool,
    /// A word may stand in several rows.
    repeated: bool,
}

impl<'a> Real<'a> {
    fn new(name: &'a str, words: &'a [String]) -> Real<'a> {
        Real {
            name,
            words,
            ordered: false,
            repeated: false,
        }
    }

    fn compare(&self, document: &Text, line: usize, listed: &[String]) -> Vec<Finding> {
        let (name, mut seen) = (self.name, BTreeSet::new());
        let mut wrongs: Vec<String> = self
            .words
            .iter()
            .filter(|word| !listed.contains(word))
            .map(|word| format!("the table lacks `{word}` of {name}"))
            .collect();
        for word in listed {
            if !self.words.contains(word) {
                wrongs.push(format!("the table has `{word}`, which is none of {name}"));
            } else if !seen.insert(word) && !self.repeated {
                wrongs.push(format!("the table has `{word}` twice"));
            }
        }
        if self.ordered && wrongs.is_empty() && listed != self.words {
            wrongs.push(format!("the table is not in the order of {name}"));
        }
        let findings = wrongs
            .into_iter()
            .map(|wrong| document.finding(line, wrong, REMEDY));
        findings.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "#[serde(rename_all = \"snake_case\")] enum SessionState { Live } \
        #[serde(rename_all = \"snake_case\")] enum PauseReason { ByRequest, Away } \
        #[serde(rename_all = \"snake_case\")] enum EndReason { Left } \
        #[serde(rename_all = \"snake_case\")] enum EntryKind { Start, Stop } \
        #[serde(rename_all = \"snake_case\")] enum WarningKind { Quota } \
        enum EventKind { A, B } impl EventKind { fn as_str(self) -> &'static str { match self { \
            EventKind::A => \"session.a\", EventKind::B => \"session.b\" } } } \
        struct Totals { accrued_ms: u8, participants: u8 } \
        struct ParticipantTotals { sid: u8, role: u8, preflight: u8, present: u8, media_ms: u8 } \
        const TOPIC: &str = \"beistand.clock\"; \
        impl K { fn cause() { m(\"ca\", \"cb\", \"cc\", \"cd\", \"ce\", \"cf\", \"cg\", \"ch\", \"ci\", \"cj\", \"ck\", \"away\") } }";

    const GOOD: &str = "| state | m |\n|---|---|\n| `live` | x |\n\n\
        | pause reason | m |\n|---|---|\n| `by_request` | x |\n| `away` | x |\n\n\
        | end reason | m |\n|---|---|\n| `left` | x |\n\n\
        | event | m |\n|---|---|\n| `session.a`, `.b` | x |\n\n\
        | entry kind | cause | event |\n|---|---|---|\n\
        | `start` | `ca`, `cb`, `cc`, `cd`, `ce`, `cf` | `session.a` |\n\
        | `start` | `cg`, `ch`, `ci`, `cj`, `ck`, a pause reason | `session.b` |\n\
        | `stop` | an end reason | `session.a` |\n\n\
        | per session | m |\n|---|---|\n| `accrued_ms` | x |\n\n\
        | per participant (all joins of one identity) | m |\n|---|---|\n| `media_ms` | x |\n\n\
        | field | in | m |\n|---|---|---|\n| `kind` | w | `quota` |\n\n\
        | topic | m |\n|---|---|\n| `beistand.clock` | [x](../config/schemas/beistand.clock.json) |\n";

    fn found(contract: &str, readme: &str) -> Vec<String> {
        let sources = [Source::example("src/base/words.rs", CODE)];
        let document = |path: &str, text: &str| Text {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let documents = [document(CONTRACT, contract), document(README, readme)];
        let schemas = ["config/schemas/beistand.clock.json".to_owned()];
        let findings = check(&sources, &documents, &schemas);
        findings.into_iter().map(|finding| finding.wrong).collect()
    }

    const EVENTS: &str = "| event | m |\n|---|---|\n| `session.a` | x |\n| `session.b` | x |\n";

    #[test]
    fn a_document_that_says_what_the_code_has_is_free() {
        assert_eq!(found(GOOD, EVENTS), Vec::<String>::new());
    }

    /// What stood in the good document, what stands there now, and what the rule says.
    const DRIFTS: &[(&str, &str, &str)] = &[
        (
            "| `live` | x |",
            "| `live`, `ended` | x |",
            "`ended`, which is none of SessionState",
        ),
        (
            "| `by_request` | x |\n| `away` | x |",
            "| `away` | x |\n| `by_request` | x |",
            "order",
        ),
        (
            "| `left` | x |",
            "| left | x |",
            "lacks `left` of EndReason",
        ),
        (
            "| `left` | x |",
            "| `left` | x |\n| `left` | y |",
            "`left` twice",
        ),
        (
            "`session.a`, `.b`",
            "`session.a`",
            "lacks `session.b` of EventKind",
        ),
        ("`cg`, ", "", "lacks `cg` of the causes"),
        (
            "`cg`, ",
            "`cg`, `cz`, ",
            "`cz`, which is none of the causes",
        ),
        (
            "a pause reason | `session.b`",
            "a pause reason | none",
            "lacks `session.b`",
        ),
        ("| `stop` |", "| `start` |", "lacks `stop` of EntryKind"),
        ("`accrued_ms`", "`accrued`", "lacks `accrued_ms` of Totals"),
        (
            "`media_ms`",
            "`media_ms`, `role`",
            "`role`, which is none of ParticipantTotals",
        ),
        (
            "| w | `quota` |",
            "| w | none |",
            "lacks `quota` of WarningKind",
        ),
        (
            "| `beistand.clock` |",
            "| `beistand.time` |",
            "no code says the topic `beistand.time`",
        ),
        (
            "(../config/schemas/beistand.clock.json)",
            "",
            "lacks `config/schemas/beistand.clock.json`",
        ),
        (
            "| state | m |",
            "| condition | m |",
            "0 tables begin with `state`",
        ),
    ];

    #[test]
    fn whatever_drifts_is_found() {
        for (was, is, says) in DRIFTS {
            let drifted = GOOD.replace(was, is);
            assert_ne!(drifted, GOOD, "{was}");
            let found = found(&drifted, EVENTS);
            assert!(
                found.iter().any(|wrong| wrong.contains(says)),
                "{is}: {found:?}"
            );
        }
        let readme = found(GOOD, &EVENTS.replace("| `session.b` | x |\n", ""));
        assert!(readme[0].contains("lacks `session.b`"), "{readme:?}");
        let twice = found(&(GOOD.to_owned() + "\n" + EVENTS), EVENTS);
        assert!(
            twice[0].contains("2 tables begin with `event`"),
            "{twice:?}"
        );
    }
}
