//! Concatenation of Arrow IPC streams of one schema, as bytes: only the framing is parsed, never
//! the rows.

use crate::error::invalid;
use bytes::Bytes;
use plan::SparkError;

const CONTINUATION: [u8; 4] = [0xff; 4];
/// Position of the fourth field's offset in a flatbuffer's vtable.
const FOURTH: usize = 4 + 2 * 3;
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// One stream with the batches of all; its schema is the first one's.
pub(crate) fn concatenate(streams: &[Bytes]) -> Result<Vec<u8>, SparkError> {
    let mut out = Vec::with_capacity(streams.iter().map(Bytes::len).sum());
    for stream in streams {
        let (schema, rest) = message(stream)?.ok_or_else(|| bad("it is empty"))?;
        if out.is_empty() {
            out.extend_from_slice(schema);
        }
        let mut rest = rest;
        while let Some((batch, after)) = message(rest)? {
            out.extend_from_slice(batch);
            rest = after;
        }
    }
    out.extend_from_slice(&END);
    Ok(out)
}

/// The first message with its body, and the rest; `None` at the end.
fn message(stream: &[u8]) -> Result<Option<(&[u8], &[u8])>, SparkError> {
    if stream.is_empty() {
        return Ok(None);
    }
    let head = stream.strip_prefix(&CONTINUATION).ok_or_else(|| bad("a message has no header"))?;
    let length = number(head, 0).ok_or_else(|| bad("a message has no length"))?;
    if length == 0 {
        return Ok(None);
    }
    let metadata = head.get(4..4 + length).ok_or_else(|| bad("it is truncated"))?;
    let body = body_length(metadata).ok_or_else(|| bad("the header of a message is damaged"))?;
    let total = body.checked_add(8 + length).ok_or_else(|| bad("a message has no end"))?;
    let split = stream.split_at_checked(total).ok_or_else(|| bad("it is truncated"))?;
    Ok(Some(split))
}

/// `bodyLength` of the flatbuffer `Message`: the fourth field of its root table, 0 if absent.
fn body_length(metadata: &[u8]) -> Option<usize> {
    let table = number(metadata, 0)?;
    let back = i32::from_le_bytes(metadata.get(table..table + 4)?.try_into().ok()?);
    let vtable = usize::try_from(i64::try_from(table).ok()? - i64::from(back)).ok()?;
    let short = |at: usize| {
        Some(usize::from(u16::from_le_bytes(metadata.get(at..at + 2)?.try_into().ok()?)))
    };
    if short(vtable)? < FOURTH + 2 {
        return Some(0);
    }
    match short(vtable + FOURTH)? {
        0 => Some(0),
        offset => {
            let at = table.checked_add(offset)?;
            let length = i64::from_le_bytes(metadata.get(at..at.checked_add(8)?)?.try_into().ok()?);
            usize::try_from(length).ok()
        }
    }
}

/// A non-negative 32-bit number.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let value = i32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?);
    usize::try_from(value).ok()
}

fn bad(what: &str) -> SparkError {
    invalid(format!("Local data is not an Arrow IPC stream: {what}."))
}
