//! Options of a cast: handling of invalid values and overflow, and the time zone.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Date32Type, TimestampMicrosecondType};
use datafusion::common::Result;
use errors::{Exception, SparkError, condition};

use crate::calendar::{MICROS_PER_DAY, Zone};
use crate::types::sql_type;
use crate::{Context, IntoExternal, run_time_error};

/// Handling of values that the target type cannot represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CastMode {
    /// An error.
    Ansi,
    /// Null, or the low bits for whole numbers, as in Spark before ANSI mode.
    Legacy,
    /// Null (`try_cast`).
    Try,
}

impl CastMode {
    /// The default cast mode of the session.
    pub fn session(ctx: &Context) -> Self {
        if ctx.ansi { Self::Ansi } else { Self::Legacy }
    }
}

/// The options of a cast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) mode: CastMode,
    pub(crate) zone: Zone,
}

impl How {
    /// The result for a malformed value: an error or null.
    pub(super) fn malformed<T>(&self, value: &str, from: &str, to: &DataType) -> Result<Option<T>> {
        if self.mode != CastMode::Ansi {
            return Ok(None);
        }
        let shown = sql_type(to);
        let message = format!(
            "The value {value} of the type \"{from}\" cannot be cast to \"{shown}\" because it is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead."
        );
        let (from, shown) = (format!("\"{from}\""), format!("\"{shown}\""));
        let parameters = [("expression", value), ("sourceType", &from), ("targetType", &shown)];
        let error = SparkError::new(condition::CAST_INVALID_INPUT, message, &parameters);
        let exception = match to {
            DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_) => Exception::DateTime,
            DataType::Boolean => Exception::Runtime,
            _ => Exception::NumberFormat,
        };
        Err(error.raised_as(exception).into_external())
    }

    /// The result for a malformed string.
    pub(super) fn malformed_text<T>(&self, text: &str, to: &DataType) -> Result<Option<T>> {
        self.malformed(&format!("'{text}'"), "STRING", to)
    }

    /// The result for an overflow: an error or null.
    pub(super) fn overflow<T>(
        &self,
        value: impl FnOnce() -> String,
        from: &DataType,
        to: &DataType,
    ) -> Result<Option<T>> {
        if self.mode != CastMode::Ansi {
            return Ok(None);
        }
        Err(run_time_error(
            condition::CAST_OVERFLOW,
            format!(
                "The value {} of the type \"{}\" cannot be cast to \"{}\" due to an overflow. Use `try_cast` to tolerate overflow and return NULL instead.",
                value(),
                sql_type(from),
                sql_type(to)
            ),
        ))
    }
}

/// The dates of timestamps, in a time zone.
pub(super) fn days_of(array: &ArrayRef, zone: Option<Zone>) -> ArrayRef {
    let instants = array.as_primitive::<TimestampMicrosecondType>();
    Arc::new(instants.unary::<_, Date32Type>(|micros| {
        let local = zone.map_or(micros, |zone| zone.to_local(micros));
        i32::try_from(local.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX)
    }))
}
