//! Numeric functions: mathematical functions, exact arithmetic, bitmaps.

pub(super) mod arithmetic;
pub(super) mod bitmap;
pub(super) mod decimal;
pub(super) mod math;
