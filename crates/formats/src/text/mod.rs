//! Values as text, as Spark's casts read and write them, and dates and times also by patterns.

mod datetime;
mod interval;
mod number;
mod times;
mod value;

pub(crate) use datetime::fraction_micros;
pub use datetime::{
    Clock, microseconds_text, parse_date, parse_timestamp, write_date, write_timestamp,
};
pub use interval::{
    MICROS_OF_FIELDS, MONTHS_OF_FIELDS, Span, parse_day_time, parse_interval, parse_year_month,
    write_fields,
};
pub use number::{
    decimal_of_text, java_double, parse_decimal, parse_double, rescale, trimmed, write_decimal,
    write_double, write_float,
};
pub use times::{BadTime, TimePatterns, TimeText};
pub use value::{Style, write_value};
