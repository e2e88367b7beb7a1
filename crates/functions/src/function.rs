//! Functions: names, parameter types, and building of calls.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, ScalarUDF, Volatility};

use crate::kernel::{Kernel, VARYING};
use crate::types::{self, is_numeric};
use crate::{CastMode, Context, FunctionError, cast};

/// A function: its name, its parameter types, and how a call becomes an expression.
///
/// Each letter is a parameter. Parameters after `?` are optional; `*` repeats the letter before it.
///
/// | letter | takes | letter | takes |
/// |---|---|---|---|
/// | `a` | any value, unchanged | `d` | double |
/// | `s` | string | `n` | number of any type |
/// | `x` | string or binary | `z` | whole number of any type |
/// | `b` | binary | `D` | date |
/// | `B` | boolean | `T` | timestamp |
/// | `i` | int | `t` | date, or timestamp of either kind |
/// | `l` | bigint | `A` | array |
/// | `C` | array or map | `M` | map |
/// | `S` | struct | | |
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// One letter per parameter.
    pub(crate) parameters: &'static str,
    pub(crate) build: Build,
}

/// How a call with cast arguments becomes an expression.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    /// One of our kernels.
    Kernel(Kernel),
    /// A `DataFusion` function with Spark's semantics.
    Native(fn() -> Arc<ScalarUDF>),
    /// Code that composes an expression.
    With(fn(Call<'_>) -> Result<Expr, FunctionError>),
}

/// A function implemented by one of our kernels.
pub(crate) const fn kernel(
    name: &'static str,
    parameters: &'static str,
    kernel: Kernel,
) -> Function {
    Function { name, parameters, build: Build::Kernel(kernel) }
}

/// A function implemented by `DataFusion`.
pub(crate) const fn native(
    name: &'static str,
    parameters: &'static str,
    udf: fn() -> Arc<ScalarUDF>,
) -> Function {
    Function { name, parameters, build: Build::Native(udf) }
}

/// A function composed of other expressions.
pub(crate) const fn with(
    name: &'static str,
    parameters: &'static str,
    build: fn(Call<'_>) -> Result<Expr, FunctionError>,
) -> Function {
    Function { name, parameters, build: Build::With(build) }
}

impl Function {
    /// Builds the expression for a call of the function.
    pub(crate) fn build(&self, mut call: Call<'_>) -> Result<Expr, FunctionError> {
        call.fit(self.parameters)?;
        match self.build {
            Build::Kernel(kernel) => Ok(call.apply(kernel)),
            Build::Native(udf) => Ok(udf().call(call.args)),
            Build::With(build) => build(call),
        }
    }
}

/// A call under construction.
pub(crate) struct Call<'a> {
    pub(crate) name: &'static str,
    pub(crate) args: Vec<Expr>,
    pub(crate) types: Vec<DataType>,
    pub(crate) ctx: &'a Context,
}

impl Call<'_> {
    /// Applies a kernel to the arguments without further casts.
    pub(crate) fn apply(mut self, kernel: Kernel) -> Expr {
        if kernel.volatility == Volatility::Volatile {
            // A call whose arguments are all constant would be taken for a constant: a sort by it
            // would be dropped.
            self.args.push(VARYING.udf().call(Vec::new()));
        }
        kernel.udf().call(self.args)
    }

    /// Casts one argument.
    pub(crate) fn cast(&mut self, index: usize, to: &DataType) -> Result<(), FunctionError> {
        let expr = std::mem::take(&mut self.args[index]);
        self.args[index] =
            cast(expr, &self.types[index], to, CastMode::session(self.ctx), self.ctx)?;
        self.types[index] = to.clone();
        Ok(())
    }

    /// Casts all arguments from `start` on to their common type, and returns it.
    pub(crate) fn unify(&mut self, start: usize) -> Result<DataType, FunctionError> {
        let common = types::common_type(&self.types[start..], self.ctx).ok_or_else(|| {
            FunctionError::DifferingTypes {
                name: self.name.to_owned(),
                types: self.types[start..].to_vec(),
            }
        })?;
        for index in start..self.args.len() {
            self.cast(index, &common)?;
        }
        Ok(common)
    }

    /// Like [`Self::unify`], but strings have no common type with other types.
    pub(crate) fn unify_without_text(&mut self, start: usize) -> Result<DataType, FunctionError> {
        let common = types::common_type_without_text(&self.types[start..], self.ctx);
        let Some(common) = common else {
            return Err(FunctionError::DifferingTypes {
                name: self.name.to_owned(),
                types: self.types[start..].to_vec(),
            });
        };
        for index in start..self.args.len() {
            self.cast(index, &common)?;
        }
        Ok(common)
    }

    /// Casts two arguments to their common type for comparison.
    pub(crate) fn unify_compared(&mut self) -> Result<DataType, FunctionError> {
        let common = types::compared_type(&self.types[0], &self.types[1], self.ctx);
        let Some(common) = common else {
            return Err(FunctionError::DifferingTypes {
                name: self.name.to_owned(),
                types: self.types.clone(),
            });
        };
        self.cast(0, &common)?;
        self.cast(1, &common)?;
        Ok(common)
    }

    /// Appends a constant argument.
    pub(crate) fn push(&mut self, value: ScalarValue) {
        self.types.push(value.data_type());
        self.args.push(Expr::Literal(value, None));
    }

    /// Appends a default value if there are fewer than `count` arguments.
    pub(crate) fn default(&mut self, count: usize, value: ScalarValue) {
        if self.args.len() < count {
            self.push(value);
        }
    }

    /// Appends the session time zone as an argument.
    pub(crate) fn push_zone(&mut self) {
        self.push(ScalarValue::from(self.ctx.time_zone.as_str()));
    }

    /// The value of an argument that is a string constant.
    pub(crate) fn string(&self, index: usize) -> Option<&str> {
        match self.args.get(index)? {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text),
            _ => None,
        }
    }

    /// The value of an argument that is an integral constant.
    pub(crate) fn integer(&self, index: usize) -> Option<i64> {
        let Expr::Literal(value, _) = self.args.get(index)? else { return None };
        match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(number) if types::is_integral(&value.data_type()) => number,
            _ => None,
        }
    }

    /// The only argument.
    pub(crate) fn only(mut self) -> Expr {
        self.args.swap_remove(0)
    }

    /// The error for an argument of the wrong type.
    pub(crate) fn mismatch(&self, index: usize, required: &str) -> FunctionError {
        FunctionError::InputType {
            name: self.name.to_owned(),
            index,
            required: required.to_owned(),
            actual: self.types.get(index).cloned().unwrap_or(DataType::Null),
        }
    }

    /// Checks the number of arguments and casts each to its parameter's type.
    pub(crate) fn fit(&mut self, parameters: &str) -> Result<(), FunctionError> {
        let (required, letters, repeats) = shape(parameters);
        let count = self.args.len();
        if count < required || (!repeats && count > letters.len()) {
            let expected = match (repeats, required == letters.len()) {
                (true, _) => format!("> {}", required.saturating_sub(1)),
                (false, true) => required.to_string(),
                (false, false) => {
                    let all: Vec<_> = (required..=letters.len()).map(|n| n.to_string()).collect();
                    format!("[{}]", all.join(", "))
                }
            };
            return Err(FunctionError::WrongNumArgs {
                name: self.name.to_owned(),
                expected,
                actual: count,
            });
        }
        for index in 0..count {
            let letter = letters[index.min(letters.len().saturating_sub(1))];
            if let Some(target) = parameter(letter, &self.types[index])
                .map_err(|required| self.mismatch(index, required))?
            {
                self.implicit_cast(index, letter, &target)?;
            }
        }
        Ok(())
    }

    fn implicit_cast(
        &mut self,
        index: usize,
        letter: u8,
        target: &DataType,
    ) -> Result<(), FunctionError> {
        let from = &self.types[index];
        if from == target {
            return Ok(());
        }
        let required = match letter {
            b's' => "\"STRING\"".to_owned(),
            _ => format!("\"{}\"", types::sql_type(target)),
        };
        let allowed = match (from, target) {
            (DataType::Null, _) => true,
            (DataType::List(_) | DataType::Map(..) | DataType::Struct(_), _) => false,
            // Also to a narrower type: a value out of range is an error in that case.
            (from, to) if is_numeric(from) && is_numeric(to) => true,
            (from, DataType::Utf8) => *from != DataType::Binary || !self.ctx.ansi,
            // Strings are cast to boolean in ANSI mode only.
            (DataType::Utf8, DataType::Boolean) => self.ctx.ansi,
            (DataType::Utf8, _) => true,
            (DataType::Date32, DataType::Timestamp(..)) => true,
            (DataType::Timestamp(..), DataType::Date32 | DataType::Timestamp(..)) => true,
            _ => false,
        };
        if !allowed {
            return Err(self.mismatch(index, &required));
        }
        self.cast(index, target)
    }
}

fn shape(parameters: &str) -> (usize, Vec<u8>, bool) {
    let repeats = parameters.ends_with('*');
    let mut letters = Vec::new();
    let mut required = None;
    for letter in parameters.trim_end_matches('*').bytes() {
        if letter == b'?' {
            required = Some(letters.len());
        } else {
            letters.push(letter);
        }
    }
    let all = letters.len() - usize::from(repeats);
    (required.unwrap_or(all), letters, repeats)
}

/// The type to which a parameter casts an argument: `None` leaves it unchanged; the error names the
/// required type.
fn parameter(letter: u8, from: &DataType) -> Result<Option<DataType>, &'static str> {
    use DataType::{
        Binary, Boolean, Date32, Float64, Int32, Int64, List, Map, Null, Struct, Timestamp, Utf8,
    };
    let is_null = *from == Null;
    Ok(match letter {
        b's' => Some(Utf8),
        b'x' => (*from != Binary).then_some(Utf8),
        b'b' => Some(Binary),
        b'B' => Some(Boolean),
        b'i' => Some(Int32),
        b'l' => Some(Int64),
        b'd' => Some(Float64),
        b'n' if is_numeric(from) => None,
        b'n' if is_null || *from == Utf8 => Some(Float64),
        b'n' => return Err("\"NUMERIC\""),
        b'z' if types::is_integral(from) => None,
        b'z' if is_null || *from == Utf8 => Some(Int64),
        b'z' => return Err("\"INTEGRAL\""),
        b'D' => Some(Date32),
        b'T' => Some(types::timestamp()),
        b't' if matches!(from, Date32 | Timestamp(..)) => None,
        b't' => Some(types::timestamp()),
        b'A' if matches!(from, List(_)) => None,
        b'A' if is_null => Some(types::list(Null)),
        b'A' => return Err("\"ARRAY\""),
        b'M' if matches!(from, Map(..)) => None,
        b'M' if is_null => Some(types::map(Null, Null)),
        b'M' => return Err("\"MAP\""),
        b'C' if matches!(from, List(_) | Map(..)) => None,
        b'C' if is_null => Some(types::list(Null)),
        b'C' => return Err("(\"ARRAY\" or \"MAP\")"),
        b'S' if matches!(from, Struct(_)) => None,
        b'S' => return Err("\"STRUCT\""),
        _ => None,
    })
}

/// The error for an unknown function.
pub(crate) fn unknown(name: &str) -> FunctionError {
    FunctionError::Unknown { name: name.to_owned() }
}
