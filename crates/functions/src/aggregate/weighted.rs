//! `percentile(value, fractions, frequency)`: each value is weighted by its frequency.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use errors::condition;

use super::collected::{collected, per_fraction};
use super::fold::{Fold, list_of};
use crate::run_time_error;
use crate::types::list;

/// The first argument is a struct of a value (double) and its frequency (long).
pub(super) const PERCENTILE: Fold = Fold {
    name: "spark_percentile_weighted",
    returns: |types| per_fraction(types, DataType::Float64),
    state: |types| vec![list(types.first().cloned().unwrap_or(DataType::Null))],
    make: |args| collected(args, percentile),
    groups: None,
    empty_is_list: false,
};

/// Sorted values, each with the cumulative number of rows up to and including it.
struct Cumulated(Vec<(f64, u64)>);

impl Cumulated {
    /// Takes the pairs without nulls; pairs with a frequency of 0 are dropped.
    fn new(pairs: &ArrayRef) -> Result<Self> {
        let pairs = pairs.as_struct();
        let values = pairs.column(0).as_primitive::<Float64Type>();
        let frequencies = pairs.column(1).as_primitive::<Int64Type>();
        let mut known = Vec::with_capacity(pairs.len());
        for (value, frequency) in values.iter().zip(frequencies) {
            let (Some(value), Some(frequency)) = (value, frequency) else { continue };
            match u64::try_from(frequency) {
                Ok(0) => {}
                Ok(frequency) => known.push((value, frequency)),
                Err(_) => return Err(negative(frequency)),
            }
        }
        known.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut total = 0_u64;
        for (_, frequency) in &mut known {
            total = total.saturating_add(*frequency);
            *frequency = total;
        }
        Ok(Self(known))
    }

    /// The value of the row at an index.
    fn row(&self, row: u64) -> f64 {
        let at = self.0.partition_point(|(_, up_to)| *up_to <= row);
        self.0[at.min(self.0.len() - 1)].0
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position among rows, kept within them"
    )]
    fn interpolated(&self, fraction: f64) -> Option<f64> {
        let last = self.0.last()?.1 - 1;
        let position = last as f64 * fraction.clamp(0.0, 1.0);
        let below = (position.floor() as u64).min(last);
        let (low, high) = (self.row(below), self.row((below + 1).min(last)));
        let weight = position - below as f64;
        let between = (1.0 - weight) * low + weight * high;
        Some(if low.total_cmp(&high).is_eq() { low } else { between })
    }
}

fn percentile(pairs: &ArrayRef, fractions: Option<&ScalarValue>) -> Result<ScalarValue> {
    let cumulated = Cumulated::new(pairs)?;
    let Some(ScalarValue::List(fractions)) = fractions else {
        let fraction = match fractions {
            Some(ScalarValue::Float64(Some(fraction))) => *fraction,
            _ => 0.5,
        };
        return Ok(ScalarValue::Float64(cumulated.interpolated(fraction)));
    };
    if cumulated.0.is_empty() {
        return ScalarValue::try_from(&list(DataType::Float64));
    }
    let fractions = fractions.value(0);
    let fractions = fractions.as_primitive::<Float64Type>().iter();
    let found = fractions.map(|fraction| cumulated.interpolated(fraction.unwrap_or_default()));
    list_of(&ScalarValue::iter_to_array(found.map(ScalarValue::Float64))?)
}

fn negative(frequency: i64) -> datafusion::error::DataFusionError {
    run_time_error(
        condition::NEGATIVE_VALUES_IN_FREQUENCY_EXPRESSION,
        format!(
            "Found the negative value in \"frequency\": {frequency}L, but expected a positive integral value."
        ),
    )
}
