//! `describe`, `summary`, `crosstab`, `cov` and similar, each rewritten as a plain query.

use super::{Resolved, Resolver, Result, error};
use errors::{Exception, SparkError, condition};
use plan::{
    Aggregate, CastMode, DataType, Expr, FunctionCall, Grouping, Join, JoinCondition, JoinType,
    Literal, NaFill, Pivot, Relation, RelationKind, Statistics, WindowSpec,
};

/// Statistics of `summary()`.
const SUMMARY: [&str; 8] = ["count", "mean", "stddev", "min", "25%", "50%", "75%", "max"];
/// Statistics of `describe()`.
const DESCRIBE: [&str; 5] = ["count", "mean", "stddev", "min", "max"];

impl Resolver<'_> {
    pub(super) fn statistics(
        &mut self,
        _relation: &Relation,
        input: &Relation,
        statistics: &Statistics,
    ) -> Result<Resolved> {
        let query = match statistics {
            Statistics::Summary { statistics } => {
                let wanted: Vec<String> = if statistics.is_empty() {
                    SUMMARY.map(str::to_owned).to_vec()
                } else {
                    statistics.clone()
                };
                self.summary(input, &[], &wanted)?
            }
            Statistics::Describe { columns } => {
                self.summary(input, columns, &DESCRIBE.map(str::to_owned))?
            }
            Statistics::Crosstab { left, right } => crosstab(input, left, right),
            Statistics::Covariance { left, right } => {
                let call = Expr::call("covar_samp", vec![named(left), named(right)]);
                aggregated(input, vec![call.alias("cov")])
            }
            Statistics::Correlation { left, right, method } => {
                if method.as_deref().is_some_and(|method| method != "pearson") {
                    return Err(error::unsupported("a correlation other than Pearson's"));
                }
                let call = Expr::call("corr", vec![named(left), named(right)]);
                aggregated(input, vec![call.alias("corr")])
            }
            Statistics::ApproxQuantile { columns, probabilities, .. } => {
                let at = probabilities.iter().map(|p| Expr::Literal(Literal::Double(*p)));
                let at = Expr::call("array", at.collect());
                let of = columns.iter().map(|column| {
                    let value = cast(named(column), DataType::Double, CastMode::Session);
                    Expr::call("percentile_approx", vec![value, at.clone()])
                });
                let all = Expr::call("array", of.collect());
                aggregated(input, vec![all.alias("approx_quantile")])
            }
            Statistics::FreqItems { columns, support } => freq_items(input, columns, *support)?,
            Statistics::SampleBy { column, fractions, seed } => {
                if fractions.iter().any(|(_, fraction)| !(0.0..=1.0).contains(fraction)) {
                    let all: Vec<_> = fractions
                        .iter()
                        .map(|(stratum, fraction)| {
                            let fraction = self.literal(&Literal::Double(*fraction))?.name;
                            Ok(format!("{} -> {fraction}", self.literal(stratum)?.name))
                        })
                        .collect::<Result<_>>()?;
                    let all = all.join(", ");
                    return Err(super::sample::requirement_failed(format!(
                        "Fractions must be in [0, 1], but got Map({all})."
                    )));
                }
                let seed = seed.unwrap_or(self.context.functions.seed);
                sample_by(input, column, fractions, seed)
            }
        };
        self.relation(&query)
    }

    /// One row per statistic, one column per column, all as text.
    fn summary(
        &mut self,
        input: &Relation,
        columns: &[String],
        statistics: &[String],
    ) -> Result<Relation> {
        let resolved = self.relation(input)?;
        let wanted: Vec<(String, DataType)> = if columns.is_empty() {
            let all = resolved.scope.columns.iter();
            all.map(|column| (column.name.clone(), column.data_type.clone())).collect()
        } else {
            let mut found = Vec::new();
            for name in columns {
                let named = self.columns_named(name, &resolved)?;
                found.extend(named.into_iter().map(|column| (column.name, column.data_type)));
            }
            found
        };
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|(_, kind)| kind.is_numeric() || *kind == DataType::String)
            .collect();
        let mut expressions = Vec::new();
        let mut cells = Vec::new();
        for statistic in statistics {
            cells.push(Expr::string(statistic.clone()));
            for (index, (name, kind)) in wanted.iter().enumerate() {
                let value = statistic_of(statistic, Expr::column(name.clone()), kind)?;
                let id = format!("{statistic}_{index}");
                let text = cast(value, DataType::String, CastMode::Session);
                expressions.push(text.alias(&id));
                cells.push(Expr::column(id));
            }
        }
        let rows = i32::try_from(statistics.len()).unwrap_or(i32::MAX);
        let mut args = vec![Expr::integer(rows)];
        args.extend(cells);
        let names = std::iter::once("summary".to_owned())
            .chain(wanted.iter().map(|(name, _)| name.clone()))
            .collect();
        let stack =
            Expr::Alias { expr: Box::new(Expr::call("stack", args)), names, metadata: None };
        let input = if expressions.is_empty() {
            RelationKind::OneRow.into()
        } else {
            aggregated(input, expressions)
        };
        Ok(RelationKind::Project { input, expressions: vec![stack] }.into())
    }
}

fn statistic_of(statistic: &str, column: Expr, kind: &DataType) -> Result<Expr> {
    let number = || match kind {
        DataType::String => cast(column.clone(), DataType::Double, CastMode::Try),
        _ => column.clone(),
    };
    Ok(match statistic {
        "count" | "min" | "max" => Expr::call(statistic, vec![column]),
        "count_distinct" | "approx_count_distinct" => {
            let distinct = statistic == "count_distinct";
            let name = if distinct { "count" } else { "approx_count_distinct" };
            Expr::Function(FunctionCall {
                name: name.to_owned(),
                args: vec![column],
                distinct,
                ignore_nulls: false,
                filter: None,
                within_group: Vec::new(),
            })
        }
        "mean" => Expr::call("avg", vec![number()]),
        "stddev" => Expr::call("stddev", vec![number()]),
        percent => {
            let parsed = percent.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
            let Some(parsed) = parsed.filter(|value| (0.0..=100.0).contains(value)) else {
                let shown = format!("'{statistic}'");
                let message = format!(
                    "The statistic {shown} is not recognized. Valid statistics include `count`, `count_distinct`, `approx_count_distinct`, `mean`, `stddev`, `min`, `max`, and percentile values. Percentile must be a numeric value followed by '%', within the range 0% to 100%."
                );
                let parameters = [("stats", shown.as_str())];
                let unknown = condition::UNRECOGNIZED_STATISTIC;
                return Err(SparkError::new(unknown, message, &parameters).into());
            };
            let at = Expr::Literal(Literal::Double(parsed / 100.0));
            Expr::call("percentile_approx", vec![number(), at])
        }
    })
}

fn named(column: &str) -> Expr {
    let name = plan::parse_name(column).unwrap_or_else(|_| vec![column.to_owned()]);
    Expr::Column { name, plan_id: None }
}

fn cast(expr: Expr, to: DataType, mode: CastMode) -> Expr {
    Expr::Cast { expr: Box::new(expr), to, mode }
}

fn aggregated(input: &Relation, expressions: Vec<Expr>) -> Relation {
    RelationKind::Aggregate(Aggregate {
        input: input.clone(),
        grouping: Grouping::By(Vec::new()),
        expressions,
        with_keys: true,
        having: None,
        pivot: None,
    })
    .into()
}

fn crosstab(input: &Relation, left: &str, right: &str) -> Relation {
    let text = |name| {
        let text = cast(named(name), DataType::String, CastMode::Session);
        Expr::call("coalesce", vec![text, Expr::string("null")])
    };
    let kind = RelationKind::Aggregate(Aggregate {
        input: input.clone(),
        grouping: Grouping::By(vec![text(left).alias(format!("{left}_{right}"))]),
        expressions: vec![Expr::call("count", vec![Expr::integer(1)])],
        with_keys: true,
        having: None,
        pivot: Some(Pivot { column: text(right), values: Vec::new() }),
    });
    let (columns, values) = (Vec::new(), vec![Literal::Long(0)]);
    RelationKind::NaFill(NaFill { input: kind.into(), columns, values }).into()
}

/// The values of each column that occur in more than the given share of the rows. As in Spark,
/// these are all values if they are so few that an exact count needs no more space than the share
/// allows.
fn freq_items(input: &Relation, columns: &[String], support: f64) -> Result<Relation> {
    if !(1e-4..=1.0).contains(&support) {
        let message =
            format!("requirement failed: Support must be in [1e-4, 1], but got {support}.");
        return Err(SparkError::plain(Exception::IllegalArgument, message).into());
    }
    let call = Expr::call;
    let over_all = |function: Expr| {
        let spec = WindowSpec { partition_by: Vec::new(), order_by: Vec::new(), frame: None };
        Expr::Window { function: Box::new(function), spec: Box::new(spec) }
    };
    let one = || Expr::integer(1);
    let mut joined: Option<Relation> = None;
    for name in columns {
        let counted = RelationKind::Aggregate(Aggregate {
            input: input.clone(),
            grouping: Grouping::By(vec![named(name).alias("value")]),
            expressions: vec![call("count", vec![one()]).alias("times")],
            with_keys: true,
            having: None,
            pivot: None,
        });
        let times = || Expr::column("times");
        let expressions = vec![
            Expr::column("value"),
            times(),
            over_all(call("sum", vec![times()])).alias("rows"),
            over_all(call("count", vec![one()])).alias("values"),
        ];
        let compared = RelationKind::Project { input: counted.into(), expressions };
        let share = Expr::Literal(Literal::Double(support));
        let share = call("*", vec![share, Expr::column("rows")]);
        let room = Expr::Literal(Literal::Double((1.0 / support).floor()));
        let frequent = call(">", vec![times(), share]);
        let few = call("<=", vec![Expr::column("values"), room]);
        let condition = call("or", vec![frequent, few]);
        let kept: Relation = RelationKind::Filter { input: compared.into(), condition }.into();
        let list = call("collect_list", vec![Expr::column("value")]);
        let right = aggregated(&kept, vec![list.alias(format!("{name}_freqItems"))]);
        joined = Some(match joined {
            None => right,
            Some(left) => {
                let (kind, condition) = (JoinType::Cross, JoinCondition::None);
                RelationKind::Join(Join { left, right, kind, condition }).into()
            }
        });
    }
    Ok(joined.unwrap_or_else(|| RelationKind::OneRow.into()))
}

fn sample_by(input: &Relation, column: &Expr, fractions: &[(Literal, f64)], seed: i64) -> Relation {
    let mut branches = Vec::new();
    for (value, fraction) in fractions {
        let equal = vec![column.clone(), Expr::Literal(value.clone())];
        branches.push(Expr::call("<=>", equal));
        branches.push(Expr::Literal(Literal::Double(*fraction)));
    }
    branches.push(Expr::Literal(Literal::Double(0.0)));
    let random = Expr::call("rand", vec![Expr::Literal(Literal::Long(seed))]);
    let condition = Expr::call("<", vec![random, Expr::call("when", branches)]);
    RelationKind::Filter { input: input.clone(), condition }.into()
}
