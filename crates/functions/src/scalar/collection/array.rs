//! Arrays and structs: construction, size, and lookup (also in maps). Functions that compare
//! elements are in `elements`.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, PrimitiveArray, UInt64Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::functions_nested as nested;
use datafusion::logical_expr::Expr;

use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::normal::Comparable;
use crate::types::{element, entry_types, list};
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("array", "a*", array),
    with("size", "C", size),
    with("cardinality", "C", size),
    kernel("array_size", "A", Kernel::new("spark_array_size", returns::int, lengths)),
    with("struct", "a*", structure),
    with("named_struct", "a*", named_struct),
    with("element_at", "Ca", element_at),
    with("try_element_at", "Ca", |call| lookup(call, TRY_ELEMENT_AT, TRY_ELEMENT_AT)),
    kernel("get", "Ai", GET),
    with("[]", "Ca", get_item),
    kernel("slice", "Aii", Kernel::new("spark_slice", returns::first, slice)),
    kernel("flatten", "A", Kernel::new("spark_flatten", flat_type, flatten).nulls(Nulls::Possible)),
    with("array_join", "As?s", array_join),
    kernel(
        "array_repeat",
        "ai",
        Kernel::new("spark_array_repeat", |types, _| Ok(list(types[0].clone())), repeat)
            .nulls(Nulls::Possible),
    ),
    with("arrays_zip", "A*", |call| Ok(nested::arrays_zip::arrays_zip_udf().call(call.args))),
];

pub(in crate::scalar) const KERNELS: &[Kernel] =
    &[SIZE_OF_NULL, SIZE, ELEMENT_AT, TRY_ELEMENT_AT, GET, GET_ITEM, JOIN, CONCAT];

const SIZE: Kernel = Kernel::new("spark_size", returns::int, lengths);
const SIZE_OF_NULL: Kernel = Kernel::new("spark_size_of_null", returns::int, |args| {
    let sizes = lengths(args)?;
    let sizes = sizes.as_primitive::<Int32Type>();
    Ok(Arc::new(sizes.iter().map(|s| Some(s.unwrap_or(-1))).collect::<PrimitiveArray<Int32Type>>()))
})
.nulls(Nulls::Never);
const ELEMENT_AT: Kernel =
    Kernel::new("spark_element_at", element_type, |args| at(args, Missing::Fail, true))
        .nulls(Nulls::Possible);
const TRY_ELEMENT_AT: Kernel =
    Kernel::new("spark_try_element_at", element_type, |args| at(args, Missing::Null, true))
        .nulls(Nulls::Possible);
const GET: Kernel = Kernel::new("spark_get", element_type, |args| at(args, Missing::Null, false))
    .nulls(Nulls::Possible);
const GET_ITEM: Kernel =
    Kernel::new("spark_getitem", element_type, |args| at(args, Missing::Fail, false))
        .nulls(Nulls::Possible);
const JOIN: Kernel = Kernel::new("spark_array_join", returns::string, join);
const CONCAT: Kernel = Kernel::new("spark_array_concat", returns::first, concatenated);

fn array(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.is_empty() {
        let empty = ScalarValue::List(ScalarValue::new_list_nullable(&[], &DataType::Null));
        return Ok(Expr::Literal(empty, None));
    }
    call.unify(0)?;
    Ok(nested::make_array::make_array_udf().call(call.args))
}

fn size(call: Call<'_>) -> Result<Expr, FunctionError> {
    let kernel = if call.ctx.ansi { SIZE } else { SIZE_OF_NULL };
    Ok(call.apply(kernel))
}

fn lengths(args: &Args<'_>) -> Result<ArrayRef> {
    let array = args.array(0)?;
    let offsets = match array.data_type() {
        DataType::Map(..) => args.maps(0)?.offsets(),
        _ => args.lists(0)?.offsets(),
    };
    let lengths = offsets.lengths().enumerate().map(|(row, length)| {
        array.is_valid(row).then(|| i32::try_from(length).unwrap_or(i32::MAX))
    });
    Ok(Arc::new(lengths.collect::<PrimitiveArray<Int32Type>>()))
}

fn field_name(expr: &Expr, index: usize) -> String {
    match expr {
        Expr::Column(column) => column.name.clone(),
        Expr::Alias(alias) => alias.name.clone(),
        _ => format!("col{}", index + 1),
    }
}

/// Fields are named after the columns they come from. The resolver, which has the names, calls
/// `named_struct` instead.
fn structure(call: Call<'_>) -> Result<Expr, FunctionError> {
    let mut args = Vec::new();
    for (index, arg) in call.args.into_iter().enumerate() {
        args.push(Expr::Literal(ScalarValue::from(field_name(&arg, index)), None));
        args.push(arg);
    }
    Ok(datafusion::functions::core::named_struct().call(args))
}

fn named_struct(call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.len() % 2 == 1 || call.args.is_empty() {
        return Err(FunctionError::WrongNumArgs {
            name: call.name.to_owned(),
            expected: "2n (n > 0)".to_owned(),
            actual: call.args.len(),
        });
    }
    for index in (0..call.args.len()).step_by(2) {
        if call.string(index).is_none() {
            return Err(call.mismatch(index, "foldable \"STRING\""));
        }
    }
    Ok(datafusion::functions::core::named_struct().call(call.args))
}

fn element_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(field)) => Ok(field.data_type().clone()),
        Some(data_type @ DataType::Map(..)) => {
            Ok(entry_types(data_type).map_or(DataType::Null, |(_, value)| value.clone()))
        }
        _ => Ok(DataType::Null),
    }
}

fn element_at(call: Call<'_>) -> Result<Expr, FunctionError> {
    let array = if call.ctx.ansi { ELEMENT_AT } else { TRY_ELEMENT_AT };
    lookup(call, array, TRY_ELEMENT_AT)
}

/// `array[0]`, `map[key]`.
fn get_item(call: Call<'_>) -> Result<Expr, FunctionError> {
    let array = if call.ctx.ansi { GET_ITEM } else { GET };
    lookup(call, array, TRY_ELEMENT_AT)
}

fn lookup(mut call: Call<'_>, array: Kernel, map: Kernel) -> Result<Expr, FunctionError> {
    let key = entry_types(&call.types[0]).map(|(key, _)| key.clone());
    if let Some(key) = key {
        call.cast(1, &key)?;
        Ok(call.apply(map))
    } else {
        if !crate::types::is_integral(&call.types[1]) && call.types[1] != DataType::Null {
            return Err(call.mismatch(1, "\"INT\""));
        }
        call.cast(1, &DataType::Int32)?;
        Ok(call.apply(array))
    }
}

/// Behaviour for an index outside the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fail,
    Null,
}

/// Elements by position (zero-based, or one-based with negative positions counted from the end);
/// map values by key.
fn at(args: &Args<'_>, missing: Missing, from_one: bool) -> Result<ArrayRef> {
    if let DataType::Map(..) = args.array(0)?.data_type() {
        return by_key(args);
    }
    let (lists, indices) = (args.lists(0)?, args.values::<Int32Type>(1)?);
    let mut picks = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if lists.is_null(row) || indices.is_null(row) {
            picks.push(None);
            continue;
        }
        let (start, length) = (lists.value_offsets()[row], lists.value_length(row));
        let index = indices.value(row);
        let place = match (from_one, index) {
            (true, 0) => {
                return Err(run_time_error(
                    condition::INVALID_INDEX_OF_ZERO,
                    "The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).",
                ));
            }
            (true, 1..) => index - 1,
            (true, _) => length.saturating_add(index),
            (false, _) => index,
        };
        if (0..length).contains(&place) {
            picks.push(u64::try_from(start + place).ok());
        } else if missing == Missing::Null {
            picks.push(None);
        } else {
            return Err(outside(index, length, from_one));
        }
    }
    Ok(compute::take(lists.values(), &UInt64Array::from(picks), None)?)
}

fn outside(index: i32, length: i32, from_one: bool) -> datafusion::common::DataFusionError {
    if from_one {
        return run_time_error(
            condition::INVALID_ARRAY_INDEX_IN_ELEMENT_AT,
            format!(
                "The index {index} is out of bounds. The array has {length} elements. Use `try_element_at` to tolerate accessing element at invalid index and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
            ),
        );
    }
    run_time_error(
        condition::INVALID_ARRAY_INDEX,
        format!(
            "The index {index} is out of bounds. The array has {length} elements. Use the SQL function `get()` to tolerate accessing element at invalid index and return NULL instead. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
        ),
    )
}

fn by_key(args: &Args<'_>) -> Result<ArrayRef> {
    let (maps, keys) = (args.maps(0)?, args.array(1)?);
    let comparable = Comparable::new(keys.data_type())?;
    let (wanted, present) = (comparable.rows(keys)?, comparable.rows(maps.keys())?);
    let mut picks = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        let found = if maps.is_null(row) || keys.is_null(row) {
            None
        } else {
            let (start, end) = (maps.value_offsets()[row], maps.value_offsets()[row + 1]);
            (start..end)
                .filter_map(|i| usize::try_from(i).ok())
                .find(|i| present.row(*i) == wanted.row(row))
        };
        picks.push(found.map(|i| i as u64));
    }
    Ok(compute::take(maps.values(), &UInt64Array::from(picks), None)?)
}

/// Builds one list per row from elements of `values`, given by their indices.
pub(in crate::scalar) fn taken(values: &ArrayRef, rows: Vec<Option<Vec<u64>>>) -> Result<ArrayRef> {
    let nulls = rows.iter().map(Option::is_some).collect::<NullBuffer>();
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|r| r.as_ref().map_or(0, Vec::len)));
    let picks = UInt64Array::from_iter_values(rows.into_iter().flatten().flatten());
    let values = compute::take(values, &picks, None)?;
    let field = element(values.data_type().clone());
    Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(nulls))?))
}

fn slice(args: &Args<'_>) -> Result<ArrayRef> {
    let (lists, starts, lengths) =
        (args.lists(0)?, args.values::<Int32Type>(1)?, args.values::<Int32Type>(2)?);
    let mut rows = Vec::with_capacity(args.rows);
    for row in args.valid_rows() {
        let Some(row) = row else {
            rows.push(None);
            continue;
        };
        let (start, wanted, length) =
            (starts.value(row), lengths.value(row), lists.value_length(row));
        let (parameter, fault) = match (start, wanted) {
            (0, _) => ("start", "Expects a positive or a negative value for `start`, but got 0."),
            (_, ..0) => ("length", "Expects `length` greater than or equal to 0."),
            _ => ("", ""),
        };
        if !fault.is_empty() {
            let class = if parameter == "start" {
                condition::INVALID_PARAMETER_VALUE_START
            } else {
                condition::INVALID_PARAMETER_VALUE_LENGTH
            };
            return Err(run_time_error(
                class,
                format!("The value of parameter(s) `{parameter}` in `slice` is invalid: {fault}"),
            ));
        }
        let from = if start > 0 { start - 1 } else { length.saturating_add(start) };
        let offset = lists.value_offsets()[row];
        let picks = if (0..length).contains(&from) {
            from..from.saturating_add(wanted).min(length)
        } else {
            0..0
        };
        rows.push(Some(picks.filter_map(|i| u64::try_from(offset + i).ok()).collect()));
    }
    retyped(taken(lists.values(), rows)?, args)
}

/// Casts a list to the return type, which may differ in the name of its element field.
fn retyped(array: ArrayRef, args: &Args<'_>) -> Result<ArrayRef> {
    if array.data_type() == args.returns {
        Ok(array)
    } else {
        Ok(compute::cast(&array, args.returns)?)
    }
}

fn array_join(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.cast(0, &list(DataType::Utf8))?;
    Ok(call.apply(JOIN))
}

fn join(args: &Args<'_>) -> Result<ArrayRef> {
    let (lists, separators) = (args.lists(0)?, args.strings(1)?);
    let nulls = if args.len() > 2 { Some(args.strings(2)?) } else { None };
    args.string_rows(|row| {
        let values = lists.value(row);
        let parts = values.as_string::<i32>().iter();
        let parts: Vec<&str> =
            parts.filter_map(|p| p.or_else(|| nulls.map(|n| n.value(row)))).collect();
        Ok(Some(parts.join(separators.value(row))))
    })
}

/// Concatenates arrays; null if one of them is null.
pub(in crate::scalar) fn concat(call: Call<'_>) -> Result<Expr, FunctionError> {
    Ok(call.apply(CONCAT))
}

fn concatenated(args: &Args<'_>) -> Result<ArrayRef> {
    let lists = (0..args.len()).map(|i| args.lists(i)).collect::<Result<Vec<_>>>()?;
    let mut starts = vec![0_u64];
    for list in &lists {
        starts.push(starts.last().copied().unwrap_or_default() + list.values().len() as u64);
    }
    let values: Vec<&dyn Array> = lists.iter().map(|l| l.values().as_ref()).collect();
    let values = compute::concat(&values)?;
    let rows = args.valid_rows().map(|row| {
        let row = row?;
        let spans = lists.iter().zip(&starts).map(|(list, start)| {
            let offsets = list.value_offsets();
            (offsets[row]..offsets[row + 1])
                .filter_map(move |i| u64::try_from(i).ok().map(|i| i + start))
        });
        Some(spans.flatten().collect())
    });
    let rows: Vec<Option<Vec<u64>>> = rows.collect();
    retyped(taken(&values, rows)?, args)
}

fn flat_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(field)) if matches!(field.data_type(), DataType::List(_)) => {
            Ok(field.data_type().clone())
        }
        other => not_impl_err!("flatten of {other:?}"),
    }
}

/// Concatenates the arrays in an array; null if one of them is null.
fn flatten(args: &Args<'_>) -> Result<ArrayRef> {
    let outer = args.lists(0)?;
    let inner = outer.values().as_list::<i32>();
    let rows = (0..args.rows).map(|row| {
        let (start, end) = (outer.value_offsets()[row], outer.value_offsets()[row + 1]);
        let arrays = || (start..end).filter_map(|at| usize::try_from(at).ok());
        if outer.is_null(row) || arrays().any(|at| inner.is_null(at)) {
            return None;
        }
        let span = |at: usize| inner.value_offsets()[at]..inner.value_offsets()[at + 1];
        Some(arrays().flat_map(span).filter_map(|at| u64::try_from(at).ok()).collect())
    });
    let rows: Vec<Option<Vec<u64>>> = rows.collect();
    retyped(taken(inner.values(), rows)?, args)
}

/// Repeats a value, even a null; null if the count is null.
fn repeat(args: &Args<'_>) -> Result<ArrayRef> {
    let (values, counts) = (args.array(0)?, args.values::<Int32Type>(1)?);
    let mut rows = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if counts.is_null(row) {
            rows.push(None);
            continue;
        }
        let count = super::elements::limit(counts.value(row).max(0).into(), "array_repeat")?;
        rows.push(Some(vec![row as u64; count]));
    }
    retyped(taken(values, rows)?, args)
}
