//! The settings of a session.

use super::Session;
use errors::{SparkError, condition};
use model::conf::{self, BadSetting, Problem, Scope};
use std::collections::BTreeMap;

impl Session {
    /// The effective value of a key.
    pub fn setting(&self, key: &str) -> Option<String> {
        let given = self.state().conf.effective(key).map(str::to_owned);
        match key {
            "spark.sql.session.timeZone" => given.or_else(|| Some(analysis::machine_zone())),
            _ => given,
        }
    }

    /// All given settings.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let state = self.state();
        state.conf.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Sets a key for this session.
    pub fn set(&self, key: &str, value: &str) -> Result<(), SparkError> {
        if let Some(declared) = conf::declared(key) {
            if declared.scope == Scope::Static {
                return Err(cannot_modify(key));
            }
            declared.check(value)?;
            if key == conf::TIME_ZONE.name && !functions::is_time_zone(value) {
                let (key, value) = (key.to_owned(), value.to_owned());
                return Err(BadSetting { key, value, problem: Problem::NotAZone }.into());
            }
        }
        self.change().conf.set(key, value);
        Ok(())
    }

    /// Resets a key to its value at the start of the application.
    pub fn unset(&self, key: &str) -> Result<(), SparkError> {
        if !self.is_modifiable(key) && conf::declared(key).is_some() {
            return Err(cannot_modify(key));
        }
        let mut state = self.change();
        let initial = state.initial.given(key).map(str::to_owned);
        match initial {
            Some(value) => state.conf.set(key, value),
            None => state.conf.unset(key),
        }
        Ok(())
    }

    /// Whether a key may be set now.
    pub fn is_modifiable(&self, key: &str) -> bool {
        conf::declared(key).is_some_and(|declared| declared.scope == Scope::Session)
    }
}

fn cannot_modify(key: &str) -> SparkError {
    let shown = format!("\"{key}\"");
    let message = format!(
        "Cannot modify the value of the Spark config: {shown}. See also 'https://spark.apache.org/docs/latest/sql-migration-guide.html#ddl-statements'."
    );
    SparkError::analysis(
        condition::CANNOT_MODIFY_CONFIG,
        message,
        &[("key", &shown), ("docroot", "https://spark.apache.org/docs/latest")],
    )
}
