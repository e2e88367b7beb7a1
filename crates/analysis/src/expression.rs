//! Expressions: resolves each to a name, a type and a `DataFusion` expression.

use super::column::Names;
use super::scope::Column;
use super::typed::{Origin, Typed};
use super::{Resolver, Result, error, literal, reference};
use datafusion::logical_expr::expr::LambdaVariable;
use datafusion::logical_expr::{Expr as DfExpr, ExprSchemable};
use errors::condition;
use formats::types;
use plan::{CastMode, DataType, Expr, Field, Literal, SparkError};
use std::sync::Arc;

/// The first and last field of an interval, numbered from the largest one.
fn interval_fields(data_type: &DataType) -> Option<(i32, i32)> {
    let (start, end) = types::interval_fields(data_type)?;
    Some((i32::try_from(start).ok()?, i32::try_from(end).ok()?))
}

impl Resolver<'_> {
    /// Creates a new column of the plan.
    pub(super) fn new_column(
        &mut self,
        name: impl Into<String>,
        data_type: DataType,
        nullable: bool,
    ) -> Column {
        let column = Column {
            name: name.into(),
            id: self.new_id(),
            qualifier: Vec::new(),
            data_type,
            nullable,
            metadata: None,
        };
        self.types.declare(&column);
        column
    }

    /// Types an expression with the help of `DataFusion`.
    pub(super) fn typed(&self, expr: DfExpr, nullable: bool, name: String) -> Result<Typed> {
        let data_type = types::from_arrow(&expr.get_type(&self.types)?)?;
        let (metadata, origin) = (None, Origin::Computed);
        Ok(Typed { expr, data_type, nullable, name, metadata, origin, aliased: false })
    }

    /// Resolves an expression that yields one value per row.
    #[recursive::recursive]
    pub(super) fn expression(&mut self, expr: &Expr, names: Names<'_>) -> Result<Typed> {
        // What holds for a condition holds for the operands of a conjunction, but not below them.
        let conjunct = matches!(expr, Expr::Subquery { .. } | Expr::Function(_)) && self.conjunct;
        self.conjunct = false;
        match expr {
            Expr::Literal(value) => self.literal(value),
            Expr::Column { name, plan_id } => self.column(name, *plan_id, names),
            Expr::MetadataColumn { name, plan_id } => {
                self.metadata_column_named(name, *plan_id, names)
            }
            Expr::Function(call) if conjunct && call.name == "and" => {
                let mut args = Vec::with_capacity(call.args.len());
                for arg in &call.args {
                    self.conjunct = true;
                    args.push(self.expression(arg, names)?);
                }
                self.scalar("and", args)
            }
            Expr::Function(call) if call.name == "not" && super::subquery::is_pushed(call) => {
                self.conjunct = conjunct;
                self.negation(call, names)
            }
            Expr::Function(call) => {
                self.conjunct = conjunct && call.name == "not";
                let typed = self.call(call, names);
                self.conjunct = false;
                typed
            }
            Expr::Alias { expr, names: aliases, metadata } => {
                let [alias] = aliases.as_slice() else {
                    return Err(error::analysis(
                        condition::INVALID_USAGE_OF_STAR_OR_REGEX,
                        "Several names are given to an expression that yields one column.",
                        &[],
                    ));
                };
                let inner = self.expression(expr, names)?;
                let metadata = metadata.clone().or(inner.metadata);
                let (name, origin) = (alias.clone(), Origin::Computed);
                Ok(Typed { name, metadata, origin, aliased: true, ..inner })
            }
            Expr::Cast { expr, to, mode } => self.cast(expr, to, *mode, names),
            Expr::Python(call) => self.python_call(call, names),
            Expr::TableArgument(_) => {
                Err(error::unsupported("TABLE(…) other than as an argument of a Python function"))
            }
            Expr::SortOrder(order) => self.expression(&order.expr, names),
            Expr::Window { function, spec } => self.window(function, spec, names),
            Expr::LambdaVariable(name) => self.lambda_variable(name),
            Expr::ExtractValue { child, extraction } => self.extract(child, extraction, names),
            Expr::UpdateField { child, field, value } => {
                let child = self.expression(child, names)?;
                let value = match value {
                    Some(value) => Some(self.expression(value, names)?),
                    None => None,
                };
                self.update_field(child, field, value)
            }
            Expr::NamedArgument { name, .. } => {
                Err(error::unsupported(format!("the named argument `{name}` of this function")))
            }
            Expr::Subquery { kind, query } => {
                self.conjunct = conjunct;
                self.subquery(kind, query, names, false)
            }
            Expr::Text(text) => {
                let parsed = self.context.parser.expression(text).map_err(SparkError::from)?;
                self.expression(&parsed, names)
            }
            Expr::Parameter(name) => {
                let value = self.argument(name)?;
                self.expression(&value, names)
            }
            Expr::Star { .. } | Expr::ColumnRegex { .. } => {
                let message = "Invalid usage of '*' in expression.";
                let parameters = [("elem", "'*'"), ("prettyName", "expression")];
                Err(error::analysis(
                    condition::INVALID_USAGE_OF_STAR_OR_REGEX,
                    message,
                    &parameters,
                ))
            }
            Expr::Lambda { .. } => Err(error::analysis(
                condition::INVALID_LAMBDA_FUNCTION_CALL_NON_HIGHER_ORDER_FUNCTION,
                "Invalid lambda function call. A lambda function should only be used in a higher order function.",
                &[],
            )),
        }
    }

    /// Resolves a condition.
    pub(super) fn condition(&mut self, expr: &Expr, names: Names<'_>) -> Result<Typed> {
        self.conjunct = true;
        let condition = self.expression(expr, names)?;
        match condition.data_type {
            DataType::Boolean => Ok(condition),
            DataType::Null => {
                let expr = self.cast_expr(&condition, &DataType::Boolean, CastMode::Session)?;
                Ok(Typed { expr, data_type: DataType::Boolean, ..condition })
            }
            ref other => Err(error::not_boolean(&condition.name, other)),
        }
    }

    pub(super) fn literal(&self, value: &Literal) -> Result<Typed> {
        let (scalar, data_type, name) = literal::scalar(value, &self.context.functions)?;
        Ok(Typed {
            nullable: matches!(value, Literal::Null(_)),
            expr: DfExpr::Literal(scalar, None),
            data_type,
            name,
            metadata: None,
            origin: Origin::Computed,
            aliased: false,
        })
    }

    fn argument(&mut self, name: &str) -> Result<Expr> {
        let found = self.env.arguments.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            error::analysis(
                condition::UNBOUND_SQL_PARAMETER,
                format!("Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to either a SQL literal or collection constructor functions such as `map()`, `array()`, `struct()`."),
                &[("name", name)],
            )
        })
    }

    fn cast(
        &mut self,
        child: &Expr,
        to: &DataType,
        mode: CastMode,
        names: Names<'_>,
    ) -> Result<Typed> {
        let inner = self.expression(child, names)?;
        let expr = self.cast_expr(&inner, to, mode)?;
        let keeps_name = matches!(child, Expr::Column { .. } | Expr::Alias { .. });
        let function = if mode == CastMode::Try { "TRY_CAST" } else { "CAST" };
        let text = format!("{function}({} AS {})", inner.name, to.sql());
        let nullable =
            inner.nullable || mode == CastMode::Try || cast_may_yield_null(&inner.data_type, to);
        let data_type = match to {
            DataType::Char(_) | DataType::Varchar(_) => DataType::String,
            other => other.clone(),
        };
        let mut typed = self.typed(expr, nullable, text)?;
        typed.data_type = data_type;
        if keeps_name && matches!(inner.expr, DfExpr::Column(_)) {
            // As a select item, a cast of a column keeps the column's name.
            typed.metadata = inner.metadata;
            typed.origin = Origin::Cast { of: inner.name };
        }
        Ok(typed)
    }

    /// Casts the value, unless it already has the type.
    pub(super) fn cast_expr(&self, value: &Typed, to: &DataType, mode: CastMode) -> Result<DfExpr> {
        let (from, target) = (value.arrow(), types::to_arrow(to));
        if let (Some(from), Some(to)) = (interval_fields(&value.data_type), interval_fields(to))
            && to.1 < from.1
            && value.arrow() == target
        {
            return Ok(functions::interval_cut(value.expr.clone(), to.1));
        }
        if let (Some(fields), DataType::String) = (interval_fields(&value.data_type), to) {
            return Ok(functions::interval_text(value.expr.clone(), fields));
        }
        if from == target {
            return Ok(value.expr.clone());
        }
        let context = &self.context.functions;
        if let (Some(fields), true) = (interval_fields(to), value.data_type.is_numeric()) {
            let interval =
                functions::interval_of(value.expr.clone(), &from, (&target, fields.1), context);
            return interval
                .map_err(|failure| super::call::function_error(&failure, "CAST", &[]).into());
        }
        let mode = match mode {
            CastMode::Try => functions::CastMode::Try,
            CastMode::Ansi => functions::CastMode::Ansi,
            CastMode::Session if context.ansi => functions::CastMode::Ansi,
            CastMode::Session => functions::CastMode::Legacy,
        };
        functions::cast(value.expr.clone(), &from, &target, mode, context).map_err(|failure| {
            let text = format!("CAST({} AS {})", value.name, to.sql());
            super::call::function_error(&failure, &text, std::slice::from_ref(&value.name)).into()
        })
    }

    /// Casts a value to a common type, as set operations and others need it.
    pub(super) fn coerced(&self, value: Typed, to: &DataType) -> Result<Typed> {
        let expr = self.cast_expr(&value, to, CastMode::Session)?;
        Ok(Typed { expr, data_type: to.clone(), ..value })
    }

    fn lambda_variable(&mut self, name: &str) -> Result<Typed> {
        let found = self.lambdas.iter().rev().find_map(|scope| {
            scope.parameters.iter().find(|(known, _)| self.context.same(known, name))
        });
        let Some((known, (data_type, nullable))) = found.cloned() else {
            return Err(error::unresolved_column(&[name.to_owned()], None));
        };
        let field = types::field_to_arrow(&Field::new(&known, data_type.clone(), true));
        let expr = DfExpr::LambdaVariable(LambdaVariable::new(known, Some(Arc::new(field))));
        Ok(Typed {
            expr,
            data_type,
            nullable,
            name: name.to_owned(),
            metadata: None,
            origin: Origin::Computed,
            aliased: false,
        })
    }

    /// Extracts a field of a struct, or of each struct in an array.
    pub(super) fn field(&self, value: Typed, name: &str) -> Result<Typed> {
        match &value.data_type {
            DataType::Array { element, contains_null }
                if matches!(element.as_ref(), DataType::Struct(_)) =>
            {
                let one = Typed { data_type: element.as_ref().clone(), ..value.clone() };
                let field = self.field(Typed { nullable: *contains_null, ..one }, name)?;
                let element = Box::new(field.data_type);
                let data_type = DataType::Array { element, contains_null: field.nullable };
                Ok(Typed { data_type, nullable: value.nullable, metadata: None, ..field })
            }
            DataType::Struct(fields) => {
                let found: Vec<&Field> =
                    fields.iter().filter(|field| self.context.same(&field.name, name)).collect();
                let field = match found.as_slice() {
                    [field] => (*field).clone(),
                    [] => return Err(no_such_field(name, fields)),
                    several => {
                        let message = format!(
                            "Ambiguous reference to the field `{name}`. It appears {} times in the schema.",
                            several.len()
                        );
                        let count = several.len().to_string();
                        let shown = plan::quote_name(name);
                        let parameters = [("field", shown.as_str()), ("count", &count)];
                        return Err(error::analysis(
                            condition::AMBIGUOUS_REFERENCE_TO_FIELDS,
                            message,
                            &parameters,
                        ));
                    }
                };
                Ok(Typed {
                    expr: functions::field_of(value.expr, &field.name),
                    data_type: field.data_type,
                    nullable: value.nullable || field.nullable,
                    name: format!("{}.{}", value.name, field.name),
                    metadata: field.metadata,
                    origin: Origin::Computed,
                    aliased: false,
                })
            }
            DataType::Map { .. } => {
                let key = self.literal(&Literal::String(name.to_owned()))?;
                let text = format!("{}[{name}]", value.name);
                let found = self.scalar("[]", vec![value, key])?;
                Ok(Typed { name: text, ..found })
            }
            other => {
                let (shown, found) =
                    (format!("\"{}\"", value.name), format!("\"{}\"", other.sql()));
                let message = format!(
                    "Can't extract a value from {shown}. Need a complex type [STRUCT, ARRAY, MAP] but got {found}."
                );
                let parameters = [("base", shown.as_str()), ("other", &found)];
                Err(error::analysis(
                    condition::INVALID_EXTRACT_BASE_FIELD_TYPE,
                    message,
                    &parameters,
                ))
            }
        }
    }

    fn extract(&mut self, child: &Expr, extraction: &Expr, names: Names<'_>) -> Result<Typed> {
        let value = self.expression(child, names)?;
        let of_structs = match &value.data_type {
            DataType::Array { element, .. } => matches!(element.as_ref(), DataType::Struct(_)),
            other => matches!(other, DataType::Struct(_)),
        };
        if let (true, Expr::Literal(Literal::String(name))) = (of_structs, extraction) {
            return self.field(value, name);
        }
        let key = self.expression(extraction, names)?;
        let text = format!("{}[{}]", value.name, key.name);
        let found = match &value.data_type {
            DataType::Map { .. } => self.scalar("[]", vec![value, key])?,
            DataType::Array { .. } => self.scalar("[]", vec![value, key])?,
            DataType::Struct(_) => {
                let shown = format!("\"{}\"", key.name);
                let message =
                    format!("Field name should be a non-null string literal, but it's {shown}.");
                let parameters = [("extraction", shown.as_str())];
                return Err(error::analysis(
                    condition::INVALID_EXTRACT_FIELD_TYPE,
                    message,
                    &parameters,
                ));
            }
            _ => return self.field(value, &key.name),
        };
        Ok(Typed { name: text, nullable: true, ..found })
    }

    /// Resolves `withField` and `dropFields`.
    fn update_field(
        &mut self,
        child: Typed,
        path: &[String],
        value: Option<Typed>,
    ) -> Result<Typed> {
        let Some((first, rest)) = path.split_first() else { return Ok(child) };
        let DataType::Struct(fields) = child.data_type.clone() else {
            return Err(no_such_field(first, &[]));
        };
        let mut parts: Vec<(String, Typed)> = Vec::new();
        let mut met = false;
        for field in &fields {
            let old = self.field(child.clone(), &field.name)?;
            if !self.context.same(&field.name, first) {
                parts.push((field.name.clone(), old));
                continue;
            }
            met = true;
            match (&value, rest.is_empty()) {
                (None, true) => {}
                (Some(new), true) => parts.push((first.clone(), new.clone())),
                (_, false) => {
                    let inner = self.update_field(old, rest, value.clone())?;
                    parts.push((field.name.clone(), inner));
                }
            }
        }
        match value {
            Some(new) if !met && rest.is_empty() => parts.push((first.clone(), new)),
            Some(_) if !met => return Err(no_such_field(first, &fields)),
            _ => {}
        }
        let name = format!("update_fields({})", child.name);
        let mut built = self.named_struct(parts)?;
        if child.nullable {
            let condition = DfExpr::IsNotNull(Box::new(child.expr));
            built.expr = datafusion::logical_expr::when(condition, built.expr).end()?;
        }
        Ok(Typed { name, nullable: child.nullable, ..built })
    }

    /// Builds a struct of named values.
    pub(super) fn named_struct(&mut self, parts: Vec<(String, Typed)>) -> Result<Typed> {
        let fields = parts
            .iter()
            .map(|(name, value)| Field::new(name, value.data_type.clone(), value.nullable))
            .collect();
        let mut args = Vec::new();
        for (name, value) in parts {
            args.push(self.literal(&Literal::String(name))?);
            args.push(value);
        }
        let built = self.scalar("named_struct", args)?;
        Ok(Typed { data_type: DataType::Struct(fields), nullable: false, ..built })
    }
}

/// The column that an expression becomes.
impl Resolver<'_> {
    pub(super) fn output(&mut self, typed: &Typed) -> (Column, Option<DfExpr>) {
        let qualifier = match &typed.origin {
            Origin::Column(qualifier) => Some(qualifier.clone()),
            Origin::Computed => Some(Vec::new()),
            Origin::Cast { .. } | Origin::Field { .. } => None,
        };
        if let (Some(id), Some(qualifier)) = (typed.id(), qualifier) {
            let id = id.to_owned();
            let column = Column {
                name: typed.name.clone(),
                id,
                qualifier,
                data_type: typed.data_type.clone(),
                nullable: typed.nullable,
                metadata: typed.metadata.clone(),
            };
            if !typed.aliased {
                return (column, None);
            }
        }
        let mut column =
            self.new_column(typed.column_name(), typed.data_type.clone(), typed.nullable);
        column.metadata.clone_from(&typed.metadata);
        let expr = typed.expr.clone().alias(&column.id);
        (column, Some(expr))
    }
}

/// An input column, passed through.
pub(super) fn pass(column: &Column) -> DfExpr {
    reference(&column.id)
}

fn no_such_field(name: &str, fields: &[Field]) -> super::Stop {
    let names: Vec<_> = fields.iter().map(|field| plan::quote_name(&field.name)).collect();
    let (name, list) = (plan::quote_name(name), names.join(", "));
    error::analysis(
        condition::FIELD_NOT_FOUND,
        format!("No such struct field {name} in {list}."),
        &[("fieldName", &name), ("fields", &list)],
    )
}

/// Whether Spark declares that a cast of a non-null value may yield null.
fn cast_may_yield_null(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, CalendarInterval, Date, Decimal, Double, Float, Null, String, Timestamp,
    };
    if from == to {
        return false;
    }
    match (from, to) {
        (Null, _) | (String, Binary | String) | (_, String) | (Timestamp, Date) => false,
        (String, _)
        | (Double | Float, Timestamp)
        | (_, Date | CalendarInterval | Decimal { .. }) => true,
        (Timestamp, to) => to.is_integral(),
        (Float | Double | Decimal { .. }, to) => to.is_integral(),
        _ => false,
    }
}
