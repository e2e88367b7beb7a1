//! Resolution of a program's plan: names become columns, function names functions, Spark's type
//! rules casts. The result is a `DataFusion` plan in which every column has a unique opaque name
//! (`#17`), and a `Scope` that maps the program's names to these.
//!
//! Resolution is a synchronous function of what is known. If something has to be looked up first
//! (the schema of files, the values of a pivot), it stops with a `Want`; the session fetches the
//! answer, adds it to the `Facts`, and resolves again.

mod aggregate;
mod caches;
mod call;
mod checkpoint;
mod column;
mod context;
mod decorrelate;
mod equality;
mod error;
mod expression;
mod facts;
mod file_columns;
mod frame;
mod generate;
mod join;
mod kept;
mod lateral;
mod leaf;
mod literal;
mod local;
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
mod python;
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

pub use caches::{CachedRelation, Caches, Shown};
pub use checkpoint::{Checkpoint, Checkpoints};
pub use context::{Context, Env, Purpose, functions_under};
pub use equality::same_plan;
pub use error::{quoted, table_not_found};
pub use facts::{Fact, Facts, Result, Stop, Want};
pub use nodes::{
    AddBarriers, Barrier, Count, Exchange, JoinHint, JoinStrategy, Kept, LocalSort,
    LocalSortPlanner, Target, is_barrier,
};
pub use python::{
    ExtractPython, PythonAggregates, PythonFunctions, PythonNode, SourceAnswer, SourceScan,
    WorkerInput, source_options,
};
pub use resolver::{Finished, Observed, Resolver};
pub use rows::{Fit, fit_to, fitted};
pub use time_zone::machine_zone;

pub(crate) use resolver::{Resolved, reference};
pub(crate) use scope::Scope;
