//! Blocks of map outputs: served to peers, and fetched from wherever they lie.

mod client;
mod connection;
mod server;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use client::Peers;
pub(crate) use server::Server;
pub(crate) use source::{Blocks, Locations};
