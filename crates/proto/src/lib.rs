//! Our wire format: the generated code, its conversions to and from `model`, and what every connection carries: the application's
//! credentials and the version of its sender.

mod convert;
mod credentials;
mod identity;
mod token;

pub use convert::{BadField, shuffle_bytes, shuffle_id};
pub use credentials::{BadCredentials, Credentials};
pub use identity::{BadIdentity, HANDSHAKE, Identity};
pub use token::{BadToken, Token};

/// The messages and services, as generated from `proto/firesteel/v1`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    reason = "generated code"
)]
pub mod pb {
    include!("generated/firesteel.v1.rs");
}

/// Version of this program. Processes of different versions refuse each other: plans and blocks would not agree.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bytes that one message may have, on every connection between our processes.
pub const MESSAGE_LIMIT: usize = 256 << 20;

/// Bytes of a result task's rows that travel in one message; more travel in several, before the attempt's end.
pub const ROWS_PART_BYTES: usize = 1 << 20;
