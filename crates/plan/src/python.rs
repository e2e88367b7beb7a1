//! Python functions of a program: pickled code, opaque to everything but a Python worker.

use crate::{DataType, Expr, Relation, SortOrder};
use model::ResourceProfile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A Python function, as the client sent it. Two are equal if everything that determines their
/// results is.
#[derive(Clone, PartialEq, Eq)]
pub struct PythonFunction {
    /// Name for people.
    pub name: String,
    /// How the function is called.
    pub eval_type: EvalType,
    /// The pickled function, with what it refers to.
    pub command: Arc<[u8]>,
    /// Type of its result; for functions that yield rows, their struct; `DataType::Null` for a
    /// table function whose `analyze` method determines it.
    pub output: DataType,
    /// The program's Python version: `3.11`.
    pub version: String,
    /// Whether equal arguments give equal results.
    pub deterministic: bool,
}

impl Hash for PythonFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.command.hash(state);
        self.eval_type.hash(state);
    }
}

impl fmt::Debug for PythonFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {} bytes)", self.name, self.eval_type, self.command.len())
    }
}

/// How a Python function is called: PySpark's `PythonEvalType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EvalType(pub i32);

#[expect(missing_docs, reason = "the names are PySpark's own")]
impl EvalType {
    pub const NON_UDF: Self = Self(0);
    pub const BATCHED: Self = Self(100);
    pub const ARROW_BATCHED: Self = Self(101);
    pub const SCALAR_PANDAS: Self = Self(200);
    pub const GROUPED_MAP_PANDAS: Self = Self(201);
    pub const GROUPED_AGG_PANDAS: Self = Self(202);
    pub const WINDOW_AGG_PANDAS: Self = Self(203);
    pub const SCALAR_PANDAS_ITER: Self = Self(204);
    pub const MAP_PANDAS_ITER: Self = Self(205);
    pub const COGROUPED_MAP_PANDAS: Self = Self(206);
    pub const MAP_ARROW_ITER: Self = Self(207);
    pub const GROUPED_MAP_ARROW: Self = Self(209);
    pub const COGROUPED_MAP_ARROW: Self = Self(210);
    pub const GROUPED_MAP_ARROW_ITER: Self = Self(215);
    pub const GROUPED_MAP_PANDAS_ITER: Self = Self(216);
    pub const GROUPED_AGG_PANDAS_ITER: Self = Self(217);
    pub const SCALAR_ARROW: Self = Self(250);
    pub const SCALAR_ARROW_ITER: Self = Self(251);
    pub const GROUPED_AGG_ARROW: Self = Self(252);
    pub const WINDOW_AGG_ARROW: Self = Self(253);
    pub const GROUPED_AGG_ARROW_ITER: Self = Self(254);
    pub const TABLE: Self = Self(300);
    pub const ARROW_TABLE: Self = Self(301);
    pub const ARROW_UDTF: Self = Self(302);

    /// Whether it yields one value per row.
    pub fn is_scalar(self) -> bool {
        matches!(
            self,
            Self::BATCHED
                | Self::ARROW_BATCHED
                | Self::SCALAR_PANDAS
                | Self::SCALAR_PANDAS_ITER
                | Self::SCALAR_ARROW
                | Self::SCALAR_ARROW_ITER
        )
    }

    /// Whether it yields one value per group of rows.
    pub fn is_aggregate(self) -> bool {
        matches!(
            self,
            Self::GROUPED_AGG_PANDAS
                | Self::GROUPED_AGG_PANDAS_ITER
                | Self::GROUPED_AGG_ARROW
                | Self::GROUPED_AGG_ARROW_ITER
        )
    }

    /// Whether it yields one value per group, of which it gets batches.
    pub fn is_iterator_aggregate(self) -> bool {
        matches!(self, Self::GROUPED_AGG_PANDAS_ITER | Self::GROUPED_AGG_ARROW_ITER)
    }

    /// Whether it maps the rows of a partition.
    pub fn is_map(self) -> bool {
        matches!(self, Self::MAP_PANDAS_ITER | Self::MAP_ARROW_ITER)
    }

    /// Whether it maps each group of rows to rows.
    pub fn is_grouped_map(self) -> bool {
        matches!(
            self,
            Self::GROUPED_MAP_PANDAS
                | Self::GROUPED_MAP_PANDAS_ITER
                | Self::GROUPED_MAP_ARROW
                | Self::GROUPED_MAP_ARROW_ITER
        )
    }

    /// Whether it maps each pair of groups to rows.
    pub fn is_cogrouped_map(self) -> bool {
        matches!(self, Self::COGROUPED_MAP_PANDAS | Self::COGROUPED_MAP_ARROW)
    }

    /// Whether it is a table function.
    pub fn is_table(self) -> bool {
        matches!(self, Self::TABLE | Self::ARROW_TABLE | Self::ARROW_UDTF)
    }
}

/// A call of a Python function that yields one value per row or per group.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonCall {
    /// The function.
    pub function: Arc<PythonFunction>,
    /// Arguments; `Expr::NamedArgument` for those by keyword.
    pub args: Vec<Expr>,
    /// `DISTINCT` in an aggregate.
    pub distinct: bool,
}

/// A Python function over rows: `mapInArrow`, `applyInPandas` and their like.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonMap {
    /// The function; its output is a struct.
    pub function: Arc<PythonFunction>,
    /// The rows it gets: one input, or several whose partitions are taken in pairs (or more).
    pub inputs: Vec<Relation>,
    /// Keys of groups by input; empty for a function over partitions.
    pub keys: Vec<Vec<Expr>>,
    /// Whether all tasks must run at once.
    pub barrier: bool,
    /// What its tasks and their executors need, if that is not as usual.
    pub profiles: BTreeSet<ResourceProfile>,
}

/// A call of a Python table function.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonTable {
    /// The function.
    pub function: Arc<PythonFunction>,
    /// Arguments: values, `Expr::TableArgument`, and `Expr::NamedArgument` of either.
    pub args: Vec<Expr>,
}

/// A table whose rows a table function gets.
#[derive(Debug, Clone, PartialEq)]
pub struct TableArgument {
    /// The rows.
    pub input: Relation,
    /// Keys: each of their values has an instance of the function's handler of its own.
    pub partition_by: Vec<Expr>,
    /// Order of the rows with equal keys.
    pub order_by: Vec<SortOrder>,
    /// Whether a single instance gets all rows.
    pub single_partition: bool,
}

/// A call of the `analyze` method of a table function; one row with the column `analysis: string`,
/// JSON as the worker yields it (`docs/decisions/0014-python-workers.md`).
#[derive(Debug, Clone, PartialEq)]
pub struct PythonAnalysis {
    /// The function.
    pub function: Arc<PythonFunction>,
    /// What the method learns about the arguments.
    pub args: Vec<AnalyzedArgument>,
}

/// A call of methods of a Python data source; rows with the column `answer: binary`, as the worker
/// yields them (`docs/decisions/0014-python-workers.md`).
#[derive(Debug, Clone, PartialEq)]
pub struct PythonSourceCall {
    /// The source: its command is a pickled class.
    pub source: Arc<PythonFunction>,
    /// What to do, as JSON.
    pub request: String,
    /// The pickled objects that belong to it.
    pub objects: Vec<Vec<u8>>,
}

/// What `analyze` learns about an argument.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyzedArgument {
    /// Its keyword, if it has one.
    pub keyword: Option<String>,
    /// Its type; the columns of a table as a struct.
    pub data_type: DataType,
    /// Whether it is a table.
    pub is_table: bool,
    /// The expression, if it is constant.
    pub constant: Option<Expr>,
}

/// How a worker calls functions (`docs/decisions/0014-python-workers.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerKind {
    /// One value per row, beside the input's columns.
    Eval,
    /// Rows for the rows of a partition.
    Map,
    /// Rows for each group of rows.
    Group,
    /// Rows for each pair of groups.
    CoGroup,
    /// One row per group: its keys and the functions' values.
    Aggregate,
    /// One value per row, computed from the rows of its group, beside the input's columns.
    Window,
    /// Rows of a table function.
    Table,
    /// Rows of a table function, each beside the columns of the input's row that it belongs to.
    Lateral,
    /// One row with what the `analyze` method of a table function says.
    Analyze,
    /// The answer of a data source to a request; rows of bytes both.
    Source,
}

impl WorkerKind {
    /// Whether a worker gets groups of rows.
    pub fn is_grouped(self) -> bool {
        matches!(self, Self::Group | Self::CoGroup | Self::Aggregate | Self::Window)
    }

    /// Whether the columns of the input stay, beside what the worker yields.
    pub fn keeps_columns(self) -> bool {
        matches!(self, Self::Eval | Self::Window | Self::Lateral)
    }

    /// Whether there is exactly one row for each of the input.
    pub fn is_row_wise(self) -> bool {
        matches!(self, Self::Eval | Self::Window)
    }
}

/// A sort key of the rows that a worker gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkerOrder {
    /// The column, as the worker gets it.
    pub column: usize,
    /// Whether the highest value comes first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

/// A call in a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerCall {
    /// The function.
    pub function: Arc<PythonFunction>,
    /// Its arguments.
    pub args: Vec<WorkerArgument>,
    /// Keywords of the arguments that have one.
    pub keywords: Vec<Option<String>>,
    /// For `Window`, unless the frame is the whole group: the columns of the first row of each
    /// row's frame and of the row after the last, counted from the beginning of the group.
    pub frame: Option<[usize; 2]>,
    /// For `Table`: the fields of the table that only partition it.
    pub partition_fields: Vec<usize>,
    /// For `Table`: the pickled result of `analyze`.
    pub analyzed: Option<Arc<[u8]>>,
    /// The number of its profile, if it is profiled.
    pub profile: Option<u64>,
}

impl WorkerCall {
    /// A call with these arguments and their keywords.
    pub fn new(
        function: &Arc<PythonFunction>,
        args: Vec<WorkerArgument>,
        keywords: Vec<Option<String>>,
    ) -> Self {
        Self {
            function: Arc::clone(function),
            args,
            keywords,
            frame: None,
            partition_fields: Vec::new(),
            analyzed: None,
            profile: None,
        }
    }
}

/// An argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerArgument {
    /// A column of the first input, as the worker gets it.
    Column(usize),
    /// The result of an earlier call.
    Function(usize),
    /// A column of structs, which are the rows of a table.
    Table(usize),
    /// A column with a constant, for `Analyze`.
    Constant(usize),
}
