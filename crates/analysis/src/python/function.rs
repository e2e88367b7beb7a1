//! Calls of Python functions as expressions. They only hold a place: before a plan is run,
//! [`ExtractPython`](super::ExtractPython) moves them into nodes of their own.

use arrow::datatypes::{DataType as Arrow, Field as ArrowField, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Expr, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use formats::types;
use plan::{DataType, PythonFunction, WorkerArgument, WorkerCall};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A Python function with the types and names of its arguments.
#[derive(Debug, Clone)]
pub(super) struct PythonPlace {
    /// The function.
    pub(super) function: Arc<PythonFunction>,
    /// Spark's types of the arguments.
    pub(super) types: Vec<DataType>,
    /// Keywords of the arguments that have one.
    pub(super) keywords: Vec<Option<String>>,
    /// The number of its profile, if it is profiled. Equal calls share the one of any of them.
    pub(super) profile: Option<u64>,
    name: String,
    signature: Signature,
}

impl PythonPlace {
    pub(super) fn new(
        function: Arc<PythonFunction>,
        types: Vec<DataType>,
        keywords: Vec<Option<String>>,
        profile: Option<u64>,
    ) -> Self {
        let volatility =
            if function.deterministic { Volatility::Immutable } else { Volatility::Volatile };
        // Like the name of a column in a plan, this one must not depend on what the function does.
        let name = format!("python_{}", function.name);
        // Any arguments, also none.
        let signature = Signature::user_defined(volatility);
        Self { function, types, keywords, profile, name, signature }
    }

    /// The call in a worker, with these arguments.
    pub(super) fn worker_call(&self, args: Vec<WorkerArgument>) -> WorkerCall {
        let call = WorkerCall::new(&self.function, args, self.keywords.clone());
        WorkerCall { profile: self.profile, ..call }
    }

    /// The call as an expression of one value per row.
    pub(super) fn call(self, args: Vec<Expr>) -> Expr {
        Arc::new(ScalarUDF::from(self)).call(args)
    }

    /// The call as an aggregate.
    pub(super) fn aggregate(self, args: Vec<Expr>) -> Expr {
        Expr::AggregateFunction(AggregateFunction::new_udf(
            Arc::new(AggregateUDF::from(self)),
            args,
            false,
            None,
            Vec::new(),
            None,
        ))
    }

    /// The Python function that an expression calls, if it is such a call.
    pub(super) fn of(expr: &Expr) -> Option<(&Self, &[Expr])> {
        match expr {
            Expr::ScalarFunction(call) => {
                Some((call.func.inner().downcast_ref::<Self>()?, &call.args))
            }
            Expr::AggregateFunction(call) => {
                Some((call.func.inner().downcast_ref::<Self>()?, &call.params.args))
            }
            _ => None,
        }
    }

    fn result(&self) -> Arrow {
        types::to_arrow(&self.function.output)
    }
}

impl PartialEq for PythonPlace {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
            && self.types == other.types
            && self.keywords == other.keywords
    }
}

impl Eq for PythonPlace {}

impl Hash for PythonPlace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
        self.keywords.hash(state);
    }
}

impl ScalarUDFImpl for PythonPlace {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[Arrow]) -> Result<Arrow> {
        Ok(self.result())
    }

    fn coerce_types(&self, types: &[Arrow]) -> Result<Vec<Arrow>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("the Python function {} can only run in a Python worker", self.function.name)
    }
}

impl AggregateUDFImpl for PythonPlace {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[Arrow]) -> Result<Arrow> {
        Ok(self.result())
    }

    fn coerce_types(&self, types: &[Arrow]) -> Result<Vec<Arrow>> {
        Ok(types.to_vec())
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        internal_err!("the Python function {} can only run in a Python worker", self.function.name)
    }

    fn state_fields(&self, _: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(ArrowField::new("state", self.result(), true))])
    }
}
