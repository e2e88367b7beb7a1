//! Properties shared by our own physical plan nodes.

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, PlanProperties, SchedulingType,
};
use std::sync::Arc;

/// Properties of unordered rows with this partitioning.
pub fn unordered(schema: SchemaRef, partitioning: Partitioning) -> Arc<PlanProperties> {
    of_rows(EquivalenceProperties::new(schema), partitioning)
}

/// Properties of rows with these equivalences.
pub fn of_rows(known: EquivalenceProperties, partitioning: Partitioning) -> Arc<PlanProperties> {
    let (emission, bounded) = (EmissionType::Incremental, Boundedness::Bounded);
    let properties = PlanProperties::new(known, partitioning, emission, bounded);
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}
