//! How values of Spark's types are held in memory.

mod kinds;
mod mapping;
mod names;

pub use kinds::{
    DAY_TIME, TIMESTAMP_NTZ, YEAR_MONTH, decimal_of, element, entry_types, is_integral, is_numeric,
    list, map, timestamp,
};
pub use mapping::{
    TIMESTAMP_ZONE, field_from_arrow, field_to_arrow, from_arrow, interval_fields, leaving,
    schema_from_arrow, schema_in_plans, schema_to_arrow, to_arrow,
};
pub use names::{simple_type, sql_type};
