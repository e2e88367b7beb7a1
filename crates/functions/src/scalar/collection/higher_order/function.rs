//! Adapter from a higher-order function to a `DataFusion` function.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
    HigherOrderUDF, HigherOrderUDFImpl, LambdaArgument, LambdaParametersProgress, ValueOrLambda,
    Volatility,
};

use crate::Stop;

/// A higher-order function, identified by its name alone.
#[derive(Clone, Copy)]
pub(super) struct Taking {
    pub(super) name: &'static str,
    /// Types of each lambda's parameters, from the types of the value arguments.
    pub(super) parameters: fn(&[DataType]) -> Vec<Vec<DataType>>,
    /// Return type, from the types of the value arguments and of the lambdas' results.
    pub(super) returns: fn(&[DataType], &[DataType]) -> DataType,
    pub(super) run: fn(&Given<'_>) -> Result<ArrayRef>,
}

impl Taking {
    /// The `DataFusion` function.
    pub(super) fn udf(self) -> Arc<HigherOrderUDF> {
        let signature = HigherOrderSignature::variadic_any(Volatility::Immutable);
        Arc::new(HigherOrderUDF::new_from_impl(TakingFunction { taking: self, signature }))
    }
}

/// The arguments of a call.
pub(super) struct Given<'a> {
    /// The value arguments, one array each.
    pub(super) values: Vec<ArrayRef>,
    pub(super) lambdas: Vec<&'a LambdaArgument>,
    pub(super) rows: usize,
    pub(super) returns: &'a DataType,
}

impl Given<'_> {
    /// Evaluates a lambda; each of its parameters' values belongs to one row of the call.
    pub(super) fn evaluate(
        &self,
        lambda: usize,
        parameters: &[ArrayRef],
        rows: &dyn Array,
    ) -> Result<ArrayRef> {
        Stop::check_current()?;
        let Some(lambda) = self.lambdas.get(lambda) else {
            return internal_err!("a call lacks lambda {lambda}");
        };
        let given: Vec<_> = parameters.iter().map(|p| move || Ok(Arc::clone(p))).collect();
        let given: Vec<&dyn Fn() -> Result<ArrayRef>> =
            given.iter().map(|p| p as &dyn Fn() -> Result<ArrayRef>).collect();
        let result =
            lambda.evaluate(&given, |outer| Ok(compute::take_arrays(outer, rows, None)?))?;
        result.into_array(rows.len())
    }

    /// Casts an array to exactly the return type.
    pub(super) fn retyped(&self, array: ArrayRef) -> Result<ArrayRef> {
        retyped(array, self.returns)
    }
}

/// Casts an array to exactly this type, from which it may differ only in nested field names.
pub(super) fn retyped(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type { Ok(array) } else { Ok(compute::cast(&array, data_type)?) }
}

struct TakingFunction {
    taking: Taking,
    signature: HigherOrderSignature,
}

impl std::fmt::Debug for TakingFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.taking.name)
    }
}

impl PartialEq for TakingFunction {
    fn eq(&self, other: &Self) -> bool {
        self.taking.name == other.taking.name
    }
}

impl Eq for TakingFunction {}

impl Hash for TakingFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.taking.name.hash(state);
    }
}

fn of_values<L>(fields: &[ValueOrLambda<FieldRef, L>]) -> Vec<DataType> {
    let value = |field: &ValueOrLambda<FieldRef, L>| match field {
        ValueOrLambda::Value(field) => Some(field.data_type().clone()),
        ValueOrLambda::Lambda(_) => None,
    };
    fields.iter().filter_map(value).collect()
}

impl HigherOrderUDFImpl for TakingFunction {
    fn name(&self) -> &str {
        self.taking.name
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn lambda_parameters(
        &self,
        _: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let field = |data_type| Arc::new(Field::new("", data_type, true));
        let all = (self.taking.parameters)(&of_values(fields));
        Ok(LambdaParametersProgress::Complete(
            all.into_iter().map(|types| types.into_iter().map(field).collect()).collect(),
        ))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        let result = |field: &ValueOrLambda<FieldRef, FieldRef>| match field {
            ValueOrLambda::Value(_) => None,
            ValueOrLambda::Lambda(field) => Some(field.data_type().clone()),
        };
        let results: Vec<_> = args.arg_fields.iter().filter_map(result).collect();
        let data_type = (self.taking.returns)(&of_values(args.arg_fields), &results);
        Ok(Arc::new(Field::new("", data_type, true)))
    }

    fn clear_null_values(&self) -> bool {
        // Values under nulls are skipped by the functions themselves.
        false
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let (mut values, mut lambdas) = (Vec::new(), Vec::new());
        for arg in &args.args {
            match arg {
                ValueOrLambda::Value(value) => values.push(value.to_array(args.number_rows)?),
                ValueOrLambda::Lambda(lambda) => lambdas.push(lambda),
            }
        }
        let returns = args.return_field.data_type();
        let given = Given { values, lambdas, rows: args.number_rows, returns };
        (self.taking.run)(&given).map(ColumnarValue::Array)
    }
}
