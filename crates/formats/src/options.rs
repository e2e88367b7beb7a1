//! The options of one read, write or call. Keys have no case. What would change the result and is
//! not served is refused by name; what only makes Spark faster, or says what holds anyway, is
//! taken.

use errors::{Exception, SparkError, condition};

/// Options as a program gave them.
#[derive(Debug, Clone)]
pub struct Options<'a>(pub &'a [(String, String)]);

impl Options<'_> {
    /// The value of a key; of several spellings the first that was given.
    pub fn get(&self, keys: &[&str]) -> Option<&str> {
        let found = |key: &&str| self.0.iter().rev().find(|(k, _)| k.eq_ignore_ascii_case(key));
        keys.iter().find_map(found).map(|(_, value)| value.as_str())
    }

    /// A switch that is off where nothing is said.
    pub fn flag(&self, key: &str) -> Result<bool, SparkError> {
        self.switch(key, false)
    }

    /// A switch.
    pub fn switch(&self, key: &str, default: bool) -> Result<bool, SparkError> {
        match self.get(&[key]).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(bad(key, other, "is neither true nor false")),
        }
    }

    /// One character; none is 0.
    pub fn byte(&self, keys: &[&str], default: u8) -> Result<u8, SparkError> {
        let key = keys.first().copied().unwrap_or_default();
        match self.get(keys) {
            None => Ok(default),
            Some("") => Ok(0),
            Some("\\t") => Ok(b'\t'),
            Some("\\\\") => Ok(b'\\'),
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() => Ok(*byte),
                _ if text.chars().count() == 1 => {
                    Err(SparkError::unsupported(format!("`{text}` as `{key}`")))
                }
                _ => {
                    let message = format!(
                        "The value of {key} cannot be more than one character, but got {text}."
                    );
                    let condition = condition::OPTION_VALUE_EXCEEDS_ONE_CHARACTER;
                    let parameters = [("paramName", key), ("actualValue", text)];
                    Err(SparkError::new(condition, message, &parameters))
                }
            },
        }
    }

    /// Refuses each of these keys, unless it says what holds anyway.
    pub fn refuse(&self, keys: &[(&str, &[&str])]) -> Result<(), SparkError> {
        for (key, harmless) in keys {
            if let Some(value) = self.get(&[key])
                && !harmless.iter().any(|h| h.eq_ignore_ascii_case(value))
            {
                return Err(SparkError::unsupported(format!("the option `{key}` = `{value}`")));
            }
        }
        Ok(())
    }
}

/// An option with a value that it does not take.
pub fn bad(key: &str, value: &str, problem: &str) -> SparkError {
    let message = format!("option {key}: `{value}` {problem}");
    SparkError::plain(Exception::IllegalArgument, message)
}
