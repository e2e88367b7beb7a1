//! Bitmaps that count distinct numbers: bucket number, bit position, and number of set bits.

use datafusion_spark::function::bitmap as native_bitmap;

use crate::function::{Function, native};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    native("bitmap_bucket_number", "l", native_bitmap::bitmap_bucket_number),
    native("bitmap_bit_position", "l", native_bitmap::bitmap_bit_position),
    native("bitmap_count", "b", native_bitmap::bitmap_count),
];
