//! Functions of `datafusion-spark` used by composed functions, and why others are not used.
//!
//! A function that is correct for all types and modes is registered as `native` in the table of its
//! category.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use datafusion_spark::function::{bitwise, math, string};

/// Functions of `datafusion-spark` that are used by composed functions only.
pub(crate) fn composed() -> Vec<Arc<ScalarUDF>> {
    vec![
        bitwise::bit_count(),
        bitwise::bitwise_not(),
        bitwise::shiftleft(),
        bitwise::shiftright(),
        bitwise::shiftrightunsigned(),
        math::hex(),
        string::substring(),
    ]
}

/// Functions with a kernel here although `datafusion-spark` has one of the same name, each with the
/// shortcoming of the latter. Sorted; a function with aliases is listed once.
#[cfg(test)]
const OURS: &[(&str, &str)] = &[
    ("abs", "takes ANSI mode from DataFusion's settings at run time, not from the call"),
    ("add_months", "runs only after DataFusion's optimizer has rewritten it"),
    ("array", "is DataFusion's `make_array`, which is called directly"),
    ("array_contains", "holds -0.0 and 0.0 apart"),
    (
        "array_repeat",
        "has no limit: a count that is too large takes all memory instead of raising an error",
    ),
    ("atan2", "holds -0.0 and 0.0 apart"),
    ("avg", "takes doubles only, neither decimals nor intervals"),
    ("base64", "runs only after DataFusion's optimizer has rewritten it"),
    ("bit_get", "raises a position outside of the number without an error condition"),
    ("ceil", "clamps a double beyond bigint where ANSI mode demands an error, and takes no scale"),
    ("char", "fails for a constant null"),
    ("collect_list", "declares its result nullable, which Spark's never is"),
    ("collect_set", "holds -0.0 and 0.0 apart"),
    ("concat", "takes no arrays"),
    ("concat_ws", "panics over many rows where every argument is a constant"),
    ("date_diff", "runs only after DataFusion's optimizer has rewritten it"),
    ("date_part", "runs only after DataFusion's optimizer has rewritten it"),
    ("date_trunc", "runs only after DataFusion's optimizer has rewritten it"),
    ("elt", "takes ANSI mode from DataFusion's settings at run time, not from the call"),
    ("floor", "clamps a double beyond bigint where ANSI mode demands an error, and takes no scale"),
    ("format_string", "raises a malformed format without an error condition"),
    ("from_utc_timestamp", "raises an unknown time zone without an error condition"),
    ("hour", "reads the clock in UTC, not in the session's time zone"),
    ("if", "runs only after DataFusion's optimizer has rewritten it"),
    ("ilike", "takes no escape character, and accepts malformed patterns"),
    ("json_tuple", "yields one struct, where Spark's generator has a column for each field"),
    ("last_day", "fails for years past 262142"),
    ("like", "takes no escape character, and accepts malformed patterns"),
    ("make_dt_interval", "takes seconds as a double, where Spark's are decimal(18,6)"),
    ("make_interval", "takes seconds as a double, where Spark's are decimal(18,6)"),
    ("map_from_arrays", "raises duplicate keys without an error condition"),
    ("map_from_entries", "raises duplicate keys without an error condition"),
    ("minute", "reads the clock in UTC, not in the session's time zone"),
    ("mod", "takes ANSI mode from DataFusion's settings at run time, not from the call"),
    ("monthname", "yields null for years past 262142"),
    ("negative", "takes ANSI mode from DataFusion's settings at run time, not from the call"),
    ("next_day", "yields null for an unknown day where ANSI mode demands an error"),
    ("parse_url", "yields null for a malformed address where ANSI mode demands an error"),
    ("pmod", "takes ANSI mode from DataFusion's settings at run time, not from the call"),
    ("pow", "yields Infinity for -0.0 to the power of -1, where Spark's is -Infinity"),
    ("round", "keeps the precision and scale of a decimal, and the sign of -0.0"),
    ("second", "reads the clock in UTC, not in the session's time zone"),
    ("shuffle", "draws anew when a task is run again"),
    ("size", "yields -1 for null in ANSI mode too, where Spark has null"),
    ("slice", "raises an invalid start or length without an error condition"),
    ("str_to_map", "takes delimiters as plain text, where Spark's are patterns"),
    ("to_utc_timestamp", "raises an unknown time zone without an error condition"),
    ("trunc", "runs only after DataFusion's optimizer has rewritten it"),
    ("try_parse_url", "accepts malformed addresses, such as one with a space"),
    ("try_sum", "takes no intervals"),
    ("try_url_decode", "yields null for bytes that are not UTF-8, which Spark replaces by U+FFFD"),
    ("unbase64", "runs only after DataFusion's optimizer has rewritten it"),
    ("unix_date", "runs only after DataFusion's optimizer has rewritten it"),
    ("unix_micros", "runs only after DataFusion's optimizer has rewritten it"),
    ("unix_millis", "runs only after DataFusion's optimizer has rewritten it"),
    ("unix_seconds", "runs only after DataFusion's optimizer has rewritten it"),
    ("url_decode", "raises malformed text without an error condition"),
    ("weekday", "yields null for years past 262142"),
    ("width_bucket", "yields null for an infinite value, which has a bucket in Spark"),
    (
        "xxhash64",
        "takes neither constants nor what Spark holds equal, so a kernel prepares its arguments",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Registry;
    use crate::registry::is_native;

    /// Whether a function is supported here, under any of its names.
    fn is_served(names: &[String]) -> bool {
        let registry = Registry::new();
        names.iter().any(|name| registry.is_scalar(name) || registry.is_aggregate(name))
    }

    #[test]
    fn every_function_of_datafusion_spark_is_native_or_has_a_reason() {
        let reasons: BTreeMap<_, _> = OURS.iter().copied().collect();
        assert!(OURS.is_sorted_by(|a, b| a.0 < b.0), "sorted, each name once");
        let mut served = Vec::new();
        for udf in datafusion_spark::all_default_scalar_functions() {
            let names = [&[udf.name().to_owned()], udf.aliases()].concat();
            if !is_served(&names) {
                continue;
            }
            served.push(udf.name().to_owned());
            let is_native =
                composed().contains(&udf) || names.iter().any(|name| is_native(name, &udf));
            let has_reason = reasons.contains_key(udf.name());
            assert_ne!(is_native, has_reason, "{}: native, or with a reason", udf.name());
        }
        for udf in datafusion_spark::all_default_aggregate_functions() {
            if is_served(&[udf.name().to_owned()]) {
                served.push(udf.name().to_owned());
                assert!(reasons.contains_key(udf.name()), "{} has no reason", udf.name());
            }
        }
        for (name, reason) in OURS {
            assert!(served.iter().any(|served| served == name), "{name} is not in both");
            assert!(!reason.is_empty(), "{name}");
        }
    }
}
