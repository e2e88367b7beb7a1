//! Rows being put together: columns out of fields, of directory names, and of records that are not well formed.

use super::values::Values;
use super::{Mode, Origin, TextScan};
use arrow::array::builder::StringBuilder;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, ScalarValue, exec_err, internal_datafusion_err};
use errors::condition;
use std::sync::Arc;

/// Bytes of records after which a batch ends, however few its rows.
const BYTES: usize = 32 << 20;

/// Bytes of a record, at most: Arrow's text columns count them with 31 bits.
const LONGEST: usize = 1 << 30;

#[derive(Debug)]
enum Slot {
    Field(usize, Values),
    Partition(usize),
    Corrupt(StringBuilder),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    slots: Vec<Slot>,
    mode: Mode,
    count: usize,
    bytes: usize,
    /// Rows to be left out, by number.
    dropped: Vec<usize>,
}

impl Rows {
    pub(super) fn new(scan: &TextScan, mode: Mode, schema: SchemaRef) -> Result<Self> {
        let slot = |(origin, at): (&Origin, usize)| match origin {
            Origin::Field(position) => {
                let data_type = schema.field(at).data_type();
                Values::new(data_type)
                    .map(|values| Slot::Field(*position, values))
                    .ok_or_else(|| internal_datafusion_err!("{data_type} is not read from text"))
            }
            Origin::Partition(position) => Ok(Slot::Partition(*position)),
            Origin::Corrupt => Ok(Slot::Corrupt(StringBuilder::new())),
        };
        let slots = scan.origins.iter().zip(0..).map(slot).collect::<Result<_>>()?;
        Ok(Self { schema, slots, mode, count: 0, bytes: 0, dropped: Vec::new() })
    }

    /// The columns that are fields of the files, with their positions there.
    pub(super) fn fields(&mut self) -> impl Iterator<Item = (usize, &mut Values)> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Field(position, values) => Some((*position, values)),
            Slot::Partition(_) | Slot::Corrupt(_) => None,
        })
    }

    /// How many fields of the files are wanted.
    pub(super) fn width(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Field(..))).count()
    }

    /// Whether a column takes records that are not well formed.
    pub(super) fn keeps_corrupt(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Corrupt(_)))
    }

    /// Ends a row whose fields are all there. `record` is what it was read from, `bad` whether that was not well formed.
    pub(super) fn end(&mut self, record: &[u8], bad: bool) -> Result<()> {
        match self.mode {
            Mode::FailFast if bad => return Err(malformed(record)),
            Mode::DropMalformed if bad => self.dropped.push(self.count),
            _ => {}
        }
        for slot in &mut self.slots {
            match slot {
                Slot::Corrupt(records) if bad => {
                    records.append_value(String::from_utf8_lossy(record));
                }
                Slot::Corrupt(records) => records.append_null(),
                Slot::Field(..) | Slot::Partition(_) => {}
            }
        }
        self.count += 1;
        self.bytes += record.len();
        Ok(())
    }

    /// Ends a row of which nothing could be read.
    pub(super) fn end_unread(&mut self, record: &[u8]) -> Result<()> {
        self.fields().for_each(|(_, values)| values.push_null());
        self.end(record, true)
    }

    /// Whether there is enough for a batch.
    pub(super) fn is_full(&self, batch: usize) -> bool {
        self.count >= batch || self.bytes >= BYTES
    }

    /// The rows so far; none are left. `partition` are the values of the directory names.
    pub(super) fn finish(&mut self, partition: &[ScalarValue]) -> Result<Option<RecordBatch>> {
        let rows = std::mem::take(&mut self.count);
        self.bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let column = |slot: &mut Slot| -> Result<ArrayRef> {
            match slot {
                Slot::Field(_, values) => Ok(values.finish()?),
                Slot::Corrupt(records) => Ok(Arc::new(records.finish())),
                Slot::Partition(position) => match partition.get(*position) {
                    Some(value) => value.to_array_of_size(rows),
                    None => Err(internal_datafusion_err!("a file without its partition values")),
                },
            }
        };
        let columns = self.slots.iter_mut().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        if self.dropped.is_empty() {
            return Ok(Some(batch));
        }
        let mut kept = vec![true; rows];
        self.dropped.drain(..).for_each(|row| kept[row] = false);
        Ok(Some(filter_record_batch(&batch, &BooleanArray::from(kept))?))
    }
}

/// Refuses a record that is too long to be a value.
pub(super) fn check_length(record: &[u8]) -> Result<()> {
    if record.len() > LONGEST {
        return exec_err!("a record has {} bytes; {LONGEST} are the most", record.len());
    }
    Ok(())
}

/// The error of a record that is not well formed, where the mode is FAILFAST.
fn malformed(record: &[u8]) -> datafusion::error::DataFusionError {
    let text = String::from_utf8_lossy(record);
    let shown: String = text.chars().take(1000).collect();
    functions::run_time_error(
        condition::MALFORMED_RECORD_IN_PARSING_WITHOUT_SUGGESTION,
        format!(
            "Malformed records are detected in record parsing: {shown}.\nParse Mode: FAILFAST. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'."
        ),
    )
}
