//! Case-insensitive column names in Parquet files, as in Spark.

use super::conversion;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use std::sync::Arc;

/// The adapter (see the module).
#[derive(Debug)]
pub(super) struct CaseInsensitive;

impl PhysicalExprAdapterFactory for CaseInsensitive {
    fn create(&self, wanted: SchemaRef, held: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = |field: &Arc<Field>| {
            let exact = wanted.field_with_name(field.name()).is_ok();
            let same = |other: &&Arc<Field>| other.name().eq_ignore_ascii_case(field.name());
            match wanted.fields().iter().find(same) {
                // Another column of the file may match exactly.
                Some(other) if !exact && held.field_with_name(other.name()).is_err() => {
                    Arc::new(field.as_ref().clone().with_name(other.name()))
                }
                _ => Arc::clone(field),
            }
        };
        let fields: Vec<Arc<Field>> = held.fields().iter().map(renamed).collect();
        let known = Arc::new(Schema::new_with_metadata(fields, held.metadata().clone()));
        let inner = DefaultPhysicalExprAdapterFactory;
        let inner = inner.create(Arc::clone(&wanted), Arc::clone(&known))?;
        Ok(Arc::new(Adapter { inner, wanted, known, held }))
    }
}

#[derive(Debug)]
struct Adapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    wanted: SchemaRef,
    /// The columns of the file under the names that the program gives them.
    known: SchemaRef,
    held: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expr.apply(|expr| {
            if let Some(column) = expr.downcast_ref::<Column>()
                && let Ok(wanted) = self.wanted.field_with_name(column.name())
                && let Ok(held) = self.known.field_with_name(column.name())
            {
                conversion::check(column.name(), held.data_type(), wanted.data_type())?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        // The reader needs the file's own column names.
        let under_own_name = |expr: Arc<dyn PhysicalExpr>| {
            let Some(column) = expr.downcast_ref::<Column>() else {
                return Ok(Transformed::no(expr));
            };
            match self.held.fields().get(column.index()) {
                Some(field) if field.name() != column.name() => {
                    let own = Column::new(field.name(), column.index());
                    Ok(Transformed::yes(Arc::new(own) as Arc<dyn PhysicalExpr>))
                }
                _ => Ok(Transformed::no(expr)),
            }
        };
        self.inner.rewrite(expr)?.transform(under_own_name).data()
    }
}
