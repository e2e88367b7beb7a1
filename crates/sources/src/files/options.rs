//! What a program says about files beside their paths. Keys have no case. What would change the result and is not served is refused
//! by name; what only makes Spark faster, or says what holds anyway, is taken.

use errors::Exception;
use plan::SparkError;

/// The options of one read or write.
#[derive(Debug, Clone)]
pub(crate) struct Options<'a>(pub(crate) &'a [(String, String)]);

impl Options<'_> {
    /// The value of a key; of several spellings the first that was given.
    pub(crate) fn get(&self, keys: &[&str]) -> Option<&str> {
        let found = |key: &&str| self.0.iter().rev().find(|(k, _)| k.eq_ignore_ascii_case(key));
        keys.iter().find_map(found).map(|(_, value)| value.as_str())
    }

    /// A switch that is off where nothing is said.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, SparkError> {
        self.switch(key, false)
    }

    /// A switch.
    pub(crate) fn switch(&self, key: &str, default: bool) -> Result<bool, SparkError> {
        match self.get(&[key]).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(bad(key, other, "is neither true nor false")),
        }
    }

    /// One character; none is 0.
    pub(crate) fn byte(&self, keys: &[&str], default: u8) -> Result<u8, SparkError> {
        let key = keys.first().copied().unwrap_or_default();
        match self.get(keys) {
            None => Ok(default),
            Some("") => Ok(0),
            Some("\\t") => Ok(b'\t'),
            Some("\\\\") => Ok(b'\\'),
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() => Ok(*byte),
                _ => Err(SparkError::unsupported(format!("`{text}` as `{key}`"))),
            },
        }
    }

    /// Refuses each of these keys, unless it says what holds anyway.
    pub(crate) fn refuse(&self, keys: &[(&str, &[&str])]) -> Result<(), SparkError> {
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
pub(crate) fn bad(key: &str, value: &str, problem: &str) -> SparkError {
    let message = format!("option {key}: `{value}` {problem}");
    SparkError::plain(Exception::IllegalArgument, message)
}

/// Refuses the options of all formats that are not served.
pub(crate) fn check_common(options: &Options<'_>) -> Result<(), SparkError> {
    options.refuse(&[("ignoreCorruptFiles", &["false"]), ("ignoreMissingFiles", &["false"])])
}

#[cfg(test)]
mod tests {
    use super::super::text::Csv;
    use super::*;
    use model::conf::Conf;

    #[test]
    fn options_are_read_without_case_and_what_is_not_served_is_refused() {
        let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let conf = Conf::default();
        let read = given(&[("HEADER", "True"), ("delimiter", "\\t"), ("mode", "permissive")]);
        let csv = Csv::read(&Options(&read), &conf).unwrap();
        assert!(csv.header);
        assert_eq!((csv.delimiter.as_str(), csv.escape), ("\t", b'\\'));
        let refused = [
            ("header", "maybe"),
            ("encoding", "UTF-16"),
            ("lineSep", ""),
            ("quote", "ab"),
            ("maxColumns", "7"),
            ("dateFormat", "{"),
            ("samplingRatio", "0"),
        ];
        for refused in refused {
            assert!(Csv::read(&Options(&given(&[refused])), &conf).is_err(), "{refused:?}");
        }
    }
}
