//! Rows as they travel to a client: Arrow IPC streams of one batch each. They are encoded one at a
//! time, and what is encoded is dropped: a slow client does not cost a second copy of its result.

use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use std::collections::VecDeque;

/// An IPC stream of one batch, and its rows.
pub(crate) type Encoded = (Bytes, u64);

/// Bytes of a batch that is sent, about: less than one message may have, and a part of what waits
/// for a client.
const BYTES: usize = 4 << 20;

/// Batches that wait until there are enough rows to send.
#[derive(Debug)]
pub(crate) struct Gathered {
    schema: SchemaRef,
    limit: usize,
    waiting: VecDeque<RecordBatch>,
    /// Whether nothing was taken yet.
    is_first: bool,
}

impl Gathered {
    /// For batches of at most `limit` rows, and nearly as many where there are.
    pub(crate) fn new(schema: SchemaRef, limit: usize) -> Self {
        Self { schema, limit, waiting: VecDeque::new(), is_first: true }
    }

    /// Adds rows.
    pub(crate) fn add(&mut self, batch: RecordBatch) {
        let most = rows_of(&batch, BYTES);
        for start in (0..batch.num_rows()).step_by(most) {
            let part = batch.slice(start, most.min(batch.num_rows() - start));
            self.waiting.push_back(part);
        }
    }

    /// The next batch, if there are enough rows for it; of all rows if these are the last. At least
    /// one in all, perhaps without rows: it tells the client the types.
    pub(crate) fn take(&mut self, is_last: bool) -> Option<Result<Encoded, ArrowError>> {
        let (mut taken, mut rows, mut bytes) = (Vec::new(), 0, 0);
        let is_full = |rows: usize, bytes: usize| rows >= self.limit || bytes >= BYTES;
        let mut next = 0;
        while !is_full(rows, bytes)
            && let Some(batch) = self.waiting.get(next)
        {
            rows += batch.num_rows();
            bytes += size(batch);
            next += 1;
        }
        if !is_full(rows, bytes) && !is_last || rows == 0 && !self.is_first {
            return None;
        }
        self.is_first = false;
        if let Some(first) = self.waiting.front() {
            self.schema = first.schema();
        }
        taken.extend(self.waiting.drain(..next));
        if let Some(over) = rows.checked_sub(self.limit).filter(|over| *over > 0)
            && let Some(last) = taken.pop()
        {
            let kept = last.num_rows() - over;
            self.waiting.push_front(last.slice(kept, over));
            taken.push(last.slice(0, kept));
        }
        Some(concat_batches(&self.schema, &taken).and_then(|batch| one(&batch)))
    }
}

/// How many rows of a batch have this many bytes, about; at least one.
fn rows_of(batch: &RecordBatch, bytes: usize) -> usize {
    let rows = batch.num_rows();
    (rows.saturating_mul(bytes) / size(batch).max(1)).clamp(1, rows.max(1))
}

/// Bytes of the rows of a batch, without those of others in the same buffers.
fn size(batch: &RecordBatch) -> usize {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    sizes.map(|size| size.unwrap_or(0)).sum()
}

fn one(batch: &RecordBatch) -> Result<Encoded, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    Ok((writer.into_inner()?.into(), batch.num_rows() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use std::sync::Arc;

    fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(rows));
        RecordBatch::try_from_iter([("id", column)]).unwrap()
    }

    #[test]
    fn small_batches_are_put_together_and_large_ones_cut() {
        let cases: [(Vec<RecordBatch>, Vec<u64>); 4] = [
            (vec![batch(0..1), batch(1..2), batch(2..3)], vec![3]),
            (vec![batch(0..25)], vec![10, 10, 5]),
            (vec![batch(0..7), batch(7..14)], vec![10, 4]),
            (vec![], vec![0]),
        ];
        for (batches, expected) in cases {
            let mut gathered = Gathered::new(batch(0..0).schema(), 10);
            for batch in batches {
                gathered.add(batch);
            }
            let taken = std::iter::from_fn(|| gathered.take(false)).collect::<Vec<_>>();
            let rest = std::iter::from_fn(|| gathered.take(true));
            let rows: Vec<u64> = taken.into_iter().chain(rest).map(|one| one.unwrap().1).collect();
            assert_eq!(rows, expected);
        }
    }
}
