//! Array functions that compare elements: searching, sets, sorting.

use errors::condition;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, ListArray, UInt64Array, new_null_array,
};
use datafusion::arrow::compute::{self, SortOptions};
use datafusion::arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::arrow::row::{Row, Rows};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::Expr;

use super::array::taken;
use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::normal::{Comparable, Zeros, has_floats, normal, ordered};
use crate::types::list;
use crate::{FunctionError, run_time_error};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("array_contains", "Aa", |call| searching(call, CONTAINS)),
    with("array_position", "Aa", |call| searching(call, POSITION)),
    with("array_remove", "Aa", |call| searching(call, REMOVE)),
    with("array_append", "Aa", |call| with_element(call, APPEND)),
    with("array_insert", "Aia", array_insert),
    with("array_prepend", "Aa", |call| with_element(call, PREPEND)),
    with("array_distinct", "A", |call| comparing(call, DISTINCT)),
    with("array_union", "AA", |call| with_array(call, UNION)),
    with("array_intersect", "AA", |call| with_array(call, INTERSECT)),
    with("array_except", "AA", |call| with_array(call, EXCEPT)),
    with("arrays_overlap", "AA", |call| with_array(call, OVERLAP)),
    kernel(
        "array_compact",
        "A",
        Kernel::new("spark_array_compact", returns::first, |args| {
            each_list(args, |lists, row| {
                Ok(span(lists, row)
                    .filter(|i| lists.values().is_valid(*i))
                    .map(|i| i as u64)
                    .collect())
            })
        }),
    ),
    with("sort_array", "A?B", sort_array),
    with("array_sort", "A", |mut call| {
        call.push(ScalarValue::from(true));
        call.push(ScalarValue::from(false));
        comparing(call, SORT)
    }),
    with("array_max", "A", |call| comparing(call, MAX)),
    with("array_min", "A", |call| comparing(call, MIN)),
    with("sequence", "aa?a", super::sequence::build),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[
    DISTINCT,
    MAX,
    MIN,
    CONTAINS,
    POSITION,
    REMOVE,
    APPEND,
    PREPEND,
    INSERT,
    UNION,
    INTERSECT,
    EXCEPT,
    OVERLAP,
    SORT,
    super::sequence::SEQUENCE,
];

const DISTINCT: Kernel = Kernel::new("spark_array_distinct", returns::first, |args| {
    sets(args, Sources::Both, |seen, row, _| seen.insert(row))
});
const MAX: Kernel =
    Kernel::new("spark_array_max", element, |args| extreme(args, true)).nulls(Nulls::Possible);
const MIN: Kernel =
    Kernel::new("spark_array_min", element, |args| extreme(args, false)).nulls(Nulls::Possible);
const CONTAINS: Kernel = Kernel::new("spark_array_contains", returns::boolean, |args| {
    let (lists, rows, wanted) = search(args)?;
    args.boolean_rows(|row| {
        let found = span(lists, row).any(|i| rows.row(i) == wanted.row(row));
        // A null element might be equal to the value, so the result is null.
        let unknown = !found && span(lists, row).any(|i| lists.values().is_null(i));
        Ok((!unknown).then_some(found))
    })
})
.nulls(Nulls::Possible);
const POSITION: Kernel = Kernel::new("spark_array_position", returns::long, |args| {
    let (lists, rows, wanted) = search(args)?;
    args.number_rows::<Int64Type>(|row| {
        let found = span(lists, row).position(|i| rows.row(i) == wanted.row(row));
        Ok(Some(found.map_or(0, |at| i64::try_from(at).unwrap_or(i64::MAX - 1) + 1)))
    })
});
const REMOVE: Kernel = Kernel::new("spark_array_remove", returns::first, |args| {
    let (lists, rows, wanted) = search(args)?;
    each_list(args, |_, row| {
        Ok(span(lists, row).filter(|i| rows.row(*i) != wanted.row(row)).map(|i| i as u64).collect())
    })
});
const APPEND: Kernel =
    Kernel::new("spark_array_append", returns::first, |args| extended(args, false))
        .nulls(Nulls::Possible);
const PREPEND: Kernel =
    Kernel::new("spark_array_prepend", returns::first, |args| extended(args, true))
        .nulls(Nulls::Possible);
const INSERT: Kernel =
    Kernel::new("spark_array_insert", returns::first, inserted).nulls(Nulls::Possible);
const UNION: Kernel = Kernel::new("spark_array_union", returns::first, |args| {
    sets(args, Sources::Both, |seen, row, _| seen.insert(row))
});
const INTERSECT: Kernel = Kernel::new("spark_array_intersect", returns::first, |args| {
    sets(args, Sources::First, |seen, row, other| {
        other.is_some_and(|o| o.contains(&row)) && seen.insert(row)
    })
});
const EXCEPT: Kernel = Kernel::new("spark_array_except", returns::first, |args| {
    sets(args, Sources::First, |seen, row, other| {
        other.is_some_and(|o| !o.contains(&row)) && seen.insert(row)
    })
});
const OVERLAP: Kernel =
    Kernel::new("spark_arrays_overlap", returns::boolean, overlap).nulls(Nulls::Possible);
const SORT: Kernel = Kernel::new("spark_sort_array", returns::first, sorted);

fn element(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    match types.first() {
        Some(DataType::List(field)) => Ok(field.data_type().clone()),
        other => not_impl_err!("the element of {other:?}"),
    }
}

/// A call of a function that compares elements with each other.
fn comparing(call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    ordered(&call)?;
    Ok(call.apply(kernel))
}

/// A call of a function that compares elements with a value.
fn searching(call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    ordered(&call)?;
    with_element(call, kernel)
}

/// Casts the array's elements and the value to their common type.
fn with_element(mut call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    let DataType::List(field) = &call.types[0] else { return Err(call.mismatch(0, "\"ARRAY\"")) };
    let pair = [field.data_type().clone(), call.types[1].clone()];
    let common = crate::types::common_type_without_text(&pair, call.ctx).ok_or_else(|| {
        FunctionError::DifferingTypes { name: call.name.to_owned(), types: call.types.clone() }
    })?;
    if pair[0] != common {
        call.cast(0, &list(common.clone()))?;
    }
    call.cast(1, &common)?;
    Ok(call.apply(kernel))
}

fn with_array(mut call: Call<'_>, kernel: Kernel) -> Result<Expr, FunctionError> {
    call.unify_without_text(0)?;
    comparing(call, kernel)
}

/// Index range of a row's elements in the values array.
fn span(lists: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = lists.value_offsets();
    let at = |i: usize| usize::try_from(offsets[i]).unwrap_or_default();
    at(row)..at(row + 1)
}

/// The elements and the value to search for in each row, as comparable rows.
fn search<'a>(args: &'a Args<'_>) -> Result<(&'a ListArray, Rows, Rows)> {
    let lists = args.lists(0)?;
    let comparable = Comparable::new(lists.values().data_type())?;
    Ok((lists, comparable.rows(lists.values())?, comparable.rows(args.array(1)?)?))
}

/// Builds arrays of selected elements, given by their indices in the values array.
fn each_list(
    args: &Args<'_>,
    mut pick: impl FnMut(&ListArray, usize) -> Result<Vec<u64>>,
) -> Result<ArrayRef> {
    let lists = args.lists(0)?;
    let rows = args.valid_rows().map(|row| row.map(|row| pick(lists, row)).transpose());
    renamed(taken(lists.values(), rows.collect::<Result<_>>()?)?, args)
}

fn renamed(array: ArrayRef, args: &Args<'_>) -> Result<ArrayRef> {
    if array.data_type() == args.returns {
        Ok(array)
    } else {
        Ok(compute::cast(&array, args.returns)?)
    }
}

/// Appends or prepends an element; a null element is added, a null array stays null.
fn extended(args: &Args<'_>, before: bool) -> Result<ArrayRef> {
    let (lists, elements) = (args.lists(0)?, args.array(1)?);
    let values = compute::concat(&[lists.values().as_ref(), elements.as_ref()])?;
    let start = lists.values().len();
    let rows = (0..args.rows).map(|row| {
        lists.is_valid(row).then(|| {
            let own = span(lists, row).map(|i| i as u64);
            let new = std::iter::once((start + row) as u64);
            if before { new.chain(own).collect() } else { own.chain(new).collect() }
        })
    });
    renamed(taken(&values, rows.collect())?, args)
}

/// Casts the array's elements and the new element to their common type.
fn array_insert(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let DataType::List(field) = &call.types[0] else { return Err(call.mismatch(0, "\"ARRAY\"")) };
    let pair = [field.data_type().clone(), call.types[2].clone()];
    let common = crate::types::common_type_without_text(&pair, call.ctx).ok_or_else(|| {
        FunctionError::DifferingTypes { name: call.name.to_owned(), types: call.types.clone() }
    })?;
    call.cast(0, &list(common.clone()))?;
    call.cast(2, &common)?;
    Ok(call.apply(INSERT))
}

/// Inserts an element at a position, counted from one or from the end; gaps are filled with nulls.
fn inserted(args: &Args<'_>) -> Result<ArrayRef> {
    const LIMIT: usize = i32::MAX as usize - 15;
    let (lists, places, elements) = (args.lists(0)?, args.values::<Int32Type>(1)?, args.array(2)?);
    let new = lists.values().len();
    let mut rows: Vec<Option<Vec<usize>>> = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if lists.is_null(row) || places.is_null(row) {
            rows.push(None);
            continue;
        }
        let place = places.value(row);
        let missing = new + args.rows;
        let mut own: Vec<usize> = span(lists, row).collect();
        let distance = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
        if distance.max(own.len() + 1) > LIMIT {
            return Err(run_time_error(
                condition::COLLECTION_SIZE_LIMIT_EXCEEDED_PARAMETER,
                format!(
                    "Can't create array with {distance} elements which exceeding the array size limit {LIMIT}."
                ),
            ));
        }
        match place {
            0 => {
                return Err(run_time_error(
                    condition::INVALID_INDEX_OF_ZERO,
                    "The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).",
                ));
            }
            1.. => {
                own.resize(own.len().max(distance - 1), missing);
                own.insert(distance - 1, new + row);
            }
            _ if distance <= own.len() + 1 => own.insert(own.len() + 1 - distance, new + row),
            _ => {
                let gap = distance - own.len() - 1;
                own.splice(
                    0..0,
                    std::iter::once(new + row).chain(std::iter::repeat_n(missing, gap)),
                );
            }
        }
        rows.push(Some(own));
    }
    let null = new_null_array(elements.data_type(), 1);
    let values = compute::concat(&[lists.values().as_ref(), elements.as_ref(), null.as_ref()])?;
    let picks = rows.into_iter().map(|row| Some(row?.into_iter().map(|i| i as u64).collect()));
    renamed(taken(&values, picks.collect())?, args)
}

type Keeps = for<'a> fn(&mut HashSet<Row<'a>>, Row<'a>, Option<&HashSet<Row<'a>>>) -> bool;

/// The arrays whose elements a set function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sources {
    First,
    Both,
}

/// Keeps the elements that `keeps` accepts, given those kept so far and those of the other array.
fn sets(args: &Args<'_>, sources: Sources, keeps: Keeps) -> Result<ArrayRef> {
    let lists = (0..args.len()).map(|i| args.lists(i)).collect::<Result<Vec<_>>>()?;
    let arrays: Vec<&dyn Array> = lists.iter().map(|l| l.values().as_ref()).collect();
    let values = normal(&compute::concat(&arrays)?, Zeros::One)?;
    let rows = Comparable::new(values.data_type())?.rows(&values)?;
    let second = lists[0].values().len();
    let picks = args.valid_rows().map(|row| {
        let row = row?;
        let own = span(lists[0], row);
        let other =
            lists.get(1).map_or(0..0, |l| span(l, row).start + second..span(l, row).end + second);
        let others: HashSet<Row<'_>> = other.clone().map(|i| rows.row(i)).collect();
        let mut seen = HashSet::new();
        let others = (lists.len() > 1).then_some(&others);
        let candidates = own.chain(if sources == Sources::Both { other } else { 0..0 });
        let kept = candidates.filter(|i| keeps(&mut seen, rows.row(*i), others));
        Some(kept.map(|i| i as u64).collect())
    });
    renamed(taken(&values, picks.collect())?, args)
}

fn overlap(args: &Args<'_>) -> Result<ArrayRef> {
    let (left, right) = (args.lists(0)?, args.lists(1)?);
    let comparable = Comparable::new(left.values().data_type())?;
    let (lefts, rights) = (comparable.rows(left.values())?, comparable.rows(right.values())?);
    let result = args.valid_rows().map(|row| {
        let row = row?;
        let (l, r) = (span(left, row), span(right, row));
        let valid: HashSet<Row<'_>> =
            l.clone().filter(|i| left.values().is_valid(*i)).map(|i| lefts.row(i)).collect();
        if r.clone().any(|i| valid.contains(&rights.row(i))) {
            return Some(true);
        }
        let has_null = l.clone().any(|i| left.values().is_null(i))
            || r.clone().any(|i| right.values().is_null(i));
        (l.is_empty() || r.is_empty() || !has_null).then_some(false)
    });
    Ok(Arc::new(result.collect::<BooleanArray>()))
}

/// Nulls are first in ascending order, last in descending order.
fn sort_array(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.default(2, ScalarValue::from(true));
    let nulls_first = call.args[1].clone();
    call.args.push(nulls_first);
    call.types.push(DataType::Boolean);
    comparing(call, SORT)
}

fn sorted(args: &Args<'_>) -> Result<ArrayRef> {
    let (ascending, nulls_first) = (args.booleans(1)?, args.booleans(2)?);
    each_list(args, |lists, row| {
        let options =
            SortOptions { descending: !ascending.value(row), nulls_first: nulls_first.value(row) };
        let start = span(lists, row).start as u64;
        let values = lists.value(row);
        let order = if values.data_type().is_nested() || has_floats(values.data_type()) {
            order_of_rows(&values, options)?
        } else {
            compute::sort_to_indices(&values, Some(options), None)?
        };
        Ok(order.values().iter().map(|i| start + u64::from(*i)).collect())
    })
}

/// Sort order of arrays, structs and floating-point numbers; stable. `options` determine the
/// position of nulls; a nested null is the smallest value.
fn order_of_rows(values: &ArrayRef, options: SortOptions) -> Result<arrow::array::UInt32Array> {
    let inside = SortOptions { nulls_first: !options.descending, ..options };
    let rows = Comparable::in_order(values.data_type(), inside)?.rows(values)?;
    let mut order: Vec<u32> = (0..u32::try_from(values.len()).unwrap_or(u32::MAX)).collect();
    order.sort_by_key(|at| {
        let at = *at as usize;
        (values.is_null(at) != options.nulls_first, rows.row(at))
    });
    Ok(order.into())
}

fn extreme(args: &Args<'_>, largest: bool) -> Result<ArrayRef> {
    let lists = args.lists(0)?;
    let rows = Comparable::new(lists.values().data_type())?.rows(lists.values())?;
    let picks = args.valid_rows().map(|row| {
        let valid = span(lists, row?).filter(|i| lists.values().is_valid(*i));
        // The first of equal elements.
        let best = valid.reduce(|best, i| {
            let (row, best_row) = (rows.row(i), rows.row(best));
            if if largest { row > best_row } else { row < best_row } { i } else { best }
        });
        best.map(|i| i as u64)
    });
    Ok(compute::take(lists.values(), &picks.collect::<UInt64Array>(), None)?)
}

/// Checks a length against the maximum length of an array.
pub(in crate::scalar) fn limit(length: i128, function: &str) -> Result<usize> {
    const LIMIT: i128 = i32::MAX as i128 - 15;
    usize::try_from(length).ok().filter(|_| length <= LIMIT).ok_or_else(|| {
        run_time_error(
            condition::COLLECTION_SIZE_LIMIT_EXCEEDED_PARAMETER,
            format!("Can't create array with {length} elements which exceeding the array size limit {LIMIT}, the value returned by the function `{function}` is too big."),
        )
    })
}
