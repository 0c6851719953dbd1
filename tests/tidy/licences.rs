//! Licences: whoever builds Beistand may use and pass on all that it is made of.

use crate::deny::Rules;
use crate::metadata::Package;
use crate::source::Finding;

pub fn check(packages: &[Package], rules: &Rules) -> Vec<Finding> {
    packages
        .iter()
        .filter_map(|package| {
            let wrong = match &package.licence {
                None => "names no licence".to_owned(),
                Some(licence) => match evaluate(licence, &package.name, rules) {
                    Ok(true) => return None,
                    Ok(false) => format!("is licensed {licence}, which we do not accept"),
                    Err(e) => format!("has a licence that cannot be read, {licence}: {e}"),
                },
            };
            Some(Finding {
                path: "Cargo.lock".to_owned(),
                line: package.line,
                wrong: format!("{} {} {wrong}", package.name, package.version),
                remedy: "do without it, or accept the licence in deny.toml".to_owned(),
            })
        })
        .collect()
}

/// Do we accept this SPDX expression for this crate? The old form `MIT/Apache-2.0` means OR.
fn evaluate(expression: &str, name: &str, rules: &Rules) -> Result<bool, String> {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        name,
        rules,
    };
    let accepted = reader.any()?;
    match reader.words.first() {
        None => Ok(accepted),
        Some(word) => Err(format!("`{word}` is not expected")),
    }
}

/// Reads an expression from left to right: OR binds weaker than AND, AND weaker than WITH.
struct Reader<'a> {
    words: &'a [&'a str],
    name: &'a str,
    rules: &'a Rules,
}

impl<'a> Reader<'a> {
    fn take(&mut self, wanted: &str) -> bool {
        let found = self
            .words
            .first()
            .is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn next(&mut self) -> Result<&'a str, String> {
        let (first, rest) = self.words.split_first().ok_or("it ends too early")?;
        self.words = rest;
        Ok(first)
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut accepted = self.all()?;
        while self.take("OR") {
            accepted |= self.all()?;
        }
        Ok(accepted)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut accepted = self.one()?;
        while self.take("AND") {
            accepted &= self.one()?;
        }
        Ok(accepted)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.take("(") {
            let accepted = self.any()?;
            return if self.take(")") {
                Ok(accepted)
            } else {
                Err("`)` is missing".to_owned())
            };
        }
        let mut licence = self.next()?.to_owned();
        if matches!(licence.as_str(), ")" | "OR" | "AND" | "WITH") {
            return Err(format!("`{licence}` is not expected"));
        }
        if self.take("WITH") {
            licence = format!("{licence} WITH {}", self.next()?);
        }
        Ok(self.rules.accepts(&licence, self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny::rules;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for (expression, accepted) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0 / MIT", true),
            ("MPL-2.0", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND LGPL-3.0", false),
            ("GPL-3.0 OR MIT AND Apache-2.0", true),
            ("MIT OR Apache-2.0 AND GPL-3.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            ("ISC AND (Apache-2.0 OR ISC)", true),
            ("CDLA-Permissive-2.0", false),
        ] {
            assert_eq!(
                evaluate(expression, "x", &rules()),
                Ok(accepted),
                "{expression}"
            );
        }
        assert_eq!(
            evaluate("CDLA-Permissive-2.0", "webpki-root-certs", &rules()),
            Ok(true)
        );
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_no_licence() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "AND MIT"] {
            assert!(evaluate(expression, "x", &rules()).is_err(), "{expression}");
        }
    }

    #[test]
    fn a_package_with_a_foreign_licence_or_none_is_found() {
        let package = |licence: Option<&str>| Package {
            name: "x".to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            source: None,
            wildcards: Vec::new(),
            line: 3,
        };
        let given = [
            package(Some("MIT")),
            package(Some("SSPL-1.0")),
            package(None),
        ];
        let findings = check(&given, &rules());
        assert_eq!(findings.len(), 2);
        assert!(
            findings[0]
                .to_string()
                .starts_with("Cargo.lock:3: x 1.0.0 is licensed SSPL-1.0")
        );
    }
}
