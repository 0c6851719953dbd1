//! The policy as the app may change it: one table of what is allowed, for the checks, for the
//! document and for its own test.

use super::fields::{Fields, join, whole};
use crate::api::problem::Problem;
use crate::session::{Policy, PolicyError};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, Array, ObjectBuilder, Schema, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

/// What a field may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// A whole number.
    Whole(u64, u64),
    /// The same, or nothing.
    MaybeWhole(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of some of these words.
    Words(&'static [&'static str]),
    /// A text of so many bytes, or nothing.
    Text(usize),
    /// Any JSON of so many bytes.
    Json(usize),
}

/// One field of the policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Its path.
    pub path: &'static str,
    /// What it may be.
    pub allowed: Allowed,
    /// What it means.
    about: &'static str,
}

const fn rule(path: &'static str, allowed: Allowed, about: &'static str) -> Rule {
    Rule {
        path,
        allowed,
        about,
    }
}

use Allowed::{Json, MaybeWhole, Text, Whole, Word, Words};

/// The end of the year 9999, in seconds since 1970.
const FAR: u64 = 253_402_300_799;

/// All of them, in the order of the contract.
pub(super) const RULES: &[Rule] = &[
    rule(
        "floor.up_bps",
        Whole(0, 20_000_000),
        "Promised from each participant to the node, in bit/s; 0 promises nothing.",
    ),
    rule(
        "floor.down_bps",
        Whole(0, 20_000_000),
        "Promised from the node to each participant, in bit/s; 0 promises nothing.",
    ),
    rule(
        "floor.admission",
        Word(&["off", "warn", "require"]),
        "What a failed or missing preflight does at the join.",
    ),
    rule(
        "floor.short_after_ms",
        Whole(500, 60_000),
        "Evidence of a shortage for so long is `short`.",
    ),
    rule(
        "floor.breach_after_ms",
        Whole(500, 600_000),
        "And for so long in all is `breached`; not below `short_after_ms`.",
    ),
    rule(
        "floor.restore_after_ms",
        Whole(500, 600_000),
        "Enough again for so long restores the promise.",
    ),
    rule(
        "floor.on_breach",
        Words(&["notify", "shed", "pause_billing", "end"]),
        "What a breach does.",
    ),
    rule(
        "floor.end_after_ms",
        Whole(1_000, 86_400_000),
        "With `end`: the session ends after a breach of this length.",
    ),
    rule(
        "presence.after_min",
        Whole(0, 1_440),
        "Minutes of live time to the first \"still there?\" prompt; 0: never.",
    ),
    rule("presence.grace_min", Whole(1, 60), "Minutes to answer."),
    rule(
        "presence.repeat_min",
        Whole(0, 1_440),
        "Minutes of live time from an answer to the next prompt; 0: never again.",
    ),
    rule(
        "presence.who",
        Word(&["any", "each"]),
        "Who must answer: anyone of the two sides, or one of each.",
    ),
    rule(
        "duration.max_min",
        Whole(1, 1_440),
        "Hard end, in minutes since the session first went live.",
    ),
    rule(
        "duration.quota_s",
        MaybeWhole(1, 31_536_000),
        "Prepaid seconds of billable time.",
    ),
    rule(
        "duration.on_exhausted",
        Word(&["end", "pause_billing", "continue"]),
        "What happens when they are used up.",
    ),
    rule(
        "window.opens_at",
        MaybeWhole(0, FAR),
        "First moment for joins, in seconds since 1970.",
    ),
    rule(
        "window.closes_at",
        MaybeWhole(0, FAR),
        "Last moment for joins, in seconds since 1970; after `opens_at`.",
    ),
    rule(
        "capacity.max_participants",
        Whole(2, 50),
        "Joins above it are refused.",
    ),
    rule(
        "billing.basis",
        Word(&["overlap", "connected"]),
        "What makes the billing clock run.",
    ),
    rule(
        "billing.interim_s",
        Whole(1, 3_600),
        "Seconds of live time between two interim usage events.",
    ),
    rule(
        "billing.min_billable_ms",
        Whole(0, 3_600_000),
        "Sessions with less accrued report `billable_ms: 0`.",
    ),
    rule(
        "recording.mode",
        Word(&["off", "on_request", "always"]),
        "Whether the session is recorded, and at whose word; nobody is without their consent.",
    ),
    rule(
        "recording.purposes",
        Words(&["qa", "shared"]),
        "For what: one recording for each.",
    ),
    rule(
        "recording.retention_h.qa",
        Whole(1, 87_600),
        "Hours from the session's end until the recording for `qa` is deleted.",
    ),
    rule(
        "recording.retention_h.shared",
        MaybeWhole(1, 87_600),
        "The same for `shared`; null: it is kept.",
    ),
    rule(
        "departure_timeout_s",
        Whole(5, 300),
        "Grace time of a side that vanished, in seconds.",
    ),
    rule(
        "abandon_after_s",
        Whole(5, 86_400),
        "The session ends with a side away for so many seconds; not below `departure_timeout_s`.",
    ),
    rule("external_ref", Text(256), "The app's own booking id."),
    rule(
        "metadata",
        Json(4_096),
        "The app's own JSON, echoed in every event.",
    ),
];

impl Allowed {
    fn takes(self, value: &Value) -> bool {
        let is_word = |words: &[&str], value: &Value| {
            value.as_str().is_some_and(|word| words.contains(&word))
        };
        match self {
            Whole(least, most) => whole(value).is_some_and(|n| (least..=most).contains(&n)),
            MaybeWhole(least, most) => value.is_null() || Whole(least, most).takes(value),
            Word(words) => is_word(words, value),
            Words(words) => {
                let list = value.as_array();
                list.is_some_and(|list| {
                    list.len() <= words.len() && list.iter().all(|word| is_word(words, word))
                })
            }
            Text(most) => value.is_null() || value.as_str().is_some_and(|t| t.len() <= most),
            Json(most) => value.to_string().len() <= most,
        }
    }

    const fn is_number(self) -> bool {
        matches!(self, Whole(..) | MaybeWhole(..))
    }

    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Whole(least, most) => format!("{least} to {most}"),
            MaybeWhole(least, most) => format!("{least} to {most}, or null"),
            Word(words) => words.join(", "),
            Words(words) => format!("a list of {}", words.join(", ")),
            Text(most) => format!("a text of at most {most} bytes, or null"),
            Json(most) => format!("any JSON of at most {most} bytes"),
        }
    }

    fn schema(self, about: &str) -> RefOr<Schema> {
        let of = |kind: Type| {
            ObjectBuilder::new()
                .schema_type(kind)
                .description(Some(about))
        };
        let maybe = |kind: Type| {
            let either = SchemaType::from_iter([kind, Type::Null]);
            ObjectBuilder::new()
                .schema_type(either)
                .description(Some(about))
        };
        match self {
            Whole(least, most) => bounded(of(Type::Integer), least, most),
            MaybeWhole(least, most) => bounded(maybe(Type::Integer), least, most),
            Word(words) => of(Type::String).enum_values(Some(words.to_vec())).into(),
            Words(words) => {
                let word = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some(words.to_vec()));
                let mut list = Array::new(word);
                list.description = Some(about.to_owned());
                list.max_items = Some(words.len());
                Schema::Array(list).into()
            }
            Text(most) => maybe(Type::String).max_length(Some(most)).into(),
            Json(_) => ObjectBuilder::new()
                .schema_type(SchemaType::AnyValue)
                .description(Some(about))
                .into(),
        }
    }
}

fn bounded(builder: ObjectBuilder, least: u64, most: u64) -> RefOr<Schema> {
    let number = |n: u64| {
        Some(utoipa::Number::UInt(
            usize::try_from(n).unwrap_or(usize::MAX),
        ))
    };
    builder.minimum(number(least)).maximum(number(most)).into()
}

/// The template with the app's changes laid over it. `path` is where they stand in the body.
pub(super) fn overridden(
    template: &Policy,
    changes: &Value,
    path: &str,
) -> Result<Policy, Problem> {
    let mut merged = serde_json::to_value(template)
        .map_err(|error| Problem::unavailable(format!("the policy cannot be written: {error}")))?;
    let members = Fields::of(changes, path)?;
    drop(members);
    merge(&mut merged, changes, ("", path))?;
    let policy: Policy = serde_json::from_value(merged)
        .map_err(|error| Problem::body(path, &format!("a policy ({error})")))?;
    policy.validate().map_err(|error| told(&error, path))?;
    Ok(policy)
}

/// Lays `changes` over `merged`, each checked by its rule. `at` is the path in the policy and in
/// the body.
fn merge(merged: &mut Value, changes: &Value, at: (&str, &str)) -> Result<(), Problem> {
    let (inside, path) = at;
    let Some(changes) = changes.as_object() else {
        return Err(Problem::body(path, "an object"));
    };
    for (name, value) in changes {
        let place = (join(inside, name), join(path, name));
        let target = merged.as_object_mut();
        let Some(target) = target else { continue };
        match RULES.iter().find(|rule| rule.path == place.0) {
            Some(rule) if !rule.allowed.takes(value) => {
                return Err(Problem::body(&place.1, &rule.allowed.words()));
            }
            Some(_) if value.is_null() => drop(target.remove(name)),
            Some(rule) => {
                // 60.0 is a whole number of JSON, and none of the policy.
                let number = whole(value).filter(|_| rule.allowed.is_number());
                let value = number.map_or_else(|| value.clone(), Value::from);
                target.insert(name.clone(), value);
            }
            None if is_group(&place.0) => {
                let empty = || Value::Object(Map::new());
                let inner = target.entry(name.clone()).or_insert_with(empty);
                merge(inner, value, (&place.0, &place.1))?;
            }
            None => return Err(unknown(inside, path, name)),
        }
    }
    Ok(())
}

fn is_group(path: &str) -> bool {
    !members(path).is_empty()
}

/// The names within a group, or of the policy itself (`""`), each once.
fn members(group: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for rule in RULES {
        let rest = match group {
            "" => Some(rule.path),
            group => rule
                .path
                .strip_prefix(group)
                .and_then(|rest| rest.strip_prefix('.')),
        };
        let name = rest.and_then(|rest| rest.split('.').next());
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

fn unknown(inside: &str, path: &str, name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Problem::unknown(status, &join(path, &name), &members(inside).join(", "))
}

/// What no single field says: one that depends on another.
fn told(error: &PolicyError, path: &str) -> Problem {
    match error {
        PolicyError::Range {
            key, least, most, ..
        } => Problem::body(&join(path, key), &format!("{least} to {most}")),
        PolicyError::Long { key, most, .. } => {
            Problem::body(&join(path, key), &format!("at most {most} bytes"))
        }
        PolicyError::List { key, allowed } => {
            let allowed = format!("each of {allowed} at most once, and at least one");
            Problem::body(&join(path, key), &allowed)
        }
    }
}

/// The policy in the document: every field is there in an answer, and none must be in a request.
pub(crate) struct PolicyDocument;

impl PartialSchema for PolicyDocument {
    fn schema() -> RefOr<Schema> {
        group("")
            .description(Some(
                "The rules of a session. What is left out is that of the template.",
            ))
            .into()
    }
}

/// A group of fields, and the groups within it.
fn group(path: &str) -> ObjectBuilder {
    let closed = AdditionalProperties::<Schema>::FreeForm(false);
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(closed));
    members(path).into_iter().fold(object, |object, name| {
        let place = join(path, name);
        let schema = match RULES.iter().find(|rule| rule.path == place) {
            Some(rule) => rule.allowed.schema(rule.about),
            None => group(&place).into(),
        };
        object.property(name, schema)
    })
}

impl ToSchema for PolicyDocument {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Policy")
    }
}

#[cfg(test)]
mod tests;
