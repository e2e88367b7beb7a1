//! A failure in Spark's terms: an exception, a condition with its parameters, a message.

use crate::{Condition, Exception, condition};
use model::RaisedError;
use model::conf::{BadSetting, Problem};
use std::fmt;

/// A failure as Spark's clients expect it. PySpark picks its exception by `exception`, and users
/// match on the condition.
///
/// It is data wherever it travels: functions raise it inside a task, it crosses DataFusion as an
/// external error and the wire between executor and driver by its fields, and nothing parses a
/// message to find out what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkError {
    /// The exception that it becomes.
    pub exception: Exception,
    /// Spark's condition; `None` where Spark itself has only a message.
    pub condition: Option<&'static Condition>,
    /// Parameters of the condition's message, by name.
    pub parameters: Vec<(String, String)>,
    /// The message as a sentence, without class and state.
    pub message: String,
    /// Messages of its causes, outermost first.
    pub causes: Vec<String>,
    /// Its position in a SQL text, if known.
    pub place: Option<Box<Place>>,
}

/// A position in a SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Position in the line, from 0.
    pub position: u32,
    /// The part of the text to show.
    pub shows: Shown,
}

/// The part of a SQL text that a position shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The whole text, with a mark below the position: for text that cannot be parsed.
    Text(String),
    /// The wrong fragment, and the index of its first character in the text.
    Fragment {
        /// The fragment.
        fragment: String,
        /// Index of its first character.
        start: u32,
    },
}

impl Place {
    /// The position of a fragment that starts at this byte of a text; `None` if it does not occur
    /// there.
    pub fn of_fragment(text: &str, start: usize, fragment: &str) -> Option<Self> {
        let before = text.get(..start)?;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some(Self {
            line: number(before.matches('\n').count() + 1),
            position: number(before[line_start..].chars().count()),
            shows: Shown::Fragment {
                fragment: fragment.to_owned(),
                start: number(before.chars().count()),
            },
        })
    }
}

impl fmt::Display for Place {
    /// The form in which Spark appends it to a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, position, shows } = self;
        let text = match shows {
            Shown::Fragment { .. } => return write!(f, "; line {line} pos {position}"),
            Shown::Text(text) => text,
        };
        write!(f, " (line {line}, pos {position})\n\n== SQL ==")?;
        for (number, content) in (1..).zip(text.lines()) {
            write!(f, "\n{content}")?;
            if number == *line {
                write!(f, "\n{}^^^", "-".repeat(*position as usize))?;
            }
        }
        Ok(())
    }
}

impl SparkError {
    /// A failure with a condition; `parameters` are in the form in which the message uses them.
    pub fn new(
        condition: &'static Condition,
        message: impl Into<String>,
        parameters: &[(&str, &str)],
    ) -> Self {
        let known = |(name, _): &(&str, &str)| condition.parameters.contains(name);
        debug_assert!(parameters.iter().all(known), "{}: {parameters:?}", condition.class);
        let parameters =
            parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { condition: Some(condition), parameters, ..Self::plain(condition.exception, message) }
    }

    /// A failure for which Spark has no condition, only an exception with a message.
    pub fn plain(exception: Exception, message: impl Into<String>) -> Self {
        Self {
            exception,
            condition: None,
            parameters: Vec::new(),
            message: message.into(),
            causes: Vec::new(),
            place: None,
        }
    }

    /// A failed analysis: the condition as raised by Spark's analyser, whatever its exception is
    /// elsewhere.
    pub fn analysis(
        condition: &'static Condition,
        message: impl Into<String>,
        parameters: &[(&str, &str)],
    ) -> Self {
        Self::new(condition, message, parameters).raised_as(Exception::Analysis)
    }

    /// The same failure as another exception: Spark throws some conditions as several.
    #[must_use]
    pub fn raised_as(self, exception: Exception) -> Self {
        Self { exception, ..self }
    }

    /// A feature of Spark that is not supported, by its name.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        let message = format!("The feature is not supported: {what} is not served yet.");
        Self::new(condition::UNSUPPORTED_FEATURE, message, &[])
    }

    /// A bug in this server.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(condition::INTERNAL_ERROR, message, &[])
    }

    /// Spark's error class, such as `UNRESOLVED_COLUMN.WITH_SUGGESTION`; empty if it has none.
    pub fn class(&self) -> &'static str {
        self.condition.map_or("", |condition| condition.class)
    }

    /// The SQLSTATE, if the condition has one.
    pub fn sql_state(&self) -> Option<&'static str> {
        self.condition.and_then(|condition| condition.sql_state)
    }
}

impl fmt::Display for SparkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(condition) = self.condition {
            write!(f, "[{}] ", condition.class)?;
        }
        f.write_str(&self.message)?;
        if let Some(state) = self.sql_state() {
            write!(f, " SQLSTATE: {state}")?;
        }
        match &self.place {
            Some(place) => write!(f, "{place}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SparkError {}

impl From<SparkError> for RaisedError {
    /// The error that a task reports, without causes and position.
    fn from(error: SparkError) -> Self {
        let SparkError { exception, condition, parameters, message, causes: _, place: _ } = error;
        Self {
            class: condition.map(|condition| condition.class.to_owned()),
            exception: condition.map(|_| exception.name().to_owned()),
            message,
            parameters,
        }
    }
}

impl From<RaisedError> for SparkError {
    /// The failure that a task reported. Its class and exception are always known, because
    /// executors have the same version; the message is kept in any case.
    fn from(RaisedError { class, exception, message, parameters }: RaisedError) -> Self {
        let condition = class.as_deref().and_then(Condition::find);
        let exception = exception.as_deref().and_then(Exception::find);
        let default = condition.map_or(Exception::Spark, |condition| condition.exception);
        Self { condition, parameters, ..Self::plain(exception.unwrap_or(default), message) }
    }
}

impl From<BadSetting> for SparkError {
    fn from(BadSetting { key, value, problem }: BadSetting) -> Self {
        let parameters = [("confName", key.as_str()), ("confValue", &value)];
        let (condition, name, what) = match &problem {
            Problem::NotA(kind) => {
                (condition::INVALID_CONF_VALUE_TYPE_MISMATCH, "confType", (*kind).to_owned())
            }
            Problem::NotOneOf(options) | Problem::NotServed(options) => {
                let options = options.join(", ");
                (condition::INVALID_CONF_VALUE_OUT_OF_RANGE_OF_OPTIONS, "confOptions", options)
            }
            Problem::NotAZone => {
                let message = format!(
                    "The value '{value}' in the config \"{key}\" is invalid. Cannot resolve the given timezone."
                );
                let condition = condition::INVALID_CONF_VALUE_TIME_ZONE;
                return Self::new(condition, message, &parameters);
            }
            Problem::Requirement(words) => {
                (condition::INVALID_CONF_VALUE_REQUIREMENT, "confRequirement", words.clone())
            }
        };
        let message = format!("The value '{value}' in the config \"{key}\" is invalid. {problem}");
        let [conf_name, conf_value] = parameters;
        Self::new(condition, message, &[conf_name, conf_value, (name, &what)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_in_a_text_is_shown_with_a_mark() {
        let text = "SELECT *\n    FORM t\nWHERE a".to_owned();
        let place = Place { line: 2, position: 4, shows: Shown::Text(text) };
        let mut error =
            SparkError::new(condition::PARSE_SYNTAX_ERROR, "Syntax error at or near 'FORM'.", &[]);
        error.place = Some(Box::new(place));
        let shown = "[PARSE_SYNTAX_ERROR] Syntax error at or near 'FORM'. SQLSTATE: 42601 (line 2, pos 4)\n\n== SQL ==\nSELECT *\n    FORM t\n----^^^\nWHERE a";
        assert_eq!(error.to_string(), shown);
    }

    #[test]
    fn a_failure_of_a_task_is_the_same_failure_for_the_program() {
        let condition = condition::CAST_INVALID_INPUT;
        for exception in [Exception::DateTime, condition.exception] {
            let error = SparkError::new(condition, "No date.", &[("expression", "'x'")]);
            let error = error.raised_as(exception);
            assert_eq!(SparkError::from(RaisedError::from(error.clone())), error);
        }
        let plain = SparkError::plain(Exception::Spark, "boom");
        assert_eq!(SparkError::from(RaisedError::from(plain.clone())), plain);
    }

    #[test]
    fn a_bad_setting_has_the_class_of_its_problem() {
        let cases = [
            (Problem::NotA("int"), "TYPE_MISMATCH", "It should be a/an 'int' value."),
            (
                Problem::NotOneOf(&["lz4", "zstd"]),
                "OUT_OF_RANGE_OF_OPTIONS",
                "It should be one of 'lz4, zstd'.",
            ),
            (Problem::NotAZone, "TIME_ZONE", "Cannot resolve the given timezone."),
            (Problem::Requirement("Be quick.".to_owned()), "REQUIREMENT", "Be quick."),
        ];
        for (problem, subclass, words) in cases {
            let bad = BadSetting { key: "spark.k".to_owned(), value: "v".to_owned(), problem };
            let error = SparkError::from(bad);
            assert_eq!(error.class(), format!("INVALID_CONF_VALUE.{subclass}"));
            let message = format!("The value 'v' in the config \"spark.k\" is invalid. {words}");
            assert_eq!((error.message, error.exception), (message, Exception::IllegalArgument));
        }
    }

    #[test]
    fn a_fragment_has_a_line_a_position_and_an_index() {
        let text = "SELECT ä,\n  idd FROM t";
        let place = Place::of_fragment(text, text.find("idd").unwrap(), "idd").unwrap();
        assert_eq!((place.line, place.position), (2, 2));
        assert_eq!(place.shows, Shown::Fragment { fragment: "idd".to_owned(), start: 12 });
        assert_eq!(place.to_string(), "; line 2 pos 2");
        assert_eq!(Place::of_fragment(text, 8, "x"), None);
    }
}
