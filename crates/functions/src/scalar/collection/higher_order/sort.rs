//! `array_sort(array, (left, right) -> number)`: a merge sort of all arrays in step, so that one
//! evaluation of the lambda compares many pairs.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::Result;
use errors::condition;

use super::array::element;
use super::elements::Elements;
use super::function::{Given, Taking};
use crate::run_time_error;

pub(super) const SORT: Taking = Taking {
    name: "spark_array_sort",
    parameters: |types| {
        let element = types.first().map_or(DataType::Null, element);
        vec![vec![element.clone(), element]]
    },
    returns: |types, _| types.first().cloned().unwrap_or(DataType::Null),
    run: |given| {
        let lists = given.values[0].as_list::<i32>();
        let elements = Elements::of(lists.offsets(), lists.nulls());
        let values = elements.take(lists.values())?;
        let order = sorted(given, &elements, &values)?;
        elements.list_of(compute::take(&values, &UInt64Array::from(order), None)?, given.returns)
    },
};

/// Two sorted runs being merged.
struct Merge {
    left: std::ops::Range<usize>,
    right: std::ops::Range<usize>,
    out: Vec<u64>,
}

impl Merge {
    /// Outputs what needs no comparison; returns whether one is needed.
    fn waits(&mut self, order: &[u64]) -> bool {
        if self.left.is_empty() || self.right.is_empty() {
            let rest = self.left.clone().chain(self.right.clone());
            self.out.extend(rest.map(|at| order[at]));
            (self.left, self.right) = (0..0, 0..0);
            return false;
        }
        true
    }

    fn take(&mut self, order: &[u64], right_first: bool) {
        let run = if right_first { &mut self.right } else { &mut self.left };
        if let Some(at) = run.next() {
            self.out.push(order[at]);
        }
    }
}

fn sorted(given: &Given<'_>, elements: &Elements, values: &ArrayRef) -> Result<Vec<u64>> {
    let mut order: Vec<u64> = (0..values.len() as u64).collect();
    let longest = elements.lengths.iter().copied().max().unwrap_or_default();
    let mut width = 1;
    while width < longest {
        let mut merges = Vec::new();
        let mut start = 0;
        for length in &elements.lengths {
            let end = start + length;
            for at in (start..end).step_by(2 * width) {
                let (middle, last) = ((at + width).min(end), (at + 2 * width).min(end));
                merges.push(Merge { left: at..middle, right: middle..last, out: Vec::new() });
            }
            start = end;
        }
        while step(given, elements, values, (&order, &mut merges))? {}
        order = merges.into_iter().flat_map(|merge| merge.out).collect();
        width *= 2;
    }
    Ok(order)
}

/// One comparison for each merge that needs one; returns whether there was any.
fn step(
    given: &Given<'_>,
    elements: &Elements,
    values: &ArrayRef,
    (order, merges): (&[u64], &mut [Merge]),
) -> Result<bool> {
    let mut waiting: Vec<&mut Merge> =
        merges.iter_mut().filter_map(|merge| merge.waits(order).then_some(merge)).collect();
    if waiting.is_empty() {
        return Ok(false);
    }
    let side = |of: fn(&Merge) -> usize| -> UInt64Array {
        waiting.iter().map(|merge| order[of(merge)]).collect::<Vec<_>>().into()
    };
    let (lefts, rights) = (side(|merge| merge.left.start), side(|merge| merge.right.start));
    let rows = compute::take(&elements.rows, &lefts, None)?;
    let pair = [compute::take(values, &lefts, None)?, compute::take(values, &rights, None)?];
    let answers = given.evaluate(0, &pair, &rows)?;
    let answers = answers.as_primitive::<Int32Type>();
    for (at, merge) in waiting.iter_mut().enumerate() {
        if answers.is_null(at) {
            return Err(no_answer(&pair, at)?);
        }
        merge.take(order, answers.value(at) > 0);
    }
    Ok(true)
}

fn no_answer(pair: &[ArrayRef; 2], at: usize) -> Result<datafusion::error::DataFusionError> {
    let text = |side: usize| crate::show(&pair[side].slice(at, 1), "UTC");
    Ok(run_time_error(
        condition::COMPARATOR_RETURNS_NULL,
        format!(
            "The comparator has returned a NULL for a comparison between {} and {}. It should return a positive integer for \"greater than\", 0 for \"equal\" and a negative integer for \"less than\". To revert to deprecated behavior where NULL is treated as 0 (equal), you must set \"spark.sql.legacy.allowNullComparisonResultInArraySort\" to \"true\".",
            text(0)?.value(0),
            text(1)?.value(0),
        ),
    ))
}
