//! Calls of `spark.catalog`: messages to commands whose rows the client reads by position.

use crate::context::{Context, name_parts, sorted};
use crate::error::Required;
use crate::pb;
use crate::pb::catalog::CatType;
use crate::types::fields;
use plan::{CatalogRequest as Request, Command, RelationKind, SchemaOrText, SparkError, Statement};

/// The relation whose rows answer the request.
pub(crate) fn catalog(
    message: pb::Catalog,
    context: Context<'_>,
) -> Result<RelationKind, SparkError> {
    let command = match message.cat_type.required("catalog.cat_type")? {
        CatType::DropTable(m) => Command::DropTable {
            name: name_parts(&m.table_name)?,
            if_exists: m.if_exists,
            purge: m.purge,
        },
        CatType::DropView(m) => {
            Command::DropView { name: name_parts(&m.view_name)?, if_exists: m.if_exists }
        }
        CatType::CreateDatabase(m) => create_database(m)?,
        CatType::DropDatabase(m) => Command::DropDatabase {
            name: name_parts(&m.db_name)?,
            if_exists: m.if_exists,
            cascade: m.cascade,
        },
        CatType::TruncateTable(m) => Command::TruncateTable { name: name_parts(&m.table_name)? },
        CatType::GetCreateTableString(m) if !m.as_serde => {
            Command::ShowCreateTable { name: name_parts(&m.table_name)? }
        }
        CatType::GetCreateTableString(_) => {
            return Err(SparkError::unsupported("getCreateTableString(asSerde=True)"));
        }
        CatType::ListPartitions(m) => Command::ShowPartitions { name: name_parts(&m.table_name)? },
        CatType::GetTableProperties(m) => {
            Command::ShowProperties { name: name_parts(&m.table_name)?, key: None }
        }
        CatType::AnalyzeTable(m) => Command::AnalyzeTable { name: name_parts(&m.table_name)? },
        other => Command::Catalog(request(other, context)?),
    };
    Ok(RelationKind::Statement(Box::new(Statement::Command(command))))
}

fn request(message: CatType, context: Context<'_>) -> Result<Request, SparkError> {
    Ok(match message {
        CatType::CurrentDatabase(_) => Request::CurrentDatabase,
        CatType::SetCurrentDatabase(m) => Request::SetCurrentDatabase { name: m.db_name },
        CatType::ListDatabases(m) => Request::ListDatabases { pattern: m.pattern },
        CatType::ListTables(m) => Request::ListTables { database: m.db_name, pattern: m.pattern },
        CatType::ListViews(m) => Request::ListViews { database: m.db_name, pattern: m.pattern },
        CatType::ListFunctions(m) => {
            Request::ListFunctions { database: m.db_name, pattern: m.pattern }
        }
        CatType::ListColumns(m) => {
            Request::ListColumns { table: m.table_name, database: m.db_name }
        }
        CatType::GetDatabase(m) => Request::GetDatabase { name: m.db_name },
        CatType::GetTable(m) => Request::GetTable { name: m.table_name, database: m.db_name },
        CatType::GetFunction(m) => {
            Request::GetFunction { name: m.function_name, database: m.db_name }
        }
        CatType::DatabaseExists(m) => Request::DatabaseExists { name: m.db_name },
        CatType::TableExists(m) => Request::TableExists { name: m.table_name, database: m.db_name },
        CatType::FunctionExists(m) => {
            Request::FunctionExists { name: m.function_name, database: m.db_name }
        }
        CatType::CreateExternalTable(m) => create_external(m, context)?,
        CatType::CreateTable(m) => create_table(m, context)?,
        CatType::DropTempView(m) => Request::DropTempView { name: m.view_name },
        CatType::DropGlobalTempView(m) => Request::DropGlobalTempView { name: m.view_name },
        CatType::RecoverPartitions(m) => Request::RecoverPartitions { name: m.table_name },
        CatType::IsCached(m) => Request::IsCached { name: m.table_name },
        CatType::CacheTable(m) => Request::CacheTable { name: m.table_name },
        CatType::UncacheTable(m) => Request::UncacheTable { name: m.table_name },
        CatType::ClearCache(_) => Request::ClearCache,
        CatType::RefreshTable(m) => Request::RefreshTable { name: m.table_name },
        CatType::RefreshByPath(m) => Request::RefreshByPath { path: m.path },
        CatType::CurrentCatalog(_) => Request::CurrentCatalog,
        CatType::SetCurrentCatalog(m) => Request::SetCurrentCatalog { name: m.catalog_name },
        CatType::ListCatalogs(m) => Request::ListCatalogs { pattern: m.pattern },
        CatType::DropTable(_)
        | CatType::DropView(_)
        | CatType::CreateDatabase(_)
        | CatType::DropDatabase(_)
        | CatType::ListPartitions(_)
        | CatType::GetTableProperties(_)
        | CatType::GetCreateTableString(_)
        | CatType::TruncateTable(_)
        | CatType::AnalyzeTable(_) => {
            return Err(SparkError::internal("a request that is a command of its own"));
        }
    })
}

fn create_database(message: pb::CreateDatabase) -> Result<Command, SparkError> {
    let pb::CreateDatabase { db_name, if_not_exists, mut properties } = message;
    let comment = properties.remove("comment");
    let location = properties.remove("location");
    if let Some((key, _)) = sorted(properties).first() {
        return Err(SparkError::unsupported(format_args!("The database property {key}")));
    }
    Ok(Command::CreateDatabase { name: name_parts(&db_name)?, if_not_exists, comment, location })
}

fn create_external(
    message: pb::CreateExternalTable,
    context: Context<'_>,
) -> Result<Request, SparkError> {
    let pb::CreateExternalTable { table_name, path, source, schema, options } = message;
    Ok(Request::CreateTable {
        name: table_name,
        path,
        format: source,
        schema: schema_of(schema, context)?,
        options: sorted(options),
        description: None,
        external: true,
    })
}

fn create_table(message: pb::CreateTable, context: Context<'_>) -> Result<Request, SparkError> {
    let pb::CreateTable { table_name, path, source, description, schema, options } = message;
    Ok(Request::CreateTable {
        name: table_name,
        external: path.is_some(),
        path,
        format: source,
        schema: schema_of(schema, context)?,
        options: sorted(options),
        description: description.filter(|d| !d.is_empty()),
    })
}

/// A client without a schema sends an empty struct.
fn schema_of(
    message: Option<pb::DataType>,
    context: Context<'_>,
) -> Result<Option<SchemaOrText>, SparkError> {
    let Some(message) = message else { return Ok(None) };
    let fields = fields(message, context)?;
    Ok((!fields.is_empty()).then_some(SchemaOrText::Schema(fields)))
}
