//! How the text of a setting becomes a value.

use crate::ByteSize;
use std::time::Duration;

/// A setting with a value that its key does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {key}: `{value}` {problem}")]
pub struct BadSetting {
    /// The key.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
}

/// A type that a setting can have.
pub trait Value: Sized {
    /// What a value looks like, for documentation.
    const FORM: &'static str;
    /// Reads a value; the error is the rest of the sentence that begins with the text.
    fn parse(text: &str) -> Result<Self, String>;
}

impl Value for String {
    const FORM: &'static str = "text";
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for bool {
    const FORM: &'static str = "true or false";
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("is neither true nor false".into()),
        }
    }
}

macro_rules! whole {
    ($($t:ty),*) => {$(
        impl Value for $t {
            const FORM: &'static str = "whole number";
            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| "is not a whole number".to_owned())
            }
        }
    )*};
}
whole!(i32, i64, u32, u64);

impl Value for f64 {
    const FORM: &'static str = "number";
    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "is not a number".to_owned())
    }
}

impl Value for ByteSize {
    const FORM: &'static str = "size, such as 64m";
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "is not a size; write a number with a unit, such as 64m".to_owned())
    }
}

impl Value for Duration {
    const FORM: &'static str = "duration, such as 3s";
    fn parse(text: &str) -> Result<Self, String> {
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
                "is not a duration; write a number with a unit, such as 3s or 100ms".to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_spark_reads_them() {
        for (text, millis) in
            [("3s", 3_000), ("100ms", 100), ("2min", 120_000), ("1h", 3_600_000), ("10", 10_000)]
        {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert!(Duration::parse("soon").is_err());
    }
}
