//! Logical nodes whose rows a Python worker computes.

use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use model::ResourceProfile;
use plan::{DataType, Field, WorkerCall, WorkerKind, WorkerOrder};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;

/// What a worker gets of an input: expressions over it, with Spark's names and types.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct WorkerInput {
    /// The expressions.
    pub exprs: Vec<Expr>,
    /// Name and type of each.
    pub fields: Vec<Field>,
    /// Which of them are the key.
    pub keys: Vec<usize>,
    /// The order of rows with equal keys.
    pub order: Vec<WorkerOrder>,
    /// Whether one worker gets all rows.
    pub single_partition: bool,
    /// Which of them a function over rows gets.
    pub arguments: Vec<usize>,
}

impl WorkerInput {
    /// Adds a value, unless it is there already; returns its place.
    pub(super) fn add(&mut self, expr: Expr, data_type: DataType) -> usize {
        let mut known = self.exprs.iter().zip(&self.fields);
        let known = known.position(|(known, field)| {
            *known == expr && field.data_type == data_type && !expr.is_volatile()
        });
        known.unwrap_or_else(|| {
            let name = format!("_{}", self.exprs.len());
            self.fields.push(Field::new(name, data_type, true));
            self.exprs.push(expr);
            self.exprs.len() - 1
        })
    }
}

/// The node (see the module).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PythonNode {
    /// How functions are called.
    pub kind: WorkerKind,
    /// The inputs.
    pub inputs: Vec<LogicalPlan>,
    /// What the worker gets of each.
    pub sent: Vec<WorkerInput>,
    /// The calls; a call's arguments precede it.
    pub calls: Vec<WorkerCall>,
    /// The calls whose values are columns of the output.
    pub outputs: Vec<usize>,
    /// Spark's names and types of the columns that the worker yields.
    pub fields: Vec<Field>,
    /// Whether all tasks must run at once.
    pub barrier: bool,
    /// What its tasks and their executors need, if that is not as usual.
    pub profiles: BTreeSet<ResourceProfile>,
    /// Columns of the plan: if the kind keeps them those of the input, then the worker's.
    pub schema: DFSchemaRef,
}

impl PartialOrd for PythonNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.inputs.partial_cmp(&other.inputs).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl PythonNode {
    /// A node whose worker makes one call, which yields all columns.
    pub(super) fn of_call(
        kind: WorkerKind,
        (inputs, sent): (Vec<LogicalPlan>, Vec<WorkerInput>),
        call: WorkerCall,
        fields: Vec<Field>,
        schema: DFSchemaRef,
    ) -> Self {
        let (calls, outputs) = (vec![call], vec![0]);
        let (barrier, profiles) = (false, BTreeSet::new());
        Self { kind, inputs, sent, calls, outputs, fields, barrier, profiles, schema }
    }

    /// The node in a plan.
    pub(crate) fn plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The node that a plan is.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<&Self> {
        let LogicalPlan::Extension(extension) = plan else { return None };
        extension.node.as_any().downcast_ref()
    }

    /// Whether another node is the same, apart from the names of its columns.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        *self == Self { schema: Arc::clone(&self.schema), ..other.clone() }
    }

    /// The schema of a node that keeps the input's columns: these and the worker's.
    pub(super) fn beside(
        input: &LogicalPlan,
        outputs: Vec<arrow::datatypes::Field>,
    ) -> Result<DFSchemaRef> {
        let inputs = input.schema().iter().map(|(of, field)| (of.cloned(), Arc::clone(field)));
        let outputs = outputs.into_iter().map(|field| (None, Arc::new(field)));
        let schema = DFSchema::new_with_metadata(
            inputs.chain(outputs).collect(),
            std::collections::HashMap::default(),
        )?;
        Ok(Arc::new(schema))
    }

    /// The call of a table function without a TABLE argument, if a node is one.
    pub(crate) fn of_one_row(node: &Extension) -> Option<&Self> {
        let node = node.node.as_any().downcast_ref::<Self>()?;
        let one = |input: &LogicalPlan| match input {
            LogicalPlan::EmptyRelation(empty) => {
                empty.produce_one_row && empty.schema.fields().is_empty()
            }
            _ => false,
        };
        (node.kind == WorkerKind::Table && node.inputs.iter().all(one)).then_some(node)
    }

    /// The same call for each row of an input, whose columns stay.
    pub(crate) fn for_each_row(&self, input: LogicalPlan, exprs: Vec<Expr>) -> Result<Self> {
        let made = self.schema.fields().iter().map(|field| field.as_ref().clone());
        let schema = Self::beside(&input, made.collect())?;
        let kind = WorkerKind::Lateral;
        let sent =
            self.sent.iter().map(|sent| WorkerInput { exprs: exprs.clone(), ..sent.clone() });
        Ok(Self { kind, inputs: vec![input], sent: sent.collect(), schema, ..self.clone() })
    }
}

impl UserDefinedLogicalNodeCore for PythonNode {
    fn name(&self) -> &'static str {
        match self.kind {
            WorkerKind::Eval => "PythonEval",
            WorkerKind::Map => "PythonMap",
            WorkerKind::Group => "PythonGroupMap",
            WorkerKind::CoGroup => "PythonCoGroupMap",
            WorkerKind::Aggregate => "PythonAggregate",
            WorkerKind::Window => "PythonWindow",
            WorkerKind::Table => "PythonTable",
            WorkerKind::Lateral => "PythonLateral",
            WorkerKind::Analyze => "PythonAnalyze",
            WorkerKind::Source => "PythonSource",
        }
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.inputs.iter().collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.sent.iter().flat_map(|input| input.exprs.iter().cloned()).collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        // Filters on columns that only pass through may go below, unless a function sees other
        // rows.
        let passed = match (self.kind, self.inputs.first()) {
            (WorkerKind::Eval, Some(input)) => input.schema().fields().len(),
            _ => 0,
        };
        let computed = self.schema.fields().iter().skip(passed);
        computed.map(|field| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.calls.iter().map(|call| call.function.name.as_str()).collect();
        write!(f, "{}: {}", UserDefinedLogicalNodeCore::name(self), names.join(", "))
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let sent = self.sent.iter().map(|input| WorkerInput {
            exprs: exprs.by_ref().take(input.exprs.len()).collect(),
            ..input.clone()
        });
        let sent = sent.collect();
        let schema = match inputs.first() {
            Some(input) if self.kind.keeps_columns() => {
                let made = self.schema.fields().len() - self.fields.len();
                let outputs = self.schema.fields()[made..].iter();
                Self::beside(input, outputs.map(|field| field.as_ref().clone()).collect())?
            }
            _ => Arc::clone(&self.schema),
        };
        Ok(Self { inputs, sent, schema, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let passed = match self.inputs.first() {
            Some(input) if self.kind.keeps_columns() => input.schema().fields().len(),
            _ => 0,
        };
        let columns = |(input, sent): (&LogicalPlan, &WorkerInput)| {
            let mut columns: Vec<usize> =
                output_columns.iter().copied().filter(|column| *column < passed).collect();
            for column in sent.exprs.iter().flat_map(Expr::column_refs) {
                columns.push(input.schema().maybe_index_of_column(column)?);
            }
            columns.sort_unstable();
            columns.dedup();
            Some(columns)
        };
        self.inputs.iter().zip(&self.sent).map(columns).collect()
    }
}
