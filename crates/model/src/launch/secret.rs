//! Text that must not be logged.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;

/// A text that does not print itself. It does serialize as JSON, because that is how processes
/// receive it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_text_in_json_and_prints_nothing() {
        let secret = Secret::from("t0ken");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"t0ken\"");
        assert_eq!(serde_json::from_str::<Secret>("\"t0ken\"").unwrap(), secret);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(&*secret, "t0ken");
    }
}
