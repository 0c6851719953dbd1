//! Reads a JSON object field by field: what is wrong is named, with what is allowed.

use crate::api::problem::Problem;
use crate::base::{MAX_JSON_BYTES, json_len};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// The members of an object that are read one after another.
pub(super) struct Fields<'a> {
    members: &'a Map<String, Value>,
    path: String,
    asked: Vec<&'static str>,
}

/// A whole number. JSON has one kind of numbers: 60 and 60.0 are the same.
pub(super) fn whole(value: &Value) -> Option<u64> {
    /// Beyond, a fraction of 64 bits is not exact (2^53).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let exact = |number: &f64| number.fract() == 0.0 && (0.0..=EXACT).contains(number);
    let fraction = || value.as_f64().filter(exact);
    value
        .as_u64()
        .or_else(|| fraction().and_then(|number| format!("{number:.0}").parse().ok()))
}

/// A path with one more step.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

impl<'a> Fields<'a> {
    /// The members of `value`, which stands at `path`.
    pub fn of(value: &'a Value, path: &str) -> Result<Fields<'a>, Problem> {
        let Some(members) = value.as_object() else {
            return Err(match path {
                "" => Problem::body("body", "a JSON object"),
                path => Problem::body(path, "an object"),
            });
        };
        Ok(Fields {
            members,
            path: path.to_owned(),
            asked: Vec::new(),
        })
    }

    /// Whatever stands there; `null` is nothing.
    pub fn any(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A text with so many bytes.
    pub fn text(
        &mut self,
        name: &'static str,
        bytes: RangeInclusive<usize>,
    ) -> Result<Option<&'a str>, Problem> {
        let Some(value) = self.any(name) else {
            return Ok(None);
        };
        let text = value.as_str().filter(|text| bytes.contains(&text.len()));
        let allowed = || format!("a text of {} to {} bytes", bytes.start(), bytes.end());
        text.map(Some)
            .ok_or_else(|| Problem::body(&self.place(name), &allowed()))
    }

    /// The same, which must be there.
    pub fn needed(
        &mut self,
        name: &'static str,
        bytes: RangeInclusive<usize>,
    ) -> Result<&'a str, Problem> {
        let (least, most) = (*bytes.start(), *bytes.end());
        let allowed = || format!("a text of {least} to {most} bytes, which must be there");
        self.text(name, bytes)?
            .ok_or_else(|| Problem::body(&self.place(name), &allowed()))
    }

    /// A whole number.
    pub fn whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(value) = self.any(name) else {
            return Ok(None);
        };
        let number = whole(value).filter(|number| range.contains(number));
        let allowed = || format!("{} to {}", range.start(), range.end());
        number
            .map(Some)
            .ok_or_else(|| Problem::body(&self.place(name), &allowed()))
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        let Some(value) = self.any(name) else {
            return Ok(None);
        };
        let flag = value.as_bool();
        flag.map(Some)
            .ok_or_else(|| Problem::body(&self.place(name), "true or false"))
    }

    /// Where a member stands.
    pub fn place(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Refuses what was not asked for.
    pub fn finish(self) -> Result<(), Problem> {
        let unknown = self
            .members
            .keys()
            .find(|name| !self.asked.contains(&name.as_str()));
        let Some(name) = unknown else { return Ok(()) };
        // A name of a megabyte is not repeated.
        let name: String = name.chars().take(64).collect();
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Err(Problem::unknown(
            status,
            &self.place(&name),
            &self.asked.join(", "),
        ))
    }
}

/// Entries and events have a bound, so names that stand in each of them have one there.
pub(super) fn fits_in_json(place: &str, text: Option<&str>) -> Result<(), Problem> {
    if text.is_some_and(|text| json_len(text) > MAX_JSON_BYTES) {
        let allowed = "at most 384 bytes in JSON: fewer control characters and quotes";
        return Err(Problem::body(place, allowed));
    }
    Ok(())
}
