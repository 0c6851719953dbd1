//! The keys of the configuration, read off its own types: what the environment may set, and what
//! the commented file must show. So neither can go stale.

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use std::fmt;

/// A key that holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Its path from the root.
    pub(super) path: Vec<String>,
    /// Whether the value is a list.
    pub(super) is_list: bool,
}

impl Key {
    /// `http.bind` is `BEISTAND_HTTP_BIND`.
    pub(super) fn variable(&self) -> String {
        format!("BEISTAND_{}", self.path.join("_").to_ascii_uppercase())
    }
}

/// All keys of `T` that hold a value, those of nested structures included. A table with free names
/// (`keys`, `policies`) counts as one key.
pub(super) fn keys_of<T: DeserializeOwned>() -> Vec<Key> {
    let mut found = Vec::new();
    descend::<T>(&mut Vec::new(), &mut found);
    found
}

/// The same, each as `http.bind`.
#[cfg(test)]
pub(in crate::host) fn names_of<T: DeserializeOwned>() -> std::collections::BTreeSet<String> {
    let keys = keys_of::<T>().into_iter();
    keys.map(|key| key.path.join(".")).collect()
}

fn descend<T: DeserializeOwned>(path: &mut Vec<String>, found: &mut Vec<Key>) {
    match shape::<T>(path) {
        Shape::Struct(fields) => {
            for field in fields {
                path.push((*field).to_owned());
                descend::<T>(path, found);
                path.pop();
            }
        }
        Shape::List => found.push(Key {
            path: path.clone(),
            is_list: true,
        }),
        Shape::Value => found.push(Key {
            path: path.clone(),
            is_list: false,
        }),
    }
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Struct(&'static [&'static str]),
    List,
    Value,
}

/// What the type asks for at `path`. serde tells a deserializer what it expects, so this one goes
/// down the path and reports that expectation as its error.
fn shape<T: DeserializeOwned>(path: &[String]) -> Shape {
    T::deserialize(Probe(path))
        .err()
        .map_or(Shape::Value, |ProbeError(shape)| shape)
}

struct Probe<'a>(&'a [String]);

#[derive(Debug)]
struct ProbeError(Shape);

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for ProbeError {}

impl de::Error for ProbeError {
    fn custom<T: fmt::Display>(_: T) -> ProbeError {
        ProbeError(Shape::Value)
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = ProbeError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ProbeError> {
        Err(ProbeError(Shape::Value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ProbeError> {
        Err(ProbeError(Shape::List))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        match self.0.split_first() {
            None => Err(ProbeError(Shape::Struct(fields))),
            Some((field, rest)) => visitor.visit_map(OneField {
                field: Some(field),
                rest,
            }),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct map enum identifier ignored_any
    }
}

struct OneField<'a> {
    field: Option<&'a String>,
    rest: &'a [String],
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = ProbeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ProbeError> {
        let field = self.field.take();
        field
            .map(|field| seed.deserialize(field.as_str().into_deserializer()))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ProbeError> {
        seed.deserialize(Probe(self.rest))
    }
}
