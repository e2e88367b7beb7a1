//! JSON: one reader, one writer and one inference, for files and for functions.

mod infer;
mod normal;
mod options;
mod parse;
mod path;
mod read;
mod tape;
mod write;

pub use infer::JsonTypes;
pub use normal::write_json;
pub use options::{Json, Syntax};
pub use path::{Path, field, look_up};
pub use read::{JsonReader, Root};
pub use tape::{Kind, NotJson, Tape, Value};
pub use write::{JsonForm, JsonWriter, write_quoted};

#[cfg(test)]
mod tests;
