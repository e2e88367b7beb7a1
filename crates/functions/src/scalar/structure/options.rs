//! Options of `from_json`, `to_csv` and similar functions: a map of constants. `formats` defines
//! their meaning; they are serialised as one argument of the kernel.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_datafusion_err};
use datafusion::logical_expr::Expr;
use errors::condition;
use formats::options::Options;
use formats::records::{Defaults, Mode};

use crate::FunctionError;
use crate::function::Call;
use crate::kernel::Args;

/// The options of a call.
#[derive(Debug, Default)]
pub(in crate::scalar) struct Given(Vec<(String, String)>);

impl Given {
    /// The options in an argument, if it exists.
    pub(in crate::scalar) fn of(call: &Call<'_>, index: usize) -> Result<Self, FunctionError> {
        let Some(argument) = call.args.get(index) else { return Ok(Self::default()) };
        pairs(argument).map(Self).ok_or_else(|| FunctionError::Invalid {
            condition: condition::INVALID_OPTIONS_NON_MAP_FUNCTION,
            message: "Invalid options: Must use the `map()` function for options.".to_owned(),
            parameters: Vec::new(),
        })
    }

    pub(in crate::scalar) fn options(&self) -> Options<'_> {
        Options(&self.0)
    }
}

/// Rejects the mode that drops records: a function has a value for every row.
pub(in crate::scalar) fn check_mode(call: &Call<'_>, mode: Mode) -> Result<(), FunctionError> {
    if mode != Mode::DropMalformed {
        return Ok(());
    }
    let name = call.name;
    Err(FunctionError::Invalid {
        condition: condition::PARSE_MODE_UNSUPPORTED,
        message: format!(
            "The function `{name}` doesn't support the DROPMALFORMED mode. Acceptable modes are PERMISSIVE and FAILFAST."
        ),
        parameters: vec![("funcName", format!("`{name}`")), ("mode", "DROPMALFORMED".to_owned())],
    })
}

impl<'a> Call<'a> {
    /// Session defaults for options that the call does not set.
    pub(in crate::scalar) fn defaults(&self) -> Defaults<'a> {
        Defaults { time_zone: &self.ctx.time_zone, corrupt_column: &self.ctx.corrupt_column }
    }

    /// Replaces the options argument by the parsed options.
    pub(in crate::scalar) fn replace_options(&mut self, index: usize, options: &str) {
        self.args.truncate(index);
        self.types.truncate(index);
        self.push(ScalarValue::from(options));
    }
}

/// Serialises options as an argument.
pub(in crate::scalar) fn packed(options: &impl serde::Serialize) -> String {
    serde_json::to_string(options).expect("options are words, switches and texts")
}

/// Deserialises options from an argument.
pub(in crate::scalar) fn unpacked<T: serde::de::DeserializeOwned>(
    args: &Args<'_>,
    index: usize,
) -> Result<T> {
    let text = args.constant_string(index)?;
    serde_json::from_str(text).map_err(|e| internal_datafusion_err!("options of a call: {e}"))
}

fn pairs(argument: &Expr) -> Option<Vec<(String, String)>> {
    let text = |expr: &Expr| match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text.clone()),
        _ => None,
    };
    match argument {
        Expr::ScalarFunction(call) if call.func.name().starts_with("spark_map") => call
            .args
            .chunks(2)
            .map(|pair| Some((text(pair.first()?)?, text(pair.get(1)?)?)))
            .collect(),
        Expr::Literal(ScalarValue::Map(map), _) if map.len() == 1 => {
            let entries = map.value(0);
            let side = |index: usize| entries.column(index).as_string_opt::<i32>();
            let (names, values) = (side(0)?, side(1)?);
            let pair = |at| (names.value(at).to_owned(), values.value(at).to_owned());
            Some((0..entries.len()).map(pair).collect())
        }
        _ => None,
    }
}

/// Whether a type is an array, a map or a struct.
pub(in crate::scalar) fn is_nested(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::Map(..) | DataType::Struct(_))
}
