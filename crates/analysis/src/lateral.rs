//! Lateral joins: the right side uses columns of the left side. To decorrelate it, the left side's
//! columns are carried through all its operators, and those that compute on all rows (aggregates,
//! limits, windows) do so once per tuple of these columns.
//!
//! A right side of only selections and generators is computed directly on the rows of the left
//! side. Any other is computed on the distinct tuples that it uses and then joined with the left
//! side on these.

use super::nodes::JoinHint;
use super::python::PythonNode;
use super::scope::{Column, Scope};
use super::{Resolved, Resolver, Result, error, reference};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinConstraint, NullEquality};
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortKey};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr as DfExpr, Filter, Join, JoinType as DfJoinType, Limit, LogicalPlan,
    Operator, Projection, Sort, Union, Unnest, UserDefinedLogicalNodeCore, Window, binary_expr,
    cast, lit,
};
use errors::condition;
use plan::{DataType, JoinType, Relation};
use std::sync::Arc;

/// Ids of the carried columns in a plan, in the order of `Carrier::outer`.
type Ids = Vec<String>;

impl Resolver<'_> {
    pub(super) fn lateral_join(
        &mut self,
        left: &Relation,
        right: &Relation,
        kind: JoinType,
        condition: Option<&plan::Expr>,
    ) -> Result<Resolved> {
        if !matches!(kind, JoinType::Inner | JoinType::Cross | JoinType::LeftOuter) {
            let shown = format!("{kind:?}");
            return Err(error::analysis(
                condition::UNSUPPORTED_JOIN_TYPE,
                format!(
                    "Unsupported join type '{shown}'. Supported join types include: 'inner', 'leftouter', 'cross'."
                ),
                &[("typ", &shown), ("supported", "'inner', 'leftouter', 'cross'")],
            ));
        }
        let left = self.relation(left)?;
        self.outer.push(left.scope.clone());
        let right = self.relation(right);
        self.outer.pop();
        let right = self.exact(right?)?;
        self.applied(left, right, kind, condition)
    }

    /// Joins a left side with a right side that was resolved in the scope of the left one.
    pub(super) fn applied(
        &mut self,
        left: Resolved,
        right: Resolved,
        kind: JoinType,
        condition: Option<&plan::Expr>,
    ) -> Result<Resolved> {
        let outer = used(&right.plan, &left.scope)?;
        let inner = kind != JoinType::LeftOuter;
        let shown: Vec<DfExpr> =
            super::aggregate::unique(left.scope.all().chain(right.scope.all()));
        let both = super::join::combined(&left.scope, &right.scope);
        let condition = self.join_condition(condition, &both)?;
        let scope = self.join_scope(left.scope.clone(), right.scope.clone(), kind);
        if inner && !outer.is_empty() && is_row_wise(&right.plan, &left.scope)? {
            let outer = distinct_columns(&left.scope);
            let mut carrier = Carrier { resolver: self, domain: left.plan, outer, own: true };
            let (mut plan, _) = carrier.carry(&right.plan)?;
            if let Some(condition) = condition {
                plan = super::relation::filter(plan, condition)?;
            }
            let plan = Projection::try_new(shown, Arc::new(plan))?;
            return Ok(Resolved::new(LogicalPlan::Projection(plan), scope));
        }
        let mut on = Vec::new();
        let mut right_plan = right.plan;
        if !outer.is_empty() {
            let tuples = outer.iter().map(|column| reference(&column.id)).collect();
            let tuples = Projection::try_new(tuples, Arc::new(left.plan.clone()))?;
            let domain = Distinct::All(Arc::new(LogicalPlan::Projection(tuples)));
            let domain = LogicalPlan::Distinct(domain);
            let keys: Vec<DfExpr> = outer.iter().map(|column| reference(&column.id)).collect();
            let mut carrier = Carrier::new(self, domain, outer);
            let (plan, ids) = carrier.carry(&right_plan)?;
            right_plan = plan;
            on = keys.into_iter().zip(ids.iter().map(|id| reference(id))).collect();
        }
        let kind = if inner { DfJoinType::Inner } else { DfJoinType::Left };
        let plan = joined((left.plan, right_plan), on, condition, kind)?;
        let plan = Projection::try_new(shown, Arc::new(plan))?;
        Ok(Resolved::new(LogicalPlan::Projection(plan), scope))
    }
}

pub(super) fn joined(
    (left, right): (LogicalPlan, LogicalPlan),
    on: Vec<(DfExpr, DfExpr)>,
    filter: Option<DfExpr>,
    kind: DfJoinType,
) -> Result<LogicalPlan> {
    let (left, right) = (Arc::new(left), Arc::new(right));
    // The tuples come from the left side and may contain nulls.
    let nulls = NullEquality::NullEqualsNull;
    let join = Join::try_new(left, right, on, filter, kind, JoinConstraint::On, nulls, false)?;
    Ok(LogicalPlan::Join(join))
}

fn distinct_columns(scope: &Scope) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for column in scope.all() {
        if !columns.iter().any(|known| known.id == column.id) {
            columns.push(column.clone());
        }
    }
    columns
}

/// The columns of the left side that a plan uses.
pub(super) fn used(plan: &LogicalPlan, left: &Scope) -> Result<Vec<Column>> {
    let mut found: Vec<Column> = Vec::new();
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                if let DfExpr::OuterReferenceColumn(_, column) = inner
                    && !found.iter().any(|known| known.id == column.name())
                    && let Some(known) = left.all().find(|known| known.id == column.name())
                {
                    found.push(known.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Whether each row of the left side can be processed separately: no operator that uses the left
/// side combines rows.
fn is_row_wise(plan: &LogicalPlan, left: &Scope) -> Result<bool> {
    if used(plan, left)?.is_empty() {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Projection(Projection { input, .. })
        | LogicalPlan::Filter(Filter { input, .. })
        | LogicalPlan::Unnest(Unnest { input, .. }) => is_row_wise(input, left),
        LogicalPlan::Extension(extension) => {
            match extension.node.as_any().downcast_ref::<JoinHint>() {
                Some(hint) => is_row_wise(&hint.input, left),
                None => Ok(PythonNode::of_one_row(extension).is_some()),
            }
        }
        _ => Ok(false),
    }
}

/// Carries columns through a plan.
pub(super) struct Carrier<'c, 'a> {
    resolver: &'c mut Resolver<'a>,
    /// Plan that yields the tuples.
    domain: LogicalPlan,
    /// The columns of `domain` to carry.
    outer: Vec<Column>,
    /// Whether the plan's only copy of the columns may keep their names.
    own: bool,
}

impl<'c, 'a> Carrier<'c, 'a> {
    /// Carries the columns of distinct tuples.
    pub(super) fn new(
        resolver: &'c mut Resolver<'a>,
        domain: LogicalPlan,
        outer: Vec<Column>,
    ) -> Self {
        Self { resolver, domain, outer, own: false }
    }

    /// Adds the columns to a plan; also returns their ids in it.
    #[recursive::recursive]
    pub(super) fn carry(&mut self, plan: &LogicalPlan) -> Result<(LogicalPlan, Ids)> {
        if !self.uses(plan)? {
            let (domain, ids) = self.tuples()?;
            let one = matches!(plan, LogicalPlan::EmptyRelation(empty) if empty.produce_one_row);
            if one && plan.schema().fields().is_empty() {
                return Ok((domain, ids));
            }
            let both = joined((domain, plan.clone()), Vec::new(), None, DfJoinType::Inner)?;
            return Ok((both, ids));
        }
        match plan {
            LogicalPlan::Projection(Projection { expr, input, schema, .. }) => {
                let (input, ids) = self.carry(input)?;
                let exprs = self.replaced(expr, &ids)?.into_iter().zip(schema.columns());
                // A former column of the left side keeps its name.
                let mut exprs: Vec<DfExpr> = exprs
                    .map(|(expr, column)| {
                        let same = expr.schema_name().to_string() == column.name();
                        if same { expr } else { expr.alias(column.name()) }
                    })
                    .collect();
                exprs.extend(ids.iter().map(|id| reference(id)));
                let plan = Projection::try_new(exprs, Arc::new(input))?;
                Ok((LogicalPlan::Projection(plan), ids))
            }
            LogicalPlan::Filter(Filter { predicate, input, .. }) => {
                let (input, ids) = self.carry(input)?;
                let predicate = self.free(predicate.clone(), &ids)?;
                Ok((super::relation::filter(input, predicate)?, ids))
            }
            LogicalPlan::Unnest(Unnest { input, exec_columns, options, .. }) => {
                let (input, ids) = self.carry(input)?;
                let input = Arc::new(input);
                let plan = Unnest::try_new(input, exec_columns.clone(), options.clone())?;
                Ok((LogicalPlan::Unnest(plan), ids))
            }
            LogicalPlan::Sort(Sort { expr, input, fetch }) => {
                let (input, ids) = self.carry(input)?;
                let expr = self.order(expr, &ids)?;
                let plan = Sort { expr, input: Arc::new(input), fetch: *fetch };
                Ok((LogicalPlan::Sort(plan), ids))
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let (input, ids) = self.carry(input)?;
                Ok((LogicalPlan::Distinct(Distinct::All(Arc::new(input))), ids))
            }
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Extension(extension)
                if let Some(node) = PythonNode::of_one_row(extension) =>
            {
                let (input, ids) = self.tuples()?;
                let exprs = self.replaced(&node.expressions(), &ids)?;
                Ok((node.for_each_row(input, exprs)?.plan(), ids))
            }
            // A join of other columns is none that the hint is for.
            LogicalPlan::Extension(extension)
                if let Some(hint) = extension.node.as_any().downcast_ref::<JoinHint>() =>
            {
                self.carry(&hint.input)
            }
            other => {
                let node = other.display().to_string();
                let node = node.split([':', ' ']).next().unwrap_or_default().to_owned();
                Err(error::unsupported(format!("{node} in a LATERAL subquery")))
            }
        }
    }

    fn uses(&self, plan: &LogicalPlan) -> Result<bool> {
        Ok(!used(plan, &Scope::new(self.outer.clone()))?.is_empty())
    }

    /// The tuples, with fresh ids.
    fn tuples(&mut self) -> Result<(LogicalPlan, Ids)> {
        if self.own {
            let ids = self.outer.iter().map(|column| column.id.clone()).collect();
            return Ok((self.domain.clone(), ids));
        }
        let (mut exprs, mut ids) = (Vec::new(), Vec::new());
        for column in self.outer.clone() {
            let copy =
                self.resolver.new_column(&column.name, column.data_type.clone(), column.nullable);
            exprs.push(reference(&column.id).alias(&copy.id));
            ids.push(copy.id);
        }
        let plan = Projection::try_new(exprs, Arc::new(self.domain.clone()))?;
        Ok((LogicalPlan::Projection(plan), ids))
    }

    /// Replaces the left side's columns in an expression by the carried ones.
    fn free(&self, expr: DfExpr, ids: &[String]) -> Result<DfExpr> {
        let replaced = expr.transform_down(|node| {
            if let DfExpr::OuterReferenceColumn(_, column) = &node
                && let Some(at) = self.outer.iter().position(|c| c.id == column.name())
            {
                return Ok(Transformed::yes(reference(&ids[at])));
            }
            Ok(Transformed::no(node))
        })?;
        Ok(replaced.data)
    }

    fn replaced(&self, exprs: &[DfExpr], ids: &[String]) -> Result<Vec<DfExpr>> {
        exprs.iter().map(|expr| self.free(expr.clone(), ids)).collect()
    }

    fn order(&self, keys: &[SortKey], ids: &[String]) -> Result<Vec<SortKey>> {
        let keys = keys
            .iter()
            .map(|key| Ok(SortKey { expr: self.free(key.expr.clone(), ids)?, ..key.clone() }));
        keys.collect()
    }

    /// Limits the rows per tuple, by numbering them in their order.
    fn limit(&mut self, limit: &Limit) -> Result<(LogicalPlan, Ids)> {
        // A projection neither adds nor reorders rows, so the order may be below it.
        if let LogicalPlan::Projection(Projection { expr, input, .. }) = limit.input.as_ref() {
            let below = LogicalPlan::Limit(Limit { input: Arc::clone(input), ..limit.clone() });
            let plan = Projection::try_new(expr.clone(), Arc::new(below))?;
            return self.carry(&LogicalPlan::Projection(plan));
        }
        let (keys, below) = match limit.input.as_ref() {
            LogicalPlan::Sort(Sort { expr, input, fetch: None }) => (expr.as_slice(), input),
            _ => (&[][..], &limit.input),
        };
        let (input, ids) = self.carry(below)?;
        let order = self.order(keys, &ids)?;
        let shown: Vec<DfExpr> = input.schema().columns().into_iter().map(DfExpr::Column).collect();
        let mut numbers = [self.resolver.row_number(&ids, order)?];
        let plan = self.resolver.extract_windows(input, &mut numbers)?;
        let [number] = numbers;
        let number = || number.expr.clone();
        let long = |expr: &DfExpr| cast(expr.clone(), arrow::datatypes::DataType::Int64);
        let skip = limit.skip.as_ref().map_or_else(|| lit(0_i64), |skip| long(skip));
        let mut wanted = number().gt(skip.clone());
        if let Some(fetch) = &limit.fetch {
            wanted = wanted.and(number().lt_eq(skip + long(fetch)));
        }
        let plan = super::relation::filter(plan, wanted)?;
        let plan = Projection::try_new(shown, Arc::new(plan))?;
        Ok((LogicalPlan::Projection(plan), ids))
    }

    fn window(&mut self, window: &Window) -> Result<(LogicalPlan, Ids)> {
        let (input, ids) = self.carry(&window.input)?;
        let mut exprs = Vec::new();
        for expr in self.replaced(&window.window_expr, &ids)? {
            let of_tuple = expr.transform_down(|node| {
                let DfExpr::WindowFunction(mut function) = node else {
                    return Ok(Transformed::no(node));
                };
                function.params.partition_by.extend(ids.iter().map(|id| reference(id)));
                let node = DfExpr::WindowFunction(function);
                Ok(Transformed::new(node, true, TreeNodeRecursion::Jump))
            })?;
            exprs.push(of_tuple.data);
        }
        Ok((LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?), ids))
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<(LogicalPlan, Ids)> {
        if aggregate.group_expr.iter().any(|key| matches!(key, DfExpr::GroupingSet(_))) {
            return Err(error::unsupported("grouping sets in a LATERAL subquery"));
        }
        let (mut input, mut ids) = self.carry(&aggregate.input)?;
        let mut keys = self.replaced(&aggregate.group_expr, &ids)?;
        let mut functions = self.replaced(&aggregate.aggr_expr, &ids)?;
        if keys.is_empty() {
            // Without keys there is one row per tuple, even for a tuple without rows.
            let mark = self.resolver.new_column("mark", DataType::Boolean, false).id;
            let columns = input.schema().columns().into_iter().map(DfExpr::Column);
            let marked = columns.chain([lit(true).alias(&mark)]).collect();
            let marked = LogicalPlan::Projection(Projection::try_new(marked, Arc::new(input))?);
            let (tuples, all) = self.tuples()?;
            let on = all.iter().zip(&ids).map(|(a, b)| (reference(a), reference(b))).collect();
            input = joined((tuples, marked), on, None, DfJoinType::Left)?;
            for function in &mut functions {
                *function = only_where(function.clone(), &reference(&mark).is_not_null())?;
            }
            ids = all;
        }
        keys.extend(ids.iter().map(|id| reference(id)));
        let plan = Aggregate::try_new(Arc::new(input), keys, functions)?;
        Ok((LogicalPlan::Aggregate(plan), ids))
    }

    fn union(&mut self, union: &Union) -> Result<(LogicalPlan, Ids)> {
        let names = union.schema.columns();
        let (mut inputs, mut first): (Vec<Arc<LogicalPlan>>, Option<Ids>) = (Vec::new(), None);
        for input in &union.inputs {
            let columns = input.schema().columns();
            let (plan, ids) = self.carry(input)?;
            let wanted = first.get_or_insert_with(|| ids.clone());
            let own = columns.into_iter().zip(&names).map(|(column, name)| {
                let same = column.name() == name.name();
                let column = DfExpr::Column(column);
                if same { column } else { column.alias(name.name()) }
            });
            let carried = ids.iter().zip(wanted.iter()).map(|(id, name)| {
                if id == name { reference(id) } else { reference(id).alias(name) }
            });
            let exprs = own.chain(carried).collect();
            let plan = Projection::try_new(exprs, Arc::new(plan))?;
            inputs.push(Arc::new(LogicalPlan::Projection(plan)));
        }
        let plan = Union::try_new_with_loose_types(inputs)?;
        Ok((LogicalPlan::Union(plan), first.unwrap_or_default()))
    }

    /// Carries the columns through a side of a join only if they are needed.
    fn carry_if(&mut self, wanted: bool, side: &LogicalPlan) -> Result<(LogicalPlan, Option<Ids>)> {
        if !wanted {
            return Ok((side.clone(), None));
        }
        let (plan, ids) = self.carry(side)?;
        Ok((plan, Some(ids)))
    }

    fn join(&mut self, join: &Join) -> Result<(LogicalPlan, Ids)> {
        let (keeps_left, keeps_right) = match join.join_type {
            DfJoinType::Inner => (false, false),
            DfJoinType::Left | DfJoinType::LeftSemi | DfJoinType::LeftAnti => (true, false),
            DfJoinType::Right => (false, true),
            _ => return Err(error::unsupported("this kind of join in a LATERAL subquery")),
        };
        let with_right = keeps_right || self.uses(&join.right)?;
        let with_left = keeps_left || !with_right || self.uses(&join.left)?;
        let (left, left_ids) = self.carry_if(with_left, &join.left)?;
        let (right, right_ids) = self.carry_if(with_right, &join.right)?;
        let mut filters = Vec::new();
        if let (Some(left), Some(right)) = (&left_ids, &right_ids) {
            let same = |(a, b): (&String, &String)| {
                binary_expr(reference(a), Operator::IsNotDistinctFrom, reference(b))
            };
            filters.extend(left.iter().zip(right).map(same));
        }
        let ids = if keeps_right { right_ids.or(left_ids) } else { left_ids.or(right_ids) };
        let ids = ids.unwrap_or_default();
        if let Some(filter) = &join.filter {
            filters.push(self.free(filter.clone(), &ids)?);
        }
        let mut on = Vec::new();
        for (left, right) in &join.on {
            on.push((self.free(left.clone(), &ids)?, self.free(right.clone(), &ids)?));
        }
        let (left, right) = (Arc::new(left), Arc::new(right));
        let plan = Join::try_new(
            left,
            right,
            on,
            conjunction(filters),
            join.join_type,
            join.join_constraint,
            join.null_equality,
            false,
        )?;
        Ok((LogicalPlan::Join(plan), ids))
    }
}

/// Restricts the aggregate functions of an expression to the rows that satisfy a condition.
pub(super) fn only_where(expr: DfExpr, condition: &DfExpr) -> Result<DfExpr> {
    let filtered = expr.transform_down(|node| {
        let DfExpr::AggregateFunction(AggregateFunction { func, mut params }) = node else {
            return Ok(Transformed::no(node));
        };
        let filter = match params.filter.take() {
            Some(before) => before.and(condition.clone()),
            None => condition.clone(),
        };
        params.filter = Some(Box::new(filter));
        let node = DfExpr::AggregateFunction(AggregateFunction { func, params });
        Ok(Transformed::new(node, true, TreeNodeRecursion::Jump))
    })?;
    Ok(filtered.data)
}
