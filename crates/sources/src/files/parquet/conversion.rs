//! Which columns of a Parquet file can be read under another type that the program gives: those
//! that Spark's readers convert. Others are refused, not cast.

use datafusion::arrow::datatypes::DataType as Arrow;
use datafusion::error::DataFusionError;
use errors::{SparkError, condition};
use formats::types;
use functions::IntoExternal;
use plan::{DataType, Field};

/// Refuses a column of a file that is not read as the wanted type.
pub(super) fn check(name: &str, held: &Arrow, wanted: &Arrow) -> Result<(), DataFusionError> {
    let (Ok(file), Ok(program)) = (types::from_arrow(held), types::from_arrow(wanted)) else {
        return Ok(());
    };
    if is_read_as(&file, &program) { Ok(()) } else { Err(mismatch(name, &file, &program)) }
}

/// Whether values of the file's type are read as values of the program's.
fn is_read_as(file: &DataType, program: &DataType) -> bool {
    use DataType::{
        Array, Binary, Byte, Date, DayTimeInterval, Decimal, Double, Float, Integer, Long, Map,
        Null, Short, String, Struct, Timestamp, TimestampNtz, YearMonthInterval,
    };
    let digits = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
    match (file, program) {
        (file, program) if file == program => true,
        (Null, _) => true,
        (Byte | Short | Integer, Byte | Short | Integer | Long | Double | Date) => true,
        (Byte | Short | Integer, Decimal { precision, scale }) => digits(*precision, *scale) >= 10,
        (Long, Decimal { precision, scale }) => digits(*precision, *scale) >= 20,
        (Float, Double) | (String, Binary) | (Binary, String) => true,
        (Decimal { precision, scale }, Decimal { precision: to, scale: to_scale }) => {
            to_scale >= scale && digits(*to, *to_scale) >= digits(*precision, *scale)
        }
        (Date, TimestampNtz | Integer | Long) => true,
        (Timestamp, TimestampNtz) | (TimestampNtz, Timestamp) => true,
        // Spark writes intervals as numbers of months and of microseconds.
        (Integer, YearMonthInterval { .. }) | (Long, DayTimeInterval { .. }) => true,
        // Another writer may have noted that its numbers are durations; Spark does not look.
        (YearMonthInterval { .. }, YearMonthInterval { .. } | Integer) => true,
        (DayTimeInterval { .. }, DayTimeInterval { .. } | Long) => true,
        (Array { element, .. }, Array { element: other, .. }) => is_read_as(element, other),
        (Map { key, value, .. }, Map { key: other, value: with, .. }) => {
            is_read_as(key, other) && is_read_as(value, with)
        }
        (Struct(fields), Struct(others)) => others.iter().all(|other| {
            let found =
                fields.iter().find(|field: &&Field| field.name.eq_ignore_ascii_case(&other.name));
            found.is_none_or(|found| is_read_as(&found.data_type, &other.data_type))
        }),
        _ => false,
    }
}

fn mismatch(name: &str, file: &DataType, program: &DataType) -> DataFusionError {
    let (column, expected) = (format!("[{name}]"), program.to_string());
    let actual = file.to_string();
    let message = format!(
        "Data type mismatches when reading Parquet column {column}. Expected Spark type {expected}, actual Parquet type {actual}."
    );
    let parameters =
        [("column", column.as_str()), ("expectedType", &expected), ("actualType", &actual)];
    let class = condition::FAILED_READ_FILE_PARQUET_COLUMN_DATA_TYPE_MISMATCH;
    SparkError::new(class, message, &parameters).into_external()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_the_types_that_spark_converts_to() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        let all = [
            DataType::Boolean,
            DataType::Integer,
            DataType::Long,
            DataType::Float,
            DataType::Double,
            decimal(5, 2),
            decimal(12, 2),
            decimal(20, 2),
            decimal(20, 4),
            DataType::String,
            DataType::Binary,
            DataType::Date,
            DataType::Timestamp,
            DataType::TimestampNtz,
        ];
        // By row the type of the file, by column that of the program. Spark 4.2 reads these, and
        // some more as what they are not: the digits of a decimal without its scale, for one.
        let expected = [
            "x.............",
            ".xx.x.xxx..x..",
            "..x...........",
            "...xx.........",
            "....x.........",
            ".....xxxx.....",
            "......xxx.....",
            ".......x......",
            "........x.....",
            ".........xx...",
            ".........xx...",
            ".xx........x.x",
            "............xx",
            "............xx",
        ];
        for (file, row) in all.iter().zip(expected) {
            let found: String =
                all.iter().map(|to| if is_read_as(file, to) { 'x' } else { '.' }).collect();
            assert_eq!(found, row, "{file:?}");
        }
    }
}
