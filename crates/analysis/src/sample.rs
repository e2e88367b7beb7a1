//! Samples with replacement: the number of copies of each row is random.

use super::{Resolved, Resolver, Result, error, reference};
use datafusion::common::{Column as DfColumn, NullHandling, UnnestOptions};
use datafusion::logical_expr::{LogicalPlan, Projection, Unnest, cast, lit};
use errors::Exception;
use plan::{DataType, Literal, Sample, SparkError};
use std::sync::Arc;

/// Limit on the mean number of copies per row.
const MAX_MEAN: f64 = 100.0;
/// Probability of the tail where the distribution is cut off.
const TAIL: f64 = 1e-12;

impl Resolver<'_> {
    /// Repeats each row a Poisson-distributed number of times, derived from the seed, the partition
    /// and the row's position.
    pub(super) fn sample_with_replacement(&mut self, sample: &Sample) -> Result<Resolved> {
        let mean = sample.upper - sample.lower;
        if !(0.0..=MAX_MEAN).contains(&mean) {
            return Err(error::unsupported(format!(
                "a sample with replacement and a fraction outside of 0 to {MAX_MEAN}"
            )));
        }
        let input = self.relation(&sample.input)?;
        let seed = sample.seed.unwrap_or(self.context.functions.seed);
        let seed = self.literal(&Literal::Long(seed))?;
        let random = self.scalar("rand", vec![seed])?;
        let number = self.new_column("random", DataType::Double, false);
        let mut exprs = super::aggregate::unique(input.scope.all());
        exprs.push(random.expr.alias(&number.id));
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input.plan))?);

        let mut times = lit(0_i32);
        for bound in poisson(mean) {
            let passed = reference(&number.id).gt_eq(lit(bound));
            times = times + cast(passed, arrow::datatypes::DataType::Int32);
        }
        let times = self.typed(times, false, "times".to_owned())?;
        let one = self.literal(&Literal::Boolean(true))?;
        let copies = self.scalar("array_repeat", vec![one, times])?;
        let copy = self.new_column("copy", DataType::Boolean, false);
        let mut exprs = super::aggregate::unique(input.scope.all());
        exprs.push(copies.expr.alias(&copy.id));
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        let options = UnnestOptions::new().with_null_handling(NullHandling::Drop);
        let columns = vec![DfColumn::new_unqualified(&copy.id)];
        let plan = LogicalPlan::Unnest(Unnest::try_new(Arc::new(plan), columns, options)?);
        let exprs = super::aggregate::unique(input.scope.all());
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        Self::exact_or_hidden(Resolved::new(plan, input.scope))
    }
}

impl Resolver<'_> {
    /// Refuses an invalid fraction.
    pub(super) fn check_fraction(&self, sample: &Sample) -> Result<()> {
        const ROUNDING: f64 = 1e-6;
        let fraction = sample.upper - sample.lower;
        let (right, wanted) = if sample.with_replacement {
            (fraction >= -ROUNDING, "nonnegative with")
        } else {
            ((-ROUNDING..=1.0 + ROUNDING).contains(&fraction), "on interval [0, 1] without")
        };
        if right {
            return Ok(());
        }
        let shown = self.literal(&Literal::Double(fraction))?.name;
        Err(requirement_failed(format!("Sampling fraction ({shown}) must be {wanted} replacement")))
    }
}

/// The error of a failed `require` in Spark.
pub(super) fn requirement_failed(what: String) -> super::Stop {
    let message = format!("requirement failed: {what}");
    SparkError::plain(Exception::IllegalArgument, message).into()
}

/// The cumulative Poisson probabilities of at most 0, 1, 2 … copies: at each of these bounds, the
/// number of copies grows by one.
fn poisson(mean: f64) -> Vec<f64> {
    let mut bounds = Vec::new();
    let (mut chance, mut sum, mut count) = ((-mean).exp(), 0.0, 0.0);
    loop {
        sum += chance;
        if count > mean && 1.0 - sum < TAIL || count > 10.0 * (mean + 10.0) {
            return bounds;
        }
        bounds.push(sum);
        count += 1.0;
        chance *= mean / count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_distribution() {
        assert!(poisson(0.0).iter().all(|bound| *bound >= 1.0));
        let bounds = poisson(2.0);
        let expected = [0.1353, 0.4060, 0.6767, 0.8571];
        for (bound, expected) in bounds.iter().zip(expected) {
            assert!((bound - expected).abs() < 1e-4, "{bound} {expected}");
        }
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        // The mean is the sum of the probabilities of more than n.
        for mean in [0.1, 1.0, 30.0, 100.0] {
            let sum: f64 = poisson(mean).iter().map(|bound| 1.0 - bound).sum();
            assert!((sum - mean).abs() < 1e-6, "{sum} {mean}");
        }
    }
}
