//! Spark's exception classes that clients distinguish.

/// Spark's exception classes that clients distinguish. PySpark picks its own exception by their
/// Java names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after its exception class")]
pub enum Exception {
    Analysis,
    Parse,
    NoSuchTable,
    NoSuchDatabase,
    TableExists,
    TempTableExists,
    IllegalArgument,
    Arithmetic,
    ArrayIndex,
    DateTime,
    NumberFormat,
    Unsupported,
    Python,
    Runtime,
    /// A setting or key that does not exist.
    NoSuchElement,
    /// A malformed request of a client.
    InvalidPlan,
    /// A session, operation or cursor that does not exist, or no longer exists.
    Sql,
    /// A job that failed while it ran.
    Spark,
    /// A bug in this server.
    Internal,
}

impl Exception {
    /// Every exception, in order of declaration.
    pub const ALL: [Self; 19] = [
        Self::Analysis,
        Self::Parse,
        Self::NoSuchTable,
        Self::NoSuchDatabase,
        Self::TableExists,
        Self::TempTableExists,
        Self::IllegalArgument,
        Self::Arithmetic,
        Self::ArrayIndex,
        Self::DateTime,
        Self::NumberFormat,
        Self::Unsupported,
        Self::Python,
        Self::Runtime,
        Self::NoSuchElement,
        Self::InvalidPlan,
        Self::Sql,
        Self::Spark,
        Self::Internal,
    ];

    /// The name used in `conditions.tsv` and in messages between processes: the variant's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Analysis => "Analysis",
            Self::Parse => "Parse",
            Self::NoSuchTable => "NoSuchTable",
            Self::NoSuchDatabase => "NoSuchDatabase",
            Self::TableExists => "TableExists",
            Self::TempTableExists => "TempTableExists",
            Self::IllegalArgument => "IllegalArgument",
            Self::Arithmetic => "Arithmetic",
            Self::ArrayIndex => "ArrayIndex",
            Self::DateTime => "DateTime",
            Self::NumberFormat => "NumberFormat",
            Self::Unsupported => "Unsupported",
            Self::Python => "Python",
            Self::Runtime => "Runtime",
            Self::NoSuchElement => "NoSuchElement",
            Self::InvalidPlan => "InvalidPlan",
            Self::Sql => "Sql",
            Self::Spark => "Spark",
            Self::Internal => "Internal",
        }
    }

    /// The exception with this [`name`](Self::name).
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|exception| exception.name() == name)
    }

    /// The Java names of the exception and its ancestors, the exception first. PySpark takes the
    /// first one that it knows.
    pub fn java_classes(self) -> Vec<&'static str> {
        const ANALYSIS: &str = "org.apache.spark.sql.AnalysisException";
        const RUNTIME: &str = "java.lang.RuntimeException";
        const ILLEGAL: &str = "java.lang.IllegalArgumentException";
        let (own, ancestors): (&str, &[&str]) = match self {
            Self::Analysis => (ANALYSIS, &[]),
            Self::Parse => ("org.apache.spark.sql.catalyst.parser.ParseException", &[ANALYSIS]),
            Self::NoSuchTable => {
                ("org.apache.spark.sql.catalyst.analysis.NoSuchTableException", &[ANALYSIS])
            }
            Self::NoSuchDatabase => {
                ("org.apache.spark.sql.catalyst.analysis.NoSuchDatabaseException", &[ANALYSIS])
            }
            Self::TableExists => {
                ("org.apache.spark.sql.catalyst.analysis.TableAlreadyExistsException", &[ANALYSIS])
            }
            Self::TempTableExists => (
                "org.apache.spark.sql.catalyst.analysis.TempTableAlreadyExistsException",
                &[ANALYSIS],
            ),
            Self::IllegalArgument => {
                ("org.apache.spark.SparkIllegalArgumentException", &[ILLEGAL, RUNTIME])
            }
            Self::NumberFormat => (
                "org.apache.spark.SparkNumberFormatException",
                &["java.lang.NumberFormatException", ILLEGAL, RUNTIME],
            ),
            Self::Arithmetic => (
                "org.apache.spark.SparkArithmeticException",
                &["java.lang.ArithmeticException", RUNTIME],
            ),
            Self::ArrayIndex => (
                "org.apache.spark.SparkArrayIndexOutOfBoundsException",
                &["java.lang.ArrayIndexOutOfBoundsException", RUNTIME],
            ),
            Self::DateTime => (
                "org.apache.spark.SparkDateTimeException",
                &["java.time.DateTimeException", RUNTIME],
            ),
            Self::Unsupported => (
                "org.apache.spark.SparkUnsupportedOperationException",
                &["java.lang.UnsupportedOperationException", RUNTIME],
            ),
            Self::Python => ("org.apache.spark.api.python.PythonException", &[RUNTIME]),
            Self::Runtime => ("org.apache.spark.SparkRuntimeException", &[RUNTIME]),
            Self::NoSuchElement => (
                "org.apache.spark.SparkNoSuchElementException",
                &["java.util.NoSuchElementException"],
            ),
            Self::InvalidPlan => ("org.apache.spark.sql.connect.common.InvalidPlanInput", &[]),
            Self::Sql => ("org.apache.spark.SparkSQLException", &["java.sql.SQLException"]),
            Self::Spark | Self::Internal => ("org.apache.spark.SparkException", &[]),
        };
        let rest = ["java.lang.Exception", "java.lang.Throwable", "java.lang.Object"];
        std::iter::once(own).chain(ancestors.iter().copied()).chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_found_by_its_name() {
        for exception in Exception::ALL {
            assert_eq!(Exception::find(exception.name()), Some(exception));
        }
    }
}
