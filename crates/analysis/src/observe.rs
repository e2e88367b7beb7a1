//! Observed metrics and watermarks, which do not change the rows.

use super::column::Names;
use super::{Observed, Resolved, Resolver, Result, error};
use errors::condition;
use plan::{Aggregate, DataType, Expr, Grouping, Relation, RelationKind};

impl Resolver<'_> {
    /// Resolves the input. Its metrics are computed by a separate job, so that they cover all of
    /// its rows regardless of what happens to these.
    pub(super) fn collect_metrics(
        &mut self,
        input: &Relation,
        name: &str,
        metrics: &[Expr],
    ) -> Result<Resolved> {
        let resolved = self.relation(input)?;
        for metric in metrics {
            for typed in self.expand(metric, Names::of(&resolved.scope))? {
                if !super::aggregate::has_aggregate(&typed.expr) && typed.id().is_some() {
                    let shown = format!("\"{}\"", typed.name);
                    let message = format!(
                        "Invalid observed metrics. Attribute {shown} can only be used as an argument to an aggregate function."
                    );
                    return Err(error::analysis(
                        condition::INVALID_OBSERVED_METRICS_NON_AGGREGATE_FUNC_ARG_IS_ATTRIBUTE,
                        message,
                        &[("expr", &shown)],
                    ));
                }
            }
        }
        if !self.observed.iter().any(|known| known.name == name) {
            let metrics = RelationKind::Aggregate(Aggregate {
                input: input.clone(),
                grouping: Grouping::By(Vec::new()),
                expressions: metrics.to_vec(),
                with_keys: true,
                having: None,
                pivot: None,
            });
            let (name, env) = (name.to_owned(), self.env.clone());
            self.observed.push(Observed { name, metrics: metrics.into(), env });
        }
        Ok(resolved)
    }

    /// Resolves the input after checking that the column is a time.
    pub(super) fn watermark(&mut self, input: &Relation, column: &str) -> Result<Resolved> {
        let input = self.relation(input)?;
        let found = self.columns_named(column, &input)?;
        match found.first().map(|column| &column.data_type) {
            Some(DataType::Timestamp | DataType::TimestampNtz) => Ok(input),
            Some(other) => {
                let (name, found) = (plan::quote_name(column), format!("\"{}\"", other.sql()));
                let message = format!(
                    "The event time {name} has the invalid type {found}, but expected \"TIMESTAMP\"."
                );
                let parameters = [("eventName", name.as_str()), ("eventType", &found)];
                let class = condition::EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE;
                Err(error::analysis(class, message, &parameters))
            }
            None => Err(error::unresolved_column(&[column.to_owned()], None)),
        }
    }
}
