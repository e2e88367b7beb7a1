//! Resource profiles: what a stage needs of the executors that run it, and of each for a task.

use crate::ByteSize;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;

/// What a program asks for where it computes a part of its rows. What it does not say is as the
/// application's settings have it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ResourceProfile {
    /// Cores that a task takes.
    pub task_cpus: Option<NonZeroU32>,
    /// What the executors have that run its tasks.
    pub executor: ExecutorRequest,
}

/// What executors have.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ExecutorRequest {
    /// Cores.
    pub cores: Option<NonZeroU32>,
    /// Memory of the program.
    pub memory: Option<ByteSize>,
    /// Memory beside it, for Python and the system.
    pub memory_overhead: Option<ByteSize>,
    /// Further memory, for Python.
    pub python_memory: Option<ByteSize>,
    /// Further memory, off the heap of a JVM; the program's in our case.
    pub off_heap: Option<ByteSize>,
}

impl ExecutorRequest {
    /// Whether every executor of the application has it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl ResourceProfile {
    /// What meets several profiles: of each resource the largest amount. `None` without any.
    pub fn merged<'a>(profiles: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        profiles.into_iter().copied().reduce(|one, other| {
            let (of_one, of_other) = (one.executor, other.executor);
            Self {
                task_cpus: one.task_cpus.max(other.task_cpus),
                executor: ExecutorRequest {
                    cores: of_one.cores.max(of_other.cores),
                    memory: of_one.memory.max(of_other.memory),
                    memory_overhead: of_one.memory_overhead.max(of_other.memory_overhead),
                    python_memory: of_one.python_memory.max(of_other.python_memory),
                    off_heap: of_one.off_heap.max(of_other.off_heap),
                },
            }
        })
    }
}

/// Number of a kind of executors within an application. Those that are as the settings say have the
/// number 0.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ProfileId(pub u32);

impl ProfileId {
    /// Executors as the application's settings have them.
    pub const DEFAULT: Self = Self(0);
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resource profile {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_merged_to_what_meets_each() {
        let mib = |mib| Some(ByteSize::mib(mib));
        let cores = NonZeroU32::new(4);
        let one = ResourceProfile {
            task_cpus: NonZeroU32::new(2),
            executor: ExecutorRequest { memory: mib(512), ..ExecutorRequest::default() },
        };
        let other = ResourceProfile {
            task_cpus: NonZeroU32::new(1),
            executor: ExecutorRequest { memory: mib(768), cores, ..ExecutorRequest::default() },
        };
        let both = ResourceProfile { task_cpus: one.task_cpus, ..other };
        assert_eq!(ResourceProfile::merged([&one, &other]), Some(both));
        assert_eq!(ResourceProfile::merged([]), None);
        assert!(ResourceProfile::default().executor.is_default() && !other.executor.is_default());
    }
}
