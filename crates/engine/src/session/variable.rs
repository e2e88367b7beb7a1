//! Session variables: declared, set, dropped; and `EXECUTE IMMEDIATE`.

use super::observe::value_at;
use super::{Answer, Session};
use crate::RunJob;
use errors::condition;
use plan::{
    CastMode, Command, DataType, Expr, Literal, Relation, RelationKind, SparkError, Statement,
};
use std::sync::Arc;

impl Session {
    /// Executes the commands of this module; `None` for others.
    pub(super) async fn variable_command(
        &self,
        command: &Command,
        run: &dyn RunJob,
    ) -> Result<Option<Answer>, SparkError> {
        match command {
            Command::DeclareVariable { name, data_type, default, replace } => {
                let known = catalogue::variable_name(name).ok_or_else(|| unresolved(name))?;
                if self.state().variables.contains_key(&known) && !replace {
                    let shown = shown(name);
                    let message = format!(
                        "Cannot create the variable {shown} because it already exists.\nChoose a different name, or drop or replace the existing variable."
                    );
                    let parameters = [("variableName", shown.as_str())];
                    let class = condition::VARIABLE_ALREADY_EXISTS;
                    return Err(SparkError::analysis(class, message, &parameters));
                }
                let value = default.clone();
                let value = value.unwrap_or(Expr::Literal(Literal::Null(DataType::Null)));
                let value = match data_type {
                    Some(to) => cast(value, to),
                    None => value,
                };
                let one: Relation = RelationKind::OneRow.into();
                let row = RelationKind::Project { input: one, expressions: vec![value] };
                let mut row = self.one_row(&row.into(), run).await?;
                let value = row.pop().unwrap_or((DataType::Null, Literal::Null(DataType::Null)));
                Arc::make_mut(&mut self.change().variables).insert(known, value);
                Ok(None)
            }
            Command::SetVariable { names, value } => {
                self.set_variables(names, value, run).await.map(|()| None)
            }
            Command::DropVariable { name, if_exists } => {
                let known = catalogue::variable_name(name).unwrap_or_default();
                let mut state = self.change();
                let gone = Arc::make_mut(&mut state.variables).remove(&known);
                if gone.is_none() && !if_exists {
                    return Err(unresolved(name));
                }
                Ok(None)
            }
            Command::ExecuteImmediate { text, into, using } => {
                self.execute_immediate(text, into, using, run).await
            }
            _ => Err(SparkError::internal("not a command for variables")),
        }
    }

    /// The values of a relation's only row; nulls if it has none.
    async fn one_row(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<Vec<(DataType, Literal)>, SparkError> {
        let answer = Box::pin(self.execute(relation, run)).await?;
        if answer.row_count() > 1 {
            let message = "More than one row returned by a subquery used as a row.";
            return Err(SparkError::analysis(condition::ROW_SUBQUERY_TOO_MANY_ROWS, message, &[]));
        }
        let row = answer.batches.iter().find(|batch| batch.num_rows() > 0);
        let fields = answer.schema.iter().enumerate();
        let values = fields.map(|(index, field)| {
            let kind = field.data_type.clone();
            let value = match row {
                Some(row) => value_at(row.column(index).as_ref(), 0, &kind)?,
                None => Literal::Null(kind.clone()),
            };
            Ok((kind, value))
        });
        values.collect()
    }

    async fn set_variables(
        &self,
        names: &[Vec<String>],
        value: &Relation,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let mut targets = Vec::new();
        for name in names {
            let known = catalogue::variable_name(name)
                .filter(|known| self.state().variables.contains_key(known));
            let known = known.ok_or_else(|| unresolved(name))?;
            if targets.contains(&known) {
                let shown = shown(name);
                let message = format!(
                    "The columns or variables {shown} appear more than once as assignment targets."
                );
                let parameters = [("nameList", shown.as_str())];
                return Err(SparkError::analysis(
                    condition::DUPLICATE_ASSIGNMENTS,
                    message,
                    &parameters,
                ));
            }
            targets.push(known);
        }
        let width = Box::pin(self.analyze(value, run)).await?.schema.len();
        if width != targets.len() {
            let (expected, got) = (targets.len().to_string(), width.to_string());
            let message = format!(
                "The number of columns or variables assigned or aliased: {expected} does not match the number of source expressions: {got}."
            );
            let parameters = [("numTarget", expected.as_str()), ("numExpr", &got)];
            return Err(SparkError::analysis(
                condition::ASSIGNMENT_ARITY_MISMATCH,
                message,
                &parameters,
            ));
        }
        let positions: Vec<String> = (0..width).map(|index| format!("_c{index}")).collect();
        let types: Vec<DataType> = {
            let state = self.state();
            let declared = |name: &String| state.variables.get(name).map(|(kind, _)| kind.clone());
            targets.iter().filter_map(declared).collect()
        };
        let input = RelationKind::ToDf { input: value.clone(), names: positions.clone() };
        let casts = positions.iter().zip(&types).map(|(name, to)| cast(Expr::column(name), to));
        let row = RelationKind::Project { input: input.into(), expressions: casts.collect() };
        let values = self.one_row(&row.into(), run).await?;
        let mut state = self.change();
        let variables = Arc::make_mut(&mut state.variables);
        for ((name, kind), (_, value)) in targets.into_iter().zip(types).zip(values) {
            variables.insert(name, (kind, value));
        }
        Ok(())
    }

    async fn execute_immediate(
        &self,
        text: &Expr,
        into: &[Vec<String>],
        using: &[(Option<String>, Expr)],
        run: &dyn RunJob,
    ) -> Result<Option<Answer>, SparkError> {
        let one = || Relation::from(RelationKind::OneRow);
        let row = RelationKind::Project { input: one(), expressions: vec![text.clone()] };
        let Some((_, Literal::String(text))) = self.one_row(&row.into(), run).await?.pop() else {
            let message = "The query of EXECUTE IMMEDIATE must be a text that is not null.";
            return Err(SparkError::analysis(
                condition::INVALID_EXPR_TYPE_FOR_QUERY_EXECUTE_IMMEDIATE,
                message,
                &[],
            ));
        };
        let mut arguments = Vec::new();
        for (index, (name, value)) in using.iter().enumerate() {
            let row = RelationKind::Project { input: one(), expressions: vec![value.clone()] };
            let value = self.one_row(&row.into(), run).await?.pop();
            let (_, value) = value.unwrap_or((DataType::Null, Literal::Null(DataType::Null)));
            let name = name.clone().unwrap_or_else(|| index.to_string());
            arguments.push((name, Expr::Literal(value)));
        }
        let relation: Relation = RelationKind::Sql { text, arguments }.into();
        match self.statement_of(&relation)? {
            Some(Statement::Command(_)) if !into.is_empty() => {
                let message = "Reading into variables is only possible for queries: INTO.";
                Err(SparkError::analysis(
                    condition::INVALID_STATEMENT_FOR_EXECUTE_INTO,
                    message,
                    &[],
                ))
            }
            Some(Statement::Command(Command::ExecuteImmediate { .. })) => {
                let message = "Nested EXECUTE IMMEDIATE commands are not allowed.";
                Err(SparkError::analysis(condition::NESTED_EXECUTE_IMMEDIATE, message, &[]))
            }
            Some(Statement::Command(command)) => Box::pin(self.command(&command, run)).await,
            _ if into.is_empty() => Box::pin(self.execute(&relation, run)).await.map(Some),
            _ => self.set_variables(into, &relation, run).await.map(|()| None),
        }
    }
}

fn cast(expr: Expr, to: &DataType) -> Expr {
    Expr::Cast { expr: Box::new(expr), to: to.clone(), mode: CastMode::Session }
}

/// A variable's qualified name, in backticks.
fn shown(name: &[String]) -> String {
    match catalogue::variable_name(name) {
        Some(name) => format!("`system`.`session`.{}", plan::quote_name(&name)),
        None => analysis::quoted(name),
    }
}

fn unresolved(name: &[String]) -> SparkError {
    let shown = analysis::quoted(name);
    let path = "`system`.`session`";
    let message = format!("Cannot resolve variable {shown} on search path {path}.");
    let parameters = [("variableName", shown.as_str()), ("searchPath", path)];
    SparkError::analysis(condition::UNRESOLVED_VARIABLE, message, &parameters)
}
