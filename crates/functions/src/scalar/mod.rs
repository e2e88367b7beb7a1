//! Scalar functions and operators, one table per subject.

mod arithmetic;
mod collection;
mod condition;
mod date;
mod date_format;
mod date_part;
mod decimal;
mod elements;
mod format;
mod hash;
pub(crate) mod higher_order;
mod json;
mod math;
mod misc;
mod operator;
mod regex;
mod sequence;
mod string;
mod temporal;

pub(crate) use date_format::Pattern;

use crate::kernel::Kernel;
use crate::registry::Function;

/// All tables. A name stands in one of them.
pub(crate) fn tables() -> Vec<&'static [Function]> {
    vec![
        operator::FUNCTIONS,
        condition::FUNCTIONS,
        math::FUNCTIONS,
        string::FUNCTIONS,
        regex::FUNCTIONS,
        hash::FUNCTIONS,
        date::FUNCTIONS,
        collection::FUNCTIONS,
        elements::FUNCTIONS,
        json::FUNCTIONS,
        misc::FUNCTIONS,
    ]
}

/// Kernels that composed functions use.
pub(crate) fn hidden_kernels() -> Vec<Kernel> {
    [
        operator::KERNELS,
        temporal::KERNELS,
        condition::KERNELS,
        math::KERNELS,
        string::KERNELS,
        date::KERNELS,
        date_part::KERNELS,
        collection::KERNELS,
        elements::KERNELS,
        hash::KERNELS,
        json::KERNELS,
        misc::KERNELS,
        regex::KERNELS,
    ]
    .concat()
}
