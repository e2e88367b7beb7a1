//! Tests of this crate as tables of cases: text, and the plan in short form (see `short`).

mod commands;
mod errors;
mod expressions;
mod queries;
mod scripts;
mod short;
mod tpch;
mod types;
