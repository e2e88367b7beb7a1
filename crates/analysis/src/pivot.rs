//! Pivots: the values of a column become columns, each aggregated over the rows with that value.

use super::aggregate::Aggregation;
use super::column::Names;
use super::scope::{Column, Scope};
use super::typed::Typed;
use super::{Fact, Resolved, Resolver, Result, Want, error};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::NullTreatment;
use datafusion::logical_expr::{Expr as DfExpr, when};
use errors::condition;
use plan::{
    Aggregate, DataType, Expr, Literal, NullOrder, Pivot, Relation, RelationKind, SortOrder,
    SparkError,
};

/// A value that becomes a column: the column's name, and the value.
type Value = (String, Typed);

impl Resolver<'_> {
    pub(super) fn pivot(
        &mut self,
        aggregate: &Aggregate,
        pivot: &Pivot,
        (scope, aggregation): (Scope, Aggregation),
        keys: &[Typed],
    ) -> Result<Resolved> {
        let column = self.expression(&pivot.column, Names::of(&scope))?;
        let values = self.pivot_values((aggregate, pivot), &column, &scope)?;
        let mut functions = Vec::new();
        for item in &aggregate.expressions {
            for item in self.expand(item, Names::of(&scope))? {
                check_aggregated(&item, &scope)?;
                functions.push(item);
            }
        }
        // If the results can be held in arrays, Spark aggregates by value first, and a value that
        // is missing from a group yields null.
        let by_value = functions.iter().all(|item| is_held(&item.data_type));
        let mut items: Vec<Typed> = keys.to_vec();
        for (name, value) in &values {
            for function in &functions {
                let equal = self.scalar("<=>", vec![column.clone(), value.clone()])?;
                let name = if functions.len() == 1 {
                    name.clone()
                } else {
                    format!("{name}_{}", function.name)
                };
                let expr = if by_value {
                    self.only_where(function, &equal.expr)?
                } else {
                    skipping_nulls(super::lateral::only_where(function.expr.clone(), &equal.expr)?)?
                };
                let nullable = by_value || function.nullable;
                items.push(Typed { expr, name, nullable, aliased: true, ..function.clone() });
            }
        }
        self.select_from(aggregation, items, &scope)
    }

    /// The implicit keys of a pivot: all columns used neither by the pivot nor by an aggregate.
    pub(super) fn pivot_keys(
        &mut self,
        aggregate: &Aggregate,
        pivot: &Pivot,
        scope: &Scope,
    ) -> Result<Vec<Typed>> {
        let mut used = columns_of(&self.expression(&pivot.column, Names::of(scope))?.expr);
        for item in &aggregate.expressions {
            for item in self.expand(item, Names::of(scope))? {
                used.extend(columns_of(&item.expr));
            }
        }
        let is_used = |column: &&Column| used.contains(&column.id);
        let others = scope.columns.iter().filter(|column| !is_used(column));
        Ok(others.map(super::column::of_column).collect())
    }

    /// Restricts the item's functions to the rows that satisfy a condition; null if there are none,
    /// even for a count.
    fn only_where(&mut self, item: &Typed, condition: &DfExpr) -> Result<DfExpr> {
        let filtered = super::lateral::only_where(item.expr.clone(), condition)?;
        let one = self.literal(&Literal::Integer(1))?;
        let types = [one.arrow()];
        let call = functions::AggregateCall {
            filter: Some(condition.clone()),
            ..functions::AggregateCall::new("count", vec![one.expr], &types)
        };
        let count = self.context.registry.aggregate(call, &self.context.functions);
        let count = count.map_err(|failure| super::call::function_error(&failure, "count", &[]))?;
        let some = count.gt(datafusion::logical_expr::lit(0_i64));
        let none = ScalarValue::try_from(&item.arrow())?;
        Ok(when(some, filtered).otherwise(DfExpr::Literal(none, None))?)
    }

    fn pivot_values(
        &mut self,
        (aggregate, pivot): (&Aggregate, &Pivot),
        column: &Typed,
        scope: &Scope,
    ) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        for (value, name) in &pivot.values {
            let value = self.expression(value, Names::of(scope))?;
            let text = self.text_of(&value)?;
            let value = self.coerced(value, &column.data_type)?;
            values.push((name.clone().unwrap_or(text), value));
        }
        if !values.is_empty() {
            return Ok(values);
        }
        let most = self.context.conf.get(&model::conf::PIVOT_MAX_VALUES)?;
        let relation = distinct_values(aggregate, pivot, most);
        let found = self.facts.get(Want::Rows(relation, self.env.clone()))?;
        let Fact::Rows { batches, .. } = found else {
            return Err(SparkError::internal("got files instead of rows").into());
        };
        let zone = self.context.functions.time_zone.clone();
        for batch in batches.clone() {
            let array = batch.column(0);
            let texts = functions::show(array, &zone)?;
            for row in 0..batch.num_rows() {
                let scalar = ScalarValue::try_from_array(array, row)?;
                let null = scalar.is_null();
                let name = if null { "null".to_owned() } else { texts.value(row).to_owned() };
                let expr = DfExpr::Literal(scalar, None);
                values.push((name, Typed { expr, nullable: null, ..column.clone() }));
            }
        }
        if values.len() > most as usize {
            let column = column.name.clone();
            let message = format!(
                "The pivot column {column} has more than {most} distinct values, this could indicate an error. If this was intended, set \"spark.sql.pivotMaxValues\" to at least the number of distinct values of the pivot column."
            );
            return Err(error::analysis(
                condition::LEGACY_ERROR_TEMP_1324,
                message,
                &[("pivotColumn", &column)],
            ));
        }
        Ok(values)
    }

    /// The text of a constant, as a cast to string yields it.
    fn text_of(&mut self, value: &Typed) -> Result<String> {
        let constant = if value.expr.column_refs().is_empty() && !value.expr.is_volatile() {
            super::rows::constant(value.expr.clone())
        } else {
            None
        };
        let Some(scalar) = constant else {
            let shown = format!("\"{}\"", value.name);
            let message = format!("Literal expressions required for pivot values, found {shown}.");
            let parameters = [("expression", shown.as_str())];
            return Err(error::analysis(condition::NON_LITERAL_PIVOT_VALUES, message, &parameters));
        };
        if scalar.is_null() {
            return Ok("null".to_owned());
        }
        let zone = self.context.functions.time_zone.clone();
        Ok(functions::show(&scalar.to_array()?, &zone)?.value(0).to_owned())
    }
}

fn columns_of(expr: &DfExpr) -> Vec<String> {
    expr.column_refs().into_iter().map(|column| column.name().to_owned()).collect()
}

/// Whether Spark can hold values of a type in arrays while it pivots.
fn is_held(data_type: &DataType) -> bool {
    use DataType::{Boolean, Byte, Decimal, Double, Float, Integer, Long, Short};
    matches!(data_type, Byte | Short | Integer | Long | Float | Double | Boolean | Decimal { .. })
}

/// `first` and `last` see nulls for the rows of other values, and skip them.
fn skipping_nulls(expr: DfExpr) -> Result<DfExpr> {
    let skipping = expr.transform_down(|node| {
        let DfExpr::AggregateFunction(mut function) = node else {
            return Ok(Transformed::no(node));
        };
        if matches!(function.func.name(), "first_value" | "last_value") {
            function.params.null_treatment = Some(NullTreatment::IgnoreNulls);
        }
        let node = DfExpr::AggregateFunction(function);
        Ok(Transformed::new(node, true, TreeNodeRecursion::Jump))
    })?;
    Ok(skipping.data)
}

/// Checks that columns occur only inside aggregate functions.
fn check_aggregated(item: &Typed, scope: &Scope) -> Result<()> {
    let mut bare: Option<String> = None;
    item.expr.apply(|node| {
        if let DfExpr::Column(column) = node {
            bare.get_or_insert_with(|| column.name().to_owned());
        }
        let inside = matches!(node, DfExpr::AggregateFunction(_));
        Ok(if inside { TreeNodeRecursion::Jump } else { TreeNodeRecursion::Continue })
    })?;
    let Some(id) = bare else { return Ok(()) };
    let shown = scope.all().find(|column| column.id == id);
    let shown = shown.map_or(item.name.clone(), |column| {
        column.qualifier.iter().chain([&column.name]).cloned().collect::<Vec<_>>().join(".")
    });
    let message = format!(
        "Aggregate expression required for pivot, but '{shown}' did not appear in any aggregate function."
    );
    Err(error::analysis(condition::LEGACY_ERROR_TEMP_1006, message, &[("sql", &shown)]))
}

/// The query for the distinct values of a pivot column, in order; at most one more than allowed.
fn distinct_values(aggregate: &Aggregate, pivot: &Pivot, most: u32) -> Relation {
    let name = "value";
    let input = aggregate.input.clone();
    let expressions = vec![pivot.column.clone().alias(name)];
    let project = RelationKind::Project { input, expressions };
    let distinct = RelationKind::Deduplicate { input: project.into(), columns: Vec::new() };
    let key = SortOrder { expr: Expr::column(name), ascending: true, nulls: NullOrder::Default };
    let sort = RelationKind::Sort { input: distinct.into(), order: vec![key], global: true };
    let limit = Expr::Literal(Literal::Long(i64::from(most) + 1));
    RelationKind::Limit { input: sort.into(), limit }.into()
}
