//! Skewness and kurtosis.

use std::mem::size_of;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::fold::Fold;

/// `skewness`.
pub(super) const SKEWNESS: Fold = Fold {
    name: "spark_skewness",
    returns: |_| DataType::Float64,
    state: |_| vec![DataType::Float64; 5],
    make: |_| {
        Ok(Box::new(Moments {
            of: [0.0; 5],
            finish: |m| m[0].sqrt() * m[3] / (m[2] * m[2] * m[2]).sqrt(),
        }))
    },
    groups: None,
    empty_is_list: false,
};
/// `kurtosis`.
pub(super) const KURTOSIS: Fold = Fold {
    name: "spark_kurtosis",
    make: |_| Ok(Box::new(Moments { of: [0.0; 5], finish: |m| m[0] * m[4] / (m[2] * m[2]) - 3.0 })),
    ..SKEWNESS
};

/// Count, mean, and the second to fourth central moments, not divided by the count.
#[derive(Debug)]
struct Moments {
    of: [f64; 5],
    finish: fn([f64; 5]) -> f64,
}

impl Moments {
    fn merge(&mut self, other: [f64; 5]) {
        let [n1, mean1, a2, a3, a4] = self.of;
        let [n2, mean2, b2, b3, b4] = other;
        let n = n1 + n2;
        if n == 0.0 {
            return;
        }
        let delta = mean2 - mean1;
        let step = delta / n;
        self.of = [
            n,
            mean1 + step * n2,
            a2 + b2 + delta * step * n1 * n2,
            a3 + b3 + step * step * delta * n1 * n2 * (n1 - n2) + 3.0 * step * (n1 * b2 - n2 * a2),
            a4 + b4
                + step * step * step * delta * n1 * n2 * (n1 * n1 - n1 * n2 + n2 * n2)
                + 6.0 * step * step * (n1 * n1 * b2 + n2 * n2 * a2)
                + 4.0 * step * (n1 * b3 - n2 * a3),
        ];
    }
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Float64Type>().iter().flatten() {
            self.merge([1.0, value, 0.0, 0.0, 0.0]);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states[0].len() {
            let mut other = [0.0; 5];
            for (moment, column) in other.iter_mut().zip(states) {
                *moment = column.as_primitive::<Float64Type>().value(row);
            }
            self.merge(other);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.of.iter().map(|v| ScalarValue::from(*v)).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let some = self.of[0] > 0.0 && self.of[2] != 0.0;
        Ok(ScalarValue::Float64(some.then(|| (self.finish)(self.of))))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}
