//! Select lists.

use super::column::Names;
use super::missing::{Below, Source};
use super::scope::Scope;
use super::typed::Typed;
use super::{Resolved, Resolver, Result, aggregate, error};
use errors::condition;
use plan::{Expr, FunctionCall, Relation, SparkError};

/// A generator in a select list.
pub(super) struct Generator<'e> {
    pub(super) call: &'e FunctionCall,
    pub(super) names: &'e [String],
}

impl Resolver<'_> {
    pub(super) fn project(&mut self, input: &Relation, items: &[Expr]) -> Result<Resolved> {
        let input = self.relation(input)?;
        let parsed = self.parsed(items)?;
        self.select(input, &parsed)
    }

    /// Parses items that are SQL text.
    pub(super) fn parsed(&self, items: &[Expr]) -> Result<Vec<Expr>> {
        items
            .iter()
            .map(|item| {
                let Expr::Text(text) = item else { return Ok(item.clone()) };
                Ok(self.context.parser.expression(text).map_err(SparkError::from)?)
            })
            .collect()
    }

    /// Resolves a select list above an input.
    pub(super) fn select(&mut self, input: Resolved, items: &[Expr]) -> Result<Resolved> {
        if let Some(position) = items.iter().position(|item| self.generator(item).is_some()) {
            return self.select_generated(input, items, position);
        }
        let mut resolved: Vec<Typed> = Vec::new();
        for item in items {
            let names = Names { lateral: &resolved, ..Names::of(&input.scope) };
            let expanded = self.expand(item, names)?;
            resolved.extend(expanded);
        }
        if resolved.iter().any(|item| aggregate::has_aggregate(&item.expr)) {
            return self.global_aggregate(&input, resolved);
        }
        self.select_typed(input, resolved)
    }

    /// Builds a select list of resolved items.
    pub(super) fn select_typed(&mut self, input: Resolved, items: Vec<Typed>) -> Result<Resolved> {
        let outputs: Vec<_> = items.into_iter().map(|item| (self.output(&item).0, item)).collect();
        let columns = outputs.iter().map(|(column, _)| column.clone()).collect();
        let metadata = input.scope.metadata.clone();
        let scope = Scope { metadata, ..input.scope.above(columns) };
        let items = outputs.iter().map(|(_, item)| item);
        let source = Source::Plan(super::time_window::with_time(input.plan, items)?);
        let below = Below { scope: input.scope, source, outputs, above: Vec::new() };
        let plan = self.rebuild(&below, &[])?;
        Ok(Resolved { plan, scope, below: Some(Box::new(below)) })
    }

    /// Expands one item of a list: several columns for `*`.
    pub(super) fn expand(&mut self, item: &Expr, names: Names<'_>) -> Result<Vec<Typed>> {
        match item {
            Expr::Star { target, except, plan_id } => {
                let mut columns = self.star(target, *plan_id, names)?;
                if !except.is_empty() {
                    self.leave_out(&mut columns, except, names)?;
                }
                Ok(columns)
            }
            Expr::ColumnRegex { pattern, plan_id } => self.column_regex(pattern, *plan_id, names),
            Expr::Text(text) => {
                let parsed = self.context.parser.expression(text).map_err(SparkError::from)?;
                self.expand(&parsed, names)
            }
            item => {
                let mut typed = self.expression(item, names)?;
                if !typed.aliased {
                    typed.name = typed.column_name();
                }
                Ok(vec![typed])
            }
        }
    }

    fn leave_out(
        &mut self,
        columns: &mut Vec<Typed>,
        except: &[Vec<String>],
        names: Names<'_>,
    ) -> Result<()> {
        for name in except {
            let column = self.column(name, None, names)?;
            let before = columns.len();
            columns.retain(|candidate| candidate.expr != column.expr);
            if columns.len() == before {
                let names: Vec<String> = except.iter().map(|name| name.join(".")).collect();
                let names = names.join(", ");
                return Err(error::analysis(
                    condition::EXCEPT_OVERLAPPING_COLUMNS,
                    format!(
                        "Columns in an EXCEPT list must be distinct and non-overlapping, but got ({names})."
                    ),
                    &[("columns", &names)],
                ));
            }
        }
        Ok(())
    }

    /// The generator call of an item, if it is one.
    pub(super) fn generator<'e>(&self, item: &'e Expr) -> Option<Generator<'e>> {
        let (call, names) = match item {
            Expr::Function(call) => (call, &[][..]),
            Expr::Alias { expr, names, .. } => match expr.as_ref() {
                Expr::Function(call) => (call, names.as_slice()),
                _ => return None,
            },
            _ => return None,
        };
        let name = super::call::plain_name(&call.name);
        self.context.registry.is_generator(&name).then_some(Generator { call, names })
    }

    /// Resolves a select list with a generator: the generator's columns come first, then the list
    /// refers to them.
    fn select_generated(
        &mut self,
        input: Resolved,
        items: &[Expr],
        position: usize,
    ) -> Result<Resolved> {
        let count = items.iter().filter(|item| self.generator(item).is_some()).count();
        if count > 1 {
            let message = format!(
                "The generator is not supported: only one generator allowed per SELECT clause but found {count}."
            );
            return Err(error::analysis(
                condition::UNSUPPORTED_GENERATOR_MULTI_GENERATOR,
                message,
                &[("num", &count.to_string())],
            ));
        }
        let Some(generator) = self.generator(&items[position]) else {
            return Err(SparkError::internal("a generator is missing").into());
        };
        let outside = input.scope.clone();
        let generated = self.generate(input, &generator)?;
        let made: Vec<Typed> = generated.scope.columns[outside.columns.len()..]
            .iter()
            .map(super::column::of_column)
            .collect();
        let names_scope = Scope { columns: outside.columns, ..generated.scope.clone() };
        let mut resolved: Vec<Typed> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if index == position {
                resolved.extend(made.iter().cloned());
                continue;
            }
            let names = Names { lateral: &resolved, ..Names::of(&names_scope) };
            let expanded = self.expand(item, names)?;
            resolved.extend(expanded);
        }
        self.select_typed(Resolved::new(generated.plan, generated.scope), resolved)
    }
}
