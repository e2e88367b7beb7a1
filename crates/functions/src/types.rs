//! Spark's type rules: type names, common types, result types of decimal arithmetic.

pub(crate) use formats::types::{
    DAY_TIME, TIMESTAMP_NTZ, YEAR_MONTH, decimal_of, element, entry_types, is_integral, is_numeric,
    simple_type, timestamp,
};
pub use formats::types::{list, map, sql_type};

use datafusion::arrow::datatypes::{DataType, Field};

use crate::Context;

/// The decimal type of `left operator right` for `+ - * / %`, by Spark's rules: at most 38 digits,
/// with at least six kept after the decimal point.
pub fn decimal_result(operator: &str, left: (u8, i8), right: (u8, i8)) -> (u8, i8) {
    let (p1, s1) = (i32::from(left.0), i32::from(left.1));
    let (p2, s2) = (i32::from(right.0), i32::from(right.1));
    let (precision, scale) = match operator {
        "*" => (p1 + p2 + 1, s1 + s2),
        "/" => {
            let scale = 6.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        "%" => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        "div" => (p1 - s1 + s2, 0),
        _ => ((p1 - s1).max(p2 - s2) + s1.max(s2) + 1, s1.max(s2)),
    };
    adjusted(precision, scale)
}

/// Reduces a decimal type to 38 digits, first by dropping digits after the decimal point, of which
/// six (or all) are kept.
fn adjusted(precision: i32, scale: i32) -> (u8, i8) {
    let (precision, scale) = if precision <= 38 {
        (precision.max(1), scale)
    } else {
        let whole = precision - scale;
        (38, (38 - whole).max(scale.min(6)))
    };
    (u8::try_from(precision).unwrap_or(38), i8::try_from(scale).unwrap_or(38))
}

/// The decimal type that can represent the values of both, capped at 38 digits.
pub(crate) fn wider_decimal(left: (u8, i8), right: (u8, i8)) -> DataType {
    let scale = i32::from(left.1).max(i32::from(right.1));
    let whole =
        (i32::from(left.0) - i32::from(left.1)).max(i32::from(right.0) - i32::from(right.1));
    let (precision, scale) = if whole + scale <= 38 {
        ((whole + scale).max(1), scale)
    } else {
        (38, (38 - whole).max(0).min(scale))
    };
    DataType::Decimal128(u8::try_from(precision).unwrap_or(38), i8::try_from(scale).unwrap_or(0))
}

/// Spark's least common type: for columns of a set operation, branches of `CASE` and values of
/// `IN`. `None` if there is none.
pub fn common_type(types: &[DataType], ctx: &Context) -> Option<DataType> {
    common(types, Texts::GiveWay, ctx)
}

/// Like [`common_type`], but strings have no common type with other types: arguments of `greatest`,
/// elements of arrays.
pub(crate) fn common_type_without_text(types: &[DataType], ctx: &Context) -> Option<DataType> {
    common(types, Texts::StandAlone, ctx)
}

/// The type in which two values are compared. Outside of ANSI mode, strings are cast to the type of
/// the other side.
pub(crate) fn compared_type(left: &DataType, right: &DataType, ctx: &Context) -> Option<DataType> {
    use DataType::{Binary, Boolean, Date32, Decimal128, Float64, Null, Timestamp, Utf8};
    match (left, right) {
        (Utf8, other) | (other, Utf8) if *other != Utf8 && *other != Null && !ctx.ansi => {
            match other {
                Decimal128(..) => Some(Float64),
                Binary | Boolean | Date32 | Timestamp(..) => Some(other.clone()),
                other if is_numeric(other) => Some(other.clone()),
                _ => None,
            }
        }
        (Utf8, _) | (_, Utf8) => common_of_two(left, right, Texts::GiveWay, ctx),
        _ => common_of_two(left, right, Texts::StandAlone, ctx),
    }
}

/// Whether strings have a common type with other types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    GiveWay,
    StandAlone,
}

fn common(types: &[DataType], texts: Texts, ctx: &Context) -> Option<DataType> {
    // Strings last: their common type must not depend on their position.
    let (strings, others): (Vec<_>, Vec<_>) = types.iter().partition(|t| **t == DataType::Utf8);
    let mut common = DataType::Null;
    for data_type in others.into_iter().chain(strings) {
        common = common_of_two(&common, data_type, texts, ctx)?;
    }
    Some(common)
}

fn common_of_two(
    left: &DataType,
    right: &DataType,
    texts: Texts,
    ctx: &Context,
) -> Option<DataType> {
    use DataType::{Date32, Float32, Float64, List, Map, Null, Struct, Timestamp, Utf8};
    if left == right {
        return Some(left.clone());
    }
    match (left, right) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Utf8, _) | (_, Utf8) if texts == Texts::StandAlone => None,
        (Utf8, other) | (other, Utf8) => with_string(other, ctx),
        (List(l), List(r)) => Some(list(common_of_two(l.data_type(), r.data_type(), texts, ctx)?)),
        (Map(..), Map(..)) => {
            let ((lk, lv), (rk, rv)) = (entry_types(left)?, entry_types(right)?);
            Some(map(common_of_two(lk, rk, texts, ctx)?, common_of_two(lv, rv, texts, ctx)?))
        }
        (Struct(l), Struct(r)) if l.len() == r.len() => {
            let fields = l.iter().zip(r.iter()).map(|(l, r)| {
                let same_name = l.name().eq_ignore_ascii_case(r.name());
                let data_type = common_of_two(l.data_type(), r.data_type(), texts, ctx)?;
                same_name
                    .then(|| Field::new(l.name(), data_type, l.is_nullable() || r.is_nullable()))
            });
            Some(Struct(fields.collect::<Option<Vec<_>>>()?.into()))
        }
        (Date32, Timestamp(..)) => Some(right.clone()),
        (Timestamp(..), Date32) => Some(left.clone()),
        (Timestamp(..), Timestamp(..)) => Some(timestamp()),
        (Float64, other) | (other, Float64) if is_numeric(other) => Some(Float64),
        (Float32, DataType::Decimal128(..)) | (DataType::Decimal128(..), Float32) => Some(Float64),
        // In ANSI mode, whole numbers must not lose digits in a float.
        (Float32, other) | (other, Float32) if is_numeric(other) => {
            Some(if ctx.ansi { Float64 } else { Float32 })
        }
        (DataType::Decimal128(..), _) | (_, DataType::Decimal128(..)) => {
            Some(wider_decimal(decimal_of(left)?, decimal_of(right)?))
        }
        _ if is_integral(left) && is_integral(right) => {
            Some(if decimal_of(left)?.0 > decimal_of(right)?.0 {
                left.clone()
            } else {
                right.clone()
            })
        }
        _ => None,
    }
}

/// The common type of a string and another type: in ANSI mode the string is cast, otherwise the
/// other value is cast to string.
fn with_string(other: &DataType, ctx: &Context) -> Option<DataType> {
    match other {
        DataType::List(_) | DataType::Map(..) | DataType::Struct(_) => None,
        _ if !ctx.ansi => match other {
            DataType::Binary | DataType::Boolean => None,
            _ => Some(DataType::Utf8),
        },
        other if is_integral(other) => Some(DataType::Int64),
        DataType::Float32 | DataType::Decimal128(..) => Some(DataType::Float64),
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_spark_s_rules() {
        assert_eq!(decimal_result("*", (15, 2), (16, 2)), (32, 4));
        assert_eq!(decimal_result("+", (10, 0), (15, 2)), (16, 2));
        assert_eq!(decimal_result("/", (15, 2), (15, 2)), (33, 18));
        assert_eq!(decimal_result("/", (38, 10), (38, 10)), (38, 6));
        assert_eq!(decimal_result("*", (38, 18), (38, 18)), (38, 6));
        assert_eq!(decimal_result("%", (10, 2), (5, 3)), (5, 3));
    }

    #[test]
    fn text_is_compared_as_the_other_side_outside_of_ansi_mode() {
        use DataType::{Binary, Boolean, Date32, Decimal128, Float64, Int32, Int64, Null, Utf8};
        let ansi = Context::default();
        let legacy = Context { ansi: false, ..Context::default() };
        let cases = [
            (Utf8, Int32, &legacy, Some(Int32)),
            (Utf8, Int32, &ansi, Some(Int64)),
            (Decimal128(5, 2), Utf8, &legacy, Some(Float64)),
            (Date32, Utf8, &legacy, Some(Date32)),
            (Utf8, timestamp(), &legacy, Some(timestamp())),
            (Boolean, Utf8, &legacy, Some(Boolean)),
            (Utf8, Binary, &legacy, Some(Binary)),
            (Utf8, DAY_TIME, &legacy, None),
            (Utf8, Null, &legacy, Some(Utf8)),
            (Utf8, Utf8, &legacy, Some(Utf8)),
            (list(Int32), list(Utf8), &ansi, None),
            (list(Int32), list(Int64), &legacy, Some(list(Int64))),
        ];
        for (left, right, ctx, expected) in cases {
            assert_eq!(compared_type(&left, &right, ctx), expected, "{left} with {right}");
        }
        assert_eq!(common_type_without_text(&[Int32, Utf8], &ansi), None);
        assert_eq!(common_type_without_text(&[Utf8, Null], &ansi), Some(Utf8));
    }

    #[test]
    fn types_meet_where_spark_says() {
        use DataType::{
            Binary, Boolean, Date32, Decimal128, Float32, Float64, Int32, Int64, Null, Utf8,
        };
        let ansi = Context::default();
        let legacy = Context { ansi: false, ..Context::default() };
        let cases = [
            (vec![Int32, Int64], &ansi, Some(Int64)),
            (vec![Int32, Null, Utf8], &ansi, Some(Int64)),
            (vec![Int32, Utf8], &legacy, Some(Utf8)),
            (vec![Int64, Float32], &ansi, Some(Float64)),
            (vec![Int64, Float32], &legacy, Some(Float32)),
            (vec![Decimal128(5, 2), Int32], &ansi, Some(Decimal128(12, 2))),
            (vec![Decimal128(5, 2), Float32], &ansi, Some(Float64)),
            (vec![Date32, timestamp()], &ansi, Some(timestamp())),
            (vec![Date32, Utf8], &ansi, Some(Date32)),
            (vec![Boolean, Int32], &ansi, None),
            (vec![Binary, Int32], &ansi, None),
            (vec![list(Int32), list(Int64)], &ansi, Some(list(Int64))),
        ];
        for (types, ctx, expected) in cases {
            assert_eq!(common_type(&types, ctx), expected, "{types:?}");
        }
    }
}
