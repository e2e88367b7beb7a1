//! `transform`, `filter`, `exists`, `forall`, `zip_with`.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::elements::Elements;
use super::function::{Given, Taking};
use crate::types::list;

/// The type of an array's elements.
pub(super) fn element(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(field) => field.data_type().clone(),
        _ => DataType::Null,
    }
}

fn element_of(types: &[DataType], index: usize) -> DataType {
    types.get(index).map_or(DataType::Null, element)
}

fn element_and_index(types: &[DataType]) -> Vec<Vec<DataType>> {
    vec![vec![element_of(types, 0), DataType::Int32]]
}

pub(super) const TRANSFORM: Taking = Taking {
    name: "spark_transform",
    parameters: element_and_index,
    returns: |_, results| list(results.first().cloned().unwrap_or(DataType::Null)),
    run: |given| {
        let (elements, results) = of_elements(given)?;
        elements.list_of(results, given.returns)
    },
};

pub(super) const FILTER: Taking = Taking {
    name: "spark_filter",
    parameters: element_and_index,
    returns: |types, _| types.first().cloned().unwrap_or(DataType::Null),
    run: |given| {
        let (elements, results) = of_elements(given)?;
        let holds = results.as_boolean();
        let kept = elements.keep(|at| holds.is_valid(at) && holds.value(at));
        kept.list_of(kept.take(given.values[0].as_list::<i32>().values())?, given.returns)
    },
};

pub(super) const EXISTS: Taking = Taking {
    name: "spark_exists",
    parameters: |types| vec![vec![element_of(types, 0)]],
    returns: |_, _| DataType::Boolean,
    run: |given| decided(given, true),
};

pub(super) const FORALL: Taking =
    Taking { name: "spark_forall", run: |given| decided(given, false), ..EXISTS };

pub(super) const ZIP_WITH: Taking = Taking {
    name: "spark_zip_with",
    parameters: |types| vec![vec![element_of(types, 0), element_of(types, 1)]],
    returns: |_, results| list(results.first().cloned().unwrap_or(DataType::Null)),
    run: |given| {
        let (left, right) = (given.values[0].as_list::<i32>(), given.values[1].as_list::<i32>());
        let nulls = NullBuffer::union(left.nulls(), right.nulls());
        // The shorter array is padded with nulls.
        let length = |row: usize, _| left.value_length(row).max(right.value_length(row));
        let length = |row: usize, own| usize::try_from(length(row, own)).unwrap_or_default();
        let lefts = Elements::padded(left.offsets(), nulls.as_ref(), length);
        let rights = Elements::padded(right.offsets(), nulls.as_ref(), length);
        let pairs = [lefts.take(left.values())?, rights.take(right.values())?];
        let results = given.evaluate(0, &pairs, &lefts.rows)?;
        lefts.list_of(results, given.returns)
    },
};

/// Evaluates the lambda for each element and its index.
fn of_elements(given: &Given<'_>) -> Result<(Elements, ArrayRef)> {
    let lists = given.values[0].as_list::<i32>();
    let elements = Elements::of(lists.offsets(), lists.nulls());
    let parameters = [elements.take(lists.values())?, elements.indices()];
    let results = given.evaluate(0, &parameters, &elements.rows)?;
    Ok((elements, results))
}

/// True or false as soon as one element decides it (`by`); null if none does and one result is
/// null.
fn decided(given: &Given<'_>, by: bool) -> Result<ArrayRef> {
    let (elements, results) = of_elements(given)?;
    let results = results.as_boolean();
    let mut at = 0;
    let answers = elements.lengths.iter().enumerate().map(|(row, length)| {
        let span = at..at + length;
        at += length;
        if elements.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        if span.clone().any(|at| results.is_valid(at) && results.value(at) == by) {
            return Some(by);
        }
        span.into_iter().all(|at| results.is_valid(at)).then_some(!by)
    });
    Ok(Arc::new(answers.collect::<BooleanArray>()))
}
