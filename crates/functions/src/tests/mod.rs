//! Tests of functions as tables: a call, and Spark's `show()` output for it.

mod aggregates;
mod casts;
mod collections;
mod dates;
mod documented;
mod intervals;
mod keys;
mod modes;
mod named;
mod operators;
mod strings;
mod text;
mod travel;
mod urls;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{ColumnarValue, Expr, col};
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_expr::execution_props::ExecutionProps;

use crate::types::{list, simple_type};
use crate::{CastMode, Context, Registry, cast, show};

fn s(text: &str) -> ScalarValue {
    ScalarValue::from(text)
}

fn i(value: i32) -> ScalarValue {
    ScalarValue::from(value)
}

fn l(value: i64) -> ScalarValue {
    ScalarValue::from(value)
}

fn d(value: f64) -> ScalarValue {
    ScalarValue::from(value)
}

fn b(value: bool) -> ScalarValue {
    ScalarValue::from(value)
}

const N: ScalarValue = ScalarValue::Null;

fn bin(bytes: &[u8]) -> ScalarValue {
    ScalarValue::Binary(Some(bytes.to_vec()))
}

fn dec(unscaled: i128, precision: u8, scale: i8) -> ScalarValue {
    ScalarValue::Decimal128(Some(unscaled), precision, scale)
}

fn date(text: &str) -> ScalarValue {
    ScalarValue::Date32(Some(formats::text::parse_date(text).unwrap()))
}

fn ts(text: &str) -> ScalarValue {
    let (micros, _) = formats::text::parse_timestamp(text, 0).unwrap();
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}

fn ints(values: &[Option<i32>]) -> ScalarValue {
    let values: Vec<_> = values.iter().map(|v| ScalarValue::Int32(*v)).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Int32))
}

fn strs(values: &[&str]) -> ScalarValue {
    let values: Vec<_> = values.iter().map(|v| s(v)).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Utf8))
}

/// Evaluates an expression over columns `c0`, `c1` …, each with its value in two rows.
fn evaluate(expr: &Expr, values: &[ScalarValue]) -> Result<ArrayRef, DataFusionError> {
    travel::travels(expr);
    let fields: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(i, v)| Field::new(format!("c{i}"), v.data_type(), true))
        .collect();
    let schema = Schema::new(fields);
    let columns: Vec<_> = values.iter().map(|v| v.to_array_of_size(2).unwrap()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    let batch =
        RecordBatch::try_new_with_options(Arc::new(schema.clone()), columns, &options).unwrap();
    let df_schema = DFSchema::try_from(schema).unwrap();
    let expected = datafusion::logical_expr::ExprSchemable::get_type(expr, &df_schema)?;
    let physical = create_physical_expr(
        expr,
        &df_schema,
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )?;
    let result = match physical.evaluate(&batch)? {
        ColumnarValue::Array(array) => array,
        ColumnarValue::Scalar(value) => value.to_array_of_size(2).unwrap(),
    };
    assert_eq!(result.len(), 2, "{expr}");
    assert_eq!(result.data_type(), &expected, "declared and real type of {expr}");
    Ok(result)
}

fn shown(expr: &Expr, values: &[ScalarValue], ctx: &Context) -> String {
    match evaluate(expr, values) {
        Ok(array) => {
            let texts = show(&array, &ctx.time_zone).unwrap();
            format!("{} {}", simple_type(array.data_type()), texts.value(1))
        }
        Err(error) => match crate::raised(&error) {
            Some(raised) => format!("! {}", raised.class()),
            None => format!("!! {error}"),
        },
    }
}

fn call(name: &str, values: &[ScalarValue], as_columns: bool, ctx: &Context) -> String {
    let types: Vec<_> = values.iter().map(ScalarValue::data_type).collect();
    let args: Vec<_> = values
        .iter()
        .enumerate()
        .map(
            |(i, v)| if as_columns { col(format!("c{i}")) } else { Expr::Literal(v.clone(), None) },
        )
        .collect();
    match Registry::new().scalar(name, args, &types, ctx) {
        Ok(expr) => shown(&expr, values, ctx),
        Err(error) => format!("! {}", error.describe(name, &[]).condition.class),
    }
}

/// Compares with an expected result `type text`, or `! CLASS` for an error: with constants, and
/// (`rows`) with columns as well.
fn check_in(name: &str, values: &[ScalarValue], expected: &str, ctx: &Context, rows: bool) {
    let found = call(name, values, false, ctx);
    assert_eq!(found, expected, "{name}({values:?})");
    if rows {
        assert_eq!(call(name, values, true, ctx), expected, "{name}({values:?}) over columns");
    }
}

/// In ANSI mode and UTC, with constants and with columns.
fn check(name: &str, values: &[ScalarValue], expected: &str) {
    check_in(name, values, expected, &Context::default(), true);
}

/// With constants only: where an argument must be constant, or where a constant has a different
/// type than a column.
fn check_constant(name: &str, values: &[ScalarValue], expected: &str) {
    check_in(name, values, expected, &Context::default(), false);
}

/// Outside of ANSI mode.
fn check_legacy(name: &str, values: &[ScalarValue], expected: &str) {
    check_in(name, values, expected, &Context { ansi: false, ..Context::default() }, true);
}

fn check_cast(value: ScalarValue, to: &DataType, mode: CastMode, expected: &str) {
    let ctx = Context::default();
    let values = [value];
    for arg in [Expr::Literal(values[0].clone(), None), col("c0")] {
        let found = match cast(arg, &values[0].data_type(), to, mode, &ctx) {
            Ok(expr) => shown(&expr, &values, &ctx),
            Err(error) => format!("! {}", error.describe("", &[]).condition.class),
        };
        assert_eq!(found, expected, "{:?} to {to}", values[0]);
    }
}

#[test]
fn an_unknown_function_and_wrong_arguments_are_named() {
    check("no_such", &[], "! UNRESOLVED_ROUTINE");
    check("upper", &[], "! WRONG_NUM_ARGS.WITHOUT_SUGGESTION");
    check("upper", &[list_of_nothing()], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    check("year", &[b(true)], "! DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
    check("==", &[b(true), i(1)], "! DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
}

fn list_of_nothing() -> ScalarValue {
    ScalarValue::try_from(list(DataType::Int32)).unwrap()
}
