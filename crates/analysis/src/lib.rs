//! Gives a program's plan its meaning: names become columns, function names functions, Spark's type rules become casts. The result is a
//! `DataFusion` plan in which every column has an opaque name of its own (`#17`), beside a `Scope` that knows what the program calls it.
//!
//! Resolving is a synchronous function over what is known. What must first be asked of the world (the schema of files, the values of a pivot)
//! stops it with a `Want`; the session fetches it, adds it to the `Facts`, and resolves again.

mod aggregate;
mod call;
mod column;
mod context;
mod decorrelate;
mod error;
mod expression;
mod facts;
mod frame;
mod generate;
mod join;
mod lateral;
mod leaf;
mod literal;
mod missing;
mod nearest;
mod nodes;
mod nullability;
mod nulls;
mod observe;
mod orderable;
mod pivot;
mod place;
mod project;
mod recursive;
mod relation;
mod reshape;
mod resolver;
mod rows;
mod sample;
mod schema_text;
mod scope;
mod set;
mod shape;
mod sort;
mod statistics;
mod subquery;
mod time_window;
mod time_zone;
mod transpose;
mod typed;
mod unpivot;
mod window;
mod within_group;

pub use context::{Context, Env, Purpose};
pub use error::{quoted, table_not_found};
pub use facts::{Fact, Facts, Result, Stop, Want};
pub use nodes::{
    DropHints, Exchange, LocalSort, LocalSortPlanner, Settle, SettledPlanner, Target, is_settled,
};
pub use resolver::{Finished, Observed, Resolver};
pub use rows::fitted;
pub use time_zone::machine_zone;

pub(crate) use resolver::{Resolved, reference};
pub(crate) use scope::Scope;
