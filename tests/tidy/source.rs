//! What the rules read: the files of the house, and what they say about them.

use proc_macro2::TokenStream;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Folders that hold Rust of ours, from the root of the repository.
const RUST_FOLDERS: [&str; 4] = ["src", "tests", "benches", "scripts/xtask"];
/// Folders that hold other text of ours.
const TEXT_FOLDERS: [&str; 6] = ["src", "tests", "benches", "scripts", "web", "config"];
const TEXT_ENDINGS: [&str; 9] = ["rs", "sh", "py", "ts", "js", "mjs", "css", "html", "toml"];
/// Folders that are made, never written.
const MADE: [&str; 6] = [
    "target",
    "node_modules",
    "dist",
    "corpus",
    "venv",
    "__pycache__",
];

/// One thing that breaks a rule.
#[derive(Debug)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub wrong: String,
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}; {}",
            self.path, self.line, self.wrong, self.remedy
        )
    }
}

/// One text file: its path from the root, with `/`, and what it says.
pub struct Text {
    pub path: String,
    pub text: String,
}

impl Text {
    pub fn finding(&self, line: usize, wrong: String, remedy: &str) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            wrong,
            remedy: remedy.to_owned(),
        }
    }

    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Is this a file of tests: under `tests/`, or a `tests.rs` beside what it tests?
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.name() == "tests.rs"
    }
}

/// One Rust file, read.
pub struct Source {
    pub text: Text,
    pub file: syn::File,
    pub tokens: TokenStream,
}

impl Source {
    pub fn parse(path: &str, text: &str) -> Result<Source, String> {
        let tokens: TokenStream = text
            .parse()
            .map_err(|e| format!("{path}: is no Rust: {e}"))?;
        let file = syn::parse2(tokens.clone()).map_err(|e| format!("{path}: is no Rust: {e}"))?;
        let text = Text {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        Ok(Source { text, file, tokens })
    }

    /// A bad example, for the tests of the rules.
    pub fn example(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap_or_else(|e| panic!("{e}"))
    }

    pub fn finding(&self, line: usize, wrong: String, remedy: &str) -> Finding {
        self.text.finding(line, wrong, remedy)
    }

    /// The module that the file is, from the crate root; `None` outside `src`. `main.rs` and
    /// `lib.rs` are the root itself: empty.
    pub fn module(&self) -> Option<Vec<String>> {
        let inside = self.text.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let mut parts: Vec<String> = inside.split('/').map(str::to_owned).collect();
        let last = parts.last().map(String::as_str);
        if last == Some("mod") || (parts.len() == 1 && matches!(last, Some("lib" | "main"))) {
            parts.pop();
        }
        Some(parts)
    }
}

/// All that is ours.
pub struct Tree {
    pub sources: Vec<Source>,
    pub texts: Vec<Text>,
    /// What readers read: the documents of the root and of `docs`.
    pub documents: Vec<Text>,
    /// Every file and folder, from the root, with `/`.
    pub paths: BTreeSet<String>,
}

impl Tree {
    pub fn of_the_house() -> Tree {
        let root = root();
        let sources = gather(&root, &RUST_FOLDERS, &["rs"])
            .iter()
            .map(|text| Source::parse(&text.path, &text.text).unwrap_or_else(|e| panic!("{e}")))
            .collect();
        Tree {
            sources,
            texts: gather(&root, &TEXT_FOLDERS, &TEXT_ENDINGS),
            documents: documents(&root),
            paths: paths(&root),
        }
    }
}

/// The documents, without reading the sources.
pub fn documents(root: &Path) -> Vec<Text> {
    let mut found = gather(root, &["docs"], &["md"]);
    descend_one(root, &mut |path| {
        if path.extension().is_some_and(|ending| ending == "md") {
            found.push(read(root, path));
        }
    });
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn paths(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    descend(root, &mut |path| {
        let inside = path.strip_prefix(root).unwrap_or(path);
        for part in inside.ancestors() {
            found.insert(part.to_string_lossy().replace('\\', "/"));
        }
    });
    found
}

fn descend_one(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .path();
        if !path.is_dir() {
            visit(&path);
        }
    }
}

/// The root of the repository: where cargo runs this, or where it built it.
pub fn root() -> PathBuf {
    let built = env!("CARGO_MANIFEST_DIR").into();
    std::env::var_os("CARGO_MANIFEST_DIR")
        .unwrap_or(built)
        .into()
}

fn gather(root: &Path, folders: &[&str], endings: &[&str]) -> Vec<Text> {
    let mut found = Vec::new();
    for folder in folders {
        descend(&root.join(folder), &mut |path| {
            let ending = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            if endings.contains(&ending) {
                found.push(read(root, path));
            }
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(root: &Path, path: &Path) -> Text {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let inside = path.strip_prefix(root).unwrap_or(path);
    Text {
        path: inside.to_string_lossy().replace('\\', "/"),
        text,
    }
}

fn descend(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    // A folder that does not exist yet holds nothing; anything else must be readable.
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return,
        Err(e) => panic!("{}: {e}", folder.display()),
    };
    for entry in entries {
        let path = entry
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !MADE.contains(&name.as_str()) {
                descend(&path, visit);
            }
        } else {
            visit(&path);
        }
    }
}

#[test]
fn a_file_knows_which_module_it_is() {
    let module = |path| Source::example(path, "").module().map(|m| m.join("::"));
    assert_eq!(module("src/lib.rs").as_deref(), Some(""));
    assert_eq!(module("src/main.rs").as_deref(), Some(""));
    assert_eq!(module("src/room/mod.rs").as_deref(), Some("room"));
    assert_eq!(module("src/room/room.rs").as_deref(), Some("room::room"));
    assert_eq!(
        module("src/peer/signal/token.rs").as_deref(),
        Some("peer::signal::token")
    );
    assert_eq!(module("tests/sim/main.rs"), None);
}
