//! Rows as they travel to a client: Arrow IPC streams of one batch each.

use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use std::sync::Arc;

/// An IPC stream of one batch, and its rows.
pub(crate) type Encoded = (Bytes, u64);

/// The rows in batches of at most `limit` rows, and nearly as many where there are. At least one
/// batch, perhaps without rows: it tells the client the types.
pub(crate) fn encode(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    limit: usize,
) -> Result<Vec<Encoded>, ArrowError> {
    let mut encoded = Vec::new();
    let mut gathered: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    for batch in batches {
        let mut start = 0;
        while start < batch.num_rows() {
            let length = (batch.num_rows() - start).min(limit - rows);
            gathered.push(batch.slice(start, length));
            start += length;
            rows += length;
            if rows == limit {
                encoded.push(one(&concat_batches(&gathered[0].schema(), &gathered)?)?);
                gathered.clear();
                rows = 0;
            }
        }
    }
    if let Some(first) = gathered.first() {
        encoded.push(one(&concat_batches(&first.schema(), &gathered)?)?);
    }
    if encoded.is_empty() {
        let schema = batches.first().map_or_else(|| Arc::clone(schema), RecordBatch::schema);
        encoded.push(one(&RecordBatch::new_empty(schema))?);
    }
    Ok(encoded)
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
            let encoded = encode(&batch(0..0).schema(), &batches, 10).unwrap();
            let rows: Vec<u64> = encoded.iter().map(|(_, rows)| *rows).collect();
            assert_eq!(rows, expected);
        }
    }
}
