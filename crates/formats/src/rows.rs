//! Rows being put together: columns out of fields, of values that the caller gives, and of records
//! that are not well formed.

use crate::records::Mode;
use crate::values::Values;
use arrow::array::builder::StringBuilder;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use errors::{Condition, SparkError, condition};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Result of what works on columns; an error of Spark's is inside of Arrow's.
type Result<T> = std::result::Result<T, ArrowError>;

/// Bytes of records after which a batch ends, however few its rows.
const BYTES: usize = 32 << 20;

/// Bytes of a record, at most: Arrow's text columns count them with 31 bits.
const LONGEST: usize = 1 << 30;

/// Where a column of the rows comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The field at that position in the records.
    Field(usize),
    /// The value at that position among those that the caller gives, such as those of directory
    /// names.
    Given(usize),
    /// The record itself, if it is not well formed.
    Corrupt,
}

#[derive(Debug)]
enum Slot {
    Field(usize, Values),
    Given(usize),
    Corrupt(StringBuilder),
}

/// See the module.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    slots: Vec<Slot>,
    mode: Mode,
    count: usize,
    bytes: usize,
    /// Rows to be left out, by number.
    dropped: Vec<usize>,
}

impl Rows {
    /// No rows yet. There is an origin for every column of the schema.
    pub fn new(origins: &[Origin], mode: Mode, schema: SchemaRef) -> Result<Self> {
        let slot = |(origin, at): (&Origin, usize)| match origin {
            Origin::Field(position) => {
                let data_type = schema.field(at).data_type();
                let unread = || ArrowError::NotYetImplemented(format!("{data_type} out of text"));
                Ok(Slot::Field(*position, Values::new(data_type).ok_or_else(unread)?))
            }
            Origin::Given(position) => Ok(Slot::Given(*position)),
            Origin::Corrupt => Ok(Slot::Corrupt(StringBuilder::new())),
        };
        let slots = origins.iter().zip(0..).map(slot).collect::<Result<_>>()?;
        Ok(Self { schema, slots, mode, count: 0, bytes: 0, dropped: Vec::new() })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns that are fields of the records, with their positions there.
    pub fn fields(&mut self) -> impl Iterator<Item = (usize, &mut Values)> {
        self.slots.iter_mut().filter_map(|slot| match slot {
            Slot::Field(position, values) => Some((*position, values)),
            Slot::Given(_) | Slot::Corrupt(_) => None,
        })
    }

    /// How many fields of the records are wanted.
    pub fn width(&self) -> usize {
        self.slots.iter().filter(|slot| matches!(slot, Slot::Field(..))).count()
    }

    /// Whether a column takes records that are not well formed.
    pub fn keeps_corrupt(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Corrupt(_)))
    }

    /// Ends a row whose fields are all there. `record` is what it was read from, `bad` whether that
    /// was not well formed.
    pub fn end(&mut self, record: &[u8], bad: bool) -> Result<()> {
        match self.mode {
            Mode::FailFast if bad => {
                return Err(malformed(
                    condition::MALFORMED_RECORD_IN_PARSING_WITHOUT_SUGGESTION,
                    record,
                ));
            }
            Mode::DropMalformed if bad => self.dropped.push(self.count),
            _ => {}
        }
        for slot in &mut self.slots {
            match slot {
                Slot::Corrupt(records) if bad => {
                    records.append_value(String::from_utf8_lossy(record));
                }
                Slot::Corrupt(records) => records.append_null(),
                Slot::Field(..) | Slot::Given(_) => {}
            }
        }
        self.count += 1;
        self.bytes += record.len();
        Ok(())
    }

    /// Ends a row of which nothing could be read.
    pub fn end_unread(&mut self, record: &[u8]) -> Result<()> {
        self.fields().for_each(|(_, values)| values.push_null());
        self.end(record, true)
    }

    /// The same where FAILFAST has a condition of its own.
    pub fn end_unread_for(&mut self, condition: &'static Condition, record: &[u8]) -> Result<()> {
        if self.mode == Mode::FailFast {
            return Err(malformed(condition, record));
        }
        self.end_unread(record)
    }

    /// Whether there is enough for a batch.
    pub fn is_full(&self, batch: usize) -> bool {
        self.count >= batch || self.bytes >= BYTES
    }

    /// Ends a row whose record says nothing, which only FAILFAST minds.
    pub fn end_blank(&mut self, record: &[u8]) -> Result<()> {
        if self.mode == Mode::FailFast {
            return self.end_unread(record);
        }
        self.end_missing()
    }

    /// Ends a row for which there is no record.
    pub fn end_missing(&mut self) -> Result<()> {
        self.fields().for_each(|(_, values)| values.push_null());
        self.end(b"", false)
    }

    /// The rows so far; none are left. `given` makes a column of a value that the caller gives, for
    /// a number of rows.
    pub fn finish(
        &mut self,
        mut given: impl FnMut(usize, usize) -> Result<ArrayRef>,
    ) -> Result<Option<RecordBatch>> {
        let rows = std::mem::take(&mut self.count);
        self.bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let column = |slot: &mut Slot| -> Result<ArrayRef> {
            match slot {
                Slot::Field(_, values) => values.finish(),
                Slot::Corrupt(records) => Ok(Arc::new(records.finish())),
                Slot::Given(position) => given(*position, rows),
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
pub fn check_length(record: &[u8]) -> Result<()> {
    if record.len() > LONGEST {
        let message = format!("a record has {} bytes; {LONGEST} are the most", record.len());
        return Err(ArrowError::InvalidArgumentError(message));
    }
    Ok(())
}

/// The error of a record that is not well formed, where the mode is FAILFAST.
fn malformed(condition: &'static Condition, record: &[u8]) -> ArrowError {
    let text = String::from_utf8_lossy(record);
    let shown: String = text.chars().take(1000).collect();
    let message = format!(
        "Malformed records are detected in record parsing: {shown}.\nParse Mode: FAILFAST. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'."
    );
    let parameters = [("badRecord", shown.as_str()), ("failFastMode", "FAILFAST")];
    external(SparkError::new(condition, message, &parameters))
}

/// An error of Spark's inside one of Arrow's.
pub(crate) fn external(error: SparkError) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}
