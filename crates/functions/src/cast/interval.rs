//! Casts of strings to intervals.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, PrimitiveArray, StringArray};
use datafusion::arrow::datatypes::{
    DataType, DurationMicrosecondType, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType,
};
use datafusion::common::Result;
use formats::text::{parse_day_time, parse_interval, parse_year_month};

use super::how::How;

/// Casts strings to intervals.
pub(super) fn text_to_interval(texts: &StringArray, to: &DataType, how: &How) -> Result<ArrayRef> {
    fn each<T>(
        texts: &StringArray,
        to: &DataType,
        how: &How,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Vec<Option<T>>> {
        texts
            .iter()
            .map(|text| match text.map(|text| (text, parse(text))) {
                None => Ok(None),
                Some((_, Some(value))) => Ok(Some(value)),
                Some((text, None)) => how.malformed_text(text, to),
            })
            .collect()
    }
    Ok(match to {
        DataType::Duration(_) => Arc::new(PrimitiveArray::<DurationMicrosecondType>::from(each(
            texts,
            to,
            how,
            parse_day_time,
        )?)),
        DataType::Interval(IntervalUnit::YearMonth) => {
            Arc::new(PrimitiveArray::<IntervalYearMonthType>::from(each(
                texts,
                to,
                how,
                parse_year_month,
            )?))
        }
        _ => Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from(each(
            texts,
            to,
            how,
            parse_interval,
        )?)),
    })
}
