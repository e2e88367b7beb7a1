//! Resolved expressions: type, name and origin.

use crate::scope::Column;
use datafusion::arrow::datatypes::{DataType as Arrow, FieldRef};
use datafusion::common::{Column as DfColumn, DataFusionError, ExprSchema};
use datafusion::logical_expr::Expr as DfExpr;
use formats::types;
use plan::{DataType, Field};
use std::collections::HashMap;
use std::sync::Arc;

/// A resolved expression.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: DfExpr,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    /// The name of its column; within another expression, its text.
    pub(crate) name: String,
    pub(crate) metadata: Option<String>,
    pub(crate) origin: Origin,
    /// Whether the program gave the name.
    pub(crate) aliased: bool,
}

/// Origin of an expression, as far as it determines the column's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A column, with this qualifier.
    Column(Vec<String>),
    /// The cast of a column with this name.
    Cast { of: String },
    /// A field, extracted by name.
    Field { name: String },
    /// Anything else.
    Computed,
}

impl Typed {
    pub(crate) fn field(&self) -> Field {
        Field {
            name: self.name.clone(),
            data_type: self.data_type.clone(),
            nullable: self.nullable,
            metadata: self.metadata.clone(),
        }
    }

    pub(crate) fn arrow(&self) -> Arrow {
        types::to_arrow(&self.data_type)
    }

    pub(crate) fn boolean(expr: DfExpr, nullable: bool, name: String) -> Self {
        Self {
            expr,
            data_type: DataType::Boolean,
            nullable,
            name,
            metadata: None,
            origin: Origin::Computed,
            aliased: false,
        }
    }

    /// The column's name if this is a select item.
    pub(crate) fn column_name(&self) -> String {
        match &self.origin {
            Origin::Cast { of: name } | Origin::Field { name } => name.clone(),
            Origin::Column(_) | Origin::Computed => self.name.clone(),
        }
    }

    /// Whether it is a field that was extracted by name.
    pub(crate) fn is_field(&self) -> bool {
        matches!(self.origin, Origin::Field { .. })
    }

    /// The column's id, if this is just a column.
    pub(crate) fn id(&self) -> Option<&str> {
        match &self.expr {
            DfExpr::Column(column) => Some(column.name()),
            _ => None,
        }
    }
}

/// The parameters of a lambda, and their ids in the plan.
#[derive(Debug, Clone)]
pub(crate) struct LambdaScope {
    pub(crate) parameters: Vec<(String, (DataType, bool))>,
}

/// The types of all columns created so far.
#[derive(Debug, Default)]
pub(crate) struct ColumnTypes(HashMap<String, FieldRef>);

impl ExprSchema for ColumnTypes {
    fn field_from_column(&self, column: &DfColumn) -> datafusion::common::Result<&FieldRef> {
        self.0.get(column.name()).ok_or_else(|| {
            DataFusionError::Internal(format!("column {} is unknown", column.name()))
        })
    }
}

impl ColumnTypes {
    pub(crate) fn declare(&mut self, column: &Column) {
        let field = types::field_to_arrow(&column.field()).with_name(&column.id);
        self.0.insert(column.id.clone(), Arc::new(field));
    }
}
