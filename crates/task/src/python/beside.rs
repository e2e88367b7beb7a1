//! Columns of rows on their way through a worker that stay as they are, beside what it yields.
//!
//! A worker yields a row for each that it gets soon after, so few rows wait. A table function may
//! read any number of rows before it yields some for them, or none at all: those that wait for it
//! have a reservation in the task's memory.

use crate::writer::sliced_bytes;
use arrow::array::{Array, Int64Array, UInt64Array};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use datafusion::common::{Result, exec_err};
use datafusion::execution::memory_pool::MemoryReservation;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The columns (see the module).
#[derive(Debug, Clone, Default)]
pub(super) struct Passed(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// The rows, each batch with the bytes that are reserved for it.
    batches: VecDeque<(RecordBatch, usize)>,
    /// Number of the first row that waits, among all that came.
    first: usize,
    reservation: Option<MemoryReservation>,
}

impl Waiting {
    /// Forgets the first batch, whose rows are numbered up to `end`.
    fn pass(&mut self, end: usize) {
        self.first = end;
        if let (Some((_, bytes)), Some(reservation)) =
            (self.batches.pop_front(), &mut self.reservation)
        {
            reservation.shrink(bytes);
        }
    }
}

impl Passed {
    /// Columns that have to fit into this memory.
    pub(super) fn within(reservation: MemoryReservation) -> Self {
        let waiting = Waiting { reservation: Some(reservation), ..Waiting::default() };
        Self(Arc::new(Mutex::new(waiting)))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, batch: RecordBatch) -> Result<()> {
        let mut waiting = self.waiting();
        let mut bytes = 0;
        if let Some(reservation) = &mut waiting.reservation {
            bytes = sliced_bytes(&batch);
            reservation.try_grow(bytes)?;
        }
        waiting.batches.push_back((batch, bytes));
        Ok(())
    }

    /// The number of rows that wait.
    pub(super) fn rows(&self) -> usize {
        self.waiting().batches.iter().map(|(batch, _)| batch.num_rows()).sum()
    }

    /// The next rows, at most `limit` of one batch.
    pub(super) fn take(&self, limit: usize) -> Option<RecordBatch> {
        let mut waiting = self.waiting();
        let (batch, bytes) = waiting.batches.front()?.clone();
        let taken = limit.min(batch.num_rows());
        let end = waiting.first + taken;
        if batch.num_rows() > taken {
            let rest = batch.slice(taken, batch.num_rows() - taken);
            waiting.batches[0] = (rest, bytes);
            waiting.first = end;
        } else {
            waiting.pass(end);
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
            let Some((batch, _)) = waiting.batches.front() else {
                return exec_err!("a row of a Python worker belongs to none that it got");
            };
            let end = first + batch.num_rows();
            if wanted >= end {
                waiting.pass(end);
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
    use datafusion::error::DataFusionError;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

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
        passed.push(batch(&[10, 11])).unwrap();
        passed.push(batch(&[12])).unwrap();
        passed.push(batch(&[13, 14])).unwrap();
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
        passed.push(batch(&[1, 2, 3])).unwrap();
        assert_eq!(values(&passed.take(2).unwrap()), [1, 2]);
        assert_eq!(passed.rows(), 1);
        assert_eq!(values(&passed.take(2).unwrap()), [3]);
        assert!(passed.take(1).is_none());
    }

    #[test]
    fn rows_that_wait_are_reserved_until_they_have_passed() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(40));
        let passed = Passed::within(MemoryConsumer::new("rows that wait").register(&pool));
        passed.push(batch(&[0, 1])).unwrap();
        passed.push(batch(&[2, 3])).unwrap();
        assert_eq!(pool.reserved(), 32);
        let error = passed.push(batch(&[4, 5])).unwrap_err();
        assert!(matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)), "{error}");
        assert!(error.to_string().contains("rows that wait"), "{error}");
        passed.numbered(&Int64Array::from(vec![2])).unwrap();
        assert_eq!(pool.reserved(), 16);
        passed.push(batch(&[4, 5])).unwrap();
        passed.take(1).unwrap();
        assert_eq!(pool.reserved(), 32);
        passed.take(2).unwrap();
        assert_eq!(pool.reserved(), 16);
        drop(passed);
        assert_eq!(pool.reserved(), 0);
    }
}
