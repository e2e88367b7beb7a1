//! `SHOW …` and `DESCRIBE …`.

use super::catalogue_request::matches;
use super::command::{database_not_found, named_table};
use super::{Answer, Session};
use crate::RunJob;
use analysis::table_not_found;
use arrow::array::{ArrayRef, BooleanArray, StringArray};
use catalogue::CATALOGUE;
use catalogue::{Table, TableKind};
use errors::condition;
use plan::{Command, DataType, Field, SparkError};
use std::fmt::Write;
use std::sync::Arc;

type Rows = Vec<Vec<Option<String>>>;

const DESCRIBED: [(&str, bool); 3] = [("col_name", false), ("data_type", false), ("comment", true)];

impl Session {
    /// Commands that only show something.
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
            Command::DescribeTable { name, extended, column } => {
                self.describe_table(name, *extended, column.as_deref(), run).await
            }
            Command::DescribeQuery { query } => {
                let analyzed = Box::pin(self.analyze(query, run)).await?;
                Answer::strings(&DESCRIBED, described(&analyzed.schema))
            }
            Command::DescribeFunction { name, .. } => {
                let known = self.shared.functions.names().contains(&name.to_lowercase().as_str());
                let text = if known {
                    format!("Function: {}", name.to_lowercase())
                } else {
                    format!("Function: {name} not found.")
                };
                Answer::text("function_desc", text)
            }
            Command::DescribeDatabase { name, .. } => self.describe_database(name),
            _ => Err(SparkError::unsupported("this command")),
        }
    }

    fn show_tables(
        &self,
        database: Option<&[String]>,
        pattern: Option<&str>,
    ) -> Result<Answer, SparkError> {
        let name = database.map(analysis::quoted);
        let listed = self.listed(name.as_deref(), pattern)?;
        let schema = vec![
            Field::new("namespace", DataType::String, false),
            Field::new("tableName", DataType::String, false),
            Field::new("isTemporary", DataType::Boolean, false),
        ];
        let text = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let namespace = listed.iter().map(|t| t.database.clone().unwrap_or_default()).collect();
        let arrays = vec![
            text(namespace),
            text(listed.iter().map(|t| t.name.clone()).collect()),
            Arc::new(BooleanArray::from(listed.iter().map(|t| t.temporary).collect::<Vec<_>>())),
        ];
        Answer::columns(schema, arrays)
    }

    fn show_views(
        &self,
        database: Option<&[String]>,
        pattern: Option<&str>,
    ) -> Result<Answer, SparkError> {
        let name = database.map(analysis::quoted);
        let mut listed = self.listed(name.as_deref(), pattern)?;
        listed.retain(|listed| listed.temporary || listed.kind == "VIEW");
        let schema = vec![
            Field::new("namespace", DataType::String, false),
            Field::new("viewName", DataType::String, false),
            Field::new("isTemporary", DataType::Boolean, false),
        ];
        let text = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let namespace = listed.iter().map(|t| t.database.clone().unwrap_or_default()).collect();
        let arrays = vec![
            text(namespace),
            text(listed.iter().map(|t| t.name.clone()).collect()),
            Arc::new(BooleanArray::from(listed.iter().map(|t| t.temporary).collect::<Vec<_>>())),
        ];
        Answer::columns(schema, arrays)
    }

    async fn describe_table(
        &self,
        name: &[String],
        extended: bool,
        column: Option<&str>,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        let analyzed = Box::pin(self.analyze(&named_table(name), run)).await?;
        if let Some(column) = column {
            let found = analyzed.schema.iter().find(|f| f.name.eq_ignore_ascii_case(column));
            let Some(field) = found else {
                let shown = plan::quote_name(column);
                let message = format!(
                    "The column {shown} cannot be found. Verify the spelling and correctness of the column name according to the SQL config \"spark.sql.caseSensitive\"."
                );
                return Err(SparkError::analysis(
                    condition::COLUMN_NOT_FOUND,
                    message,
                    &[("colName", &shown)],
                ));
            };
            let columns = [("info_name", false), ("info_value", false)];
            let row = |name: &str, value: String| vec![Some(name.to_owned()), Some(value)];
            let rows = vec![
                row("col_name", field.name.clone()),
                row("data_type", field.data_type.to_string()),
                row("comment", "NULL".to_owned()),
            ];
            return Answer::strings(&columns, rows);
        }
        let mut rows = described(&analyzed.schema);
        if let Some(table) = self.find_table(name) {
            partitions(&table, &mut rows);
            if extended {
                details(&table, &mut rows);
            }
        }
        Answer::strings(&DESCRIBED, rows)
    }

    fn describe_database(&self, name: &[String]) -> Result<Answer, SparkError> {
        let catalogue = self.shared.catalogue();
        let found = name.last().and_then(|last| catalogue.database(last));
        let database = found.ok_or_else(|| database_not_found(name))?;
        let row = |name: &str, value: &str| vec![Some(name.to_owned()), Some(value.to_owned())];
        let rows = vec![
            row("Catalog Name", CATALOGUE),
            row("Namespace Name", &database.name),
            row("Comment", &database.comment),
            row("Location", &database.location),
        ];
        Answer::strings(&[("info_name", false), ("info_value", true)], rows)
    }
}

fn described(schema: &[Field]) -> Rows {
    let rows = schema
        .iter()
        .map(|field| vec![Some(field.name.clone()), Some(field.data_type.to_string()), None]);
    rows.collect()
}

fn row(name: &str, value: impl Into<String>) -> Vec<Option<String>> {
    vec![Some(name.to_owned()), Some(value.into()), Some(String::new())]
}

fn partitions(table: &Table, rows: &mut Rows) {
    if table.partition_by.is_empty() {
        return;
    }
    rows.push(row("# Partition Information", ""));
    rows.push(vec![
        Some("# col_name".to_owned()),
        Some("data_type".to_owned()),
        Some("comment".to_owned()),
    ]);
    let is_partition =
        |f: &&Field| table.partition_by.iter().any(|name| name.eq_ignore_ascii_case(&f.name));
    let fields: Vec<Field> = table.schema.iter().filter(is_partition).cloned().collect();
    rows.extend(described(&fields));
}

fn details(table: &Table, rows: &mut Rows) {
    rows.push(row("", ""));
    rows.push(row("# Detailed Table Information", ""));
    rows.push(row("Catalog", CATALOGUE));
    rows.push(row("Database", &table.database));
    rows.push(row("Table", &table.name));
    rows.push(row("Type", table.kind.name()));
    rows.push(row("Provider", &table.format));
    if let Some(comment) = &table.comment {
        rows.push(row("Comment", comment));
    }
    rows.push(row("Location", &table.location));
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
