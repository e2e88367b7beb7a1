//! Text read as views: a scan of Parquet files can leave text where it was decoded, instead of
//! copying each value. Whoever asks for that must expect such columns; [`on_views`] makes
//! expressions that do.

use super::{config_of, rebuilt};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, in_list,
};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use std::collections::BTreeSet;
use std::sync::Arc;

type Expr = Arc<dyn PhysicalExpr>;

/// A plan of which some columns, by index, are text as views.
#[derive(Debug)]
pub struct Viewed {
    /// The plan.
    pub plan: Arc<dyn ExecutionPlan>,
    /// The columns.
    pub views: BTreeSet<usize>,
}

/// A scan of Parquet files whose `wanted` columns are views, as far as they are columns of text in
/// the files; `None` if none is, or if it is another plan.
pub fn scan(plan: &Arc<dyn ExecutionPlan>, wanted: &BTreeSet<usize>) -> Result<Option<Viewed>> {
    let Some(config) = config_of(plan) else { return Ok(None) };
    let Some(parquet) = config.file_source().downcast_ref::<ParquetSource>() else {
        return Ok(None);
    };
    let table = parquet.table_schema();
    let of_file = table.file_schema();
    // By column of the scan, the column of the table that it is; others are computed.
    let mut places: Vec<Option<usize>> = (0..plan.schema().fields().len()).map(Some).collect();
    let mut computed = BTreeSet::new();
    if let Some(projection) = parquet.projection() {
        for (place, projected) in places.iter_mut().zip(projection.iter()) {
            *place = projected.expr.downcast_ref::<Column>().map(Column::index);
            if place.is_none() {
                computed.extend(collect_columns(&projected.expr).iter().map(Column::index));
            }
        }
    }
    let is_text = |at: &usize| of_file.fields().get(*at).is_some_and(|field| is_text(field));
    let chosen = wanted.iter().filter_map(|at| *places.get(*at)?);
    let chosen: BTreeSet<usize> =
        chosen.filter(|at| is_text(at) && !computed.contains(at)).collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    let held = TableSchema::builder(with_views(of_file, &chosen))
        .with_table_partition_cols(table.table_partition_cols().to_vec())
        .build();
    let predicate = match parquet.filter() {
        Some(predicate) => Some(on_views(&predicate, &chosen, held.table_schema())?),
        None => None,
    };
    let source = rebuilt(parquet, held, predicate)?;
    let config = FileScanConfigBuilder::from(config.clone()).with_source(source).build();
    let is_view = |place: &Option<usize>| place.is_some_and(|at| chosen.contains(&at));
    let views = places.iter().enumerate().filter(|(_, place)| is_view(place));
    Ok(Some(Viewed {
        views: views.map(|(at, _)| at).collect(),
        plan: DataSourceExec::from_data_source(config),
    }))
}

/// The schema with these columns as views.
fn with_views(schema: &Schema, views: &BTreeSet<usize>) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(at, field)| {
        if !views.contains(&at) {
            return Arc::clone(field);
        }
        Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// Whether a column is text that can be a view.
fn is_text(field: &Field) -> bool {
    *field.data_type() == DataType::Utf8
}

/// The columns of text that an expression only compares with constants, or looks at for nulls: it
/// needs no copies of them.
pub fn only_compared(expr: &Expr, schema: &Schema) -> BTreeSet<usize> {
    let columns = collect_columns(expr);
    let mut views: BTreeSet<usize> = columns.iter().map(Column::index).collect();
    views.retain(|at| is_text(schema.field(*at)));
    let mut copied = BTreeSet::new();
    add_copied(expr, &views, &mut copied);
    views.retain(|at| !copied.contains(at));
    views
}

fn add_copied(expr: &Expr, views: &BTreeSet<usize>, copied: &mut BTreeSet<usize>) {
    if is_comparison(expr, views) {
        return;
    }
    copied.extend(view(expr, views).map(Column::index));
    expr.children().into_iter().for_each(|child| add_copied(child, views, copied));
}

/// The expression for rows in which these columns of text are views; `schema` is that of such rows.
/// It compares them as they are, and copies what other functions need.
pub fn on_views(expr: &Expr, views: &BTreeSet<usize>, schema: &Schema) -> Result<Expr> {
    if is_comparison(expr, views) {
        return compared(expr, schema);
    }
    if view(expr, views).is_some() {
        return Ok(copy(Arc::clone(expr)));
    }
    let children = expr.children();
    if children.is_empty() {
        return Ok(Arc::clone(expr));
    }
    let children = children.into_iter().map(|child| on_views(child, views, schema));
    Arc::clone(expr).with_new_children(children.collect::<Result<_>>()?)
}

/// A view's text as text of its own.
pub fn copy(view: Expr) -> Expr {
    Arc::new(CastExpr::new(view, DataType::Utf8, None))
}

fn view<'a>(expr: &'a Expr, views: &BTreeSet<usize>) -> Option<&'a Column> {
    expr.downcast_ref::<Column>().filter(|column| views.contains(&column.index()))
}

fn text(expr: &Expr) -> Option<&str> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(text) => text.as_deref(),
        _ => None,
    }
}

fn is_comparison(expr: &Expr, views: &BTreeSet<usize>) -> bool {
    let is_view = |expr: &Expr| view(expr, views).is_some();
    let is_constant = |expr: &Expr| text(expr).is_some();
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        let (left, right) = (binary.left(), binary.right());
        return functions::is_comparison(*binary.op())
            && (is_view(left) && (is_view(right) || is_constant(right))
                || is_constant(left) && is_view(right));
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        return is_view(list.expr()) && list.list().iter().all(is_constant);
    }
    if let Some(like) = expr.downcast_ref::<LikeExpr>() {
        return is_view(like.expr()) && is_constant(like.pattern());
    }
    let is_null = expr.is::<IsNullExpr>() || expr.is::<IsNotNullExpr>();
    is_null && expr.children().into_iter().all(is_view)
}

/// The comparison with constants of the type of views.
fn compared(expr: &Expr, schema: &Schema) -> Result<Expr> {
    let constant = |expr: Expr| match text(&expr) {
        Some(text) => {
            let constant = Literal::new(ScalarValue::Utf8View(Some(text.to_owned())));
            Ok(Transformed::yes(Arc::new(constant) as Expr))
        }
        None => Ok(Transformed::no(expr)),
    };
    // The set of a list has the type of its column.
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        let texts = list.list().iter().map(|text| Arc::clone(text).transform(constant).data());
        let texts = texts.collect::<Result<_>>()?;
        return in_list(Arc::clone(list.expr()), texts, &list.negated(), schema);
    }
    Arc::clone(expr).transform(constant).data()
}
