//! Calls of aggregate functions: their arguments, and the order given by `WITHIN GROUP`.

use super::call::aggregate_text;
use super::column::Names;
use super::typed::Typed;
use super::{Resolver, Result, error};
use datafusion::logical_expr::expr::Sort;
use errors::condition;
use plan::{Expr, FunctionCall, Literal, SortOrder};

/// The parts of a call.
pub(super) struct ResolvedCall {
    pub(super) args: Vec<Typed>,
    pub(super) texts: Vec<String>,
    /// The whole call, as Spark writes it.
    pub(super) text: String,
    pub(super) order_by: Vec<Sort>,
}

impl Resolver<'_> {
    /// Resolves the parts of an aggregate call. A value that is given only in the order becomes the
    /// first argument.
    pub(super) fn resolve_call(
        &mut self,
        name: &str,
        call: &FunctionCall,
        names: Names<'_>,
    ) -> Result<ResolvedCall> {
        let (mut args, mut texts) = self.aggregate_arguments(name, call, names)?;
        let mut keys: Vec<(Typed, &SortOrder)> = Vec::new();
        for key in &call.within_group {
            keys.push((self.expression(&key.expr, names)?, key));
        }
        let text = match name {
            "percentile_cont" | "percentile_disc" => {
                let [(value, key)] = one_key(name, (call, args.len(), 1), &keys)?;
                let order = if key.ascending { "" } else { " DESC" };
                let text = format!(
                    "{name}({}) WITHIN GROUP (ORDER BY {}{order})",
                    texts.join(", "),
                    value.name
                );
                texts.insert(0, value.name.clone());
                args.insert(0, value.clone());
                text
            }
            "mode" if !keys.is_empty() => {
                let [(value, key)] = one_key(name, (call, args.len(), 0), &keys)?;
                texts.push(value.name.clone());
                args.push(value.clone());
                mode_text(&value.name, key.ascending)
            }
            "mode" if matches!(call.args.get(1), Some(Expr::Literal(Literal::Boolean(true)))) => {
                mode_text(texts.first().map_or("", String::as_str), true)
            }
            "listagg" | "string_agg" => {
                let text = aggregate_text(name, call, &texts);
                let ordered = |(value, key): &(Typed, &SortOrder)| {
                    super::window::order_text(&value.name, key)
                };
                let keys_text: Vec<_> = keys.iter().map(ordered).collect();
                if let (true, Some((key, _)), Some(value)) =
                    (call.distinct, keys.first(), args.first())
                    && (keys.len() > 1 || key.expr != value.expr)
                {
                    return Err(mismatch(&value.name, &key.name));
                }
                match keys_text.as_slice() {
                    [] => text,
                    keys => format!("{text} WITHIN GROUP (ORDER BY {})", keys.join(", ")),
                }
            }
            _ => aggregate_text(name, call, &texts),
        };
        let order_by = keys.into_iter().map(|(value, key)| super::sort::key(value.expr, key));
        Ok(ResolvedCall { args, texts, text, order_by: order_by.collect() })
    }
}

/// The single key of a function that takes its value from the order.
fn one_key<'k>(
    name: &str,
    (call, given, wanted): (&FunctionCall, usize, usize),
    keys: &'k [(Typed, &'k SortOrder)],
) -> Result<[&'k (Typed, &'k SortOrder); 1]> {
    let shown = plan::quote_name(name);
    if given != wanted {
        let (expected, actual) = (wanted.to_string(), given.to_string());
        let message = format!(
            "The {shown} requires {expected} parameters but the actual number is {actual}. Please, refer to 'https://spark.apache.org/docs/latest/sql-ref-functions.html' for a fix."
        );
        let parameters = [
            ("functionName", shown.as_str()),
            ("expectedNum", expected.as_str()),
            ("actualNum", actual.as_str()),
        ];
        return Err(error::analysis(
            condition::WRONG_NUM_ARGS_WITHOUT_SUGGESTION,
            message,
            &parameters,
        ));
    }
    let wrong = |condition, why: &str, more: &[(&str, &str)]| {
        let message = format!("Invalid function {shown} with WITHIN GROUP. {why}");
        let mut parameters = vec![("funcName", shown.as_str())];
        parameters.extend(more);
        error::analysis(condition, message, &parameters)
    };
    if call.distinct {
        let why = "The function does not support DISTINCT with WITHIN GROUP.";
        return Err(wrong(
            condition::INVALID_WITHIN_GROUP_EXPRESSION_DISTINCT_UNSUPPORTED,
            why,
            &[],
        ));
    }
    match keys {
        [key] => Ok([key]),
        [] => Err(wrong(
            condition::INVALID_WITHIN_GROUP_EXPRESSION_WITHIN_GROUP_MISSING,
            "WITHIN GROUP is required for the function.",
            &[],
        )),
        keys => {
            let actual = keys.len().to_string();
            let why =
                format!("The function requires 1 orderings in WITHIN GROUP but got {actual}.");
            let more = [("expectedNum", "1"), ("actualNum", actual.as_str())];
            Err(wrong(condition::INVALID_WITHIN_GROUP_EXPRESSION_WRONG_NUM_ORDERINGS, &why, &more))
        }
    }
}

/// Spark writes the smallest of the most frequent values as the mode in descending order.
fn mode_text(value: &str, ascending: bool) -> String {
    let order = if ascending { " DESC" } else { "" };
    format!("mode() WITHIN GROUP (ORDER BY {value}{order})")
}

fn mismatch(value: &str, key: &str) -> super::Stop {
    let (value, key) = (format!("\"{value}\""), format!("\"{key}\""));
    let message = format!(
        "Invalid function `listagg` with WITHIN GROUP. The function is invoked with DISTINCT and WITHIN GROUP but expressions {value} and {key} do not match. The WITHIN GROUP ordering expression must be picked from the function inputs."
    );
    let parameters =
        [("funcName", "`listagg`"), ("funcArg", value.as_str()), ("orderingExpr", key.as_str())];
    error::analysis(
        condition::INVALID_WITHIN_GROUP_EXPRESSION_MISMATCH_WITH_DISTINCT_INPUT,
        message,
        &parameters,
    )
}
