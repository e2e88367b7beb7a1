//! Logical nodes that DataFusion lacks, and their physical planning or removal.

mod barrier;
mod exchange;
mod hint;
mod local_sort;

pub(crate) use barrier::barrier;

pub use barrier::{AddBarriers, Barrier, is_barrier};
pub use exchange::{Count, Exchange, Kept, Target};
pub use hint::{JoinHint, JoinStrategy};
pub use local_sort::{LocalSort, LocalSortPlanner};
