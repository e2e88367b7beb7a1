//! The custom resources, and everything about them that needs no cluster: their types, their
//! definitions for an API server, the meaning of a specification, fields that are not supported,
//! and the times at which a schedule is due.
//!
//! Nothing here talks to an API server or reads a clock. A specification that `validate` accepts
//! can be turned into pods without further checks; a refusal names the fields.

mod application;
mod definition;
mod embedded;
mod manifest;
pub mod names;
mod options;
mod pod;
mod problem;
mod quantity;
mod rules;
mod schedule;
mod scheduled;
mod status;
mod unsupported;
mod validate;

pub use application::*;
pub use definition::{Definition, definitions};
pub use embedded::Embedded;
pub use manifest::{BadManifest, read_manifest};
pub use options::*;
pub use pod::*;
pub use problem::{FieldPath, Problem};
pub use quantity::{Amount, BadAmount};
pub use schedule::{BadSchedule, Schedule, run_name};
pub use scheduled::*;
pub use status::*;
pub use unsupported::{unsupported, unsupported_scheduled};
pub use validate::*;
