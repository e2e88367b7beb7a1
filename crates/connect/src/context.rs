//! Context of all message conversions: the session's artifacts, its type parser, the resource
//! profiles, and the nesting depth.

use crate::artifacts::Artifacts;
use crate::backend::Session;
use crate::error::invalid;
use crate::resources::Profiles;
use errors::condition;
use model::ResourceProfile;
use plan::{DataType, Field, SparkError};
use std::collections::BTreeSet;

/// Limit on the nesting of relations and expressions together.
pub(crate) const MAX_DEPTH: u32 = 2_000;

/// Passed down by value through all conversions.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) session: &'a dyn Session,
    pub(crate) artifacts: &'a Artifacts,
    profiles: &'a Profiles,
    depth: u32,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        session: &'a dyn Session,
        artifacts: &'a Artifacts,
        profiles: &'a Profiles,
    ) -> Self {
        Self { session, artifacts, profiles, depth: 0 }
    }

    /// The resource profiles with these numbers.
    pub(crate) fn profiles(
        self,
        ids: impl IntoIterator<Item = i32>,
    ) -> Result<BTreeSet<ResourceProfile>, SparkError> {
        self.profiles.get(ids)
    }

    /// The context one level down; an error if the plan is nested too deep for our stacks.
    pub(crate) fn deeper(self) -> Result<Self, SparkError> {
        if self.depth >= MAX_DEPTH {
            return Err(invalid(format!("The plan is nested deeper than {MAX_DEPTH} levels.")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// Parses a schema from JSON or DDL text.
    pub(crate) fn schema_text(self, text: &str) -> Result<Vec<Field>, SparkError> {
        let parsed = if text.trim_start().starts_with(['{', '"']) {
            crate::json_type::parse(text)?
        } else {
            self.session.parse_ddl(text)?
        };
        match parsed {
            DataType::Struct(fields) => Ok(fields),
            other => Ok(vec![Field::new("value", other, true)]),
        }
    }
}

/// A number that must not be negative.
pub(crate) fn count(value: i32, field: &str) -> Result<u32, SparkError> {
    u32::try_from(value).map_err(|_| invalid(format!("`{field}` must not be negative: {value}.")))
}

/// Splits a name of several parts, in Spark's notation.
pub(crate) fn name_parts(text: &str) -> Result<Vec<String>, SparkError> {
    plan::parse_name(text).map_err(|_| {
        SparkError::analysis(
            condition::INVALID_ATTRIBUTE_NAME_SYNTAX,
            format!("Syntax error in the attribute name: {text}. Check that backticks appear in pairs, a quoted string is a complete name part and use a backtick only inside quoted name parts."),
            &[("name", text)],
        )
    })
}

/// Pairs ordered by key, so that equal requests become equal plans.
pub(crate) fn sorted<V>(map: std::collections::HashMap<String, V>) -> Vec<(String, V)> {
    let mut pairs: Vec<_> = map.into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs
}
