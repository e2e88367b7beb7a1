//! The real workers.
