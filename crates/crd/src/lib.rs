//! The custom resources, and everything about them that needs no cluster: their types, their definitions for an API server, what a
//! specification means, what of it is not served, when a schedule is due.
//!
//! Nothing here talks to an API server or reads a clock. A specification that `validate` accepts can be made into pods without further
//! questions; one that it refuses is refused with the names of the fields.

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
mod served;
mod status;
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
pub use served::{unsupported, unsupported_scheduled};
pub use status::*;
pub use validate::*;
