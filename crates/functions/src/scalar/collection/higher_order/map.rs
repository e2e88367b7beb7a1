//! `map_filter`, `transform_keys`, `transform_values`, `map_zip_with`.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::OwnedRow;
use datafusion::common::Result;

use super::elements::Elements;
use super::function::{Given, Taking};
use crate::normal::{Comparable, Zeros, normal};
use crate::scalar::collection::map::{Repeated, build};
use crate::types::{entry_types, map};

fn entry(types: &[DataType], index: usize) -> (DataType, DataType) {
    let found = types.get(index).and_then(entry_types);
    found.map_or((DataType::Null, DataType::Null), |(key, value)| (key.clone(), value.clone()))
}

fn key_and_value(types: &[DataType]) -> Vec<Vec<DataType>> {
    let (key, value) = entry(types, 0);
    vec![vec![key, value]]
}

fn result(results: &[DataType]) -> DataType {
    results.first().cloned().unwrap_or(DataType::Null)
}

pub(super) const FILTER: Taking = Taking {
    name: "spark_map_filter",
    parameters: key_and_value,
    returns: |types, _| types.first().cloned().unwrap_or(DataType::Null),
    run: |given| {
        let (elements, _, results) = of_entries(given)?;
        let holds = results.as_boolean();
        let kept = elements.keep(|at| holds.is_valid(at) && holds.value(at));
        let maps = given.values[0].as_map();
        let columns = (kept.take(maps.keys())?, kept.take(maps.values())?);
        let spans = (kept.offsets(), kept.nulls);
        build(given.returns, columns, spans, Repeated::Fail)
    },
};

pub(super) const TRANSFORM_VALUES: Taking = Taking {
    name: "spark_transform_values",
    parameters: key_and_value,
    returns: |types, results| map(entry(types, 0).0, result(results)),
    run: |given| {
        let (elements, [keys, _], results) = of_entries(given)?;
        let spans = (elements.offsets(), elements.nulls);
        build(given.returns, (keys, results), spans, Repeated::Fail)
    },
};

pub(super) const TRANSFORM_KEYS: Taking = Taking {
    name: "spark_transform_keys",
    parameters: key_and_value,
    returns: |types, results| map(result(results), entry(types, 0).1),
    run: |given| with_new_keys(given, Repeated::Fail),
};

pub(super) const TRANSFORM_KEYS_LAST_WIN: Taking = Taking {
    name: "spark_transform_keys_last_win",
    run: |given| with_new_keys(given, Repeated::LastWins),
    ..TRANSFORM_KEYS
};

fn with_new_keys(given: &Given<'_>, repeated: Repeated) -> Result<ArrayRef> {
    let (elements, [_, values], results) = of_entries(given)?;
    build(given.returns, (results, values), (elements.offsets(), elements.nulls), repeated)
}

/// Evaluates the lambda for each key and value.
fn of_entries(given: &Given<'_>) -> Result<(Elements, [ArrayRef; 2], ArrayRef)> {
    let maps = given.values[0].as_map();
    let elements = Elements::of(maps.offsets(), maps.nulls());
    let entries = [elements.take(maps.keys())?, elements.take(maps.values())?];
    let results = given.evaluate(0, &entries, &elements.rows)?;
    Ok((elements, entries, results))
}

pub(super) const ZIP_WITH: Taking = Taking {
    name: "spark_map_zip_with",
    parameters: |types| {
        let (key, left) = entry(types, 0);
        vec![vec![key, left, entry(types, 1).1]]
    },
    returns: |types, results| map(entry(types, 0).0, result(results)),
    run: zip,
};

/// The keys of both maps, those of the first map first; a value missing in a map is null.
fn zip(given: &Given<'_>) -> Result<ArrayRef> {
    let (left, right) = (given.values[0].as_map(), given.values[1].as_map());
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let keys = compute::concat(&[left.keys().as_ref(), right.keys().as_ref()])?;
    let keys = normal(&keys, Zeros::One)?;
    let comparable = Comparable::new(keys.data_type())?.rows(&keys)?;
    let second = left.keys().len();
    let (mut rows, mut lengths) = (Vec::new(), Vec::new());
    let mut places: [Vec<Option<u64>>; 3] = Default::default();
    for row in 0..given.rows {
        let before = rows.len();
        if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            let span = |offsets: &[i32]| {
                let at = |index: usize| usize::try_from(offsets[index]).unwrap_or_default();
                at(row)..at(row + 1)
            };
            let mut known: HashMap<OwnedRow, usize> = HashMap::new();
            for at in span(left.value_offsets()) {
                known.insert(comparable.row(at).owned(), rows.len());
                push(&mut places, [Some(at), Some(at), None]);
                rows.push(row as u64);
            }
            for at in span(right.value_offsets()) {
                if let Some(entry) = known.get(&comparable.row(second + at).owned()) {
                    places[2][*entry] = Some(at as u64);
                } else {
                    push(&mut places, [Some(second + at), None, Some(at)]);
                    rows.push(row as u64);
                }
            }
        }
        lengths.push(rows.len() - before);
    }
    let [keys_at, left_at, right_at] = places.map(UInt64Array::from);
    let parameters = [
        compute::take(&keys, &keys_at, None)?,
        compute::take(left.values(), &left_at, None)?,
        compute::take(right.values(), &right_at, None)?,
    ];
    let rows = UInt64Array::from(rows);
    let results = given.evaluate(0, &parameters, &rows)?;
    let elements = Elements { rows, places: keys_at, lengths, nulls };
    let [keys, ..] = parameters;
    let spans = (elements.offsets(), elements.nulls);
    build(given.returns, (keys, results), spans, Repeated::Fail)
}

fn push(places: &mut [Vec<Option<u64>>; 3], entry: [Option<usize>; 3]) {
    for (column, place) in places.iter_mut().zip(entry) {
        column.push(place.map(|at| at as u64));
    }
}
