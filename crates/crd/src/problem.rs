//! Field paths, and problems with fields.

use std::fmt;

/// Path of a field, as `kubectl explain` writes it: `spec.driver.volumeMounts[0].name`.
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

    /// The same field inside a schedule's template.
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

/// An invalid field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}{}", did_you_mean(nearest.as_deref()))]
pub struct Problem {
    /// The field.
    pub field: FieldPath,
    /// Description of the problem.
    pub problem: String,
    /// The name that was probably meant, if this one is mistyped.
    pub nearest: Option<String>,
}

impl Problem {
    /// A problem with a field.
    pub fn new(field: FieldPath, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into(), nearest: None }
    }

    /// Adds the one of `names` that `name` was probably meant to be.
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

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
