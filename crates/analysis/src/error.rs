//! Errors in programs, with Spark's conditions and messages.

use super::Stop;
use errors::{Condition, condition};
use plan::{DataType, SparkError, quote_name};

/// Maximum number of proposed names.
const PROPOSALS: usize = 5;

/// A multi-part name in backticks.
pub fn quoted(parts: &[String]) -> String {
    parts.iter().map(|part| quote_name(part)).collect::<Vec<_>>().join(".")
}

/// Up to five of the names most similar to the one used, in backticks, separated by commas.
pub(crate) fn suggestion<'a>(
    used: &str,
    names: impl IntoIterator<Item = &'a [String]>,
) -> Option<String> {
    let names: Vec<&[String]> = names.into_iter().collect();
    let first = names.first()?;
    // Qualifiers shared by all names carry no information.
    let shared = if used.contains('.') {
        0
    } else {
        (0..first.len() - 1)
            .take_while(|i| names.iter().all(|n| n.len() > i + 1 && n[*i] == first[*i]))
            .count()
    };
    let mut near: Vec<(usize, String)> = names
        .iter()
        .map(|name| {
            let plain = name[shared..].join(".");
            (
                strsim::levenshtein(&plain.to_lowercase(), &used.to_lowercase()),
                quoted(&name[shared..]),
            )
        })
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    near.dedup();
    let near: Vec<String> = near.into_iter().take(PROPOSALS).map(|(_, name)| name).collect();
    Some(near.join(", "))
}

pub(super) fn unresolved_column(name: &[String], proposal: Option<String>) -> Stop {
    let object = quoted(name);
    match proposal {
        Some(proposal) => SparkError::analysis(
            condition::UNRESOLVED_COLUMN_WITH_SUGGESTION,
            format!(
                "A column, variable, or function parameter with name {object} cannot be resolved. Did you mean one of the following? [{proposal}]."
            ),
            &[("objectName", &object), ("proposal", &proposal)],
        ),
        None => SparkError::analysis(
            condition::UNRESOLVED_COLUMN_WITHOUT_SUGGESTION,
            format!("A column, variable, or function parameter with name {object} cannot be resolved."),
            &[("objectName", &object)],
        ),
    }
    .into()
}

/// Whether resolution failed only because a name does not exist.
pub(super) fn is_unresolved_column(stop: &Stop) -> bool {
    let Stop::Error(error) = stop else { return false };
    let Some(known) = error.condition else { return false };
    known.main_class() == condition::UNRESOLVED_COLUMN_WITH_SUGGESTION.main_class()
        || known == condition::CANNOT_RESOLVE_DATAFRAME_COLUMN
}

pub(super) fn ambiguous(name: &[String], candidates: &[String]) -> Stop {
    let (name, list) = (quoted(name), format!("[{}]", candidates.join(", ")));
    SparkError::analysis(
        condition::AMBIGUOUS_REFERENCE,
        format!("Reference {name} is ambiguous, could be: {list}."),
        &[("name", &name), ("referenceNames", &list)],
    )
    .into()
}

pub(super) fn not_of_frame(name: &[String]) -> Stop {
    let name = quoted(name);
    let message = format!(
        "Cannot resolve dataframe column {name}. It's probably because of illegal references like `df1.select(df2.col(\"a\"))`."
    );
    SparkError::analysis(condition::CANNOT_RESOLVE_DATAFRAME_COLUMN, message, &[("name", &name)])
        .into()
}

pub(super) fn ambiguous_frame(name: &[String]) -> Stop {
    let name = quoted(name);
    let message = format!(
        "Column {name} is ambiguous. It's because you joined several DataFrame together, and some of these DataFrames are the same.\nThis column points to one of the DataFrames but Spark is unable to figure out which one.\nPlease alias the DataFrames with different names via `DataFrame.alias` before joining them,\nand specify the column using qualified name, e.g. `df.alias(\"a\").join(df.alias(\"b\"), col(\"a.id\") > col(\"b.id\"))`."
    );
    SparkError::analysis(condition::AMBIGUOUS_COLUMN_REFERENCE, message, &[("name", &name)]).into()
}

/// The number of aliases differs from the number of columns.
pub(super) fn arity(aliases: usize, columns: usize) -> Stop {
    let (target, given) = (aliases.to_string(), columns.to_string());
    let message = format!(
        "The number of columns or variables assigned or aliased: {target} does not match the number of source expressions: {given}."
    );
    let parameters = [("numTarget", target.as_str()), ("numExpr", &given)];
    analysis(condition::ASSIGNMENT_ARITY_MISMATCH, message, &parameters)
}

/// No table or view has this name.
pub fn table_not_found(name: &[String]) -> SparkError {
    let relation = quoted(name);
    let message = format!(
        "The table or view {relation} cannot be found. Verify the spelling and correctness of the schema and catalog.\nIf you did not qualify the name with a schema, verify the current_schema() output, or qualify the name with the correct schema and catalog.\nTo tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS."
    );
    let parameters = [("relationName", relation.as_str())];
    SparkError::analysis(condition::TABLE_OR_VIEW_NOT_FOUND, message, &parameters)
}

/// A column beside aggregates is not a key; `grouped` says whether there are keys at all.
pub(super) fn missing_aggregation(expression: &str, grouped: bool) -> Stop {
    if !grouped {
        let message = "The query does not include a GROUP BY clause. Add GROUP BY or turn it into the window functions using OVER clauses.";
        return SparkError::analysis(condition::MISSING_GROUP_BY, message, &[]).into();
    }
    let (quoted, any) = (format!("\"{expression}\""), format!("\"any_value({expression})\""));
    let message = format!(
        "The non-aggregating expression {quoted} is based on columns which are not participating in the GROUP BY clause.\nAdd the columns or the expression to the GROUP BY, aggregate the expression, or use {any} if you do not care which of the values within a group is returned."
    );
    let parameters = [("expression", quoted.as_str()), ("expressionAnyValue", &any)];
    SparkError::analysis(condition::MISSING_AGGREGATION, message, &parameters).into()
}

/// A position in GROUP BY or ORDER BY is not that of a select item.
pub(super) fn position_out_of_range(clause: &str, index: i64, size: usize) -> Stop {
    let condition = if clause == "GROUP" {
        condition::GROUP_BY_POS_OUT_OF_RANGE
    } else {
        condition::ORDER_BY_POS_OUT_OF_RANGE
    };
    let (index, size) = (index.to_string(), size.to_string());
    let message =
        format!("{clause} BY position {index} is not in select list (valid range is [1, {size}]).");
    SparkError::analysis(condition, message, &[("index", &index), ("size", &size)]).into()
}

/// A condition has the wrong type.
pub(super) fn not_boolean(sql: &str, found: &DataType) -> Stop {
    let (sql, found) = (format!("\"{sql}\""), format!("\"{}\"", found.sql()));
    let message = format!(
        "Cannot resolve {sql} due to data type mismatch: Filter expression {sql} of type {found} is not a boolean."
    );
    let parameters = [("sqlExpr", sql.as_str()), ("filter", &sql), ("type", &found)];
    SparkError::analysis(condition::DATATYPE_MISMATCH_FILTER_NOT_BOOLEAN, message, &parameters)
        .into()
}

pub(super) fn column_count_mismatch(operator: &str, first: usize, second: usize) -> Stop {
    let (first, second) = (first.to_string(), second.to_string());
    let message = format!(
        "{operator} can only be performed on inputs with the same number of columns, but the first input has {first} columns and the second input has {second} columns."
    );
    let parameters = [
        ("operator", operator),
        ("firstNumColumns", first.as_str()),
        ("invalidOrdinalNum", "second"),
        ("invalidNumColumns", &second),
    ];
    SparkError::analysis(condition::NUM_COLUMNS_MISMATCH, message, &parameters).into()
}

/// Columns of a set operation have no common type.
pub(super) fn incompatible_column(
    operator: &str,
    column: usize,
    types: (&DataType, &DataType),
) -> Stop {
    let column = ordinal(column);
    let (first, second) = (format!("\"{}\"", types.0.sql()), format!("\"{}\"", types.1.sql()));
    let message = format!(
        "{operator} can only be performed on tables with compatible column types. The {column} column of the second table is {second} type which is not compatible with {first} at the same column of the first table.."
    );
    let parameters = [
        ("operator", operator),
        ("columnOrdinalNumber", column.as_str()),
        ("tableOrdinalNumber", "second"),
        ("dataType1", &second),
        ("dataType2", &first),
        ("hint", ""),
    ];
    SparkError::analysis(condition::INCOMPATIBLE_COLUMN_TYPE, message, &parameters).into()
}

/// A position as an ordinal word, counted from 0.
pub(crate) fn ordinal(index: usize) -> String {
    const WORDS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    WORDS.get(index).map_or_else(|| format!("{}th", index + 1), |word| (*word).to_owned())
}

/// An analysis error with a condition, a message and parameters.
pub(super) fn analysis(
    condition: &'static Condition,
    message: impl Into<String>,
    parameters: &[(&str, &str)],
) -> Stop {
    SparkError::analysis(condition, message, parameters).into()
}

/// The error for an unsupported feature.
pub(super) fn unsupported(what: impl std::fmt::Display) -> Stop {
    SparkError::unsupported(what).into()
}
