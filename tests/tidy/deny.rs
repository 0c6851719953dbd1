//! What Beistand may be made of, by `deny.toml`: sources and bans. `cargo deny check` reads the same file;
//! here it holds without that tool, which takes longer to build than all of Beistand.

use crate::metadata::Package;
use crate::source::{Finding, root};
use toml::{Table, Value};

const FILE: &str = "deny.toml";

/// What the file says.
pub struct Rules {
    licences: Vec<String>,
    /// Licences that are accepted for one crate alone.
    exceptions: Vec<(String, Vec<String>)>,
    banned: Vec<String>,
    registries: Vec<String>,
}

/// Reads the file; a part that is missing is an error, or its rule would hold nothing.
pub fn rules() -> Rules {
    let text = std::fs::read_to_string(root().join(FILE));
    let text = text.unwrap_or_else(|e| panic!("{FILE} cannot be read: {e}"));
    let table: Table = text.parse().unwrap_or_else(|e| panic!("{FILE}: {e}"));
    let rules = Rules::of(&table);
    rules.unwrap_or_else(|missing| panic!("{FILE} has no `{missing}`"))
}

fn texts(list: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    list.iter().filter_map(text).collect()
}

impl Rules {
    fn of(table: &Table) -> Result<Rules, String> {
        let list = |section: &str, key: &str| -> Result<Vec<Value>, String> {
            let found = table.get(section).and_then(|section| section.get(key));
            let list = found.and_then(Value::as_array).cloned();
            list.ok_or_else(|| format!("{section}.{key}"))
        };
        let name = |value: &Value| value.get("crate")?.as_str().map(str::to_owned);
        let exception = |value: &Value| {
            let allow = value.get("allow")?.as_array()?;
            Some((name(value)?, texts(allow)))
        };
        Ok(Rules {
            licences: texts(&list("licenses", "allow")?),
            exceptions: list("licenses", "exceptions")?
                .iter()
                .filter_map(exception)
                .collect(),
            banned: list("bans", "deny")?.iter().filter_map(name).collect(),
            registries: texts(&list("sources", "allow-registry")?),
        })
    }

    /// Whether a crate may have this licence.
    pub fn accepts(&self, licence: &str, package: &str) -> bool {
        let own = self.exceptions.iter().filter(|(name, _)| name == package);
        let mut own = own.flat_map(|(_, licences)| licences);
        self.licences.iter().any(|known| known == licence) || own.any(|known| known == licence)
    }

    fn wrong(&self, package: &Package) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.banned.contains(&package.name) {
            wrong.push("is banned".to_owned());
        }
        match &package.source {
            None => {
                let any = package.wildcards.iter();
                wrong.extend(any.map(|name| format!("takes any version of {name}")));
            }
            Some(source) => {
                let registry = source.strip_prefix("registry+");
                if !registry.is_some_and(|url| self.registries.iter().any(|known| known == url)) {
                    wrong.push(format!("comes from {source}"));
                }
            }
        }
        wrong
    }
}

/// Every package that is banned, comes from elsewhere, or is ours and wants any version of another.
pub fn check(packages: &[Package], rules: &Rules) -> Vec<Finding> {
    let findings = packages.iter().flat_map(|package| {
        rules.wrong(package).into_iter().map(|wrong| Finding {
            path: "Cargo.lock".to_owned(),
            line: package.line,
            wrong: format!("{} {} {wrong}", package.name, package.version),
            remedy: "do without it, or say in deny.toml why not".to_owned(),
        })
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_banned_foreign_or_of_any_version_is_found() {
        let index = "registry+https://github.com/rust-lang/crates.io-index";
        let package = |name: &str, source: Option<&str>, any: &[&str]| Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: None,
            source: source.map(str::to_owned),
            wildcards: any.iter().map(|name| (*name).to_owned()).collect(),
            line: 3,
        };
        for (given, expected) in [
            (package("serde", Some(index), &[]), None),
            (
                package("serde", Some(index), &["what others want is theirs"]),
                None,
            ),
            (package("beistand", None, &[]), None),
            (package("native-tls", Some(index), &[]), Some("is banned")),
            (
                package("serde", Some("git+https://example.invalid/serde"), &[]),
                Some("comes from git+https://example.invalid/serde"),
            ),
            (
                package("serde", Some("registry+https://example.invalid/index"), &[]),
                Some("comes from registry+"),
            ),
            (
                package("beistand", None, &["serde"]),
                Some("takes any version of serde"),
            ),
        ] {
            let found: Vec<String> = check(&[given], &rules())
                .iter()
                .map(ToString::to_string)
                .collect();
            match expected {
                None => assert!(found.is_empty(), "{found:?}"),
                Some(says) => assert!(found.len() == 1 && found[0].contains(says), "{found:?}"),
            }
        }
    }

    #[test]
    fn a_file_without_a_part_holds_nothing_and_is_an_error() {
        let whole = "[licenses]\nallow = []\nexceptions = []\n[bans]\ndeny = []\n\
                     [sources]\nallow-registry = []\n";
        assert!(Rules::of(&whole.parse().unwrap()).is_ok());
        for part in [
            "allow = []",
            "exceptions = []",
            "deny = []",
            "allow-registry = []",
        ] {
            let less = whole.replacen(part, "", 1).parse().unwrap();
            assert!(Rules::of(&less).is_err(), "{part}");
        }
    }
}
