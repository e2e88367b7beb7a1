//! String functions: parts, searching, patterns, formatting and parsing.

pub(super) mod binary_text;
pub(super) mod format;
pub(super) mod mask;
pub(super) mod number_text;
pub(super) mod pattern;
pub(super) mod regex;
pub(super) mod string;
pub(super) mod string_part;
pub(super) mod string_search;
pub(super) mod text_rows;
pub(super) mod url;
