//! Errors shared by several commands.

use analysis::quoted;
use errors::{SparkError, condition};

/// The database does not exist.
pub(super) fn database_not_found(name: &[String]) -> SparkError {
    let shown = quoted(name);
    let message = format!(
        "The schema {shown} cannot be found. Verify the spelling and correctness of the schema and catalog.\nIf you did not qualify the name with a catalog, verify the current_schema() output, or qualify the name with the correct catalog.\nTo tolerate the error on drop use DROP SCHEMA IF EXISTS."
    );
    let parameters = [("schemaName", shown.as_str())];
    SparkError::new(condition::SCHEMA_NOT_FOUND, message, &parameters)
}

/// The name of a table or view is already in use.
pub(super) fn already_exists(name: &[String]) -> SparkError {
    let shown = quoted(name);
    let message = format!(
        "Cannot create table or view {shown} because it already exists.\nChoose a different name, drop or replace the existing object, or add the IF NOT EXISTS clause to tolerate pre-existing objects."
    );
    let parameters = [("relationName", shown.as_str())];
    SparkError::new(condition::TABLE_OR_VIEW_ALREADY_EXISTS, message, &parameters)
}

/// The command does not apply to this kind of object.
pub(super) fn wrong_command(
    name: &[String],
    operation: &str,
    found: &str,
    instead: &str,
) -> SparkError {
    let shown = quoted(name);
    let message = format!(
        "'{operation}' expects another kind of object but {shown} is a {found}. Please use {instead} instead."
    );
    let class = if found == "view" {
        condition::EXPECT_TABLE_NOT_VIEW_NO_ALTERNATIVE
    } else {
        condition::EXPECT_VIEW_NOT_TABLE_NO_ALTERNATIVE
    };
    SparkError::analysis(class, message, &[("tableName", &shown), ("operation", operation)])
}
