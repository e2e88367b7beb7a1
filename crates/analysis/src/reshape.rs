//! Columns that are added, replaced, renamed, dropped, or converted to a schema.

use super::column::{Names, of_column};
use super::scope::{Column, Found, Scope};
use super::typed::{Origin, Typed};
use super::{Resolved, Resolver, Result, error, reference};
use errors::condition;
use plan::{Expr, Field, Literal, Relation, SparkError};

impl Resolver<'_> {
    pub(super) fn with_names(&mut self, input: &Relation, names: &[String]) -> Result<Resolved> {
        let input = self.relation(input)?;
        if names.len() != input.scope.columns.len() {
            let (expected, got) = (input.scope.columns.len().to_string(), names.len().to_string());
            let message = format!(
                "Number of column aliases does not match number of columns. Number of column aliases: {got}; number of columns: {expected}."
            );
            let parameters = [("numExpr", got.as_str()), ("numTarget", &expected)];
            return Err(error::analysis(
                condition::ASSIGNMENT_ARITY_MISMATCH,
                message,
                &parameters,
            ));
        }
        let items = input.scope.columns.iter().zip(names).map(|(column, name)| named(column, name));
        let items = items.collect();
        self.select_typed(input, items)
    }

    pub(super) fn with_columns(&mut self, input: &Relation, columns: &[Expr]) -> Result<Resolved> {
        let mut input = self.relation(input)?;
        let mut new: Vec<Typed> = Vec::new();
        for column in columns {
            let typed = match self.generator(column) {
                None => self.expression(column, Names::of(&input.scope))?,
                Some(generator) => {
                    let outside = input.scope.clone();
                    let generated = self.generate(input, &generator)?;
                    let made = generated.scope.columns.get(outside.columns.len()).map(of_column);
                    let columns = outside.columns;
                    input = Resolved::new(generated.plan, Scope { columns, ..generated.scope });
                    made.ok_or_else(|| SparkError::internal("a generator without columns"))?
                }
            };
            if new.iter().any(|known| self.context.same(&known.name, &typed.name)) {
                let shown = plan::quote_name(&typed.name.to_lowercase());
                let message = format!(
                    "The column {shown} already exists. Choose another name or rename the existing column."
                );
                let parameters = [("columnName", shown.as_str())];
                return Err(error::analysis(
                    condition::COLUMN_ALREADY_EXISTS,
                    message,
                    &parameters,
                ));
            }
            new.push(typed);
        }
        let mut items: Vec<Typed> = Vec::new();
        let mut used = vec![false; new.len()];
        for column in &input.scope.columns {
            let at = new.iter().position(|typed| self.context.same(&typed.name, &column.name));
            match at {
                Some(at) => {
                    used[at] = true;
                    items.push(new[at].clone());
                }
                None => items.push(of_column(column)),
            }
        }
        let rest = new.into_iter().zip(used).filter(|(_, used)| !used).map(|(typed, _)| typed);
        items.extend(rest);
        if items.iter().any(|item| super::aggregate::has_aggregate(&item.expr)) {
            return self.global_aggregate(&input, items);
        }
        let keep = input.scope.hidden.clone();
        let mut resolved = self.select_typed(input, items)?;
        resolved.scope.hidden.retain(|column| keep.contains(column));
        Ok(resolved)
    }

    pub(super) fn with_columns_renamed(
        &mut self,
        input: &Relation,
        renames: &[(String, String)],
    ) -> Result<Resolved> {
        let input = self.relation(input)?;
        let mut names: Vec<String> = input.scope.columns.iter().map(|c| c.name.clone()).collect();
        let mut changed = vec![false; names.len()];
        for (old, new) in renames {
            for (name, changed) in names.iter_mut().zip(&mut changed) {
                if self.context.same(name, old) {
                    name.clone_from(new);
                    *changed = true;
                }
            }
        }
        let columns = input.scope.columns.iter().zip(names).zip(changed);
        let items = columns
            .map(
                |((column, name), changed)| {
                    if changed { named(column, &name) } else { of_column(column) }
                },
            )
            .collect();
        self.select_typed(input, items)
    }

    pub(super) fn drop_columns(
        &mut self,
        input: &Relation,
        columns: &[Expr],
        names: &[String],
    ) -> Result<Resolved> {
        let input = self.relation(input)?;
        let mut gone: Vec<String> = Vec::new();
        for column in columns {
            match self.expression(column, Names::of(&input.scope)) {
                Ok(typed) => gone.extend(typed.id().map(str::to_owned)),
                Err(stop) if error::is_unresolved_column(&stop) => {}
                Err(stop) => return Err(stop),
            }
        }
        for name in names {
            let same = input.scope.columns.iter().filter(|c| self.context.same(&c.name, name));
            gone.extend(same.map(|column| column.id.clone()));
        }
        let kept = input.scope.columns.iter().filter(|column| !gone.contains(&column.id));
        let items = kept.map(of_column).collect();
        self.select_typed(input, items)
    }

    pub(super) fn with_schema(&mut self, input: &Relation, schema: &[Field]) -> Result<Resolved> {
        let input = self.relation(input)?;
        let mut items = Vec::new();
        for field in schema {
            let parts = [field.name.clone()];
            let found = match input.scope.find(&parts, self.context.case_sensitive) {
                Found::One(column, []) => Some(of_column(column)),
                Found::Many(found) => {
                    let list: Vec<_> = found.iter().map(|column| column.qualified()).collect();
                    return Err(error::ambiguous(&parts, &list));
                }
                _ => None,
            };
            let shown = plan::quote_name(&field.name);
            let value = match found {
                Some(value) if value.nullable && !field.nullable => {
                    let message = format!(
                        "Column or field {shown} is nullable while it's required to be non-nullable."
                    );
                    let parameters = [("name", shown.as_str())];
                    return Err(error::analysis(
                        condition::NULLABLE_COLUMN_OR_FIELD,
                        message,
                        &parameters,
                    ));
                }
                Some(value) => self.stored_as(value, &field.data_type, &shown)?,
                None if field.nullable => self.literal(&Literal::Null(field.data_type.clone()))?,
                None => {
                    let known: Vec<Vec<String>> =
                        input.scope.columns.iter().map(|c| vec![c.name.clone()]).collect();
                    let proposal = error::suggestion(&field.name, known.iter().map(Vec::as_slice));
                    return Err(error::unresolved_column(&parts, proposal));
                }
            };
            items.push(Typed {
                name: field.name.clone(),
                nullable: field.nullable,
                metadata: field.metadata.clone(),
                aliased: true,
                ..value
            });
        }
        self.select_typed(input, items)
    }

    /// The columns with this name.
    pub(super) fn columns_named(&mut self, name: &str, input: &Resolved) -> Result<Vec<Column>> {
        let same = input.scope.columns.iter().filter(|c| self.context.same(&c.name, name));
        let found: Vec<Column> = same.cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let parts = plan::parse_name(name).unwrap_or_else(|_| vec![name.to_owned()]);
        let column = self.column(&parts, None, Names::of(&input.scope))?;
        let found = column.id().and_then(|id| input.scope.columns.iter().find(|c| c.id == id));
        Ok(found.cloned().into_iter().collect())
    }
}

/// A column with another name.
pub(super) fn named(column: &Column, name: &str) -> Typed {
    let typed = of_column(column);
    Typed {
        expr: reference(&column.id),
        name: name.to_owned(),
        aliased: true,
        origin: Origin::Computed,
        ..typed
    }
}
