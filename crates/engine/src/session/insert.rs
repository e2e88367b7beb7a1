//! `INSERT` into tables: assigns values to columns.

use super::Session;
use super::error::wrong_command;
use crate::RunJob;
use analysis::table_not_found;
use catalogue::{Table, TableKind};
use errors::condition;
use plan::{
    Expr, Field, Literal, Relation, RelationKind, SaveMode, SparkError, Write, WriteTarget,
};

/// An `INSERT` statement.
pub(super) struct Insert<'a> {
    pub(super) table: &'a [String],
    pub(super) columns: &'a [String],
    pub(super) input: &'a Relation,
    pub(super) overwrite: bool,
    pub(super) partition: &'a [(String, Option<Expr>)],
}

impl Session {
    pub(super) async fn insert(
        &self,
        insert: Insert<'_>,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let Some(table) = self.find_table(insert.table) else {
            return Err(table_not_found(insert.table));
        };
        if matches!(table.kind, TableKind::View { .. }) {
            return Err(wrong_command(insert.table, "INSERT", "view", "a table"));
        }
        let input = self.insert_rows(&table, &insert, run).await?;
        let mode = if insert.overwrite { SaveMode::Overwrite } else { SaveMode::Append };
        let write = Write {
            input,
            format: Some(table.format.clone()),
            target: WriteTarget::Path(table.location.clone()),
            mode,
            partition_by: table.partition_by.clone(),
            options: table.options.clone(),
            bucket_by: None,
            sort_by: Vec::new(),
        };
        self.write_files(&write, run).await
    }

    /// The rows to insert, with the table's columns in order and of the right types.
    async fn insert_rows(
        &self,
        table: &Table,
        insert: &Insert<'_>,
        run: &dyn RunJob,
    ) -> Result<Relation, SparkError> {
        let analyzed = self.analyze(insert.input, run).await?;
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let fixed = |name: &str| {
            insert.partition.iter().find(|(key, value)| same(key, name) && value.is_some())
        };
        let targets: Vec<String> = if insert.columns.is_empty() {
            let free = table.schema.iter().filter(|field| fixed(&field.name).is_none());
            free.map(|field| field.name.clone()).collect()
        } else {
            insert.columns.to_vec()
        };
        let unknown = |target: &&String| !table.schema.iter().any(|f| same(&f.name, target));
        if let Some(target) = targets.iter().find(unknown) {
            return Err(not_of_table(target, &table.schema));
        }
        if targets.len() != analyzed.schema.len() {
            return Err(arity(table, &targets, &analyzed.schema));
        }
        let positions: Vec<String> = (0..targets.len()).map(|index| format!("_c{index}")).collect();
        let input: Relation =
            RelationKind::ToDf { input: insert.input.clone(), names: positions.clone() }.into();
        let mut expressions = Vec::new();
        for field in &table.schema {
            let at = targets.iter().position(|target| same(target, &field.name));
            let value = match (at, fixed(&field.name)) {
                (Some(at), _) => Expr::column(positions[at].clone()),
                (None, Some((_, Some(value)))) => value.clone(),
                (None, _) => Expr::Literal(Literal::Null(field.data_type.clone())),
            };
            let mode = plan::CastMode::Session;
            let cast = Expr::Cast { expr: Box::new(value), to: field.data_type.clone(), mode };
            expressions.push(cast.alias(&field.name));
        }
        Ok(RelationKind::Project { input, expressions }.into())
    }
}

fn not_of_table(column: &str, schema: &[Field]) -> SparkError {
    let object = plan::quote_name(column);
    let names: Vec<_> = schema.iter().map(|field| plan::quote_name(&field.name)).collect();
    let proposal = names.join(", ");
    let message = format!(
        "A column, variable, or function parameter with name {object} cannot be resolved. Did you mean one of the following? [{proposal}]."
    );
    let parameters = [("objectName", object.as_str()), ("proposal", &proposal)];
    SparkError::analysis(condition::UNRESOLVED_COLUMN_WITH_SUGGESTION, message, &parameters)
}

fn arity(table: &Table, targets: &[String], schema: &[Field]) -> SparkError {
    let shown = analysis::quoted(&table.qualified_name());
    let list = |names: Vec<String>| {
        names.iter().map(|name| plan::quote_name(name)).collect::<Vec<_>>().join(", ")
    };
    let (wanted, given) =
        (list(targets.to_vec()), list(schema.iter().map(|f| f.name.clone()).collect()));
    let (why, reason) = if schema.len() > targets.len() {
        (condition::INSERT_COLUMN_ARITY_MISMATCH_TOO_MANY_DATA_COLUMNS, "too many data columns")
    } else {
        (condition::INSERT_COLUMN_ARITY_MISMATCH_NOT_ENOUGH_DATA_COLUMNS, "not enough data columns")
    };
    let message = format!(
        "Cannot write to {shown}, the reason is {reason}:\nTable columns: {wanted}.\nData columns: {given}."
    );
    let parameters =
        [("tableName", shown.as_str()), ("tableColumns", &wanted), ("dataColumns", &given)];
    SparkError::analysis(why, message, &parameters)
}
