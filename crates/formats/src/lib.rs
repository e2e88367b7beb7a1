//! Values and their bytes: how Spark's types are held in Arrow, and how text formats become
//! batches and batches become text. Bytes in, batches out; no files, and no DataFusion.

pub mod base64;
pub mod calendar;
pub mod csv;
pub mod json;
pub mod options;
pub mod pattern;
pub mod records;
pub mod rows;
pub mod text;
pub mod types;
pub mod values;

#[cfg(test)]
mod testing;
