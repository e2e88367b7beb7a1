//! The failures that this room itself speaks of: sessions, operations and cursors that are not there.

use errors::{Condition, condition};
use plan::SparkError;

/// A handle of a session or operation that cannot be used; `why` is one of its conditions.
pub(crate) fn invalid_handle(why: &'static Condition, handle: &str, message: &str) -> SparkError {
    SparkError::new(
        why,
        format!("The handle {handle} is invalid. {message}"),
        &[("handle", handle)],
    )
}

/// The text is not a UUID.
pub(crate) fn bad_handle(handle: &str) -> SparkError {
    invalid_handle(
        condition::INVALID_HANDLE_FORMAT,
        handle,
        "Handle must be an UUID string of the format '00112233-4455-6677-8899-aabbccddeeff'",
    )
}

/// The session is not open here.
pub(crate) fn session_not_found(id: &str) -> SparkError {
    invalid_handle(condition::INVALID_HANDLE_SESSION_NOT_FOUND, id, "Session not found.")
}

/// The session was released.
pub(crate) fn session_closed(id: &str) -> SparkError {
    invalid_handle(condition::INVALID_HANDLE_SESSION_CLOSED, id, "Session was closed.")
}

/// The client has seen another session under this id: its server was started anew.
pub(crate) fn session_changed(id: &str) -> SparkError {
    invalid_handle(
        condition::INVALID_HANDLE_SESSION_CHANGED,
        id,
        "The existing Spark server driver instance has restarted. Please reconnect.",
    )
}

/// A session of that id is there already.
pub(crate) fn session_exists(id: &str) -> SparkError {
    let message = format!(
        "Invalid session clone request. Cannot clone session to target session ID {id} because a session with this ID already exists."
    );
    let exists = condition::INVALID_CLONE_SESSION_REQUEST_TARGET_SESSION_ID_ALREADY_EXISTS;
    SparkError::new(exists, message, &[("targetSessionId", id)])
}

/// The operation is not known here.
pub(crate) fn operation_not_found(id: &str) -> SparkError {
    invalid_handle(condition::INVALID_HANDLE_OPERATION_NOT_FOUND, id, "Operation not found.")
}

/// Another operation has that id.
pub(crate) fn operation_exists(id: &str) -> SparkError {
    invalid_handle(
        condition::INVALID_HANDLE_OPERATION_ALREADY_EXISTS,
        id,
        "Operation already exists.",
    )
}

/// The operation ended and was released, or its client was away for too long.
pub(crate) fn operation_abandoned(id: &str) -> SparkError {
    invalid_handle(
        condition::INVALID_HANDLE_OPERATION_ABANDONED,
        id,
        "Operation was considered abandoned because of inactivity and removed.",
    )
}

/// The operation was interrupted.
pub(crate) fn canceled() -> SparkError {
    SparkError::new(condition::OPERATION_CANCELED, "Operation has been canceled.", &[])
}

/// Another stream of the same operation took over.
pub(crate) fn disconnected() -> SparkError {
    let message = "The cursor is invalid. The cursor has been disconnected by the server.";
    SparkError::new(condition::INVALID_CURSOR_DISCONNECTED, message, &[])
}

/// A response that was asked for is no longer kept.
pub(crate) fn position_gone(response: &str) -> SparkError {
    SparkError::new(
        condition::INVALID_CURSOR_POSITION_NOT_AVAILABLE,
        format!(
            "The cursor is invalid. The cursor position after response id {response} is no longer available."
        ),
        &[("responseId", response)],
    )
}

/// A response of that id was never sent.
pub(crate) fn position_unknown(response: &str) -> SparkError {
    SparkError::new(
        condition::INVALID_CURSOR_POSITION_NOT_FOUND,
        format!("The cursor is invalid. The cursor position id {response} is not found."),
        &[("responseId", response)],
    )
}

/// The operation was not started so that a client may come back to it.
pub(crate) fn not_reattachable() -> SparkError {
    let message = "The cursor is invalid. The cursor is not reattachable.";
    SparkError::new(condition::INVALID_CURSOR_NOT_REATTACHABLE, message, &[])
}
