//! Window frames: Spark's defaults, its restrictions, and the bounds of frames by values.

use super::column::Names;
use super::typed::Typed;
use super::{Resolver, Result, error};
use arrow::compute::SortOptions;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr as DfExpr;
use datafusion::logical_expr::expr::Sort;
use errors::{Condition, condition};
use functions::{Frame, FrameEdge};
use plan::{DataType, Expr, FrameBound, FrameUnits, FunctionCall, Literal, SortOrder, WindowSpec};
use std::cmp::Ordering;

/// An ordering key of a window.
pub(super) type OrderKey = (Sort, Typed, SortOrder);

/// Microseconds per day.
const DAY: i64 = 86_400_000_000;

/// A bound of a frame.
struct Bound {
    /// Distance from the current row; `None` if unbounded or the current row itself.
    offset: Option<Typed>,
    value: Option<ScalarValue>,
    unbounded: bool,
    text: String,
}

impl Resolver<'_> {
    /// The frame and its text in Spark. Ranking functions see rows up to their own. Without a
    /// frame, other functions see all rows of the partition or, with an order, those up to the last
    /// peer of their own row.
    pub(super) fn frame(
        &mut self,
        name: &str,
        (spec, order_by): (&WindowSpec, &[OrderKey]),
        names: Names<'_>,
    ) -> Result<(Frame, String)> {
        let order = order_by
            .iter()
            .map(|(key, ..)| SortOptions { descending: !key.asc, nulls_first: key.nulls_first });
        let keys: Vec<DfExpr> = order_by.iter().map(|(key, ..)| key.expr.clone()).collect();
        let with =
            |lower, upper, keys| Frame { lower, upper, keys, order: order.clone().collect() };
        let Some(frame) = &spec.frame else {
            let (upper, text) = match name {
                _ if keys.is_empty() => (
                    FrameEdge::Unbounded,
                    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                ),
                "row_number" | "rank" | "dense_rank" | "percent_rank" | "ntile" => {
                    (FrameEdge::Rows(0), "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")
                }
                _ => (
                    FrameEdge::Values(keys.clone()),
                    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
                ),
            };
            return Ok((with(FrameEdge::Unbounded, upper, keys), text.to_owned()));
        };
        let is_ranking = self.context.registry.is_window(name) && name != "nth_value";
        if is_ranking {
            let message = format!("Cannot specify window frame for {name} function.");
            let (class, parameter) = match name {
                "lag" | "lead" => (condition::LEGACY_ERROR_TEMP_1035, "prettyName"),
                _ => (condition::LEGACY_ERROR_TEMP_1036, "wf"),
            };
            return Err(error::analysis(class, message, &[(parameter, name)]));
        }
        let by_values = frame.units == FrameUnits::Range;
        let of_bound = if by_values { order_by } else { &[] };
        let lower = self.bound(&frame.lower, of_bound, names)?;
        let upper = self.bound(&frame.upper, of_bound, names)?;
        let units = if by_values { "RANGE" } else { "ROWS" };
        let text = format!("{units} BETWEEN {} AND {}", lower.text, upper.text);
        check_order(&frame.lower, &frame.upper, (&lower, &upper), &text)?;
        if !by_values {
            let lower = rows(&lower, &text, "lower")?;
            return Ok((with(lower, rows(&upper, &text, "upper")?, keys), text));
        }
        let frame = self.frame_by_values((lower, upper), order_by, &text)?;
        Ok((with(frame.0, frame.1, frame.2), text))
    }

    fn bound(
        &mut self,
        bound: &FrameBound,
        order_by: &[OrderKey],
        names: Names<'_>,
    ) -> Result<Bound> {
        let plain = |unbounded, text: &str| {
            Ok(Bound { offset: None, value: None, unbounded, text: text.to_owned() })
        };
        let offset = match bound {
            FrameBound::UnboundedPreceding => return plain(true, "UNBOUNDED PRECEDING"),
            FrameBound::UnboundedFollowing => return plain(true, "UNBOUNDED FOLLOWING"),
            FrameBound::CurrentRow => return plain(false, "CURRENT ROW"),
            FrameBound::Offset(offset) => offset,
        };
        let typed = self.expression(offset, names)?;
        let Some(value) = super::rows::constant(typed.expr.clone()) else {
            let shown = format!("\"{}\"", typed.name);
            let message =
                format!("The bound of a window frame must be a constant, but it is {shown}.");
            return Err(error::analysis(
                condition::DATATYPE_MISMATCH_SPECIFIED_WINDOW_FRAME_WITHOUT_FOLDABLE,
                message,
                &[("expression", &shown)],
            ));
        };
        // If the distance has to be cast to the key's type, Spark no longer detects that it was
        // negated.
        let as_key = match order_by {
            [(_, key, _)] => key.data_type == typed.data_type || !is_number(&key.data_type),
            _ => true,
        };
        let text = match offset.as_ref() {
            Expr::Function(FunctionCall { name, args, .. })
                if name == "negative" && args.len() == 1 =>
            {
                let inner = self.expression(&args[0], names)?.name;
                if as_key { format!("{inner} PRECEDING") } else { format!("(- {inner}) FOLLOWING") }
            }
            _ => format!("{} FOLLOWING", typed.name),
        };
        Ok(Bound { offset: Some(typed), value: Some(value), unbounded: false, text })
    }

    /// The bounds of a frame by values, and the key to compare with them.
    fn frame_by_values(
        &mut self,
        (lower, upper): (Bound, Bound),
        order_by: &[OrderKey],
        text: &str,
    ) -> Result<(FrameEdge, FrameEdge, Vec<DfExpr>)> {
        let keys: Vec<DfExpr> = order_by.iter().map(|(key, ..)| key.expr.clone()).collect();
        if keys.is_empty() && !(lower.unbounded && upper.unbounded) {
            return Err(refused(
                condition::DATATYPE_MISMATCH_RANGE_FRAME_WITHOUT_ORDER,
                (text, "A range window frame cannot be used in an unordered window specification."),
                &[],
            ));
        }
        if lower.offset.is_none() && upper.offset.is_none() {
            let edge = |bound: &Bound| {
                if bound.unbounded { FrameEdge::Unbounded } else { FrameEdge::Values(keys.clone()) }
            };
            return Ok((edge(&lower), edge(&upper), keys.clone()));
        }
        let [(sort, key, _)] = order_by else {
            return Err(refused(
                condition::DATATYPE_MISMATCH_RANGE_FRAME_MULTI_ORDER,
                (
                    text,
                    "A range window frame with value boundaries cannot be used in a window specification with multiple order by expressions.",
                ),
                &[],
            ));
        };
        let key = Typed { expr: sort.expr.clone(), ..key.clone() };
        let mut edge = |bound: Bound| -> Result<(Option<Typed>, bool)> {
            match bound.offset {
                Some(offset) => Ok((Some(self.moved(&key, offset, sort.asc, text)?), false)),
                None => Ok((None, bound.unbounded)),
            }
        };
        let (lower, upper) = (edge(lower)?, edge(upper)?);
        let moved = lower.0.as_ref().or(upper.0.as_ref());
        let compared = moved.map_or(key.data_type.clone(), |moved| moved.data_type.clone());
        let key = self.coerced(key, &compared)?.expr;
        let edge = |(moved, unbounded): (Option<Typed>, bool)| match moved {
            Some(moved) => FrameEdge::Values(vec![moved.expr]),
            None if unbounded => FrameEdge::Unbounded,
            None => FrameEdge::Values(vec![key.clone()]),
        };
        Ok((edge(lower), edge(upper), vec![key.clone()]))
    }

    /// The key, moved by a distance in sort direction. Its type is wide enough not to overflow.
    fn moved(&mut self, key: &Typed, offset: Typed, ascending: bool, text: &str) -> Result<Typed> {
        let operator = if ascending { "+" } else { "-" };
        let fit = |from: &DataType| {
            let message = format!(
                "The data type \"{}\" used in the order specification does not support the data type \"{}\" which is used in the range frame.",
                key.data_type.sql(),
                from.sql()
            );
            let (order, bound) =
                (format!("\"{}\"", key.data_type.sql()), format!("\"{}\"", from.sql()));
            let parameters = [("orderSpecType", order.as_str()), ("valueBoundaryType", &bound)];
            refused(
                condition::DATATYPE_MISMATCH_RANGE_FRAME_INVALID_TYPE,
                (text, &message),
                &parameters,
            )
        };
        let given = offset.data_type.clone();
        match (&key.data_type, &given) {
            (DataType::Date, DataType::Integer) => {
                let function = if ascending { "date_add" } else { "date_sub" };
                self.scalar(function, vec![key.clone(), offset])
            }
            (DataType::Date, DataType::DayTimeInterval { .. }) => {
                let micros = match super::rows::constant(offset.expr) {
                    Some(ScalarValue::DurationMicrosecond(Some(micros))) if micros % DAY == 0 => {
                        micros / DAY
                    }
                    _ => return Err(fit(&given)),
                };
                let days = i32::try_from(micros).map_err(|_| fit(&given))?;
                let days = self.literal(&Literal::Integer(days))?;
                self.moved(key, days, ascending, text)
            }
            (
                DataType::Date | DataType::Timestamp | DataType::TimestampNtz,
                DataType::YearMonthInterval { .. },
            )
            | (
                DataType::Timestamp | DataType::TimestampNtz,
                DataType::DayTimeInterval { .. } | DataType::CalendarInterval,
            )
            | (DataType::YearMonthInterval { .. }, DataType::YearMonthInterval { .. })
            | (DataType::DayTimeInterval { .. }, DataType::DayTimeInterval { .. }) => {
                self.scalar(operator, vec![key.clone(), offset])
            }
            (of_key, _)
                if is_number(of_key) && (is_number(&given) || given == DataType::String) =>
            {
                let offset = self.coerced(offset, of_key)?;
                if !is_whole(of_key) {
                    return self.scalar(operator, vec![key.clone(), offset]);
                }
                let wide = DataType::Decimal { precision: 20, scale: 0 };
                let (key, offset) =
                    (self.coerced(key.clone(), &wide)?, self.coerced(offset, &wide)?);
                self.scalar(operator, vec![key, offset])
            }
            (of_key, _)
                if is_number(&given) && !is_number(of_key) && *of_key == DataType::String =>
            {
                Err(unaccepted(
                    text,
                    "lower",
                    &given,
                    "NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL",
                ))
            }
            _ => Err(fit(&given)),
        }
    }
}

fn is_whole(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Byte | DataType::Short | DataType::Integer | DataType::Long)
}

fn is_number(data_type: &DataType) -> bool {
    is_whole(data_type)
        || matches!(data_type, DataType::Float | DataType::Double | DataType::Decimal { .. })
}

/// The error for a frame that Spark refuses.
fn refused(
    condition: &'static Condition,
    (text, why): (&str, &str),
    more: &[(&str, &str)],
) -> super::Stop {
    let message = format!("Cannot resolve \"{text}\" due to data type mismatch: {why}");
    let shown = format!("\"{text}\"");
    let mut parameters = vec![("sqlExpr", shown.as_str())];
    parameters.extend(more);
    error::analysis(condition, message, &parameters)
}

fn unaccepted(text: &str, location: &str, given: &DataType, expected: &str) -> super::Stop {
    let (given, expected) = (format!("\"{}\"", given.sql()), format!("\"{expected}\""));
    let why = format!(
        "The data type of the {location} bound {given} does not match the expected data type {expected}."
    );
    let more =
        [("location", location), ("exprType", given.as_str()), ("expectedType", expected.as_str())];
    refused(
        condition::DATATYPE_MISMATCH_SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE,
        (text, &why),
        &more,
    )
}

/// Checks that a frame begins before it ends, as far as that can be known.
fn check_order(
    from: &FrameBound,
    to: &FrameBound,
    (lower, upper): (&Bound, &Bound),
    text: &str,
) -> Result<()> {
    if *from == FrameBound::UnboundedFollowing || *to == FrameBound::UnboundedPreceding {
        let why = format!(
            "Window frame upper bound \"{}\" does not follow the lower bound \"{}\".",
            upper.text, lower.text
        );
        return Err(refused(
            condition::DATATYPE_MISMATCH_SPECIFIED_WINDOW_FRAME_INVALID_BOUND,
            (text, &why),
            &[],
        ));
    }
    let zero = |other: &ScalarValue| ScalarValue::new_zero(&other.data_type()).ok();
    if let (Some(low), Some(high)) = (&lower.offset, &upper.offset)
        && low.data_type != high.data_type
        && !(is_number(&low.data_type) && is_number(&high.data_type))
    {
        let (low, high) =
            (format!("\"{}\"", low.data_type.sql()), format!("\"{}\"", high.data_type.sql()));
        let why = format!(
            "Window frame bounds \"{}\" and \"{}\" do not have the same type: {low} <> {high}.",
            lower.text, upper.text
        );
        let more = [("lowerType", low.as_str()), ("upperType", high.as_str())];
        return Err(refused(
            condition::DATATYPE_MISMATCH_SPECIFIED_WINDOW_FRAME_DIFF_TYPES,
            (text, &why),
            &more,
        ));
    }
    let compared = match (&lower.value, &upper.value) {
        (Some(low), Some(high)) => low.partial_cmp(high),
        (Some(low), None) if !upper.unbounded => zero(low).and_then(|zero| low.partial_cmp(&zero)),
        (None, Some(high)) if !lower.unbounded => {
            zero(high).and_then(|zero| zero.partial_cmp(high))
        }
        _ => None,
    };
    if compared == Some(Ordering::Greater) {
        let why =
            "The lower bound of a window frame must be less than or equal to the upper bound.";
        return Err(refused(
            condition::DATATYPE_MISMATCH_SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON,
            (text, why),
            &[],
        ));
    }
    Ok(())
}

/// A bound of a frame by rows.
fn rows(bound: &Bound, text: &str, location: &str) -> Result<FrameEdge> {
    let (Some(offset), Some(value)) = (&bound.offset, &bound.value) else {
        return Ok(if bound.unbounded { FrameEdge::Unbounded } else { FrameEdge::Rows(0) });
    };
    let count = match value {
        ScalarValue::Int8(Some(count)) => i64::from(*count),
        ScalarValue::Int16(Some(count)) => i64::from(*count),
        ScalarValue::Int32(Some(count)) => i64::from(*count),
        _ => return Err(unaccepted(text, location, &offset.data_type, "INT")),
    };
    Ok(FrameEdge::Rows(count))
}
