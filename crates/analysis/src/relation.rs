//! Dispatch over all kinds of relations.

use super::scope::Column;
use super::typed::Typed;
use super::{Fact, Resolved, Resolver, Result, Want, error};
use crate::nodes::{Count, Exchange, JoinHint, JoinStrategy, Kept, Target};
use crate::resolver::TableHint;
use datafusion::logical_expr::{
    Distinct, Expr as DfExpr, Extension, Filter, Limit, LogicalPlan, Projection, lit,
};
use errors::condition;
use plan::{
    DataType, Expr, Field, HintArgument, Relation, RelationKind, Sample, SortOrder, SparkError,
    Statement,
};
use std::sync::Arc;

impl Resolver<'_> {
    /// Resolves a relation.
    #[recursive::recursive]
    pub(super) fn relation(&mut self, relation: &Relation) -> Result<Resolved> {
        let around = self.profiles.enter(relation.plan_id);
        let resolved = match self.context.caches.get(relation) {
            Some(cached) => self.cached(relation, &cached),
            None => self.kind(relation).and_then(|found| self.equal_cached(relation, found)),
        };
        self.profiles.leave(around);
        let mut resolved = resolved?;
        resolved.scope.enter(relation.plan_id);
        Ok(resolved)
    }

    #[expect(clippy::too_many_lines, reason = "a table of all kinds reads best in one piece")]
    pub(super) fn kind(&mut self, relation: &Relation) -> Result<Resolved> {
        match relation.kind.as_ref() {
            RelationKind::OneRow => {
                let plan = LogicalPlan::EmptyRelation(super::leaf::one_row());
                Ok(Resolved::new(plan, super::Scope::default()))
            }
            RelationKind::Empty { schema } => self.empty(schema),
            RelationKind::Range { start, end, step, partitions } => {
                self.range((*start, *end, *step), *partitions)
            }
            RelationKind::Local { data, schema } => self.local(data, schema.as_ref()),
            RelationKind::Values { rows } => self.values(rows),
            RelationKind::Table { name, options } => {
                let hints = std::mem::take(&mut self.hints);
                let table = self.table(name, options);
                self.hints = hints;
                Ok(self.with_hints(table?, name))
            }
            RelationKind::Scan(options) => self.scan_files(options),
            RelationKind::Sql { text, arguments } => self.sql(text, arguments),
            RelationKind::With { input, named, recursive } => self.with(input, named, *recursive),
            RelationKind::WithReferences { input, references } => {
                self.with_references(input, references)
            }
            RelationKind::Reference(id) => self.referenced(*id),
            RelationKind::CachedRemote(id) => self.checkpointed(id),
            RelationKind::Project { input, expressions } => self.project(input, expressions),
            RelationKind::Filter { input, condition } => self.filter(input, condition),
            RelationKind::Join(join) => self.join(join),
            RelationKind::SetOperation(operation) => self.set_operation(operation),
            RelationKind::Sort { input, order, global } => self.sort(input, order, *global),
            RelationKind::Limit { input, limit } => self.limit(input, limit),
            RelationKind::Offset { input, offset } => self.offset(input, offset),
            RelationKind::Tail { .. }
            | RelationKind::ShowString { .. }
            | RelationKind::HtmlString { .. }
            | RelationKind::CountPartitions { .. }
            | RelationKind::StoredPartitions { .. }
            | RelationKind::ApplicationStatus => self.computed(relation),
            RelationKind::Aggregate(aggregate) => self.aggregate(aggregate),
            RelationKind::Deduplicate { input, columns } => self.deduplicate(input, columns),
            RelationKind::Sample(sample) => self.sample(sample),
            RelationKind::SubqueryAlias { input, alias, columns } => {
                // An alias hides the names below it.
                let hints = std::mem::take(&mut self.hints);
                let input = self.relation(input);
                self.hints = hints;
                let renamed = self.renamed(input?, alias, columns)?;
                Ok(self.with_hints(renamed, std::slice::from_ref(alias)))
            }
            RelationKind::Repartition { input, partitions, shuffle } => {
                let input = self.relation(input)?;
                let target = if *shuffle {
                    Target::RoundRobin(Count::Asked(*partitions))
                } else {
                    Target::Coalesce(*partitions)
                };
                Ok(exchanged(input, target))
            }
            RelationKind::RepartitionByExpression { input, expressions, partitions } => {
                self.repartition(input, expressions, *partitions)
            }
            RelationKind::ToDf { input, names } => self.with_names(input, names),
            RelationKind::WithColumns { input, columns } => self.with_columns(input, columns),
            RelationKind::WithColumnsRenamed { input, renames } => {
                self.with_columns_renamed(input, renames)
            }
            RelationKind::Drop { input, columns, names } => {
                self.drop_columns(input, columns, names)
            }
            RelationKind::ToSchema { input, schema } => self.with_schema(input, schema),
            RelationKind::Hint { input, name, parameters } => self.hint(input, name, parameters),
            RelationKind::Unpivot(unpivot) => self.unpivot(unpivot),
            RelationKind::LateralView { input, generator, outer, table, columns } => {
                self.lateral_view(input, (generator, *outer), table.as_deref(), columns)
            }
            RelationKind::LateralJoin { left, right, kind, condition } => {
                self.lateral_join(left, right, *kind, condition.as_ref())
            }
            RelationKind::TableFunction(call) => self.table_function(call),
            RelationKind::PythonMap(map) => self.python_map(map),
            RelationKind::PythonTable(call) => self.python_table(call),
            RelationKind::PythonAnalysis(call) => self.python_analysis(call),
            RelationKind::PythonSource(call) => self.python_source(call),
            RelationKind::LocalPartitions { partitions } => self.local_partitions(partitions),
            RelationKind::SelectPartitions { input, groups } => {
                let input = self.relation(input)?;
                Ok(exchanged(input, Target::Select(groups.clone())))
            }
            RelationKind::ShufflePartitions { input, column, partitions } => {
                let input = self.relation(input)?;
                let name = [column.clone()];
                let number = self.column(&name, None, super::column::Names::of(&input.scope))?;
                Ok(exchanged(input, Target::Numbered(number.expr, *partitions)))
            }
            RelationKind::KeepPartitions { input, level: _ } => {
                let input = self.relation(input)?;
                let number = relation.plan_id.ok_or_else(|| {
                    SparkError::internal("partitions are stored for a relation without an id")
                })?;
                Ok(exchanged(input, Target::Keep(Kept::of_rdd(self.context.caches.of_rdd(number)))))
            }
            RelationKind::NaFill(fill) => self.na_fill(fill),
            RelationKind::NaDrop { input, columns, min_non_nulls } => {
                self.na_drop(input, columns, *min_non_nulls)
            }
            RelationKind::NaReplace { input, columns, replacements } => {
                self.na_replace(input, columns, replacements)
            }
            RelationKind::Statistics { input, statistics } => {
                self.statistics(relation, input, statistics)
            }
            RelationKind::CollectMetrics { input, name, metrics } => {
                self.collect_metrics(input, name, metrics)
            }
            RelationKind::Watermark { input, column } => self.watermark(input, column),
            RelationKind::Transpose { input, index } => self.transpose(input, index.as_ref()),
            RelationKind::AsOfJoin(join) => self.as_of_join(join),
            RelationKind::NearestByJoin(join) => self.nearest_by_join(join),
            RelationKind::Statement(statement) => match statement.as_ref() {
                Statement::Query(query) => self.relation(query),
                Statement::Command(_) => self.computed(relation),
            },
        }
    }

    /// A relation whose rows the session computes on the driver.
    pub(super) fn computed(&mut self, relation: &Relation) -> Result<Resolved> {
        if self.context.purpose == super::Purpose::Schema
            && let Some(schema) = self.known_schema(relation)?
        {
            return self.empty(&schema);
        }
        match self.facts.get(Want::Rows(relation.clone(), self.env.clone()))? {
            Fact::Rows { schema, batches } => {
                let (schema, batches) = (schema.clone(), batches.clone());
                self.rows(&schema, &batches)
            }
            Fact::Files(_) => Err(SparkError::internal("got files instead of rows").into()),
        }
    }

    /// The schema of a computed relation, if it is known without computing it.
    fn known_schema(&mut self, relation: &Relation) -> Result<Option<Vec<Field>>> {
        Ok(match relation.kind.as_ref() {
            RelationKind::ShowString { .. } => {
                Some(vec![Field::new("show_string", DataType::String, false)])
            }
            RelationKind::HtmlString { .. } => {
                Some(vec![Field::new("html_string", DataType::String, false)])
            }
            RelationKind::Tail { input, .. } => Some(self.relation(input)?.scope.fields()),
            RelationKind::CountPartitions { .. } => {
                Some(vec![Field::new("count", DataType::Long, false)])
            }
            RelationKind::StoredPartitions { .. } => Some(vec![
                Field::new("partitions", DataType::Long, false),
                Field::new("bytes", DataType::Long, false),
            ]),
            RelationKind::ApplicationStatus => {
                Some(vec![Field::new("status", DataType::String, false)])
            }
            _ => None,
        })
    }

    fn filter(&mut self, input: &Relation, condition: &Expr) -> Result<Resolved> {
        let input = self.relation(input)?;
        let parsed = self.parsed(std::slice::from_ref(condition))?;
        let condition = self.condition(&parsed[0], input.names())?;
        if super::aggregate::has_aggregate(&condition.expr) {
            let shown = format!("\"{}\"", condition.name);
            let message = format!(
                "The WHERE condition {shown} contains invalid expressions: aggregate functions.\nRewrite the query to avoid window functions, aggregate functions, and generator functions in the WHERE clause."
            );
            let parameters = [("condition", shown.as_str())];
            return Err(error::analysis(condition::INVALID_WHERE_CONDITION, message, &parameters));
        }
        let mut items = [condition];
        let scope = input.scope.clone();
        let input = self.supply(input, &mut items)?;
        let [condition] = items;
        let below = input.below.clone().map(|mut below| {
            below.above.push(condition.expr.clone());
            below
        });
        let plan = filter(input.plan, condition.expr)?;
        let narrow = Self::exact_or_hidden(Resolved::new(plan, scope))?;
        Ok(Resolved { below, ..narrow })
    }

    fn count(&mut self, expr: &Expr, clause: &str) -> Result<i64> {
        let nothing = super::Scope::default();
        let typed = self.expression(expr, super::column::Names::of(&nothing))?;
        let shown = format!("\"{}\"", typed.name);
        let value = super::rows::constant(typed.expr);
        let number = value.as_ref().and_then(|value| value.to_string().parse::<i64>().ok());
        let (why, message) = match (&typed.data_type, number) {
            (kind, Some(number)) if kind.is_integral() && number >= 0 => return Ok(number),
            (kind, Some(number)) if kind.is_integral() => {
                let words = format!("must be equal to or greater than 0, but got {number}.");
                (condition::INVALID_LIMIT_LIKE_EXPRESSION_IS_NEGATIVE, words)
            }
            (kind, Some(_)) => {
                let words = format!("must be integer type, but got \"{}\".", kind.sql());
                (condition::INVALID_LIMIT_LIKE_EXPRESSION_DATA_TYPE, words)
            }
            (_, None) => {
                let words = format!("must evaluate to a constant value, but got {shown}.");
                (condition::INVALID_LIMIT_LIKE_EXPRESSION_IS_UNFOLDABLE, words)
            }
        };
        let message = format!(
            "The limit like expression {shown} is invalid. The {clause} expression {message}"
        );
        Err(error::analysis(why, message, &[("name", clause), ("expr", &shown)]))
    }

    fn limit(&mut self, input: &Relation, limit: &Expr) -> Result<Resolved> {
        let input = self.relation(input)?;
        let count = self.count(limit, "limit")?;
        Ok(limited(input, None, Some(count)))
    }

    fn offset(&mut self, input: &Relation, offset: &Expr) -> Result<Resolved> {
        let input = self.relation(input)?;
        let count = self.count(offset, "offset")?;
        Ok(limited(input, Some(count), None))
    }

    fn deduplicate(&mut self, input: &Relation, columns: &[String]) -> Result<Resolved> {
        let input = self.relation(input)?;
        if columns.is_empty() {
            super::orderable::distinguishable(input.scope.columns.iter())?;
            let mut input = self.exact(input)?;
            input.scope.metadata.clear();
            let plan = LogicalPlan::Distinct(Distinct::All(Arc::new(input.plan)));
            return Ok(Resolved::new(plan, input.scope));
        }
        let mut keys = Vec::new();
        for name in columns {
            keys.extend(self.columns_named(name, &input)?);
        }
        super::orderable::distinguishable(keys.iter())?;
        let keys: Vec<String> = keys.into_iter().map(|column| column.id).collect();
        let input = self.exact(input)?;
        let mut functions = Vec::new();
        let mut outputs = Vec::new();
        let mut columns = Vec::new();
        for column in &input.scope.columns {
            if keys.contains(&column.id) {
                outputs.push(super::reference(&column.id));
                columns.push(column.clone());
                continue;
            }
            let first = self.first_of(column)?;
            let made = Column { id: self.new_id(), ..column.clone() };
            self.types.declare(&made);
            functions.push(first.alias(&made.id));
            outputs.push(super::reference(&made.id));
            columns.push(made);
        }
        let keys = keys.iter().map(|id| super::reference(id)).collect();
        let aggregate =
            datafusion::logical_expr::Aggregate::try_new(Arc::new(input.plan), keys, functions)?;
        let plan = LogicalPlan::Aggregate(aggregate);
        let plan = LogicalPlan::Projection(Projection::try_new(outputs, Arc::new(plan))?);
        Ok(Resolved::new(plan, input.scope.above(columns)))
    }

    /// `first(column)`.
    fn first_of(&mut self, column: &Column) -> Result<DfExpr> {
        let value = super::column::of_column(column);
        let types = [value.arrow()];
        let call = functions::AggregateCall::new("first", vec![value.expr], &types);
        let made = self.context.registry.aggregate(call, &self.context.functions);
        Ok(made.map_err(|failure| super::call::function_error(&failure, "first", &[]))?)
    }

    /// Without replacement: keeps each row whose random number lies in the given range.
    fn sample(&mut self, sample: &Sample) -> Result<Resolved> {
        self.check_fraction(sample)?;
        if sample.with_replacement {
            return self.sample_with_replacement(sample);
        }
        let input = self.relation(&sample.input)?;
        let seed = sample.seed.unwrap_or(self.context.functions.seed);
        let seed = self.literal(&plan::Literal::Long(seed))?;
        let random = self.scalar("rand", vec![seed])?;
        let column = self.new_column("random", DataType::Double, false);
        let mut exprs = super::aggregate::unique(input.scope.all());
        exprs.push(random.expr.alias(&column.id));
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input.plan))?);
        let number = || super::reference(&column.id);
        let wanted = number().gt_eq(lit(sample.lower)).and(number().lt(lit(sample.upper)));
        let plan = filter(plan, wanted)?;
        Self::exact_or_hidden(Resolved::new(plan, input.scope))
    }

    fn repartition(
        &mut self,
        input: &Relation,
        expressions: &[Expr],
        partitions: Option<u32>,
    ) -> Result<Resolved> {
        let input = self.relation(input)?;
        let usual = Count::Usual(self.context.shuffle_partitions);
        let count = partitions.map_or(usual, Count::Asked);
        let mut keys: Vec<(Typed, Option<SortOrder>)> = Vec::new();
        for expression in self.parsed(expressions)? {
            let order = match &expression {
                Expr::SortOrder(order) => Some((**order).clone()),
                _ => None,
            };
            for key in self.expand(&expression, super::column::Names::of(&input.scope))? {
                keys.push((key, order.clone()));
            }
        }
        let target = if keys.iter().any(|(_, order)| order.is_some()) {
            let keys = keys.into_iter().map(|(key, order)| match order {
                Some(order) => super::sort::key(key.expr, &order),
                None => datafusion::logical_expr::expr::Sort::new(key.expr, true, true),
            });
            Target::Range(keys.collect(), count)
        } else if keys.is_empty() {
            Target::RoundRobin(count)
        } else {
            Target::Hash(keys.into_iter().map(|(key, _)| key.expr).collect(), count)
        };
        Ok(exchanged(input, target))
    }

    fn hint(
        &mut self,
        input: &Relation,
        name: &str,
        parameters: &[HintArgument],
    ) -> Result<Resolved> {
        let lower = name.to_lowercase();
        let number = parameters.iter().find_map(|parameter| match parameter {
            HintArgument::Number(number) => u32::try_from(*number).ok(),
            HintArgument::Expr(Expr::Literal(plan::Literal::Integer(n))) => u32::try_from(*n).ok(),
            HintArgument::Expr(_) => None,
        });
        let expressions: Vec<Expr> = parameters
            .iter()
            .filter_map(|parameter| match parameter {
                HintArgument::Expr(Expr::Literal(_)) | HintArgument::Number(_) => None,
                HintArgument::Expr(expr) => Some(expr.clone()),
            })
            .collect();
        match (lower.as_str(), number) {
            ("coalesce", Some(number)) => {
                let input = self.relation(input)?;
                Ok(exchanged(input, Target::Coalesce(number)))
            }
            ("repartition" | "rebalance", number) => self.repartition(input, &expressions, number),
            ("repartition_by_range", number) => {
                let ordered = expressions.into_iter().map(|expr| {
                    let nulls = plan::NullOrder::Default;
                    Expr::SortOrder(Box::new(SortOrder { expr, ascending: true, nulls }))
                });
                self.repartition(input, &ordered.collect::<Vec<_>>(), number)
            }
            (lower, _) => {
                let Some(strategy) = JoinStrategy::of(lower) else {
                    self.warnings.push(format!("the hint {name} is unknown and has no effect"));
                    return self.relation(input);
                };
                if parameters.is_empty() {
                    let input = self.relation(input)?;
                    return Ok(Resolved::new(JoinHint::above(input.plan, strategy), input.scope));
                }
                self.hint_of_tables(input, strategy, parameters)
            }
        }
    }
}

impl Resolver<'_> {
    /// A hint for the tables of these names in the `FROM` clause of `input`.
    fn hint_of_tables(
        &mut self,
        input: &Relation,
        strategy: JoinStrategy,
        tables: &[HintArgument],
    ) -> Result<Resolved> {
        let before = self.hints.len();
        for table in tables {
            let table = match table {
                HintArgument::Expr(Expr::Column { name, .. }) => name.clone(),
                HintArgument::Expr(Expr::Literal(plan::Literal::String(name))) => {
                    plan::parse_name(name).unwrap_or_else(|_| vec![name.clone()])
                }
                other => {
                    let hint = strategy.name();
                    self.warnings.push(format!("the hint {hint} is for tables, not for {other:?}"));
                    continue;
                }
            };
            self.hints.push(TableHint { strategy, table, is_used: false });
        }
        let resolved = self.relation(input);
        for hint in self.hints.drain(before..).filter(|hint| !hint.is_used) {
            let (hint, table) = (strategy.name(), hint.table.join("."));
            self.warnings.push(format!("the hint {hint}({table}) names no table of its query"));
        }
        resolved
    }

    /// A table with the hints for its name, of which the hint may have only the last parts.
    pub(super) fn with_hints(&mut self, mut table: Resolved, name: &[String]) -> Resolved {
        let mut hints = std::mem::take(&mut self.hints);
        for hint in &mut hints {
            let parts = name.len().checked_sub(hint.table.len()).map(|skip| &name[skip..]);
            let same = parts.is_some_and(|parts| {
                parts.iter().zip(&hint.table).all(|(a, b)| self.context.same(a, b))
            });
            if same {
                hint.is_used = true;
                table.plan = JoinHint::above(table.plan, hint.strategy);
            }
        }
        self.hints = hints;
        table
    }
}

/// Filters a plan by a condition.
pub(super) fn filter(plan: LogicalPlan, condition: DfExpr) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?))
}

pub(super) fn exchanged(input: Resolved, target: Target) -> Resolved {
    let node = Exchange { input: input.plan, target };
    Resolved::new(LogicalPlan::Extension(Extension { node: Arc::new(node) }), input.scope)
}

fn limited(input: Resolved, skip: Option<i64>, fetch: Option<i64>) -> Resolved {
    let plan = LogicalPlan::Limit(Limit {
        skip: skip.map(|skip| Box::new(lit(skip))),
        fetch: fetch.map(|fetch| Box::new(lit(fetch))),
        input: Arc::new(input.plan),
    });
    Resolved::new(plan, input.scope)
}
