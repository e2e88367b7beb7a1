//! What runs.

use super::Problems;
use crate::problem::FieldPath;
use crate::{DeployMode, ProgramType, PythonVersion, SparkApplicationSpec};

/// The JVM program that is known, because every introduction to Spark on Kubernetes begins with it.
pub(crate) const SPARK_PI: &str = "org.apache.spark.examples.SparkPi";

/// Bytes of one argument: Linux starts no process with a longer one.
pub(crate) const LONGEST_ARGUMENT: usize = (128 << 10) - 1;

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// In which language.
    pub language: Language,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Python modules and packages that it imports, as paths in the container.
    pub py_files: Vec<String>,
}

/// Languages of programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Language {
    /// Python.
    Python {
        /// Path of the file in the container.
        file: String,
    },
    /// SQL.
    Sql {
        /// Path of the file in the container.
        file: String,
    },
    /// Spark's first example, which needs no JVM here.
    SparkPi,
}

/// Reads it.
pub(super) fn read(spec: &SparkApplicationSpec, problems: &mut Problems) -> Option<Program> {
    check_mode(spec, problems);
    check_arguments(spec, problems);
    let language = match spec.type_ {
        ProgramType::Python => Language::Python { file: file(spec, ".py", problems)? },
        ProgramType::Sql => Language::Sql { file: file(spec, ".sql", problems)? },
        ProgramType::Java | ProgramType::Scala if spec.main_class.as_deref() == Some(SPARK_PI) => {
            Language::SparkPi
        }
        ProgramType::Java | ProgramType::Scala => {
            let problem =
                format!("there is no JVM: of Java and Scala only the example {SPARK_PI} is known");
            problems.add(FieldPath::new("spec.type"), problem);
            return None;
        }
        ProgramType::R => {
            problems.add(FieldPath::new("spec.type"), "programs in R are not served");
            return None;
        }
    };
    let at = FieldPath::new("spec.deps.pyFiles");
    let py_files = spec.deps.iter().flat_map(|deps| &deps.py_files).enumerate();
    let py_files = py_files
        .filter_map(|(index, text)| {
            let found = path(text);
            if found.is_none() {
                problems.add(at.index(index), elsewhere(text));
            }
            found
        })
        .collect();
    Some(Program { language, arguments: spec.arguments.clone(), py_files })
}

fn check_mode(spec: &SparkApplicationSpec, problems: &mut Problems) {
    if matches!(spec.mode, Some(DeployMode::Client | DeployMode::InClusterClient)) {
        problems.add(FieldPath::new("spec.mode"), "only `cluster` is served");
    }
    if spec.python_version == Some(PythonVersion::Two) {
        problems.add(FieldPath::new("spec.pythonVersion"), "Python 2 is not served");
    }
}

fn check_arguments(spec: &SparkApplicationSpec, problems: &mut Problems) {
    let at = FieldPath::new("spec.arguments");
    for (index, argument) in spec.arguments.iter().enumerate() {
        let bytes = argument.len();
        if bytes > LONGEST_ARGUMENT {
            let problem =
                format!("has {bytes} bytes; a program is given at most {LONGEST_ARGUMENT}");
            problems.add(at.index(index), problem);
        }
    }
}

fn file(spec: &SparkApplicationSpec, ending: &str, problems: &mut Problems) -> Option<String> {
    let at = FieldPath::new("spec.mainApplicationFile");
    let Some(text) = spec.main_application_file.as_deref() else {
        problems.add(at, format!("is missing; it names the `{ending}` file that is run"));
        return None;
    };
    if !text.ends_with(ending) {
        let problem = format!("`{text}` is not a `{ending}` file, as spec.type says");
        problems.add(at, problem);
        return None;
    }
    let found = path(text);
    if found.is_none() {
        problems.add(at, elsewhere(text));
    }
    found
}

/// The path of a file that is in the image or on a volume.
fn path(text: &str) -> Option<String> {
    let path = text.strip_prefix("local://").or_else(|| text.strip_prefix("file://"));
    let path = path.unwrap_or(text);
    path.starts_with('/').then(|| path.to_owned())
}

fn elsewhere(text: &str) -> String {
    format!(
        "`{text}` is not a file of the image or of a volume; write `local:///path`, as nothing is fetched from elsewhere"
    )
}
