//! `SHOW` commands for tables, views, columns, partitions, properties, functions and names.

use super::catalogue_request::{Listed, matches};
use super::error::wrong_command;
use super::table::named_table;
use super::{Answer, Session};
use crate::RunJob;
use analysis::{quoted, table_not_found};
use arrow::array::{ArrayRef, BooleanArray, StringArray};
use catalogue::{CATALOGUE, Table, TableKind};
use errors::condition;
use plan::{
    CastMode, Command, DataType, Expr, Field, NullOrder, Relation, RelationKind, SortOrder,
    SparkError,
};
use std::fmt::Write;
use std::sync::Arc;

/// Name of the partition with a null value in paths.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

impl Session {
    /// Executes commands that only show something.
    pub(super) async fn show_command(
        &self,
        command: &Command,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        match command {
            Command::ShowTables { database, pattern } => {
                self.show_tables(database.as_deref(), pattern.as_deref())
            }
            Command::ShowTableExtended { database, pattern } => {
                self.show_table_extended(database.as_deref(), pattern, run).await
            }
            Command::ShowViews { database, pattern } => {
                self.show_views(database.as_deref(), pattern.as_deref())
            }
            Command::ShowDatabases { pattern } => {
                let catalogue = self.shared.catalogue();
                let names = catalogue.databases().map(|database| database.name.clone());
                let names = names.filter(|name| matches(pattern.as_deref(), name));
                Answer::strings(&[("namespace", false)], names.map(|n| vec![Some(n)]).collect())
            }
            Command::ShowColumns { table } => {
                let analyzed = Box::pin(self.analyze(&named_table(table), run)).await?;
                let rows =
                    analyzed.schema.into_iter().map(|field| vec![Some(field.name)]).collect();
                Answer::strings(&[("col_name", false)], rows)
            }
            Command::ShowFunctions { pattern } => {
                let names = self.shared.functions.names().into_iter();
                let names = names.filter(|name| matches(pattern.as_deref(), name));
                let rows = names.map(|name| vec![Some(name.to_owned())]).collect();
                Answer::strings(&[("function", false)], rows)
            }
            Command::ShowCreateTable { name } => {
                let table = self.find_table(name).ok_or_else(|| table_not_found(name))?;
                Answer::text("createtab_stmt", create_statement(&table)?)
            }
            Command::ShowProperties { name, key } => self.show_properties(name, key.as_deref()),
            Command::ShowPartitions { name } => self.show_partitions(name, run).await,
            Command::ShowCatalogs { pattern } => {
                let shown = matches(pattern.as_deref(), CATALOGUE);
                let rows = if shown { vec![vec![Some(CATALOGUE.to_owned())]] } else { Vec::new() };
                Answer::strings(&[("catalog", false)], rows)
            }
            Command::ShowCurrentNamespace => {
                let row = vec![Some(CATALOGUE.to_owned()), Some(self.database())];
                Answer::strings(&[("catalog", false), ("namespace", false)], vec![row])
            }
            command => self.describe_command(command, run).await,
        }
    }

    fn show_tables(
        &self,
        database: Option<&[String]>,
        pattern: Option<&str>,
    ) -> Result<Answer, SparkError> {
        let name = database.map(quoted);
        names(&self.listed(name.as_deref(), pattern)?, "tableName")
    }

    fn show_views(
        &self,
        database: Option<&[String]>,
        pattern: Option<&str>,
    ) -> Result<Answer, SparkError> {
        let name = database.map(quoted);
        let mut listed = self.listed(name.as_deref(), pattern)?;
        listed.retain(|listed| listed.temporary || listed.kind == "VIEW");
        names(&listed, "viewName")
    }

    /// `SHOW TBLPROPERTIES`.
    pub(super) fn show_properties(
        &self,
        name: &[String],
        key: Option<&str>,
    ) -> Result<Answer, SparkError> {
        let columns = [("key", false), ("value", false)];
        let temporary =
            matches!(name, [single] if self.state().views.contains_key(&single.to_lowercase()));
        if temporary {
            return Answer::strings(&columns, Vec::new());
        }
        let table = self.find_table(name).ok_or_else(|| table_not_found(name))?;
        let mut properties = table.properties.clone();
        properties.sort();
        if let Some(key) = key {
            let found = properties.into_iter().find(|(known, _)| known == key);
            let missing = || {
                let table = table.qualified_name().join(".");
                format!("Table {table} does not have property: {key}")
            };
            let value = found.map_or_else(missing, |(_, value)| value);
            let row = vec![Some(key.to_owned()), Some(value)];
            return Answer::strings(&columns, vec![row]);
        }
        let rows = properties.into_iter().map(|(key, value)| vec![Some(key), Some(value)]);
        Answer::strings(&columns, rows.collect())
    }

    /// `SHOW PARTITIONS`: the partitions that have rows.
    pub(super) async fn show_partitions(
        &self,
        name: &[String],
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        let table = self.find_table(name).ok_or_else(|| table_not_found(name))?;
        if matches!(table.kind, TableKind::View { .. }) {
            return Err(wrong_command(name, "SHOW PARTITIONS", "view", "a table"));
        }
        if table.partition_by.is_empty() {
            let shown = quoted(&table.qualified_name());
            let message =
                format!("The partition command is invalid. Table {shown} is not partitioned.");
            let class = condition::INVALID_PARTITION_OPERATION_PARTITION_SCHEMA_IS_EMPTY;
            return Err(SparkError::analysis(class, message, &[("name", &shown)]));
        }
        let mut parts = Vec::new();
        for column in &table.partition_by {
            let value = Expr::Cast {
                expr: Box::new(Expr::column(column.clone())),
                to: DataType::String,
                mode: CastMode::Session,
            };
            let separator = if parts.is_empty() { "" } else { "/" };
            parts.push(Expr::string(format!("{separator}{column}=")));
            parts.push(Expr::call("coalesce", vec![value, Expr::string(NULL_PARTITION)]));
        }
        let path = Expr::call("concat", parts).alias("partition");
        let all = RelationKind::Project { input: named_table(name), expressions: vec![path] };
        let each = RelationKind::Deduplicate { input: all.into(), columns: Vec::new() };
        let key = Expr::column("partition");
        let order = vec![SortOrder { expr: key, ascending: true, nulls: NullOrder::Default }];
        let sorted: Relation =
            RelationKind::Sort { input: each.into(), order, global: true }.into();
        Box::pin(self.execute(&sorted, run)).await
    }
}

/// The rows of `SHOW TABLES` and `SHOW VIEWS`.
fn names(listed: &[Listed], column: &str) -> Result<Answer, SparkError> {
    let schema = vec![
        Field::new("namespace", DataType::String, false),
        Field::new(column, DataType::String, false),
        Field::new("isTemporary", DataType::Boolean, false),
    ];
    let text = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
    let arrays = vec![
        text(listed.iter().map(|t| t.database.clone().unwrap_or_default()).collect()),
        text(listed.iter().map(|t| t.name.clone()).collect()),
        Arc::new(BooleanArray::from(listed.iter().map(|t| t.temporary).collect::<Vec<_>>())),
    ];
    Answer::columns(schema, arrays)
}

fn create_statement(table: &Table) -> Result<String, SparkError> {
    if let TableKind::View { .. } = table.kind {
        return Err(SparkError::unsupported("SHOW CREATE TABLE of a view"));
    }
    let columns: Vec<_> = table
        .schema
        .iter()
        .map(|f| format!("  {} {}", plan::quote_if_needed(&f.name), f.data_type.sql()))
        .collect();
    let mut text = format!(
        "CREATE TABLE {CATALOGUE}.{}.{} (\n{})\nUSING {}\n",
        table.database,
        table.name,
        columns.join(",\n"),
        table.format
    );
    if !table.partition_by.is_empty() {
        let _ = writeln!(text, "PARTITIONED BY ({})", table.partition_by.join(", "));
    }
    if table.kind == TableKind::External {
        let _ = writeln!(text, "LOCATION '{}'", table.location);
    }
    Ok(text)
}
