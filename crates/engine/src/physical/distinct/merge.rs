//! Aggregate functions that can be computed from their results for parts of the rows.

use super::{Functions, call};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_aggregate::{count::count_udaf, sum::sum_udaf};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{AggregateUDF, Expr, ExprSchemable, cast, lit, when};
use std::sync::Arc;

/// Functions of which the function itself makes a result from those for parts.
const SAME: [&str; 13] = [
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "max",
    "min",
    "spark_max_floating",
    "spark_min_floating",
    "spark_sum",
    "spark_sum_decimal",
    "spark_sum_wrap",
    "sum",
];

/// Such a function: the functions of the parts, with those of their results, and what is made of
/// these.
pub(super) struct Merge {
    parts: Vec<(Expr, Arc<AggregateUDF>)>,
    finish: Finish,
}

enum Finish {
    Value,
    Count,
    Average,
}

impl Merge {
    /// `None` if the function is no such function.
    pub(super) fn of(function: &AggregateFunction, schema: &DFSchema) -> Result<Option<Self>> {
        let params = &function.params;
        if params.distinct || !params.order_by.is_empty() {
            return Ok(None);
        }
        let itself = || Expr::AggregateFunction(function.clone());
        let of_same = |other| {
            let filter = params.filter.as_deref().cloned();
            call(other, params.args.clone(), filter)
        };
        let (parts, finish) = match function.func.name() {
            name if SAME.contains(&name) => {
                (vec![(itself(), Arc::clone(&function.func))], Finish::Value)
            }
            "count" => (vec![(itself(), sum_udaf())], Finish::Count),
            "avg" if params.args[0].get_type(schema)? == DataType::Float64 => {
                let parts =
                    vec![(of_same(sum_udaf()), sum_udaf()), (of_same(count_udaf()), sum_udaf())];
                (parts, Finish::Average)
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { parts, finish }))
    }

    /// Adds its functions; returns the result.
    pub(super) fn plan(&self, functions: &mut Functions) -> Result<Expr> {
        let mut values = Vec::new();
        for (part, whole) in &self.parts {
            let part = functions.add_below(part.clone());
            values.push(functions.add_above(call(Arc::clone(whole), vec![part], None)));
        }
        let value = values[0].clone();
        Ok(match self.finish {
            Finish::Value => value,
            // Without rows there are no parts.
            Finish::Count => coalesce(vec![value, lit(0_i64)]),
            Finish::Average => {
                let count = &values[1];
                let quotient = value / cast(count.clone(), DataType::Float64);
                when(count.clone().gt(lit(0_i64)), quotient).end()?
            }
        })
    }
}
