//! `histogram_numeric`: a histogram with a given number of bins, each at the average of its values;
//! while there are too many, the two closest bins are merged.

use std::mem::{size_of, size_of_val};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StructArray};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Float64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::physical_expr::expressions::Literal;

use super::fold::{Fold, list_of};
use crate::types::list;

/// `histogram_numeric(value, bins)`.
pub(super) const HISTOGRAM: Fold = Fold {
    name: "spark_histogram_numeric",
    returns: |types| list(bin_type(types.first().unwrap_or(&DataType::Null))),
    state: |_| vec![list(DataType::Float64), list(DataType::Float64)],
    make,
    groups: None,
    empty_is_list: false,
};

fn bin_type(value: &DataType) -> DataType {
    DataType::Struct(Fields::from(vec![
        Field::new("x", value.clone(), true),
        Field::new("y", DataType::Float64, true),
    ]))
}

fn make(args: &AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
    let most = args.exprs.get(1).and_then(|expr| expr.downcast_ref::<Literal>());
    let most = match most.map(Literal::value) {
        Some(ScalarValue::Int32(Some(most))) => usize::try_from(*most).unwrap_or_default(),
        _ => return exec_err!("the number of bins of a histogram must be a constant"),
    };
    let value_type = args.expr_fields.first().map_or(DataType::Null, |f| f.data_type().clone());
    Ok(Box::new(Histogram { most, value_type, bins: Vec::new(), chance: (SEED ^ FACTOR) & MASK }))
}

/// The multiplier of Java's `Random`.
const FACTOR: u64 = 0x5_DEEC_E66D;
/// The seed for choosing between equally close pairs.
const SEED: u64 = 0x79CF;
const MASK: u64 = (1 << 48) - 1;

#[derive(Debug)]
struct Histogram {
    most: usize,
    value_type: DataType,
    /// Position and weight, sorted by position.
    bins: Vec<(f64, f64)>,
    chance: u64,
}

impl Histogram {
    fn bits(&mut self, count: u32) -> u64 {
        self.chance = self.chance.wrapping_mul(FACTOR).wrapping_add(0xB) & MASK;
        self.chance >> (48 - count)
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
    fn random(&mut self) -> f64 {
        let high = self.bits(26) << 27;
        (high + self.bits(27)) as f64 / (1_u64 << 53) as f64
    }

    fn add(&mut self, place: f64) {
        let at = self.bins.partition_point(|(x, _)| *x < place);
        match self.bins.get_mut(at) {
            Some((x, y)) if x.total_cmp(&place).is_eq() => *y += 1.0,
            _ => self.bins.insert(at, (place, 1.0)),
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.bins.len() > self.most {
            self.join();
        }
    }

    /// Merges the two closest bins; ties between pairs are broken at random.
    fn join(&mut self) {
        let gap = |bins: &[(f64, f64)], at: usize| bins[at + 1].0 - bins[at].0;
        let (mut nearest, mut pair, mut equal) = (gap(&self.bins, 0), 0, 1.0);
        for at in 1..self.bins.len() - 1 {
            let found = gap(&self.bins, at);
            match found.total_cmp(&nearest) {
                std::cmp::Ordering::Less => (nearest, pair, equal) = (found, at, 1.0),
                std::cmp::Ordering::Equal => {
                    equal += 1.0;
                    if self.random() <= 1.0 / equal {
                        pair = at;
                    }
                }
                std::cmp::Ordering::Greater => {}
            }
        }
        let (right_x, right_y) = self.bins.remove(pair + 1);
        let (x, y) = self.bins[pair];
        let weight = y + right_y;
        self.bins[pair] = (x * (y / weight) + right_x / weight * right_y, weight);
    }
}

impl Accumulator for Histogram {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let places = compute::cast(&values[0], &DataType::Float64)?;
        for place in places.as_primitive::<Float64Type>().iter().flatten() {
            self.add(place);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (places, weights) = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for row in 0..places.len() {
            let (places, weights) = (places.value(row), weights.value(row));
            let weights = weights.as_primitive::<Float64Type>();
            let places = places.as_primitive::<Float64Type>();
            let pairs = places.values().iter().zip(weights.values());
            self.bins.extend(pairs.map(|(place, weight)| (*place, *weight)));
            self.bins.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            self.trim();
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let column = |of: fn(&(f64, f64)) -> f64| -> Result<ScalarValue> {
            let values: Float64Array = self.bins.iter().map(of).map(Some).collect();
            list_of(&(std::sync::Arc::new(values) as ArrayRef))
        };
        Ok(vec![column(|(x, _)| *x)?, column(|(_, y)| *y)?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let bin = bin_type(&self.value_type);
        if self.bins.is_empty() {
            return ScalarValue::try_from(&list(bin));
        }
        let DataType::Struct(fields) = bin else { return exec_err!("a bin is a struct") };
        let places: Float64Array = self.bins.iter().map(|(x, _)| Some(*x)).collect();
        let weights: Float64Array = self.bins.iter().map(|(_, y)| Some(*y)).collect();
        let places = compute::cast(&places, &self.value_type)?;
        let columns: Vec<ArrayRef> = vec![places, std::sync::Arc::new(weights)];
        let bins: ArrayRef = std::sync::Arc::new(StructArray::try_new(fields, columns, None)?);
        list_of(&bins)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bins.capacity() * size_of::<(f64, f64)>()
    }
}
