//! Bitmap aggregates: construction from bit positions, and union and intersection.

use errors::condition;
use std::mem::size_of_val;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::fold::Fold;
use crate::run_time_error;

/// Size of a bitmap in bytes.
const BYTES: usize = 4096;

/// `bitmap_construct_agg(position)`.
pub(super) const CONSTRUCT: Fold = Fold {
    name: "spark_bitmap_construct_agg",
    returns: |_| DataType::Binary,
    state: |_| vec![DataType::Binary],
    make: |_| Ok(Box::new(Bitmap { bytes: vec![0; BYTES], merge: |a, b| a | b })),
    groups: None,
    empty_is_list: false,
};
/// `bitmap_or_agg(bitmap)`.
pub(super) const OR: Fold = Fold { name: "spark_bitmap_or_agg", ..CONSTRUCT };
/// `bitmap_and_agg(bitmap)`.
pub(super) const AND: Fold = Fold {
    name: "spark_bitmap_and_agg",
    make: |_| Ok(Box::new(Bitmap { bytes: vec![0xff; BYTES], merge: |a, b| a & b })),
    ..CONSTRUCT
};

#[derive(Debug)]
struct Bitmap {
    bytes: Vec<u8>,
    merge: fn(u8, u8) -> u8,
}

impl Bitmap {
    /// Merges bitmaps into this one; shorter ones are padded with zeros.
    fn put(&mut self, bitmaps: &ArrayRef) {
        for bitmap in bitmaps.as_binary::<i32>().iter().flatten() {
            let padded = bitmap.iter().copied().chain(std::iter::repeat(0));
            for (own, other) in self.bytes.iter_mut().zip(padded) {
                *own = (self.merge)(*own, other);
            }
        }
    }
}

impl Accumulator for Bitmap {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if *values[0].data_type() == DataType::Binary {
            self.put(&values[0]);
            return Ok(());
        }
        for position in values[0].as_primitive::<Int64Type>().iter().flatten() {
            let place = usize::try_from(position).ok();
            let Some(byte) = place.and_then(|place| self.bytes.get_mut(place / 8)) else {
                return Err(run_time_error(
                    condition::INVALID_BITMAP_POSITION,
                    format!(
                        "The 0-indexed bitmap position {position} is out of bounds. The bitmap has {} bits ({BYTES} bytes).",
                        BYTES * 8
                    ),
                ));
            };
            *byte |= 1 << (position % 8);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.put(&states[0]);
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(Some(self.bytes.clone())))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes.capacity()
    }
}
