//! Equivalences of a plan's columns: which are constant, and which are equal to each other. The
//! optimizer drops operators on account of them (a sort by a constant column), so a stage that
//! starts from the plan's rows has to know them, too.

use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, Partitioning, PhysicalExpr,
};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Equivalence classes of columns (see the module).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivalences(Vec<Class>);

/// Columns that are equal, by index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Class {
    columns: Vec<usize>,
    constant: Option<Constant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Constant {
    /// Constant within each partition.
    OfPartition,
    /// The same value in all partitions.
    OfAll,
}

impl Equivalences {
    /// The equivalences that the optimizer derived for a plan.
    pub fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let properties = plan.equivalence_properties();
        let constants = properties.constants();
        let class = |exprs: Vec<&Arc<dyn PhysicalExpr>>| {
            let constant = constants.iter().find(|known| exprs.contains(&&known.expr));
            let constant = constant.map(|known| match known.across_partitions {
                AcrossPartitions::Heterogeneous => Constant::OfPartition,
                AcrossPartitions::Uniform(_) => Constant::OfAll,
            });
            let columns = exprs.iter().filter_map(|expr| expr.downcast_ref::<Column>());
            let mut columns: Vec<usize> = columns.map(Column::index).collect();
            columns.sort_unstable();
            Class { columns, constant }
        };
        let says = |class: &Class| {
            class.columns.len() > 1 || (!class.columns.is_empty() && class.constant.is_some())
        };
        let classes = properties.eq_group().iter().map(|exprs| class(exprs.iter().collect()));
        Self(classes.filter(says).collect())
    }

    /// The equivalences that still hold after partitions are combined.
    #[must_use]
    pub fn across(mut self) -> Self {
        for class in &mut self.0 {
            class.constant = class.constant.filter(|constant| *constant == Constant::OfAll);
        }
        self.0.retain(|class| class.columns.len() > 1 || class.constant.is_some());
        self
    }

    /// Plan properties of unordered rows with these equivalences.
    pub fn properties(&self, schema: SchemaRef, partitioning: Partitioning) -> Arc<PlanProperties> {
        let mut known = EquivalenceProperties::new(Arc::clone(&schema));
        // Without them, the plan would at worst be slower or refuse to run.
        let _ = self.add_to(&mut known, &schema);
        sources::of_rows(known, partitioning)
    }

    fn add_to(&self, known: &mut EquivalenceProperties, schema: &SchemaRef) -> Result<()> {
        for Class { columns, constant } in &self.0 {
            let column = |at: &usize| {
                let field = schema.fields().get(*at)?;
                Some(Arc::new(Column::new(field.name(), *at)) as Arc<dyn PhysicalExpr>)
            };
            let columns: Vec<_> = columns.iter().filter_map(column).collect();
            let Some((first, others)) = columns.split_first() else { continue };
            for other in others {
                known.add_equal_conditions(Arc::clone(first), Arc::clone(other))?;
            }
            let across = match constant {
                None => continue,
                Some(Constant::OfPartition) => AcrossPartitions::Heterogeneous,
                Some(Constant::OfAll) => AcrossPartitions::Uniform(None),
            };
            known.add_constants([ConstExpr::new(Arc::clone(first), across)])?;
        }
        Ok(())
    }
}
