//! Numbers: mathematics, exact arithmetic, bits.

pub(super) mod arithmetic;
pub(super) mod bitmap;
pub(super) mod decimal;
pub(super) mod math;
