//! Maps: construction and access.

use errors::condition;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, StringBuilder, StructArray, UInt64Array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::Expr;

use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::normal::{Comparable, Zeros, normal};
use crate::scalar::text::pattern::Cache;
use crate::types::{element, entry_types, list, map};
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("map", "a*", map_of),
    with("map_from_arrays", "AA", |call| Ok(by_policy(call, FROM_ARRAYS))),
    with("map_from_entries", "A", from_entries),
    kernel(
        "map_keys",
        "M",
        Kernel::new(
            "spark_map_keys",
            |types, _| Ok(list(entry_type(types, 0))),
            |args| column(args, 0),
        ),
    ),
    kernel(
        "map_values",
        "M",
        Kernel::new(
            "spark_map_values",
            |types, _| Ok(list(entry_type(types, 1))),
            |args| column(args, 1),
        ),
    ),
    kernel("map_entries", "M", Kernel::new("spark_map_entries", map_entries_type, map_entries)),
    with("map_contains_key", "Ma", map_contains_key),
    with("map_concat", "M*", map_concat),
    with("str_to_map", "s?ss", |call| Ok(by_policy(call, STR_TO_MAP))),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[
    MAP.0,
    MAP.1,
    CONCAT.0,
    CONCAT.1,
    FROM_ARRAYS.0,
    FROM_ARRAYS.1,
    FROM_ENTRIES.0,
    FROM_ENTRIES.1,
    STR_TO_MAP.0,
    STR_TO_MAP.1,
];

/// Behaviour for duplicate keys (`spark.sql.mapKeyDedupPolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// An error.
    Fail,
    /// The later value replaces the earlier one.
    LastWins,
}

/// A function under two names, one per policy.
type ByPolicy = (Kernel, Kernel);

macro_rules! by_policy {
    ($name:literal, $returns:expr, $run:ident, $nulls:ident) => {
        (
            Kernel::new($name, $returns, |args| $run(args, Repeated::Fail)).nulls(Nulls::$nulls),
            Kernel::new(concat!($name, "_last_win"), $returns, |args| {
                $run(args, Repeated::LastWins)
            })
            .nulls(Nulls::$nulls),
        )
    };
}

const MAP: ByPolicy = by_policy!("spark_map", map_type, make_map, Never);
const CONCAT: ByPolicy = by_policy!("spark_map_concat", returns::first, map_concatenated, Strict);
const FROM_ARRAYS: ByPolicy =
    by_policy!("spark_map_from_arrays", arrays_type, map_from_arrays, Strict);
const FROM_ENTRIES: ByPolicy =
    by_policy!("spark_map_from_entries", entries_type, map_from_entries, Possible);
const STR_TO_MAP: ByPolicy = by_policy!("spark_str_to_map", text_type, str_to_map, Strict);

fn by_policy(call: Call<'_>, kernels: ByPolicy) -> Expr {
    let kernel = if call.ctx.last_key_wins { kernels.1 } else { kernels.0 };
    call.apply(kernel)
}

fn text_type(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(map(DataType::Utf8, DataType::Utf8))
}

fn map_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(match types {
        [key, value, ..] => map(key.clone(), value.clone()),
        _ => map(DataType::Null, DataType::Null),
    })
}

fn arrays_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    if let [DataType::List(key), DataType::List(value)] = types {
        Ok(map(key.data_type().clone(), value.data_type().clone()))
    } else {
        not_impl_err!("map_from_arrays of {types:?}")
    }
}

/// `map(key, value, key, value …)`.
fn map_of(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.len() % 2 == 1 {
        return Err(FunctionError::WrongNumArgs {
            name: "map".into(),
            expected: "2n (n > 0)".into(),
            actual: call.args.len(),
        });
    }
    for side in 0..2 {
        let indices: Vec<usize> = (side..call.args.len()).step_by(2).collect();
        let types: Vec<_> = indices.iter().map(|i| call.types[*i].clone()).collect();
        let common = crate::common_type(&types, call.ctx)
            .ok_or_else(|| FunctionError::DifferingTypes { name: "map".into(), types })?;
        for index in indices {
            call.cast(index, &common)?;
        }
    }
    Ok(by_policy(call, MAP))
}

fn make_map(args: &Args<'_>, repeated: Repeated) -> Result<ArrayRef> {
    let side = |side: usize| -> Result<ArrayRef> {
        let columns: Vec<&dyn Array> =
            args.arrays.iter().skip(side).step_by(2).map(AsRef::as_ref).collect();
        if columns.is_empty() {
            return Ok(arrow::array::new_empty_array(&DataType::Null));
        }
        let places: Vec<_> =
            (0..args.rows).flat_map(|row| (0..columns.len()).map(move |c| (c, row))).collect();
        Ok(compute::interleave(&columns, &places)?)
    };
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(args.len() / 2, args.rows));
    let keys = normal(&side(0)?, Zeros::One)?;
    build(args.returns, (keys, side(1)?), (offsets, None), repeated)
}

/// Builds maps from keys and values. A null key is an error; `repeated` determines the treatment of
/// duplicate keys.
pub(crate) fn build(
    returns: &DataType,
    (keys, values): (ArrayRef, ArrayRef),
    (offsets, nulls): (OffsetBuffer<i32>, Option<NullBuffer>),
    repeated: Repeated,
) -> Result<ArrayRef> {
    let DataType::Map(entries, sorted) = returns else {
        return not_impl_err!("a map of type {returns}");
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return not_impl_err!("a map of type {returns}");
    };
    let (keys, values, offsets) = match repeats(&keys, &offsets, repeated)? {
        None => (keys, values, offsets),
        Some((keys_at, values_at, offsets)) => (
            compute::take(&keys, &keys_at, None)?,
            compute::take(&values, &values_at, None)?,
            offsets,
        ),
    };
    let columns = [keys, values].into_iter().zip(fields.iter());
    let columns = columns.map(|(column, field)| {
        let fits = column.data_type() == field.data_type();
        if fits { Ok(column) } else { compute::cast(&column, field.data_type()) }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let entries_array = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, entries_array, nulls, *sorted)?))
}

/// Indices of keys and values, and offsets, after removing duplicates; `None` if there are none.
type Kept = Option<(UInt64Array, UInt64Array, OffsetBuffer<i32>)>;

fn repeats(keys: &ArrayRef, offsets: &OffsetBuffer<i32>, repeated: Repeated) -> Result<Kept> {
    let rows = Comparable::new(keys.data_type())?.rows(keys)?;
    let nulls = keys.logical_nulls();
    let (mut keys_at, mut values_at, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    let (mut met, mut any) = (HashMap::new(), false);
    for span in offsets.windows(2) {
        met.clear();
        let before = keys_at.len();
        for index in (span[0]..span[1]).filter_map(|i| usize::try_from(i).ok()) {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                return Err(run_time_error(condition::NULL_MAP_KEY, "Cannot use null as map key."));
            }
            match met.get(&rows.row(index)) {
                None => {
                    met.insert(rows.row(index), keys_at.len());
                    keys_at.push(index as u64);
                    values_at.push(index as u64);
                }
                Some(_) if repeated == Repeated::Fail => return Err(duplicate(keys, index)?),
                Some(at) => {
                    values_at[*at] = index as u64;
                    any = true;
                }
            }
        }
        lengths.push(keys_at.len() - before);
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(any.then(|| (keys_at.into(), values_at.into(), offsets)))
}

fn duplicate(keys: &ArrayRef, index: usize) -> Result<datafusion::error::DataFusionError> {
    let text = crate::show(&keys.slice(index, 1), "UTC")?;
    Ok(run_time_error(
        condition::DUPLICATED_MAP_KEY,
        format!(
            "Duplicate map key {} was found, please check the input data. If you want to remove the duplicated keys, you can set \"spark.sql.mapKeyDedupPolicy\" to \"LAST_WIN\" so that the key inserted at last takes precedence.",
            text.value(0)
        ),
    ))
}

fn map_from_arrays(args: &Args<'_>, repeated: Repeated) -> Result<ArrayRef> {
    let (keys, values) = (args.lists(0)?, args.lists(1)?);
    let mut picks = (Vec::new(), Vec::new());
    let mut lengths = Vec::with_capacity(args.rows);
    let mut valid = Vec::with_capacity(args.rows);
    for row in args.valid_rows() {
        valid.push(row.is_some());
        let Some(row) = row else {
            lengths.push(0);
            continue;
        };
        let length = keys.value_length(row);
        if length != values.value_length(row) {
            return Err(run_time_error(
                condition::INTERNAL_ERROR,
                "The key array and value array of MapData must have the same length.",
            ));
        }
        lengths.push(usize::try_from(length).unwrap_or_default());
        let span = |offset: i32| (offset..offset + length).filter_map(|i| u64::try_from(i).ok());
        picks.0.extend(span(keys.value_offsets()[row]));
        picks.1.extend(span(values.value_offsets()[row]));
    }
    let keys = compute::take(keys.values(), &UInt64Array::from(picks.0), None)?;
    let values = compute::take(values.values(), &UInt64Array::from(picks.1), None)?;
    let spans = (OffsetBuffer::from_lengths(lengths), Some(NullBuffer::from(valid)));
    build(args.returns, (keys, values), spans, repeated)
}

fn entries_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(field)) => match field.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                Ok(map(fields[0].data_type().clone(), fields[1].data_type().clone()))
            }
            other => not_impl_err!("map_from_entries of {other}"),
        },
        other => not_impl_err!("map_from_entries of {other:?}"),
    }
}

fn map_from_entries(args: &Args<'_>, repeated: Repeated) -> Result<ArrayRef> {
    let lists = args.lists(0)?;
    let entries = lists.values().as_struct();
    let mut places = Vec::new();
    let (mut lengths, mut valid) = (Vec::with_capacity(args.rows), Vec::with_capacity(args.rows));
    for row in 0..args.rows {
        let (start, end) = (lists.value_offsets()[row], lists.value_offsets()[row + 1]);
        let span = || (start..end).filter_map(|at| usize::try_from(at).ok());
        // One null entry makes the whole map null.
        let whole = lists.is_valid(row) && span().all(|at| entries.is_valid(at));
        let before = places.len();
        places.extend(span().filter(|_| whole).map(|at| at as u64));
        lengths.push(places.len() - before);
        valid.push(whole);
    }
    let places = UInt64Array::from(places);
    let keys = normal(&compute::take(entries.column(0), &places, None)?, Zeros::One)?;
    let values = compute::take(entries.column(1), &places, None)?;
    let spans = (OffsetBuffer::from_lengths(lengths), Some(NullBuffer::from(valid)));
    build(args.returns, (keys, values), spans, repeated)
}

fn from_entries(call: Call<'_>) -> Result<Expr, FunctionError> {
    match &call.types[0] {
        DataType::List(field) if matches!(field.data_type(), DataType::Struct(fields) if fields.len() == 2) => {
            Ok(by_policy(call, FROM_ENTRIES))
        }
        _ => Err(call.mismatch(0, "\"ARRAY\" of pair \"STRUCT\"")),
    }
}

fn entry_type(types: &[DataType], index: usize) -> DataType {
    let entry = types.first().and_then(entry_types);
    entry
        .map_or(DataType::Null, |(key, value)| if index == 0 { key.clone() } else { value.clone() })
}

/// Keys or values as arrays.
fn column(args: &Args<'_>, index: usize) -> Result<ArrayRef> {
    let maps = args.maps(0)?;
    let values = Arc::clone(maps.entries().column(index));
    let field = element(values.data_type().clone());
    Ok(Arc::new(ListArray::try_new(field, maps.offsets().clone(), values, maps.nulls().cloned())?))
}

fn map_entries_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    let fields = vec![
        Field::new("key", entry_type(types, 0), false),
        Field::new("value", entry_type(types, 1), true),
    ];
    Ok(list(DataType::Struct(fields.into())))
}

fn map_entries(args: &Args<'_>) -> Result<ArrayRef> {
    let maps = args.maps(0)?;
    let DataType::List(field) = args.returns else {
        return not_impl_err!("map_entries to {}", args.returns);
    };
    let DataType::Struct(fields) = field.data_type() else {
        return not_impl_err!("map_entries to {}", args.returns);
    };
    let entries = StructArray::try_new(fields.clone(), maps.entries().columns().to_vec(), None)?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        maps.offsets().clone(),
        Arc::new(entries),
        maps.nulls().cloned(),
    )?))
}

/// Whether a map contains a key.
fn map_contains_key(call: Call<'_>) -> Result<Expr, FunctionError> {
    let registry = crate::Registry::new();
    let (key, _) = entry_types(&call.types[0]).ok_or_else(|| call.mismatch(0, "\"MAP\""))?;
    let keys = list(key.clone());
    let mut args = call.args.into_iter();
    let map = args.next().unwrap_or_default();
    let keys_expr = registry.scalar("map_keys", vec![map], &call.types[..1], call.ctx)?;
    let types = [keys, call.types[1].clone()];
    registry.scalar(
        "array_contains",
        vec![keys_expr, args.next().unwrap_or_default()],
        &types,
        call.ctx,
    )
}

fn map_concat(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.is_empty() {
        return Ok(by_policy(call, MAP));
    }
    call.unify(0)?;
    Ok(by_policy(call, CONCAT))
}

fn map_concatenated(args: &Args<'_>, repeated: Repeated) -> Result<ArrayRef> {
    let maps = (0..args.len()).map(|i| args.maps(i)).collect::<Result<Vec<_>>>()?;
    let mut places = Vec::new();
    let mut lengths = Vec::with_capacity(args.rows);
    let mut valid = Vec::with_capacity(args.rows);
    for row in args.valid_rows() {
        valid.push(row.is_some());
        let before = places.len();
        if let Some(row) = row {
            for (index, map) in maps.iter().enumerate() {
                let (start, end) = (map.value_offsets()[row], map.value_offsets()[row + 1]);
                places.extend(
                    (start..end).filter_map(|i| usize::try_from(i).ok().map(|i| (index, i))),
                );
            }
        }
        lengths.push(places.len() - before);
    }
    let side = |of: fn(&MapArray) -> &ArrayRef| {
        let columns: Vec<&dyn Array> = maps.iter().map(|m| of(m).as_ref()).collect();
        compute::interleave(&columns, &places)
    };
    let (keys, values) = (normal(&side(MapArray::keys)?, Zeros::One)?, side(MapArray::values)?);
    let spans = (OffsetBuffer::from_lengths(lengths), Some(NullBuffer::from(valid)));
    build(args.returns, (keys, values), spans, repeated)
}

/// `str_to_map('a:1,b:2', ',', ':')`; the delimiters are regular expressions.
fn str_to_map(args: &Args<'_>, repeated: Repeated) -> Result<ArrayRef> {
    let texts = args.strings(0)?;
    let pairs = if args.len() > 1 { Some(args.strings(1)?) } else { None };
    let parts = if args.len() > 2 { Some(args.strings(2)?) } else { None };
    let (mut pair_patterns, mut part_patterns) =
        (Cache::new("str_to_map"), Cache::new("str_to_map"));
    let (mut keys, mut values) = (StringBuilder::new(), StringBuilder::new());
    let mut lengths = Vec::with_capacity(args.rows);
    let mut valid = Vec::with_capacity(args.rows);
    for row in args.valid_rows() {
        valid.push(row.is_some());
        let mut count = 0;
        if let Some(row) = row {
            let part = parts.map_or(":", |p| p.value(row));
            let pair = pairs.map_or(",", |p| p.value(row));
            for pair in pair_patterns.get(pair)?.split(texts.value(row), -1)? {
                let mut sides = part_patterns.get(part)?.split(pair, 2)?.into_iter();
                keys.append_value(sides.next().unwrap_or_default());
                values.append_option(sides.next());
                count += 1;
            }
        }
        lengths.push(count);
    }
    let columns = (Arc::new(keys.finish()) as ArrayRef, Arc::new(values.finish()) as ArrayRef);
    let spans = (OffsetBuffer::from_lengths(lengths), Some(NullBuffer::from(valid)));
    build(args.returns, columns, spans, repeated)
}
