//! Tests of this room by tables of cases: text, and the plan in short (see `short`).

mod commands;
mod errors;
mod expressions;
mod queries;
mod scripts;
mod short;
mod tpch;
mod types;
