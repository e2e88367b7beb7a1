//! Relations that combine inputs, group them, or change values and columns.

use super::{RelationKind, Result, count, expression, expressions, input};
use crate::context::Context;
use crate::error::{Required, invalid};
use crate::literal::{literal, literals};
use crate::pb;
use crate::pb::aggregate::GroupType;
use crate::pb::join::JoinType as JoinMessage;
use crate::pb::set_operation::SetOpType;
use errors::{Condition, condition};
use plan::{
    Aggregate, AsOfDirection, AsOfJoin, Grouping, Join, JoinCondition, JoinType, NaFill,
    NearestByJoin, Pivot, SetOperation, SetOperator, SparkError, Statistics, Unpivot, UnpivotRow,
};

pub(super) fn join(message: pb::Join, context: Context<'_>) -> Result<RelationKind> {
    if message.join_data_type.is_some() {
        return Err(SparkError::unsupported("joinWith (a join that yields pairs)"));
    }
    let condition = match (message.join_condition, message.using_columns) {
        (Some(_), using) if !using.is_empty() => {
            return Err(invalid("A join has a condition or columns, not both."));
        }
        (Some(condition), _) => JoinCondition::On(expression(condition, context)?),
        (None, using) if using.is_empty() => JoinCondition::None,
        (None, using) => JoinCondition::Using(using),
    };
    let kind = join_type(message.join_type)?;
    Ok(RelationKind::Join(Join {
        left: input(message.left, "join.left", context)?,
        right: input(message.right, "join.right", context)?,
        kind,
        condition,
    }))
}

fn join_type(number: i32) -> Result<JoinType> {
    Ok(match JoinMessage::try_from(number) {
        Ok(JoinMessage::Inner) => JoinType::Inner,
        Ok(JoinMessage::Cross) => JoinType::Cross,
        Ok(JoinMessage::LeftOuter) => JoinType::LeftOuter,
        Ok(JoinMessage::RightOuter) => JoinType::RightOuter,
        Ok(JoinMessage::FullOuter) => JoinType::FullOuter,
        Ok(JoinMessage::LeftSemi) => JoinType::LeftSemi,
        Ok(JoinMessage::LeftAnti) => JoinType::LeftAnti,
        Ok(JoinMessage::Unspecified) | Err(_) => {
            return Err(crate::error::missing("join.join_type"));
        }
    })
}

pub(super) fn lateral_join(message: pb::LateralJoin, context: Context<'_>) -> Result<RelationKind> {
    let condition = message.join_condition.map(|c| expression(c, context)).transpose()?;
    Ok(RelationKind::LateralJoin {
        left: input(message.left, "lateral_join.left", context)?,
        right: input(message.right, "lateral_join.right", context)?,
        kind: join_type(message.join_type)?,
        condition,
    })
}

pub(super) fn set_operation(
    message: pb::SetOperation,
    context: Context<'_>,
) -> Result<RelationKind> {
    let operator = match SetOpType::try_from(message.set_op_type) {
        Ok(SetOpType::Union) => SetOperator::Union,
        Ok(SetOpType::Intersect) => SetOperator::Intersect,
        Ok(SetOpType::Except) => SetOperator::Except,
        Ok(SetOpType::Unspecified) | Err(_) => {
            return Err(crate::error::missing("set_op.set_op_type"));
        }
    };
    Ok(RelationKind::SetOperation(SetOperation {
        left: input(message.left_input, "set_op.left_input", context)?,
        right: input(message.right_input, "set_op.right_input", context)?,
        operator,
        all: message.is_all.unwrap_or(false),
        by_name: message.by_name.unwrap_or(false),
        allow_missing_columns: message.allow_missing_columns.unwrap_or(false),
    }))
}

pub(super) fn aggregate(message: pb::Aggregate, context: Context<'_>) -> Result<RelationKind> {
    let keys = expressions(message.grouping_expressions, context)?;
    let sets = message.grouping_sets.into_iter().map(|s| expressions(s.grouping_set, context));
    let sets: Vec<_> = sets.collect::<Result<_>>()?;
    let pivot = message.pivot.map(|p| pivot(p, context)).transpose()?;
    let (grouping, pivot) = match GroupType::try_from(message.group_type) {
        Ok(GroupType::Groupby) => (Grouping::By(keys), None),
        Ok(GroupType::Rollup) => (Grouping::Rollup(keys), None),
        Ok(GroupType::Cube) => (Grouping::Cube(keys), None),
        Ok(GroupType::Pivot) => (Grouping::By(keys), Some(pivot.required("aggregate.pivot")?)),
        Ok(GroupType::GroupingSets) => (Grouping::Sets { keys, sets }, None),
        Ok(GroupType::Unspecified) | Err(_) => {
            return Err(crate::error::missing("aggregate.group_type"));
        }
    };
    Ok(RelationKind::Aggregate(Aggregate {
        input: input(message.input, "aggregate.input", context)?,
        grouping,
        expressions: expressions(message.aggregate_expressions, context)?,
        with_keys: true,
        having: None,
        pivot,
    }))
}

fn pivot(message: pb::aggregate::Pivot, context: Context<'_>) -> Result<Pivot> {
    let column = expression(message.col.required("aggregate.pivot.col")?, context)?;
    let values = literals(message.values, context)?;
    Ok(Pivot {
        column,
        values: values.into_iter().map(|value| (plan::Expr::Literal(value), None)).collect(),
    })
}

pub(super) fn unpivot(message: pb::Unpivot, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::Unpivot(Unpivot {
        input: input(message.input, "unpivot.input", context)?,
        ids: Some(expressions(message.ids, context)?),
        values: message.values.map(|v| unpivot_rows(v.values, context)).transpose()?,
        variable_name: message.variable_column_name,
        value_names: vec![message.value_column_name],
    }))
}

fn unpivot_rows(values: Vec<pb::Expression>, context: Context<'_>) -> Result<Vec<UnpivotRow>> {
    let values = expressions(values, context)?.into_iter();
    Ok(values.map(|value| UnpivotRow { columns: vec![value], alias: None }).collect())
}

pub(super) fn transpose(message: pb::Transpose, context: Context<'_>) -> Result<RelationKind> {
    let mut index = expressions(message.index_columns, context)?;
    if index.len() > 1 {
        return Err(invalid("A transposition has at most one index column."));
    }
    let input = input(message.input, "transpose.input", context)?;
    Ok(RelationKind::Transpose { input, index: index.pop() })
}

pub(super) fn as_of_join(message: pb::AsOfJoin, context: Context<'_>) -> Result<RelationKind> {
    let one =
        |message: Option<pb::Expression>, field| expression(message.required(field)?, context);
    let condition = match message.join_expr {
        Some(condition) => JoinCondition::On(expression(condition, context)?),
        None if message.using_columns.is_empty() => JoinCondition::None,
        None => JoinCondition::Using(message.using_columns),
    };
    let direction = match message.direction.as_str() {
        "backward" => AsOfDirection::Backward,
        "forward" => AsOfDirection::Forward,
        "nearest" => AsOfDirection::Nearest,
        other => {
            let message = format!(
                "Invalid as-of join. Unsupported as-of join direction '{other}'. Supported as-of join direction include: 'forward', 'backward', 'nearest'."
            );
            let class = condition::AS_OF_JOIN_UNSUPPORTED_DIRECTION;
            let supported = "'forward', 'backward', 'nearest'";
            let parameters = [("direction", other), ("supported", supported)];
            return Err(SparkError::analysis(class, message, &parameters));
        }
    };
    Ok(RelationKind::AsOfJoin(AsOfJoin {
        left: input(message.left, "as_of_join.left", context)?,
        right: input(message.right, "as_of_join.right", context)?,
        left_as_of: one(message.left_as_of, "as_of_join.left_as_of")?,
        right_as_of: one(message.right_as_of, "as_of_join.right_as_of")?,
        condition,
        kind: named_join_type(&message.join_type, condition::UNSUPPORTED_JOIN_TYPE)?,
        tolerance: message.tolerance.map(|t| expression(t, context)).transpose()?,
        allow_exact_matches: message.allow_exact_matches,
        direction,
    }))
}

pub(super) fn nearest_by_join(
    message: pb::NearestByJoin,
    context: Context<'_>,
) -> Result<RelationKind> {
    let ranking = message.ranking_expression.required("nearest_by_join.ranking_expression")?;
    let largest_first = match message.direction.to_lowercase().as_str() {
        "similarity" => true,
        "distance" => false,
        other => return Err(invalid(format!("`{other}` is not a direction of nearestByJoin."))),
    };
    if message.mode.eq_ignore_ascii_case("approx") {
        // An exact answer is a valid answer of an approximate search.
        tracing::debug!("an approximate nearest-by join is computed exactly");
    }
    Ok(RelationKind::NearestByJoin(NearestByJoin {
        left: input(message.left, "nearest_by_join.left", context)?,
        right: input(message.right, "nearest_by_join.right", context)?,
        ranking: expression(ranking, context)?,
        results: count(message.num_results, "nearest_by_join.num_results")?,
        kind: named_join_type(
            &message.join_type,
            condition::NEAREST_BY_JOIN_UNSUPPORTED_JOIN_TYPE,
        )?,
        largest_first,
    }))
}

/// The join types that preserve the order of the sides.
fn named_join_type(name: &str, unsupported: &'static Condition) -> Result<JoinType> {
    match name.to_lowercase().replace('_', "").as_str() {
        "inner" => Ok(JoinType::Inner),
        "left" | "leftouter" => Ok(JoinType::LeftOuter),
        _ => {
            let supported = "'inner', 'left', 'leftouter', 'left_outer'";
            let message = format!(
                "Unsupported join type '{name}'. Supported join types include: {supported}."
            );
            let parameters = [("joinType", name), ("typ", name), ("supported", supported)];
            Err(SparkError::analysis(unsupported, message, &parameters))
        }
    }
}

pub(super) fn fill_na(message: pb::NaFill, context: Context<'_>) -> Result<RelationKind> {
    let pb::NaFill { input: of, cols: columns, values } = message;
    if values.is_empty() {
        return Err(crate::error::missing("fill_na.values"));
    }
    if values.len() > 1 && values.len() != columns.len() {
        return Err(invalid("`fill_na` needs one value, or as many values as columns."));
    }
    Ok(RelationKind::NaFill(NaFill {
        input: input(of, "fill_na.input", context)?,
        columns,
        values: literals(values, context)?,
    }))
}

pub(super) fn drop_na(message: pb::NaDrop, context: Context<'_>) -> Result<RelationKind> {
    Ok(RelationKind::NaDrop {
        input: input(message.input, "drop_na.input", context)?,
        columns: message.cols,
        min_non_nulls: message
            .min_non_nulls
            .map(|n| count(n.max(0), "drop_na.min_non_nulls"))
            .transpose()?,
    })
}

pub(super) fn replace(message: pb::NaReplace, context: Context<'_>) -> Result<RelationKind> {
    let replacements = message.replacements.into_iter().map(|r| {
        Ok((
            literal(r.old_value.required("replace.old_value")?, context)?,
            literal(r.new_value.required("replace.new_value")?, context)?,
        ))
    });
    Ok(RelationKind::NaReplace {
        replacements: replacements.collect::<Result<_>>()?,
        input: input(message.input, "replace.input", context)?,
        columns: message.cols,
    })
}

fn statistics(
    message: Option<Box<pb::Relation>>,
    statistics: Statistics,
    context: Context<'_>,
) -> Result<RelationKind> {
    Ok(RelationKind::Statistics { input: input(message, "input", context)?, statistics })
}

pub(super) fn summary(message: pb::StatSummary, context: Context<'_>) -> Result<RelationKind> {
    let of = Statistics::Summary { statistics: message.statistics };
    statistics(message.input, of, context)
}

pub(super) fn describe(message: pb::StatDescribe, context: Context<'_>) -> Result<RelationKind> {
    statistics(message.input, Statistics::Describe { columns: message.cols }, context)
}

pub(super) fn crosstab(message: pb::StatCrosstab, context: Context<'_>) -> Result<RelationKind> {
    let of = Statistics::Crosstab { left: message.col1, right: message.col2 };
    statistics(message.input, of, context)
}

pub(super) fn covariance(message: pb::StatCov, context: Context<'_>) -> Result<RelationKind> {
    let of = Statistics::Covariance { left: message.col1, right: message.col2 };
    statistics(message.input, of, context)
}

pub(super) fn correlation(message: pb::StatCorr, context: Context<'_>) -> Result<RelationKind> {
    let of =
        Statistics::Correlation { left: message.col1, right: message.col2, method: message.method };
    statistics(message.input, of, context)
}

pub(super) fn approx_quantile(
    message: pb::StatApproxQuantile,
    context: Context<'_>,
) -> Result<RelationKind> {
    let of = Statistics::ApproxQuantile {
        columns: message.cols,
        probabilities: message.probabilities,
        relative_error: message.relative_error,
    };
    statistics(message.input, of, context)
}

pub(super) fn freq_items(message: pb::StatFreqItems, context: Context<'_>) -> Result<RelationKind> {
    const DEFAULT_SUPPORT: f64 = 0.01;
    let support = message.support.unwrap_or(DEFAULT_SUPPORT);
    statistics(message.input, Statistics::FreqItems { columns: message.cols, support }, context)
}

pub(super) fn sample_by(message: pb::StatSampleBy, context: Context<'_>) -> Result<RelationKind> {
    let fractions = message
        .fractions
        .into_iter()
        .map(|f| Ok((literal(f.stratum.required("sample_by.stratum")?, context)?, f.fraction)));
    let of = Statistics::SampleBy {
        column: expression(message.col.required("sample_by.col")?, context)?,
        fractions: fractions.collect::<Result<_>>()?,
        seed: message.seed,
    };
    statistics(message.input, of, context)
}
