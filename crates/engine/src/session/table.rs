//! Tables and files: made, written, emptied, dropped, scanned.

use super::Session;
use super::command::{already_exists, database_not_found, wrong_command};
use crate::RunJob;
use analysis::{Purpose, table_not_found};
use catalogue::CATALOGUE;
use catalogue::{Catalogue, Table, TableKind};
use errors::{Exception, condition};
use model::conf;
use plan::{
    CreateTable, Expr, Field, Literal, Relation, RelationKind, ReplaceMode, SaveMode, SparkError,
    Write, WriteTarget,
};
use sources::Location;

/// What `INSERT` says.
pub(super) struct Insert<'a> {
    pub(super) table: &'a [String],
    pub(super) columns: &'a [String],
    pub(super) input: &'a Relation,
    pub(super) overwrite: bool,
    pub(super) partition: &'a [(String, Option<Expr>)],
}

/// Removes what a managed table keeps.
pub(super) fn remove_files(table: &Table) -> Result<(), SparkError> {
    if table.kind != TableKind::Managed {
        return Ok(());
    }
    let path = table.location.strip_prefix("file:").unwrap_or(&table.location);
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let message = format!("cannot remove the directory {path}: {error}");
            Err(SparkError::plain(Exception::Spark, message))
        }
    }
}

/// A table has a directory from its beginning, so that it can be read while it has no rows.
fn make_directory(location: &str) -> Result<(), SparkError> {
    let path = location.strip_prefix("file:").unwrap_or(location);
    if path.contains("://") {
        return Ok(());
    }
    std::fs::create_dir_all(path).map_err(|error| {
        let message = format!("cannot make the directory {path}: {error}");
        SparkError::plain(Exception::Spark, message)
    })
}

impl Session {
    pub(super) fn add_table(&self, table: Table) {
        self.shared.change_catalogue(|catalogue| {
            if let Some(database) = catalogue.database_mut(&table.database) {
                database.tables.insert(table.name.to_lowercase(), table);
            }
        });
    }

    /// Forgets a table; its files stay.
    pub(super) fn forget_table(&self, name: &[String]) {
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
        // The query may read the table that it replaces: its files go when those of the query are there.
        if let Some(old) = &existing
            && create.query.is_none()
        {
            remove_files(old)?;
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
            make_directory(&location)?;
        }
        if let Some(old) = existing
            && old.location != table.location
        {
            remove_files(&old)?;
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
        // Columns that the table is partitioned by come last, as their files have it.
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

    pub(super) fn drop_table(&self, name: &[String], if_exists: bool) -> Result<(), SparkError> {
        match self.find_table(name) {
            Some(table) if matches!(table.kind, TableKind::View { .. }) => {
                Err(wrong_command(name, "DROP TABLE", "view", "DROP VIEW"))
            }
            Some(table) => {
                remove_files(&table)?;
                self.forget_table(name);
                Ok(())
            }
            // Spark lets DROP TABLE drop a temporary view.
            None if self.drop_temporary_view(name) || if_exists => Ok(()),
            None => Err(table_not_found(name)),
        }
    }

    pub(super) fn truncate(&self, name: &[String]) -> Result<(), SparkError> {
        match self.find_table(name) {
            Some(table) if table.kind == TableKind::Managed => {
                remove_files(&table)?;
                make_directory(&table.location)
            }
            Some(_) => Err(wrong_command(name, "TRUNCATE TABLE", "view", "a managed table")),
            None => Err(table_not_found(name)),
        }
    }

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

    /// The rows to insert, with the columns of the table in its order and of its types.
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

    pub(super) async fn write(&self, write: &Write, run: &dyn RunJob) -> Result<(), SparkError> {
        if write.bucket_by.is_some() || !write.sort_by.is_empty() {
            return Err(SparkError::unsupported("bucketBy and sortBy of a write"));
        }
        match &write.target {
            WriteTarget::Path(_) | WriteTarget::None => self.write_files(write, run).await,
            WriteTarget::InsertInto(name) => {
                let overwrite = write.mode == SaveMode::Overwrite;
                let (columns, partition) = (&[][..], &[][..]);
                let input = &write.input;
                self.insert(Insert { table: name, columns, input, overwrite, partition }, run).await
            }
            WriteTarget::Table(name) => self.save_as_table(name, write, run).await,
        }
    }

    async fn save_as_table(
        &self,
        name: &[String],
        write: &Write,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let exists = self.find_table(name).is_some();
        match (exists, write.mode) {
            (true, SaveMode::Ignore) => return Ok(()),
            (true, SaveMode::ErrorIfExists) => return Err(already_exists(name)),
            (true, SaveMode::Append) => {
                // By name, other than `insertInto`, which goes by position.
                let input = &write.input;
                let analyzed = self.analyze(input, run).await?;
                let columns: Vec<String> =
                    analyzed.schema.iter().map(|field| field.name.clone()).collect();
                let (columns, partition) = (columns.as_slice(), &[][..]);
                let insert = Insert { table: name, columns, input, overwrite: false, partition };
                return self.insert(insert, run).await;
            }
            _ => {}
        }
        let create = CreateTable {
            name: name.to_vec(),
            replace: ReplaceMode::Replace,
            schema: Vec::new(),
            format: write.format.clone(),
            options: write.options.clone(),
            location: None,
            partition_by: write.partition_by.clone(),
            comment: None,
            properties: Vec::new(),
            query: Some(write.input.clone()),
        };
        self.create_table(&create, run).await
    }

    /// Refuses to overwrite files that the rows are read from. Partitions overwritten one by one are written beside the old ones.
    fn check_not_read(
        &self,
        write: &Write,
        files: &[String],
        conf: &conf::Conf,
    ) -> Result<(), SparkError> {
        let WriteTarget::Path(path) = &write.target else { return Ok(()) };
        let dynamic = sources::overwrites_partitions(write, conf)?;
        if write.mode != SaveMode::Overwrite || dynamic {
            return Ok(());
        }
        let located = |path: &str| Location::parse(path, self.shared.state.runtime_env());
        let target = located(path)?;
        let is_read = |uri: &String| located(uri).is_ok_and(|file| file.is_in(&target));
        if !files.iter().any(is_read) {
            return Ok(());
        }
        let catalogue = self.shared.catalogue();
        let mut tables = catalogue.databases().flat_map(|database| database.tables.values());
        let at_path = |table: &&Table| located(&table.location).is_ok_and(|at| at == target);
        Err(match tables.find(at_path) {
            Some(table) => {
                let shown = analysis::quoted(&table.qualified_name());
                overwrites_its_input("TABLE", &shown)
            }
            None => overwrites_its_input("PATH", &target.to_string()),
        })
    }

    /// Writes rows as files.
    async fn write_files(&self, write: &Write, run: &dyn RunJob) -> Result<(), SparkError> {
        let analyzed = self.resolve(&write.input, Purpose::Run, None, run).await?;
        self.observe(&analyzed, run).await?;
        let conf = self.state().conf.clone();
        self.check_not_read(write, &analyzed.files, &conf)?;
        let rows = (&analyzed.plan, analyzed.schema.as_slice());
        crate::write(&self.shared.state, &conf, run, rows, write).await
    }
}

/// A write that would take away what its rows are read from.
fn overwrites_its_input(kind: &str, shown: &str) -> SparkError {
    let what = kind.to_lowercase();
    let message = format!(
        "Can't overwrite the target that is also being read from. The target {what} is {shown}."
    );
    let what_kind = if kind == "TABLE" {
        condition::UNSUPPORTED_OVERWRITE_TABLE
    } else {
        condition::UNSUPPORTED_OVERWRITE_PATH
    };
    SparkError::analysis(what_kind, message, &[(what.as_str(), shown)])
}

/// The value of an option; keys have no case.
pub(super) fn option<'o>(options: &'o [(String, String)], key: &str) -> Option<&'o str> {
    options
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(key))
        .map(|(_, value)| value.as_str())
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
