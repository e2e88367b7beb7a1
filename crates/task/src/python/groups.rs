//! Groups in sorted rows.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{SortOptions, concat, partition};
use datafusion::common::Result;
use std::sync::Arc;

/// The order of grouped rows, by their keys.
pub(super) const ORDER: SortOptions = SortOptions { descending: false, nulls_first: true };

/// Finds where groups begin in batches of rows that are sorted by their keys.
#[derive(Debug)]
pub(super) struct Grouping {
    keys: Vec<usize>,
    /// The keys of the last row so far.
    last: Option<Vec<ArrayRef>>,
}

impl Grouping {
    /// `keys`: the columns of the key; without any, all rows are one group.
    pub(super) fn new(keys: Vec<usize>) -> Self {
        Self { keys, last: None }
    }

    /// The rows of the next batch at which a group begins. The batch is not empty.
    pub(super) fn starts(&mut self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let keys: Vec<ArrayRef> =
            self.keys.iter().map(|at| Arc::clone(batch.column(*at))).collect();
        let mut starts: Vec<u32> = if keys.is_empty() {
            vec![0]
        } else {
            let ranges = partition(&keys)?.ranges();
            ranges.iter().map(|range| u32::try_from(range.start).unwrap_or(u32::MAX)).collect()
        };
        if self.continues(&keys)? {
            starts.remove(0);
        }
        let end = batch.num_rows() - 1;
        self.last = Some(keys.iter().map(|key| key.slice(end, 1)).collect());
        Ok(starts)
    }

    /// Whether the first row has the keys of the last row so far.
    fn continues(&self, keys: &[ArrayRef]) -> Result<bool> {
        let Some(last) = &self.last else { return Ok(false) };
        if keys.is_empty() {
            return Ok(true);
        }
        let pairs = last.iter().zip(keys);
        let pairs = pairs.map(|(last, key)| concat(&[last.as_ref(), key.slice(0, 1).as_ref()]));
        let pairs = pairs.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(partition(&pairs)?.len() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};

    fn batch(keys: &[Option<i64>]) -> RecordBatch {
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"; keys.len()]));
        RecordBatch::try_from_iter([("k", keys), ("t", text)]).unwrap()
    }

    #[test]
    fn groups_go_on_in_the_next_batch() {
        let mut grouping = Grouping::new(vec![0, 1]);
        let batches: [(&[Option<i64>], &[u32]); 4] = [
            (&[None, None, Some(1)], &[0, 2]),
            (&[Some(1), Some(1)], &[]),
            (&[Some(1), Some(2), Some(3)], &[1, 2]),
            (&[Some(4)], &[0]),
        ];
        for (keys, starts) in batches {
            assert_eq!(grouping.starts(&batch(keys)).unwrap(), starts, "{keys:?}");
        }
    }

    #[test]
    fn without_keys_there_is_one_group() {
        let mut grouping = Grouping::new(Vec::new());
        assert_eq!(grouping.starts(&batch(&[Some(1), Some(2)])).unwrap(), [0]);
        assert_eq!(grouping.starts(&batch(&[Some(3)])).unwrap(), [0; 0]);
    }
}
