//! Columns of rows on their way through a worker that stay as they are, beside what it yields.

use arrow::array::{Array, Int64Array, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, exec_err};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The columns (see the module).
#[derive(Debug, Clone, Default)]
pub(super) struct Passed(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<RecordBatch>,
    /// Number of the first row that waits, among all that came.
    first: usize,
}

impl Passed {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, batch: RecordBatch) {
        self.waiting().batches.push_back(batch);
    }

    /// The number of rows that wait.
    pub(super) fn rows(&self) -> usize {
        self.waiting().batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The next rows, at most `limit` of one batch.
    pub(super) fn take(&self, limit: usize) -> Option<RecordBatch> {
        let mut waiting = self.waiting();
        let batch = waiting.batches.pop_front()?;
        let taken = limit.min(batch.num_rows());
        waiting.first += taken;
        if batch.num_rows() > taken {
            waiting.batches.push_front(batch.slice(taken, batch.num_rows() - taken));
        }
        Some(batch.slice(0, taken))
    }

    /// The rows with these numbers, which ascend, as batches with the ranges of the numbers that
    /// they are for. Rows before the last stop waiting.
    pub(super) fn numbered(
        &self,
        numbers: &Int64Array,
    ) -> Result<Vec<(RecordBatch, Range<usize>)>> {
        let mut waiting = self.waiting();
        let (mut found, mut at) = (Vec::new(), 0);
        while at < numbers.len() {
            let number = |at: usize| {
                let number = numbers.is_valid(at).then(|| numbers.value(at));
                number.and_then(|number| usize::try_from(number).ok())
            };
            let Some(wanted) = number(at).filter(|number| *number >= waiting.first) else {
                return exec_err!("a row of a Python worker belongs to none that waits");
            };
            let first = waiting.first;
            let Some(batch) = waiting.batches.front() else {
                return exec_err!("a row of a Python worker belongs to none that it got");
            };
            let end = first + batch.num_rows();
            if wanted >= end {
                waiting.first = end;
                waiting.batches.pop_front();
                continue;
            }
            let inside = (at..numbers.len()).map_while(|at| {
                let number = number(at).filter(|number| (first..end).contains(number))?;
                Some((number - first) as u64)
            });
            let places: UInt64Array = inside.map(Some).collect();
            found.push((take_record_batch(batch, &places)?, at..at + places.len()));
            at += places.len();
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;

    fn batch(values: &[i64]) -> RecordBatch {
        let column: Arc<dyn Array> = Arc::new(Int64Array::from(values.to_vec()));
        RecordBatch::try_from_iter([("a", column)]).unwrap()
    }

    fn values(batch: &RecordBatch) -> Vec<i64> {
        batch.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn rows_are_found_by_number_over_batches() {
        let passed = Passed::default();
        passed.push(batch(&[10, 11]));
        passed.push(batch(&[12]));
        passed.push(batch(&[13, 14]));
        let found = passed.numbered(&Int64Array::from(vec![0, 0, 1, 3])).unwrap();
        let found: Vec<_> = found.iter().map(|(batch, of)| (values(batch), of.clone())).collect();
        assert_eq!(found, [(vec![10, 10, 11], 0..3), (vec![13], 3..4)]);
        let found = passed.numbered(&Int64Array::from(vec![3, 4])).unwrap();
        assert_eq!(values(&found[0].0), [13, 14]);
        for wrong in [Some(0), Some(5), None] {
            assert!(passed.numbered(&Int64Array::from(vec![wrong])).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn rows_are_taken_in_order() {
        let passed = Passed::default();
        passed.push(batch(&[1, 2, 3]));
        assert_eq!(values(&passed.take(2).unwrap()), [1, 2]);
        assert_eq!(passed.rows(), 1);
        assert_eq!(values(&passed.take(2).unwrap()), [3]);
        assert!(passed.take(1).is_none());
    }
}
