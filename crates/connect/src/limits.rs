//! Limits of messages.

/// Size limit of a message in both directions, in bytes; the same as clients have.
pub const MESSAGE_LIMIT_BYTES: usize = 128 << 20;
