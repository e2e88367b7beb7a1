//! `ALTER TABLE` and `ALTER VIEW`.

use super::Session;
use super::error::{already_exists, wrong_command};
use crate::RunJob;
use analysis::{quoted, table_not_found};
use catalogue::{Catalogue, Table, TableKind};
use errors::condition;
use plan::{Alteration, Field, Relation, ReplaceMode, SparkError, View};

impl Session {
    pub(super) async fn alter(
        &self,
        name: &[String],
        view: bool,
        change: &Alteration,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        if let [single] = name
            && view
            && self.state().views.contains_key(&single.to_lowercase())
        {
            return self.alter_temporary_view(single, change, run).await;
        }
        let table = self.find_table(name).ok_or_else(|| table_not_found(name))?;
        match (&table.kind, view) {
            (TableKind::View { .. }, false) => {
                return Err(wrong_command(name, "ALTER TABLE", "view", "ALTER VIEW"));
            }
            (TableKind::Managed | TableKind::External, true) => {
                return Err(wrong_command(name, "ALTER VIEW", "table", "ALTER TABLE"));
            }
            _ => {}
        }
        match change {
            Alteration::Rename { to } => self.rename_table(table, to).await,
            Alteration::Query(query) => self.create_view(&view_of(name, query, false), run).await,
            change => {
                self.add_table(changed(table, change)?);
                Ok(())
            }
        }
    }

    async fn alter_temporary_view(
        &self,
        name: &str,
        change: &Alteration,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        match change {
            Alteration::Query(query) => {
                self.create_view(&view_of(&[name.to_owned()], query, true), run).await
            }
            Alteration::Rename { to } => {
                let [to_name] = to.as_slice() else {
                    let message =
                        "A temporary view cannot be renamed to a name with several parts.";
                    return Err(SparkError::analysis(condition::INVALID_SQL_SYNTAX, message, &[]));
                };
                let mut state = self.change();
                if state.views.contains_key(&to_name.to_lowercase()) {
                    return Err(already_exists(to));
                }
                let views = state.views.make_mut();
                if let Some(view) = views.remove(&name.to_lowercase()) {
                    views.insert(to_name.to_lowercase(), view);
                }
                Ok(())
            }
            _ => Err(SparkError::unsupported("ALTER VIEW … TBLPROPERTIES of a temporary view")),
        }
    }

    async fn rename_table(&self, mut table: Table, to: &[String]) -> Result<(), SparkError> {
        let old = table.qualified_name();
        let (database, name) =
            Catalogue::locate(to, &table.database).ok_or_else(|| table_not_found(to))?;
        if database != table.database {
            let message = format!(
                "RENAME TABLE source and destination databases do not match: '{}' != '{database}'.",
                table.database
            );
            return Err(SparkError::analysis(condition::LEGACY_ERROR_TEMP_1073, message, &[]));
        }
        let new = [database, name.clone()];
        if self.find_table(&new).is_some() {
            return Err(already_exists(&new));
        }
        let home = self.shared.catalogue().database(&table.database).map(|d| d.location.clone());
        let home = home.unwrap_or_default();
        let location = format!("{home}/{name}");
        if table.kind == TableKind::Managed {
            let (from, into) = (self.located(&table.location)?, self.located(&location)?);
            from.move_directory(&into).await?;
            table.location = location;
        }
        self.remove_table(&old);
        table.name = name;
        self.add_table(table);
        Ok(())
    }
}

/// A table with the change applied to its description.
fn changed(mut table: Table, change: &Alteration) -> Result<Table, SparkError> {
    match change {
        Alteration::AddColumns(fields) => {
            for field in fields {
                if table.schema.iter().any(|known| known.name.eq_ignore_ascii_case(&field.name)) {
                    let shown = plan::quote_name(&field.name);
                    let message = format!(
                        "The column {shown} already exists. Choose another name or rename the existing column."
                    );
                    let parameters = [("columnName", shown.as_str())];
                    return Err(SparkError::analysis(
                        condition::COLUMN_ALREADY_EXISTS,
                        message,
                        &parameters,
                    ));
                }
                // Partition columns stay last.
                let at = table.schema.len() - table.partition_by.len();
                table.schema.insert(at, Field { nullable: true, ..field.clone() });
            }
        }
        Alteration::SetProperties(properties) => {
            for (key, value) in properties {
                table.properties.retain(|(known, _)| known != key);
                table.properties.push((key.clone(), value.clone()));
            }
        }
        // Like Spark, ignore missing keys even without IF EXISTS.
        Alteration::UnsetProperties { keys, if_exists: _ } => {
            table.properties.retain(|(known, _)| !keys.contains(known));
        }
        Alteration::SetLocation(location) => table.location.clone_from(location),
        Alteration::ChangeColumns { operation } => {
            let shown = quoted(&table.qualified_name());
            let message = format!(
                "The feature is not supported: Table {shown} does not support {operation}. Please check the current catalog and namespace to make sure the qualified table name is expected, and also check the catalog implementation which is configured by \"spark.sql.catalog\"."
            );
            let parameters = [("tableName", shown.as_str()), ("operation", *operation)];
            let class = condition::UNSUPPORTED_FEATURE_TABLE_OPERATION;
            return Err(SparkError::analysis(class, message, &parameters));
        }
        Alteration::Rename { .. } | Alteration::Query(_) => {}
    }
    Ok(table)
}

fn view_of(name: &[String], query: &Relation, temporary: bool) -> View {
    View {
        name: name.to_vec(),
        query: query.clone(),
        columns: Vec::new(),
        replace: ReplaceMode::Replace,
        temporary,
        global: false,
        by_name: true,
    }
}
