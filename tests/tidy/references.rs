//! What a document or a comment points at exists: links, their headings, files named in
//! backticks, and the documents that comments cite.

use crate::markdown::{anchor, links, prose, spans};
use crate::source::{Finding, Text};
use std::collections::BTreeSet;

const REMEDY: &str = "name what exists, or leave it out";

/// All paths of the repository, folders included, from its root.
pub struct Paths(pub BTreeSet<String>);

impl Paths {
    /// Is there a file or folder of this path, or one whose path ends with it?
    fn ends_with(&self, path: &str) -> bool {
        let tail = format!("/{path}");
        self.0.contains(path) || self.0.iter().any(|known| known.ends_with(&tail))
    }

    /// `room/forward` stands for a file of Rust or a folder.
    pub fn module(&self, path: &str) -> bool {
        self.ends_with(path) || self.ends_with(&format!("{path}.rs"))
    }
}

/// `../a/b.md` from a document in `folder`.
fn from_folder(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn headings(document: &Text) -> BTreeSet<String> {
    prose(document)
        .iter()
        .filter_map(|(_, line)| anchor(line))
        .collect()
}

/// Every relative link leads to a file, and its `#…` to a heading there.
pub fn check_links(documents: &[Text], paths: &Paths) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in documents {
        for (number, line) in prose(document) {
            for link in links(line).iter().filter(|link| !link.contains("://")) {
                if !leads_somewhere(documents, paths, document, link) {
                    let wrong = format!("the link `{link}` leads nowhere");
                    findings.push(document.finding(number, wrong, REMEDY));
                }
            }
        }
    }
    findings
}

fn leads_somewhere(documents: &[Text], paths: &Paths, document: &Text, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let full = if path.is_empty() {
        document.path.clone()
    } else {
        from_folder(folder_of(&document.path), path)
    };
    let target = documents.iter().find(|other| other.path == full);
    paths.0.contains(&full)
        && (heading.is_empty() || target.is_some_and(|target| headings(target).contains(heading)))
}

const ENDINGS: [&str; 15] = [
    "rs", "md", "sh", "py", "ts", "js", "mjs", "css", "html", "toml", "json", "txt", "lock",
    "sqlite", "yml",
];

/// Is it the path of a file: with a folder and an ending that files of ours have?
fn is_file(word: &str) -> bool {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let ending = word.rsplit_once('.').map_or("", |(_, ending)| ending);
    word.contains('/')
        && !word.starts_with('/')
        && word.chars().all(is_path)
        && ENDINGS.contains(&ending)
}

/// Is it a path of modules, as ARCHITECTURE names them: `room/forward`?
fn is_module(word: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    word.contains('/') && word.split('/').all(is_name)
}

/// Folders that are made where a reader works, never stored.
const MADE: [&str; 3] = ["target/", "web/dist", "data/"];

/// Every file that a document names in backticks exists, from the root or as the end of a path;
/// in ARCHITECTURE, every module too.
pub fn check_names(documents: &[Text], paths: &Paths) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in documents {
        let names_modules = document.path == "ARCHITECTURE.md";
        for (number, line) in prose(document) {
            for word in spans(line) {
                let made = MADE.iter().any(|made| word.starts_with(made));
                let missing = (is_file(word) && !paths.ends_with(word))
                    || (names_modules && is_module(word) && !paths.module(word));
                if missing && !made {
                    let wrong = format!("there is no `{word}`");
                    findings.push(document.finding(number, wrong, REMEDY));
                }
            }
        }
    }
    findings
}

/// The documents that a line cites: words that end with `.md` and are no address.
fn cited(line: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':');
    let words = line.split(|c: char| !is_part(c));
    words
        .map(|word| word.trim_end_matches(['.', ':']))
        .filter(|word| word.ends_with(".md") && word.len() > 3 && !word.contains("://"))
        .collect()
}

/// Every document that a source or a setting cites is one of the project.
pub fn check_cited(text: &Text, paths: &Paths) -> Vec<Finding> {
    if text.path.starts_with("tests/tidy") {
        return Vec::new(); // it talks of documents that do not exist
    }
    let mut findings = Vec::new();
    for (at, line) in text.text.lines().enumerate() {
        for word in cited(line) {
            let beside = from_folder(folder_of(&text.path), word);
            if !paths.0.contains(word) && !paths.0.contains(&beside) {
                let wrong = format!("`{word}` is cited, and is no document of the project");
                let remedy = "say the reason itself, or cite a document that is here";
                findings.push(text.finding(at + 1, wrong, remedy));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, text: &str) -> Text {
        Text {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn paths() -> Paths {
        let all = [
            "README.md",
            "ARCHITECTURE.md",
            "docs/a.md",
            "docs",
            "src/room/forward.rs",
            "src/room",
            "config/a.json",
        ];
        Paths(all.iter().map(|path| (*path).to_owned()).collect())
    }

    fn links_of(body: &str) -> usize {
        let documents = [
            text("docs/a.md", &format!("# One title\n{body}\n")),
            text("README.md", "## Its own\n"),
        ];
        check_links(&documents, &paths()).len()
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        for body in [
            "[x](b.md)",
            "[x](../docs/b.md)",
            "[x](#two)",
            "[x](../README.md#mine)",
            "[x](../config/b.json)",
        ] {
            assert_eq!(links_of(body), 1, "{body}");
        }
        let good = "[x](a.md) [y](../README.md#its-own) [z](#one-title) [w](https://x.y/z.md) [v](../config/a.json)\n```\n[x](no.md)\n```";
        assert_eq!(links_of(good), 0);
    }

    #[test]
    fn a_file_that_is_not_there_is_found() {
        let names = |path: &str, body: &str| check_names(&[text(path, body)], &paths()).len();
        assert_eq!(names("README.md", "`docs/b.md` and `room/backward.rs`"), 2);
        assert_eq!(names("ARCHITECTURE.md", "`room/backward`"), 1);
        let good = "`room/forward.rs` `config/a.json` `target/x/y.json` `GET /v1/a.json` `a.rs` `application/problem+json`";
        assert_eq!(names("README.md", good), 0);
        assert_eq!(names("README.md", "`room/backward`"), 0);
        assert_eq!(
            names(
                "ARCHITECTURE.md",
                "`room/forward` `src/room` `/rtc/v1` `2/3`"
            ),
            0
        );
    }

    #[test]
    fn a_document_that_is_not_in_the_project_is_found() {
        let cites = |line: &str| check_cited(&text("src/a.rs", line), &paths()).len();
        for line in [
            "// see `b.md`, choices",
            "//! (b.md §1)",
            "# docs/b.md.",
            "let x = \"b.md\";",
        ] {
            assert_eq!(cites(line), 1, "{line}");
        }
        for line in [
            "// docs/a.md",
            "// (`README.md`).",
            "//! <https://x.y/b.md>",
            "// .md",
        ] {
            assert_eq!(cites(line), 0, "{line}");
        }
    }
}
