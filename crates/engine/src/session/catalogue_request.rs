//! Calls of `spark.catalog`; the rows have the columns that clients read by position.

use super::command::use_catalogue;
use super::error::database_not_found;
use super::table::named_table;
use super::{Answer, Session};
use crate::RunJob;
use analysis::table_not_found;
use arrow::array::{ArrayRef, BooleanArray, StringArray};
use catalogue::{CATALOGUE, GLOBAL_TEMP};
use catalogue::{Database, Table, TableKind};
use errors::condition;
use plan::{
    CatalogRequest, CreateTable, DataType, Field, ReplaceMode, SchemaOrText, SparkError,
    StorageLevel,
};
use std::sync::Arc;

/// A table or view as shown by `listTables`.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) name: String,
    /// Catalogue and database; none for a temporary view, only the database for a global one.
    pub(super) database: Option<String>,
    pub(super) description: Option<String>,
    pub(super) kind: &'static str,
    pub(super) temporary: bool,
}

impl Session {
    #[expect(clippy::too_many_lines, reason = "a table of all requests reads best in one piece")]
    pub(super) async fn catalogue_request(
        &self,
        request: &CatalogRequest,
        run: &dyn RunJob,
    ) -> Result<Answer, SparkError> {
        match request {
            CatalogRequest::CurrentDatabase => Answer::text("current_database", self.database()),
            CatalogRequest::SetCurrentDatabase { name } => {
                self.use_database(&parts(name))?;
                Ok(Answer::nothing())
            }
            CatalogRequest::ListDatabases { pattern } => {
                let catalogue = self.shared.catalogue();
                let matching =
                    catalogue.databases().filter(|d| matches(pattern.as_deref(), &d.name));
                databases(&matching.collect::<Vec<_>>())
            }
            CatalogRequest::GetDatabase { name } => {
                let catalogue = self.shared.catalogue();
                let name = parts(name);
                let found = name.last().and_then(|last| catalogue.database(last));
                databases(&[found.ok_or_else(|| database_not_found(&name))?])
            }
            CatalogRequest::DatabaseExists { name } => {
                let catalogue = self.shared.catalogue();
                let name = parts(name);
                yes(name.last().is_some_and(|last| catalogue.database(last).is_some()))
            }
            CatalogRequest::ListTables { database, pattern } => {
                let listed = self.listed(database.as_deref(), pattern.as_deref())?;
                tables(&listed)
            }
            CatalogRequest::ListViews { database, pattern } => {
                let mut listed = self.listed(database.as_deref(), pattern.as_deref())?;
                listed.retain(|listed| listed.temporary || listed.kind == "VIEW");
                tables(&listed)
            }
            CatalogRequest::GetTable { name, database } => {
                let name = with_database(name, database.as_deref());
                tables(&[self.find_listed(&name).ok_or_else(|| table_not_found(&name))?])
            }
            CatalogRequest::TableExists { name, database } => {
                let name = with_database(name, database.as_deref());
                yes(self.find_listed(&name).is_some())
            }
            CatalogRequest::ListFunctions { pattern, .. } => {
                let names = self.shared.functions.names();
                let names = names.into_iter().filter(|name| matches(pattern.as_deref(), name));
                functions(names.map(str::to_owned).collect())
            }
            CatalogRequest::GetFunction { name, .. } => {
                if self.function_exists(name) {
                    return functions(vec![name.to_lowercase()]);
                }
                let shown = plan::quote_name(name);
                let message = format!(
                    "Cannot resolve routine {shown} on search path [`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]."
                );
                Err(SparkError::analysis(
                    condition::UNRESOLVED_ROUTINE,
                    message,
                    &[("routineName", &shown)],
                ))
            }
            CatalogRequest::FunctionExists { name, .. } => yes(self.function_exists(name)),
            CatalogRequest::ListColumns { table, database } => {
                let name = with_database(table, database.as_deref());
                let analyzed = Box::pin(self.analyze(&named_table(&name), run)).await?;
                let partitions = self.find_table(&name).map(|t| t.partition_by).unwrap_or_default();
                columns(&analyzed.schema, &partitions)
            }
            CatalogRequest::CreateTable {
                name,
                path,
                format,
                schema,
                options,
                description,
                ..
            } => {
                let schema = match schema {
                    Some(SchemaOrText::Schema(fields)) => fields.clone(),
                    Some(SchemaOrText::Text(text)) => match self.parse_ddl(text)? {
                        DataType::Struct(fields) => fields,
                        other => vec![Field::new("value", other, true)],
                    },
                    None => Vec::new(),
                };
                let create = CreateTable {
                    name: parts(name),
                    replace: ReplaceMode::Fail,
                    schema,
                    format: format.clone(),
                    options: options.clone(),
                    location: path.clone(),
                    partition_by: Vec::new(),
                    comment: description.clone(),
                    properties: Vec::new(),
                    query: None,
                };
                Box::pin(self.create_table(&create, run)).await?;
                let relation = named_table(&parts(name));
                Box::pin(self.execute(&relation, run)).await
            }
            CatalogRequest::DropTempView { name } => {
                yes(self.drop_temporary_view(std::slice::from_ref(name), run).await?)
            }
            CatalogRequest::DropGlobalTempView { name } => {
                let name = [GLOBAL_TEMP.to_owned(), name.clone()];
                yes(self.drop_temporary_view(&name, run).await?)
            }
            CatalogRequest::RecoverPartitions { name } => {
                self.known_table(&parts(name), run).await?;
                Ok(Answer::nothing())
            }
            CatalogRequest::IsCached { name } => {
                let level = Box::pin(self.storage_level(&named_table(&parts(name)), run)).await?;
                yes(level != StorageLevel::default())
            }
            CatalogRequest::CacheTable { name } => {
                self.cache_by_name(&parts(name), StorageLevel::MEMORY_AND_DISK, run).await?;
                Ok(Answer::nothing())
            }
            CatalogRequest::UncacheTable { name } => {
                self.uncache_table(&parts(name), false, run).await?;
                Ok(Answer::nothing())
            }
            CatalogRequest::ClearCache => {
                self.uncache_all(run).await?;
                Ok(Answer::nothing())
            }
            CatalogRequest::RefreshTable { name } => {
                self.known_table(&parts(name), run).await?;
                Ok(Answer::nothing())
            }
            // Every query lists files anew: there is nothing to refresh.
            CatalogRequest::RefreshByPath { .. } => Ok(Answer::nothing()),
            CatalogRequest::CurrentCatalog => Answer::text("current_catalog", CATALOGUE.to_owned()),
            CatalogRequest::SetCurrentCatalog { name } => {
                use_catalogue(name)?;
                Ok(Answer::nothing())
            }
            CatalogRequest::ListCatalogs { pattern } => {
                let shown = matches(pattern.as_deref(), CATALOGUE);
                let row = vec![Some(CATALOGUE.to_owned()), None];
                let rows = if shown { vec![row] } else { Vec::new() };
                Answer::strings(&[("name", false), ("description", true)], rows)
            }
        }
    }

    fn function_exists(&self, name: &str) -> bool {
        let name = parts(name).pop().unwrap_or_default().to_lowercase();
        self.shared.functions.names().contains(&name.as_str())
    }

    /// Tables and views of a database, temporary views last.
    pub(super) fn listed(
        &self,
        database: Option<&str>,
        pattern: Option<&str>,
    ) -> Result<Vec<Listed>, SparkError> {
        let catalogue = self.shared.catalogue();
        let current = self.database();
        let wanted = database.map_or_else(|| vec![current], parts);
        let wanted = wanted.last().cloned().unwrap_or_default();
        let mut out: Vec<Listed> = Vec::new();
        if wanted.eq_ignore_ascii_case(GLOBAL_TEMP) {
            for (name, _) in catalogue.global_views() {
                out.push(temporary(name, Some(GLOBAL_TEMP)));
            }
        } else {
            let found = catalogue.database(&wanted);
            let found = found.ok_or_else(|| database_not_found(std::slice::from_ref(&wanted)))?;
            out.extend(found.tables.values().map(of_table));
        }
        let views = self.state().views.clone();
        out.extend(views.keys().map(|name| temporary(name, None)));
        out.retain(|listed| matches(pattern, &listed.name));
        Ok(out)
    }

    fn find_listed(&self, name: &[String]) -> Option<Listed> {
        if let [single] = name
            && self.state().views.contains_key(&single.to_lowercase())
        {
            return Some(temporary(&single.to_lowercase(), None));
        }
        if let [database, single] = name
            && database.eq_ignore_ascii_case(GLOBAL_TEMP)
        {
            let catalogue = self.shared.catalogue();
            return catalogue.global_view(single).map(|_| temporary(single, Some(GLOBAL_TEMP)));
        }
        self.find_table(name).as_ref().map(of_table)
    }
}

fn of_table(table: &Table) -> Listed {
    Listed {
        name: table.name.clone(),
        database: Some(table.database.clone()),
        description: table.comment.clone(),
        kind: match table.kind {
            TableKind::View { .. } => "VIEW",
            ref other => other.name(),
        },
        temporary: false,
    }
}

fn temporary(name: &str, database: Option<&str>) -> Listed {
    Listed {
        name: name.to_owned(),
        database: database.map(str::to_owned),
        description: None,
        kind: "TEMPORARY",
        temporary: true,
    }
}

/// The parts of a name; an unparsable name is a single part.
pub(super) fn parts(name: &str) -> Vec<String> {
    plan::parse_name(name).unwrap_or_else(|_| vec![name.to_owned()])
}

fn with_database(name: &str, database: Option<&str>) -> Vec<String> {
    match database {
        Some(database) => parts(database).into_iter().chain([name.to_owned()]).collect(),
        None => parts(name),
    }
}

/// Whether a name matches a pattern of `SHOW`: `*` matches anything, `|` separates alternatives,
/// case is ignored.
pub(super) fn matches(pattern: Option<&str>, name: &str) -> bool {
    let Some(pattern) = pattern else { return true };
    pattern.split('|').any(|alternative| {
        let parts: Vec<_> = alternative.trim().split('*').map(regex::escape).collect();
        regex::Regex::new(&format!("(?i)^{}$", parts.join(".*"))).is_ok_and(|r| r.is_match(name))
    })
}

fn yes(value: bool) -> Result<Answer, SparkError> {
    let field = Field::new("value", DataType::Boolean, false);
    Answer::columns(vec![field], vec![Arc::new(BooleanArray::from(vec![value]))])
}

fn databases(databases: &[&Database]) -> Result<Answer, SparkError> {
    let rows = databases.iter().map(|database| {
        vec![
            Some(database.name.clone()),
            Some(CATALOGUE.to_owned()),
            Some(database.comment.clone()),
            Some(database.location.clone()),
        ]
    });
    let columns =
        [("name", false), ("catalog", true), ("description", true), ("locationUri", false)];
    Answer::strings(&columns, rows.collect())
}

fn strings(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// Lists of at most one string each: Spark gives temporary views an empty namespace, and built-in
/// functions none at all.
fn namespaces(values: impl Iterator<Item = Option<Vec<String>>>) -> ArrayRef {
    let mut builder = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
    for value in values {
        match value {
            Some(parts) => {
                for part in parts {
                    builder.values().append_value(part);
                }
                builder.append(true);
            }
            None => builder.append(false),
        }
    }
    Arc::new(builder.finish())
}

fn tables(listed: &[Listed]) -> Result<Answer, SparkError> {
    let text = |name: &str, nullable| Field::new(name, DataType::String, nullable);
    let schema = vec![
        text("name", false),
        text("catalog", true),
        Field::new("namespace", DataType::array(DataType::String), true),
        text("description", true),
        text("tableType", false),
        Field::new("isTemporary", DataType::Boolean, false),
    ];
    let catalogue = |t: &Listed| (!t.temporary).then(|| CATALOGUE.to_owned());
    let arrays = vec![
        strings(listed.iter().map(|t| Some(t.name.clone()))),
        strings(listed.iter().map(catalogue)),
        namespaces(listed.iter().map(|t| Some(t.database.iter().cloned().collect()))),
        strings(listed.iter().map(|t| t.description.clone())),
        strings(listed.iter().map(|t| Some(t.kind.to_owned()))),
        Arc::new(BooleanArray::from(listed.iter().map(|t| t.temporary).collect::<Vec<_>>()))
            as ArrayRef,
    ];
    Answer::columns(schema, arrays)
}

fn functions(names: Vec<String>) -> Result<Answer, SparkError> {
    let text = |name: &str, nullable| Field::new(name, DataType::String, nullable);
    let schema = vec![
        text("name", false),
        text("catalog", true),
        Field::new("namespace", DataType::array(DataType::String), true),
        text("description", true),
        text("className", false),
        Field::new("isTemporary", DataType::Boolean, false),
    ];
    let count = names.len();
    let class = |name: &String| Some(format!("builtin.{name}"));
    let arrays = vec![
        strings(names.iter().map(|name| Some(name.clone()))),
        strings(names.iter().map(|_| None)),
        namespaces(names.iter().map(|_| None)),
        strings(names.iter().map(|_| None)),
        strings(names.iter().map(class)),
        Arc::new(BooleanArray::from(vec![true; count])) as ArrayRef,
    ];
    Answer::columns(schema, arrays)
}

fn columns(schema: &[Field], partitions: &[String]) -> Result<Answer, SparkError> {
    let text = |name: &str, nullable| Field::new(name, DataType::String, nullable);
    let flag = |name: &str| Field::new(name, DataType::Boolean, false);
    let fields = vec![
        text("name", false),
        text("description", true),
        text("dataType", false),
        flag("nullable"),
        flag("isPartition"),
        flag("isBucket"),
        flag("isCluster"),
    ];
    let is_partition = |f: &Field| partitions.iter().any(|name| name.eq_ignore_ascii_case(&f.name));
    let flags = |value: &dyn Fn(&Field) -> bool| {
        Arc::new(BooleanArray::from(schema.iter().map(value).collect::<Vec<_>>())) as ArrayRef
    };
    let arrays = vec![
        strings(schema.iter().map(|f| Some(f.name.clone()))),
        strings(schema.iter().map(|_| None)),
        strings(schema.iter().map(|f| Some(f.data_type.to_string()))),
        flags(&|f| f.nullable),
        flags(&is_partition),
        flags(&|_| false),
        flags(&|_| false),
    ];
    Answer::columns(fields, arrays)
}
