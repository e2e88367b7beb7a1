//! Errors that functions in Python raise.

use errors::{SparkError, condition};
use model::RaisedError;

/// The error of a function that raised an exception, from its traceback.
pub fn raised(traceback: &str) -> RaisedError {
    const WHAT: &str = "An exception was thrown from the Python worker";
    let parameters = [("msg", WHAT), ("traceback", traceback)];
    let message = format!("{WHAT}:\n{traceback}");
    SparkError::new(condition::PYTHON_EXCEPTION, message, &parameters).into()
}
