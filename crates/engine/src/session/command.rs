//! Commands, which change the session, the catalogue, or data.

use super::error::{already_exists, database_not_found, wrong_command};
use super::table::named_table;
use super::{Answer, Session};
use crate::RunJob;
use analysis::{Shown, quoted, same_plan, table_not_found};
use catalogue::Catalogue;
use catalogue::{CATALOGUE, GLOBAL_TEMP};
use errors::{Exception, condition};
use plan::{
    Command, ExplainMode, Field, Relation, RelationKind, ReplaceMode, SparkError, Statement,
    StorageLevel,
};
use std::sync::Arc;

impl Session {
    /// Executes a command; some yield rows.
    #[expect(clippy::too_many_lines, reason = "a table of all commands reads best in one piece")]
    pub async fn command(
        &self,
        command: &Command,
        run: &dyn RunJob,
    ) -> Result<Option<Answer>, SparkError> {
        match command {
            Command::CreateView(view) => self.create_view(view, run).await.map(|()| None),
            Command::RegisterPython(function) => {
                let name = function.name.to_lowercase();
                self.change().python.register(name, function);
                Ok(None)
            }
            Command::RegisterSource(source) => self.register_source(source).map(|()| None),
            Command::Write(write) => self.write(write, run).await.map(|()| None),
            Command::Insert { table, columns, input, overwrite, by_name, partition } => {
                let named: Vec<String> = if *by_name {
                    let analyzed = Box::pin(self.analyze(input, run)).await?;
                    analyzed.schema.into_iter().map(|field| field.name).collect()
                } else {
                    columns.clone()
                };
                let columns = named.as_slice();
                let insert = super::insert::Insert {
                    table,
                    columns,
                    input,
                    overwrite: *overwrite,
                    partition,
                };
                self.insert(insert, run).await.map(|()| None)
            }
            Command::CreateTableLike { table, source } => {
                self.create_table_like(table, source, run).await.map(|()| None)
            }
            Command::Alter { name, view, change } => {
                Box::pin(self.alter(name, *view, change, run)).await.map(|()| None)
            }
            Command::AnalyzeTable { name } => self.known_table(name, run).await.map(|()| None),
            Command::DeclareVariable { .. }
            | Command::SetVariable { .. }
            | Command::DropVariable { .. }
            | Command::ExecuteImmediate { .. } => {
                Box::pin(self.variable_command(command, run)).await
            }
            Command::CreateTable(table) => self.create_table(table, run).await.map(|()| None),
            Command::CreateDatabase { name, if_not_exists, comment, location } => {
                let given = (comment.clone().unwrap_or_default(), location.clone());
                self.create_database(name, *if_not_exists, given).map(|()| None)
            }
            Command::DropDatabase { name, if_exists, cascade } => {
                self.drop_database(name, (*if_exists, *cascade)).await.map(|()| None)
            }
            Command::DropTable { name, if_exists, .. } => {
                self.drop_table(name, *if_exists, run).await.map(|()| None)
            }
            Command::DropView { name, if_exists } => {
                self.drop_view(name, *if_exists, run).await.map(|()| None)
            }
            Command::TruncateTable { name } => self.truncate(name).await.map(|()| None),
            Command::UseDatabase { name } => self.use_database(name).map(|()| None),
            Command::UseCatalog { name } => use_catalogue(name).map(|()| None),
            Command::Set { key, value } => {
                self.set_command(key.as_deref(), value.as_deref()).map(Some)
            }
            Command::Reset { key } => self.reset(key.as_deref()).map(|()| None),
            Command::SetTimeZone { zone } => {
                let zone = if zone.eq_ignore_ascii_case("local") {
                    analysis::machine_zone()
                } else {
                    zone.clone()
                };
                self.set(model::conf::TIME_ZONE.name, &zone).map(|()| None)
            }
            Command::Explain { mode, statement } => {
                self.explain_statement(*mode, statement, run).await.map(Some)
            }
            Command::CacheTable { name, query, lazy, level } => {
                let level = level.as_deref().map(level_of_name).transpose()?;
                self.cache_table(name, query.as_ref(), level, run).await?;
                if !lazy {
                    Box::pin(self.compute_all(&named_table(name), run)).await?;
                }
                Ok(None)
            }
            Command::UncacheTable { name, if_exists } => {
                self.uncache_table(name, *if_exists, run).await.map(|()| None)
            }
            Command::DropCheckpoint(id) => self.drop_checkpoint(id, run).await,
            Command::ClearCache => {
                self.uncache_all(run).await?;
                Ok(None)
            }
            Command::RefreshTable { name } => self.known_table(name, run).await.map(|()| None),
            Command::Catalog(request) => self.catalogue_request(request, run).await.map(Some),
            other => self.show_command(other, run).await.map(Some),
        }
    }

    pub(super) async fn create_view(
        &self,
        view: &plan::View,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        // Analysed now, so that errors are reported now.
        let analyzed = self.analyze(&view.query, run).await?;
        if !view.columns.is_empty() && view.columns.len() != analyzed.schema.len() {
            let shown = quoted(&view.name);
            let few = view.columns.len() > analyzed.schema.len();
            let why = if few {
                condition::CREATE_VIEW_COLUMN_ARITY_MISMATCH_NOT_ENOUGH_DATA_COLUMNS
            } else {
                condition::CREATE_VIEW_COLUMN_ARITY_MISMATCH_TOO_MANY_DATA_COLUMNS
            };
            let message =
                format!("Cannot create view {shown}, the reason is a different number of columns.");
            let parameters = [("viewName", shown.as_str())];
            return Err(SparkError::analysis(why, message, &parameters));
        }
        if !view.temporary && !view.global {
            return self.create_lasting_view(view, analyzed.schema);
        }
        let name = match view.name.as_slice() {
            [name] => name,
            [database, name] if view.global && database.eq_ignore_ascii_case(GLOBAL_TEMP) => name,
            other => {
                let shown = quoted(other);
                let message = format!(
                    "CREATE TEMPORARY VIEW or the corresponding Dataset APIs only accept single-part view names, but got: {shown}."
                );
                let parameters = [("actualName", shown.as_str())];
                return Err(SparkError::analysis(
                    condition::TEMP_VIEW_NAME_TOO_MANY_NAME_PARTS,
                    message,
                    &parameters,
                ));
            }
        };
        let made = self.temporary_view(view, &analyzed.schema);
        let key = name.to_lowercase();
        if view.by_name && !view.global {
            self.check_not_recursive(name, &made, run).await?;
        }
        let exists = if view.global {
            self.shared.catalogue().global_view(name).is_some()
        } else {
            self.state().views.contains_key(&key)
        };
        match (exists, view.replace) {
            (true, ReplaceMode::Keep) => return Ok(()),
            (true, ReplaceMode::Fail) => {
                let shown = plan::quote_name(name);
                let message = format!(
                    "Cannot create the temporary view {shown} because it already exists.\nChoose a different name, drop or replace the existing view,  or add the IF NOT EXISTS clause to tolerate pre-existing views."
                );
                let class = condition::TEMP_TABLE_OR_VIEW_ALREADY_EXISTS;
                let parameters = [("relationName", shown.as_str())];
                return Err(SparkError::new(class, message, &parameters));
            }
            (true, ReplaceMode::Replace) => {
                let before = self.analyze(&named_table(&view.name), run).await;
                if before.is_ok_and(|view| !same_plan(&view.resolved, &analyzed.resolved)) {
                    self.uncache(&view.name, run).await?;
                }
            }
            (false, _) => {}
        }
        if view.global {
            self.shared.change_catalogue(|catalogue| catalogue.set_global_view(name, made));
        } else {
            self.change().views.make_mut().insert(key, made);
        }
        Ok(())
    }

    /// Drops a view; temporary views take precedence.
    async fn drop_view(
        &self,
        name: &[String],
        if_exists: bool,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        if self.drop_temporary_view(name, run).await? {
            return Ok(());
        }
        let catalogue = self.shared.catalogue();
        let database = self.database();
        match catalogue.table(name, &database) {
            Some(table) if matches!(table.kind, catalogue::TableKind::View { .. }) => {
                Box::pin(self.uncache(name, run)).await?;
                self.remove_table(name);
                Ok(())
            }
            Some(_) => Err(wrong_command(name, "DROP VIEW", "table", "DROP TABLE")),
            None if if_exists => Ok(()),
            None => Err(table_not_found(name)),
        }
    }

    /// Drops a temporary view, and what is stored of it; returns whether it existed.
    pub(super) async fn drop_temporary_view(
        &self,
        name: &[String],
        run: &dyn RunJob,
    ) -> Result<bool, SparkError> {
        let exists = match name {
            [single] => self.state().views.contains_key(&single.to_lowercase()),
            [database, single] if database.eq_ignore_ascii_case(GLOBAL_TEMP) => {
                self.shared.catalogue().global_view(single).is_some()
            }
            _ => false,
        };
        if !exists {
            return Ok(false);
        }
        Box::pin(self.uncache(name, run)).await?;
        if let [single] = name {
            self.change().views.make_mut().remove(&single.to_lowercase());
        } else if let [_, single] = name {
            self.shared.change_catalogue(|catalogue| catalogue.remove_global_view(single));
        }
        Ok(true)
    }

    /// The current database.
    pub(super) fn database(&self) -> String {
        self.state().database.clone()
    }

    pub(super) fn use_database(&self, name: &[String]) -> Result<(), SparkError> {
        let name = match name {
            [name] => name,
            [catalogue, name] if catalogue.eq_ignore_ascii_case(CATALOGUE) => name,
            other => return Err(database_not_found(other)),
        };
        let known = self.shared.catalogue().database(name).map(|database| database.name.clone());
        let Some(known) = known else { return Err(database_not_found(std::slice::from_ref(name))) };
        self.change().database = known;
        Ok(())
    }

    fn create_database(
        &self,
        name: &[String],
        if_not_exists: bool,
        (comment, location): (String, Option<String>),
    ) -> Result<(), SparkError> {
        let single = database_name(name)?;
        if self.shared.catalogue().database(&single).is_some() {
            if if_not_exists {
                return Ok(());
            }
            let shown = quoted(name);
            let message = format!(
                "Cannot create schema {shown} because it already exists.\nChoose a different name, drop the existing schema, or add the IF NOT EXISTS clause to tolerate pre-existing schema."
            );
            let parameters = [("schemaName", shown.as_str())];
            return Err(SparkError::analysis(
                condition::SCHEMA_ALREADY_EXISTS,
                message,
                &parameters,
            ));
        }
        self.shared
            .change_catalogue(|catalogue| catalogue.add_database(&single, comment, location));
        Ok(())
    }

    async fn drop_database(
        &self,
        name: &[String],
        (if_exists, cascade): (bool, bool),
    ) -> Result<(), SparkError> {
        let single = database_name(name)?;
        let catalogue = self.shared.catalogue();
        let Some(database) = catalogue.database(&single) else {
            return if if_exists { Ok(()) } else { Err(database_not_found(name)) };
        };
        if single.eq_ignore_ascii_case("default") {
            let message = "The feature is not supported: Drop the default schema `default`.";
            return Err(SparkError::analysis(
                condition::UNSUPPORTED_FEATURE_DROP_DATABASE,
                message,
                &[],
            ));
        }
        if !cascade && !database.tables.is_empty() {
            let shown = quoted(name);
            let message = format!(
                "Cannot drop a schema {shown} because it contains objects.\nUse DROP SCHEMA ... CASCADE to drop the schema and all its objects."
            );
            let parameters = [("schemaName", shown.as_str())];
            return Err(SparkError::analysis(condition::SCHEMA_NOT_EMPTY, message, &parameters));
        }
        for table in database.tables.values() {
            self.remove_files(table).await?;
        }
        self.shared.change_catalogue(|catalogue| catalogue.remove_database(&single));
        Ok(())
    }

    fn set_command(&self, key: Option<&str>, value: Option<&str>) -> Result<Answer, SparkError> {
        let columns = [("key", false), ("value", false)];
        match (key, value) {
            (Some(key), Some(value)) => {
                self.set(key, value)?;
                Answer::strings(&columns, vec![vec![Some(key.into()), Some(value.into())]])
            }
            (Some(key), None) => {
                let value = self.setting(key).unwrap_or_else(|| "<undefined>".to_owned());
                Answer::strings(&columns, vec![vec![Some(key.into()), Some(value)]])
            }
            (None, _) => {
                let settings = self.settings().into_iter();
                let rows = settings.map(|(key, value)| vec![Some(key), Some(value)]).collect();
                Answer::strings(&columns, rows)
            }
        }
    }

    fn reset(&self, key: Option<&str>) -> Result<(), SparkError> {
        if let Some(key) = key {
            return self.unset(key);
        }
        let mut state = self.change();
        state.conf = state.initial.clone();
        Ok(())
    }

    async fn explain_statement(
        &self,
        mode: ExplainMode,
        statement: &Statement,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        let text = match statement {
            Statement::Query(query) => Box::pin(self.explain(query, mode, run)).await?,
            Statement::Command(command) => format!("== Physical Plan ==\n{command:?}\n"),
        };
        Answer::text("plan", text)
    }

    async fn cache_table(
        &self,
        name: &[String],
        query: Option<&Relation>,
        level: Option<StorageLevel>,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        if let Some(query) = query {
            let view = plan::View {
                name: name.to_vec(),
                query: query.clone(),
                columns: Vec::new(),
                replace: ReplaceMode::Fail,
                temporary: true,
                global: false,
                by_name: true,
            };
            Box::pin(self.create_view(&view, run)).await?;
        }
        self.cache_by_name(name, level.unwrap_or(StorageLevel::MEMORY_AND_DISK), run).await
    }

    /// Caches a table or view, which `explain` shows by its name.
    pub(super) async fn cache_by_name(
        &self,
        name: &[String],
        level: StorageLevel,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let parts: Vec<_> = name.iter().map(|part| plan::quote_if_needed(part)).collect();
        let table = Some(parts.join("."));
        Box::pin(self.cache(&named_table(name), Shown { level, table }, run)).await
    }

    /// Computes all rows of a relation, so that what it stores is there.
    pub(super) async fn compute_all(
        &self,
        relation: &Relation,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let count = RelationKind::Aggregate(plan::Aggregate {
            input: relation.clone(),
            grouping: plan::Grouping::By(Vec::new()),
            expressions: vec![plan::Expr::Text("count(1)".to_owned())],
            with_keys: false,
            having: None,
            pivot: None,
        });
        self.execute(&count.into(), run).await.map(drop)
    }

    pub(super) async fn uncache_table(
        &self,
        name: &[String],
        if_exists: bool,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        if !if_exists {
            self.known_table(name, run).await?;
        }
        self.uncache(name, run).await
    }

    /// Whether the table exists.
    pub(super) async fn known_table(
        &self,
        name: &[String],
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        Box::pin(self.analyze(&named_table(name), run)).await.map(drop)
    }

    fn create_lasting_view(&self, view: &plan::View, schema: Vec<Field>) -> Result<(), SparkError> {
        let (database, name) = Catalogue::locate(&view.name, &self.database())
            .ok_or_else(|| table_not_found(&view.name))?;
        let catalogue = self.shared.catalogue();
        if catalogue.database(&database).is_none() {
            return Err(database_not_found(&[database]));
        }
        match (catalogue.table(&view.name, &database).is_some(), view.replace) {
            (true, ReplaceMode::Keep) => return Ok(()),
            (true, ReplaceMode::Fail) => return Err(already_exists(&view.name)),
            _ => {}
        }
        let named =
            view.columns.iter().chain(schema.iter().skip(view.columns.len()).map(|f| &f.name));
        let schema: Vec<Field> = schema
            .iter()
            .zip(named)
            .map(|(field, name)| Field { name: name.clone(), ..field.clone() })
            .collect();
        let table = catalogue::Table {
            database: database.clone(),
            name: name.clone(),
            kind: catalogue::TableKind::View {
                query: view.query.clone(),
                columns: view.columns.clone(),
                conf: Arc::new(self.state().conf.clone()),
            },
            schema,
            format: String::new(),
            location: String::new(),
            partition_by: Vec::new(),
            options: Vec::new(),
            properties: Vec::new(),
            comment: None,
        };
        self.add_table(table);
        Ok(())
    }
}

pub(super) fn use_catalogue(name: &str) -> Result<(), SparkError> {
    if name.eq_ignore_ascii_case(CATALOGUE) {
        return Ok(());
    }
    let shown = plan::quote_name(name);
    let message = format!(
        "The catalog {shown} not found. Consider to set the SQL config \"spark.sql.catalog.{name}\" to a catalog plugin."
    );
    Err(SparkError::analysis(condition::CATALOG_NOT_FOUND, message, &[("catalogName", &shown)]))
}

fn database_name(name: &[String]) -> Result<String, SparkError> {
    match name {
        [single] => Ok(single.to_lowercase()),
        [catalogue, single] if catalogue.eq_ignore_ascii_case(CATALOGUE) => {
            Ok(single.to_lowercase())
        }
        other => Err(database_not_found(other)),
    }
}

fn level_of_name(name: &str) -> Result<StorageLevel, SparkError> {
    StorageLevel::of_name(name).ok_or_else(|| {
        let message = format!("Invalid StorageLevel: {}", name.to_uppercase());
        SparkError::plain(Exception::IllegalArgument, message)
    })
}
