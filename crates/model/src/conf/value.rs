//! Conversion of a setting's text to a value.

use crate::ByteSize;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// A setting whose value is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {key}: `{value}` is not valid. {problem}")]
pub struct BadSetting {
    /// The key.
    pub key: String,
    /// The given value.
    pub value: String,
    /// The problem.
    pub problem: Problem,
}

/// The problem with a setting's value. `Display` is a sentence in Spark's wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not a value of the key's type, by Spark's name for it: `int`, `boolean` …
    #[error("It should be a/an '{0}' value.")]
    NotA(&'static str),
    /// The text is not one of these.
    #[error("It should be one of '{}'.", .0.join(", "))]
    NotOneOf(&'static [&'static str]),
    /// The text is one of Spark's, but not supported, and ignoring it would change results: these
    /// are supported.
    #[error("It is not supported; supported values are '{}'.", .0.join(", "))]
    NotServed(&'static [&'static str]),
    /// The text is not a time zone.
    #[error("Cannot resolve the given timezone.")]
    NotAZone,
    /// The value breaks a rule, given as a sentence.
    #[error("{0}")]
    Requirement(String),
}

/// A type of setting values.
pub trait Value: Sized {
    /// The form of its values, for documentation.
    const FORM: &'static str;
    /// The permitted words, in any case, if it has only a few values.
    const WORDS: &'static [&'static str] = &[];
    /// Parses a value.
    fn parse(text: &str) -> Result<Self, Problem>;
}

impl Value for String {
    const FORM: &'static str = "text";
    fn parse(text: &str) -> Result<Self, Problem> {
        Ok(text.to_owned())
    }
}

impl Value for bool {
    const FORM: &'static str = "true or false";
    fn parse(text: &str) -> Result<Self, Problem> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Problem::NotA("boolean")),
        }
    }
}

macro_rules! whole {
    ($($t:ty: $name:literal),*) => {$(
        impl Value for $t {
            const FORM: &'static str = "whole number";
            fn parse(text: &str) -> Result<Self, Problem> {
                text.trim().parse().map_err(|_| Problem::NotA($name))
            }
        }
    )*};
}
whole!(i32: "int", i64: "long", u32: "int", u64: "long");

impl Value for NonZeroU32 {
    const FORM: &'static str = "whole number from 1";
    fn parse(text: &str) -> Result<Self, Problem> {
        let number: i64 = text.trim().parse().map_err(|_| Problem::NotA("int"))?;
        let positive = u32::try_from(number).ok().and_then(Self::new);
        positive.ok_or_else(|| Problem::Requirement("It must be positive.".to_owned()))
    }
}

impl Value for f64 {
    const FORM: &'static str = "number";
    fn parse(text: &str) -> Result<Self, Problem> {
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or(Problem::NotA("double"))
    }
}

/// A part of a whole: above 0, at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fraction(f64);

impl Default for Fraction {
    /// The whole.
    fn default() -> Self {
        Self(1.0)
    }
}

impl Fraction {
    /// This part of so many bytes.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a fraction of a number of bytes need not be exact"
    )]
    pub fn of(self, bytes: u64) -> u64 {
        (bytes as f64 * self.0) as u64
    }
}

impl Value for Fraction {
    const FORM: &'static str = "fraction, such as 0.6";
    fn parse(text: &str) -> Result<Self, Problem> {
        let number = f64::parse(text)?;
        if number > 0.0 && number <= 1.0 {
            return Ok(Self(number));
        }
        Err(Problem::Requirement("It must be above 0 and at most 1.".to_owned()))
    }
}

/// A name that needs no quotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(pub String);

impl Value for Name {
    const FORM: &'static str = "letters, digits, - and _";
    fn parse(text: &str) -> Result<Self, Problem> {
        let name = text.trim();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !name.is_empty() && name.chars().all(is_plain) {
            return Ok(Self(name.to_owned()));
        }
        Err(Problem::Requirement("It must consist of letters, digits, - and _.".to_owned()))
    }
}

impl Value for ByteSize {
    const FORM: &'static str = "size, such as 64m";
    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            Problem::Requirement("Write a number with a unit of bytes, such as 64m.".to_owned())
        })
    }
}

impl Value for Duration {
    const FORM: &'static str = "duration, such as 3s";
    fn parse(text: &str) -> Result<Self, Problem> {
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
        let number: Option<u64> = lower[..digits].parse().ok();
        let nanos: Option<u64> = match &lower[digits..] {
            "us" => Some(1_000),
            "ms" => Some(1_000_000),
            "" | "s" => Some(1_000_000_000),
            "m" | "min" => Some(60_000_000_000),
            "h" => Some(3_600_000_000_000),
            "d" => Some(86_400_000_000_000),
            _ => None,
        };
        number
            .zip(nanos)
            .and_then(|(n, unit)| n.checked_mul(unit))
            .map(Self::from_nanos)
            .ok_or_else(|| {
                let words = "Write a number with a unit of time, such as 3s or 100ms.";
                Problem::Requirement(words.to_owned())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::DurationOrOff;

    #[test]
    fn durations_are_read_as_spark_reads_them() {
        for (text, millis) in
            [("3s", 3_000), ("100ms", 100), ("2min", 120_000), ("1h", 3_600_000), ("10", 10_000)]
        {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert!(Duration::parse("soon").is_err());
        let limit = |text| DurationOrOff::parse(text).map(DurationOrOff::limit);
        assert_eq!([limit("-1"), limit("-300")], [Ok(None), Ok(None)]);
        assert_eq!(limit("300000ms"), Ok(Some(Duration::from_mins(5))));
        assert!(limit("-1s").is_err());
    }
}
