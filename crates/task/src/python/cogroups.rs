//! Pairs of groups: two inputs, sorted by their keys, merged group by group.

use super::groups::ORDER;
use super::spec::{PythonSpec, Sent};
use super::stream::sent_batch;
use super::workers::ToWorker;
use arrow::array::new_null_array;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::common::{Result, internal_err};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::stream::{self, Stream, StreamExt};
use std::sync::Arc;

/// The inputs (see the module).
pub(super) struct CoGroups {
    sides: [Side; 2],
    stage: Stage,
}

/// What is sent next.
enum Stage {
    /// The groups of the next key.
    Next,
    /// The rest of a side's group of this key.
    Group(usize, OwnedRow),
    /// The ends of the inputs, beginning with this one.
    Ends(u8),
}

impl CoGroups {
    pub(super) fn new(
        spec: &PythonSpec,
        inputs: Vec<SendableRecordBatchStream>,
        schemas: &[SchemaRef],
    ) -> Result<Self> {
        let sides = inputs.into_iter().zip(&spec.sent).zip(schemas);
        let sides = sides.map(|((rows, sent), schema)| Side::new(rows, sent.clone(), schema));
        let Ok(sides) = <[Side; 2]>::try_from(sides.collect::<Result<Vec<_>>>()?) else {
            return internal_err!("pairs of groups need two inputs");
        };
        Ok(Self { sides, stage: Stage::Next })
    }

    pub(super) fn feed(self) -> impl Stream<Item = Result<ToWorker>> + Send {
        stream::try_unfold(self, async |mut groups| {
            Ok(groups.next().await?.map(|item| (item, groups)))
        })
    }

    async fn next(&mut self) -> Result<Option<ToWorker>> {
        loop {
            match &self.stage {
                Stage::Next => {
                    let left = self.sides[0].key().await?;
                    let right = self.sides[1].key().await?;
                    self.stage = match [left, right].into_iter().flatten().min() {
                        Some(key) => Stage::Group(0, key),
                        None => Stage::Ends(0),
                    };
                }
                Stage::Group(side, key) => {
                    let (side, key) = (*side, key.clone());
                    if let Some(batch) = self.sides[side].piece(&key).await? {
                        let input = u8::try_from(side).unwrap_or(u8::MAX);
                        return Ok(Some(ToWorker::Batch { input, batch, groups: None }));
                    }
                    if side == 0 {
                        self.stage = Stage::Group(1, key);
                    } else {
                        self.stage = Stage::Next;
                        return Ok(Some(ToWorker::EndOfGroups));
                    }
                }
                Stage::Ends(input) => {
                    let input = *input;
                    if input > 1 {
                        return Ok(None);
                    }
                    self.stage = Stage::Ends(input + 1);
                    return Ok(Some(ToWorker::End { input }));
                }
            }
        }
    }
}

/// One input.
struct Side {
    rows: SendableRecordBatchStream,
    sent: Sent,
    schema: SchemaRef,
    converter: RowConverter,
    /// The current batch, its keys, and the next row.
    current: Option<(RecordBatch, Rows, usize)>,
}

impl Side {
    fn new(rows: SendableRecordBatchStream, sent: Sent, schema: &SchemaRef) -> Result<Self> {
        let held = rows.schema();
        let keys = sent.keys.iter().map(|key| {
            let data_type = held.field(sent.columns[*key]).data_type().clone();
            SortField::new_with_options(data_type, ORDER)
        });
        let mut keys: Vec<SortField> = keys.collect();
        if keys.is_empty() {
            // All rows are one group.
            keys.push(SortField::new(DataType::Boolean));
        }
        let converter = RowConverter::new(keys)?;
        Ok(Self { rows, sent, schema: Arc::clone(schema), converter, current: None })
    }

    /// Makes the next row current; false at the end.
    async fn fill(&mut self) -> Result<bool> {
        loop {
            if let Some((batch, _, at)) = &self.current
                && *at < batch.num_rows()
            {
                return Ok(true);
            }
            let Some(batch) = self.rows.next().await.transpose()? else {
                self.current = None;
                return Ok(false);
            };
            let keys = self.sent.keys.iter().map(|key| batch.column(self.sent.columns[*key]));
            let mut keys: Vec<_> = keys.cloned().collect();
            if keys.is_empty() {
                keys.push(new_null_array(&DataType::Boolean, batch.num_rows()));
            }
            let keys = self.converter.convert_columns(&keys)?;
            self.current = Some((batch, keys, 0));
        }
    }

    /// The key of the next row.
    async fn key(&mut self) -> Result<Option<OwnedRow>> {
        self.fill().await?;
        Ok(self.current.as_ref().map(|(_, keys, at)| keys.row(*at).owned()))
    }

    /// The next rows with this key.
    async fn piece(&mut self, key: &OwnedRow) -> Result<Option<RecordBatch>> {
        if !self.fill().await? {
            return Ok(None);
        }
        let Some((batch, keys, at)) = &mut self.current else { return Ok(None) };
        let end = (*at..batch.num_rows()).find(|row| keys.row(*row) != key.row());
        let end = end.unwrap_or(batch.num_rows());
        if end == *at {
            return Ok(None);
        }
        let rows = batch.slice(*at, end - *at);
        *at = end;
        sent_batch(&self.sent, &rows, &self.schema).map(Some)
    }
}
