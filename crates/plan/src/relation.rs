//! Relations: what yields rows.

use crate::{Expr, Field, FunctionCall, Literal, SortOrder, Statement};

/// A relation, with the id that the client gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// Client's id of this relation: `df["a"]` names it.
    pub plan_id: Option<i64>,
    /// What it is.
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
    reason = "the field names are Spark's and SQL's own; what is not obvious has a comment"
)]
pub enum RelationKind {
    /// One row without columns (`SELECT 1`).
    OneRow,
    /// No rows, of a schema.
    Empty {
        schema: Vec<Field>,
    },
    /// `start, start + step, … < end`; `None` partitions is the default parallelism.
    Range {
        start: i64,
        end: i64,
        step: i64,
        partitions: Option<u32>,
    },
    /// Rows sent by the client: an Arrow IPC stream. `schema` overrides the stream's; a DDL or JSON text is parsed by `connect`
    /// (JSON) or left as `SchemaText`.
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
    /// SQL text with arguments by name or, named by their index, by position; parsed by `TextParser::statement`.
    Sql {
        text: String,
        arguments: Vec<(String, Expr)>,
    },
    /// `WITH name AS (query), …`: names seen by later ones and by `input`.
    With {
        input: Relation,
        named: Vec<(String, Relation)>,
        recursive: bool,
    },
    /// Relations sent beside `input`; each has a plan id, and `Reference` names it.
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
    /// `global`: over all rows, otherwise within each partition.
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
    /// Drops repeated rows; no columns given means all.
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
    /// By hash of the expressions, or by range if any of them is a `SortOrder`. `None` partitions: the session's.
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
    /// Casts and reorders to a schema.
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
    /// Rows become columns, named after the index column (the first one if none is given).
    Transpose {
        input: Relation,
        index: Option<Expr>,
    },
    /// `withWatermark`: says which column is the time of an event.
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
    /// A subquery that sees the columns of what stands left of it (`LATERAL (…)`).
    LateralJoin {
        left: Relation,
        right: Relation,
        kind: JoinType,
        condition: Option<Expr>,
    },
    /// A table-valued function: `range(10)`, `explode(…)`.
    TableFunction(FunctionCall),
    /// What `df.show()` prints, as one row with one column `show_string`.
    ShowString {
        input: Relation,
        rows: u32,
        truncate: u32,
        vertical: bool,
    },
    /// What a notebook shows, as one row with one column `html_string`.
    HtmlString {
        input: Relation,
        rows: u32,
        truncate: u32,
    },
    NaFill(NaFill),
    /// Drops rows with fewer than `min_non_nulls` values that are not null; `None` means all columns must be set.
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
    /// Metrics observed on the way, delivered beside the result.
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

/// What to read.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanOptions {
    /// `parquet`, `csv`, `json`, `text` …; `None` is the session's default source.
    pub format: Option<String>,
    /// Paths; directories, globs and `file:` URLs are allowed.
    pub paths: Vec<String>,
    /// The user's schema; `None` is to be read from the data.
    pub schema: Option<SchemaOrText>,
    /// Reader options; keys are matched without case.
    pub options: Vec<(String, String)>,
}

/// A join.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Join {
    pub left: Relation,
    pub right: Relation,
    pub kind: JoinType,
    pub condition: JoinCondition,
}

/// What makes rows match.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinCondition {
    /// Every pair matches.
    None,
    /// `ON`.
    On(Expr),
    /// `USING`: equal in these columns, which appear once.
    Using(Vec<String>),
    /// `NATURAL`: equal in all common columns.
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
#[expect(missing_docs, reason = "the names say it")]
pub struct SetOperation {
    pub left: Relation,
    pub right: Relation,
    pub operator: SetOperator,
    /// Keeps repeated rows.
    pub all: bool,
    /// Columns matched by name, not by position.
    pub by_name: bool,
    /// With `by_name`: a column that one side lacks is null there.
    pub allow_missing_columns: bool,
}

/// The set operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

/// Grouping and aggregation.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Aggregate {
    pub input: Relation,
    pub grouping: Grouping,
    /// What comes out. For a `groupBy` of a DataFrame: the aggregates, before which the keys come out (`with_keys`).
    pub expressions: Vec<Expr>,
    /// Whether the keys come out first, as a DataFrame's do; in SQL the select list says it.
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

/// Turns values of a column into columns. With `Grouping::All` the groups are, as in SQL's `PIVOT`, all columns of the
/// input that neither the pivot nor an aggregate names.
#[derive(Debug, Clone, PartialEq)]
pub struct Pivot {
    /// Its values become columns.
    pub column: Expr,
    /// The values, which are constants, with a name if one was given; empty means: ask the data.
    pub values: Vec<(Expr, Option<String>)>,
}

/// A random sample.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Sample {
    pub input: Relation,
    /// Fraction from.
    pub lower: f64,
    /// Fraction to.
    pub upper: f64,
    pub with_replacement: bool,
    pub seed: Option<i64>,
}

/// Turns columns into rows.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Unpivot {
    pub input: Relation,
    /// Columns kept; `None` is all others.
    pub ids: Option<Vec<Expr>>,
    /// What becomes a row; `None` is each of the other columns.
    pub values: Option<Vec<UnpivotRow>>,
    pub variable_name: String,
    pub value_names: Vec<String>,
}

/// Columns that become the values of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct UnpivotRow {
    /// As many as there are value names.
    pub columns: Vec<Expr>,
    /// What the row is called; `None` is the names of the columns.
    pub alias: Option<String>,
}

/// Each left row with the one right row whose key is nearest to its own.
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

/// Where the right key lies, seen from the left one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOfDirection {
    /// At it or before it.
    Backward,
    /// At it or after it.
    Forward,
    /// Anywhere.
    Nearest,
}

/// Each left row with the right rows that rank first.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names are those of PySpark's method and its parameters")]
pub struct NearestByJoin {
    pub left: Relation,
    pub right: Relation,
    pub ranking: Expr,
    pub results: u32,
    pub kind: JoinType,
    /// Whether the largest ranking is the nearest (a similarity), not the smallest (a distance).
    pub largest_first: bool,
}

/// `fillna`.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NaFill {
    pub input: Relation,
    /// Empty: all of a fitting type.
    pub columns: Vec<String>,
    /// One for all columns, or one per column.
    pub values: Vec<Literal>,
}

/// Statistics functions of a DataFrame.
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
