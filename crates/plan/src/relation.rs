//! Relations: everything that yields rows.

use crate::{
    Expr, Field, FunctionCall, Literal, PythonAnalysis, PythonMap, PythonSourceCall, PythonTable,
    SortOrder, Statement,
};

/// A relation, with the id that the client gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// The client's id of this relation; `df["a"]` refers to it.
    pub plan_id: Option<i64>,
    /// Its kind.
    pub kind: Box<RelationKind>,
}

impl From<RelationKind> for Relation {
    fn from(kind: RelationKind) -> Self {
        Self { plan_id: None, kind: Box::new(kind) }
    }
}

/// The kinds of relation. `input` is the relation it works on.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the field names are Spark's and SQL's own; only the others have a comment"
)]
pub enum RelationKind {
    /// One row without columns (`SELECT 1`).
    OneRow,
    /// No rows, with a schema.
    Empty {
        schema: Vec<Field>,
    },
    /// `start, start + step, … < end`; without `partitions` the default parallelism applies.
    Range {
        start: i64,
        end: i64,
        step: i64,
        partitions: Option<u32>,
    },
    /// Rows sent by the client: an Arrow IPC stream. `schema` overrides the stream's; `connect`
    /// parses JSON text and leaves DDL text as `SchemaOrText::Text`.
    Local {
        data: Vec<u8>,
        schema: Option<SchemaOrText>,
    },
    /// `VALUES (…), (…)`; every row has the same length.
    Values {
        rows: Vec<Vec<Expr>>,
    },
    /// A table or view by name.
    Table {
        name: Vec<String>,
        options: Vec<(String, String)>,
    },
    /// Files or another source.
    Scan(ScanOptions),
    /// SQL text with arguments by name or, named by their index, by position; parsed by
    /// `TextParser::statement`.
    Sql {
        text: String,
        arguments: Vec<(String, Expr)>,
    },
    /// `WITH name AS (query), …`: each name is visible to later queries and to `input`.
    With {
        input: Relation,
        named: Vec<(String, Relation)>,
        recursive: bool,
    },
    /// Relations sent along with `input`; each has a plan id, and `Reference` refers to it.
    WithReferences {
        input: Relation,
        references: Vec<Relation>,
    },
    /// The relation with that plan id in the enclosing `WithReferences`.
    Reference(i64),
    /// The result of a checkpoint or of an earlier command, by id.
    CachedRemote(String),
    Project {
        input: Relation,
        expressions: Vec<Expr>,
    },
    Filter {
        input: Relation,
        condition: Expr,
    },
    Join(Join),
    SetOperation(SetOperation),
    /// `global`: sort over all rows, otherwise within each partition.
    Sort {
        input: Relation,
        order: Vec<SortOrder>,
        global: bool,
    },
    Limit {
        input: Relation,
        limit: Expr,
    },
    Offset {
        input: Relation,
        offset: Expr,
    },
    Tail {
        input: Relation,
        limit: u32,
    },
    Aggregate(Aggregate),
    /// Drops duplicate rows; no columns means all.
    Deduplicate {
        input: Relation,
        columns: Vec<String>,
    },
    Sample(Sample),
    SubqueryAlias {
        input: Relation,
        alias: String,
        columns: Vec<String>,
    },
    /// `shuffle: false` is `coalesce`.
    Repartition {
        input: Relation,
        partitions: u32,
        shuffle: bool,
    },
    /// Repartitions by a hash of the expressions, or by range if any of them is a `SortOrder`.
    /// `None` partitions: the session's number.
    RepartitionByExpression {
        input: Relation,
        expressions: Vec<Expr>,
        partitions: Option<u32>,
    },
    ToDf {
        input: Relation,
        names: Vec<String>,
    },
    /// Adds or replaces columns by name; each is an `Expr::Alias`.
    WithColumns {
        input: Relation,
        columns: Vec<Expr>,
    },
    /// Pairs of old and new name.
    WithColumnsRenamed {
        input: Relation,
        renames: Vec<(String, String)>,
    },
    Drop {
        input: Relation,
        columns: Vec<Expr>,
        names: Vec<String>,
    },
    /// Casts and reorders columns to match a schema.
    ToSchema {
        input: Relation,
        schema: Vec<Field>,
    },
    /// A hint, such as `broadcast`, `repartition`.
    Hint {
        input: Relation,
        name: String,
        parameters: Vec<HintArgument>,
    },
    Unpivot(Unpivot),
    /// Turns rows into columns, named after the index column (by default the first one).
    Transpose {
        input: Relation,
        index: Option<Expr>,
    },
    /// `withWatermark`: names the event time column.
    Watermark {
        input: Relation,
        column: String,
    },
    AsOfJoin(AsOfJoin),
    NearestByJoin(NearestByJoin),
    /// `LATERAL VIEW [OUTER] generator table AS columns`.
    LateralView {
        input: Relation,
        generator: FunctionCall,
        outer: bool,
        table: Option<String>,
        columns: Vec<String>,
    },
    /// A subquery that sees the columns to its left (`LATERAL (…)`).
    LateralJoin {
        left: Relation,
        right: Relation,
        kind: JoinType,
        condition: Option<Expr>,
    },
    /// A table-valued function: `range(10)`, `explode(…)`.
    TableFunction(FunctionCall),
    /// A Python function over rows.
    PythonMap(PythonMap),
    /// A Python table function.
    PythonTable(PythonTable),
    /// The `analyze` method of a Python table function.
    PythonAnalysis(PythonAnalysis),
    /// Methods of a Python data source.
    PythonSource(PythonSourceCall),
    /// Rows of one column `batch: binary`, by partition: the elements of an RDD.
    LocalPartitions {
        partitions: Vec<Vec<Vec<u8>>>,
    },
    /// Other partitions: each is a group of the input's, one after the other.
    SelectPartitions {
        input: Relation,
        groups: Vec<Vec<u32>>,
    },
    /// Sends each row to the partition whose number is in a column.
    ShufflePartitions {
        input: Relation,
        column: String,
        partitions: u32,
    },
    /// Stores the partitions when they are first computed.
    KeepPartitions {
        input: Relation,
        level: String,
    },
    /// The number of partitions, as one row with the column `count`.
    CountPartitions {
        input: Relation,
    },
    /// How much is stored of the relation of kind `KeepPartitions` with this id, as one row with
    /// the columns `partitions` and `bytes`.
    StoredPartitions {
        plan_id: i64,
    },
    /// What jobs, stages and executors are doing, as one row with JSON in the column `status`.
    ApplicationStatus,
    /// The output of `df.show()`, as one row with the column `show_string`.
    ShowString {
        input: Relation,
        rows: u32,
        truncate: u32,
        vertical: bool,
    },
    /// The output in a notebook, as one row with the column `html_string`.
    HtmlString {
        input: Relation,
        rows: u32,
        truncate: u32,
    },
    NaFill(NaFill),
    /// Drops rows with fewer than `min_non_nulls` non-null values; `None` means that no column may
    /// be null.
    NaDrop {
        input: Relation,
        columns: Vec<String>,
        min_non_nulls: Option<u32>,
    },
    /// Pairs of old and new value.
    NaReplace {
        input: Relation,
        columns: Vec<String>,
        replacements: Vec<(Literal, Literal)>,
    },
    Statistics {
        input: Relation,
        statistics: Statistics,
    },
    /// Metrics collected along the way and delivered beside the result.
    CollectMetrics {
        input: Relation,
        name: String,
        metrics: Vec<Expr>,
    },
    /// `EXPLAIN`, `SHOW`, `SET` …: a statement whose result is rows.
    Statement(Box<Statement>),
}

/// A schema, or its DDL text.
#[derive(Debug, Clone, PartialEq)]
pub enum SchemaOrText {
    /// Parsed.
    Schema(Vec<Field>),
    /// DDL, or a JSON schema that starts with `{`.
    Text(String),
}

/// Options of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanOptions {
    /// `parquet`, `csv`, `json`, `text` …; `None` is the session's default source.
    pub format: Option<String>,
    /// Paths; directories, globs and `file:` URLs are allowed.
    pub paths: Vec<String>,
    /// The user's schema; `None` infers it from the data.
    pub schema: Option<SchemaOrText>,
    /// Reader options; keys are not case-sensitive.
    pub options: Vec<(String, String)>,
}

/// A join.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Join {
    pub left: Relation,
    pub right: Relation,
    pub kind: JoinType,
    pub condition: JoinCondition,
}

/// The condition for rows to match.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinCondition {
    /// Every pair matches.
    None,
    /// `ON`.
    On(Expr),
    /// `USING`: equality of these columns, which appear once.
    Using(Vec<String>),
    /// `NATURAL`: equality of all common columns.
    Natural,
}

/// Kinds of join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Spark's")]
pub enum JoinType {
    Inner,
    Cross,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    LeftAnti,
}

/// Union, intersection, difference.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct SetOperation {
    pub left: Relation,
    pub right: Relation,
    pub operator: SetOperator,
    /// Whether to keep duplicate rows.
    pub all: bool,
    /// Whether to match columns by name instead of position.
    pub by_name: bool,
    /// With `by_name`: whether a column missing on one side is null there.
    pub allow_missing_columns: bool,
}

/// The set operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

/// Grouping and aggregation.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Aggregate {
    pub input: Relation,
    pub grouping: Grouping,
    /// The output. For a DataFrame's `groupBy`: the aggregates, with the keys in front
    /// (`with_keys`).
    pub expressions: Vec<Expr>,
    /// Whether the keys come first, as in a DataFrame; in SQL the select list decides.
    pub with_keys: bool,
    pub having: Option<Expr>,
    pub pivot: Option<Pivot>,
}

/// The groups. In SQL a key may be the number of a select item or an alias.
#[derive(Debug, Clone, PartialEq)]
pub enum Grouping {
    /// One key tuple.
    By(Vec<Expr>),
    /// `GROUP BY ALL`.
    All,
    /// All prefixes.
    Rollup(Vec<Expr>),
    /// All subsets.
    Cube(Vec<Expr>),
    /// These sets, over these keys.
    Sets {
        /// All keys.
        keys: Vec<Expr>,
        /// The sets.
        sets: Vec<Vec<Expr>>,
    },
}

/// Turns values of a column into columns. With `Grouping::All` the groups are, as in SQL's `PIVOT`,
/// all input columns that neither the pivot nor an aggregate names.
#[derive(Debug, Clone, PartialEq)]
pub struct Pivot {
    /// The column whose values become columns.
    pub column: Expr,
    /// The values, which are constants, with a name if given; empty to take them from the data.
    pub values: Vec<(Expr, Option<String>)>,
}

/// A random sample.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Sample {
    pub input: Relation,
    /// Lower end of the fraction.
    pub lower: f64,
    /// Upper end of the fraction.
    pub upper: f64,
    pub with_replacement: bool,
    pub seed: Option<i64>,
}

/// Turns columns into rows.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct Unpivot {
    pub input: Relation,
    /// Columns to keep; `None` for all others.
    pub ids: Option<Vec<Expr>>,
    /// Columns that become a row; `None` for each of the other columns.
    pub values: Option<Vec<UnpivotRow>>,
    pub variable_name: String,
    pub value_names: Vec<String>,
}

/// Columns that become the values of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct UnpivotRow {
    /// As many columns as there are value names.
    pub columns: Vec<Expr>,
    /// Name of the row; `None` for the names of the columns.
    pub alias: Option<String>,
}

/// Joins each left row with the one right row whose key is nearest.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of PySpark's method and its parameters")]
pub struct AsOfJoin {
    pub left: Relation,
    pub right: Relation,
    pub left_as_of: Expr,
    pub right_as_of: Expr,
    pub condition: JoinCondition,
    pub kind: JoinType,
    pub tolerance: Option<Expr>,
    pub allow_exact_matches: bool,
    pub direction: AsOfDirection,
}

/// Position of the right key relative to the left one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOfDirection {
    /// Equal or before.
    Backward,
    /// Equal or after.
    Forward,
    /// Either side.
    Nearest,
}

/// Joins each left row with the right rows that rank first.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of PySpark's method and its parameters")]
pub struct NearestByJoin {
    pub left: Relation,
    pub right: Relation,
    pub ranking: Expr,
    pub results: u32,
    pub kind: JoinType,
    /// Whether the largest ranking is the nearest (a similarity) instead of the smallest (a
    /// distance).
    pub largest_first: bool,
}

/// `fillna`.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub struct NaFill {
    pub input: Relation,
    /// Columns to fill; empty for all of a fitting type.
    pub columns: Vec<String>,
    /// One value for all columns, or one per column.
    pub values: Vec<Literal>,
}

/// A DataFrame's statistics functions.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of PySpark's methods and their parameters")]
pub enum Statistics {
    Summary { statistics: Vec<String> },
    Describe { columns: Vec<String> },
    Crosstab { left: String, right: String },
    Covariance { left: String, right: String },
    Correlation { left: String, right: String, method: Option<String> },
    ApproxQuantile { columns: Vec<String>, probabilities: Vec<f64>, relative_error: f64 },
    FreqItems { columns: Vec<String>, support: f64 },
    SampleBy { column: Expr, fractions: Vec<(Literal, f64)>, seed: Option<i64> },
}

/// An argument of a hint.
#[derive(Debug, Clone, PartialEq)]
pub enum HintArgument {
    /// A number, as in `REPARTITION(3)`.
    Number(i64),
    /// A table or column.
    Expr(Expr),
}

impl RelationKind {
    /// A scan of files with no options.
    pub fn files(format: &str, paths: Vec<String>) -> Self {
        Self::Scan(ScanOptions {
            format: Some(format.to_owned()),
            paths,
            schema: None,
            options: Vec::new(),
        })
    }
}
