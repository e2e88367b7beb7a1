//! Generators: functions that turn one row into several, and lateral views of them.

use super::column::Names;
use super::project::Generator;
use super::scope::Column;
use super::typed::Typed;
use super::{Resolved, Resolver, Result, aggregate, error};
use datafusion::common::{Column as DfColumn, NullHandling, UnnestOptions};
use datafusion::logical_expr::{Expr as DfExpr, LogicalPlan, Projection, Unnest};
use errors::condition;
use formats::types;
use plan::{DataType, FunctionCall, Literal, Relation};
use std::sync::Arc;

/// The arrays that a generator unnests, and the names of the resulting columns.
struct Lists {
    /// Arrays of equal length per row, with the type and nullability of their elements.
    columns: Vec<(Typed, DataType, bool)>,
    names: Vec<String>,
    /// Whether a row without elements yields one row of nulls.
    outer: bool,
    /// Whether the only array has structs whose fields are the columns.
    inline: bool,
}

impl Resolver<'_> {
    pub(super) fn lateral_view(
        &mut self,
        input: &Relation,
        (generator, outer): (&FunctionCall, bool),
        table: Option<&str>,
        columns: &[String],
    ) -> Result<Resolved> {
        let input = self.relation(input)?;
        let before = input.scope.columns.len();
        let name = super::call::plain_name(&generator.name);
        let mut call = generator.clone();
        if outer && !name.ends_with("_outer") && name != "stack" && name != "json_tuple" {
            call.name = format!("{name}_outer");
        }
        let mut generated = self.generate(input, &Generator { call: &call, names: columns })?;
        if let Some(table) = table {
            for column in &mut generated.scope.columns[before..] {
                column.qualifier = vec![table.to_owned()];
            }
        }
        Ok(generated)
    }

    /// Joins the input's columns with those of the generator.
    pub(super) fn generate(
        &mut self,
        input: Resolved,
        generator: &Generator<'_>,
    ) -> Result<Resolved> {
        let name = super::call::plain_name(&generator.call.name);
        let args = self.arguments_of(&generator.call.args, Names::of(&input.scope))?;
        let lists = self.lists(&name, args)?;
        let outer = lists.outer;
        let inline = lists.inline;
        let default_names = lists.names;
        let mut exprs = aggregate::unique(input.scope.all());
        let mut unnested: Vec<Column> = Vec::new();
        for (list, element, nullable) in lists.columns {
            let column = self.new_column("generated", element, nullable || outer);
            exprs.push(list.expr.alias(&column.id));
            unnested.push(column);
        }
        let below = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input.plan))?);
        let columns = unnested.iter().map(|column| DfColumn::new_unqualified(&column.id)).collect();
        let handling =
            if outer { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
        let options = UnnestOptions::new().with_null_handling(handling);
        let mut plan = LogicalPlan::Unnest(Unnest::try_new(Arc::new(below), columns, options)?);
        if inline {
            let kept = aggregate::unique(input.scope.all());
            (plan, unnested) = self.inlined(plan, kept, &unnested[0], outer)?;
        }
        let names = if generator.names.is_empty() { &default_names[..] } else { generator.names };
        if names.len() != unnested.len() {
            let (expected, got) = (unnested.len().to_string(), names.len().to_string());
            let list: Vec<_> = names.iter().map(|name| plan::quote_name(name)).collect();
            let message = format!(
                "The number of aliases supplied in the AS clause does not match the number of columns output by the UDTF. Expected {expected} aliases, but got {}. Please ensure that the number of aliases provided matches the number of columns output by the UDTF.",
                list.join(",")
            );
            let parameters = [("aliasesSize", expected.as_str()), ("aliasesNames", &got)];
            return Err(error::analysis(
                condition::UDTF_ALIAS_NUMBER_MISMATCH,
                message,
                &parameters,
            ));
        }
        let mut scope = input.scope;
        for (mut column, name) in unnested.into_iter().zip(names) {
            name.clone_into(&mut column.name);
            scope.columns.push(column);
        }
        Ok(Resolved::new(plan, scope))
    }

    /// Splits the struct column `of` into columns next to `kept`.
    fn inlined(
        &mut self,
        plan: LogicalPlan,
        mut kept: Vec<DfExpr>,
        of: &Column,
        outer: bool,
    ) -> Result<(LogicalPlan, Vec<Column>)> {
        let DataType::Struct(fields) = &of.data_type else {
            return Err(error::unsupported("inline of this type"));
        };
        let mut made = Vec::new();
        for field in fields {
            let whole = super::column::of_column(of);
            let value = self.field(whole, &field.name)?;
            let nullable = field.nullable || of.nullable || outer;
            let column = self.new_column(&field.name, field.data_type.clone(), nullable);
            kept.push(value.expr.alias(&column.id));
            made.push(column);
        }
        let plan = LogicalPlan::Projection(Projection::try_new(kept, Arc::new(plan))?);
        Ok((plan, made))
    }

    fn lists(&mut self, name: &str, args: Vec<Typed>) -> Result<Lists> {
        let outer = name.ends_with("_outer");
        let first = args.first().cloned();
        let data_type = first.as_ref().map(|arg| arg.data_type.clone());
        match (name.trim_end_matches("_outer"), first, data_type) {
            ("explode", Some(list), Some(DataType::Array { element, contains_null })) => {
                Ok(Lists {
                    columns: vec![(list, *element, contains_null)],
                    names: vec!["col".to_owned()],
                    outer,
                    inline: false,
                })
            }
            ("posexplode", Some(list), Some(DataType::Array { element, contains_null })) => {
                let positions = self.positions(&list)?;
                Ok(Lists {
                    columns: vec![
                        (positions, DataType::Integer, false),
                        (list, *element, contains_null),
                    ],
                    names: vec!["pos".to_owned(), "col".to_owned()],
                    outer,
                    inline: false,
                })
            }
            (
                kind @ ("explode" | "posexplode"),
                Some(map),
                Some(DataType::Map { key, value, value_contains_null }),
            ) => {
                let keys = self.scalar("map_keys", vec![map.clone()])?;
                let values = self.scalar("map_values", vec![map])?;
                let mut columns = Vec::new();
                let mut names = Vec::new();
                if kind == "posexplode" {
                    columns.push((self.positions(&keys)?, DataType::Integer, false));
                    names.push("pos".to_owned());
                }
                columns.push((keys, *key, false));
                columns.push((values, *value, value_contains_null));
                names.extend(["key".to_owned(), "value".to_owned()]);
                Ok(Lists { columns, names, outer, inline: false })
            }
            ("inline", Some(list), Some(DataType::Array { element, contains_null })) => {
                let DataType::Struct(fields) = element.as_ref() else {
                    return Err(wrong_input(name, &list, "\"ARRAY<STRUCT>\""));
                };
                let names = fields.iter().map(|field| field.name.clone()).collect();
                Ok(Lists {
                    columns: vec![(list, *element, contains_null)],
                    names,
                    outer,
                    inline: true,
                })
            }
            ("json_tuple", Some(json), _) if args.len() > 1 => self.json_tuple(&json, &args[1..]),
            ("stack", Some(count), _) => self.stack(&count, &args[1..]),
            ("explode" | "posexplode", Some(arg), _) => {
                Err(wrong_input(name, &arg, "(\"ARRAY\" or \"MAP\")"))
            }
            ("inline", Some(arg), _) => Err(wrong_input(name, &arg, "\"ARRAY<STRUCT>\"")),
            _ => Err(error::unsupported(format!("the generator {name}"))),
        }
    }

    /// The positions `0, 1, …` of an array's elements; null for a null array.
    fn positions(&mut self, list: &Typed) -> Result<Typed> {
        let size = self.scalar("array_size", vec![list.clone()])?;
        let one = self.literal(&Literal::Integer(1))?;
        let highest = self.scalar("-", vec![size.clone(), one])?;
        let zero = self.literal(&Literal::Integer(0))?;
        let step = self.literal(&Literal::Integer(1))?;
        // Without the condition, the sequence from 0 to -1 would count down.
        let sequence = self.scalar("sequence", vec![zero.clone(), highest, step])?;
        let some = self.scalar(">", vec![size, zero])?;
        let none = DfExpr::Literal(
            datafusion::common::ScalarValue::try_from(&types::to_arrow(&sequence.data_type))?,
            None,
        );
        let expr =
            datafusion::logical_expr::when(some.expr, sequence.expr.clone()).otherwise(none)?;
        Ok(Typed { expr, nullable: true, ..sequence })
    }

    /// `json_tuple(text, name, …)`: one row with the fields of these names.
    fn json_tuple(&mut self, json: &Typed, names: &[Typed]) -> Result<Lists> {
        let mut columns = Vec::new();
        for name in names {
            let value = self.scalar("json_tuple", vec![json.clone(), name.clone()])?;
            columns.push((self.scalar("array", vec![value])?, DataType::String, true));
        }
        let names = (0..columns.len()).map(|index| format!("c{index}")).collect();
        Ok(Lists { columns, names, outer: false, inline: false })
    }

    /// `stack(n, v1, …)`: the values, arranged in `n` rows.
    fn stack(&mut self, count: &Typed, values: &[Typed]) -> Result<Lists> {
        let rows = super::rows::constant(count.expr.clone())
            .and_then(|value| value.to_string().parse::<usize>().ok())
            .filter(|rows| *rows > 0);
        let Some(rows) = rows else {
            return Err(wrong_input("stack", count, "\"INT\""));
        };
        let width = values.len().div_ceil(rows);
        let mut columns = Vec::new();
        for index in 0..width {
            let cells: Vec<Option<&Typed>> =
                (0..rows).map(|row| values.get(row * width + index)).collect();
            let types: Vec<DataType> =
                cells.iter().flatten().map(|cell| cell.data_type.clone()).collect();
            let Some(common) = self.common_type(&types) else {
                return Err(error::unsupported("stack with values of different types"));
            };
            let mut args = Vec::new();
            for cell in cells {
                let cell = match cell {
                    Some(cell) => cell.clone(),
                    None => self.literal(&Literal::Null(DataType::Null))?,
                };
                args.push(self.coerced(cell, &common)?);
            }
            let nullable = args.iter().any(|arg| arg.nullable);
            columns.push((self.scalar("array", args)?, common, nullable));
        }
        let names = (0..width).map(|index| format!("col{index}")).collect();
        Ok(Lists { columns, names, outer: false, inline: false })
    }

    /// Resolves a generator or `range` in FROM.
    pub(super) fn table_function(&mut self, call: &FunctionCall) -> Result<Resolved> {
        let name = super::call::plain_name(&call.name);
        if name == "identifier" {
            let name = self.identifier(&call.args)?;
            return self.table(&name, &[]);
        }
        if let Some(function) = self.context.python.table(&name) {
            let (function, args) = (Arc::clone(function), call.args.clone());
            return self.python_table(&plan::PythonTable { function, args });
        }
        if name == "range" {
            return self.range_function(call);
        }
        if self.context.registry.is_generator(&name) {
            let one = Resolved::new(
                LogicalPlan::EmptyRelation(super::leaf::one_row()),
                super::scope::Scope::default(),
            );
            return self.generate(one, &Generator { call, names: &[] });
        }
        let shown = plan::quote_name(&call.name);
        Err(error::analysis(
            condition::UNRESOLVABLE_TABLE_VALUED_FUNCTION,
            format!(
                "Could not resolve {shown} to a table-valued function.\nPlease make sure that {shown} is defined as a table-valued function and that all required parameters are provided correctly.\nIf {shown} is not defined, please create the table-valued function before using it.\nFor more information about defining table-valued functions, please refer to the Apache Spark documentation."
            ),
            &[("name", &shown)],
        ))
    }

    /// The name given by the argument of `IDENTIFIER`.
    pub(super) fn identifier(&mut self, args: &[plan::Expr]) -> Result<Vec<String>> {
        let scope = super::scope::Scope::default();
        let mut args = self.arguments_of(args, Names::of(&scope))?;
        let value = args.pop().filter(|_| args.is_empty());
        let shown = value.as_ref().map(|value| value.name.clone()).unwrap_or_default();
        let value = value.and_then(|value| super::rows::constant(value.expr));
        let name = match value {
            Some(datafusion::common::ScalarValue::Utf8(Some(name))) => plan::parse_name(&name).ok(),
            _ => None,
        };
        name.ok_or_else(|| {
            let shown = format!("\"{shown}\"");
            let message = format!(
                "The given expression {shown} cannot be used as an identifier: it must be a constant text that is a name."
            );
            let class = condition::NOT_A_CONSTANT_STRING_NOT_CONSTANT;
            error::analysis(class, message, &[("name", "IDENTIFIER"), ("expr", &shown)])
        })
    }

    fn range_function(&mut self, call: &FunctionCall) -> Result<Resolved> {
        let scope = super::scope::Scope::default();
        let args = self.arguments_of(&call.args, Names::of(&scope))?;
        let mut numbers = Vec::new();
        for arg in args {
            let long = self.coerced(arg, &DataType::Long)?;
            let value = super::rows::constant(long.expr);
            let Some(datafusion::common::ScalarValue::Int64(Some(value))) = value else {
                return Err(error::unsupported("a non-constant argument of range"));
            };
            numbers.push(value);
        }
        let (start, end, step, partitions) = match numbers.as_slice() {
            [end] => (0, *end, 1, None),
            [start, end] => (*start, *end, 1, None),
            [start, end, step] => (*start, *end, *step, None),
            [start, end, step, n] => (*start, *end, *step, u32::try_from(*n).ok()),
            _ => return Err(error::unsupported("range with this number of arguments")),
        };
        self.range((start, end, step), partitions)
    }
}

fn wrong_input(name: &str, arg: &Typed, required: &str) -> super::Stop {
    let (sql, input) = (format!("\"{name}({})\"", arg.name), format!("\"{}\"", arg.name));
    let found = format!("\"{}\"", arg.data_type.sql());
    let message = format!(
        "Cannot resolve {sql} due to data type mismatch: The first parameter requires the {required} type, however {input} has the type {found}."
    );
    let parameters = [
        ("sqlExpr", sql.as_str()),
        ("paramIndex", "first"),
        ("inputSql", &input),
        ("inputType", &found),
        ("requiredType", required),
    ];
    error::analysis(condition::DATATYPE_MISMATCH_UNEXPECTED_INPUT_TYPE, message, &parameters)
}
