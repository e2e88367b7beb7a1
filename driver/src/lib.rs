//! The driver process: owns one application. Its event loop (`core`) keeps the jobs, the executors and the scheduler; executors and
//! the cluster manager reach it through `services`; programs through Spark Connect (`backend`).
//!
//! [`run`] is the whole process. [`Driver`] is the same without a program and without signals.

mod backend;
mod core;
mod error;
mod failure;
mod master;
mod message;
mod process;
mod program;
mod run_job;
mod serve;
mod services;
mod settings;

pub use error::Error;
pub use master::Master;
pub use message::Ending;
pub use process::{Driver, run};
pub use settings::{Access, Addresses, Forget, Program, Settings, WithoutManager};
