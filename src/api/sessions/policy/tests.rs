//! The table against the policy itself, and each field with bad values.

use super::*;
use serde_json::json;

/// `{"a": {"b": value}}` of `a.b`.
fn nested(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, name| {
        let mut object = Map::new();
        object.insert(name.to_owned(), inner);
        Value::Object(object)
    })
}

fn told(changes: &Value) -> Value {
    let refused = overridden(&Policy::default(), changes, "overrides").unwrap_err();
    serde_json::to_value(refused).unwrap()
}

/// The paths of all fields that are no group; metadata is one field.
fn leaves(path: &str, value: &Value) -> Vec<String> {
    match value.as_object().filter(|_| path != "metadata") {
        Some(group) => {
            let inner = group.iter();
            inner
                .flat_map(|(name, value)| leaves(&join(path, name), value))
                .collect()
        }
        None => vec![path.to_owned()],
    }
}

/// Values of other types, and just outside the range.
fn wrong(allowed: Allowed) -> Vec<Value> {
    let outside = |least: u64, most: u64| {
        let mut values = vec![
            json!(most + 1),
            json!(-1),
            json!(1.5),
            json!("7"),
            json!([]),
        ];
        values.extend(least.checked_sub(1).map(|below| json!(below)));
        values
    };
    match allowed {
        Whole(least, most) => [outside(least, most), vec![Value::Null]].concat(),
        MaybeWhole(least, most) => outside(least, most),
        Word(_) => vec![json!("nonsense"), json!(1), Value::Null, json!({})],
        Words(_) => vec![
            json!(["nonsense"]),
            json!("notify"),
            json!([1]),
            Value::Null,
        ],
        Text(most) => vec![json!("x".repeat(most + 1)), json!(1), json!({})],
        Json(most) => vec![json!("x".repeat(most))],
    }
}

#[test]
fn each_field_with_a_bad_value_is_named_with_what_is_allowed() {
    for rule in RULES {
        for value in wrong(rule.allowed) {
            let problem = told(&nested(rule.path, value.clone()));
            assert_eq!(problem["status"], 422, "{}: {value}", rule.path);
            let place = format!("overrides.{}", rule.path);
            assert_eq!(problem["field"], json!(place), "{value}");
            assert_eq!(problem["allowed"], json!(rule.allowed.words()), "{place}");
        }
    }
}

#[test]
fn the_table_holds_each_field_of_the_policy_and_agrees_with_its_checks() {
    let mut full = Policy {
        external_ref: Some("booking".to_owned()),
        metadata: Some(json!({})),
        ..Policy::default()
    };
    (full.window.opens_at, full.window.closes_at) = (Some(1), Some(2));
    full.duration.quota_s = Some(1);
    full.recording.retention_h.shared = Some(1);
    let mut paths = leaves("", &serde_json::to_value(full).unwrap());
    let mut known: Vec<&str> = RULES.iter().map(|rule| rule.path).collect();
    paths.sort();
    known.sort_unstable();
    assert_eq!(known, paths);
    // A template in which no other field is in the way of the bounds.
    let mut wide = Policy::default();
    wide.floor.short_after_ms = 500;
    wide.departure_timeout_s = 5;
    for rule in RULES {
        let (Whole(least, most) | MaybeWhole(least, most)) = rule.allowed else {
            continue;
        };
        let alone = |value: u64| {
            let mut template = wide.clone();
            if rule.path == "floor.short_after_ms" {
                template.floor.breach_after_ms = 600_000;
            }
            if rule.path == "departure_timeout_s" {
                template.abandon_after_s = 86_400;
            }
            overridden(&template, &nested(rule.path, json!(value)), "overrides")
        };
        assert!(
            alone(least).is_ok(),
            "{} {least}: {:?}",
            rule.path,
            alone(least)
        );
        assert!(
            alone(most).is_ok(),
            "{} {most}: {:?}",
            rule.path,
            alone(most)
        );
    }
}

#[test]
fn what_does_not_exist_is_named_with_what_does() {
    for (changes, field, allowed) in [
        (
            json!({"florr": {}}),
            "overrides.florr",
            "floor, presence, duration",
        ),
        (
            json!({"floor": {"bps": 1}}),
            "overrides.floor.bps",
            "up_bps, down_bps",
        ),
        (
            json!({"duration": {"x": {}}}),
            "overrides.duration.x",
            "max_min, quota_s",
        ),
        (
            json!({"recording": {"modes": 1}}),
            "overrides.recording.modes",
            "mode, purposes, retention_h",
        ),
        (
            json!({"recording": {"retention_h": {"all": 1}}}),
            "overrides.recording.retention_h.all",
            "qa, shared",
        ),
    ] {
        let problem = told(&changes);
        assert_eq!(problem["field"], field);
        let there = problem["allowed"].as_str().unwrap();
        assert!(there.starts_with(allowed), "{there}");
    }
    assert_eq!(told(&json!({"floor": 1}))["field"], "overrides.floor");
    assert_eq!(told(&json!(1))["field"], "overrides");
    let kept = told(&json!({"recording": {"retention_h": 72}}));
    assert_eq!(kept["field"], "overrides.recording.retention_h");
}

#[test]
fn one_that_depends_on_another_is_named_too() {
    for (changes, field) in [
        (
            json!({"window": {"opens_at": 9, "closes_at": 9}}),
            "overrides.window.closes_at",
        ),
        (json!({"abandon_after_s": 19}), "overrides.abandon_after_s"),
        (
            json!({"floor": {"breach_after_ms": 2999}}),
            "overrides.floor.breach_after_ms",
        ),
        (
            json!({"recording": {"purposes": ["qa", "qa"]}}),
            "overrides.recording.purposes",
        ),
    ] {
        assert_eq!(told(&changes)["field"], field);
    }
}

#[test]
fn changes_are_laid_over_the_template_and_null_takes_away() {
    let mut template = Policy::default();
    template.duration.quota_s = Some(60);
    template.floor.up_bps = 5;
    let changes = json!({"duration": {"quota_s": null, "max_min": 7.0}, "external_ref": "b"});
    let policy = overridden(&template, &changes, "overrides").unwrap();
    assert_eq!(
        (policy.duration.quota_s, policy.duration.max_min),
        (None, 7)
    );
    assert_eq!(
        (policy.floor.up_bps, policy.external_ref),
        (5, Some("b".to_owned()))
    );
}

#[test]
fn how_long_each_purpose_is_kept_is_changed_by_itself() {
    let mut template = Policy::default();
    template.recording.retention_h.shared = Some(24);
    for (changes, kept) in [
        (json!({"qa": 1}), (1, Some(24))),
        (json!({"shared": null}), (72, None)),
        (json!({"qa": 5, "shared": 6.0}), (5, Some(6))),
    ] {
        let changes = json!({"recording": {"retention_h": changes}});
        let policy = overridden(&template, &changes, "overrides").unwrap();
        let held = policy.recording.retention_h;
        assert_eq!((held.qa, held.shared), kept, "{changes}");
    }
}

#[test]
fn the_document_has_groups_within_groups() {
    let document = serde_json::to_value(PolicyDocument::schema()).unwrap();
    let kept = &document["properties"]["recording"]["properties"]["retention_h"];
    assert_eq!(kept["additionalProperties"], json!(false));
    assert_eq!(kept["properties"]["qa"]["minimum"], json!(1));
}

/// The rows of the contract's table of the policy: field, default, allowed.
fn documented() -> Vec<[String; 3]> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let contract = std::fs::read_to_string(root.join("docs/contract.md")).unwrap();
    let table = contract.split("\n| policy field | default | allowed | meaning |\n");
    let [_, table] = table.collect::<Vec<_>>()[..] else {
        panic!("the contract has not just one table of the policy");
    };
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').skip(1).map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| [0, 1, 2].map(|at| cells[at].replace(['`', ','], "")))
        .collect()
}

/// A default as the contract writes it; nothing is `none`.
fn written(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::Array(list)) => {
            let words: Vec<String> = list.iter().map(|word| written(Some(word))).collect();
            words.join(" ")
        }
        Some(Value::String(word)) => word.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => other.to_string(),
    }
}

/// What is allowed as the contract writes it: there the default says that it may be nothing.
fn allowed(rule: &Rule) -> String {
    match rule.allowed {
        Whole(least, most) | MaybeWhole(least, most) => format!("{least} to {most}"),
        Word(words) | Words(words) => words.join(" "),
        Text(most) | Json(most) => format!("at most {most} bytes"),
    }
}

#[test]
fn the_contract_lists_each_field_with_its_default_and_what_is_allowed() {
    let defaults = serde_json::to_value(Policy::default()).unwrap();
    let real: Vec<[String; 3]> = RULES
        .iter()
        .map(|rule| {
            let place = format!("/{}", rule.path.replace('.', "/"));
            let default = written(defaults.pointer(&place));
            [rule.path.to_owned(), default, allowed(rule)]
        })
        .collect();
    let documented = documented();
    for row in &real {
        assert!(documented.contains(row), "the contract lacks {row:?}");
    }
    for row in &documented {
        assert!(real.contains(row), "the contract has {row:?}");
    }
    assert_eq!(documented.len(), real.len(), "a field stands there twice");
}
