//! `aggregate(array, start, (acc, element) -> acc, acc -> result)`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::array::element;
use super::function::{Given, Taking, retyped};

pub(super) const AGGREGATE: Taking = Taking {
    name: "spark_aggregate",
    parameters: |types| {
        let of = |index: usize| types.get(index).cloned().unwrap_or(DataType::Null);
        vec![vec![of(1), element(&of(0))], vec![of(1)]]
    },
    returns: |types, results| results.get(1).or(types.get(1)).cloned().unwrap_or(DataType::Null),
    run,
};

/// All rows advance in step: first their first elements, then their second ones, until no row has
/// another.
fn run(given: &Given<'_>) -> Result<ArrayRef> {
    let lists = given.values[0].as_list::<i32>();
    let mut state = Arc::clone(&given.values[1]);
    let valid: Vec<u64> =
        (0..given.rows).filter(|row| lists.is_valid(*row)).map(|row| row as u64).collect();
    let mut active = valid.clone();
    for step in 0.. {
        active.retain(|row| lists.value_length(index(*row)) > step);
        if active.is_empty() {
            break;
        }
        let rows = UInt64Array::from(active.clone());
        let places = active.iter().map(|row| {
            u64::try_from(lists.value_offsets()[index(*row)] + step).unwrap_or_default()
        });
        let places = UInt64Array::from_iter_values(places);
        let parameters =
            [compute::take(&state, &rows, None)?, compute::take(lists.values(), &places, None)?];
        let merged = retyped(given.evaluate(0, &parameters, &rows)?, state.data_type())?;
        state = replaced(&state, &merged, &active)?;
    }
    let rows = UInt64Array::from(valid.clone());
    let states = compute::take(&state, &rows, None)?;
    let results =
        if given.lambdas.len() > 1 { given.evaluate(1, &[states], &rows)? } else { states };
    // The result for a null array is null.
    let mut next = 0_u64..;
    let places = (0..given.rows).map(|row| if lists.is_valid(row) { next.next() } else { None });
    given.retyped(compute::take(&results, &places.collect::<UInt64Array>(), None)?)
}

fn index(row: u64) -> usize {
    usize::try_from(row).unwrap_or_default()
}

/// The values with those of the given rows replaced.
fn replaced(old: &ArrayRef, new: &ArrayRef, rows: &[u64]) -> Result<ArrayRef> {
    if rows.len() == old.len() {
        return Ok(Arc::clone(new));
    }
    let mut places: Vec<(usize, usize)> = (0..old.len()).map(|row| (0, row)).collect();
    for (at, row) in rows.iter().enumerate() {
        places[index(*row)] = (1, at);
    }
    Ok(compute::interleave(&[old.as_ref(), new.as_ref()], &places)?)
}
