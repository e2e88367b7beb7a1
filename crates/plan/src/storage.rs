//! Storage levels of cached rows.

/// Storage of cached rows, and number of copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, clippy::struct_excessive_bools, reason = "Spark's own five fields")]
pub struct StorageLevel {
    pub use_disk: bool,
    pub use_memory: bool,
    pub use_off_heap: bool,
    pub deserialized: bool,
    pub replication: u32,
}

impl StorageLevel {
    /// `MEMORY_AND_DISK_DESER`: the default if the program names no level.
    pub const MEMORY_AND_DISK: Self = Self {
        use_disk: true,
        use_memory: true,
        use_off_heap: false,
        deserialized: true,
        replication: 1,
    };
}

impl Default for StorageLevel {
    /// Spark's level of rows that are not cached.
    fn default() -> Self {
        Self {
            use_disk: false,
            use_memory: false,
            use_off_heap: false,
            deserialized: false,
            replication: 1,
        }
    }
}
