//! Variables of a session.

use plan::{DataType, Literal};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Types and values of variables by name, in lower case.
pub type Variables = Arc<BTreeMap<String, (DataType, Literal)>>;

/// The name of a variable without its qualifiers, in lower case; `None` if it cannot be a variable.
pub fn variable_name(name: &[String]) -> Option<String> {
    let is = |part: &String, word| part.eq_ignore_ascii_case(word);
    match name {
        [name] => Some(name.to_lowercase()),
        [session, name] if is(session, "session") => Some(name.to_lowercase()),
        [system, session, name] if is(system, "system") && is(session, "session") => {
            Some(name.to_lowercase())
        }
        _ => None,
    }
}
