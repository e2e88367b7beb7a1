//! Settings: every `spark.*` and `firesteel.*` key is declared once, in `keys`, with its type,
//! default and meaning.
//!
//! A process reads its settings once, at the start, into its own struct. An unknown key is a
//! warning, a bad value an error.

mod choice;
mod keys;
mod no_effect;
mod value;

pub use choice::{
    BlockCompression, MapKeyDedupPolicy, PartitionOverwriteMode, PythonProfiler, Retain,
    SchedulerMode, TimestampType, VolumeLayout,
};
pub use keys::*;
pub use no_effect::asks_for_nothing;
pub use value::{BadSetting, Fraction, Name, Problem, Value};

use std::collections::BTreeMap;

/// When a key may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Only at the start of the application.
    Static,
    /// At any time, for one session.
    Session,
}

/// The effect of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Honoured: code outside its declaration reads it.
    Honoured,
    /// Only clients ask for it and act on it.
    ForClients,
    /// Python workers read it.
    ForPython,
    /// Accepted and reported as having no effect; results do not depend on it.
    None,
    /// Not supported, but it would change results or safety: setting it is an error.
    Refused,
}

/// A declared key whose value is a `T`.
#[derive(Debug)]
pub struct Key<T> {
    /// Name, as the user writes it.
    pub name: &'static str,
    /// Default, as the user would write it; `None` if the key has none.
    pub default: Option<&'static str>,
    /// When it may be set.
    pub scope: Scope,
    /// Its effect.
    pub effect: Effect,
    /// Meaning, in one sentence.
    pub doc: &'static str,
    value: std::marker::PhantomData<fn() -> T>,
}

/// A declared key without its type, for lists and documentation.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the fields are those of `Key`")]
pub struct Declared {
    pub name: &'static str,
    pub default: Option<&'static str>,
    pub scope: Scope,
    pub effect: Effect,
    pub doc: &'static str,
    /// The form of its values.
    pub form: &'static str,
    /// The permitted words, in any case, if it has only a few values.
    pub words: &'static [&'static str],
    check: fn(&str) -> Result<(), Problem>,
}

impl Declared {
    /// Checks that `text` is a supported value of this key; a refused key only accepts its default.
    pub fn check(&self, text: &str) -> Result<(), BadSetting> {
        let bad =
            |problem| BadSetting { key: self.name.to_owned(), value: text.to_owned(), problem };
        (self.check)(text).map_err(bad)?;
        let default = self.default.unwrap_or_default();
        if self.effect == Effect::Refused && !text.trim().eq_ignore_ascii_case(default) {
            let words = "It is not supported, and ignoring it would change results or safety.";
            return Err(bad(Problem::Requirement(words.to_owned())));
        }
        Ok(())
    }
}

/// The given settings, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conf {
    values: BTreeMap<String, String>,
}

impl Conf {
    /// Sets a key, replacing its earlier value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.values.insert(key.into(), value.into());
    }

    /// Removes a key, so that its default applies again.
    pub fn unset(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// The given value of a key, declared or not.
    pub fn given(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// The effective value of a key: the given one, or else the declared default.
    pub fn effective(&self, key: &str) -> Option<&str> {
        self.given(key).or_else(|| declared(key).and_then(|d| d.default))
    }

    /// The value of a declared key that has a default.
    ///
    /// # Errors
    /// If the given value is invalid.
    pub fn get<T: Value>(&self, key: &Key<T>) -> Result<T, BadSetting> {
        self.find(key).map(|found| found.expect("a key read with `get` declares a default"))
    }

    /// The value of a declared key; `None` if it was not given and has no default.
    pub fn find<T: Value>(&self, key: &Key<T>) -> Result<Option<T>, BadSetting> {
        let Some(text) = self.given(key.name).or(key.default) else { return Ok(None) };
        T::parse(text).map(Some).map_err(|problem| BadSetting {
            key: key.name.to_owned(),
            value: text.to_owned(),
            problem,
        })
    }

    /// All given settings, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The given settings that Python workers read, ordered by key.
    pub fn of_python(&self) -> Vec<(String, String)> {
        const PREFIXES: [&str; 3] =
            ["spark.sql.execution.", "spark.sql.legacy.execution.", "spark.sql.pyspark."];
        let read = |key: &str| {
            PREFIXES.iter().any(|prefix| key.starts_with(prefix))
                || [TIME_ZONE.name, ANSI.name, crate::AddedFile::SETTING].contains(&key)
        };
        let given = self.iter().filter(|(key, _)| read(key));
        given.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Checks every given key: bad values and refused keys are errors, keys without effect are
    /// returned as warnings.
    pub fn check(&self) -> Result<Vec<String>, BadSetting> {
        let mut warnings = Vec::new();
        for (key, value) in self.iter() {
            match declared(key) {
                Some(d) => {
                    d.check(value)?;
                    if d.effect == Effect::None && !asks_for_nothing(key, value) {
                        warnings.push(format!("setting {key} has no effect"));
                    }
                }
                None if asks_for_nothing(key, value) => {}
                None => warnings.push(unknown(key)),
            }
        }
        Ok(warnings)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Conf {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        Self { values: items.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }
}

/// The declaration of a key.
pub fn declared(name: &str) -> Option<&'static Declared> {
    ALL.iter().find(|d| d.name == name)
}

/// The declared key nearest to `name`, if one is close.
pub fn nearest(name: &str) -> Option<&'static str> {
    let near = ALL.iter().map(|d| (strsim::damerau_levenshtein(d.name, name), d.name)).min()?;
    (near.0 <= 2 + name.len() / 10).then_some(near.1)
}

fn unknown(key: &str) -> String {
    match nearest(key) {
        Some(near) => format!("setting {key} is unknown and has no effect; did you mean {near}?"),
        None => format!("setting {key} is unknown and has no effect"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_key_and_no_name_is_declared_twice() {
        let mut names = std::collections::BTreeSet::new();
        for declared in ALL {
            assert!(names.insert(declared.name), "{} is declared twice", declared.name);
            if let Some(default) = declared.default {
                declared.check(default).unwrap();
            }
        }
    }

    #[test]
    fn a_bad_value_is_an_error_that_names_the_key() {
        let conf = Conf::from_iter([("spark.sql.shuffle.partitions", "many")]);
        assert_eq!(
            conf.get(&SHUFFLE_PARTITIONS).unwrap_err().to_string(),
            "setting spark.sql.shuffle.partitions: `many` is not valid. It should be a/an 'int' value."
        );
    }

    #[test]
    fn an_unknown_key_is_a_warning_with_the_nearest_name() {
        let conf = Conf::from_iter([("spark.sql.shuffle.partition", "3")]);
        let warnings = conf.check().unwrap();
        assert!(
            warnings[0].ends_with("did you mean spark.sql.shuffle.partitions?"),
            "{warnings:?}"
        );
    }

    #[test]
    fn a_key_that_would_change_safety_is_refused() {
        let conf = Conf::from_iter([("spark.io.encryption.enabled", "true")]);
        assert!(conf.check().is_err());
        assert!(Conf::from_iter([("spark.io.encryption.enabled", "false")]).check().is_ok());
    }
}
