//! `SHOW TABLE EXTENDED`: details of each table as one string.

use super::catalogue_request::Listed;
use super::table::named_table;
use super::{Answer, Session};
use crate::RunJob;
use arrow::array::{ArrayRef, BooleanArray, StringArray};
use catalogue::{CATALOGUE, GLOBAL_TEMP};
use catalogue::{Table, TableKind};
use plan::{DataType, Field, SparkError};
use std::fmt::Write;
use std::sync::Arc;

impl Session {
    /// Lists tables and views whose names match a pattern.
    pub(super) async fn show_table_extended(
        &self,
        database: Option<&[String]>,
        pattern: &str,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        let name = database.map(analysis::quoted);
        let listed = self.listed(name.as_deref(), Some(pattern))?;
        let mut information = Vec::with_capacity(listed.len());
        for listed in &listed {
            information.push(self.information(listed, run).await?);
        }
        let schema = vec![
            Field::new("namespace", DataType::String, false),
            Field::new("tableName", DataType::String, false),
            Field::new("isTemporary", DataType::Boolean, false),
            Field::new("information", DataType::String, false),
        ];
        let text = |texts: Vec<String>| Arc::new(StringArray::from(texts)) as ArrayRef;
        let arrays = vec![
            text(listed.iter().map(|t| t.database.clone().unwrap_or_default()).collect()),
            text(listed.iter().map(|t| t.name.clone()).collect()),
            Arc::new(BooleanArray::from(listed.iter().map(|t| t.temporary).collect::<Vec<_>>())),
            text(information),
        ];
        Answer::columns(schema, arrays)
    }

    async fn information(&self, listed: &Listed, run: &dyn RunJob) -> Result<String, SparkError> {
        let mut name: Vec<String> = listed.database.iter().cloned().collect();
        name.push(listed.name.clone());
        let table = if listed.temporary { None } else { self.find_table(&name) };
        let mut out = String::new();
        if let Some(table) = &table {
            describe(table, &mut out);
        } else {
            if let Some(database) = &listed.database {
                let _ = writeln!(out, "Database: {database}");
            }
            let _ = writeln!(out, "Table: {}\nType: VIEW", listed.name);
        }
        // The columns of a view are the current ones of its query.
        let schema = match table {
            Some(table) if !matches!(table.kind, TableKind::View { .. }) => table.schema,
            _ => Box::pin(self.analyze(&named_table(&name), run)).await?.schema,
        };
        let _ = writeln!(out, "Schema: {}\n", DataType::Struct(schema).tree(None).trim_end());
        Ok(out)
    }
}

fn describe(table: &Table, out: &mut String) {
    if table.database != GLOBAL_TEMP {
        let _ = writeln!(out, "Catalog: {CATALOGUE}");
    }
    let _ = writeln!(out, "Database: {}\nTable: {}", table.database, table.name);
    let _ = writeln!(out, "Last Access: UNKNOWN\nType: {}", table.kind.name());
    if !matches!(table.kind, TableKind::View { .. }) {
        let _ = writeln!(out, "Provider: {}", table.format);
    }
    if let Some(comment) = &table.comment {
        let _ = writeln!(out, "Comment: {comment}");
    }
    if !table.properties.is_empty() {
        let properties: Vec<_> =
            table.properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let _ = writeln!(out, "Table Properties: [{}]", properties.join(", "));
    }
    if !matches!(table.kind, TableKind::View { .. }) {
        let _ = writeln!(out, "Location: {}", table.location);
    }
    if !table.partition_by.is_empty() {
        let columns: Vec<_> = table.partition_by.iter().map(|c| plan::quote_name(c)).collect();
        let _ = writeln!(out, "Partition Provider: Catalog");
        let _ = writeln!(out, "Partition Columns: [{}]", columns.join(", "));
    }
}
