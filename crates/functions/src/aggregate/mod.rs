//! Aggregate functions: Spark's argument casts and result types, implemented by `DataFusion`'s
//! functions where the semantics agree and by ours elsewhere.

mod bitmap;
mod collected;
mod counted;
mod decimal_sum;
mod extreme;
mod floating;
mod fold;
mod histogram;
mod interval;
mod joined;
mod moments;
mod percentile;
mod product;
mod single;
mod sum;
mod weighted;

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate as native;
use datafusion::logical_expr::expr::{AggregateFunction, Case, NullTreatment, Sort};
use datafusion::logical_expr::{AggregateUDF, Expr};

use crate::function::{Call, unknown};
use crate::normal::{self, normal_form, ordered_form};
use crate::types::is_integral;
use crate::{Context, FunctionError};

/// A call of an aggregate function.
#[derive(Debug, Clone)]
pub struct AggregateCall<'a> {
    /// Name as written; matched case-insensitively.
    pub name: &'a str,
    /// Arguments; `count(*)` has the single literal `1`.
    pub args: Vec<Expr>,
    /// Argument types.
    pub types: &'a [DataType],
    /// `DISTINCT`.
    pub distinct: bool,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub order_by: Vec<Sort>,
    /// `IGNORE NULLS`.
    pub ignore_nulls: bool,
}

impl<'a> AggregateCall<'a> {
    /// A call without clauses.
    pub fn new(name: &'a str, args: Vec<Expr>, types: &'a [DataType]) -> Self {
        Self {
            name,
            args,
            types,
            distinct: false,
            filter: None,
            order_by: Vec::new(),
            ignore_nulls: false,
        }
    }
}

/// Name, parameters, and the function for a call with checked arguments.
type Entry =
    (&'static str, &'static str, fn(&mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError>);

const FUNCTIONS: &[Entry] = &[
    ("count", "a*", count),
    ("count_if", "B", count_if),
    ("sum", "a", sum),
    ("try_sum", "a", try_sum),
    ("avg", "a", average),
    ("mean", "a", average),
    ("try_avg", "a", try_average),
    ("min", "a", |call| Ok(extreme_of(call, floating::MIN, native::min_max::min_udaf))),
    ("max", "a", |call| Ok(extreme_of(call, floating::MAX, native::min_max::max_udaf))),
    ("first", "a?B", |_| Ok(native::first_last::first_value_udaf())),
    ("first_value", "a?B", |_| Ok(native::first_last::first_value_udaf())),
    ("any_value", "a?B", |_| Ok(native::first_last::first_value_udaf())),
    ("last", "a?B", |_| Ok(native::first_last::last_value_udaf())),
    ("last_value", "a?B", |_| Ok(native::first_last::last_value_udaf())),
    ("collect_list", "a", |_| Ok(collected::LIST.udaf())),
    ("array_agg", "a", |_| Ok(collected::LIST.udaf())),
    ("collect_set", "a", |_| Ok(collected::SET.udaf())),
    ("stddev", "d", |_| Ok(native::stddev::stddev_udaf())),
    ("std", "d", |_| Ok(native::stddev::stddev_udaf())),
    ("stddev_samp", "d", |_| Ok(native::stddev::stddev_udaf())),
    ("stddev_pop", "d", |_| Ok(native::stddev::stddev_pop_udaf())),
    ("variance", "d", |_| Ok(native::variance::var_samp_udaf())),
    ("var_samp", "d", |_| Ok(native::variance::var_samp_udaf())),
    ("var_pop", "d", |_| Ok(native::variance::var_pop_udaf())),
    ("corr", "dd", |_| Ok(native::correlation::corr_udaf())),
    ("covar_samp", "dd", |_| Ok(native::covariance::covar_samp_udaf())),
    ("covar_pop", "dd", |_| Ok(native::covariance::covar_pop_udaf())),
    ("regr_avgx", "dd", |_| Ok(native::regr::regr_avgx_udaf())),
    ("regr_avgy", "dd", |_| Ok(native::regr::regr_avgy_udaf())),
    ("regr_count", "dd", |_| Ok(regr_count())),
    ("regr_intercept", "dd", |_| Ok(native::regr::regr_intercept_udaf())),
    ("regr_r2", "dd", |_| Ok(native::regr::regr_r2_udaf())),
    ("regr_slope", "dd", |_| Ok(native::regr::regr_slope_udaf())),
    ("regr_sxx", "dd", |_| Ok(native::regr::regr_sxx_udaf())),
    ("regr_sxy", "dd", |_| Ok(native::regr::regr_sxy_udaf())),
    ("regr_syy", "dd", |_| Ok(native::regr::regr_syy_udaf())),
    ("skewness", "d", |_| Ok(moments::SKEWNESS.udaf())),
    ("kurtosis", "d", |_| Ok(moments::KURTOSIS.udaf())),
    ("approx_count_distinct", "a?d", approx_count_distinct),
    ("percentile", "da?a", percentile::percentile),
    ("percentile_cont", "da", percentile::percentile),
    ("percentile_disc", "da", percentile::percentile_disc),
    ("median", "d", percentile::median),
    ("percentile_approx", "aa?a", percentile::percentile_approx),
    ("approx_percentile", "aa?a", percentile::percentile_approx),
    ("mode", "a?B", mode),
    ("bool_and", "B", |_| Ok(native::bool_and_or::bool_and_udaf())),
    ("every", "B", |_| Ok(native::bool_and_or::bool_and_udaf())),
    ("bool_or", "B", |_| Ok(native::bool_and_or::bool_or_udaf())),
    ("some", "B", |_| Ok(native::bool_and_or::bool_or_udaf())),
    ("any", "B", |_| Ok(native::bool_and_or::bool_or_udaf())),
    ("bit_and", "z", |_| Ok(native::bit_and_or_xor::bit_and_udaf())),
    ("bit_or", "z", |_| Ok(native::bit_and_or_xor::bit_or_udaf())),
    ("bit_xor", "z", |_| Ok(native::bit_and_or_xor::bit_xor_udaf())),
    ("max_by", "aa?i", |call| at_extreme(call, extreme::MAX_BY, extreme::SEVERAL_MAX_BY)),
    ("min_by", "aa?i", |call| at_extreme(call, extreme::MIN_BY, extreme::SEVERAL_MIN_BY)),
    ("product", "d", |_| Ok(product::PRODUCT.udaf())),
    ("histogram_numeric", "ni", histogram),
    ("bitmap_construct_agg", "l", |_| Ok(bitmap::CONSTRUCT.udaf())),
    ("bitmap_or_agg", "b", |_| Ok(bitmap::OR.udaf())),
    ("bitmap_and_agg", "b", |_| Ok(bitmap::AND.udaf())),
    ("listagg", "x?x", joined),
    ("string_agg", "x?x", joined),
];

/// Names of the aggregate functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// Whether an aggregate function has this name.
pub(crate) fn is_aggregate(name: &str) -> bool {
    names().any(|n| n == name)
}

/// Our aggregate functions that an expression can contain.
pub(crate) fn udafs() -> Vec<Arc<AggregateUDF>> {
    let folds = [
        sum::SUM,
        sum::SUM_WRAP,
        sum::TRY_SUM,
        decimal_sum::SUM,
        decimal_sum::SUM_OR_NULL,
        sum::AVERAGE,
        collected::LIST,
        collected::SET,
        collected::PERCENTILE,
        weighted::PERCENTILE,
        collected::PERCENTILE_DESCENDING,
        collected::PERCENTILE_DISC,
        collected::PERCENTILE_DISC_DESCENDING,
        collected::PERCENTILE_APPROX,
        collected::MODE,
        collected::SMALLEST_MODE,
        collected::LARGEST_MODE,
        joined::JOINED,
        joined::JOINED_BYTES,
        moments::SKEWNESS,
        moments::KURTOSIS,
        extreme::MAX_BY,
        extreme::MIN_BY,
        extreme::SEVERAL_MAX_BY,
        extreme::SEVERAL_MIN_BY,
        product::PRODUCT,
        histogram::HISTOGRAM,
        interval::SUM,
        interval::TRY_SUM,
        interval::AVERAGE,
        interval::TRY_AVERAGE,
        bitmap::CONSTRUCT,
        bitmap::OR,
        bitmap::AND,
        single::SINGLE,
    ];
    let others = [approx_distinct(), regr_count(), floating::MIN.udaf(), floating::MAX.udaf()];
    folds.iter().map(|fold| fold.udaf()).chain(others).collect()
}

/// `min` or `max`.
fn extreme_of(
    call: &Call<'_>,
    floating: floating::Extreme,
    other: fn() -> Arc<AggregateUDF>,
) -> Arc<AggregateUDF> {
    match call.types.first() {
        Some(DataType::Float32 | DataType::Float64) => floating.udaf(),
        _ => other(),
    }
}

/// Whether a function supports `IGNORE NULLS`.
pub(crate) fn may_ignore_nulls(name: &str) -> bool {
    const FUNCTIONS: [&str; 8] = [
        "first",
        "first_value",
        "any_value",
        "last",
        "last_value",
        "collect_list",
        "array_agg",
        "collect_set",
    ];
    FUNCTIONS.contains(&name)
}

/// The flag for ignoring nulls, the second argument of `first` and similar functions.
fn ignores_nulls(name: &str, args: &[Expr]) -> Result<bool, FunctionError> {
    match args.get(1) {
        None => Ok(false),
        Some(Expr::Literal(ScalarValue::Boolean(flag), _)) => Ok(*flag == Some(true)),
        Some(_) => Err(FunctionError::Invalid {
            condition: condition::LEGACY_ERROR_TEMP_1210,
            message: format!("The second argument in {name} should be a boolean literal."),
            parameters: vec![("funcName", name.to_owned())],
        }),
    }
}

/// Builds a call of an aggregate function.
pub(crate) fn build(request: AggregateCall<'_>, ctx: &Context) -> Result<Expr, FunctionError> {
    let lower = request.name.to_lowercase();
    let (name, parameters, make) =
        FUNCTIONS.iter().find(|(name, ..)| *name == lower).ok_or_else(|| unknown(request.name))?;
    if request.ignore_nulls && !may_ignore_nulls(name) {
        return Err(FunctionError::Syntax { name: lower, syntax: "IGNORE NULLS" });
    }
    let mut call = Call { name, args: request.args, types: request.types.to_vec(), ctx };
    call.fit(parameters)?;
    if matches!(*name, "min" | "max") {
        normal::ordered(&call)?;
    }
    let udaf = make(&mut call)?;
    let udaf = ordered(udaf, &mut call, request.order_by)?;
    let takes_flag = parameters.ends_with("?B");
    let is_told = takes_flag && *name != "mode" && ignores_nulls(name, &call.args)?;
    let ignore_nulls = request.ignore_nulls || is_told;
    if takes_flag {
        call.args.truncate(1);
    }
    let treatment = ignore_nulls.then_some(NullTreatment::IgnoreNulls);
    // The maximum of the distinct values is the maximum of all values.
    let distinct = request.distinct
        && !matches!(*name, "min" | "max" | "collect_set" | "bool_and" | "bool_or");
    for (arg, of) in call.args.iter_mut().zip(&call.types) {
        let value = std::mem::take(arg);
        *arg = match *name {
            "min" | "max" => ordered_form(value, of),
            "collect_set" | "mode" => normal_form(value, of),
            _ if distinct => normal_form(value, of),
            _ => value,
        };
    }
    Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
        udaf,
        call.args,
        distinct,
        request.filter.map(Box::new),
        Vec::new(),
        treatment,
    )))
}

/// The function with the order of `WITHIN GROUP` built in, so that nothing else has to handle it.
fn ordered(
    udaf: Arc<AggregateUDF>,
    call: &mut Call<'_>,
    order_by: Vec<Sort>,
) -> Result<Arc<AggregateUDF>, FunctionError> {
    let Some(first) = order_by.first() else { return Ok(udaf) };
    Ok(match (call.name, first.asc) {
        ("percentile_cont" | "percentile_disc", true) => udaf,
        ("percentile_cont", false) => collected::PERCENTILE_DESCENDING.udaf(),
        ("percentile_disc", false) => collected::PERCENTILE_DISC_DESCENDING.udaf(),
        ("mode", true) => collected::SMALLEST_MODE.udaf(),
        ("mode", false) => collected::LARGEST_MODE.udaf(),
        ("listagg" | "string_agg", _) => {
            let ways = order_by.iter().map(|key| joined::way(key.asc, key.nulls_first));
            call.args.push(literal(ways.collect::<String>()));
            call.args.extend(order_by.into_iter().map(|key| key.expr));
            udaf
        }
        _ => {
            let (name, syntax) = (call.name.to_owned(), "WITHIN GROUP (ORDER BY ...)");
            return Err(FunctionError::Syntax { name, syntax });
        }
    })
}

/// Concatenation of strings or binary values. The delimiter must be a constant.
fn joined(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    let bytes = call.types[0] == DataType::Binary;
    let of = if bytes { DataType::Binary } else { DataType::Utf8 };
    if call.args.len() < 2 {
        call.push(ScalarValue::Null);
    }
    call.cast(1, &of)?;
    let Some(delimiter) = folded(&call.args[1]) else {
        return Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_NON_FOLDABLE_INPUT,
            message: format!(
                "Cannot resolve \"{}\" due to data type mismatch: the input `delimiter` should be a foldable \"STRING\" expression.",
                call.name
            ),
            parameters: vec![
                ("inputName", "`delimiter`".into()),
                ("inputType", "\"STRING\"".into()),
            ],
        });
    };
    call.args[1] = literal(delimiter);
    Ok(if bytes { joined::JOINED_BYTES.udaf() } else { joined::JOINED.udaf() })
}

/// The value of the only row; null if there are no rows, an error if there are several.
pub fn single_value() -> Arc<AggregateUDF> {
    single::SINGLE.udaf()
}

fn literal(value: impl Into<ScalarValue>) -> Expr {
    Expr::Literal(value.into(), None)
}

/// 1 if the condition is true, null otherwise.
fn one_if(condition: Expr) -> Expr {
    let branch = (Box::new(condition), Box::new(literal(1_i64)));
    Expr::Case(Case::new(None, vec![branch], None))
}

/// Counts the rows without null arguments; with `DISTINCT` and several arguments, their tuples.
fn count(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    match call.args.len() {
        0 => {
            return Err(FunctionError::WrongNumArgs {
                name: "count".into(),
                expected: "> 0".into(),
                actual: 0,
            });
        }
        1 => {}
        _ => {
            let all = std::mem::take(&mut call.args);
            let complete =
                all.iter().cloned().map(|a| Expr::IsNotNull(Box::new(a))).reduce(Expr::and);
            let all = all.into_iter().zip(&call.types).map(|(arg, of)| normal_form(arg, of));
            let tuple = datafusion::functions::expr_fn::r#struct(all.collect());
            let branch = (Box::new(complete.unwrap_or_else(|| literal(true))), Box::new(tuple));
            call.args = vec![Expr::Case(Case::new(None, vec![branch], None))];
        }
    }
    Ok(native::count::count_udaf())
}

fn count_if(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    let condition = call.args.swap_remove(0);
    call.args = vec![one_if(condition)];
    Ok(native::count::count_udaf())
}

/// Casts the argument to a numeric type: numbers keep their kind, strings become double.
fn number(call: &mut Call<'_>) -> Result<(), FunctionError> {
    match &call.types[0] {
        DataType::Decimal128(..) | DataType::Float64 => Ok(()),
        other if is_integral(other) => call.cast(0, &DataType::Int64),
        DataType::Float32 | DataType::Utf8 | DataType::Null => call.cast(0, &DataType::Float64),
        _ => Err(call.mismatch(0, "(\"NUMERIC\" or \"ANSI INTERVAL\")")),
    }
}

fn sum(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    if interval::has_fields(&call.types[0]) {
        return Ok(interval::SUM.udaf());
    }
    number(call)?;
    Ok(match (&call.types[0], call.ctx.ansi) {
        (DataType::Decimal128(..), ansi) if may_overflow(&call.types[0]) => {
            if ansi {
                decimal_sum::SUM.udaf()
            } else {
                decimal_sum::SUM_OR_NULL.udaf()
            }
        }
        (DataType::Int64, true) => sum::SUM.udaf(),
        (DataType::Int64, false) => sum::SUM_WRAP.udaf(),
        _ => native::sum::sum_udaf(),
    })
}

fn try_sum(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    if interval::has_fields(&call.types[0]) {
        return Ok(interval::TRY_SUM.udaf());
    }
    number(call)?;
    Ok(match call.types[0] {
        DataType::Int64 => sum::TRY_SUM.udaf(),
        DataType::Decimal128(..) if may_overflow(&call.types[0]) => decimal_sum::SUM_OR_NULL.udaf(),
        _ => native::sum::sum_udaf(),
    })
}

/// Whether a decimal type with ten more digits would exceed the maximum precision.
fn may_overflow(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(precision, _) if *precision > 28)
}

fn try_average(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    if interval::has_fields(&call.types[0]) {
        return Ok(interval::TRY_AVERAGE.udaf());
    }
    average(call)
}

fn average(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    if interval::has_fields(&call.types[0]) {
        return Ok(interval::AVERAGE.udaf());
    }
    number(call)?;
    if let DataType::Decimal128(..) = call.types[0] {
        return Ok(sum::AVERAGE.udaf());
    }
    call.cast(0, &DataType::Float64)?;
    Ok(native::average::avg_udaf())
}

fn approx_distinct() -> Arc<AggregateUDF> {
    counted::as_long("spark_approx_count_distinct", native::approx_distinct::approx_distinct_udaf())
}

fn regr_count() -> Arc<AggregateUDF> {
    counted::as_long("spark_regr_count", native::regr::regr_count_udaf())
}

fn approx_count_distinct(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    // The second argument requests an accuracy that the sketch always provides.
    call.args.truncate(1);
    let has_sketch = matches!(
        call.types[0],
        DataType::Utf8
            | DataType::Binary
            | DataType::Date32
            | DataType::Timestamp(..)
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
    );
    if !has_sketch {
        // Values of types without a sketch are counted by their text.
        call.args = vec![normal_form(call.args.swap_remove(0), &call.types[0])];
        call.cast(0, &DataType::Utf8)?;
    }
    Ok(approx_distinct())
}

/// The value of a constant expression (one without columns), such as `array(0.5, 0.9)`.
fn folded(expr: &Expr) -> Option<ScalarValue> {
    use datafusion::common::DFSchema;
    use datafusion::optimizer::simplify_expressions::ExprSimplifier;
    if !expr.column_refs().is_empty() {
        return None;
    }
    let context = datafusion::logical_expr::simplify::SimplifyContext::builder()
        .with_schema(Arc::new(DFSchema::empty()))
        .build();
    match ExprSimplifier::new(context).simplify(expr.clone()).ok()? {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// The value at the extreme key, or an array of the values at the most extreme keys.
fn at_extreme(
    call: &mut Call<'_>,
    one: fold::Fold,
    several: fold::Fold,
) -> Result<Arc<AggregateUDF>, FunctionError> {
    if call.args.len() < 3 {
        return Ok(one.udaf());
    }
    constant_count(call, 2, (1, 100_000))?;
    Ok(several.udaf())
}

fn histogram(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    constant_count(call, 1, (2, i64::from(i32::MAX)))?;
    Ok(histogram::HISTOGRAM.udaf())
}

/// Folds an argument to a constant `int` within the given limits, and returns it.
pub(crate) fn constant_count(
    call: &mut Call<'_>,
    index: usize,
    (least, most): (i64, i64),
) -> Result<i64, FunctionError> {
    let value = folded(&call.args[index]);
    let value = value.and_then(|value| value.cast_to(&DataType::Int32).ok());
    match value {
        Some(ScalarValue::Int32(Some(count))) if (least..=most).contains(&i64::from(count)) => {
            call.args[index] = literal(count);
            Ok(i64::from(count))
        }
        Some(_) => Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_VALUE_OUT_OF_RANGE,
            message: format!(
                "Cannot resolve \"{}\" due to data type mismatch: The number must be between [{least}, {most}].",
                call.name
            ),
            parameters: vec![("valueRange", format!("[{least}, {most}]"))],
        }),
        None => Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_NON_FOLDABLE_INPUT,
            message: format!(
                "Cannot resolve \"{}\" due to data type mismatch: the input should be a foldable \"INT\" expression.",
                call.name
            ),
            parameters: vec![("inputType", "\"INT\"".into())],
        }),
    }
}

/// The most frequent value. With the flag, ties resolve to the smallest value.
fn mode(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    let smallest = ignores_nulls(call.name, &call.args)?;
    Ok(if smallest { collected::SMALLEST_MODE.udaf() } else { collected::MODE.udaf() })
}
