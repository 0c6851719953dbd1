//! What becomes of RTP header extensions: ARCHITECTURE's table says what the code's lists say. A URI is
//! named by what stands behind its last `/`, `:` or `#`.

use crate::markdown::{spans, tables};
use crate::source::{Finding, Source, Text};
use syn::visit::{self, Visit};

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEAD: &str = "header extensions";
/// The first cells of the rows, and the lists.
const ROWS: [(&str, &str); 3] = [
    ("carried", "CARRIED"),
    ("terminated", "TERMINATED"),
    ("refused", "REFUSED"),
];
const CODE: &str = "src/peer/transport/media/extensions.rs";
const REMEDY: &str = "let table and lists say the same";

pub fn check(sources: &[Source], documents: &[Text]) -> Vec<Finding> {
    let Some(code) = sources.iter().find(|source| source.text.path == CODE) else {
        panic!("{CODE} is not there: the rule saw nothing");
    };
    let Some(document) = documents.iter().find(|text| text.path == DOCUMENT) else {
        panic!("{DOCUMENT} is not there: the rule saw nothing");
    };
    let told = tables(document);
    let rows: Vec<_> = told
        .iter()
        .filter(|table| table.head[0] == HEAD)
        .flat_map(|table| &table.rows)
        .collect();
    if rows.len() != ROWS.len() {
        let wrong = format!("{} rows tell of `{HEAD}`, not {}", rows.len(), ROWS.len());
        return vec![document.finding(1, wrong, REMEDY)];
    }
    let mut findings = Vec::new();
    for (row, (word, list)) in rows.iter().zip(ROWS) {
        let listed: Vec<&str> = row.cells.get(1).map_or(Vec::new(), |cell| spans(cell));
        let real = names(code, list);
        if row.cells[0] != word || listed != real {
            let wrong = format!("the row `{word}` has {listed:?}, {list} has {real:?}");
            findings.push(document.finding(row.line, wrong, REMEDY));
        }
    }
    findings
}

/// The last words of the URIs in the constant `list`.
fn names(code: &Source, list: &str) -> Vec<String> {
    let mut search = Lists {
        list,
        uris: Vec::new(),
    };
    search.visit_file(&code.file);
    assert!(!search.uris.is_empty(), "there is no list {list}");
    let last = |uri: &String| uri.rsplit(['/', ':', '#']).next().map(str::to_owned);
    search.uris.iter().filter_map(last).collect()
}

struct Lists<'a> {
    list: &'a str,
    uris: Vec<String>,
}

impl<'ast> Visit<'ast> for Lists<'_> {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        if item.ident == self.list {
            visit::visit_item_const(self, item);
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.uris.push(literal.value());
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_item_fn(&mut self, _: &'ast syn::ItemFn) {}

    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &str = "const CARRIED: [&str; 1] = [\"urn:a:level\"]; \
        const TERMINATED: [&str; 2] = [\"http://b/c/time\", \"urn:mid\"]; \
        #[cfg(test)] const REFUSED: [&str; 1] = [\"https://d/#descriptor\"];";

    fn found(table: &str) -> Vec<String> {
        let sources = [Source::example(CODE, LISTS)];
        let text = format!("| header extensions | which |\n|---|---|\n{table}");
        let documents = [Text {
            path: DOCUMENT.to_owned(),
            text,
        }];
        let findings = check(&sources, &documents);
        findings.into_iter().map(|finding| finding.wrong).collect()
    }

    #[test]
    fn a_table_that_says_what_the_lists_say_is_free_and_any_other_is_not() {
        let good =
            "| carried | `level` |\n| terminated | `time`, `mid` |\n| refused | `descriptor` |\n";
        assert_eq!(found(good), Vec::<String>::new());
        for (from, to, wrong) in [
            ("`level`", "none", "the row `carried`"),
            ("`mid`", "`mid`, `rid`", "the row `terminated`"),
            ("`descriptor`", "`level`", "the row `refused`"),
            ("| refused | `descriptor` |\n", "", "2 rows tell"),
        ] {
            let told = found(&good.replace(from, to));
            assert_eq!(told.len(), 1, "{from} -> {to}: {told:?}");
            assert!(told[0].contains(wrong), "{told:?}");
        }
    }
}
