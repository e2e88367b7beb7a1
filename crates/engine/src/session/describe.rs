//! `DESCRIBE` of tables, queries, functions and databases.

use super::error::database_not_found;
use super::table::named_table;
use super::{Answer, Session};
use crate::RunJob;
use catalogue::CATALOGUE;
use catalogue::Table;
use errors::condition;
use plan::{Command, Field, SparkError};

type Rows = Vec<Vec<Option<String>>>;

const DESCRIBED: [(&str, bool); 3] = [("col_name", false), ("data_type", false), ("comment", true)];

impl Session {
    /// Executes commands that describe something.
    pub(super) async fn describe_command(
        &self,
        command: &Command,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        match command {
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
