//! Union, intersection, difference.

use super::facts::both;
use super::scope::{Column, Scope};
use super::typed::Typed;
use super::{Resolved, Resolver, Result, error, reference};
use datafusion::common::{JoinConstraint, NullEquality};
use datafusion::logical_expr::{
    Distinct, Expr as DfExpr, Join, JoinType, LogicalPlan, Projection, Union, Window,
};
use errors::condition;
use plan::{DataType, Literal, SetOperation, SetOperator};
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn set_operation(&mut self, operation: &SetOperation) -> Result<Resolved> {
        let (left, right) = both(
            self,
            |this| this.relation(&operation.left),
            |this| this.relation(&operation.right),
        )?;
        let left = self.exact(left)?;
        let right = self.exact(right)?;
        let (left, right) = if operation.by_name {
            self.matched_by_name(left, right, operation.allow_missing_columns)?
        } else {
            (left, right)
        };
        let name = match operation.operator {
            SetOperator::Union => "UNION",
            SetOperator::Intersect if operation.all => "INTERSECT ALL",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except if operation.all => "EXCEPT ALL",
            SetOperator::Except => "EXCEPT",
        };
        let (left, right) = self.same_types(left, right, name)?;
        if operation.operator != SetOperator::Union || !operation.all {
            super::orderable::distinguishable(left.scope.columns.iter())?;
        }
        match operation.operator {
            SetOperator::Union => self.union(left, right, operation.all),
            SetOperator::Intersect => self.matching(left, right, JoinType::LeftSemi, operation.all),
            SetOperator::Except => self.matching(left, right, JoinType::LeftAnti, operation.all),
        }
    }

    /// Both sides with the columns of the left one, in its order; missing columns are null.
    fn matched_by_name(
        &mut self,
        left: Resolved,
        right: Resolved,
        allow_missing: bool,
    ) -> Result<(Resolved, Resolved)> {
        let mut left_items: Vec<Typed> =
            left.scope.columns.iter().map(super::column::of_column).collect();
        let mut right_items = Vec::new();
        for column in &left.scope.columns {
            let mut found =
                right.scope.columns.iter().filter(|c| self.context.same(&c.name, &column.name));
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => return Err(duplicate_column(&column.name)),
                (Some(found), None) => {
                    let right = super::column::of_column(found);
                    let at = right_items.len();
                    let left = left_items[at].clone();
                    let (left, right) = self.same_fields_by_name(left, right, allow_missing)?;
                    left_items[at] = left;
                    right_items.push(right);
                }
                (None, _) if allow_missing => {
                    right_items.push(self.null_column(&column.name, &column.data_type)?);
                }
                (None, _) => {
                    let known: Vec<Vec<String>> =
                        right.scope.columns.iter().map(|c| vec![c.name.clone()]).collect();
                    let proposal = error::suggestion(&column.name, known.iter().map(Vec::as_slice));
                    return Err(error::unresolved_column(
                        std::slice::from_ref(&column.name),
                        proposal,
                    ));
                }
            }
        }
        let extra: Vec<Column> = right
            .scope
            .columns
            .iter()
            .filter(|c| !left.scope.columns.iter().any(|l| self.context.same(&l.name, &c.name)))
            .cloned()
            .collect();
        if !extra.is_empty() && !allow_missing {
            let (l, r) = (left.scope.columns.len(), right.scope.columns.len());
            return Err(error::column_count_mismatch("UNION", l, r));
        }
        for column in extra {
            left_items.push(self.null_column(&column.name, &column.data_type)?);
            right_items.push(super::column::of_column(&column));
        }
        Ok((self.select_typed(left, left_items)?, self.select_typed(right, right_items)?))
    }

    /// Two values with the same fields, in the order of the left one; missing fields are null, if
    /// that is allowed.
    fn same_fields_by_name(
        &self,
        left: Typed,
        right: Typed,
        allow_missing: bool,
    ) -> Result<(Typed, Typed)> {
        let whole = self.with_fields_of(&left.data_type, &right.data_type, allow_missing);
        let ordered = self.ordered_as(&whole, &right.data_type);
        let same = ordered.as_ref().and_then(|ordered| self.ordered_as(ordered, &whole));
        let (Some(ordered), Some(_)) = (ordered, same) else { return Ok((left, right)) };
        if !allow_missing && self.ordered_as(&right.data_type, &whole).is_none() {
            return Ok((left, right));
        }
        Ok((self.in_shape(left, whole)?, self.in_shape(right, ordered)?))
    }

    fn null_column(&mut self, name: &str, data_type: &DataType) -> Result<Typed> {
        let null = self.literal(&Literal::Null(data_type.clone()))?;
        Ok(Typed { name: name.to_owned(), aliased: true, ..null })
    }

    /// Both sides with columns of the same types.
    fn same_types(
        &mut self,
        left: Resolved,
        right: Resolved,
        operator: &str,
    ) -> Result<(Resolved, Resolved)> {
        let (l, r) = (&left.scope.columns, &right.scope.columns);
        if l.len() != r.len() {
            return Err(error::column_count_mismatch(operator, l.len(), r.len()));
        }
        let mut common = Vec::new();
        for (index, (a, b)) in l.iter().zip(r).enumerate() {
            let types = [a.data_type.clone(), b.data_type.clone()];
            match self.common_type(&types) {
                Some(data_type) => common.push(data_type),
                None => {
                    return Err(error::incompatible_column(
                        operator,
                        index,
                        (&types[0], &types[1]),
                    ));
                }
            }
        }
        Ok((self.widened(left, &common)?, self.widened(right, &common)?))
    }

    /// Casts columns where necessary.
    fn widened(&mut self, mut input: Resolved, types: &[DataType]) -> Result<Resolved> {
        let as_arrow = |data_type: &DataType| formats::types::to_arrow(data_type);
        for (column, data_type) in input.scope.columns.iter_mut().zip(types) {
            if as_arrow(&column.data_type) == as_arrow(data_type) {
                data_type.clone_into(&mut column.data_type);
            }
        }
        if input.scope.columns.iter().zip(types).all(|(c, t)| as_arrow(&c.data_type) == as_arrow(t))
        {
            return Ok(input);
        }
        let mut items = Vec::new();
        for (column, data_type) in input.scope.columns.iter().zip(types) {
            let item = super::column::of_column(column);
            items.push(if as_arrow(&column.data_type) == as_arrow(data_type) {
                item
            } else {
                Typed { aliased: true, ..self.coerced(item, data_type)? }
            });
        }
        let resolved = self.select_typed(input, items)?;
        self.exact(resolved)
    }

    fn union(&mut self, left: Resolved, right: Resolved, all: bool) -> Result<Resolved> {
        let left = self.exact(left)?;
        let right = self.exact(right)?;
        let mut columns = Vec::new();
        for (a, b) in left.scope.columns.iter().zip(&right.scope.columns) {
            let nullable = a.nullable || b.nullable;
            let mut column = self.new_column(&a.name, a.data_type.clone(), nullable);
            column.metadata.clone_from(&a.metadata);
            column.qualifier.clone_from(&a.qualifier);
            columns.push(column);
        }
        let mut inputs: Vec<Arc<LogicalPlan>> = Vec::new();
        for side in [&left, &right] {
            let exprs = side.scope.columns.iter().zip(&columns);
            let exprs = exprs.map(|(from, to)| reference(&from.id).alias(&to.id)).collect();
            let plan = Projection::try_new(exprs, Arc::new(side.plan.clone()))?;
            inputs.push(Arc::new(LogicalPlan::Projection(plan)));
        }
        let mut plan = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
        if !all {
            plan = LogicalPlan::Distinct(Distinct::All(Arc::new(plan)));
        }
        // `df["a"]` of the left side still refers to its column, under the new name.
        let mut scope = left.scope.above(columns);
        for frame in &mut scope.frames {
            let renamed = |column: &Column| {
                let at = left.scope.columns.iter().position(|l| l.id == column.id);
                let id = at.map_or(&column.id, |at| &scope.columns[at].id).clone();
                Column { id, ..column.clone() }
            };
            let columns = frame.scope.columns.iter().map(renamed).collect();
            let hidden = frame.scope.hidden.iter().map(renamed).collect();
            frame.scope = Arc::new(Scope { columns, hidden, ..Scope::default() });
        }
        Ok(Resolved::new(plan, scope))
    }

    /// `INTERSECT` and `EXCEPT`: rows of the left side that are (or are not) on the right. With
    /// `ALL`, the n-th of several equal rows matches the n-th on the other side; without it each
    /// side has each row once before they meet, or equal rows would be compared with equal ones,
    /// all with all.
    fn matching(
        &mut self,
        left: Resolved,
        right: Resolved,
        kind: JoinType,
        all: bool,
    ) -> Result<Resolved> {
        let mut left = self.exact(left)?;
        let mut right = self.exact(right)?;
        left.scope.metadata.clear();
        let ids = |scope: &Scope| -> Vec<DfExpr> {
            scope.columns.iter().map(|column| reference(&column.id)).collect()
        };
        let mut keys: Vec<(DfExpr, DfExpr)> =
            ids(&left.scope).into_iter().zip(ids(&right.scope)).collect();
        if all {
            let (left_plan, left_number) = self.numbered(left.plan, &left.scope)?;
            let (right_plan, right_number) = self.numbered(right.plan, &right.scope)?;
            (left.plan, right.plan) = (left_plan, right_plan);
            keys.push((reference(&left_number), reference(&right_number)));
        } else {
            for side in [&mut left, &mut right] {
                side.plan = LogicalPlan::Distinct(Distinct::All(Arc::new(side.plan.clone())));
            }
        }
        let join = Join::try_new(
            Arc::new(left.plan),
            Arc::new(right.plan),
            keys,
            None,
            kind,
            JoinConstraint::On,
            NullEquality::NullEqualsNull,
            false,
        )?;
        let resolved = Resolved::new(LogicalPlan::Join(join), left.scope);
        // The numbers of rows are not the query's.
        if all { self.exact(resolved) } else { Ok(resolved) }
    }

    /// Adds a column that numbers equal rows.
    fn numbered(&mut self, plan: LogicalPlan, scope: &Scope) -> Result<(LogicalPlan, String)> {
        let keys: Vec<String> = scope.columns.iter().map(|column| column.id.clone()).collect();
        let number = self.row_number_over(&keys, Vec::new())?;
        let id = self.new_id();
        let plan = LogicalPlan::Window(Window::try_new(vec![number.alias(&id)], Arc::new(plan))?);
        Ok((plan, id))
    }
}

fn duplicate_column(name: &str) -> super::Stop {
    let shown = plan::quote_name(&name.to_lowercase());
    let message = format!(
        "The column {shown} already exists. Choose another name or rename the existing column."
    );
    error::analysis(condition::COLUMN_ALREADY_EXISTS, message, &[("columnName", &shown)])
}
