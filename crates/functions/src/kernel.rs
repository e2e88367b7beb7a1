//! Kernels, our scalar functions, as `DataFusion` functions: a name, a rule for the result type,
//! and code over arrays.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use errors::{Exception, SparkError};

use crate::error::IntoExternal;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, BooleanArray, Int32Array, ListArray,
    ListBuilder, MapArray, PrimitiveArray, StringArray, StringBuilder, new_empty_array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

/// Nullability of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// Null if and only if an argument is null.
    Strict,
    /// Possibly null, whatever the arguments.
    Possible,
    /// Never null.
    Never,
}

/// The result type, from the argument types and the constant arguments.
pub(crate) type Returns = fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>;

/// One of our functions. It is looked up by name alone, so the name must identify it completely.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) volatility: Volatility,
    pub(crate) nulls: Nulls,
    pub(crate) returns: Returns,
    pub(crate) run: fn(&Args<'_>) -> Result<ArrayRef>,
}

impl Kernel {
    /// A pure function that returns null if an argument is null.
    pub(crate) const fn new(
        name: &'static str,
        returns: Returns,
        run: fn(&Args<'_>) -> Result<ArrayRef>,
    ) -> Self {
        Self { name, volatility: Volatility::Immutable, nulls: Nulls::Strict, returns, run }
    }

    /// Sets the nullability of the result.
    pub(crate) const fn nulls(mut self, nulls: Nulls) -> Self {
        self.nulls = nulls;
        self
    }

    /// Marks the function as returning a different value on each call.
    pub(crate) const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }

    /// The `DataFusion` function.
    pub(crate) fn udf(self) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(self.volatility);
        Arc::new(ScalarUDF::new_from_impl(KernelFunction { kernel: self, signature }))
    }
}

/// The last argument of each call of a volatile function, which ignores it: no optimizer knows its
/// value.
pub(crate) const VARYING: Kernel = Kernel::new("spark_varying", returns::int, |args| {
    Ok(Arc::new(Int32Array::from_value(0, args.rows)))
})
.volatile()
.nulls(Nulls::Never);

/// The arguments of a call as arrays of the same length.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    pub(crate) arrays: &'a [ArrayRef],
    pub(crate) rows: usize,
    pub(crate) returns: &'a DataType,
}

/// Refuses what a column of a batch cannot hold: its offsets have 31 bits.
fn fits(before: usize, more: usize) -> Result<()> {
    if i32::try_from(before.saturating_add(more)).is_ok() {
        return Ok(());
    }
    let words = "The strings of one batch of rows take more than 2 GiB.";
    Err(SparkError::plain(Exception::Spark, words).into_external())
}

impl Args<'_> {
    pub(crate) fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Row indices, or `None` where an argument is null.
    pub(crate) fn valid_rows(&self) -> impl Iterator<Item = Option<usize>> {
        let nulls = self.arrays.iter().fold(None, |all, array| {
            NullBuffer::union(all.as_ref(), array.logical_nulls().as_ref())
        });
        (0..self.rows).map(move |row| nulls.as_ref().is_none_or(|n| n.is_valid(row)).then_some(row))
    }

    /// Computes a string for each row without null arguments.
    pub(crate) fn string_rows(
        &self,
        mut of: impl FnMut(usize) -> Result<Option<String>>,
    ) -> Result<ArrayRef> {
        let mut out = StringBuilder::with_capacity(self.rows, self.rows * 8);
        for row in self.valid_rows() {
            let value = row.map_or(Ok(None), &mut of)?;
            fits(out.values_slice().len(), value.as_ref().map_or(0, String::len))?;
            out.append_option(value);
        }
        Ok(Arc::new(out.finish()))
    }

    /// Computes a binary value for each row without null arguments.
    pub(crate) fn binary_rows(
        &self,
        mut of: impl FnMut(usize) -> Result<Option<Vec<u8>>>,
    ) -> Result<ArrayRef> {
        let mut out = BinaryBuilder::new();
        for row in self.valid_rows() {
            let value = row.map_or(Ok(None), &mut of)?;
            fits(out.values_slice().len(), value.as_ref().map_or(0, Vec::len))?;
            out.append_option(value);
        }
        Ok(Arc::new(out.finish()))
    }

    /// Computes a boolean for each row without null arguments.
    pub(crate) fn boolean_rows(
        &self,
        mut of: impl FnMut(usize) -> Result<Option<bool>>,
    ) -> Result<ArrayRef> {
        let rows = self.valid_rows().map(|row| row.map_or(Ok(None), &mut of));
        Ok(Arc::new(rows.collect::<Result<BooleanArray>>()?))
    }

    /// Computes a number of the result type for each row without null arguments.
    pub(crate) fn number_rows<T: ArrowPrimitiveType>(
        &self,
        mut of: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let rows = self.valid_rows().map(|row| row.map_or(Ok(None), &mut of));
        let array = rows.collect::<Result<Vec<_>>>()?.into_iter().collect::<PrimitiveArray<T>>();
        Ok(Arc::new(array.with_data_type(self.returns.clone())))
    }

    /// Computes an array of strings for each row without null arguments.
    pub(crate) fn list_of_strings(
        &self,
        mut of: impl FnMut(usize) -> Result<Vec<String>>,
    ) -> Result<ArrayRef> {
        let mut out = ListBuilder::new(StringBuilder::new());
        for row in self.valid_rows() {
            match row {
                Some(row) => out.append_value(of(row)?.into_iter().map(Some)),
                None => out.append_null(),
            }
        }
        Ok(Arc::new(out.finish()))
    }

    pub(crate) fn array(&self, index: usize) -> Result<&ArrayRef> {
        if let Some(array) = self.arrays.get(index) {
            Ok(array)
        } else {
            internal_err!("a function lacks argument {index}")
        }
    }

    pub(crate) fn strings(&self, index: usize) -> Result<&StringArray> {
        typed(self.array(index)?.as_string_opt::<i32>(), "string", self.array(index)?)
    }

    pub(crate) fn binaries(&self, index: usize) -> Result<&BinaryArray> {
        typed(self.array(index)?.as_binary_opt::<i32>(), "binary", self.array(index)?)
    }

    pub(crate) fn booleans(&self, index: usize) -> Result<&BooleanArray> {
        typed(self.array(index)?.as_boolean_opt(), "boolean", self.array(index)?)
    }

    pub(crate) fn lists(&self, index: usize) -> Result<&ListArray> {
        typed(self.array(index)?.as_list_opt::<i32>(), "array", self.array(index)?)
    }

    pub(crate) fn maps(&self, index: usize) -> Result<&MapArray> {
        typed(self.array(index)?.as_map_opt(), "map", self.array(index)?)
    }

    pub(crate) fn values<T: ArrowPrimitiveType>(&self, index: usize) -> Result<&PrimitiveArray<T>> {
        let array = self.array(index)?;
        typed(array.as_primitive_opt::<T>(), "number", array)
    }

    /// A string argument that is constant, such as the time zone that the registry appends.
    pub(crate) fn constant_string(&self, index: usize) -> Result<&str> {
        let strings = self.strings(index)?;
        if strings.is_empty() || strings.is_null(0) {
            return Ok("");
        }
        Ok(strings.value(0))
    }
}

fn typed<'a, T>(found: Option<&'a T>, wanted: &str, array: &ArrayRef) -> Result<&'a T> {
    if let Some(found) = found {
        Ok(found)
    } else {
        internal_err!("a function needs a {wanted} and got {}", array.data_type())
    }
}

struct KernelFunction {
    kernel: Kernel,
    signature: Signature,
}

impl std::fmt::Debug for KernelFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kernel.name)
    }
}

impl PartialEq for KernelFunction {
    fn eq(&self, other: &Self) -> bool {
        self.kernel.name == other.kernel.name
    }
}

impl Eq for KernelFunction {}

impl Hash for KernelFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kernel.name.hash(state);
    }
}

impl ScalarUDFImpl for KernelFunction {
    fn name(&self) -> &str {
        self.kernel.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.kernel.returns)(types, &vec![None; types.len()])
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let data_type = (self.kernel.returns)(&types, args.scalar_arguments)?;
        let nullable = match self.kernel.nulls {
            Nulls::Strict => args.arg_fields.iter().any(|f| f.is_nullable()),
            Nulls::Possible => true,
            Nulls::Never => false,
        };
        Ok(Arc::new(Field::new(self.kernel.name, data_type, nullable)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // The registry has inserted Spark's casts already.
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let all_scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)))
            && self.kernel.volatility != Volatility::Volatile;
        let rows = if all_scalar { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let returns = args.return_field.data_type();
        if rows == 0 {
            // Without rows, constant arguments have no value.
            return Ok(ColumnarValue::Array(new_empty_array(returns)));
        }
        let result = (self.kernel.run)(&Args { arrays: &arrays, rows, returns })?;
        if all_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Rules for result types.
pub(crate) mod returns {
    use super::{DataType, Result, ScalarValue};
    use datafusion::arrow::datatypes::{IntervalUnit, TimeUnit};

    type Constants<'a, 'b> = &'a [Option<&'b ScalarValue>];

    macro_rules! always {
        ($($name:ident: $data_type:expr),* $(,)?) => {
            $(pub(crate) fn $name(_: &[DataType], _: Constants<'_, '_>) -> Result<DataType> {
                Ok($data_type)
            })*
        };
    }

    always! {
        boolean: DataType::Boolean,
        byte: DataType::Int8,
        int: DataType::Int32,
        long: DataType::Int64,
        double: DataType::Float64,
        string: DataType::Utf8,
        binary: DataType::Binary,
        date: DataType::Date32,
        timestamp: crate::types::timestamp(),
        day_time: DataType::Duration(TimeUnit::Microsecond),
        calendar_interval: DataType::Interval(IntervalUnit::MonthDayNano),
        strings: crate::types::list(DataType::Utf8),
    }

    /// The type of the first argument.
    pub(crate) fn first(types: &[DataType], _: Constants<'_, '_>) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }
}
