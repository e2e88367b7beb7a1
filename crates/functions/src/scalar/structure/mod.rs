//! Structs, and text with a structure: JSON and CSV.

pub(super) mod csv;
pub(super) mod field;
pub(super) mod json;
pub(super) mod options;
pub(super) mod schema_of;
pub(super) mod shape;
