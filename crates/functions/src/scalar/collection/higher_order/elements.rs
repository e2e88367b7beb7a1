//! The elements of arrays or maps as one flat sequence, each with its row.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, ListArray, UInt64Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err};

use super::function::retyped;

/// The positions of elements. Values under null arrays are skipped.
pub(super) struct Elements {
    /// Row of each element.
    pub(super) rows: UInt64Array,
    /// Index of each element in the values array; null for padding of a shorter array.
    pub(super) places: UInt64Array,
    /// Number of elements per row.
    pub(super) lengths: Vec<usize>,
    pub(super) nulls: Option<NullBuffer>,
}

impl Elements {
    /// All elements of the arrays with these offsets.
    pub(super) fn of(offsets: &OffsetBuffer<i32>, nulls: Option<&NullBuffer>) -> Self {
        Self::padded(offsets, nulls, |_, own| own)
    }

    /// `length` gives the number of elements from a row and its own length; the padding has null
    /// indices.
    pub(super) fn padded(
        offsets: &OffsetBuffer<i32>,
        nulls: Option<&NullBuffer>,
        length: impl Fn(usize, usize) -> usize,
    ) -> Self {
        let (mut rows, mut places, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for (row, own) in offsets.lengths().enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                lengths.push(0);
                continue;
            }
            let start = u64::try_from(offsets[row]).unwrap_or_default();
            let wanted = length(row, own);
            rows.extend(std::iter::repeat_n(row as u64, wanted));
            places.extend((0..wanted).map(|at| (at < own).then_some(start + at as u64)));
            lengths.push(wanted);
        }
        Self { rows: rows.into(), places: places.into(), lengths, nulls: nulls.cloned() }
    }

    /// The elements' values.
    pub(super) fn take(&self, values: &ArrayRef) -> Result<ArrayRef> {
        Ok(compute::take(values, &self.places, None)?)
    }

    /// The index of each element in its array, from zero.
    pub(super) fn indices(&self) -> ArrayRef {
        let positions = self.lengths.iter().flat_map(|length| 0..*length);
        let positions = positions.map(|at| i32::try_from(at).unwrap_or(i32::MAX));
        Arc::new(Int32Array::from_iter_values(positions))
    }

    pub(super) fn offsets(&self) -> OffsetBuffer<i32> {
        OffsetBuffer::from_lengths(self.lengths.iter().copied())
    }

    /// Arrays of the same lengths with new elements.
    pub(super) fn list_of(&self, values: ArrayRef, returns: &DataType) -> Result<ArrayRef> {
        let DataType::List(field) = returns else {
            return internal_err!("an array of type {returns}");
        };
        let values = retyped(values, field.data_type())?;
        let nulls = self.nulls.clone();
        Ok(Arc::new(ListArray::try_new(Arc::clone(field), self.offsets(), values, nulls)?))
    }

    /// Only the elements that satisfy the predicate.
    pub(super) fn keep(&self, keeps: impl Fn(usize) -> bool) -> Self {
        let mut kept = Vec::new();
        let mut lengths = Vec::with_capacity(self.lengths.len());
        let mut at = 0;
        for length in &self.lengths {
            let before = kept.len();
            kept.extend((at..at + length).filter(|at| keeps(*at)));
            at += length;
            lengths.push(kept.len() - before);
        }
        Self {
            rows: kept.iter().map(|at| self.rows.value(*at)).collect::<Vec<_>>().into(),
            places: kept.iter().map(|at| self.places.value(*at)).collect::<Vec<_>>().into(),
            lengths,
            nulls: self.nulls.clone(),
        }
    }
}
