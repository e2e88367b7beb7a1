//! `fillna`, `dropna`, `replace`.

use super::column::of_column;
use super::scope::Column;
use super::typed::Typed;
use super::{Resolved, Resolver, Result, error};
use datafusion::logical_expr::{Expr as DfExpr, when};
use plan::{CastMode, DataType, Literal, NaFill, Relation};

impl Resolver<'_> {
    pub(super) fn na_fill(&mut self, fill: &NaFill) -> Result<Resolved> {
        let input = self.relation(&fill.input)?;
        let mut wanted: Vec<(String, Literal)> = Vec::new();
        if fill.columns.is_empty() {
            let Some(value) = fill.values.first() else { return Ok(input) };
            for column in &input.scope.columns {
                wanted.push((column.id.clone(), value.clone()));
            }
        } else {
            for (index, name) in fill.columns.iter().enumerate() {
                let at = if fill.values.len() == 1 { 0 } else { index };
                let Some(value) = fill.values.get(at) else { continue };
                for column in self.columns_named(name, &input)? {
                    wanted.push((column.id, value.clone()));
                }
            }
        }
        let mut items = Vec::new();
        for column in &input.scope.columns {
            let value = wanted.iter().find(|(id, _)| *id == column.id).map(|(_, value)| value);
            items.push(match value {
                Some(value) if fills(value, &column.data_type) => self.filled(column, value)?,
                _ => of_column(column),
            });
        }
        self.select_typed(input, items)
    }

    /// The column with nulls (and NaN in numbers) replaced by a value.
    fn filled(&mut self, column: &Column, value: &Literal) -> Result<Typed> {
        let value = self.literal(value)?;
        let value = self.coerced(value, &column.data_type)?;
        let mut typed = of_column(column);
        if matches!(column.data_type, DataType::Float | DataType::Double) {
            let is_nan = self.scalar("isnan", vec![typed.clone()])?;
            let null =
                DfExpr::Literal(datafusion::common::ScalarValue::try_from(&typed.arrow())?, None);
            typed.expr = when(is_nan.expr, null).otherwise(typed.expr)?;
        }
        let filled = self.scalar("coalesce", vec![typed, value])?;
        Ok(Typed { name: column.name.clone(), nullable: false, aliased: true, ..filled })
    }

    pub(super) fn na_drop(
        &mut self,
        input: &Relation,
        columns: &[String],
        min_non_nulls: Option<u32>,
    ) -> Result<Resolved> {
        let input = self.relation(input)?;
        let mut of: Vec<Column> = Vec::new();
        if columns.is_empty() {
            of.clone_from(&input.scope.columns);
        }
        for name in columns {
            of.extend(self.columns_named(name, &input)?);
        }
        if of.is_empty() {
            return Ok(input);
        }
        let mut set: Vec<DfExpr> = Vec::new();
        for column in &of {
            let mut condition = DfExpr::IsNotNull(Box::new(of_column(column).expr));
            if matches!(column.data_type, DataType::Float | DataType::Double) {
                let is_nan = self.scalar("isnan", vec![of_column(column)])?;
                condition = condition.and(DfExpr::Not(Box::new(is_nan.expr)));
            }
            set.push(condition);
        }
        let needed = min_non_nulls.map_or(of.len(), |least| least as usize);
        let condition = if needed >= set.len()
            && min_non_nulls.is_none_or(|least| least as usize == set.len())
        {
            set.into_iter().reduce(DfExpr::and)
        } else {
            let one = |condition: DfExpr| {
                when(condition, datafusion::logical_expr::lit(1_i64))
                    .otherwise(datafusion::logical_expr::lit(0_i64))
            };
            let mut sum = datafusion::logical_expr::lit(0_i64);
            for condition in set {
                sum = sum + one(condition)?;
            }
            let least = i64::try_from(needed).unwrap_or(i64::MAX);
            Some(sum.gt_eq(datafusion::logical_expr::lit(least)))
        };
        let Some(condition) = condition else { return Ok(input) };
        let plan = super::relation::filter(input.plan, condition)?;
        Ok(Resolved::new(plan, input.scope))
    }

    pub(super) fn na_replace(
        &mut self,
        input: &Relation,
        columns: &[String],
        replacements: &[(Literal, Literal)],
    ) -> Result<Resolved> {
        let input = self.relation(input)?;
        let mut of: Vec<String> = Vec::new();
        if columns.is_empty() {
            of.extend(input.scope.columns.iter().map(|column| column.id.clone()));
        }
        for name in columns {
            of.extend(self.columns_named(name, &input)?.into_iter().map(|column| column.id));
        }
        let Some((sample, _)) =
            replacements.iter().find(|(old, _)| !matches!(old, Literal::Null(_)))
        else {
            return Err(error::unsupported("replace without a value to replace"));
        };
        let sample = sample.clone();
        let mut items = Vec::new();
        for column in &input.scope.columns {
            let wanted = of.contains(&column.id) && fills(&sample, &column.data_type);
            items.push(if wanted {
                self.replaced(column, replacements)?
            } else {
                of_column(column)
            });
        }
        self.select_typed(input, items)
    }

    fn replaced(&mut self, column: &Column, pairs: &[(Literal, Literal)]) -> Result<Typed> {
        let mut args = Vec::new();
        let mut nullable = column.nullable;
        for (old, new) in pairs {
            let old = self.literal(old)?;
            // A value that the column's type cannot represent replaces nothing.
            let expr = self.cast_expr(&old, &column.data_type, CastMode::Try)?;
            let data_type = column.data_type.clone();
            let old = Typed { expr, data_type, nullable: true, ..old };
            let new = self.literal(new)?;
            nullable |= new.nullable;
            args.push(self.scalar("=", vec![of_column(column), old])?);
            args.push(self.coerced(new, &column.data_type)?);
        }
        args.push(of_column(column));
        let replaced = self.scalar("when", args)?;
        Ok(Typed { name: column.name.clone(), nullable, aliased: true, ..replaced })
    }
}

/// Whether a value can fill columns of a type: numbers fill numbers, strings strings, booleans
/// booleans.
fn fills(value: &Literal, data_type: &DataType) -> bool {
    let of = value.data_type();
    (of.is_numeric() && data_type.is_numeric())
        || (of == DataType::String
            && matches!(data_type, DataType::String | DataType::Char(_) | DataType::Varchar(_)))
        || (of == DataType::Boolean && *data_type == DataType::Boolean)
}
