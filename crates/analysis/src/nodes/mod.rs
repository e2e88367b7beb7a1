//! Nodes of logical plans that DataFusion does not have, and how each is planned or left out.

mod exchange;
mod hint;
mod local_sort;
mod settled;

pub(crate) use hint::{hinted, strategy};
pub(crate) use settled::settled;

pub use exchange::{Exchange, Target};
pub use hint::DropHints;
pub use local_sort::{LocalSort, LocalSortPlanner};
pub use settled::{Settle, SettledPlanner, is_settled};
