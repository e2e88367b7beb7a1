//! Filters as the readers of Python data sources are offered them. The engine applies all of them
//! itself, too, so one that a reader cannot be told is only left out: among them that a column
//! within another expression is not null, which Spark infers.

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{InList, Like};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use plan::{DataType, Field};
use serde_json::{Value, json};

/// A filter of one column.
#[derive(PartialEq)]
struct Offered {
    name: &'static str,
    column: Vec<String>,
    value: Option<Value>,
    negated: bool,
    /// Whether nulls of a nullable column do not pass, which is a filter of its own.
    not_null: bool,
}

/// The filters that conditions on the columns of a source are, as a worker reads them.
pub(super) fn offered(conditions: &[Expr], schema: &DFSchema, fields: &[Field]) -> Value {
    let columns = Columns { schema, fields };
    let conjuncts = conditions.iter().flat_map(split_conjunction);
    let filters: Vec<Offered> = conjuncts.filter_map(|one| columns.filter(one)).collect();
    let mut made = Vec::new();
    for filter in filters.iter().filter(|filter| filter.not_null) {
        let not_null = json!({ "name": "IsNotNull", "column": filter.column, "negated": false });
        if !made.contains(&not_null) {
            made.push(not_null);
        }
    }
    for Offered { name, column, value, negated, .. } in filters {
        let mut filter = json!({ "name": name, "column": column, "negated": negated });
        if let Some(value) = value {
            filter["value"] = value;
        }
        if !made.contains(&filter) {
            made.push(filter);
        }
    }
    Value::Array(made)
}

struct Columns<'a> {
    schema: &'a DFSchema,
    fields: &'a [Field],
}

/// A column, or a field of one.
struct Path {
    names: Vec<String>,
    data_type: DataType,
    nullable: bool,
}

impl Columns<'_> {
    fn filter(&self, expr: &Expr) -> Option<Offered> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                self.alternatives(left, right)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.comparison(left, *op, right),
            Expr::IsNull(of) => Some(self.path(of)?.filter("IsNull", None).nullable()),
            Expr::IsNotNull(of) => Some(self.path(of)?.filter("IsNotNull", None).nullable()),
            Expr::InList(InList { expr, list, negated }) => {
                let values = list.iter().map(literal).collect::<Option<Vec<_>>>()?;
                let found = self.path(expr)?.filter("In", Some(values.into())).nullable();
                Some(Offered { negated: *negated, ..found })
            }
            Expr::Like(like) => self.like(like),
            Expr::ScalarFunction(call) => {
                let name = match call.name() {
                    "spark_startswith" | "startswith" | "starts_with" => "StringStartsWith",
                    "spark_endswith" | "endswith" | "ends_with" => "StringEndsWith",
                    "spark_contains" | "contains" => "StringContains",
                    _ => return self.truth(expr),
                };
                let [column, text] = call.args.as_slice() else { return None };
                let column = self.path(column).filter(|path| path.data_type == DataType::String)?;
                Some(column.filter(name, Some(literal(text)?)))
            }
            Expr::Not(of) => {
                let found = self.filter(of)?;
                Some(Offered { negated: !found.negated, ..found })
            }
            Expr::Column(_) => self.truth(expr),
            _ => None,
        }
    }

    /// A column of booleans as a condition.
    fn truth(&self, expr: &Expr) -> Option<Offered> {
        let path = self.path(expr).filter(|path| path.data_type == DataType::Boolean)?;
        Some(path.filter("EqualTo", Some(Value::Bool(true))))
    }

    fn comparison(&self, left: &Expr, op: Operator, right: &Expr) -> Option<Offered> {
        let (column, op, value) = match (self.path(left), self.path(right)) {
            (Some(column), None) => (column, op, literal(right)?),
            (None, Some(column)) => (column, op.swap()?, literal(left)?),
            _ => return None,
        };
        let (name, negated) = match op {
            Operator::Eq => ("EqualTo", false),
            Operator::NotEq => ("EqualTo", true),
            Operator::IsNotDistinctFrom => ("EqualNullSafe", false),
            Operator::IsDistinctFrom => ("EqualNullSafe", true),
            Operator::Lt => ("LessThan", false),
            Operator::LtEq => ("LessThanOrEqual", false),
            Operator::Gt => ("GreaterThan", false),
            Operator::GtEq => ("GreaterThanOrEqual", false),
            _ => return None,
        };
        let found = Offered { negated, ..column.filter(name, Some(value)) };
        Some(if name == "EqualNullSafe" { found.nullable() } else { found })
    }

    /// `a = 1 OR a = 2`, which the optimizer makes of short lists.
    fn alternatives(&self, left: &Expr, right: &Expr) -> Option<Offered> {
        let (left, right) = (self.filter(left)?, self.filter(right)?);
        let values = |of: &Offered| match (of.name, of.value.clone()?) {
            ("EqualTo", value) if !of.negated => Some(vec![value]),
            ("In", Value::Array(values)) if !of.negated => Some(values),
            _ => None,
        };
        let all = [values(&left)?, values(&right)?].concat();
        let found = Offered { name: "In", value: Some(all.into()), not_null: false, ..left };
        (found.column == right.column).then_some(found)
    }

    /// Patterns that only say how a text begins, ends, or what it contains.
    fn like(&self, like: &Like) -> Option<Offered> {
        let column = self.path(&like.expr).filter(|path| path.data_type == DataType::String)?;
        let Some(Value::String(pattern)) = literal(&like.pattern) else { return None };
        let inner = pattern.trim_start_matches('%').trim_end_matches('%');
        if like.case_insensitive || inner.is_empty() || inner.contains(['%', '_', '\\']) {
            return None;
        }
        let name = match (pattern.starts_with('%'), pattern.ends_with('%')) {
            (true, true) => "StringContains",
            (true, false) => "StringEndsWith",
            (false, true) => "StringStartsWith",
            (false, false) => "EqualTo",
        };
        let found = column.filter(name, Some(inner.into()));
        Some(Offered { negated: like.negated, ..found })
    }

    /// The column that an expression is, or the field of one.
    fn path(&self, expr: &Expr) -> Option<Path> {
        match expr {
            Expr::Column(column) => {
                let field = self.fields.get(self.schema.maybe_index_of_column(column)?)?;
                let names = vec![field.name.clone()];
                Some(Path { names, data_type: field.data_type.clone(), nullable: field.nullable })
            }
            Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
                // Zeros and NaNs of one form: to a source they are equal in any case.
                ("spark_normal", [of]) => self.path(of),
                ("spark_field", [of, name]) => {
                    let Some(Value::String(name)) = literal(name) else { return None };
                    let Path { mut names, data_type, nullable } = self.path(of)?;
                    let DataType::Struct(fields) = data_type else { return None };
                    let field = fields.into_iter().find(|field| field.name == name)?;
                    names.push(name);
                    let nullable = nullable || field.nullable;
                    Some(Path { names, data_type: field.data_type, nullable })
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl Path {
    fn filter(self, name: &'static str, value: Option<Value>) -> Offered {
        Offered { name, column: self.names, value, negated: false, not_null: self.nullable }
    }
}

impl Offered {
    /// The filter, which says itself what it does with nulls.
    fn nullable(self) -> Self {
        Self { not_null: false, ..self }
    }
}

/// A value that is not null, as a worker reads it.
fn literal(expr: &Expr) -> Option<Value> {
    let Expr::Literal(value, _) = expr else { return None };
    Some(match value {
        ScalarValue::Boolean(Some(value)) => json!(value),
        ScalarValue::Int8(Some(value)) => json!(value),
        ScalarValue::Int16(Some(value)) => json!(value),
        ScalarValue::Int32(Some(value)) => json!(value),
        ScalarValue::Int64(Some(value)) => json!(value),
        ScalarValue::Float32(Some(value)) => json!({ "double": f64::from(*value).to_string() }),
        ScalarValue::Float64(Some(value)) => json!({ "double": value.to_string() }),
        ScalarValue::Utf8(Some(value)) => json!(value),
        ScalarValue::Binary(Some(value)) => json!({ "binary": formats::base64::encode(value) }),
        ScalarValue::Date32(Some(days)) => json!({ "date": days }),
        ScalarValue::TimestampMicrosecond(Some(micros), Some(_)) => json!({ "timestamp": micros }),
        ScalarValue::TimestampMicrosecond(Some(micros), None) => json!({ "timestamp_ntz": micros }),
        ScalarValue::Decimal128(Some(_), ..) => json!({ "decimal": value.to_string() }),
        _ => return None,
    })
}
