//! Column references: by name, by data frame, by pattern, and `*`.

use super::error;
use super::scope::{Column, Found, Scope};
use super::typed::{Origin, Typed};
use super::{Resolver, Result, reference};
use datafusion::logical_expr::Expr as DfExpr;
use errors::condition;
use plan::{DataType, SparkError};
use std::sync::Arc;

/// Scopes in which names are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'s> {
    /// The columns of the input.
    pub(super) scope: &'s Scope,
    /// Columns below the input, for an order or filter on columns that a select list dropped.
    pub(super) below: Option<&'s Scope>,
    /// Resolved select items, which later ones may refer to.
    pub(super) lateral: &'s [Typed],
    /// Keys of the aggregate with grouping sets that `grouping` refers to.
    pub(super) grouping: Option<&'s super::aggregate::GroupingIds>,
}

impl<'s> Names<'s> {
    pub(super) fn of(scope: &'s Scope) -> Self {
        Self { scope, below: None, lateral: &[], grouping: None }
    }

    /// The scope in which arguments of aggregates are looked up.
    pub(super) fn of_arguments(self) -> Self {
        match self.below {
            Some(below) => Self { scope: below, below: None, lateral: &[], ..self },
            None => self,
        }
    }
}

impl Resolver<'_> {
    /// Resolves a name to a column, a field or an outer column.
    pub(super) fn column(
        &mut self,
        name: &[String],
        plan_id: Option<i64>,
        names: Names<'_>,
    ) -> Result<Typed> {
        if let Some(plan_id) = plan_id {
            return self.column_of_frame(name, plan_id, names);
        }
        let case_sensitive = self.context.case_sensitive;
        for scope in [Some(names.scope), names.below].into_iter().flatten() {
            match scope.find(name, case_sensitive) {
                Found::One(column, fields) => {
                    return self.written(of_column(column), name, fields);
                }
                Found::Many(found) => return Err(too_many(name, &found)),
                Found::Nothing => {}
            }
        }
        if let Some(found) = self.metadata(name, names)? {
            return Ok(found);
        }
        if let Some(found) = self.lateral(name, names)? {
            return Ok(found);
        }
        if let Some(found) = self.outer_column(name)? {
            return Ok(found);
        }
        if let Some(found) = self.variable(name)? {
            return Ok(found);
        }
        let known: Vec<Vec<String>> = names.scope.columns.iter().map(full_name).collect();
        let used = name.join(".");
        let proposal = error::suggestion(&used, known.iter().map(Vec::as_slice));
        Err(error::unresolved_column(name, proposal))
    }

    /// Looks up a session variable; columns take precedence over variables.
    fn variable(&self, name: &[String]) -> Result<Option<Typed>> {
        let Some(known) = catalogue::variable_name(name) else { return Ok(None) };
        let Some((data_type, value)) = self.context.variables.get(&known) else {
            return Ok(None);
        };
        let value = self.coerced(self.literal(value)?, data_type)?;
        let name = name.last().cloned().unwrap_or(known);
        Ok(Some(Typed { name, nullable: true, ..value }))
    }

    /// Looks up an earlier select item by its alias.
    fn lateral(&mut self, name: &[String], names: Names<'_>) -> Result<Option<Typed>> {
        let items: Vec<&Typed> = names
            .lateral
            .iter()
            .filter(|item| item.aliased && self.context.same(&item.name, &name[0]))
            .collect();
        match items.as_slice() {
            [] => Ok(None),
            [item] => {
                if item.expr.is_volatile() {
                    return Err(error::unsupported(
                        "a lateral alias of a nondeterministic expression",
                    ));
                }
                let item = Typed { aliased: false, ..(*item).clone() };
                self.fields(item, &name[1..]).map(Some)
            }
            several => {
                let shown = error::quoted(&name[..1]);
                let message = format!(
                    "Lateral column alias {shown} is ambiguous and has {} matches.",
                    several.len()
                );
                let count = several.len().to_string();
                let parameters = [("name", shown.as_str()), ("n", &count)];
                Err(error::analysis(
                    condition::AMBIGUOUS_LATERAL_COLUMN_ALIAS,
                    message,
                    &parameters,
                ))
            }
        }
    }

    /// Looks up a column of an enclosing query.
    fn outer_column(&mut self, name: &[String]) -> Result<Option<Typed>> {
        let Some(outer) = self.outer.last().cloned() else { return Ok(None) };
        match outer.find(name, self.context.case_sensitive) {
            Found::One(column, fields) => {
                let mut typed = of_column(column);
                let field = formats::types::field_to_arrow(&column.field()).with_name(&column.id);
                let column = datafusion::common::Column::new_unqualified(&column.id);
                typed.expr = DfExpr::OuterReferenceColumn(Arc::new(field), column);
                self.written(typed, name, fields).map(Some)
            }
            Found::Many(found) => Err(too_many(name, &found)),
            Found::Nothing => Ok(None),
        }
    }

    fn column_of_frame(
        &mut self,
        name: &[String],
        plan_id: i64,
        names: Names<'_>,
    ) -> Result<Typed> {
        let mut known = false;
        for scope in [Some(names.scope), names.below].into_iter().flatten() {
            let frames = scope.nearest_frames(plan_id);
            let mut found: Vec<(Column, usize)> = Vec::new();
            for frame in frames {
                known = true;
                let hit = match frame.find(name, self.context.case_sensitive) {
                    Found::One(column, fields) => (column.clone(), fields.len()),
                    Found::Many(several) => return Err(too_many(name, &several)),
                    Found::Nothing => continue,
                };
                if !found.iter().any(|(column, _)| column.id == hit.0.id) {
                    found.push(hit);
                }
            }
            found.retain(|(column, _)| scope.has_id(&column.id));
            match found.as_slice() {
                [] => {}
                [(column, fields)] => {
                    // The scope has the column's current nullability.
                    let now = scope.all().find(|c| c.id == column.id);
                    let nullable = now.map_or(column.nullable, |now| now.nullable);
                    let column = Column { nullable, ..column.clone() };
                    return self.written(of_column(&column), name, &name[name.len() - fields..]);
                }
                _ => return Err(error::ambiguous_frame(name)),
            }
        }
        if let Some(found) = self.metadata_of_frame(name, plan_id, names)? {
            return Ok(found);
        }
        if let Some(outer) = self.outer_frame_column(name, plan_id)? {
            return Ok(outer);
        }
        if known && self.frame_lacks(name, plan_id, names) {
            // The data frame has no such column: a plain misspelling.
            let frame = names.scope.nearest_frames(plan_id);
            let known: Vec<Vec<String>> =
                frame.iter().flat_map(|f| f.columns().map(full_name)).collect();
            let proposal = error::suggestion(&name.join("."), known.iter().map(Vec::as_slice));
            return Err(error::unresolved_column(name, proposal));
        }
        Err(error::not_of_frame(name))
    }

    fn outer_frame_column(&mut self, name: &[String], plan_id: i64) -> Result<Option<Typed>> {
        let Some(outer) = self.outer.pop() else { return Ok(None) };
        let found = self.column_of_frame(name, plan_id, Names::of(&outer));
        self.outer.push(outer);
        let Ok(mut typed) = found else { return Ok(None) };
        if let DfExpr::Column(column) = &typed.expr {
            let field = formats::types::field_to_arrow(&typed.field()).with_name(column.name());
            typed.expr = DfExpr::OuterReferenceColumn(Arc::new(field), column.clone());
            return Ok(Some(typed));
        }
        Err(error::unsupported("a field of an outer column"))
    }

    fn frame_lacks(&self, name: &[String], plan_id: i64, names: Names<'_>) -> bool {
        names
            .scope
            .nearest_frames(plan_id)
            .iter()
            .all(|frame| matches!(frame.find(name, self.context.case_sensitive), Found::Nothing))
    }

    /// Expands `*`, `t.*` and `struct.*`.
    pub(super) fn star(
        &mut self,
        target: &[String],
        plan_id: Option<i64>,
        names: Names<'_>,
    ) -> Result<Vec<Typed>> {
        if let Some(plan_id) = plan_id {
            return Self::star_of_frame(plan_id, names);
        }
        if target.is_empty() {
            return Ok(names.scope.columns.iter().map(of_column).collect());
        }
        let found = names.scope.qualified_by(target, self.context.case_sensitive);
        if !found.is_empty() {
            return Ok(found.into_iter().map(of_column).collect());
        }
        let whole = self.column(target, None, names).map_err(|stop| {
            if !error::is_unresolved_column(&stop) {
                return stop;
            }
            let shown = error::quoted(target);
            let columns: Vec<_> = names.scope.columns.iter().map(|c| plan::quote_name(&c.name)).collect();
            let columns = columns.join(", ");
            error::analysis(
                condition::CANNOT_RESOLVE_STAR_EXPAND,
                format!("Cannot resolve {shown}.* given input columns {columns}. Please check that the specified table or struct exists and is accessible in the input columns."),
                &[("targetString", &shown), ("columns", &columns)],
            )
        })?;
        let DataType::Struct(fields) = whole.data_type.clone() else {
            return Err(error::analysis(
                condition::LEGACY_ERROR_TEMP_1050,
                format!(
                    "Can only star expand struct data types. Attribute: `{}`.",
                    target.join(".")
                ),
                &[],
            ));
        };
        let column_of = |field: &plan::Field| {
            let value = self.field(whole.clone(), &field.name)?;
            Ok(Typed { name: field.name.clone(), ..value })
        };
        fields.iter().map(column_of).collect()
    }

    fn star_of_frame(plan_id: i64, names: Names<'_>) -> Result<Vec<Typed>> {
        let frames = names.scope.nearest_frames(plan_id);
        let [frame] = frames.as_slice() else {
            let star = ["*".to_owned()];
            return Err(if frames.is_empty() {
                error::not_of_frame(&star)
            } else {
                error::ambiguous_frame(&star)
            });
        };
        let here = frame.columns().filter(|column| names.scope.has_id(&column.id));
        Ok(here.map(of_column).collect())
    }

    /// Columns whose whole name matches a pattern.
    pub(super) fn column_regex(
        &mut self,
        pattern: &str,
        plan_id: Option<i64>,
        names: Names<'_>,
    ) -> Result<Vec<Typed>> {
        let case = if self.context.case_sensitive { "" } else { "(?i)" };
        let regex = regex::Regex::new(&format!("{case}^(?:{pattern})$")).map_err(|_| {
            SparkError::analysis(
                condition::INVALID_PARAMETER_VALUE_PATTERN,
                format!("The pattern `{pattern}` is not a valid regular expression."),
                &[("value", pattern)],
            )
        })?;
        let columns = self.star(&[], plan_id, names)?;
        Ok(columns.into_iter().filter(|column| regex.is_match(&column.name)).collect())
    }

    /// A column, or a field of it, named as the program wrote it.
    pub(super) fn written(
        &self,
        mut column: Typed,
        name: &[String],
        fields: &[String],
    ) -> Result<Typed> {
        let of_column = name.len().checked_sub(fields.len() + 1);
        if let Some(written) = of_column.and_then(|at| name.get(at)) {
            column.name.clone_from(written);
        }
        self.fields(column, fields)
    }

    /// Extracts nested fields. As a select item, the result has the name of the last field.
    pub(super) fn fields(&self, mut typed: Typed, names: &[String]) -> Result<Typed> {
        for name in names {
            let text = match &typed.data_type {
                DataType::Map { .. } => format!("{}[{name}]", typed.name),
                _ => format!("{}.{name}", typed.name),
            };
            let origin = Origin::Field { name: name.clone() };
            typed = Typed { name: text, origin, ..self.field(typed, name)? };
        }
        Ok(typed)
    }
}

/// A column as an expression.
pub(super) fn of_column(column: &Column) -> Typed {
    Typed {
        expr: reference(&column.id),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        name: column.name.clone(),
        metadata: column.metadata.clone(),
        origin: Origin::Column(column.qualifier.clone()),
        aliased: false,
    }
}

fn full_name(column: &Column) -> Vec<String> {
    column.qualifier.iter().chain([&column.name]).cloned().collect()
}

pub(super) fn too_many(name: &[String], found: &[&Column]) -> super::Stop {
    error::ambiguous(name, &found.iter().map(|column| column.qualified()).collect::<Vec<_>>())
}
