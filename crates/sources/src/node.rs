//! What our own nodes of physical plans have in common.

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, PlanProperties, SchedulingType,
};
use std::sync::Arc;

/// Properties of rows of no order in that many partitions.
pub fn unordered(schema: SchemaRef, partitioning: Partitioning) -> Arc<PlanProperties> {
    of_rows(EquivalenceProperties::new(schema), partitioning)
}

/// Properties of rows of which that much is known.
pub fn of_rows(known: EquivalenceProperties, partitioning: Partitioning) -> Arc<PlanProperties> {
    let (emission, bounded) = (EmissionType::Incremental, Boundedness::Bounded);
    let properties = PlanProperties::new(known, partitioning, emission, bounded);
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}
