//! The program to run.

use super::Problems;
use crate::problem::FieldPath;
use crate::{DeployMode, ProgramType, PythonVersion, SparkApplicationSpec};
use model::launch::Dependencies;

/// The one JVM program that is supported, because every introduction to Spark on Kubernetes starts
/// with it.
pub(crate) const SPARK_PI: &str = "org.apache.spark.examples.SparkPi";

/// Length limit of one argument, in bytes: Linux starts no process with a longer one.
pub(crate) const MAX_ARGUMENT_BYTES: usize = (128 << 10) - 1;

/// The program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its language, and the file.
    pub language: Language,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Files that it and its functions need: paths in the container, or addresses.
    pub dependencies: Dependencies,
}

/// Language of a program.
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
    /// Spark's Pi example, which needs no JVM here.
    SparkPi,
}

/// Reads the program.
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
            let problem = format!(
                "there is no JVM: of Java and Scala only the example {SPARK_PI} is supported"
            );
            problems.add(FieldPath::new("spec.type"), problem);
            return None;
        }
        ProgramType::R => {
            problems.add(FieldPath::new("spec.type"), "R programs are not supported");
            return None;
        }
    };
    let mut files = |field: &str, list: fn(&crate::Dependencies) -> &Vec<String>| {
        let at = FieldPath::new(field);
        let given = spec.deps.iter().flat_map(list).enumerate();
        let found = given.filter_map(|(index, text)| {
            let found = place(text);
            if found.is_none() {
                problems.add(at.index(index), unreachable(text));
            }
            found
        });
        found.collect()
    };
    let dependencies = Dependencies {
        py_files: files("spec.deps.pyFiles", |deps| &deps.py_files),
        files: files("spec.deps.files", |deps| &deps.files),
        archives: files("spec.deps.archives", |deps| &deps.archives),
    };
    Some(Program { language, arguments: spec.arguments.clone(), dependencies })
}

/// A file in the image or on a volume, or one that pods download.
fn place(text: &str) -> Option<String> {
    let is_remote = text.starts_with("http://") || text.starts_with("https://");
    if is_remote { Some(text.to_owned()) } else { path(text) }
}

fn unreachable(text: &str) -> String {
    format!(
        "`{text}` is neither a file in the image or on a volume (`local:///path`) nor an http(s) address"
    )
}

fn check_mode(spec: &SparkApplicationSpec, problems: &mut Problems) {
    if matches!(spec.mode, Some(DeployMode::Client | DeployMode::InClusterClient)) {
        problems.add(FieldPath::new("spec.mode"), "only `cluster` is supported");
    }
    if spec.python_version == Some(PythonVersion::Two) {
        problems.add(FieldPath::new("spec.pythonVersion"), "Python 2 is not supported");
    }
}

fn check_arguments(spec: &SparkApplicationSpec, problems: &mut Problems) {
    let at = FieldPath::new("spec.arguments");
    for (index, argument) in spec.arguments.iter().enumerate() {
        let bytes = argument.len();
        if bytes > MAX_ARGUMENT_BYTES {
            let problem = format!("has {bytes} bytes; the limit is {MAX_ARGUMENT_BYTES}");
            problems.add(at.index(index), problem);
        }
    }
}

fn file(spec: &SparkApplicationSpec, ending: &str, problems: &mut Problems) -> Option<String> {
    let at = FieldPath::new("spec.mainApplicationFile");
    let Some(text) = spec.main_application_file.as_deref() else {
        problems.add(at, format!("is missing; it names the `{ending}` file to run"));
        return None;
    };
    if !text.ends_with(ending) {
        let problem = format!("`{text}` is not a `{ending}` file, which spec.type requires");
        problems.add(at, problem);
        return None;
    }
    let found = path(text);
    if found.is_none() {
        problems.add(at, elsewhere(text));
    }
    found
}

/// The path of a file in the image or on a volume.
fn path(text: &str) -> Option<String> {
    let path = text.strip_prefix("local://").or_else(|| text.strip_prefix("file://"));
    let path = path.unwrap_or(text);
    path.starts_with('/').then(|| path.to_owned())
}

fn elsewhere(text: &str) -> String {
    format!(
        "`{text}` is not a file in the image or on a volume; write `local:///path`, because nothing is downloaded"
    )
}
