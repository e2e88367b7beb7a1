//! Values and their bytes: how Spark's types are held in Arrow, and how text formats become
//! batches and batches become text. Bytes in, batches out; no files, and no DataFusion.

pub mod types;
