//! How JSON is written down.

use crate::options::Options;
use crate::records::{Defaults, Records};
use errors::SparkError;
use serde::{Deserialize, Serialize};

/// What a reader takes beyond the standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Spark's")]
pub struct Syntax {
    /// Comments as in Java.
    pub comments: bool,
    /// Names and texts in single quotes.
    pub single_quotes: bool,
    /// Names without quotes.
    pub unquoted_names: bool,
    /// Whole numbers that begin with zeros.
    pub leading_zeros: bool,
    /// `NaN`, `INF` and their like.
    pub named_numbers: bool,
    /// A backslash before any character.
    pub any_escape: bool,
    /// Control characters inside texts.
    pub control_characters: bool,
}

impl Default for Syntax {
    fn default() -> Self {
        Self {
            comments: false,
            single_quotes: true,
            unquoted_names: false,
            leading_zeros: false,
            named_numbers: true,
            any_escape: false,
            control_characters: false,
        }
    }
}

impl Syntax {
    /// What the functions read that look into JSON without a schema, such as `get_json_object`.
    pub fn of_paths() -> Self {
        Self { named_numbers: false, control_characters: true, ..Self::default() }
    }
}

/// How JSON is read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Spark's")]
pub struct Json {
    /// What holds for records.
    pub records: Records,
    /// What is read beyond the standard.
    pub syntax: Syntax,
    /// Inference: numbers and truths are text.
    pub primitives_as_string: bool,
    /// Inference: fractions are decimals.
    pub prefers_decimal: bool,
    /// Inference: text may be a timestamp.
    pub infer_timestamp: bool,
    /// Inference: fields without values are left out.
    pub drop_all_null: bool,
    /// Writing: fields that are null are left out.
    pub ignore_null: bool,
    /// Writing: characters beyond ASCII are escaped.
    pub ascii: bool,
}

impl Json {
    /// Reads the options.
    pub fn new(options: &Options<'_>, defaults: Defaults<'_>) -> Result<Self, SparkError> {
        options.refuse(&[("singleVariantColumn", &[]), ("pretty", &["false"])])?;
        let syntax = Syntax {
            comments: options.flag("allowComments")?,
            single_quotes: options.switch("allowSingleQuotes", true)?,
            unquoted_names: options.flag("allowUnquotedFieldNames")?,
            leading_zeros: options.flag("allowNumericLeadingZeros")?,
            named_numbers: options.switch("allowNonNumericNumbers", true)?,
            any_escape: options.flag("allowBackslashEscapingAnyCharacter")?,
            control_characters: options.flag("allowUnquotedControlChars")?,
        };
        Ok(Self {
            records: Records::new(options, defaults)?,
            syntax,
            primitives_as_string: options.flag("primitivesAsString")?,
            prefers_decimal: options.flag("prefersDecimal")?,
            infer_timestamp: options.flag("inferTimestamp")?,
            drop_all_null: options.flag("dropFieldIfAllNull")?,
            ignore_null: options.switch("ignoreNullFields", true)?,
            ascii: options.flag("writeNonAsciiCharacterAsCodePoint")?,
        })
    }
}
