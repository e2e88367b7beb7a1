//! Rows as they travel to a client: Arrow IPC streams of one batch each. They are encoded one at a
//! time, and what is encoded is dropped: a slow client does not cost a second copy of its result.

use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// An IPC stream of one batch, and its rows.
pub(crate) type Encoded = (Bytes, u64);

/// The rows in batches of at most `limit` rows, and nearly as many where there are. At least one
/// batch, perhaps without rows: it tells the client the types.
pub(crate) fn encoded(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    limit: usize,
) -> impl Iterator<Item = Result<Encoded, ArrowError>> + use<> {
    let schema = batches.first().map_or_else(|| Arc::clone(schema), RecordBatch::schema);
    let mut rest: VecDeque<_> = batches.into();
    let mut is_first = true;
    std::iter::from_fn(move || {
        let gathered = take(&mut rest, limit);
        let is_needed = !gathered.is_empty() || is_first;
        is_first = false;
        is_needed.then(|| one(&concat_batches(&schema, &gathered)?))
    })
}

/// Takes the next rows out, at most `limit`.
fn take(rest: &mut VecDeque<RecordBatch>, limit: usize) -> Vec<RecordBatch> {
    let (mut taken, mut rows) = (Vec::new(), 0);
    while rows < limit
        && let Some(batch) = rest.pop_front()
    {
        let length = batch.num_rows().min(limit - rows);
        if length < batch.num_rows() {
            rest.push_front(batch.slice(length, batch.num_rows() - length));
        }
        if length > 0 {
            taken.push(batch.slice(0, length));
        }
        rows += length;
    }
    taken
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
            let encoded = encoded(&batch(0..0).schema(), batches, 10);
            let rows: Vec<u64> = encoded.map(|one| one.unwrap().1).collect();
            assert_eq!(rows, expected);
        }
    }
}
