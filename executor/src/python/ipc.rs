//! Record batches as Arrow IPC messages, without dictionaries and uncompressed.
//!
//! What a worker sends is not trusted: a message that is not valid is an error, and never a panic.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::writer::{
    DictionaryTracker, IpcDataGenerator, IpcWriteOptions, StreamEncoder, write_message,
};
use arrow::ipc::{MessageHeader, root_as_message};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Bytes before the metadata of a message: a mark and the metadata's length.
pub(super) const PREFIX_BYTES: usize = 8;
const MARK: [u8; 4] = [0xff; 4];

/// More rows are in no batch.
const MOST_ROWS: i64 = i32::MAX as i64;

/// Encodes the batches of an input.
pub(super) struct Encoder {
    schema: SchemaRef,
    encoder: StreamEncoder,
}

impl Encoder {
    pub(super) fn new(schema: SchemaRef) -> Result<Self, ArrowError> {
        let is_dictionary = |data_type: &DataType| matches!(data_type, DataType::Dictionary(..));
        if schema.flattened_fields().iter().any(|field| is_dictionary(field.data_type())) {
            let message = "a Python worker reads no dictionaries".to_owned();
            return Err(ArrowError::NotYetImplemented(message));
        }
        let mut encoder = StreamEncoder::try_new(&schema)?;
        // The schema would come with the first batch.
        encoder.encode(&RecordBatch::new_empty(Arc::clone(&schema)))?;
        Ok(Self { schema, encoder })
    }

    /// The message of the schema.
    pub(super) fn schema(&self) -> Result<Vec<u8>, ArrowError> {
        schema_message(&self.schema)
    }

    /// The message of a batch, in parts that share the batch's memory.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Buffer>, ArrowError> {
        let types = |schema: &SchemaRef| -> Vec<DataType> {
            schema.fields().iter().map(|field| field.data_type().clone()).collect()
        };
        if !Arc::ptr_eq(&batch.schema(), &self.schema)
            && types(&batch.schema()) != types(&self.schema)
        {
            let message = format!("a batch of {} among {}", batch.schema(), self.schema);
            return Err(ArrowError::SchemaError(message));
        }
        self.encoder.encode(batch)
    }
}

fn schema_message(schema: &SchemaRef) -> Result<Vec<u8>, ArrowError> {
    let options = IpcWriteOptions::default();
    let mut tracker = DictionaryTracker::new(true);
    let generator = IpcDataGenerator::default();
    let encoded = generator.schema_to_bytes_with_dictionary_tracker(schema, &mut tracker, &options);
    let mut message = Vec::new();
    write_message(&mut message, encoded, &options)?;
    Ok(message)
}

/// The length of a message's metadata, if these are the first bytes of a message of this length.
pub(super) fn metadata_bytes(prefix: [u8; PREFIX_BYTES], message: usize) -> Option<usize> {
    let [m0, m1, m2, m3, length @ ..] = prefix;
    let length = usize::try_from(i32::from_le_bytes(length)).ok()?;
    ([m0, m1, m2, m3] == MARK && length <= message.checked_sub(PREFIX_BYTES)?).then_some(length)
}

/// The schema in a message's metadata.
pub(super) fn decode_schema(metadata: &[u8]) -> Result<SchemaRef, ArrowError> {
    guarded(|| {
        let message = root_as_message(metadata).map_err(|error| wrong(error.to_string()))?;
        let schema = message.header_as_schema().ok_or_else(|| wrong("it is no schema"))?;
        Ok(Arc::new(fb_to_schema(schema)))
    })
}

/// The batch of a message, whose arrays share the memory of the body as far as it is aligned.
pub(super) fn decode_batch(
    schema: &SchemaRef,
    metadata: &[u8],
    body: Buffer,
) -> Result<RecordBatch, ArrowError> {
    guarded(|| {
        let message = root_as_message(metadata).map_err(|error| wrong(error.to_string()))?;
        if message.header_type() != MessageHeader::RecordBatch {
            return Err(wrong("it is no record batch"));
        }
        let batch = message.header_as_record_batch().ok_or_else(|| wrong("it is empty"))?;
        if batch.compression().is_some() {
            return Err(wrong("it is compressed"));
        }
        let rows = 0..=MOST_ROWS;
        let is_length = |length: i64| rows.contains(&length);
        let mut nodes = batch.nodes().into_iter().flatten();
        if !is_length(batch.length())
            || nodes.any(|node| !is_length(node.null_count()) || node.length() < 0)
        {
            return Err(wrong("it has impossible lengths"));
        }
        let is_inside = |offset: i64, length: i64| {
            let end = offset.checked_add(length).and_then(|end| usize::try_from(end).ok());
            offset >= 0 && length >= 0 && end.is_some_and(|end| end <= body.len())
        };
        let mut buffers = batch.buffers().into_iter().flatten();
        if buffers.any(|buffer| !is_inside(buffer.offset(), buffer.length())) {
            return Err(wrong("its buffers lie outside of it"));
        }
        let none = HashMap::new();
        let schema = Arc::clone(schema);
        read_record_batch(&body, batch, schema, &none, None, &message.version())
    })
}

/// What a decoder returns; an error where it panics. Arrow trusts some numbers of a message.
fn guarded<T>(decode: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(wrong("it is inconsistent")))
}

fn wrong(problem: impl Into<String>) -> ArrowError {
    ArrowError::IpcError(problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        ArrayRef, BooleanArray, Decimal128Array, Int64Array, ListArray, NullArray, StringArray,
        StringViewArray, StructArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    fn batch() -> RecordBatch {
        let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
        let texts: ArrayRef = Arc::new(StringArray::from_iter([Some("a"), None, Some("ccc")]));
        let field = Arc::new(Field::new("t", DataType::Utf8, true));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from_iter([Some(1), None, Some(3)]))),
            ("d", Arc::new(Decimal128Array::from_iter([Some(1), None, Some(3)]))),
            ("b", Arc::new(BooleanArray::from_iter([Some(true), None, Some(false)]))),
            ("l", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
            ("s", Arc::new(StructArray::from(vec![(field, Arc::clone(&texts))]))),
            ("v", Arc::new(StringViewArray::from_iter([Some("not in the view"), None, Some("c")]))),
            ("t", texts),
            ("0", Arc::new(NullArray::new(3))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// The metadata and the body of a message.
    fn parts(message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (prefix, rest) = message.split_first_chunk().unwrap();
        let (metadata, body) = rest.split_at(metadata_bytes(*prefix, message.len()).unwrap());
        (metadata.to_vec(), body.to_vec())
    }

    #[test]
    fn no_message_makes_the_decoder_panic() {
        let batch = batch();
        let mut encoder = Encoder::new(batch.schema()).unwrap();
        let (about, _) = parts(&encoder.schema().unwrap());
        let message = encoder.encode(&batch).unwrap();
        let (metadata, body) =
            parts(&message.iter().flat_map(|part| part.iter()).copied().collect::<Vec<_>>());
        let schema = decode_schema(&about).unwrap();
        assert_eq!(decode_batch(&schema, &metadata, body.clone().into()).unwrap(), batch);
        for wrong in [0xff, 0x7f, 0x80, 0x01] {
            for at in 0..about.len() {
                let mut about = about.clone();
                about[at] ^= wrong;
                let _ = decode_schema(&about);
            }
            for at in 0..metadata.len() {
                let mut metadata = metadata.clone();
                metadata[at] ^= wrong;
                let _ = decode_batch(&schema, &metadata, body.clone().into());
            }
            for at in 0..body.len() {
                let mut body = body.clone();
                body[at] ^= wrong;
                let _ = decode_batch(&schema, &metadata, body.into());
            }
        }
    }
}
