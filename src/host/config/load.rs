//! File, environment and flags, laid one over the other.

use super::certificate;
use super::check::check;
use super::env::{Meant, Variable, meant};
use super::flags::{DEV_KEY, DEV_SECRET, Flags};
use super::key::{Key, keys_of};
use super::origin::{Origins, Problems};
use super::schema::Config;
use super::secret::Secret;
use crate::session::Policy;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

impl Config {
    /// Loads a file (or only the defaults), lays environment and flags over it, checks the whole.
    /// `env` may be the whole environment: only names that start with `BEISTAND_` count.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = Variable>,
        flags: &Flags,
    ) -> Result<Config, Problems> {
        let mut origins = Origins::default();
        let text = path.map(|path| (path.display().to_string(), std::fs::read_to_string(path)));
        let config = match text {
            Some((name, Err(error))) => {
                origins.refuse_at(name, "", format!("cannot read the configuration: {error}"));
                return origins.into_result(Config::default());
            }
            Some((name, Ok(text))) => layered(Some((&name, &text)), env, &mut origins),
            None => layered(None, env, &mut origins),
        };
        finish(config, flags, origins)
    }

    fn apply(&mut self, flags: &Flags, origins: &mut Origins) {
        if flags.dev {
            self.become_dev(origins);
        }
        let binds = [
            (flags.http, &mut self.http.bind, "http.bind", "--http"),
            (flags.udp, &mut self.rtc.udp_bind, "rtc.udp_bind", "--udp"),
            (flags.admin, &mut self.admin.bind, "admin.bind", "--admin"),
        ];
        for (flag, bind, key, place) in binds {
            if let Some(address) = flag {
                *bind = address;
                origins.set(key, place);
            }
        }
        if let Some(dir) = &flags.data {
            self.data.dir.clone_from(dir);
            origins.set("data.dir", "--data");
        }
        let udp = self.rtc.udp_bind.ip();
        if flags.dev && udp.is_loopback() && !origins.is_set("rtc.advertise") {
            self.rtc.advertise = vec![udp.into()];
        }
    }

    /// The defaults of `--dev`: this machine only, a published key, data in the working directory.
    fn become_dev(&mut self, origins: &Origins) {
        let loopback = std::net::Ipv4Addr::LOCALHOST;
        if !origins.is_set("http.bind") {
            self.http.bind = (loopback, self.http.bind.port()).into();
        }
        if !origins.is_set("rtc.udp_bind") {
            self.rtc.udp_bind = (loopback, self.rtc.udp_bind.port()).into();
        }
        if !origins.is_set("data.dir") {
            self.data.dir = PathBuf::from("./data");
        }
        if !origins.is_set("http.web_dir") {
            self.http.web_dir = Some(PathBuf::from("web/dist"));
        }
        if self.keys.is_empty() {
            self.keys
                .insert(DEV_KEY.to_owned(), Secret::from(DEV_SECRET));
        }
    }
}

/// Lays the flags over it and checks the whole, unless single values are wrong already.
pub(super) fn finish(
    mut config: Config,
    flags: &Flags,
    mut origins: Origins,
) -> Result<Config, Problems> {
    if !origins.has_problems() {
        config.apply(flags, &mut origins);
        check(&config, flags, &mut origins);
        if flags.opens {
            check_files(&config, &mut origins);
        }
    }
    origins.into_result(config)
}

fn check_files(config: &Config, origins: &mut Origins) {
    for fault in certificate::read(&config.tls).err().unwrap_or_default() {
        origins.refuse(fault.key, fault.what);
    }
}

/// The file with the environment laid over it. Each value is first tried alone against
/// [`Config`], so that every bad one is found, at its own place.
pub(super) fn layered(
    file: Option<(&str, &str)>,
    env: impl IntoIterator<Item = Variable>,
    origins: &mut Origins,
) -> Config {
    let mut table = match file {
        Some((name, text)) => read_file(name, text, origins),
        None => toml::Table::new(),
    };
    for variable in env {
        match meant(variable) {
            Meant::Key(name, value) => read_variable(&name, &value, &mut table, origins),
            Meant::NotText(name) => {
                origins.refuse_at(name, "", "its name or its value is no text in UTF-8");
            }
            Meant::Service(_) | Meant::Other => {}
        }
    }
    if origins.has_problems() {
        return Config::default();
    }
    let mut config = Config::deserialize(table).unwrap_or_else(|error| {
        origins.refuse("", error.message());
        Config::default()
    });
    let projects = config.projects.values_mut();
    let policies = projects.map(|project| &mut project.policies);
    for policies in policies.chain([&mut config.policies]) {
        policies
            .entry("default".to_owned())
            .or_insert_with(Policy::default);
    }
    config
}

fn read_file(name: &str, text: &str, origins: &mut Origins) -> toml::Table {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let lines = Lines { name, text };
    for error in &errors {
        origins.refuse_at(lines.place(error.span()), "", error.message());
    }
    if !errors.is_empty() {
        return toml::Table::new();
    }
    let mut file = ConfigFile {
        lines,
        path: Vec::new(),
        origins,
    };
    file.walk(tree.get_ref());
    toml::from_str(text).unwrap_or_default()
}

struct Lines<'a> {
    name: &'a str,
    text: &'a str,
}

impl Lines<'_> {
    fn place(&self, span: Option<std::ops::Range<usize>>) -> String {
        let before = span
            .and_then(|span| self.text.get(..span.start))
            .unwrap_or_default();
        format!("{}:{}", self.name, 1 + before.matches('\n').count())
    }
}

/// A walk through the file: notes where each key stands, and tries each value.
struct ConfigFile<'a, 'i> {
    lines: Lines<'a>,
    path: Vec<Spanned<std::borrow::Cow<'i, str>>>,
    origins: &'a mut Origins,
}

impl<'i> ConfigFile<'_, 'i> {
    fn walk(&mut self, table: &DeTable<'i>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            self.path.push(key.clone());
            let dotted = self.dotted();
            self.origins
                .set(&dotted, self.lines.place(Some(key.span())));
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => self.walk(inner),
                DeValue::Array(array) if !array.is_empty() => self.walk_array(&dotted, array),
                DeValue::Table(_)
                | DeValue::Array(_)
                | DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => self.try_value(value.clone()),
            }
            self.path.pop();
        }
    }

    /// Each element is tried as the only one, so that an error is at its line.
    fn walk_array(&mut self, dotted: &str, array: &DeArray<'i>) {
        for (index, element) in array.iter().enumerate() {
            let path = format!("{dotted}.{index}");
            self.origins
                .set(&path, self.lines.place(Some(element.span())));
            for (key, _) in element.get_ref().as_table().into_iter().flatten() {
                let place = self.lines.place(Some(key.span()));
                self.origins
                    .set(&format!("{path}.{}", key.get_ref()), place);
            }
            let alone = DeArray::from_iter([element.clone()]);
            self.try_value(Spanned::new(element.span(), DeValue::Array(alone)));
        }
    }

    fn dotted(&self) -> String {
        let parts: Vec<&str> = self.path.iter().map(|key| key.get_ref().as_ref()).collect();
        parts.join(".")
    }

    fn try_value(&mut self, value: Spanned<DeValue<'i>>) {
        let span = value.span();
        let alone = self.path.iter().rev().fold(value, |inner, key| {
            let mut table = DeTable::new();
            table.insert(key.clone(), inner);
            Spanned::new(span.clone(), DeValue::Table(table))
        });
        if let Err(error) = Config::deserialize(ValueDeserializer::from(alone)) {
            let within = error
                .span()
                .filter(|at| span.start <= at.start && at.end <= span.end);
            let unknown = error.message().starts_with("unknown field");
            let place = self.lines.place(if unknown {
                error.span()
            } else {
                within.or(Some(span))
            });
            let dotted = self.dotted();
            self.origins.refuse_at(place, &dotted, error.message());
        }
    }
}

fn read_variable(variable: &str, text: &str, table: &mut toml::Table, origins: &mut Origins) {
    let Some(key) = key_of(variable) else {
        let what = "no such variable: they are named after the keys of the file, such as \
                    BEISTAND_HTTP_BIND for `bind` in [http] and BEISTAND_KEYS_NAME for a secret \
                    in [keys]";
        origins.refuse_at(variable.to_owned(), "", what);
        return;
    };
    let dotted = key.path.join(".");
    match value_for(&key, text) {
        Ok(value) => {
            origins.set(&dotted, variable);
            insert(table, &key.path, value);
        }
        Err(error) => origins.refuse_at(variable.to_owned(), &dotted, error.message()),
    }
}

fn key_of(variable: &str) -> Option<Key> {
    let named = keys_of::<Config>()
        .into_iter()
        .find(|key| key.variable() == variable);
    named.or_else(|| {
        let name = variable
            .strip_prefix("BEISTAND_KEYS_")
            .filter(|name| !name.is_empty())?;
        Some(Key {
            path: vec!["keys".to_owned(), name.to_owned()],
            is_list: false,
        })
    })
}

/// A variable's text is TOML where that fits, else it stands for itself: a bare word for a text,
/// words with commas for a list.
fn value_for(key: &Key, text: &str) -> Result<toml::Value, toml::de::Error> {
    let parsed = ValueDeserializer::parse(text).and_then(toml::Value::deserialize);
    if let Some(value) = parsed.ok().filter(|value| fits(key, value).is_ok()) {
        return Ok(value);
    }
    let plain = if key.is_list {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        toml::Value::Array(
            words
                .map(|word| toml::Value::String(word.to_owned()))
                .collect(),
        )
    } else {
        toml::Value::String(text.to_owned())
    };
    fits(key, &plain).map(|()| plain)
}

fn fits(key: &Key, value: &toml::Value) -> Result<(), toml::de::Error> {
    let mut alone = toml::Table::new();
    insert(&mut alone, &key.path, value.clone());
    Config::deserialize(alone).map(|_| ())
}

fn insert(table: &mut toml::Table, path: &[String], value: toml::Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table
        .entry(first.clone())
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let toml::Value::Table(inner) = inner {
        insert(inner, rest, value);
    }
}
