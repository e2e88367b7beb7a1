//! How fields are named, and what is wrong with them.

use std::fmt;

/// Where a field stands, as `kubectl explain` takes it: `spec.driver.volumeMounts[0].name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(String);

impl FieldPath {
    /// A field of the resource itself.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// A field of this one.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        if name.starts_with('[') {
            Self(format!("{}{name}", self.0))
        } else {
            Self(format!("{}.{name}", self.0))
        }
    }

    /// An element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// An entry of this map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    /// The same field of an application that is the template of a schedule.
    #[must_use]
    pub fn in_template(&self) -> Self {
        let rest = self.0.strip_prefix("spec").unwrap_or(&self.0);
        Self(format!("spec.template{rest}"))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A field that cannot be as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}{}", meant(nearest.as_deref()))]
pub struct Problem {
    /// The field.
    pub field: FieldPath,
    /// What is wrong with it.
    pub problem: String,
    /// What was probably meant, if a name is mistyped.
    pub nearest: Option<String>,
}

impl Problem {
    /// A field and what is wrong with it.
    pub fn new(field: FieldPath, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into(), nearest: None }
    }

    /// The same, with the one of `names` that `name` is probably meant to be.
    #[must_use]
    pub fn with_nearest<'a>(
        mut self,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.nearest = names
            .into_iter()
            .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
            .filter(|(likeness, _)| *likeness > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, candidate)| candidate.to_owned());
        self
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
