//! Aggregate functions of distinct values, as groups of these values below the groups that are
//! asked for: groups are spread over tasks and spill, the sets of values of an accumulator do not.
//! Spark has a rule of the same purpose (`RewriteDistinctAggregates`).
//!
//! `count(DISTINCT x), sum(y) GROUP BY k` becomes `count(x), sum(s) GROUP BY k` of `sum(y) AS s
//! GROUP BY k, x`. With several sets of distinct columns, or a function that cannot be computed
//! from its results for parts of the rows, the groups below are grouping sets, `(k, x), (k, z),
//! (k)`, and each function above reads the groups of its set.

mod merge;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions_aggregate::{bool_and_or, first_last};
use datafusion::logical_expr::expr::{AggregateFunction, GroupingSet};
use datafusion::logical_expr::function::StateFieldsArgs;
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, Projection, cast, col,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use merge::Merge;
use std::sync::Arc;

/// Bits of a grouping set's number.
const MOST_COLUMNS: usize = 64;

/// The rule (see the module).
#[derive(Debug)]
pub(super) struct GroupDistinctValues;

impl OptimizerRule for GroupDistinctValues {
    fn name(&self) -> &'static str {
        "group_distinct_values"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        match Groups::of(aggregate)? {
            Some(groups) => Ok(Transformed::yes(groups.plan(aggregate)?)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// The groups below.
struct Groups<'a> {
    calls: Vec<Call<'a>>,
    /// Keys that are asked for, and what they are above.
    keys: Vec<(Expr, Expr)>,
    /// Columns of distinct values.
    columns: Vec<Expr>,
    /// Sets of such columns, by their places.
    sets: Vec<Vec<usize>>,
    /// Whether the groups are grouping sets.
    expands: bool,
}

/// A function that is asked for.
struct Call<'a> {
    function: &'a AggregateFunction,
    role: Role,
}

enum Role {
    /// It reads the distinct values of this set.
    Distinct(usize),
    /// It reads its results for parts of the rows, if groups are no grouping sets.
    Merged(Merge),
    /// It has to be computed from all rows at once.
    Whole,
}

/// The functions of the groups below, of those above, and what is made of the latter.
#[derive(Default)]
struct Functions {
    below: Vec<Expr>,
    above: Vec<Expr>,
    results: Vec<Expr>,
}

impl Functions {
    /// Adds a function below; returns its column.
    fn add_below(&mut self, function: Expr) -> Expr {
        add("distinct_part", &mut self.below, function)
    }

    /// Adds a function above; returns its column.
    fn add_above(&mut self, function: Expr) -> Expr {
        add("distinct_whole", &mut self.above, function)
    }
}

fn add(prefix: &str, functions: &mut Vec<Expr>, function: Expr) -> Expr {
    let name = format!("{prefix}_{}", functions.len());
    functions.push(function.alias(&name));
    col(name)
}

impl<'a> Groups<'a> {
    /// `None` if there is nothing to rewrite.
    fn of(aggregate: &'a Aggregate) -> Result<Option<Self>> {
        let functions = aggregate.aggr_expr.iter().map(function_of).collect::<Option<Vec<_>>>();
        let is_set = |key: &Expr| matches!(key, Expr::GroupingSet(_));
        let Some(functions) = functions.filter(|_| !aggregate.group_expr.iter().any(is_set)) else {
            return Ok(None);
        };
        let mut groups = Groups {
            calls: Vec::new(),
            keys: aggregate.group_expr.iter().enumerate().map(key).collect(),
            columns: Vec::new(),
            sets: Vec::new(),
            expands: false,
        };
        let schema = aggregate.input.schema();
        for function in functions {
            let role = groups.role(function, schema)?;
            groups.calls.push(Call { function, role });
        }
        let whole = groups.calls.iter().any(|call| matches!(call.role, Role::Whole));
        groups.expands = whole || groups.sets.len() > 1;
        let fits = groups.keys.len() + groups.columns.len() <= MOST_COLUMNS;
        Ok((fits && !groups.sets.is_empty()).then_some(groups))
    }

    fn role(&mut self, function: &AggregateFunction, schema: &DFSchema) -> Result<Role> {
        if function.params.distinct && has_small_state(function, schema)? {
            let mut set: Vec<usize> = distinct_args(function)
                .map(|(_, arg)| place_of(&mut self.columns, arg.clone()))
                .collect();
            set.sort_unstable();
            set.dedup();
            return Ok(Role::Distinct(place_of(&mut self.sets, set)));
        }
        Ok(Merge::of(function, schema)?.map_or(Role::Whole, Role::Merged))
    }

    fn plan(&self, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let mut functions = Functions::default();
        for call in &self.calls {
            let result = match &call.role {
                Role::Distinct(set) => self.distinct(call.function, *set, &mut functions)?,
                Role::Merged(merge) if !self.expands => merge.plan(&mut functions)?,
                _ => self.whole(call.function, aggregate.input.schema(), &mut functions)?,
            };
            functions.results.push(result);
        }
        let Functions { below, above, results } = functions;
        let below = Aggregate::try_new(Arc::clone(&aggregate.input), self.below(), below)?;
        let below = Arc::new(LogicalPlan::Aggregate(below));
        let keys: Vec<_> = self.keys.iter().map(|(_, key)| key.clone()).collect();
        let above = Aggregate::try_new(below, keys.clone(), above)?;
        let outputs = keys.into_iter().chain(results).enumerate().map(|(place, output)| {
            let (qualifier, field) = aggregate.schema.qualified_field(place);
            let output = if output.get_type(&above.schema)? == *field.data_type() {
                output
            } else {
                cast(output, field.data_type().clone())
            };
            Ok(match output {
                Expr::Column(ref column)
                    if column.relation.as_ref() == qualifier && column.name == *field.name() =>
                {
                    output
                }
                output => output.alias_qualified(qualifier.cloned(), field.name()),
            })
        });
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let above = Arc::new(LogicalPlan::Aggregate(above));
        Ok(LogicalPlan::Projection(Projection::try_new(outputs, above)?))
    }

    /// The keys of the groups below.
    fn below(&self) -> Vec<Expr> {
        let group = |set: &[usize]| -> Vec<Expr> {
            let keys = self.keys.iter().map(|(key, _)| key.clone());
            let columns =
                set.iter().map(|place| self.columns[*place].clone().alias(distinct_name(*place)));
            keys.chain(columns).collect()
        };
        if !self.expands {
            return group(&self.sets[0]);
        }
        let mut sets: Vec<_> = self.sets.iter().map(|set| group(set)).collect();
        if self.calls.iter().any(|call| !matches!(call.role, Role::Distinct(_))) {
            sets.push(group(&[]));
        }
        vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets))]
    }

    /// A function of distinct values, from the groups of its set.
    fn distinct(
        &self,
        function: &AggregateFunction,
        set: usize,
        functions: &mut Functions,
    ) -> Result<Expr> {
        let mut above = function.clone();
        above.params.distinct = false;
        for (index, arg) in distinct_args(function) {
            let place = self.columns.iter().position(|column| column == arg);
            above.params.args[index] = col(distinct_name(place.unwrap_or_default()));
        }
        // Of the rows with these values, one at least has to pass the filter.
        let passes = above.params.filter.take().map(|filter| {
            functions.add_below(call(bool_and_or::bool_or_udaf(), vec![*filter], None))
        });
        let in_set = self.expands.then(|| self.is_set(&self.sets[set])).transpose()?;
        above.params.filter = in_set.into_iter().chain(passes).reduce(Expr::and).map(Box::new);
        Ok(functions.add_above(Expr::AggregateFunction(above)))
    }

    /// A function of all rows, from the groups without distinct columns: there is one for each
    /// group that is asked for.
    fn whole(
        &self,
        function: &AggregateFunction,
        schema: &DFSchema,
        functions: &mut Functions,
    ) -> Result<Expr> {
        let made = Expr::AggregateFunction(function.clone());
        let result = function.func.default_value(&made.get_type(schema)?)?;
        let part = functions.add_below(made);
        let first = call(first_last::first_value_udaf(), vec![part], Some(self.is_set(&[])?));
        let value = functions.add_above(first);
        if result.is_null() {
            return Ok(value);
        }
        // Without rows there is no group below.
        let values = vec![value, Expr::Literal(result, None)];
        Ok(datafusion::functions::expr_fn::coalesce(values))
    }

    /// Whether a group below is of this set: the bits of the set's number, the lowest of which is
    /// the last column's, mark what it does not have.
    fn is_set(&self, set: &[usize]) -> Result<Expr> {
        let mut number = 0_u64;
        for place in 0..self.columns.len() {
            number = number << 1 | u64::from(!set.contains(&place));
        }
        let of_type = Aggregate::grouping_id_type(self.keys.len() + self.columns.len(), 0);
        let number = ScalarValue::UInt64(Some(number)).cast_to(&of_type)?;
        Ok(col(Aggregate::INTERNAL_GROUPING_ID).eq(Expr::Literal(number, None)))
    }
}

/// A key that is asked for and its form above, where it is a column.
fn key((place, key): (usize, &Expr)) -> (Expr, Expr) {
    if let Expr::Column(_) = key {
        return (key.clone(), key.clone());
    }
    let name = format!("distinct_key_{place}");
    (key.clone().unalias().alias(&name), col(name))
}

fn function_of(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => function_of(&alias.expr),
        Expr::AggregateFunction(function) => Some(function),
        _ => None,
    }
}

/// The arguments of a function that differ between rows, with their places.
fn distinct_args(function: &AggregateFunction) -> impl Iterator<Item = (usize, &Expr)> {
    let args = function.params.args.iter().enumerate();
    args.filter(|(place, arg)| *place == 0 || !matches!(arg, Expr::Literal(..)))
}

fn distinct_name(place: usize) -> String {
    format!("distinct_{place}")
}

/// The place of an item in a list, to which it is added if it is new.
fn place_of<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    let known = list.iter().position(|known| *known == item);
    known.unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// A call of an aggregate function.
fn call(function: Arc<AggregateUDF>, args: Vec<Expr>, filter: Option<Expr>) -> Expr {
    let filter = filter.map(Box::new);
    Expr::AggregateFunction(AggregateFunction::new_udf(
        function,
        args,
        false,
        filter,
        Vec::new(),
        None,
    ))
}

/// Whether the function without DISTINCT does not hold its values. One that does needs them in one
/// place whatever is done, and may yield them in another order.
fn has_small_state(function: &AggregateFunction, schema: &DFSchema) -> Result<bool> {
    let fields = function.params.args.iter().map(|arg| Ok(arg.to_field(schema)?.1));
    let fields: Vec<FieldRef> = fields.collect::<Result<_>>()?;
    let result = Expr::AggregateFunction(function.clone()).get_type(schema)?;
    let state = function.func.state_fields(StateFieldsArgs {
        name: function.func.name(),
        input_fields: &fields,
        return_field: Arc::new(Field::new("result", result, true)),
        ordering_fields: &[],
        is_distinct: false,
    })?;
    Ok(!state.iter().any(|field| matches!(field.data_type(), DataType::List(_))))
}
