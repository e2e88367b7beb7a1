//! What an executor is told at its start, once, as one JSON document. Its types are words of the
//! domain, because cluster managers write it.

pub use model::launch::ExecutorSettings as Settings;
pub use model::launch::Mount;
