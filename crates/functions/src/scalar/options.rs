//! The options of `from_json`, `to_csv` and their like: a map of constants.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use errors::condition;

use crate::FunctionError;
use crate::registry::Call;

/// Names in small letters, and values.
#[derive(Debug, Default)]
pub(super) struct Options(Vec<(String, String)>);

impl Options {
    /// Those that an argument holds, if there is such an argument.
    pub(super) fn of(call: &Call<'_>, index: usize) -> Result<Self, FunctionError> {
        let Some(argument) = call.args.get(index) else { return Ok(Self::default()) };
        pairs(argument).map(Self).ok_or_else(|| FunctionError::Invalid {
            condition: condition::INVALID_OPTIONS_NON_MAP_FUNCTION,
            message: "Invalid options: Must use the `map()` function for options.".to_owned(),
            parameters: Vec::new(),
        })
    }

    /// Refuses options that change the answer and are not served.
    pub(super) fn only(&self, function: &str, known: &[&str]) -> Result<(), FunctionError> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                Err(FunctionError::Unsupported { what: format!("the option {name} of {function}") })
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }
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
            .map(|pair| Some((text(pair.first()?)?.to_lowercase(), text(pair.get(1)?)?)))
            .collect(),
        Expr::Literal(ScalarValue::Map(map), _) if map.len() == 1 => {
            let entries = map.value(0);
            let side = |index: usize| entries.column(index).as_string_opt::<i32>();
            let (names, values) = (side(0)?, side(1)?);
            let pair = |at| (names.value(at).to_lowercase(), values.value(at).to_owned());
            Some((0..entries.len()).map(pair).collect())
        }
        _ => None,
    }
}
