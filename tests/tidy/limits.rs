//! The tables of limits and queues in ARCHITECTURE say what the constants say. A row names in its
//! last cells where its numbers stand, as `room/file` `CONSTANT`.

use crate::markdown::{Row, spans, tables};
use crate::references::Paths;
use crate::source::{Finding, Source, Text};
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

/// The tables, by the header cells of their values and of the places.
const TABLES: [(&str, &str); 2] = [("value", "where"), ("capacity", "queue")];

const VALUE: &str = "say the value that the code has";
const PLACE: &str = "name the file, and the constant as it is called there";

/// What a constant is: one or more numbers, in the smallest unit of their kind.
#[derive(Debug, Clone, PartialEq)]
struct Value {
    numbers: Vec<f64>,
    /// Milliseconds; else a plain number or bytes.
    is_time: bool,
}

pub fn check(sources: &[Source], documents: &[Text], paths: &Paths) -> Vec<Finding> {
    let Some(document) = documents.iter().find(|d| d.path == "ARCHITECTURE.md") else {
        panic!("ARCHITECTURE.md is not there: the rule saw nothing");
    };
    let constants = Constants::of(sources);
    let mut findings = Vec::new();
    let mut rows = 0;
    for table in tables(document) {
        for (value, place) in TABLES {
            let at = |head: &str| table.head.iter().position(|cell| cell == head);
            if let (Some(value), Some(place)) = (at(value), at(place)) {
                rows += table.rows.len();
                let judge = Judge {
                    document,
                    constants: &constants,
                    paths,
                    value,
                    place,
                };
                findings.extend(table.rows.iter().flat_map(|row| judge.row(row)));
            }
        }
    }
    if rows == 0 {
        findings.push(document.finding(1, "no table of limits was found".to_owned(), "keep it"));
    }
    findings
}

fn is_constant(word: &str) -> bool {
    word.len() > 1
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn is_place(word: &str) -> bool {
    word.contains('/')
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '/' | '.'))
}

/// `usage::meter::MEDIA` is short for both.
fn split(word: &str) -> Vec<String> {
    match word.rsplit_once("::") {
        Some((place, constant)) if is_constant(constant) => {
            vec![place.replace("::", "/"), constant.to_owned()]
        }
        _ => vec![word.to_owned()],
    }
}

/// One table: in which cells its values and their places stand, and what they are held against.
struct Judge<'a> {
    document: &'a Text,
    constants: &'a Constants,
    paths: &'a Paths,
    value: usize,
    place: usize,
}

impl Judge<'_> {
    fn row(&self, row: &Row) -> Vec<Finding> {
        let cell = |at: usize| row.cells.get(at).map_or("", String::as_str);
        let words: Vec<String> = spans(cell(self.place))
            .into_iter()
            .flat_map(split)
            .collect();
        let mut findings = Vec::new();
        let mut here: Vec<String> = Vec::new();
        let mut after_constant = false;
        for word in words {
            let wrong = if is_constant(&word) {
                after_constant = true;
                self.constant(&here, &word, cell(self.value))
            } else if is_place(&word) || self.constants.is_file(&word) {
                if std::mem::take(&mut after_constant) {
                    here.clear();
                }
                here.push(
                    word.trim_end_matches(".rs")
                        .trim_end_matches('/')
                        .to_owned(),
                );
                let is_there = self.paths.module(word.trim_end_matches('/'));
                (!is_there).then(|| (format!("there is no `{word}`"), PLACE))
            } else {
                None
            };
            let finding =
                wrong.map(|(wrong, remedy)| self.document.finding(row.line, wrong, remedy));
            findings.extend(finding);
        }
        findings
    }

    /// What is wrong with a row that names the constant `name`, of one of the places.
    fn constant(
        &self,
        places: &[String],
        name: &str,
        value: &str,
    ) -> Option<(String, &'static str)> {
        match self.constants.find(places, name) {
            None if places.is_empty() => Some((format!("no file is named before `{name}`"), PLACE)),
            None => Some((
                format!("there is no constant `{name}` in {}", places.join(", ")),
                PLACE,
            )),
            Some(Ok(real)) if says(value, &real) => None,
            Some(Ok(real)) => Some((
                format!("`{name}` is {}, and the row says \"{value}\"", show(&real)),
                VALUE,
            )),
            Some(Err(written)) => {
                let remedy = "leave it out of the row, or write it as a number";
                Some((
                    format!("the value of `{name}` cannot be read: {written}"),
                    remedy,
                ))
            }
        }
    }
}

fn show(value: &Value) -> String {
    let unit = if value.is_time { " ms" } else { "" };
    let numbers: Vec<String> = value.numbers.iter().map(f64::to_string).collect();
    format!("{}{unit}", numbers.join(", "))
}

/// Does the cell say each of the numbers, in whatever unit?
fn says(cell: &str, real: &Value) -> bool {
    let said = quantities(cell);
    real.numbers.iter().all(|number| {
        said.iter().any(|(n, factor, is_time)| {
            let same = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
            // A time has a unit of time. Whatever else may be said in KiB, kbit/s or percent.
            *is_time == real.is_time && same(n * factor, *number)
                || !real.is_time && !*is_time && same(*n, *number)
        })
    })
}

const UNITS: [(&str, f64, bool); 18] = [
    ("ms", 1.0, true),
    ("µs", 0.001, true),
    ("s", 1_000.0, true),
    ("min", 60_000.0, true),
    ("h", 3_600_000.0, true),
    ("days", 86_400_000.0, true),
    ("KiB", 1_024.0, false),
    ("MiB", 1_048_576.0, false),
    ("GiB", 1_073_741_824.0, false),
    ("kbit/s", 1_000.0, false),
    ("Mbit/s", 1_000_000.0, false),
    ("bytes", 1.0, false),
    ("%", 1.0, false),
    ("frames", 1.0, false),
    ("times", 1.0, false),
    ("packets", 1.0, false),
    ("messages", 1.0, false),
    ("jobs", 1.0, false),
];

/// Numbers with the factor of their unit. One without a unit takes that of the next one that has
/// it: "300, 60 s" are both seconds.
fn quantities(cell: &str) -> Vec<(f64, f64, bool)> {
    let cell = cell.replace('%', " % ");
    let words: Vec<&str> = cell
        .split(|c: char| {
            c.is_whitespace() || matches!(c, '(' | ')' | ';' | '≤' | '≥' | '`' | '+' | ':')
        })
        .filter(|word| !word.is_empty())
        .collect();
    let mut found: Vec<(f64, f64, bool)> = Vec::new();
    let mut open = 0;
    for word in words {
        let bare = word.trim_end_matches([',', '.']);
        if let Ok(number) = bare.replace(',', "").parse::<f64>() {
            found.push((number, 1.0, false));
            continue;
        }
        if let Some((_, factor, is_time)) = UNITS.iter().find(|(unit, ..)| *unit == bare) {
            for quantity in found.iter_mut().skip(open) {
                (quantity.1, quantity.2) = (*factor, *is_time);
            }
            open = found.len();
        } else if !matches!(bare, "to" | "and" | "or" | "") {
            open = found.len(); // a word between them: the next unit is another's
        }
    }
    found
}

/// All constants of the library, by file and name.
struct Constants(BTreeMap<(String, String), syn::Expr>);

struct Reader<'m> {
    path: String,
    all: &'m mut BTreeMap<(String, String), syn::Expr>,
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        let key = (self.path.clone(), item.ident.to_string());
        self.all.insert(key, (*item.expr).clone());
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        let key = (self.path.clone(), item.ident.to_string());
        self.all.insert(key, item.expr.clone());
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !crate::modules::is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

impl Constants {
    fn of(sources: &[Source]) -> Constants {
        let mut all = BTreeMap::new();
        for source in sources
            .iter()
            .filter(|s| s.text.path.starts_with("src/") && !s.text.is_test())
        {
            let path = source
                .text
                .path
                .trim_end_matches(".rs")
                .trim_end_matches("/mod");
            let mut reader = Reader {
                path: path.to_owned(),
                all: &mut all,
            };
            reader.visit_file(&source.file);
        }
        Constants(all)
    }

    /// Is it a file or folder of the library that has constants, as `session` is?
    fn is_file(&self, word: &str) -> bool {
        let (file, folder) = (format!("/{word}"), format!("/{word}/"));
        let mut paths = self.0.keys();
        paths.any(|(path, _)| path.ends_with(&file) || path.contains(&folder))
    }

    /// Its value, if one of the places has it.
    fn find(&self, places: &[String], name: &str) -> Option<Result<Value, String>> {
        let is_at = |path: &str| {
            places.iter().any(|place| {
                let (file, folder) = (format!("/{place}"), format!("/{place}/"));
                path.ends_with(&file) || path.contains(&folder)
            })
        };
        let ((path, _), expression) = self
            .0
            .iter()
            .find(|((path, known), _)| known == name && is_at(path))?;
        let value = self.evaluate(path, expression, 8);
        Some(value.map(|value| of_name(name, value)))
    }

    fn evaluate(&self, path: &str, expression: &syn::Expr, depth: u8) -> Result<Value, String> {
        let unreadable = || Err(quote(expression));
        let Some(depth) = depth.checked_sub(1) else {
            return unreadable();
        };
        if let syn::Expr::Lit(literal) = expression {
            return number(&literal.lit).map_or_else(unreadable, |n| Ok(plain(n)));
        }
        if let syn::Expr::Paren(inner) = expression {
            return self.evaluate(path, &inner.expr, depth);
        }
        if let syn::Expr::Cast(cast) = expression {
            return self.evaluate(path, &cast.expr, depth);
        }
        if let syn::Expr::Reference(reference) = expression {
            return self.evaluate(path, &reference.expr, depth);
        }
        if let syn::Expr::Binary(binary) = expression {
            let (left, right) = (
                self.evaluate(path, &binary.left, depth)?,
                self.evaluate(path, &binary.right, depth)?,
            );
            return combine(&binary.op, &left, &right).map_or_else(unreadable, Ok);
        }
        if let syn::Expr::Array(array) = expression {
            let parts: Result<Vec<Value>, String> = array
                .elems
                .iter()
                .map(|part| self.evaluate(path, part, depth))
                .collect();
            return Ok(joined(&parts?));
        }
        if let syn::Expr::Call(call) = expression
            && let (syn::Expr::Path(made), [argument]) =
                (&*call.func, call.args.iter().collect::<Vec<_>>().as_slice())
        {
            let inner = self.evaluate(path, argument, depth)?;
            let words: Vec<String> = made
                .path
                .segments
                .iter()
                .map(|s| s.ident.to_string())
                .collect();
            return Ok(made_of(&words, inner));
        }
        if let syn::Expr::Path(other) = expression
            && let Some(name) = other.path.segments.last()
        {
            let name = name.ident.to_string();
            let here = self.0.get(&(path.to_owned(), name.clone()));
            let anywhere = || {
                self.0
                    .iter()
                    .find(|((_, known), _)| *known == name)
                    .map(|(_, e)| e)
            };
            return match here.or_else(anywhere) {
                Some(behind) => self.evaluate(path, behind, depth),
                None => unreadable(),
            };
        }
        unreadable()
    }
}

fn plain(number: f64) -> Value {
    Value {
        numbers: vec![number],
        is_time: false,
    }
}

fn joined(parts: &[Value]) -> Value {
    Value {
        numbers: parts.iter().flat_map(|part| part.numbers.clone()).collect(),
        is_time: parts.iter().any(|part| part.is_time),
    }
}

fn number(literal: &syn::Lit) -> Option<f64> {
    if let syn::Lit::Int(int) = literal {
        return int.base10_digits().parse().ok();
    }
    if let syn::Lit::Float(float) = literal {
        return float.base10_digits().parse().ok();
    }
    None
}

fn combine(op: &syn::BinOp, left: &Value, right: &Value) -> Option<Value> {
    let ([a], [b]) = (left.numbers.as_slice(), right.numbers.as_slice()) else {
        return None;
    };
    let number = if matches!(op, syn::BinOp::Mul(_)) {
        a * b
    } else if matches!(op, syn::BinOp::Add(_)) {
        a + b
    } else if matches!(op, syn::BinOp::Sub(_)) {
        a - b
    } else if matches!(op, syn::BinOp::Div(_)) {
        a / b
    } else if matches!(op, syn::BinOp::Shl(_)) {
        a * b.exp2()
    } else {
        return None;
    };
    Some(Value {
        numbers: vec![number],
        is_time: left.is_time || right.is_time,
    })
}

/// `Duration::from_secs(5)`, `Millis(5)`, `Bitrate::kbps(5)`, `Some(5)`.
fn made_of(words: &[String], mut inner: Value) -> Value {
    let last = words.last().map_or("", String::as_str);
    let factor = match last {
        "from_secs" => 1_000.0,
        "from_millis" | "Millis" => 1.0,
        "from_micros" => 0.001,
        "from_mins" => 60_000.0,
        "from_hours" => 3_600_000.0,
        _ => 0.0,
    };
    if factor > 0.0 {
        inner.is_time = true;
        inner.numbers.iter_mut().for_each(|n| *n *= factor);
    } else if last.contains("kbps") || last.contains("kbit") {
        inner.numbers.iter_mut().for_each(|n| *n *= 1_000.0);
    } else if last.contains("mbps") || last.contains("mbit") {
        inner.numbers.iter_mut().for_each(|n| *n *= 1_000_000.0);
    }
    inner
}

/// A bare number whose name ends with a unit of time is a time.
fn of_name(name: &str, mut value: Value) -> Value {
    let endings = [
        ("_US", 0.001),
        ("_MS", 1.0),
        ("_S", 1_000.0),
        ("_SECS", 1_000.0),
        ("_SECONDS", 1_000.0),
        ("_MIN", 60_000.0),
        ("_H", 3_600_000.0),
    ];
    if !value.is_time
        && let Some((_, factor)) = endings.iter().find(|(ending, _)| name.ends_with(ending))
    {
        value.is_time = true;
        value.numbers.iter_mut().for_each(|n| *n *= factor);
    }
    value
}

fn quote(expression: &syn::Expr) -> String {
    use syn::spanned::Spanned;
    expression
        .span()
        .source_text()
        .unwrap_or_else(|| "an expression".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "pub const ANSWER_WITHIN: Millis = Millis::from_secs(15); \
        const QUEUE: usize = 4 * 1_024; const MAX_BYTES: usize = QUEUE * 16; const TICK_US: u64 = 50_000; \
        const MARKS: [u64; 2] = [300, 60]; const LOUD: Duration = Duration::from_millis(1_500); \
        const SHARE: f64 = 0.95; const LATE: Mono = later(now()); \
        impl A { const CHEAP: Bitrate = Bitrate::from_kbps(200); }";

    fn found(place: &str, value: &str) -> Vec<String> {
        let text = format!("| what | value | where |\n|---|---|---|\n| x | {value} | {place} |\n");
        let documents = [Text {
            path: "ARCHITECTURE.md".to_owned(),
            text,
        }];
        let sources = [Source::example("src/peer/negotiate.rs", CODE)];
        let paths = ["src/peer/negotiate.rs", "src/peer"].map(str::to_owned);
        let findings = check(&sources, &documents, &Paths(paths.into()));
        findings.into_iter().map(|finding| finding.wrong).collect()
    }

    #[test]
    fn a_row_that_says_what_the_constant_says_is_free() {
        for (constant, value) in [
            ("ANSWER_WITHIN", "15 s"),
            ("ANSWER_WITHIN", "15,000 ms"),
            ("QUEUE", "4,096"),
            ("QUEUE", "4,096 jobs; the rest waits"),
            ("MAX_BYTES", "64 KiB"),
            ("TICK_US", "every 50 ms"),
            ("MARKS", "300, 60 before"),
            ("LOUD", "1.5 s, or more"),
            ("SHARE", "0.95 of it"),
            ("CHEAP", "up to 200 kbit/s"),
            ("QUEUE`, `MAX_BYTES", "4,096; 64 KiB"),
            ("QUEUE", "4,096, for 10 min"),
            ("MARKS", "60 to 300"),
        ] {
            assert_eq!(
                found(&format!("`peer/negotiate` `{constant}`"), value),
                Vec::<String>::new(),
                "{constant}"
            );
        }
        assert_eq!(
            found("`peer::negotiate::QUEUE`", "4,096"),
            Vec::<String>::new()
        );
        assert_eq!(
            found("`peer/negotiate`", "as much as it takes"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_row_that_has_drifted_is_found() {
        for (place, value, says) in [
            (
                "`peer/negotiate` `ANSWER_WITHIN`",
                "20 s",
                "`ANSWER_WITHIN` is 15000 ms",
            ),
            (
                "`peer/negotiate` `ANSWER_WITHIN`",
                "15",
                "`ANSWER_WITHIN` is 15000 ms",
            ),
            (
                "`peer/negotiate` `ANSWER_WITHIN`",
                "15 min",
                "`ANSWER_WITHIN` is 15000 ms",
            ),
            ("`peer/negotiate` `QUEUE`", "4,095", "`QUEUE` is 4096"),
            (
                "`peer/negotiate` `MAX_BYTES`",
                "64 MiB",
                "`MAX_BYTES` is 65536",
            ),
            ("`peer/negotiate` `MARKS`", "300", "`MARKS` is 300, 60"),
            ("`peer/negotiate` `GONE`", "1 s", "no constant `GONE`"),
            ("`peer/negotiator` `QUEUE`", "4,096", "no `peer/negotiator`"),
            ("`QUEUE`", "4,096", "no file is named before `QUEUE`"),
            ("`peer/negotiate` `LATE`", "1 s", "cannot be read"),
        ] {
            let found = found(place, value);
            assert!(
                found.iter().any(|wrong| wrong.contains(says)),
                "{place}: {value}: {found:?}"
            );
        }
        let none = [Text {
            path: "ARCHITECTURE.md".to_owned(),
            text: "no table".to_owned(),
        }];
        assert_eq!(check(&[], &none, &Paths([].into())).len(), 1);
    }
}
