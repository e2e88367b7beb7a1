//! The service over a fake backend, on loopback, called by the generated client.

#![expect(clippy::large_futures, reason = "requests are large messages, and tests have room")]

mod artifacts;
mod conversion;
mod execution;
mod fake;
mod requests;
mod sessions;
mod stock_client;
