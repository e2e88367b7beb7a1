//! Finds a function by Spark's name, checks its arguments, inserts Spark's implicit casts, and builds the expression.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{ScalarFunction, Sort};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, WindowFrame, WindowFunctionDefinition, WindowUDF,
};

use crate::kernel::Kernel;
use crate::types::{self, is_numeric};
use crate::window::Frame;
use crate::{CastMode, Context, FunctionError, aggregate, cast, native, scalar, window};

/// The functions of Spark, by name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

/// A call of an aggregate function.
#[derive(Debug, Clone)]
pub struct AggregateCall<'a> {
    /// Name as written; matched without case.
    pub name: &'a str,
    /// Arguments; `count(*)` has the one literal `1`.
    pub args: Vec<Expr>,
    /// Their types.
    pub types: &'a [DataType],
    /// `DISTINCT`.
    pub distinct: bool,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub order_by: Vec<Sort>,
    /// `IGNORE NULLS`.
    pub ignore_nulls: bool,
}

/// A window function, ready to be given its window: nothing of the call is left that is not in it.
#[derive(Debug, Clone)]
pub struct WindowCall {
    /// The function.
    pub function: WindowFunctionDefinition,
    /// Its arguments, cast.
    pub args: Vec<Expr>,
    /// The frame that `DataFusion` has to give it.
    pub frame: WindowFrame,
}

impl Registry {
    /// All functions.
    pub fn new() -> Self {
        Self
    }

    /// A call of a scalar function or operator. `types` are those of `args`.
    pub fn scalar(
        &self,
        name: &str,
        args: Vec<Expr>,
        types: &[DataType],
        ctx: &Context,
    ) -> Result<Expr, FunctionError> {
        let lower = name.to_lowercase();
        let function = FUNCTIONS.get(lower.as_str()).ok_or_else(|| unknown(name))?;
        let call = Call { name: function.name, args, types: types.to_vec(), ctx };
        function.build(call)
    }

    /// Whether a scalar function or operator has this name.
    pub fn is_scalar(&self, name: &str) -> bool {
        FUNCTIONS.contains_key(name.to_lowercase().as_str())
    }

    /// Whether an aggregate function has this name.
    pub fn is_aggregate(&self, name: &str) -> bool {
        aggregate::is_aggregate(&name.to_lowercase())
    }

    /// Whether the name is that of a function which needs a window: `row_number`, `lag`.
    pub fn is_window(&self, name: &str) -> bool {
        window::is_window(&name.to_lowercase())
    }

    /// Whether the name is that of a generator, a function which makes rows: `explode`. The resolver builds those.
    pub fn is_generator(&self, name: &str) -> bool {
        const GENERATORS: [&str; 8] = [
            "explode",
            "explode_outer",
            "posexplode",
            "posexplode_outer",
            "inline",
            "inline_outer",
            "stack",
            "json_tuple",
        ];
        GENERATORS.contains(&name.to_lowercase().as_str())
    }

    /// Whether the name is that of a function that takes a function: `transform`.
    pub fn is_higher_order(&self, name: &str) -> bool {
        scalar::higher_order::is_higher_order(&name.to_lowercase())
    }

    /// The types of a lambda's parameters, for the lambda that is argument `index`; `types` are those of the arguments that
    /// are values, and `arity` says how many parameters the lambda declares.
    pub fn lambda_parameters(
        &self,
        name: &str,
        types: &[DataType],
        (index, arity): (usize, usize),
    ) -> Result<Vec<DataType>, FunctionError> {
        scalar::higher_order::lambda_parameters(&name.to_lowercase(), types, (index, arity))
    }

    /// A call of a higher-order function. Lambdas stand among `args` as [`Expr::Lambda`], with the type of their result in `types`.
    pub fn higher_order(
        &self,
        name: &str,
        args: Vec<Expr>,
        types: &[DataType],
        ctx: &Context,
    ) -> Result<Expr, FunctionError> {
        scalar::higher_order::build(&name.to_lowercase(), args, types, ctx)
    }

    /// A call of an aggregate function: always an [`Expr::AggregateFunction`] itself, never something around one.
    pub fn aggregate(&self, call: AggregateCall<'_>, ctx: &Context) -> Result<Expr, FunctionError> {
        aggregate::build(call, ctx)
    }

    /// A window function, or an aggregate function over a window.
    pub fn window(
        &self,
        call: AggregateCall<'_>,
        frame: Frame,
        ctx: &Context,
    ) -> Result<WindowCall, FunctionError> {
        window::build(call, frame, ctx)
    }

    /// Names of all functions and operators, for `SHOW FUNCTIONS`; in order.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = FUNCTIONS.keys().copied().collect();
        names.extend(aggregate::names());
        names.extend(window::names());
        names.extend(scalar::higher_order::names());
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Every scalar function that an expression of this room can hold, and those `DataFusion`'s optimizer may put in.
pub fn all_udfs() -> Vec<Arc<ScalarUDF>> {
    let mut all = datafusion::functions::all_default_functions();
    all.extend(datafusion::functions_nested::all_default_nested_functions());
    all.extend(cast::udfs());
    all.extend(native::composed());
    all.extend(scalar::hidden_kernels().iter().map(|k| k.udf()));
    all.extend(FUNCTIONS.values().filter_map(|function| match function.build {
        Build::Kernel(kernel) => Some(kernel.udf()),
        Build::Native(udf) => Some(udf()),
        Build::With(_) => None,
    }));
    all
}

/// Every aggregate function, likewise.
pub fn all_udafs() -> Vec<Arc<AggregateUDF>> {
    let mut all = datafusion::functions_aggregate::all_default_aggregate_functions();
    all.extend(aggregate::udafs());
    all
}

/// Every window function, likewise.
pub fn all_udwfs() -> Vec<Arc<WindowUDF>> {
    datafusion::functions_window::all_default_window_functions()
}

/// Every higher-order function, likewise.
pub fn all_higher_order() -> Vec<Arc<HigherOrderUDF>> {
    scalar::higher_order::udfs()
}

static FUNCTIONS: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    scalar::tables().iter().flat_map(|table| table.iter()).map(|f| (f.name, f)).collect()
});

/// Whether the function of this name is this one of `DataFusion`'s.
#[cfg(test)]
pub(crate) fn is_native(name: &str, udf: &ScalarUDF) -> bool {
    let build = FUNCTIONS.get(name).map(|function| function.build);
    matches!(build, Some(Build::Native(native)) if native().as_ref() == udf)
}

pub(crate) fn unknown(name: &str) -> FunctionError {
    FunctionError::Unknown { name: name.to_owned() }
}

/// One function: its name, what its parameters take, and how a call becomes an expression.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// One letter per parameter; see [`parameter`]. After `?` they are optional; `*` repeats the letter before it.
    pub(crate) parameters: &'static str,
    pub(crate) build: Build,
}

/// How a call with cast arguments becomes an expression.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    /// A function of ours.
    Kernel(Kernel),
    /// A function of `DataFusion` whose meaning is Spark's.
    Native(fn() -> Arc<ScalarUDF>),
    /// Code that composes.
    With(fn(Call<'_>) -> Result<Expr, FunctionError>),
}

/// A function that is a kernel of ours.
pub(crate) const fn kernel(
    name: &'static str,
    parameters: &'static str,
    kernel: Kernel,
) -> Function {
    Function { name, parameters, build: Build::Kernel(kernel) }
}

/// A function that is one of `DataFusion`'s.
pub(crate) const fn native(
    name: &'static str,
    parameters: &'static str,
    udf: fn() -> Arc<ScalarUDF>,
) -> Function {
    Function { name, parameters, build: Build::Native(udf) }
}

/// A function that is composed.
pub(crate) const fn with(
    name: &'static str,
    parameters: &'static str,
    build: fn(Call<'_>) -> Result<Expr, FunctionError>,
) -> Function {
    Function { name, parameters, build: Build::With(build) }
}

impl Function {
    fn build(&self, mut call: Call<'_>) -> Result<Expr, FunctionError> {
        call.fit(self.parameters)?;
        match self.build {
            Build::Kernel(kernel) => Ok(call.apply(kernel)),
            Build::Native(udf) => Ok(apply(&udf(), call.args)),
            Build::With(build) => build(call),
        }
    }
}

/// A function applied to arguments.
pub(crate) fn apply(udf: &Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(udf), args))
}

/// A call that is being built.
pub(crate) struct Call<'a> {
    pub(crate) name: &'static str,
    pub(crate) args: Vec<Expr>,
    pub(crate) types: Vec<DataType>,
    pub(crate) ctx: &'a Context,
}

impl Call<'_> {
    /// Applies a kernel to the arguments as they are.
    pub(crate) fn apply(self, kernel: Kernel) -> Expr {
        apply(&kernel.udf(), self.args)
    }

    /// Casts one argument.
    pub(crate) fn cast(&mut self, index: usize, to: &DataType) -> Result<(), FunctionError> {
        let expr = std::mem::take(&mut self.args[index]);
        self.args[index] =
            cast(expr, &self.types[index], to, CastMode::session(self.ctx), self.ctx)?;
        self.types[index] = to.clone();
        Ok(())
    }

    /// Casts all arguments from `start` on to their common type, which it returns.
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

    /// Casts all arguments from `start` on to their common type, where text has none with another type.
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

    /// Casts two arguments to the type that they are compared in.
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

    /// Adds an argument.
    pub(crate) fn push(&mut self, value: ScalarValue) {
        self.types.push(value.data_type());
        self.args.push(Expr::Literal(value, None));
    }

    /// Adds an argument if there are fewer than `count`.
    pub(crate) fn default(&mut self, count: usize, value: ScalarValue) {
        if self.args.len() < count {
            self.push(value);
        }
    }

    /// Adds the session's time zone.
    pub(crate) fn push_zone(&mut self) {
        self.push(ScalarValue::from(self.ctx.time_zone.as_str()));
    }

    /// The constant string that an argument is.
    pub(crate) fn string(&self, index: usize) -> Option<&str> {
        match self.args.get(index)? {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text),
            _ => None,
        }
    }

    /// The constant whole number that an argument is.
    pub(crate) fn integer(&self, index: usize) -> Option<i64> {
        let Expr::Literal(value, _) = self.args.get(index)? else { return None };
        match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(number) if types::is_integral(&value.data_type()) => number,
            _ => None,
        }
    }

    /// The one argument.
    pub(crate) fn only(mut self) -> Expr {
        self.args.swap_remove(0)
    }

    /// The complaint that an argument has the wrong type.
    pub(crate) fn mismatch(&self, index: usize, required: &str) -> FunctionError {
        FunctionError::InputType {
            name: self.name.to_owned(),
            index,
            required: required.to_owned(),
            actual: self.types.get(index).cloned().unwrap_or(DataType::Null),
        }
    }

    /// Checks the number of arguments and casts each to what its parameter takes.
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
            // Also to a narrower type: a value that does not fit is an error then.
            (from, to) if is_numeric(from) && is_numeric(to) => true,
            (from, DataType::Utf8) => *from != DataType::Binary || !self.ctx.ansi,
            // Text is a truth in ANSI mode only.
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

/// What an argument of a type becomes for a parameter: `None` stays as it is; the error names the type wanted.
/// `a` anything, `s` string, `x` string or binary, `b` binary, `B` boolean, `i` int, `l` bigint, `d` double, `n` any number, `z` any whole number,
/// `D` date, `T` timestamp, `t` date or timestamp of either kind, `A` array, `M` map, `C` array or map, `S` struct.
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
