//! Bitmaps of 32768 bits, which count distinct numbers: where a number's bit is, and how many bits are set.

use datafusion::arrow::datatypes::Int64Type;

use crate::kernel::{Kernel, returns};
use crate::registry::{Function, kernel};

/// Bits of one bitmap.
const BITS: i64 = 32_768;

pub(super) const FUNCTIONS: &[Function] = &[
    kernel(
        "bitmap_bucket_number",
        "l",
        Kernel::new("spark_bitmap_bucket_number", returns::long, |args| {
            let values = args.values::<Int64Type>(0)?;
            args.number_rows::<Int64Type>(|row| {
                let value = values.value(row);
                Ok(Some(if value > 0 { 1 + (value - 1) / BITS } else { value / BITS }))
            })
        }),
    ),
    kernel(
        "bitmap_bit_position",
        "l",
        Kernel::new("spark_bitmap_bit_position", returns::long, |args| {
            let values = args.values::<Int64Type>(0)?;
            args.number_rows::<Int64Type>(|row| {
                let value = values.value(row);
                Ok(Some(if value > 0 { (value - 1) % BITS } else { (value % BITS).abs() }))
            })
        }),
    ),
    kernel(
        "bitmap_count",
        "b",
        Kernel::new("spark_bitmap_count", returns::long, |args| {
            let values = args.binaries(0)?;
            args.number_rows::<Int64Type>(|row| {
                Ok(Some(values.value(row).iter().map(|byte| i64::from(byte.count_ones())).sum()))
            })
        }),
    ),
];
