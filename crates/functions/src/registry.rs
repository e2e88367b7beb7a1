//! Looks up functions by Spark's name, and lists all functions that an expression can contain.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, WindowUDF};

use crate::aggregate::AggregateCall;
use crate::function::{Build, Call, Function, unknown};
use crate::window::{Frame, WindowCall};
use crate::{Context, FunctionError, aggregate, cast, native, scalar, window};

/// Spark's functions, by name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Registry;

impl Registry {
    /// The registry of all functions.
    pub fn new() -> Self {
        Self
    }

    /// A call of a scalar function or operator. `types` are the types of `args`.
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

    /// Whether a function of this name requires a window: `row_number`, `lag`.
    pub fn is_window(&self, name: &str) -> bool {
        window::is_window(&name.to_lowercase())
    }

    /// Whether a generator, a function that returns rows, has this name: `explode`. The resolver
    /// builds calls of generators.
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

    /// Whether a higher-order function has this name: `transform`.
    pub fn is_higher_order(&self, name: &str) -> bool {
        scalar::collection::higher_order::is_higher_order(&name.to_lowercase())
    }

    /// The parameter types of the lambda at argument `index`; `types` are the types of the
    /// arguments that are not lambdas, and `arity` is the number of parameters that the lambda
    /// declares.
    pub fn lambda_parameters(
        &self,
        name: &str,
        types: &[DataType],
        (index, arity): (usize, usize),
    ) -> Result<Vec<DataType>, FunctionError> {
        scalar::collection::higher_order::lambda_parameters(
            &name.to_lowercase(),
            types,
            (index, arity),
        )
    }

    /// A call of a higher-order function. Lambdas occur in `args` as [`Expr::Lambda`], with their
    /// result type in `types`.
    pub fn higher_order(
        &self,
        name: &str,
        args: Vec<Expr>,
        types: &[DataType],
        ctx: &Context,
    ) -> Result<Expr, FunctionError> {
        scalar::collection::higher_order::build(&name.to_lowercase(), args, types, ctx)
    }

    /// A call of an aggregate function: always an [`Expr::AggregateFunction`] itself, never wrapped
    /// in another expression.
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

    /// Names of all functions and operators, sorted, for `SHOW FUNCTIONS`.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = FUNCTIONS.keys().copied().collect();
        names.extend(aggregate::names());
        names.extend(window::names());
        names.extend(scalar::collection::higher_order::names());
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// All scalar functions that an expression built by this crate can contain, and those that
/// `DataFusion`'s optimizer may introduce. Later functions override earlier ones with the same name
/// or alias: Spark's `length` overrides `DataFusion`'s.
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

/// All aggregate functions, likewise.
pub fn all_udafs() -> Vec<Arc<AggregateUDF>> {
    let mut all = datafusion::functions_aggregate::all_default_aggregate_functions();
    all.extend(aggregate::udafs());
    all
}

/// All window functions, likewise.
pub fn all_udwfs() -> Vec<Arc<WindowUDF>> {
    datafusion::functions_window::all_default_window_functions()
}

/// All higher-order functions, likewise.
pub fn all_higher_order() -> Vec<Arc<HigherOrderUDF>> {
    scalar::collection::higher_order::udfs()
}

static FUNCTIONS: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    scalar::tables().iter().flat_map(|table| table.iter()).map(|f| (f.name, f)).collect()
});

/// Whether the function of this name is implemented by this `DataFusion` function.
#[cfg(test)]
pub(crate) fn is_native(name: &str, udf: &ScalarUDF) -> bool {
    let build = FUNCTIONS.get(name).map(|function| function.build);
    matches!(build, Some(Build::Native(native)) if native().as_ref() == udf)
}
