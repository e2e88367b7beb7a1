//! Spark's error conditions, and the failure that a program sees.
//!
//! `conditions.tsv` lists every condition that Firesteel raises with Spark's published facts:
//! class, SQLSTATE, exception and parameters. `cargo xtask generate` turns it into the constants of
//! [`condition`], and every error is built from one of these, so that a condition has the same
//! state and becomes the same Python exception wherever it was raised. To raise another condition,
//! add its line to the table; `cargo xtask conditions FILE` compares the table with a copy of
//! Spark's `error-conditions.json`.

mod catalogue;
mod error;
mod exception;

pub use catalogue::condition;
pub use error::{Place, Shown, SparkError};
pub use exception::Exception;

/// One condition of Spark's catalogue. All instances are constants in [`condition`]; two are equal
/// if their classes are.
#[derive(Debug)]
pub struct Condition {
    /// Spark's error class, such as `UNRESOLVED_COLUMN.WITH_SUGGESTION`.
    pub class: &'static str,
    /// SQLSTATE: five letters and digits defined by the SQL standard. Conditions that Spark has not
    /// named yet (`_LEGACY_…`) have none.
    pub sql_state: Option<&'static str>,
    /// The exception that Spark throws for it, unless the code that raises it chooses another.
    pub exception: Exception,
    /// Names of its message's parameters, in the order of their first use in Spark's message.
    pub parameters: &'static [&'static str],
}

impl Condition {
    /// The condition of a class; `None` if Firesteel raises none of that class.
    pub fn find(class: &str) -> Option<&'static Self> {
        let all = condition::ALL;
        all.binary_search_by_key(&class, |condition| condition.class).ok().map(|at| all[at])
    }

    /// The class without its subclass: `UNRESOLVED_COLUMN` of `UNRESOLVED_COLUMN.WITH_SUGGESTION`.
    pub fn main_class(&self) -> &'static str {
        self.class.split_once('.').map_or(self.class, |(main, _)| main)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.class == other.class
    }
}

impl Eq for Condition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_found_by_its_class() {
        for known in condition::ALL {
            assert_eq!(Condition::find(known.class), Some(*known), "{}", known.class);
        }
        assert_eq!(Condition::find("NO_SUCH_CLASS"), None);
        assert_eq!(condition::UNRESOLVED_COLUMN_WITH_SUGGESTION.main_class(), "UNRESOLVED_COLUMN");
    }

    #[test]
    fn states_have_five_letters_and_digits() {
        for known in condition::ALL {
            let Some(state) = known.sql_state else {
                assert!(known.class.starts_with("_LEGACY_"), "{}", known.class);
                continue;
            };
            let is_state = state.len() == 5 && state.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_state, "{}: {state}", known.class);
        }
    }
}
