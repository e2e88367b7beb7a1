//! Dates, times and intervals.

pub(super) mod date;
pub(super) mod date_part;
pub(super) mod epoch;
pub(super) mod interval;
pub(super) mod temporal;
pub(super) mod time_window;
pub(super) mod timestamp;
