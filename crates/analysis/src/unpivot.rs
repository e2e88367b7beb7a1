//! Unpivot: turns columns into rows in one pass; the rows from one input row stay together.

use super::column::{Names, of_column};
use super::scope::Column;
use super::typed::Typed;
use super::{Resolved, Resolver, Result, error};
use datafusion::common::{Column as DfColumn, NullHandling, UnnestOptions};
use datafusion::logical_expr::{LogicalPlan, Projection, Unnest};
use errors::condition;
use plan::{DataType, Expr, Literal, Unpivot};
use std::sync::Arc;

/// The values of one output row, and its name.
struct Row {
    name: String,
    values: Vec<Typed>,
}

impl Resolver<'_> {
    pub(super) fn unpivot(&mut self, unpivot: &Unpivot) -> Result<Resolved> {
        let input = self.relation(&unpivot.input)?;
        let given = match &unpivot.ids {
            Some(ids) => Some(self.expanded(ids, &input)?),
            None => None,
        };
        let rows = self.unpivot_rows(unpivot, given.as_deref().unwrap_or_default(), &input)?;
        let ids = given.unwrap_or_else(|| {
            let turned: Vec<&str> =
                rows.iter().flat_map(|row| &row.values).filter_map(Typed::id).collect();
            let others = input.scope.columns.iter().filter(|c| !turned.contains(&c.id.as_str()));
            others.map(of_column).collect()
        });
        let mut columns: Vec<Column> = Vec::new();
        for id in &ids {
            columns.push(self.new_column(id.column_name(), id.data_type.clone(), id.nullable));
        }
        columns.push(self.new_column(&unpivot.variable_name, DataType::String, false));
        for (index, name) in unpivot.value_names.iter().enumerate() {
            let values = rows.iter().map(|row| &row.values[index]);
            let common = self.unpivot_type(values.clone())?;
            let nullable = values.clone().any(|value| value.nullable);
            columns.push(self.new_column(name, common, nullable));
        }
        let mut lists: Vec<Vec<Typed>> = vec![Vec::new(); columns.len() - ids.len()];
        for Row { name, values } in rows {
            let name = self.literal(&Literal::String(name))?;
            for (at, value) in std::iter::once(name).chain(values).enumerate() {
                let value = self.coerced(value, &columns[ids.len() + at].data_type)?;
                lists[at].push(value);
            }
        }
        let mut items = ids;
        let turned = items.len();
        for list in lists {
            items.push(self.scalar("array", list)?);
        }
        let exprs = items.into_iter().zip(&columns);
        let exprs = exprs.map(|(item, column)| item.expr.alias(&column.id)).collect();
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input.plan))?);
        let ids = columns[turned..].iter().map(|column| DfColumn::new_unqualified(&column.id));
        let options = UnnestOptions::new().with_null_handling(NullHandling::Drop);
        let plan = Unnest::try_new(Arc::new(plan), ids.collect(), options)?;
        Ok(Resolved::new(LogicalPlan::Unnest(plan), input.scope.above(columns)))
    }

    fn expanded(&mut self, exprs: &[Expr], input: &Resolved) -> Result<Vec<Typed>> {
        let mut typed = Vec::new();
        for expr in self.parsed(exprs)? {
            typed.extend(self.expand(&expr, Names::of(&input.scope))?);
        }
        Ok(typed)
    }

    fn unpivot_rows(
        &mut self,
        unpivot: &Unpivot,
        ids: &[Typed],
        input: &Resolved,
    ) -> Result<Vec<Row>> {
        let single = |value: Typed| Row { name: value.column_name(), values: vec![value] };
        let mut rows = Vec::new();
        if let Some(given) = &unpivot.values {
            for row in given {
                let values = self.expanded(&row.columns, input)?;
                if unpivot.value_names.len() == 1 && row.alias.is_none() {
                    // A star expands to several rows.
                    rows.extend(values.into_iter().map(single));
                    continue;
                }
                if values.len() != unpivot.value_names.len() {
                    let message = "All unpivot value columns must have the same size as there are value column names.";
                    return Err(error::analysis(
                        condition::UNPIVOT_VALUE_SIZE_MISMATCH,
                        message,
                        &[],
                    ));
                }
                let names = values.iter().map(Typed::column_name).collect::<Vec<_>>().join("_");
                rows.push(Row { name: row.alias.clone().unwrap_or(names), values });
            }
        } else {
            let is_id = |column: &Column| ids.iter().any(|id| id.id() == Some(&column.id));
            let others = input.scope.columns.iter().filter(|c| !is_id(c)).map(of_column);
            rows.extend(others.map(single));
        }
        if rows.is_empty() {
            let message = "At least one value column needs to be specified for UNPIVOT, all columns specified as ids.";
            return Err(error::analysis(condition::UNPIVOT_REQUIRES_VALUE_COLUMNS, message, &[]));
        }
        Ok(rows)
    }

    fn unpivot_type<'t>(&self, values: impl Iterator<Item = &'t Typed>) -> Result<DataType> {
        let types: Vec<DataType> = values.map(|value| value.data_type.clone()).collect();
        if let Some(common) = self.common_type(&types) {
            return Ok(common);
        }
        let shown: Vec<_> = types.iter().map(|t| format!("\"{}\"", t.sql())).collect();
        let list = shown.join(", ");
        let message = format!(
            "Unpivot value columns must share a least common type, some types do not: [{list}]."
        );
        Err(error::analysis(
            condition::UNPIVOT_VALUE_DATA_TYPE_MISMATCH,
            message,
            &[("types", &list)],
        ))
    }
}
