//! Tables: creation, lookup, truncation and removal.

use super::Session;
use super::error::{already_exists, database_not_found, wrong_command};
use crate::RunJob;
use analysis::table_not_found;
use catalogue::CATALOGUE;
use catalogue::{Catalogue, Table, TableKind};
use model::conf;
use plan::{
    CreateTable, Field, Relation, RelationKind, ReplaceMode, SaveMode, SparkError, Write,
    WriteTarget,
};
use sources::Location;

impl Session {
    /// The location of a path.
    pub(super) fn located(&self, path: &str) -> Result<Location, SparkError> {
        Location::parse(path, self.shared.state.runtime_env())
    }

    /// Removes the files of a managed table.
    pub(super) async fn remove_files(&self, table: &Table) -> Result<(), SparkError> {
        match table.kind {
            TableKind::Managed => self.located(&table.location)?.remove_directory().await,
            TableKind::External | TableKind::View { .. } => Ok(()),
        }
    }

    /// A table has a directory from the start, so that it can be read while it has no rows.
    async fn make_directory(&self, location: &str) -> Result<(), SparkError> {
        self.located(location)?.make_directory().await
    }

    pub(super) fn add_table(&self, table: Table) {
        self.shared.change_catalogue(|catalogue| {
            if let Some(database) = catalogue.database_mut(&table.database) {
                database.tables.insert(table.name.to_lowercase(), table);
            }
        });
    }

    /// Removes a table from the catalogue; its files stay.
    pub(super) fn remove_table(&self, name: &[String]) {
        let Some((database, table)) = Catalogue::locate(name, &self.database()) else { return };
        self.shared.change_catalogue(|catalogue| {
            if let Some(database) = catalogue.database_mut(&database) {
                database.tables.remove(&table);
            }
        });
    }

    pub(super) fn find_table(&self, name: &[String]) -> Option<Table> {
        self.shared.catalogue().table(name, &self.database()).cloned()
    }

    pub(super) async fn create_table(
        &self,
        create: &CreateTable,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        if let Some(source) = self.python_source(create.format.as_deref()) {
            let what = format!("A table of the Python data source {}", source.name);
            return Err(SparkError::unsupported(what));
        }
        let schema = match &create.query {
            Some(query) => self.analyze(query, run).await?.schema,
            None => create.schema.clone(),
        };
        let existing = self.find_table(&create.name);
        match (&existing, create.replace) {
            (Some(_), ReplaceMode::Keep) => return Ok(()),
            (Some(_), ReplaceMode::Fail) => return Err(already_exists(&create.name)),
            _ => {}
        }
        let table = self.new_table(create, schema)?;
        // The query may read the table that it replaces, so the old files are removed once those of
        // the query exist.
        if let Some(old) = &existing
            && create.query.is_none()
        {
            self.remove_files(old).await?;
        }
        let location = table.location.clone();
        let format = table.format.clone();
        if let Some(query) = &create.query {
            let write = Write {
                input: query.clone(),
                format: Some(format),
                target: WriteTarget::Path(location),
                mode: SaveMode::Overwrite,
                partition_by: create.partition_by.clone(),
                options: create.options.clone(),
                bucket_by: None,
                sort_by: Vec::new(),
            };
            self.write_files(&write, run).await?;
        } else {
            self.make_directory(&location).await?;
        }
        if let Some(old) = existing
            && old.location != table.location
        {
            self.remove_files(&old).await?;
        }
        self.add_table(table);
        Ok(())
    }

    fn new_table(&self, create: &CreateTable, schema: Vec<Field>) -> Result<Table, SparkError> {
        let (database, name) = Catalogue::locate(&create.name, &self.database())
            .ok_or_else(|| table_not_found(&create.name))?;
        let catalogue = self.shared.catalogue();
        let Some(home) = catalogue.database(&database) else {
            return Err(database_not_found(&[CATALOGUE.to_owned(), database]));
        };
        let default = self.state().conf.get(&conf::DEFAULT_SOURCE);
        let default = default?;
        let format = create.format.clone().unwrap_or(default).to_lowercase();
        let path =
            create.location.clone().or_else(|| option(&create.options, "path").map(str::to_owned));
        let kind = if path.is_some() { TableKind::External } else { TableKind::Managed };
        // Partition columns come last, as in the files.
        let is_partition = |field: &&Field| {
            create.partition_by.iter().any(|name| name.eq_ignore_ascii_case(&field.name))
        };
        let nullable = |field: &Field| Field { nullable: true, ..field.clone() };
        let mut columns: Vec<Field> =
            schema.iter().filter(|field| !is_partition(field)).map(nullable).collect();
        columns.extend(schema.iter().filter(is_partition).map(nullable));
        Ok(Table {
            location: path.unwrap_or_else(|| format!("{}/{name}", home.location)),
            database,
            name,
            kind,
            schema: columns,
            format,
            partition_by: create.partition_by.clone(),
            options: create.options.clone(),
            properties: create.properties.clone(),
            comment: create.comment.clone(),
        })
    }

    pub(super) async fn create_table_like(
        &self,
        table: &CreateTable,
        source: &[String],
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let analyzed = Box::pin(self.analyze(&named_table(source), run)).await?;
        let known = self.find_table(source).filter(|t| !matches!(t.kind, TableKind::View { .. }));
        let (format, partition_by) = match &known {
            Some(known) => (Some(known.format.clone()), known.partition_by.clone()),
            None => (None, Vec::new()),
        };
        let create = CreateTable {
            schema: analyzed.schema,
            format: table.format.clone().or(format),
            partition_by,
            ..table.clone()
        };
        Box::pin(self.create_table(&create, run)).await
    }

    pub(super) async fn drop_table(
        &self,
        name: &[String],
        if_exists: bool,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        match self.find_table(name) {
            Some(table) if matches!(table.kind, TableKind::View { .. }) => {
                Err(wrong_command(name, "DROP TABLE", "view", "DROP VIEW"))
            }
            Some(table) => {
                Box::pin(self.uncache(name, run)).await?;
                self.remove_files(&table).await?;
                self.remove_table(name);
                Ok(())
            }
            // In Spark, DROP TABLE may drop a temporary view.
            None if self.drop_temporary_view(name, run).await? || if_exists => Ok(()),
            None => Err(table_not_found(name)),
        }
    }

    pub(super) async fn truncate(&self, name: &[String]) -> Result<(), SparkError> {
        match self.find_table(name) {
            Some(table) if table.kind == TableKind::Managed => {
                self.remove_files(&table).await?;
                self.make_directory(&table.location).await
            }
            Some(_) => Err(wrong_command(name, "TRUNCATE TABLE", "view", "a managed table")),
            None => Err(table_not_found(name)),
        }
    }
}

/// The value of an option; keys are case-insensitive.
pub(super) fn option<'o>(options: &'o [(String, String)], key: &str) -> Option<&'o str> {
    options
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(key))
        .map(|(_, value)| value.as_str())
}

/// A table or view by name, as a relation.
pub(super) fn named_table(name: &[String]) -> Relation {
    RelationKind::Table { name: name.to_vec(), options: Vec::new() }.into()
}
