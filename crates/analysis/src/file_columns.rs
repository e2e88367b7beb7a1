//! What programs can ask about the file of a row: the functions `input_file_name()` and its like,
//! and the hidden column `_metadata`.
//!
//! Both are first calls that only hold a place. When the plan is complete, each becomes a column
//! that the scan below yields, and which the operators in between are made to keep. A function
//! stays where a row comes from no file, or where Spark would have shuffled the row since: then it
//! evaluates to an empty name, or to -1.

use crate::column::{Names, too_many};
use crate::nodes::{Exchange, JoinHint, LocalSort, Target};
use crate::python::PythonNode;
use crate::scope::{Column, Found};
use crate::typed::{Origin, Typed};
use crate::{Resolver, Result, error, reference};
use arrow::datatypes::DataType as Arrow;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column as DfColumn, JoinType, Result as PlanResult, internal_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr as DfExpr, Extension, LogicalPlan, Projection, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TableScan, Union, Volatility,
};
use errors::condition;
use formats::types;
use plan::{DataType, Field, Literal};
use sources::FileColumn;
use std::sync::Arc;

/// Name of the hidden column.
const METADATA: &str = "_metadata";

/// What the schema says about it.
const MARKS: &str = r#"{"__file_source_metadata_col":true,"__metadata_col":"_metadata"}"#;

/// Its fields.
const FIELDS: [(&str, FileColumn); 6] = [
    ("file_path", FileColumn::Path),
    ("file_name", FileColumn::Name),
    ("file_size", FileColumn::Size),
    ("file_block_start", FileColumn::BlockStart),
    ("file_block_length", FileColumn::BlockLength),
    ("file_modification_time", FileColumn::ModificationTime),
];

impl Resolver<'_> {
    /// A column `_metadata`; its id names a scan.
    pub(super) fn metadata_column(&mut self) -> Column {
        let field =
            |(name, column): (&str, FileColumn)| Field::new(name, column.data_type(), false);
        let fields = FIELDS.map(field).to_vec();
        let mut column = self.new_column(METADATA, DataType::Struct(fields), false);
        column.metadata = Some(MARKS.to_owned());
        column
    }

    /// Looks up a name among the columns `_metadata` of the scans below.
    pub(super) fn metadata(&mut self, name: &[String], names: Names<'_>) -> Result<Option<Typed>> {
        match names.scope.find_metadata(name, self.context.case_sensitive) {
            Found::One(column, fields) => self.described(column, name, fields).map(Some),
            Found::Many(found) => Err(too_many(name, &found)),
            Found::Nothing => Ok(None),
        }
    }

    /// The same for a data frame below.
    pub(super) fn metadata_of_frame(
        &mut self,
        name: &[String],
        plan_id: i64,
        names: Names<'_>,
    ) -> Result<Option<Typed>> {
        for frame in names.scope.nearest_frames(plan_id) {
            let found = frame.scope.find_metadata(name, self.context.case_sensitive);
            if let Found::One(column, fields) = found
                && names.scope.metadata.iter().any(|known| known.id == column.id)
            {
                return self.described(column, name, fields).map(Some);
            }
        }
        Ok(None)
    }

    /// Resolves a name that can only be that of a hidden column: `df.metadataColumn(…)`.
    pub(super) fn metadata_column_named(
        &mut self,
        name: &[String],
        plan_id: Option<i64>,
        names: Names<'_>,
    ) -> Result<Typed> {
        let found = match plan_id {
            Some(plan_id) => self.metadata_of_frame(name, plan_id, names)?,
            None => self.metadata(name, names)?,
        };
        found.ok_or_else(|| {
            let known = names.scope.metadata.iter().map(|column| vec![column.name.clone()]);
            let known: Vec<Vec<String>> = known.collect();
            let proposal = error::suggestion(&name.join("."), known.iter().map(Vec::as_slice));
            error::unresolved_column(name, proposal)
        })
    }

    /// A column `_metadata`, or a field of it, which alone is then read.
    fn described(&self, column: &Column, name: &[String], fields: &[String]) -> Result<Typed> {
        let place = |of: FileColumn| Typed {
            expr: FilePlace::new(&column.id, of).call(),
            data_type: of.data_type(),
            nullable: false,
            name: String::new(),
            metadata: None,
            origin: Origin::Computed,
            aliased: false,
        };
        if let Some((first, rest)) = fields.split_first()
            && let Some((field, of)) =
                FIELDS.iter().find(|(field, _)| self.context.same(field, first))
        {
            let written = &name[name.len() - fields.len() - 1];
            let origin = Origin::Field { name: first.clone() };
            let typed = Typed { name: format!("{written}.{field}"), origin, ..place(*of) };
            return self.fields(typed, rest);
        }
        let mut arguments = Vec::new();
        for (field, of) in FIELDS {
            arguments.push(self.literal(&Literal::String(field.to_owned()))?);
            arguments.push(place(of));
        }
        let value = self.scalar("named_struct", arguments)?;
        let whole = Typed {
            data_type: column.data_type.clone(),
            nullable: false,
            name: column.name.clone(),
            metadata: column.metadata.clone(),
            ..value
        };
        self.written(whole, name, fields)
    }

    /// The plan with columns of scans in place of the calls that hold their places.
    pub(super) fn with_file_columns(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                found |= has_call(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if !found {
            return Ok(plan);
        }
        check_sources(&plan)?;
        let replaced =
            plan.transform_up_with_subqueries(|node| self.with_columns_of_scans(node))?;
        Ok(replaced.data)
    }

    /// An operator without such calls, above inputs that yield the columns.
    fn with_columns_of_scans(&mut self, node: LogicalPlan) -> PlanResult<Transformed<LogicalPlan>> {
        let mut wanted: Vec<(DfExpr, Wanted)> = Vec::new();
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some(call) = Wanted::of(expr)
                    && !wanted.iter().any(|(known, _)| known == expr)
                {
                    wanted.push((expr.clone(), call));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if wanted.is_empty() {
            return Ok(Transformed::no(node));
        }
        let schema = Arc::clone(node.schema());
        let mut inputs: Vec<LogicalPlan> = node.inputs().into_iter().cloned().collect();
        let mut columns: Vec<(DfExpr, DfExpr)> = Vec::new();
        for (call, wanted) in wanted {
            let single = inputs.len() == 1;
            for input in &mut inputs {
                // A function of a join's condition has no row's file yet.
                if (single || wanted.scan.is_some())
                    && let Some(id) = self.carry(input, &wanted)?
                {
                    columns.push((call, reference(&id)));
                    break;
                }
            }
        }
        let names = NamePreserver::new(&node);
        let exprs = node.expressions().into_iter().map(|expr| {
            let name = names.save(&expr);
            let replaced = expr.transform_down(|expr| {
                let column = columns.iter().find(|(call, _)| *call == expr);
                Ok(match column {
                    Some((_, column)) => Transformed::yes(column.clone()),
                    None => Transformed::no(expr),
                })
            })?;
            Ok(name.restore(replaced.data))
        });
        let exprs = exprs.collect::<PlanResult<Vec<_>>>()?;
        let plan = node.with_new_exprs(exprs, inputs)?;
        if plan.schema().fields().len() == schema.fields().len() {
            return Ok(Transformed::yes(plan));
        }
        let columns = schema.iter().map(DfColumn::from).map(DfExpr::Column).collect();
        let plan = Projection::try_new(columns, Arc::new(plan))?;
        Ok(Transformed::yes(LogicalPlan::Projection(plan)))
    }

    /// Makes a plan yield one more column; returns its id, or `None` if the plan cannot.
    #[recursive::recursive]
    fn carry(&mut self, plan: &mut LogicalPlan, wanted: &Wanted) -> PlanResult<Option<String>> {
        match plan {
            LogicalPlan::Projection(projection) => {
                let mut input = projection.input.as_ref().clone();
                let found = match &input {
                    LogicalPlan::TableScan(scan) => self.of_scan(projection, scan, wanted),
                    _ => self.carry(&mut input, wanted)?.map(|id| (reference(&id), id)),
                };
                let Some((expr, id)) = found else { return Ok(None) };
                if !projection.schema.has_column(&DfColumn::new_unqualified(&id)) {
                    let mut exprs = projection.expr.clone();
                    exprs.push(expr);
                    let projection = Projection::try_new(exprs, Arc::new(input))?;
                    *plan = LogicalPlan::Projection(projection);
                }
                Ok(Some(id))
            }
            LogicalPlan::Union(union) if wanted.scan.is_none() => {
                let Some((inputs, id)) = self.carry_in_union(union, wanted)? else {
                    return Ok(None);
                };
                *plan = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
                Ok(Some(id))
            }
            node => {
                let mut inputs: Vec<_> = node.inputs().into_iter().cloned().collect();
                for (at, input) in inputs.iter_mut().enumerate() {
                    if !wanted.passes(node, at) {
                        continue;
                    }
                    if let Some(id) = self.carry(input, wanted)? {
                        *node = node.with_new_exprs(node.expressions(), inputs)?;
                        return Ok(Some(id));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The column of a scan below a projection, which may yield it already, and its id.
    fn of_scan(
        &mut self,
        projection: &Projection,
        scan: &TableScan,
        wanted: &Wanted,
    ) -> Option<(DfExpr, String)> {
        let name = wanted.column.name();
        let table = scan.table_name.table();
        scan.projected_schema.index_of_column_by_name(Some(&scan.table_name), name)?;
        if wanted.scan.as_ref().is_some_and(|scan| scan != table) {
            return None;
        }
        let value = DfExpr::Column(DfColumn::new(Some(scan.table_name.clone()), name));
        for expr in &projection.expr {
            if let DfExpr::Alias(alias) = expr
                && *alias.expr == value
            {
                return Some((expr.clone(), alias.name.clone()));
            }
        }
        let id = self.new_id();
        Some((value.alias(&id), id))
    }

    /// A union's inputs with the column; those without files have the function's own value.
    fn carry_in_union(
        &mut self,
        union: &Union,
        wanted: &Wanted,
    ) -> PlanResult<Option<(Vec<Arc<LogicalPlan>>, String)>> {
        let mut found = Vec::new();
        for input in &union.inputs {
            let mut input = input.as_ref().clone();
            let columns: Vec<_> =
                input.schema().columns().into_iter().map(DfExpr::Column).collect();
            let id = self.carry(&mut input, wanted)?;
            found.push((input, columns, id));
        }
        if found.iter().all(|(.., id)| id.is_none()) {
            return Ok(None);
        }
        let made = self.new_id();
        let mut inputs = Vec::new();
        for (input, mut columns, id) in found {
            let value = match id {
                Some(id) => reference(&id),
                None if wanted.column == FileColumn::Uri => DfExpr::Literal("".into(), None),
                None => DfExpr::Literal((-1_i64).into(), None),
            };
            columns.push(value.alias(&made));
            let projection = Projection::try_new(columns, Arc::new(input))?;
            inputs.push(Arc::new(LogicalPlan::Projection(projection)));
        }
        Ok(Some((inputs, made)))
    }
}

/// Whether a plan is a scan of files with nothing above it, but perhaps a cache.
pub(crate) fn is_scan(plan: &LogicalPlan) -> bool {
    if let LogicalPlan::Extension(Extension { node }) = plan
        && let Some(exchange) = node.as_any().downcast_ref::<Exchange>()
    {
        return matches!(exchange.target, Target::Keep(_)) && is_scan(&exchange.input);
    }
    matches!(plan, LogicalPlan::Projection(projection)
        if matches!(projection.input.as_ref(), LogicalPlan::TableScan(_)))
}

/// Whether an expression holds the place of a field of `_metadata`.
pub(crate) fn is_place(expr: &DfExpr) -> bool {
    Wanted::of(expr).is_some_and(|wanted| wanted.scan.is_some())
}

fn has_call(expr: &DfExpr) -> bool {
    expr.exists(|expr| Ok(Wanted::of(expr).is_some())).unwrap_or(false)
}

/// A column of a scan, wanted by an expression.
#[derive(Debug)]
struct Wanted {
    column: FileColumn,
    /// The scan; any for functions, below which there is only one.
    scan: Option<String>,
}

impl Wanted {
    /// What a call holds the place of.
    fn of(expr: &DfExpr) -> Option<Self> {
        let DfExpr::ScalarFunction(call) = expr else { return None };
        if let Some(place) = call.func.inner().downcast_ref::<FilePlace>() {
            return Some(Self { column: place.column, scan: Some(place.scan.clone()) });
        }
        let column = match call.func.name() {
            "spark_input_file_name" => FileColumn::Uri,
            "spark_input_file_block_start" => FileColumn::BlockStart,
            "spark_input_file_block_length" => FileColumn::BlockLength,
            _ => return None,
        };
        Some(Self { column, scan: None })
    }

    /// Whether rows of an operator's input at a position still have the column above it. The
    /// functions know the file that a task is reading, so it is lost where Spark shuffles or sorts;
    /// where only some of Spark's plans would shuffle, as for a join, it is kept.
    fn passes(&self, node: &LogicalPlan, at: usize) -> bool {
        let is_column = self.scan.is_some();
        match node {
            LogicalPlan::Filter(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Unnest(_)
            | LogicalPlan::SubqueryAlias(_) => true,
            LogicalPlan::Sort(_) => is_column,
            LogicalPlan::Join(join) => match join.join_type {
                JoinType::Inner => true,
                JoinType::LeftSemi | JoinType::LeftAnti => at == 0,
                JoinType::Left => is_column || at == 0,
                JoinType::Right => is_column || at == 1,
                JoinType::Full => is_column,
                _ => false,
            },
            LogicalPlan::Extension(Extension { node }) => {
                let node = node.as_any();
                if let Some(exchange) = node.downcast_ref::<Exchange>() {
                    return match exchange.target {
                        Target::Coalesce(_) => true,
                        Target::Select(_) | Target::Numbered(..) => false,
                        Target::Keep(_)
                        | Target::RoundRobin(_)
                        | Target::Hash(..)
                        | Target::Range(..) => is_column,
                    };
                }
                node.is::<JoinHint>()
                    || (node.is::<LocalSort>() && is_column)
                    || node.downcast_ref::<PythonNode>().is_some_and(|n| n.kind.keeps_columns())
            }
            _ => false,
        }
    }
}

/// Refuses the functions where the rows may be those of several files at once.
fn check_sources(plan: &LogicalPlan) -> Result<()> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        if sources_below(node) > 1 {
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    if let Some(wanted) = Wanted::of(expr).filter(|wanted| wanted.scan.is_none()) {
                        refused = Some(wanted.column);
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let function = match refused {
        None => return Ok(()),
        Some(FileColumn::BlockStart) => "\"input_file_block_start()\"",
        Some(FileColumn::BlockLength) => "\"input_file_block_length()\"",
        Some(_) => "\"input_file_name()\"",
    };
    Err(error::analysis(
        condition::MULTI_SOURCES_UNSUPPORTED_FOR_EXPRESSION,
        format!("The expression {function} does not support more than one source."),
        &[("expr", function)],
    ))
}

/// Scans of files whose rows an operator may combine. A union has rows of one of them at a time.
fn sources_below(plan: &LogicalPlan) -> usize {
    let below = || plan.inputs().into_iter().map(sources_below).sum::<usize>();
    match plan {
        LogicalPlan::TableScan(scan) => {
            let name = FileColumn::Uri.name();
            let found = scan.projected_schema.index_of_column_by_name(Some(&scan.table_name), name);
            usize::from(found.is_some())
        }
        LogicalPlan::Union(_) => below().min(1),
        _ => below(),
    }
}

/// A call without arguments that holds the place of a column of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FilePlace {
    column: FileColumn,
    /// Name of the scan's table in the plan.
    scan: String,
    signature: Signature,
}

impl FilePlace {
    fn new(scan: &str, column: FileColumn) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { column, scan: scan.to_owned(), signature }
    }

    fn call(self) -> DfExpr {
        Arc::new(ScalarUDF::from(self)).call(Vec::new())
    }
}

impl ScalarUDFImpl for FilePlace {
    fn name(&self) -> &'static str {
        self.column.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[Arrow]) -> PlanResult<Arrow> {
        Ok(types::to_arrow(&self.column.data_type()))
    }

    fn coerce_types(&self, types: &[Arrow]) -> PlanResult<Vec<Arrow>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        internal_err!("no scan yields {} here", self.name())
    }
}
