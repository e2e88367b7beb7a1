//! Plans cut into stages and run in one process, through the same encoding and the same shuffle files as on a cluster, against
//! DataFusion in one piece.

mod answers;
mod chapter15;
mod exchange;
mod failure;
mod files;
mod harness;
mod identity;
mod local;
mod memory;
mod session;
mod tpch;
mod windows;
