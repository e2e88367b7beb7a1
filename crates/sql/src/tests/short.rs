//! Plans in short form, so that a case fits on a line: `Filter(Table(t), ==(a, 1))`.

use plan::{
    CastMode, Command, Expr, FrameBound, FrameUnits, FunctionCall, Grouping, HintArgument,
    JoinCondition, Literal, NullOrder, Relation, RelationKind, SortOrder, Statement, SubqueryKind,
    WindowSpec,
};

/// Compares every case and shows all differences.
pub(super) fn check(
    cases: &[(&str, &str)],
    read: impl Fn(&str) -> Result<String, plan::ParseError>,
) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(text, expected)| (text, expected, read(text).unwrap_or_else(|e| e.to_string())))
        .filter(|(_, expected, got)| got != *expected)
        .map(|(text, expected, got)| format!("{text}\n  expected {expected}\n  got      {got}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(super) fn statement(statement: &Statement) -> String {
    match statement {
        Statement::Query(query) => relation(query),
        Statement::Command(Command::Explain { mode, statement: inner }) => {
            format!("Explain({mode:?}, {})", self::statement(inner))
        }
        Statement::Command(command) => format!("{command:?}"),
    }
}

fn all<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
    items.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::too_many_lines, reason = "one line or two for each kind")]
pub(super) fn relation(relation: &Relation) -> String {
    let this = self::relation;
    match &*relation.kind {
        RelationKind::OneRow => "OneRow".into(),
        RelationKind::Table { name, .. } => format!("Table({})", name.join(".")),
        RelationKind::TableFunction(call) => format!("TableFunction({})", function(call)),
        RelationKind::Values { rows } => {
            format!("Values({})", all(rows, |row| format!("[{}]", all(row, expr))))
        }
        RelationKind::Project { input, expressions } => {
            format!("Project({}, [{}])", this(input), all(expressions, expr))
        }
        RelationKind::Filter { input, condition } => {
            format!("Filter({}, {})", this(input), expr(condition))
        }
        RelationKind::Join(join) => {
            let condition = match &join.condition {
                JoinCondition::None => String::new(),
                JoinCondition::On(on) => format!(", on {}", expr(on)),
                JoinCondition::Using(names) => format!(", using {}", names.join(" ")),
                JoinCondition::Natural => ", natural".into(),
            };
            format!("{:?}({}, {}{condition})", join.kind, this(&join.left), this(&join.right))
        }
        RelationKind::LateralJoin { left, right, kind, condition } => {
            let on = condition.as_ref().map_or(String::new(), |c| format!(", on {}", expr(c)));
            format!("Lateral{kind:?}({}, {}{on})", this(left), this(right))
        }
        RelationKind::SetOperation(set) => {
            let all = if set.all { " all" } else { "" };
            let name = if set.by_name { " by name" } else { "" };
            format!("{:?}{all}{name}({}, {})", set.operator, this(&set.left), this(&set.right))
        }
        RelationKind::Sort { input, order, global } => {
            let name = if *global { "Sort" } else { "SortWithin" };
            format!("{name}({}, [{}])", this(input), all(order, sort))
        }
        RelationKind::Limit { input, limit } => format!("Limit({}, {})", this(input), expr(limit)),
        RelationKind::Offset { input, offset } => {
            format!("Offset({}, {})", this(input), expr(offset))
        }
        RelationKind::Aggregate(aggregate) => {
            let keys = match &aggregate.grouping {
                Grouping::By(keys) => format!("[{}]", all(keys, expr)),
                Grouping::All => "all".into(),
                Grouping::Rollup(keys) => format!("rollup[{}]", all(keys, expr)),
                Grouping::Cube(keys) => format!("cube[{}]", all(keys, expr)),
                Grouping::Sets { sets, .. } => {
                    format!("sets[{}]", all(sets, |set| format!("({})", all(set, expr))))
                }
            };
            let having = aggregate
                .having
                .as_ref()
                .map_or(String::new(), |h| format!(", having {}", expr(h)));
            let pivot = aggregate.pivot.as_ref().map_or(String::new(), |p| {
                format!(", pivot {} {}", expr(&p.column), p.values.len())
            });
            format!(
                "Aggregate({}, {keys}, [{}]{having}{pivot})",
                this(&aggregate.input),
                all(&aggregate.expressions, expr)
            )
        }
        RelationKind::Deduplicate { input, .. } => format!("Distinct({})", this(input)),
        RelationKind::Sample(sample) => {
            format!("Sample({}, {}, {:?})", this(&sample.input), sample.upper, sample.seed)
        }
        RelationKind::SubqueryAlias { input, alias, columns } => {
            let columns =
                if columns.is_empty() { String::new() } else { format!("({})", columns.join(" ")) };
            format!("{} as {alias}{columns}", this(input))
        }
        RelationKind::RepartitionByExpression { input, expressions, .. } => {
            format!("Distribute({}, [{}])", this(input), all(expressions, expr))
        }
        RelationKind::With { input, named, recursive } => {
            let recursive = if *recursive { "recursive " } else { "" };
            format!(
                "With({recursive}{}; {})",
                all(named, |(n, q)| format!("{n} = {}", this(q))),
                this(input)
            )
        }
        RelationKind::Hint { input, name, parameters } => {
            let parameters = all(parameters, |p| match p {
                HintArgument::Number(n) => n.to_string(),
                HintArgument::Expr(e) => expr(e),
            });
            format!("Hint({}, {name}[{parameters}])", this(input))
        }
        RelationKind::LateralView { input, generator, outer, table, columns } => {
            let outer = if *outer { " outer" } else { "" };
            let table = table.as_deref().unwrap_or("");
            format!(
                "View{outer}({}, {}, {table}({}))",
                this(input),
                function(generator),
                columns.join(" ")
            )
        }
        other => format!("{other:?}"),
    }
}

fn all_dotted(parts: &[String]) -> String {
    if parts.is_empty() { String::new() } else { parts.join(".") + "." }
}

fn sort(order: &SortOrder) -> String {
    let direction = if order.ascending { "" } else { " desc" };
    let nulls = match order.nulls {
        NullOrder::Default => "",
        NullOrder::First => " nulls first",
        NullOrder::Last => " nulls last",
    };
    format!("{}{direction}{nulls}", expr(&order.expr))
}

fn function(call: &FunctionCall) -> String {
    let distinct = if call.distinct { "distinct " } else { "" };
    let nulls = if call.ignore_nulls { " ignore nulls" } else { "" };
    let filter = call.filter.as_ref().map_or(String::new(), |f| format!(" filter {}", expr(f)));
    let within = if call.within_group.is_empty() {
        String::new()
    } else {
        format!(" within [{}]", all(&call.within_group, sort))
    };
    format!("{}({distinct}{}){nulls}{filter}{within}", call.name, all(&call.args, expr))
}

pub(super) fn expr(expr: &Expr) -> String {
    let this = self::expr;
    match expr {
        Expr::Literal(value) => literal(value),
        Expr::Column { name, .. } => name.join("."),
        Expr::Star { target, except, .. } => {
            let target = all_dotted(target);
            let except = if except.is_empty() {
                String::new()
            } else {
                format!(" except {}", except.concat().join(" "))
            };
            format!("{target}*{except}")
        }
        Expr::Function(call) => function(call),
        Expr::Alias { expr, names, .. } => format!("{} as {}", this(expr), names.join(" ")),
        Expr::Cast { expr, to, mode } => {
            let mode = if *mode == CastMode::Try { "try " } else { "" };
            format!("({} to {mode}{to})", this(expr))
        }
        Expr::Window { function, spec } => format!("{} over {}", this(function), window(spec)),
        Expr::Lambda { body, parameters } => {
            format!("({} -> {})", parameters.join(" "), this(body))
        }
        Expr::LambdaVariable(name) => format!("${name}"),
        Expr::ExtractValue { child, extraction } => {
            format!("{}[{}]", this(child), this(extraction))
        }
        Expr::NamedArgument { name, value } => format!("{name} => {}", this(value)),
        Expr::Parameter(name) => format!(":{name}"),
        Expr::Subquery { kind, query } => match kind {
            SubqueryKind::Scalar => format!("scalar{{{}}}", relation(query)),
            SubqueryKind::Exists => format!("exists{{{}}}", relation(query)),
            SubqueryKind::In(values) => {
                format!("({}) in {{{}}}", all(values, this), relation(query))
            }
        },
        Expr::TableArgument(table) => {
            let keys = all(&table.partition_by, this);
            let order = all(&table.order_by, sort);
            let single = if table.single_partition { " single" } else { "" };
            format!("table{{{}}}[{keys}|{order}]{single}", relation(&table.input))
        }
        other => format!("{other:?}"),
    }
}

fn window(spec: &WindowSpec) -> String {
    let bound = |bound: &FrameBound| match bound {
        FrameBound::Offset(offset) => expr(offset),
        other => format!("{other:?}"),
    };
    let frame = spec.frame.as_ref().map_or(String::new(), |frame| {
        let units = if frame.units == FrameUnits::Rows { "rows" } else { "range" };
        format!(" {units} {}..{}", bound(&frame.lower), bound(&frame.upper))
    });
    format!("[{}|{}{frame}]", all(&spec.partition_by, expr), all(&spec.order_by, sort))
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Null(_) => "null".into(),
        Literal::Boolean(b) => b.to_string(),
        Literal::Integer(n) => n.to_string(),
        Literal::Long(n) => format!("{n}L"),
        Literal::Short(n) => format!("{n}S"),
        Literal::Byte(n) => format!("{n}Y"),
        Literal::Double(n) => format!("{n}D"),
        Literal::Float(n) => format!("{n}F"),
        Literal::Decimal { unscaled, precision, scale } => {
            format!("{unscaled}e-{scale}/{precision}")
        }
        Literal::String(text) => format!("'{text}'"),
        Literal::Date(days) => format!("date {days}"),
        Literal::TimestampText(text) => format!("timestamp {text}"),
        Literal::YearMonthInterval(months) => format!("{months} months"),
        Literal::DayTimeInterval(micros) => format!("{micros} us"),
        other => format!("{other:?}"),
    }
}
