//! The wire format: generated code, its conversions to and from `model`, and what every connection
//! carries: the application's credentials and the sender's version.

mod convert;
mod credentials;
mod executor;
mod identity;
mod token;

pub use convert::{BadField, profile_request, profile_wish, shuffle_bytes, shuffle_id};
pub use credentials::{BadCredentials, Credentials};
pub use identity::{BadIdentity, HANDSHAKE, Identity};
pub use token::{BadToken, Token};

/// The messages and services, generated from `proto/firesteel/v1`.
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

/// Version of this program. Processes of different versions refuse each other, because plans and
/// blocks would not match.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Size limit of a message between our processes, in bytes.
pub const MESSAGE_LIMIT: usize = 256 << 20;

/// Size of one message with a result task's rows, in bytes; larger results take several, before the
/// attempt's end.
pub const ROWS_PART_BYTES: usize = 1 << 20;

/// Size of a blob's pieces, in bytes; the last one is what is left.
pub const BLOB_PIECE_BYTES: usize = 4 << 20;
