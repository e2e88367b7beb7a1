//! Calls of functions and operators: resolves the arguments, then the function by name.

use super::column::Names;
use super::typed::{LambdaScope, Typed};
use super::within_group::ResolvedCall;
use super::{Resolver, Result, error, nullability};
use datafusion::logical_expr::expr::{Lambda, Sort};
use datafusion::logical_expr::{Expr as DfExpr, ExprSchemable};
use errors::{Exception, condition};
use formats::types;
use functions::{AggregateCall, FunctionError};
use plan::{DataType, Expr, FunctionCall, Literal, SparkError, SubqueryKind};

impl Resolver<'_> {
    pub(super) fn call(&mut self, call: &FunctionCall, names: Names<'_>) -> Result<Typed> {
        let name = plain_name(&call.name);
        if let ("not", [Expr::Subquery { kind, query }]) = (name.as_str(), call.args.as_slice())
            && !matches!(kind, SubqueryKind::Scalar)
        {
            return self.subquery(kind, query, names, true);
        }
        self.conjunct = false;
        if name == "identifier" {
            let name = self.identifier(&call.args)?;
            return self.column(&name, None, names);
        }
        if let Some(made) = self.registered(&name, call, names) {
            return made;
        }
        if name == "distributed_sequence_id" && call.args.is_empty() {
            return self.sequence_id(names);
        }
        let registry = &self.context.registry;
        if registry.is_generator(&name) {
            let shown = format!("\"{name}\"");
            return Err(error::analysis(
                condition::UNSUPPORTED_GENERATOR_NESTED_IN_EXPRESSIONS,
                format!("The generator is not supported: nested in expressions {shown}."),
                &[("expression", &shown)],
            ));
        }
        if name == "grouping" || name == "grouping_id" {
            return self.grouping_function(&name, &call.args, names);
        }
        if registry.is_aggregate(&name) {
            return self.aggregate_call(&name, call, names);
        }
        if registry.is_window(&name) {
            let shown = format!("\"{name}()\"");
            return Err(error::analysis(
                condition::WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE,
                format!("Window function {shown} requires an OVER clause."),
                &[("funcName", &shown)],
            ));
        }
        if call.distinct || call.filter.is_some() || !call.within_group.is_empty() {
            let shown = plan::quote_name(&name);
            let syntax = match call {
                FunctionCall { distinct: true, .. } => "DISTINCT",
                FunctionCall { filter: Some(_), .. } => "FILTER CLAUSE",
                _ => "WITHIN GROUP (ORDER BY ...)",
            };
            return Err(error::analysis(
                condition::INVALID_SQL_SYNTAX_FUNCTION_WITH_UNSUPPORTED_SYNTAX,
                format!("Invalid SQL syntax: The function {shown} does not support {syntax}."),
                &[("prettyName", &shown), ("syntax", syntax)],
            ));
        }
        let takes_lambda = call.args.iter().any(|arg| matches!(arg, Expr::Lambda { .. }));
        if registry.is_higher_order(&name) && (takes_lambda || !registry.is_scalar(&name)) {
            return self.higher_order(&name, &call.args, names);
        }
        let args = self.arguments_of(&call.args, names)?;
        if name == "struct" {
            return self.struct_of(args);
        }
        if name == "from_json" || name == "from_csv" {
            let args = self.with_type_of_text(args)?;
            return self.scalar(&name, args);
        }
        let args = if name == "in" { self.same_fields(args)? } else { args };
        self.scalar(&name, args)
    }

    /// Index of the row among all rows, from 0, in input order.
    fn sequence_id(&mut self, names: Names<'_>) -> Result<Typed> {
        let place = Expr::call("monotonically_increasing_id", Vec::new());
        let place = self.expression(&place, names)?;
        let key = Sort::new(place.expr, true, true);
        let number = self.row_number(&[], vec![key])?;
        let expr = number.expr - datafusion::logical_expr::lit(1_i64);
        let text = "distributed_sequence_id()".to_owned();
        self.typed(expr, false, text)
    }

    /// Resolves arguments; `*` expands to all columns.
    pub(super) fn arguments_of(&mut self, args: &[Expr], names: Names<'_>) -> Result<Vec<Typed>> {
        let mut out = Vec::with_capacity(args.len());
        for arg in &self.parsed(args)? {
            match arg {
                Expr::Star { .. } | Expr::ColumnRegex { .. } => {
                    out.extend(self.expand(arg, names)?);
                }
                arg => out.push(self.expression(arg, names)?),
            }
        }
        Ok(out)
    }

    /// Applies a scalar function to resolved arguments.
    pub(super) fn scalar(&self, name: &str, args: Vec<Typed>) -> Result<Typed> {
        let texts: Vec<String> = args.iter().map(|arg| arg.name.clone()).collect();
        let types: Vec<_> = args.iter().map(Typed::arrow).collect();
        let nullable = may_be_null(name, &args);
        let text = functions::sql_name(name, &texts);
        let (declared, exprs) = split_arguments(args);
        let expr = self
            .context
            .registry
            .scalar(name, exprs, &types, &self.context.functions)
            .map_err(|failure| function_error(&failure, &text, &texts))?;
        let mut made = self.typed(expr, nullable, text)?;
        made.data_type = nullability::declared(name, &declared, made.data_type);
        Ok(made)
    }

    /// Structs with as many fields as the first one, with its field names and common types: `(a, b)
    /// IN ((1, 2), …)`.
    fn same_fields(&self, args: Vec<Typed>) -> Result<Vec<Typed>> {
        let Some(DataType::Struct(first)) = args.first().map(|arg| arg.data_type.clone()) else {
            return Ok(args);
        };
        let mut fields = first;
        for arg in &args[1..] {
            let DataType::Struct(others) = &arg.data_type else { return Ok(args) };
            if others.len() != fields.len() {
                return Ok(args);
            }
            for (field, other) in fields.iter_mut().zip(others) {
                let types = [field.data_type.clone(), other.data_type.clone()];
                let Some(common) = self.common_type(&types) else { return Ok(args) };
                field.data_type = common;
                field.nullable = true;
            }
        }
        let common = DataType::Struct(fields);
        args.into_iter().map(|arg| self.coerced(arg, &common)).collect()
    }

    fn struct_of(&mut self, args: Vec<Typed>) -> Result<Typed> {
        let texts: Vec<String> = args.iter().map(|arg| arg.name.clone()).collect();
        let parts = args
            .into_iter()
            .enumerate()
            .map(|(index, arg)| {
                let named = arg.aliased || arg.id().is_some() || arg.is_field();
                let name = if named { arg.column_name() } else { format!("col{}", index + 1) };
                (name, arg)
            })
            .collect();
        let built = self.named_struct(parts)?;
        Ok(Typed { name: format!("struct({})", texts.join(", ")), ..built })
    }

    fn aggregate_call(
        &mut self,
        name: &str,
        call: &FunctionCall,
        names: Names<'_>,
    ) -> Result<Typed> {
        let inner = names.of_arguments();
        let ResolvedCall { args, texts, text, order_by } = self.resolve_call(name, call, inner)?;
        let (filter, text) = self.aggregate_filter(call, inner, text)?;
        let types: Vec<_> = args.iter().map(Typed::arrow).collect();
        check_aggregated(&text, &args)?;
        let (declared, exprs) = split_arguments(args);
        let expr = self
            .context
            .registry
            .aggregate(
                AggregateCall {
                    name,
                    args: exprs,
                    types: &types,
                    distinct: call.distinct,
                    filter,
                    order_by,
                    ignore_nulls: call.ignore_nulls,
                },
                &self.context.functions,
            )
            .map_err(|failure| function_error(&failure, &text, &texts))?;
        let mut made = self.typed(expr, !never_null_aggregate(name), text)?;
        made.data_type = nullability::declared(name, &declared, made.data_type);
        Ok(made)
    }

    /// Resolves the arguments of an aggregate; `count(*)` counts ones.
    pub(super) fn aggregate_arguments(
        &mut self,
        name: &str,
        call: &FunctionCall,
        names: Names<'_>,
    ) -> Result<(Vec<Typed>, Vec<String>)> {
        let given = self.parsed(&call.args)?;
        let plain_star =
            matches!(given.as_slice(), [Expr::Star { target, .. }] if target.is_empty());
        let args = if name == "count" && plain_star && !call.distinct {
            vec![self.literal(&Literal::Integer(1))?]
        } else {
            self.arguments_of(&given, names)?
        };
        let texts = args.iter().map(|arg| arg.name.clone()).collect();
        Ok((args, texts))
    }

    pub(super) fn aggregate_filter(
        &mut self,
        call: &FunctionCall,
        names: Names<'_>,
        text: String,
    ) -> Result<(Option<DfExpr>, String)> {
        match &call.filter {
            None => Ok((None, text)),
            Some(filter) => {
                let filter = self.condition(filter, names)?;
                if filter.expr.is_volatile() {
                    let shown = format!("\"{}\"", filter.name);
                    let message = format!(
                        "The FILTER expression {shown} in an aggregate function is invalid. Expected a deterministic FILTER expression."
                    );
                    let class = condition::INVALID_AGGREGATE_FILTER_NON_DETERMINISTIC;
                    return Err(error::analysis(class, message, &[("filterExpr", &shown)]));
                }
                let text = format!("{text} FILTER (WHERE {})", filter.name);
                Ok((Some(filter.expr), text))
            }
        }
    }

    /// Resolves a higher-order function: values first, since their types determine those of the
    /// lambdas' parameters.
    fn higher_order(&mut self, name: &str, args: &[Expr], names: Names<'_>) -> Result<Typed> {
        let mut values: Vec<Option<Typed>> = Vec::new();
        for arg in args {
            values.push(match arg {
                Expr::Lambda { .. } => None,
                arg => Some(self.expression(arg, names)?),
            });
        }
        let value_types: Vec<_> =
            values.iter().flatten().map(|value| value.data_type.clone()).collect();
        let mut done: Vec<Typed> = Vec::new();
        for (index, (arg, value)) in args.iter().zip(values).enumerate() {
            done.push(match (arg, value) {
                (_, Some(value)) => value,
                (Expr::Lambda { body, parameters }, None) => {
                    self.lambda((name, index), (body, parameters), &value_types, names)?
                }
                _ => return Err(error::unsupported("this argument of a higher-order function")),
            });
        }
        let lambda = args.iter().position(|arg| matches!(arg, Expr::Lambda { .. }));
        let result =
            lambda.and_then(|at| done.get(at)).map(|of| (of.data_type.clone(), of.nullable));
        let texts: Vec<String> = done.iter().map(|arg| arg.name.clone()).collect();
        let types: Vec<_> = done.iter().map(Typed::arrow).collect();
        let nullable = nullable_result(name, &done);
        let text = functions::sql_name(name, &texts);
        let exprs = done.into_iter().map(|arg| arg.expr).collect();
        let expr = self
            .context
            .registry
            .higher_order(name, exprs, &types, &self.context.functions)
            .map_err(|failure| function_error(&failure, &text, &texts))?;
        let mut made = self.typed(expr, nullable, text)?;
        if let Some(result) = result {
            made.data_type = nullability::of_lambda(name, &value_types, &result, made.data_type);
        }
        Ok(made)
    }

    fn lambda(
        &mut self,
        (function, index): (&str, usize),
        (body, parameters): (&Expr, &[String]),
        value_types: &[DataType],
        names: Names<'_>,
    ) -> Result<Typed> {
        let registry = &self.context.registry;
        let held: Vec<_> = value_types.iter().map(types::to_arrow).collect();
        let found = registry
            .lambda_parameters(function, &held, (index, parameters.len()))
            .map_err(|failure| function_error(&failure, function, &[]))?;
        if found.len() < parameters.len() {
            return Err(error::analysis(
                condition::INVALID_LAMBDA_FUNCTION_CALL_NUM_ARGS_MISMATCH,
                format!(
                    "Invalid lambda function call. A higher order function expects {} arguments, but got {}.",
                    found.len(),
                    parameters.len()
                ),
                &[],
            ));
        }
        let types =
            found.iter().map(types::from_arrow).collect::<std::result::Result<Vec<_>, _>>()?;
        let types = nullability::parameters((function, index), value_types, types);
        let parameters_typed = parameters.iter().cloned().zip(types).collect();
        self.lambdas.push(LambdaScope { parameters: parameters_typed });
        let body = self.expression(body, names);
        self.lambdas.pop();
        let body = body?;
        let text = format!("lambdafunction({}, {})", body.name, parameters.join(", "));
        let expr = DfExpr::Lambda(Lambda::new(parameters.to_vec(), body.expr));
        Ok(Typed { expr, name: text, ..body })
    }

    /// The common type of values of these types.
    pub(super) fn common_type(&self, types: &[DataType]) -> Option<DataType> {
        if let Some(common) = nullability::common(types) {
            return Some(common);
        }
        let arrow: Vec<_> = types.iter().map(types::to_arrow).collect();
        let common = functions::common_type(&arrow, &self.context.functions)?;
        types::from_arrow(&common).ok()
    }

    /// The type of an expression that was built here.
    pub(super) fn type_of(&self, expr: &DfExpr) -> Result<DataType> {
        Ok(types::from_arrow(&expr.get_type(&self.types)?)?)
    }
}

/// Splits arguments into the types for Spark's declaration and the expressions for the function.
fn split_arguments(args: Vec<Typed>) -> (Vec<nullability::Argument>, Vec<DfExpr>) {
    args.into_iter().map(|arg| ((arg.data_type, arg.nullable), arg.expr)).unzip()
}

/// Whether a higher-order function may return null: if its array or map may be null, or the
/// result may be unknown (`exists`).
fn nullable_result(name: &str, args: &[Typed]) -> bool {
    let first = args.first().is_none_or(|arg| arg.nullable);
    match name {
        "zip_with" | "map_zip_with" => first || args.get(1).is_none_or(|arg| arg.nullable),
        "aggregate" | "reduce" => first || args.last().is_none_or(|arg| arg.nullable),
        "exists" | "forall" => first || args.get(1).is_none_or(|arg| arg.nullable),
        _ => first,
    }
}

/// The last part of a name, in lower case.
pub(super) fn plain_name(name: &str) -> String {
    match plan::parse_name(name) {
        Ok(parts) => parts.last().map(|part| part.to_lowercase()).unwrap_or_default(),
        // Operators, some of which contain dots or spaces.
        Err(_) => name.to_lowercase(),
    }
}

pub(super) fn aggregate_text(name: &str, call: &FunctionCall, texts: &[String]) -> String {
    if call.distinct {
        let text = functions::sql_name(name, texts);
        return match text.split_once('(') {
            Some((function, rest)) => format!("{function}(DISTINCT {rest}"),
            None => text,
        };
    }
    let text = functions::sql_name(name, texts);
    let shown = !matches!(name, "lag" | "lead" | "collect_list" | "collect_set" | "array_agg");
    if call.ignore_nulls && shown { format!("{text} ignore nulls") } else { text }
}

/// The error for a call that the function rejects, in Spark's words.
pub(super) fn function_error(
    failure: &FunctionError,
    text: &str,
    arguments: &[String],
) -> SparkError {
    if let FunctionError::Raised(error) = failure {
        return error.clone();
    }
    let described = failure.describe(text, arguments);
    let kind = match failure {
        FunctionError::Unsupported { .. } => Exception::Unsupported,
        _ => Exception::Analysis,
    };
    SparkError {
        exception: kind,
        condition: Some(described.condition),
        parameters: described.parameters,
        message: described.message,
        causes: Vec::new(),
        place: None,
    }
}

/// Whether Spark declares the result nullable. Most functions return null if an argument is null.
fn may_be_null(name: &str, args: &[Typed]) -> bool {
    let any = args.iter().any(|arg| arg.nullable);
    match name {
        "isnull"
        | "isnotnull"
        | "isnan"
        | "<=>"
        | "array"
        | "map"
        | "named_struct"
        | "rand"
        | "randn"
        | "random"
        | "uuid"
        | "monotonically_increasing_id"
        | "spark_partition_id"
        | "current_timestamp"
        | "now"
        | "current_date"
        | "curdate"
        | "hash"
        | "xxhash64"
        | "current_user"
        | "user"
        | "current_database"
        | "current_schema"
        | "current_catalog"
        | "pi"
        | "e"
        | "concat_ws"
        | "typeof"
        | "version"
        | "input_file_name"
        | "input_file_block_start"
        | "input_file_block_length"
        | "current_timezone"
        | "randstr"
        | "window"
        | "equal_null" => false,
        "coalesce" | "ifnull" | "nvl" => args.iter().all(|arg| arg.nullable),
        "nvl2" => args.iter().skip(1).any(|arg| arg.nullable),
        "if" => args.iter().skip(1).any(|arg| arg.nullable),
        "when" => {
            let pairs = args.len() / 2 * 2;
            let no_else = args.len() == pairs;
            let of_values = |(i, arg): (usize, &Typed)| (i % 2 == 1 || i >= pairs) && arg.nullable;
            no_else || args.iter().enumerate().any(of_values)
        }
        "greatest" | "least" => args.iter().all(|arg| arg.nullable),
        "/" | "%" | "mod" | "div" | "pmod" | "nullif" | "element_at" | "get" | "[]"
        | "get_json_object" | "from_json" | "from_csv" | "to_date" | "to_timestamp"
        | "unix_timestamp" | "to_unix_timestamp" | "split_part" | "try_element_at"
        | "array_max" | "array_min" | "parse_url" | "str_to_map" | "make_date" | "try_cast"
        | "unhex" | "conv" | "ln" | "log" | "log10" | "log2" | "log1p" | "date_trunc" | "trunc"
        | "next_day" | "try_to_number" | "raise_error" => true,
        name if name.starts_with("try_") => true,
        _ => any,
    }
}

pub(super) fn never_null_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "count_if"
            | "collect_list"
            | "collect_set"
            | "approx_count_distinct"
            | "array_agg"
            | "regr_count"
            | "bitmap_construct_agg"
            | "bitmap_or_agg"
            | "bitmap_and_agg"
            | "count_min_sketch"
    )
}

/// The arguments of an aggregate function contain no aggregate, and are deterministic.
pub(crate) fn check_aggregated(call: &str, args: &[Typed]) -> Result<()> {
    if args.iter().any(|arg| super::aggregate::has_aggregate(&arg.expr)) {
        let message = "It is not allowed to use an aggregate function in the argument of another aggregate function. Please use the inner aggregate function in a sub-query.";
        return Err(error::analysis(condition::NESTED_AGGREGATE_FUNCTION, message, &[]));
    }
    if args.iter().any(|arg| arg.expr.is_volatile()) {
        let shown = format!("\"{call}\"");
        let message = format!(
            "Non-deterministic expression {shown} should not appear in the arguments of an aggregate function."
        );
        let class = condition::AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION;
        return Err(error::analysis(class, message, &[("sqlExpr", &shown)]));
    }
    Ok(())
}
