//! `min` and `max` of floating-point numbers. `NaN` is the largest number; `DataFusion`'s grouped
//! functions compare as the processor does, for which `NaN` is neither smaller nor larger, so that
//! their answer would depend on the order of rows. Groups are computed with whole numbers in the
//! same order instead.

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float32Type, Float64Type, Int32Type, Int64Type,
};
use datafusion::common::Result;
use datafusion::functions_aggregate as native;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};
use std::sync::Arc;

/// `max`.
pub(super) const MAX: Extreme = Extreme { name: "spark_max_floating", largest: true };
/// `min`.
pub(super) const MIN: Extreme = Extreme { name: "spark_min_floating", largest: false };

/// One of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Extreme {
    name: &'static str,
    largest: bool,
}

impl Extreme {
    pub(super) fn udaf(self) -> Arc<AggregateUDF> {
        Arc::new(AggregateUDF::new_from_impl(self))
    }

    /// `DataFusion`'s function.
    fn plain(self) -> Arc<AggregateUDF> {
        if self.largest { native::min_max::max_udaf() } else { native::min_max::min_udaf() }
    }
}

/// Its methods are those of `DataFusion`'s function, except for groups.
impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        // That of a function that lives as long as the program.
        static PLAIN: std::sync::LazyLock<Arc<AggregateUDF>> =
            std::sync::LazyLock::new(native::min_max::max_udaf);
        PLAIN.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.plain().return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.plain().coerce_types(types)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.plain().accumulator(args)
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        self.plain().create_sliding_accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.plain().state_fields(args)
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_field.data_type().clone();
        let whole = match data_type {
            DataType::Float32 => DataType::Int32,
            _ => DataType::Int64,
        };
        let return_field = Arc::new(Field::new(args.return_field.name(), whole, true));
        let inner =
            self.plain().create_groups_accumulator(AccumulatorArgs { return_field, ..args })?;
        Ok(Box::new(Groups { inner, data_type }))
    }

    fn is_descending(&self) -> Option<bool> {
        Some(self.largest)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.plain().inner().set_monotonicity(data_type)
    }
}

/// Groups of floating-point numbers, computed with whole numbers.
struct Groups {
    inner: Box<dyn GroupsAccumulator>,
    data_type: DataType,
}

impl Groups {
    fn whole(&self, values: &[ArrayRef]) -> Vec<ArrayRef> {
        let whole = |array: &ArrayRef| -> ArrayRef {
            if self.data_type == DataType::Float32 {
                let whole = |value: f32| ordered_32(value.to_bits().cast_signed());
                Arc::new(array.as_primitive::<Float32Type>().unary::<_, Int32Type>(whole))
            } else {
                let whole = |value: f64| ordered_64(value.to_bits().cast_signed());
                Arc::new(array.as_primitive::<Float64Type>().unary::<_, Int64Type>(whole))
            }
        };
        values.iter().map(whole).collect()
    }

    fn floating(&self, array: &ArrayRef) -> ArrayRef {
        if self.data_type == DataType::Float32 {
            let floating = |number: i32| f32::from_bits(ordered_32(number).cast_unsigned());
            Arc::new(array.as_primitive::<Int32Type>().unary::<_, Float32Type>(floating))
        } else {
            let floating = |number: i64| f64::from_bits(ordered_64(number).cast_unsigned());
            Arc::new(array.as_primitive::<Int64Type>().unary::<_, Float64Type>(floating))
        }
    }
}

/// Turns the bits of a number into a whole number in the same order, and back.
fn ordered_32(bits: i32) -> i32 {
    bits ^ (bits >> 31) & i32::MAX
}

/// The same for numbers of 64 bits.
fn ordered_64(bits: i64) -> i64 {
    bits ^ (bits >> 63) & i64::MAX
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        let whole = self.whole(values);
        self.inner.update_batch(&whole, groups, filter, total)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        let whole = self.whole(states);
        self.inner.merge_batch(&whole, groups, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let values = self.inner.evaluate(emit)?;
        Ok(self.floating(&values))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let states = self.inner.state(emit)?;
        Ok(states.iter().map(|state| self.floating(state)).collect())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let states = self.inner.convert_to_state(&self.whole(values), filter)?;
        Ok(states.iter().map(|state| self.floating(state)).collect())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }
}
