//! Plans cut into stages and run in one process, with the encoding and shuffle files of a cluster,
//! compared with plain DataFusion.

mod adaptive_joins;
mod answers;
mod broadcast;
mod chapter15;
mod common_parts;
mod distinct;
mod exchange;
mod failure;
mod files;
mod harness;
mod identity;
mod join_order;
mod local;
mod memory;
mod semi_joins;
mod session;
mod sorts;
mod stops;
mod tpcds;
mod tpch;
mod windows;
