//! Kubernetes' own objects inside a specification. Their schemas would make the definition too
//! large to apply, so they are stored as written and parsed by whoever needs them, with an error
//! that names the field. One malformed object therefore never makes the whole resource unreadable.

use crate::problem::{FieldPath, Problem};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::marker::PhantomData;

/// A `T`, stored as it was written.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Embedded<T> {
    value: Value,
    #[serde(skip)]
    read_as: PhantomData<fn() -> T>,
}

impl<T> Embedded<T> {
    /// The value as it was written.
    pub fn raw(&self) -> &Value {
        &self.value
    }
}

impl<T: DeserializeOwned> Embedded<T> {
    /// Parses the value; `at` is its path.
    ///
    /// # Errors
    /// If it is not a `T`; the error names the wrong field inside it.
    pub fn read(&self, at: &FieldPath) -> Result<T, Problem> {
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            let inside = error.path().to_string();
            let field = if inside == "." { at.clone() } else { at.field(&inside) };
            Problem::new(field, error.into_inner().to_string())
        })
    }
}

impl<T: DeserializeOwned + Serialize> Embedded<T> {
    /// Paths of the fields inside it that `T` does not have and that parsing therefore loses.
    pub fn unknown(&self, at: &FieldPath) -> Vec<FieldPath> {
        let Ok(read) = serde_json::from_value::<T>(self.value.clone()) else { return Vec::new() };
        let kept = serde_json::to_value(read).unwrap_or(Value::Null);
        let mut lost = Vec::new();
        compare(&self.value, &kept, at, &mut lost);
        lost
    }
}

/// Collects everything in `written` that is not in `kept`, except empty values, which mean nothing.
fn compare(written: &Value, kept: &Value, at: &FieldPath, lost: &mut Vec<FieldPath>) {
    match (written, kept) {
        (Value::Object(written), Value::Object(kept)) => {
            for (name, value) in written {
                match kept.get(name) {
                    Some(kept) => compare(value, kept, &at.field(name), lost),
                    None if is_empty(value) => {}
                    None => lost.push(at.field(name)),
                }
            }
        }
        (Value::Array(written), Value::Array(kept)) => {
            for (index, (value, kept)) in written.iter().zip(kept).enumerate() {
                compare(value, kept, &at.index(index), lost);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

impl<T: Serialize> From<&T> for Embedded<T> {
    fn from(value: &T) -> Self {
        Self { value: serde_json::to_value(value).unwrap_or(Value::Null), read_as: PhantomData }
    }
}

impl<T> Clone for Embedded<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), read_as: PhantomData }
    }
}

impl<T> PartialEq for Embedded<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> std::fmt::Debug for Embedded<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> JsonSchema for Embedded<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Embedded".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}
