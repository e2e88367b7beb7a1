//! Grouping: keys, grouping sets, aggregate functions anywhere in a select list, and pivots.

use super::column::{Names, of_column};
use super::expression::pass;
use super::missing::{Below, Source};
use super::scope::{Column, Scope};
use super::typed::Typed;
use super::{Resolved, Resolver, Result, Stop, error, reference};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{
    Aggregate as DfAggregate, Expr as DfExpr, Filter, GroupingSet, LogicalPlan, Operator,
    Projection, binary_expr, lit,
};
use errors::condition;
use plan::{Aggregate, DataType, Expr, Grouping, Literal};
use std::sync::Arc;

/// The keys that `grouping` and `grouping_id` refer to.
#[derive(Debug, Clone)]
pub(crate) struct GroupingIds {
    /// Each key as the program wrote it, and its column, by which an ORDER BY knows it.
    keys: Vec<(DfExpr, String)>,
    /// Column whose bits mark the keys missing from the grouping set; the last key has the lowest
    /// bit.
    id: String,
}

/// An aggregate to which a HAVING or ORDER BY above it can still add functions.
#[derive(Debug, Clone)]
pub(crate) struct Aggregation {
    input: LogicalPlan,
    /// Each key as the program wrote it, and its column.
    keys: Vec<(DfExpr, Column)>,
    sets: Option<Vec<Vec<usize>>>,
    /// If it has grouping sets.
    pub(super) grouping: Option<GroupingIds>,
    /// Aggregate functions and their columns.
    functions: Vec<(DfExpr, String)>,
    having: Option<DfExpr>,
}

/// The keys of a grouping and, if any, its grouping sets.
type Keys = (Vec<Expr>, Option<Vec<Vec<usize>>>);

/// Whether the expression contains an aggregate function outside of windows.
pub(super) fn has_aggregate(expr: &DfExpr) -> bool {
    let mut found = false;
    let walked = expr.apply(|node| {
        found |= matches!(node, DfExpr::AggregateFunction(_));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok() && found
}

impl Resolver<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<Resolved> {
        let mut input = self.relation(&aggregate.input)?;
        let (keys, sets) = self.keys(aggregate, &input.scope)?;
        let mut typed_keys = Vec::new();
        for key in &keys {
            typed_keys.push(self.group_key(key, aggregate, &input.scope)?);
        }
        if let (Some(pivot), Grouping::All) = (&aggregate.pivot, &aggregate.grouping) {
            typed_keys = self.pivot_keys(aggregate, pivot, &input.scope)?;
        }
        input.plan = super::time_window::with_time(input.plan, &typed_keys)?;
        let mut aggregation = self.grouped(&input, &typed_keys, sets)?;
        if let Some(pivot) = &aggregate.pivot {
            return self.pivot(aggregate, pivot, (input.scope, aggregation), &typed_keys);
        }
        let ids = aggregation.grouping.clone();
        let mut items: Vec<Typed> = Vec::new();
        if aggregate.with_keys {
            items.extend(typed_keys.iter().cloned());
        }
        for item in &aggregate.expressions {
            let names =
                Names { lateral: &items, grouping: ids.as_ref(), ..Names::of(&input.scope) };
            let expanded = self.expand(item, names)?;
            items.extend(expanded);
        }
        if let Some(having) = &aggregate.having {
            let names =
                Names { lateral: &items, grouping: ids.as_ref(), ..Names::of(&input.scope) };
            let having = self.condition(having, names)?;
            aggregation.having = Some(self.grouped_item(&mut aggregation, having, None)?.expr);
        }
        self.select_from(aggregation, items, &input.scope)
    }

    /// Builds the select list above an aggregate.
    pub(super) fn select_from(
        &mut self,
        mut aggregation: Aggregation,
        items: Vec<Typed>,
        scope: &Scope,
    ) -> Result<Resolved> {
        let mut outputs = Vec::new();
        for item in items {
            let item = self.grouped_item(&mut aggregation, item, None)?;
            let (column, _) = self.output(&item);
            outputs.push((column, item));
        }
        let columns = outputs.iter().map(|(column, _)| column.clone()).collect();
        let output_scope = scope.above(columns);
        let source = Source::Aggregation(Box::new(aggregation));
        let below = Below { scope: scope.clone(), source, outputs, above: Vec::new() };
        let plan = self.rebuild(&below, &[])?;
        Ok(Resolved { plan, scope: output_scope, below: Some(Box::new(below)) })
    }

    /// Builds an aggregate over all rows: a select list with aggregate functions but no keys.
    pub(super) fn global_aggregate(
        &mut self,
        input: &Resolved,
        items: Vec<Typed>,
    ) -> Result<Resolved> {
        let aggregation = self.grouped(input, &[], None)?;
        self.select_from(aggregation, items, &input.scope)
    }

    fn keys(&mut self, aggregate: &Aggregate, scope: &Scope) -> Result<Keys> {
        let all = |count: usize| (0..count).collect::<Vec<usize>>();
        Ok(match &aggregate.grouping {
            Grouping::By(keys) => (keys.clone(), None),
            Grouping::All if aggregate.pivot.is_some() => (Vec::new(), None),
            Grouping::All => (self.all_keys(&aggregate.expressions, scope)?, None),
            Grouping::Rollup(keys) => {
                let sets = (0..=keys.len()).rev().map(all).collect();
                (keys.clone(), Some(sets))
            }
            Grouping::Cube(keys) => {
                if keys.len() > 12 {
                    return Err(error::unsupported("CUBE over more than 12 keys"));
                }
                let full = (1_usize << keys.len()) - 1;
                let bit = |key: usize| 1 << (keys.len() - 1 - key);
                let set = |mask: usize| {
                    all(keys.len()).into_iter().filter(|k| mask & bit(*k) != 0).collect()
                };
                (keys.clone(), Some((0..=full).rev().map(set).collect()))
            }
            Grouping::Sets { keys, sets } => {
                let mut all_keys = keys.clone();
                let mut indices = Vec::new();
                for set in sets {
                    let mut members = Vec::new();
                    for key in set {
                        let index = all_keys.iter().position(|known| known == key);
                        members.push(index.unwrap_or_else(|| {
                            all_keys.push(key.clone());
                            all_keys.len() - 1
                        }));
                    }
                    indices.push(members);
                }
                (all_keys, Some(indices))
            }
        })
    }

    /// The keys of `GROUP BY ALL`: the select items without aggregate functions.
    fn all_keys(&mut self, items: &[Expr], scope: &Scope) -> Result<Vec<Expr>> {
        let mut keys = Vec::new();
        for item in items {
            let typed = self.expand(item, Names::of(scope))?;
            if typed.iter().any(|typed| has_aggregate(&typed.expr)) {
                continue;
            }
            match item {
                Expr::Alias { expr, .. } => keys.push((**expr).clone()),
                Expr::Star { .. } => {
                    let names = typed.iter().map(|typed| Expr::column(typed.name.clone()));
                    keys.extend(names);
                }
                item => keys.push(item.clone()),
            }
        }
        Ok(keys)
    }

    /// Resolves a key: an expression, or the position or alias of a select item.
    fn group_key(&mut self, key: &Expr, aggregate: &Aggregate, scope: &Scope) -> Result<Typed> {
        let by_ordinal = self.context.flag(&model::conf::GROUP_BY_ORDINAL)?;
        if let (Expr::Literal(Literal::Integer(position)), true) = (key, by_ordinal)
            && !aggregate.with_keys
        {
            return self.ordinal_key(*position, aggregate, scope);
        }
        let found = self.expression(key, Names::of(scope));
        let (Err(stop), Expr::Column { name, .. }) = (&found, key) else {
            return Self::checked_key(found?);
        };
        let [name] = name.as_slice() else { return found };
        if !error::is_unresolved_column(stop) {
            return found;
        }
        let aliased = aggregate.expressions.iter().find_map(|item| match item {
            Expr::Alias { expr, names, .. }
                if names.len() == 1 && self.context.same(&names[0], name) =>
            {
                Some(expr)
            }
            _ => None,
        });
        match aliased {
            Some(expr) => {
                let key = self.expression(expr, Names::of(scope))?;
                Self::checked_key(key)
            }
            None => found,
        }
    }

    fn ordinal_key(
        &mut self,
        position: i32,
        aggregate: &Aggregate,
        scope: &Scope,
    ) -> Result<Typed> {
        let mut items: Vec<Typed> = Vec::new();
        for item in &aggregate.expressions {
            let names = Names { lateral: &items, ..Names::of(scope) };
            let expanded = self.expand(item, names)?;
            items.extend(expanded);
        }
        let size = items.len();
        let index = usize::try_from(position).ok().and_then(|p| p.checked_sub(1));
        let Some(item) = index.and_then(|index| items.get(index)) else {
            return Err(error::position_out_of_range("GROUP", position.into(), size));
        };
        if has_aggregate(&item.expr) {
            let (index, shown) = (position.to_string(), item.name.clone());
            return Err(error::analysis(
                condition::GROUP_BY_POS_AGGREGATE,
                format!(
                    "GROUP BY {index} refers to an expression {shown} that contains an aggregate function. Aggregate functions are not allowed in GROUP BY."
                ),
                &[("index", &index), ("aggExpr", &shown)],
            ));
        }
        Ok(Typed { aliased: false, ..item.clone() })
    }

    fn checked_key(key: Typed) -> Result<Typed> {
        if has_aggregate(&key.expr) {
            let shown = key.name.clone();
            return Err(error::analysis(
                condition::GROUP_BY_AGGREGATE,
                format!("Aggregate functions are not allowed in GROUP BY, but found {shown}."),
                &[("sqlExpr", &shown)],
            ));
        }
        Ok(key)
    }

    /// Prepares an aggregate: keys that are not plain columns are computed below it.
    fn grouped(
        &mut self,
        input: &Resolved,
        keys: &[Typed],
        sets: Option<Vec<Vec<usize>>>,
    ) -> Result<Aggregation> {
        let mut exprs = unique(input.scope.all());
        let before = exprs.len();
        let mut named: Vec<(DfExpr, Column)> = Vec::new();
        for key in keys {
            let known = named.iter().any(|(expr, _)| *expr == key.expr);
            let is_column = key.id().is_some() && sets.is_none() && !known;
            if is_column {
                let (column, _) = self.output(&Typed { aliased: false, ..key.clone() });
                named.push((key.expr.clone(), column));
                continue;
            }
            let nullable = key.nullable || sets.is_some();
            let column = self.new_column(key.column_name(), key.data_type.clone(), nullable);
            exprs.push(key.expr.clone().alias(&column.id));
            named.push((key.expr.clone(), column));
        }
        let mut plan = input.plan.clone();
        if exprs.len() > before {
            plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        }
        let grouping = sets.as_ref().map(|_| GroupingIds {
            keys: named.iter().map(|(key, column)| (key.clone(), column.id.clone())).collect(),
            id: self.new_column("grouping_id", DataType::Long, false).id,
        });
        Ok(Aggregation {
            input: plan,
            keys: named,
            sets,
            grouping,
            functions: Vec::new(),
            having: None,
        })
    }

    /// Replaces the keys and aggregate functions in an expression by their columns. Columns of
    /// `kept` stay.
    pub(super) fn grouped_item(
        &mut self,
        aggregation: &mut Aggregation,
        item: Typed,
        kept: Option<&Scope>,
    ) -> Result<Typed> {
        let mut problem: Option<Stop> = None;
        let mut found: Vec<DfExpr> = Vec::new();
        let (keys, grouping) = (&aggregation.keys, &aggregation.grouping);
        let replaced = item.expr.clone().transform_down(|node| {
            if let Some((_, column)) = keys.iter().find(|(key, _)| *key == node) {
                return Ok(Transformed::new(pass(column), true, TreeNodeRecursion::Jump));
            }
            match &node {
                DfExpr::AggregateFunction(_) => {
                    if !found.contains(&node) {
                        found.push(node.clone());
                    }
                    Ok(Transformed::new(node, false, TreeNodeRecursion::Jump))
                }
                node if crate::file_columns::is_place(node) => {
                    if problem.is_none() {
                        problem = Some(Stop::from(plan::SparkError::internal("_metadata")));
                    }
                    Ok(Transformed::no(node.clone()))
                }
                DfExpr::Column(column) => {
                    let id = column.name();
                    let known = grouping.as_ref().is_some_and(|grouping| grouping.id == id)
                        || keys.iter().any(|(_, key)| key.id == id)
                        || kept.is_some_and(|scope| scope.has_id(id));
                    if !known && problem.is_none() {
                        problem = Some(Stop::from(plan::SparkError::internal(id)));
                    }
                    Ok(Transformed::no(node))
                }
                _ => Ok(Transformed::no(node)),
            }
        })?;
        if problem.is_some() {
            let grouped = !aggregation.keys.is_empty() || aggregation.sets.is_some();
            return Err(error::missing_aggregation(&item.name, grouped));
        }
        for function in found {
            if !aggregation.functions.iter().any(|(known, _)| *known == function) {
                let data_type = self.type_of(&function)?;
                let column = self.new_column("aggregate", data_type, true);
                aggregation.functions.push((function, column.id));
            }
        }
        let functions = &aggregation.functions;
        let replaced = replaced.data.transform_down(|node| {
            Ok(match functions.iter().find(|(function, _)| *function == node) {
                Some((_, id)) => Transformed::new(reference(id), true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        })?;
        let whole_key = aggregation.keys.iter().find(|(key, _)| *key == item.expr);
        let nullable = whole_key.map_or(item.nullable, |(_, column)| column.nullable);
        Ok(Typed { expr: replaced.data, nullable, ..item })
    }

    /// Resolves `grouping(key)` and `grouping_id(keys)`.
    pub(super) fn grouping_function(
        &mut self,
        name: &str,
        args: &[Expr],
        names: Names<'_>,
    ) -> Result<Typed> {
        let Some(ids) = names.grouping else {
            let message =
                "grouping()/grouping_id() can only be used with GroupingSets/Cube/Rollup.";
            return Err(error::analysis(condition::UNSUPPORTED_GROUPING_EXPRESSION, message, &[]));
        };
        let args = self.arguments_of(args, names)?;
        let texts: Vec<String> = args.iter().map(|arg| arg.name.clone()).collect();
        let mut bits = Vec::new();
        for arg in &args {
            let same = |(key, column): &(DfExpr, String)| {
                *key == arg.expr || arg.id() == Some(column.as_str())
            };
            let Some(index) = ids.keys.iter().position(same) else {
                let (column, list) = (format!("\"{}\"", arg.name), "the keys of GROUP BY");
                let message = format!(
                    "Column of grouping ({column}) can't be found in grouping columns {list}."
                );
                return Err(error::analysis(
                    condition::GROUPING_COLUMN_MISMATCH,
                    message,
                    &[("grouping", &column)],
                ));
            };
            bits.push(ids.keys.len() - 1 - index);
        }
        if bits.is_empty() {
            bits = (0..ids.keys.len()).rev().collect();
        }
        let long = |value: usize| lit(i64::try_from(value).unwrap_or(i64::MAX));
        let count = bits.len();
        let mut sum = lit(0_i64);
        for (place, bit) in bits.into_iter().enumerate() {
            let shifted = binary_expr(reference(&ids.id), Operator::BitwiseShiftRight, long(bit));
            let one = binary_expr(shifted, Operator::BitwiseAnd, lit(1_i64));
            let placed = binary_expr(one, Operator::BitwiseShiftLeft, long(count - 1 - place));
            sum = binary_expr(sum, Operator::BitwiseOr, placed);
        }
        let text = format!("{name}({})", texts.join(", "));
        if name == "grouping" {
            let byte = datafusion::logical_expr::cast(sum, arrow::datatypes::DataType::Int8);
            return self.typed(byte, false, text);
        }
        self.typed(sum, false, text)
    }
}

impl Aggregation {
    /// Builds the plan, which has a column per key and function.
    pub(super) fn plan(&self) -> Result<LogicalPlan> {
        let keys: Vec<DfExpr> = self.keys.iter().map(|(_, column)| pass(column)).collect();
        let functions: Vec<DfExpr> =
            self.functions.iter().map(|(function, id)| function.clone().alias(id)).collect();
        let input = Arc::new(self.input.clone());
        let mut plan = match &self.sets {
            None if keys.is_empty() && functions.is_empty() => {
                // Exactly one row, regardless of the input.
                LogicalPlan::EmptyRelation(super::leaf::one_row())
            }
            None => LogicalPlan::Aggregate(DfAggregate::try_new(input, keys, functions)?),
            Some(sets) => {
                let sets = sets
                    .iter()
                    .map(|set| set.iter().map(|key| keys[*key].clone()).collect())
                    .collect();
                let group = DfExpr::GroupingSet(GroupingSet::GroupingSets(sets));
                let made = DfAggregate::try_new(input, vec![group], functions)?;
                self.with_grouping_id(LogicalPlan::Aggregate(made))?
            }
        };
        if let Some(having) = &self.having {
            plan = LogicalPlan::Filter(Filter::try_new(having.clone(), Arc::new(plan))?);
        }
        Ok(plan)
    }

    fn with_grouping_id(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let Some(GroupingIds { id, .. }) = &self.grouping else { return Ok(plan) };
        let mut exprs: Vec<DfExpr> = self.keys.iter().map(|(_, column)| pass(column)).collect();
        exprs.extend(self.functions.iter().map(|(_, id)| reference(id)));
        let bits = reference(DfAggregate::INTERNAL_GROUPING_ID);
        exprs.push(
            datafusion::logical_expr::cast(bits, arrow::datatypes::DataType::Int64).alias(id),
        );
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
    }
}

/// The columns without duplicates.
pub(super) fn unique<'c>(columns: impl Iterator<Item = &'c Column>) -> Vec<DfExpr> {
    let mut seen: Vec<&str> = Vec::new();
    let mut exprs = Vec::new();
    for column in columns {
        if !seen.contains(&column.id.as_str()) {
            seen.push(&column.id);
            exprs.push(of_column(column).expr);
        }
    }
    exprs
}
