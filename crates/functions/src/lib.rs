//! Spark's functions, casts and type rules on Arrow arrays, as `DataFusion` functions.
//!
//! A caller (the resolver of `engine`) has the arguments of a call as resolved expressions and
//! knows their types; this crate looks up the function by Spark's name, checks the arguments,
//! inserts Spark's implicit casts and returns an expression. Every function that such an expression
//! can contain is listed by [`all_udfs`], [`all_udafs`], [`all_udwfs`] and [`all_higher_order`]
//! under a unique name, so that another process can look it up by name when it receives a plan. No
//! session setting is read at run time: the time zone and the error mode are arguments or part of
//! the name.
//!
//! Spark's types in Arrow: `boolean` Boolean, `tinyint` … `bigint` Int8 … Int64, `float` Float32,
//! `double` Float64, `decimal` Decimal128, `string` Utf8, `binary` Binary, `date` Date32,
//! `timestamp` Timestamp(Microsecond, "UTC"), `timestamp_ntz` Timestamp(Microsecond, None),
//! day-time interval Duration(Microsecond), year-month interval Interval(YearMonth), calendar
//! interval Interval(MonthDayNano), `array` List, `map` Map, `struct` Struct, `void` Null.

#[expect(clippy::unnecessary_wraps, reason = "the functions of a table have one signature")]
mod aggregate;
#[expect(clippy::unnecessary_wraps, reason = "conversions have one signature")]
mod cast;
mod context;
mod error;
mod failure;
mod function;
#[expect(clippy::unnecessary_wraps, reason = "the rules for types have one signature")]
mod kernel;
mod names;
mod native;
mod normal;
mod registry;
#[expect(clippy::unnecessary_wraps, reason = "the functions of a table have one signature")]
mod scalar;
mod stop;
mod types;
mod window;

pub use aggregate::{AggregateCall, single_value};
pub use cast::{CastMode, cast, show};
pub use context::{Context, TaskState};
pub use error::{Described, FunctionError, IntoExternal, disk_full, raised, run_time_error};
pub use failure::spark_error;
pub(crate) use formats::calendar;
pub use formats::calendar::is_time_zone;
pub use names::sql_name;
pub use normal::{comparison, is_comparison, is_orderable, normal_form};
pub use registry::{Registry, all_higher_order, all_udafs, all_udfs, all_udwfs};
pub use scalar::{
    field_of, fields_text, in_shape, interval_cut, interval_of, interval_text, time_of_window,
};
pub use stop::Stop;
pub use types::{common_type, decimal_result, list, map, sql_type};
pub use window::{
    Frame, FrameBound, FrameEdge, WindowCall, decode_window, encode_window, frame_bound,
};

#[cfg(test)]
mod tests;
