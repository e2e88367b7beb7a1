//! Failures that this crate itself raises: sessions, operations and cursors that do not exist.

use errors::{Condition, condition};
use plan::SparkError;

/// A session's or operation's handle cannot be used; `why` is the condition.
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

/// The client has seen another session with this id: the server was restarted since.
pub(crate) fn session_changed(id: &str) -> SparkError {
    invalid_handle(
        condition::INVALID_HANDLE_SESSION_CHANGED,
        id,
        "The existing Spark server driver instance has restarted. Please reconnect.",
    )
}

/// A session with that id already exists.
pub(crate) fn session_exists(id: &str) -> SparkError {
    let message = format!(
        "Invalid session clone request. Cannot clone session to target session ID {id} because a session with this ID already exists."
    );
    let exists = condition::INVALID_CLONE_SESSION_REQUEST_TARGET_SESSION_ID_ALREADY_EXISTS;
    SparkError::new(exists, message, &[("targetSessionId", id)])
}

/// The operation is unknown.
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

/// The requested response is no longer kept.
pub(crate) fn position_gone(response: &str) -> SparkError {
    SparkError::new(
        condition::INVALID_CURSOR_POSITION_NOT_AVAILABLE,
        format!(
            "The cursor is invalid. The cursor position after response id {response} is no longer available."
        ),
        &[("responseId", response)],
    )
}

/// No response with that id was ever sent.
pub(crate) fn position_unknown(response: &str) -> SparkError {
    SparkError::new(
        condition::INVALID_CURSOR_POSITION_NOT_FOUND,
        format!("The cursor is invalid. The cursor position id {response} is not found."),
        &[("responseId", response)],
    )
}

/// The operation was started without the option to reattach.
pub(crate) fn not_reattachable() -> SparkError {
    let message = "The cursor is invalid. The cursor is not reattachable.";
    SparkError::new(condition::INVALID_CURSOR_NOT_REATTACHABLE, message, &[])
}

/// A malformed request.
pub(crate) fn invalid(message: impl Into<String>) -> SparkError {
    SparkError::new(condition::CONNECT_INVALID_PLAN, message, &[])
}

/// A required field is missing.
pub(crate) fn missing(field: &str) -> SparkError {
    invalid(format!("The required field `{field}` is missing."))
}

/// Access to a required field, with an error that names it.
pub(crate) trait Required<T> {
    fn required(self, field: &str) -> Result<T, SparkError>;
}

impl<T> Required<T> for Option<T> {
    fn required(self, field: &str) -> Result<T, SparkError> {
        self.ok_or_else(|| missing(field))
    }
}
