//! Storage levels of cached rows.

use std::fmt;

/// Storage of cached rows, and number of copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// The level with a name, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_uppercase();
        let (kind, replication) = match name.rsplit_once('_') {
            Some((kind, "2")) => (kind, 2),
            Some((kind @ "DISK_ONLY", "3")) => (kind, 3),
            _ => (name.as_str(), 1),
        };
        let plain = Self { replication, ..Self::default() };
        Some(match kind {
            "NONE" if replication == 1 => plain,
            "DISK_ONLY" => Self { use_disk: true, ..plain },
            "MEMORY_ONLY" => Self { use_memory: true, deserialized: true, ..plain },
            "MEMORY_ONLY_SER" => Self { use_memory: true, ..plain },
            "MEMORY_AND_DISK" => Self { replication, ..Self::MEMORY_AND_DISK },
            "MEMORY_AND_DISK_SER" => Self { use_disk: true, use_memory: true, ..plain },
            "OFF_HEAP" if replication == 1 => {
                Self { use_disk: true, use_memory: true, use_off_heap: true, ..plain }
            }
            _ => return None,
        })
    }
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

impl fmt::Display for StorageLevel {
    /// As plans show it: `StorageLevel(disk, memory, deserialized, 1 replicas)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageLevel(")?;
        let uses = [
            (self.use_disk, "disk"),
            (self.use_memory, "memory"),
            (self.use_off_heap, "offheap"),
            (self.deserialized, "deserialized"),
        ];
        for (_, name) in uses.into_iter().filter(|(used, _)| *used) {
            write!(f, "{name}, ")?;
        }
        write!(f, "{} replicas)", self.replication)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names_and_a_text() {
        for (name, text) in [
            ("memory_and_disk", "StorageLevel(disk, memory, deserialized, 1 replicas)"),
            ("MEMORY_AND_DISK_SER_2", "StorageLevel(disk, memory, 2 replicas)"),
            ("MEMORY_ONLY", "StorageLevel(memory, deserialized, 1 replicas)"),
            ("DISK_ONLY_3", "StorageLevel(disk, 3 replicas)"),
            ("OFF_HEAP", "StorageLevel(disk, memory, offheap, 1 replicas)"),
        ] {
            let level = StorageLevel::of_name(name).map(|level| level.to_string());
            assert_eq!(level.as_deref(), Some(text), "{name}");
        }
        for name in ["x", "MEMORY_ONLY_3", "OFF_HEAP_2", "NONE_2", ""] {
            assert_eq!(StorageLevel::of_name(name), None, "{name}");
        }
    }
}
