//! Blocks of map outputs, and pieces of blobs: served to peers, and fetched from wherever they lie.

mod client;
mod connection;
mod server;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use client::{Fetched, Peers, Remote};
pub(crate) use server::{Server, Stores};
pub(crate) use source::{Blocks, Locations};
