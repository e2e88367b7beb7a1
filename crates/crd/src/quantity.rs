//! Quantities in Kubernetes' notation: `500m`, `2`, `1.5Gi`, `1e3`; and sizes in Spark's: `512m`,
//! `4g`.
//!
//! The same `512m` is half a gibibyte to Spark and half a CPU to Kubernetes, so two functions read
//! them into two types.

use model::ByteSize;
use std::fmt;

/// A quantity in Kubernetes' notation, kept exactly as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    text: String,
    nanos: i128,
}

/// The text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a quantity; write a number with or without a unit, such as 500m, 2 or 1.5Gi")]
pub struct BadAmount(pub String);

const NANO: i128 = 1_000_000_000;

impl Amount {
    /// Reads a non-negative quantity.
    ///
    /// # Errors
    /// If the text is not one.
    pub fn parse(text: &str) -> Result<Self, BadAmount> {
        let trimmed = text.trim();
        let nanos = nanos(trimmed).ok_or_else(|| BadAmount(text.to_owned()))?;
        Ok(Self { text: trimmed.to_owned(), nanos })
    }

    /// Whole CPUs.
    pub fn cpus(number: u32) -> Self {
        Self { text: number.to_string(), nanos: i128::from(number) * NANO }
    }

    /// A number of bytes.
    pub fn bytes(size: ByteSize) -> Self {
        let nanos = i128::from(size.0) * NANO;
        let text = if size.0 > 0 && size.0.trailing_zeros() >= 20 {
            format!("{}Mi", size.0 >> 20)
        } else {
            size.0.to_string()
        };
        Self { text, nanos }
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than another one, in whatever notation.
    pub fn is_less_than(&self, other: &Self) -> bool {
        self.nanos < other.nanos
    }

    /// The value in whole units, rounded up.
    pub fn ceil(&self) -> u64 {
        u64::try_from((self.nanos + NANO - 1) / NANO).unwrap_or(u64::MAX)
    }

    /// The value in thousandths, rounded up.
    pub fn millis(&self) -> u64 {
        u64::try_from((self.nanos + NANO / 1000 - 1) / (NANO / 1000)).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The value times 10⁹, rounded up; `None` if Kubernetes would not accept it.
fn nanos(text: &str) -> Option<i128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && part.is_empty()) || part.contains('.') {
        return None;
    }
    if whole.len() > 19 || part.len() > 12 {
        return None;
    }
    let mut value: i128 = format!("0{whole}{part}").parse().ok()?;
    value = value.checked_mul(NANO)?;
    let tens = i32::try_from(part.len()).ok()?;
    let (binary, power) = unit(suffix)?;
    value = value.checked_mul(1 << binary)?;
    let power = power - tens;
    let scale = 10_i128.checked_pow(power.unsigned_abs())?;
    let value = if power >= 0 { value.checked_mul(scale)? } else { (value + scale - 1) / scale };
    (value <= i128::from(i64::MAX) * NANO).then_some(value)
}

/// The factor of a suffix: a power of two and a power of ten.
fn unit(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (0, Some(exponent).filter(|exponent| (-18..=18).contains(exponent))?)
        }
    })
}

/// Reads a size in Spark's notation: a number without a unit counts mebibytes.
///
/// # Errors
/// With a predicate that completes a sentence starting with the field.
pub(crate) fn spark_size(text: &str) -> Result<ByteSize, String> {
    let text = text.trim();
    let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let with_unit = if bare { format!("{text}m") } else { text.to_owned() };
    with_unit.parse().map_err(|_| {
        format!("`{text}` is not a size; write a whole number with a unit, such as 512m or 4g")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (text, millis) in [
            ("500m", 500),
            ("0.5", 500),
            (".5", 500),
            ("2", 2_000),
            ("2.", 2_000),
            ("+1", 1_000),
            ("1k", 1_000_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("15e-1", 1_500),
            ("1Ki", 1_024_000),
            ("1.5Ki", 1_536_000),
            ("100n", 1),
            ("1u", 1),
            ("0", 0),
        ] {
            assert_eq!(Amount::parse(text).map(|amount| amount.millis()), Ok(millis), "{text}");
        }
        for text in [
            "",
            ".",
            "m",
            "1 Gi",
            "1gi",
            "1K",
            "-1",
            "1.2.3",
            "0x10",
            "1e",
            "1e99",
            "1ee3",
            "NaN",
            "99999999999999999999",
            "16Ei",
            "١",
            "1µ",
        ] {
            assert!(Amount::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_compared_by_what_they_are() {
        let amount = |text| Amount::parse(text).expect("an amount");
        assert!(amount("800m").is_less_than(&amount("1")));
        assert!(!amount("1000m").is_less_than(&amount("1")));
        assert!(amount("1G").is_less_than(&amount("1Gi")));
        assert_eq!(Amount::bytes(ByteSize::mib(1408)).to_string(), "1408Mi");
        assert_eq!(amount("1Gi").ceil(), 1 << 30);
    }

    #[test]
    fn sizes_without_a_unit_are_mebibytes() {
        for (text, mib) in [("512m", 512), ("1g", 1024), ("1Gi", 1024), ("2048", 2048)] {
            assert_eq!(spark_size(text), Ok(ByteSize::mib(mib)), "{text}");
        }
        for text in ["", "much", "1.5g", "-1g", "99999999999999999999"] {
            assert!(spark_size(text).is_err(), "{text}");
        }
    }
}
