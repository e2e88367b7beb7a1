//! Arrays and maps, including higher-order functions on them.

pub(super) mod array;
pub(super) mod elements;
pub(crate) mod higher_order;
pub(crate) mod map;
pub(super) mod sequence;
