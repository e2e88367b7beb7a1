//! Arrays and maps, and functions that take functions over them.

pub(super) mod array;
pub(super) mod elements;
pub(crate) mod higher_order;
pub(crate) mod map;
pub(super) mod sequence;
