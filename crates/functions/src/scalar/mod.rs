//! Scalar functions and operators, one table per subject.

pub(crate) mod collection;
mod condition;
mod hash;
mod misc;
mod number;
mod operator;
mod structure;
mod text;
mod time;

pub use structure::field::field_of;
pub use structure::shape::in_shape;
pub use time::interval::{fields_text, interval_cut, interval_of, interval_text};
pub use time::time_window::time_of_window;

use crate::function::Function;
use crate::kernel::Kernel;

/// All tables. Each name is in exactly one of them.
pub(crate) fn tables() -> Vec<&'static [Function]> {
    vec![
        operator::FUNCTIONS,
        condition::FUNCTIONS,
        number::math::FUNCTIONS,
        text::string::FUNCTIONS,
        text::string_part::FUNCTIONS,
        text::string_search::FUNCTIONS,
        text::format::FUNCTIONS,
        text::regex::FUNCTIONS,
        hash::FUNCTIONS,
        time::date::FUNCTIONS,
        time::epoch::FUNCTIONS,
        time::timestamp::FUNCTIONS,
        time::interval::FUNCTIONS,
        text::url::FUNCTIONS,
        text::mask::FUNCTIONS,
        collection::array::FUNCTIONS,
        collection::map::FUNCTIONS,
        collection::elements::FUNCTIONS,
        structure::json::FUNCTIONS,
        misc::FUNCTIONS,
        text::number_text::FUNCTIONS,
        text::binary_text::FUNCTIONS,
        number::bitmap::FUNCTIONS,
        structure::csv::FUNCTIONS,
        structure::schema_of::FUNCTIONS,
        time::time_window::FUNCTIONS,
    ]
}

/// Kernels used by composed functions.
pub(crate) fn hidden_kernels() -> Vec<Kernel> {
    [
        crate::normal::KERNELS,
        operator::KERNELS,
        time::temporal::KERNELS,
        condition::KERNELS,
        number::math::KERNELS,
        text::string::KERNELS,
        text::string_part::KERNELS,
        text::string_search::KERNELS,
        text::format::KERNELS,
        time::date::KERNELS,
        time::timestamp::KERNELS,
        time::interval::KERNELS,
        text::url::KERNELS,
        text::mask::KERNELS,
        time::date_part::KERNELS,
        collection::array::KERNELS,
        collection::map::KERNELS,
        collection::elements::KERNELS,
        structure::field::KERNELS,
        structure::shape::KERNELS,
        hash::KERNELS,
        structure::json::KERNELS,
        misc::KERNELS,
        text::number_text::KERNELS,
        text::binary_text::KERNELS,
        structure::csv::KERNELS,
        time::time_window::KERNELS,
        text::regex::KERNELS,
    ]
    .concat()
}
