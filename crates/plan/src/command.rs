//! Commands: statements that change the session, the catalogue, or data.

use crate::relation::SchemaOrText;
use crate::{DataType, Expr, Field, PythonFunction, Relation};
use std::sync::Arc;

/// One SQL statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// A query, which yields rows.
    Query(Relation),
    /// A command, which may also yield rows.
    Command(Command),
}

/// A command.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the field names are Spark's and SQL's own; only the others have a comment"
)]
pub enum Command {
    CreateView(View),
    /// Makes a Python function callable by its name in this session.
    RegisterPython(Arc<PythonFunction>),
    /// Registers a Python data source: its command is a pickled class.
    RegisterSource(Arc<PythonFunction>),
    Write(Write),
    /// `INSERT INTO` / `INSERT OVERWRITE` a table; empty `columns` means all, in order.
    Insert {
        table: Vec<String>,
        columns: Vec<String>,
        input: Relation,
        overwrite: bool,
        /// Whether columns are matched by name instead of position.
        by_name: bool,
        partition: Vec<(String, Option<Expr>)>,
    },
    CreateTable(CreateTable),
    /// `CREATE TABLE … LIKE`: an empty table with the columns of another.
    CreateTableLike {
        table: Box<CreateTable>,
        source: Vec<String>,
    },
    /// `ALTER TABLE`, `ALTER VIEW`.
    Alter {
        name: Vec<String>,
        /// Whether the statement names a view.
        view: bool,
        change: Alteration,
    },
    CreateDatabase {
        name: Vec<String>,
        if_not_exists: bool,
        comment: Option<String>,
        location: Option<String>,
    },
    DropDatabase {
        name: Vec<String>,
        if_exists: bool,
        cascade: bool,
    },
    DropTable {
        name: Vec<String>,
        if_exists: bool,
        purge: bool,
    },
    DropView {
        name: Vec<String>,
        if_exists: bool,
    },
    TruncateTable {
        name: Vec<String>,
    },
    /// `USE db`.
    UseDatabase {
        name: Vec<String>,
    },
    /// `USE CATALOG c` / `SET CATALOG c`.
    UseCatalog {
        name: String,
    },
    /// `SET key = value`; without a value shows it; without a key shows all.
    Set {
        key: Option<String>,
        value: Option<String>,
    },
    /// `RESET key`; without a key resets all.
    Reset {
        key: Option<String>,
    },
    SetTimeZone {
        zone: String,
    },
    Explain {
        mode: ExplainMode,
        statement: Box<Statement>,
    },
    DescribeTable {
        name: Vec<String>,
        extended: bool,
        column: Option<String>,
    },
    DescribeQuery {
        query: Relation,
    },
    DescribeFunction {
        name: String,
        extended: bool,
    },
    DescribeDatabase {
        name: Vec<String>,
        extended: bool,
    },
    ShowTables {
        database: Option<Vec<String>>,
        pattern: Option<String>,
    },
    /// `SHOW TABLE EXTENDED`.
    ShowTableExtended {
        database: Option<Vec<String>>,
        pattern: String,
    },
    ShowViews {
        database: Option<Vec<String>>,
        pattern: Option<String>,
    },
    ShowDatabases {
        pattern: Option<String>,
    },
    ShowColumns {
        table: Vec<String>,
    },
    ShowFunctions {
        pattern: Option<String>,
    },
    ShowCreateTable {
        name: Vec<String>,
    },
    /// `SHOW TBLPROPERTIES`; with a key only that one.
    ShowProperties {
        name: Vec<String>,
        key: Option<String>,
    },
    ShowPartitions {
        name: Vec<String>,
    },
    /// `ANALYZE TABLE`; has no effect, because every query reads statistics from the files.
    AnalyzeTable {
        name: Vec<String>,
    },
    /// `DECLARE VARIABLE`.
    DeclareVariable {
        name: Vec<String>,
        data_type: Option<DataType>,
        default: Option<Expr>,
        replace: bool,
    },
    /// `SET VARIABLE`: one name for each column of the query.
    SetVariable {
        names: Vec<Vec<String>>,
        value: Relation,
    },
    DropVariable {
        name: Vec<String>,
        if_exists: bool,
    },
    /// `EXECUTE IMMEDIATE`: runs the text that an expression yields.
    ExecuteImmediate {
        text: Expr,
        /// Variables to receive the one row of the result.
        into: Vec<Vec<String>>,
        /// Arguments, with their names if given.
        using: Vec<(Option<String>, Expr)>,
    },
    ShowCatalogs {
        pattern: Option<String>,
    },
    ShowCurrentNamespace,
    CacheTable {
        name: Vec<String>,
        query: Option<Relation>,
        lazy: bool,
        /// The name of a storage level.
        level: Option<String>,
    },
    UncacheTable {
        name: Vec<String>,
        if_exists: bool,
    },
    ClearCache,
    /// Forgets the checkpoint with this id.
    DropCheckpoint(String),
    RefreshTable {
        name: Vec<String>,
    },
    /// A request of `spark.catalog`.
    Catalog(CatalogRequest),
}

/// The effect of `ALTER`.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Alteration {
    Rename {
        to: Vec<String>,
    },
    AddColumns(Vec<Field>),
    /// Changes to existing columns; tables of files do not support them.
    ChangeColumns {
        operation: &'static str,
    },
    SetProperties(Vec<(String, String)>),
    UnsetProperties {
        keys: Vec<String>,
        if_exists: bool,
    },
    SetLocation(String),
    /// `ALTER VIEW … AS`.
    Query(Relation),
}

/// A view to create.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct View {
    pub name: Vec<String>,
    pub query: Relation,
    /// Names of the columns; if empty, the query's.
    pub columns: Vec<String>,
    pub replace: ReplaceMode,
    /// Temporary: of the session, or of all sessions (`global_temp`).
    pub temporary: bool,
    pub global: bool,
    /// Whether the query is text whose names are resolved at each use. Otherwise the view keeps its
    /// original plan.
    pub by_name: bool,
}

/// What to do if the name exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum ReplaceMode {
    Fail,
    Replace,
    Keep,
}

/// Rows to hold in the place of what they are computed from.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The rows.
    pub input: Relation,
    /// Whether they are held by the executors; if not, in the checkpoint directory.
    pub local: bool,
    /// Whether they are computed now; if not, when they are first read.
    pub eager: bool,
}

/// Data to write.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Write {
    pub input: Relation,
    /// Format; `None` is the session's default source.
    pub format: Option<String>,
    pub target: WriteTarget,
    pub mode: SaveMode,
    pub partition_by: Vec<String>,
    pub options: Vec<(String, String)>,
    /// Number, columns and order of buckets.
    pub bucket_by: Option<(u32, Vec<String>)>,
    pub sort_by: Vec<String>,
}

/// Destination of data.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteTarget {
    /// A directory.
    Path(String),
    /// `saveAsTable`: creates the table.
    Table(Vec<String>),
    /// `insertInto`: the table exists, columns are matched by position.
    InsertInto(Vec<String>),
    /// `format("noop")` and others that need no destination.
    None,
}

/// What to do if the target exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveMode {
    /// Spark's default: fail.
    ErrorIfExists,
    /// Append to it.
    Append,
    /// Replace it.
    Overwrite,
    /// Leave it as it is.
    Ignore,
}

/// A table to create.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct CreateTable {
    pub name: Vec<String>,
    pub replace: ReplaceMode,
    pub schema: Vec<Field>,
    /// `USING`.
    pub format: Option<String>,
    pub options: Vec<(String, String)>,
    pub location: Option<String>,
    pub partition_by: Vec<String>,
    pub comment: Option<String>,
    pub properties: Vec<(String, String)>,
    /// `AS SELECT`.
    pub query: Option<Relation>,
}

/// Detail of `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Spark's")]
pub enum ExplainMode {
    Simple,
    Extended,
    Codegen,
    Cost,
    Formatted,
}

/// A call of `spark.catalog`. Results are rows in the form that the client's converter expects.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the names are those of `spark.catalog`'s methods and their parameters"
)]
pub enum CatalogRequest {
    CurrentDatabase,
    SetCurrentDatabase {
        name: String,
    },
    ListDatabases {
        pattern: Option<String>,
    },
    ListTables {
        database: Option<String>,
        pattern: Option<String>,
    },
    ListFunctions {
        database: Option<String>,
        pattern: Option<String>,
    },
    ListColumns {
        table: String,
        database: Option<String>,
    },
    GetDatabase {
        name: String,
    },
    GetTable {
        name: String,
        database: Option<String>,
    },
    GetFunction {
        name: String,
        database: Option<String>,
    },
    DatabaseExists {
        name: String,
    },
    TableExists {
        name: String,
        database: Option<String>,
    },
    FunctionExists {
        name: String,
        database: Option<String>,
    },
    CreateTable {
        name: String,
        path: Option<String>,
        format: Option<String>,
        schema: Option<SchemaOrText>,
        options: Vec<(String, String)>,
        description: Option<String>,
        external: bool,
    },
    DropTempView {
        name: String,
    },
    DropGlobalTempView {
        name: String,
    },
    RecoverPartitions {
        name: String,
    },
    IsCached {
        name: String,
    },
    CacheTable {
        name: String,
    },
    UncacheTable {
        name: String,
    },
    ClearCache,
    RefreshTable {
        name: String,
    },
    RefreshByPath {
        path: String,
    },
    CurrentCatalog,
    SetCurrentCatalog {
        name: String,
    },
    ListViews {
        database: Option<String>,
        pattern: Option<String>,
    },
    ListCatalogs {
        pattern: Option<String>,
    },
}
