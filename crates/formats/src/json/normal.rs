//! JSON values written again in one form, as Jackson copies them: without blanks, and floating
//! numbers as Java writes doubles.

use super::tape::{Kind, Value};
use super::write::write_quoted;
use crate::text::write_double;
use std::fmt::Write;

/// Writes a value with all that is in it.
pub fn write_json(value: Value<'_>, out: &mut String) {
    match value.kind() {
        Kind::Null | Kind::True | Kind::False => out.push_str(value.text()),
        Kind::Integer => write_integer(value.text(), out),
        Kind::Fraction => write_number(value.text(), out),
        Kind::Text | Kind::Unescaped => write_quoted(value.text(), out),
        Kind::Array => {
            out.push('[');
            for (index, item) in value.items().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Kind::Object => {
            out.push('{');
            for (index, (name, item)) in value.fields().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_quoted(name, out);
                out.push(':');
                write_json(item, out);
            }
            out.push('}');
        }
    }
}

/// A whole number without the zeros that need not be there.
fn write_integer(text: &str, out: &mut String) {
    let digits = text.strip_prefix('-').unwrap_or(text).trim_start_matches('0');
    match digits {
        "" => out.push('0'),
        digits => {
            let sign = if text.starts_with('-') { "-" } else { "" };
            let _ = write!(out, "{sign}{digits}");
        }
    }
}

fn write_number(text: &str, out: &mut String) {
    let value = named_number(text).or_else(|| text.parse().ok()).unwrap_or(f64::NAN);
    if value.is_finite() {
        return write_double(value, out);
    }
    // What JSON has no number for is written by name.
    out.push('"');
    write_double(value, out);
    out.push('"');
}

/// A number that has a name instead of digits.
pub(super) fn named_number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "INF" | "+INF" | "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-INF" | "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
