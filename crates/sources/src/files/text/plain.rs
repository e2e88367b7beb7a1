//! How lines of plain text are read and written.

use formats::options::Options;
use formats::records::{check_encoding, line_sep};
use plan::SparkError;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plain {
    /// A file is one row.
    pub(crate) whole: bool,
    pub(crate) line_sep: Option<String>,
}

impl Plain {
    pub(crate) fn new(options: &Options<'_>) -> Result<Self, SparkError> {
        check_encoding(options)?;
        Ok(Self { whole: options.flag("wholetext")?, line_sep: line_sep(options)? })
    }
}
