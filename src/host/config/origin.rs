//! Where each value came from, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File and line, environment variable, or flag.
    pub place: String,
    /// The key's path, where there is one.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.place, &self.key]
            .into_iter()
            .filter(|part| !part.is_empty());
        parts
            .into_iter()
            .try_for_each(|part| write!(f, "{part}: "))?;
        f.write_str(&self.what)
    }
}

/// All that is wrong, one a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Which place set which key; a key that is missing has its default.
#[derive(Debug, Default)]
pub(super) struct Origins {
    places: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Origins {
    pub(super) fn set(&mut self, key: &str, place: impl Into<String>) {
        self.places.insert(key.to_owned(), place.into());
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// Notes a problem with a key, at the place that set it or the nearest key above it.
    pub(super) fn refuse(&mut self, key: &str, what: impl fmt::Display) {
        let mut above = Some(key);
        let place = loop {
            match above {
                None => break String::new(),
                Some(path) => match self.places.get(path) {
                    Some(place) => break place.clone(),
                    None => above = path.rsplit_once('.').map(|(parent, _)| parent),
                },
            }
        };
        self.refuse_at(place, key, what);
    }

    pub(super) fn refuse_at(&mut self, place: String, key: &str, what: impl fmt::Display) {
        self.problems.push(Problem {
            place,
            key: key.to_owned(),
            what: what.to_string(),
        });
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() {
            Ok(value)
        } else {
            Err(Problems(self.problems))
        }
    }
}
