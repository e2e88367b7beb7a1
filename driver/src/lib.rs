//! The driver process: owns one application. Its `core` keeps the jobs, the executors and the
//! scheduler, as a pure state machine around which `event_loop` is the shell; executors and the
//! cluster manager reach it through `services`; programs through Spark Connect (`backend`).
//!
//! [`run`] is the whole process. [`Driver`] is the same without a program and without signals.

mod allocation;
mod allocator;
mod backend;
mod blobs;
mod control;
// Not part of what this room offers: public for the simulation, with `message` and `Wanted`.
#[doc(hidden)]
pub mod core;
mod error;
mod event_loop;
mod failure;
mod master;
#[doc(hidden)]
pub mod message;
mod pools;
mod process;
mod program;
#[doc(hidden)]
pub mod rows;
mod run_job;
mod scheduling;
mod serve;
mod services;
mod settings;
mod status;
mod sums;

#[doc(hidden)]
pub use allocation::AllocationRules;
pub use error::Error;
pub use master::Master;
#[doc(hidden)]
pub use master::Wanted;
pub use message::Ending;
pub use process::{Driver, run};
pub use settings::{Access, Addresses, Forget, Program, Settings, WithoutManager};
