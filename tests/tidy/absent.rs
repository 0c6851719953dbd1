//! "What is not there yet" lists nothing that is there. Each item of the list ends with a comment
//! that names words without which the thing cannot be built (of its protocol, its routes, its
//! types): `<!-- absent: vp9 av1 -->`. None of them may occur in the code.

use crate::markdown::prose;
use crate::modules::is_for_tests;
use crate::source::{Finding, Source, Text};
use crate::spelled::literals;
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

const HEADING: &str = "## What is not there yet";
const OPEN: &str = "<!-- absent:";

/// An item, with the words that its comment names.
struct Item {
    line: usize,
    words: Vec<String>,
}

pub fn check(sources: &[Source], documents: &[Text]) -> Vec<Finding> {
    let Some(readme) = documents
        .iter()
        .find(|document| document.path == "README.md")
    else {
        panic!("README.md is not there: the rule saw nothing");
    };
    let items = items(readme);
    if items.is_empty() {
        let wrong = format!("there is no list under \"{HEADING}\"");
        return vec![readme.finding(1, wrong, "keep it, one item a line")];
    }
    let code = words_of_code(sources);
    let mut findings = Vec::new();
    for item in items {
        if item.words.is_empty() {
            let wrong = "the item does not say by which words the code would have it".to_owned();
            let remedy = "end it with `<!-- absent: word … -->`";
            findings.push(readme.finding(item.line, wrong, remedy));
        }
        for word in item.words {
            if let Some(place) = code.get(&word) {
                let wrong = format!("`{word}` is not there yet, and stands in {place}");
                findings.push(readme.finding(
                    item.line,
                    wrong,
                    "take what is built out of the list",
                ));
            }
        }
    }
    findings
}

/// The items of the list; one may go on over several lines.
fn items(readme: &Text) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let section = prose(readme)
        .into_iter()
        .skip_while(|(_, line)| *line != HEADING)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with("## "));
    for (number, line) in section {
        if line.starts_with("- ") {
            items.push(Item {
                line: number,
                words: Vec::new(),
            });
        }
        let named = line
            .split_once(OPEN)
            .and_then(|(_, rest)| rest.split_once("-->"));
        if let (Some(item), Some((words, _))) = (items.last_mut(), named) {
            item.words
                .extend(words.split_whitespace().map(str::to_lowercase));
        }
    }
    items
}

/// Names and texts of the library in lower case, each with a file that it stands in: whole, and
/// the words of names, so that `Vp9` and `is_vp9` are both `vp9`.
fn words_of_code(sources: &[Source]) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    for source in sources
        .iter()
        .filter(|s| s.text.path.starts_with("src/") && !s.text.is_test())
    {
        let mut names = Names(Vec::new());
        names.visit_file(&source.file);
        for text in literals(std::slice::from_ref(source))
            .into_iter()
            .chain(names.0)
        {
            words
                .entry(text.to_lowercase())
                .or_insert_with(|| source.text.path.clone());
        }
    }
    words
}

struct Names(Vec<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        let name = ident.to_string();
        self.0.extend(crate::old_words::words(&name));
        self.0.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str, code: &str) -> Vec<String> {
        let readme = Text {
            path: "README.md".to_owned(),
            text: format!("## Before\n- x\n\n{HEADING}\n\n{list}\n\n## After\n- y\n"),
        };
        let findings = check(&[Source::example("src/media/codec.rs", code)], &[readme]);
        findings.into_iter().map(|finding| finding.wrong).collect()
    }

    const LIST: &str =
        "- VP9 and\n  AV1 <!-- absent: vp9 av1 -->\n- pulling events <!-- absent: /v1/events -->";

    #[test]
    fn a_list_of_what_is_not_there_is_free() {
        let code = "enum Codec { Vp8 } fn f() { g(\"/v1/sessions\") } \
                    #[cfg(test)] mod tests { struct Vp9; }";
        assert_eq!(found(LIST, code), Vec::<String>::new());
    }

    #[test]
    fn what_is_built_and_what_cannot_be_checked_are_found() {
        for code in [
            "enum Codec { Vp9 }",
            "fn is_av1() {}",
            "fn f() { router.route(\"/v1/events\", get(events)) }",
        ] {
            assert_eq!(found(LIST, code).len(), 1, "{code}");
        }
        assert_eq!(
            found("- VP9", ""),
            ["the item does not say by which words the code would have it"]
        );
        assert_eq!(found("VP9 · AV1", "").len(), 1);
    }
}
