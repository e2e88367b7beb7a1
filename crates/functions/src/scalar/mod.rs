//! Scalar functions and operators, one table per subject.

mod arithmetic;
mod binary_text;
mod bitmap;
mod collection;
mod condition;
mod csv;
mod date;
mod date_part;
mod decimal;
mod elements;
mod epoch;
mod field;
mod format;
mod hash;
pub(crate) mod higher_order;
mod interval;
mod json;
pub(crate) mod map;
mod mask;
mod math;
mod misc;
mod number_text;
mod operator;
mod options;
mod pattern;
mod regex;
mod schema_of;
mod sequence;
mod shape;
mod string;
mod string_part;
mod string_search;
mod temporal;
mod text_rows;
mod time_window;
mod timestamp;
mod url;

pub use field::field_of;
pub use interval::{fields_text, interval_cut, interval_of, interval_text};
pub use shape::in_shape;
pub use time_window::time_of_window;

use crate::kernel::Kernel;
use crate::registry::Function;

/// All tables. A name stands in one of them.
pub(crate) fn tables() -> Vec<&'static [Function]> {
    vec![
        operator::FUNCTIONS,
        condition::FUNCTIONS,
        math::FUNCTIONS,
        string::FUNCTIONS,
        string_part::FUNCTIONS,
        string_search::FUNCTIONS,
        format::FUNCTIONS,
        regex::FUNCTIONS,
        hash::FUNCTIONS,
        date::FUNCTIONS,
        epoch::FUNCTIONS,
        timestamp::FUNCTIONS,
        interval::FUNCTIONS,
        url::FUNCTIONS,
        mask::FUNCTIONS,
        collection::FUNCTIONS,
        map::FUNCTIONS,
        elements::FUNCTIONS,
        json::FUNCTIONS,
        misc::FUNCTIONS,
        number_text::FUNCTIONS,
        binary_text::FUNCTIONS,
        bitmap::FUNCTIONS,
        csv::FUNCTIONS,
        schema_of::FUNCTIONS,
        time_window::FUNCTIONS,
    ]
}

/// Kernels that composed functions use.
pub(crate) fn hidden_kernels() -> Vec<Kernel> {
    [
        crate::normal::KERNELS,
        operator::KERNELS,
        temporal::KERNELS,
        condition::KERNELS,
        math::KERNELS,
        string::KERNELS,
        string_part::KERNELS,
        string_search::KERNELS,
        format::KERNELS,
        date::KERNELS,
        timestamp::KERNELS,
        interval::KERNELS,
        url::KERNELS,
        mask::KERNELS,
        date_part::KERNELS,
        collection::KERNELS,
        map::KERNELS,
        elements::KERNELS,
        field::KERNELS,
        shape::KERNELS,
        hash::KERNELS,
        json::KERNELS,
        misc::KERNELS,
        number_text::KERNELS,
        binary_text::KERNELS,
        csv::KERNELS,
        time_window::KERNELS,
        regex::KERNELS,
    ]
    .concat()
}
