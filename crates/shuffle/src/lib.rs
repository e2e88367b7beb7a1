//! Map outputs on volumes: file format, writer, reader, catalogue, sweeping. Bytes only: the engine
//! knows what a block means.
//!
//! A map output is one file, `<root>/<fingerprint>/<map>.out`: the blocks, then a manifest that
//! describes everything, then a trailer. It is written under a temporary name that contains epoch
//! and attempt, and put in place by a rename that never replaces: the first commit wins, and later
//! ones learn who won. Every read names the attempt whose bytes it wants, and gets these bytes or
//! an error.
//!
//! - [`Volume`]: a directory with an identity; refuses a directory of another application.
//! - [`Home`]: the application's directory beside those of others, and the removal of dead ones.
//! - [`MapOutputWriter`]: [`append`](MapOutputWriter::append) in any order, then
//!   [`commit`](MapOutputWriter::commit).
//! - [`Catalogue`]: the outputs on the volumes that this process mounts, and their blocks.
//! - [`Disk`]: the contract with the file system.
//! - [`wire`]: the protocol by which executors ask each other for blocks. Moving the bytes is the
//!   executor's task.

mod catalogue;
mod codec;
mod disk;
mod error;
mod home;
mod manifest;
mod reader;
mod row_checksum;
mod sweep;
#[cfg(test)]
mod testing;
mod volume;
mod volume_reader;
pub mod wire;
mod writer;

pub use catalogue::{Catalogue, Inventory};
pub use codec::BadBytes;
pub use disk::{Disk, RealDisk};
pub use error::{Damage, FileError, ReadError, VolumeError, WriteError};
pub use home::Home;
pub use manifest::{BlockSum, Extent, Manifest, OutputAttempt};
pub use reader::MapOutputReader;
pub use row_checksum::RowChecksum;
pub use sweep::Swept;
pub use volume::Volume;
pub use volume_reader::VolumeReader;
pub use writer::{Committed, Durability, MapOutputWriter, Summary, WriterOptions};
