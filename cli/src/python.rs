//! The Python side of Firesteel: embedded in the binary and written beside the application, so that
//! one file is all there is to install; and the interpreters that run it.

use anyhow::{Context, Result};
use model::conf::{self, BadSetting, Conf, Key};
use std::path::{Path, PathBuf};

/// Every Python file of the package and of `site`, by its path on the Python path.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/python_files.rs"));

/// Writes the files below `directory` and returns the entry for the Python path.
pub(crate) fn install(directory: &Path) -> Result<PathBuf> {
    let root = directory.join("python");
    for (name, text) in FILES {
        let path = root.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(root)
}

/// The interpreters of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreters {
    /// Runs the program.
    pub program: PathBuf,
    /// Runs the program's functions, in executors.
    pub functions: PathBuf,
}

impl Interpreters {
    /// Chooses them as Spark does: by settings, then by the environment, then the default one.
    pub(crate) fn choose(
        conf: &Conf,
        variable: impl Fn(&str) -> Option<String>,
        default: PathBuf,
    ) -> Result<Self, BadSetting> {
        let setting = |key: &Key<String>| Ok(conf.find(key)?.filter(|path| !path.is_empty()));
        let variable = |name| variable(name).filter(|path| !path.is_empty());
        let (driver, common) =
            (setting(&conf::PYSPARK_DRIVER_PYTHON)?, setting(&conf::PYSPARK_PYTHON)?);
        let everywhere = variable("PYSPARK_PYTHON");
        let program = driver
            .or_else(|| common.clone())
            .or_else(|| variable("PYSPARK_DRIVER_PYTHON"))
            .or_else(|| everywhere.clone());
        let functions = common.or(everywhere);
        Ok(Self {
            program: program.map_or_else(|| default.clone(), PathBuf::from),
            functions: functions.map_or(default, PathBuf::from),
        })
    }

    /// Those of settings and of this process's environment, or else this one.
    pub(crate) fn of(conf: &Conf, default: PathBuf) -> Result<Self, BadSetting> {
        Self::choose(conf, |name| std::env::var(name).ok(), default)
    }

    /// The same where a relative path of the functions' interpreter, such as
    /// `environment/bin/python` in an unpacked archive, is below this directory.
    pub(crate) fn within(mut self, files: &Path) -> Self {
        self.functions = inside(files, &self.functions);
        self
    }
}

/// An interpreter whose relative path may be below a directory.
pub(crate) fn inside(files: &Path, python: &Path) -> PathBuf {
    let inside = files.join(python);
    if python.is_relative() && inside.exists() { inside } else { python.to_owned() }
}

/// The interpreter of the virtual environment that this command is installed in, or else the first
/// one on the path.
pub(crate) fn default() -> PathBuf {
    let own = || {
        let command = std::env::current_exe().ok()?;
        let directory = command.parent()?;
        let is_environment = directory.parent()?.join("pyvenv.cfg").exists();
        Some(directory.join("python3")).filter(|python| is_environment && python.exists())
    };
    own().unwrap_or_else(|| "python3".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_package_is_embedded() {
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        for expected in ["sitecustomize.py", "firesteel/__init__.py", "firesteel/launch.py"] {
            assert!(names.contains(&expected), "{names:?}");
        }
    }

    #[test]
    fn interpreters_are_chosen_as_by_spark_submit() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let (driver, common) = ("spark.pyspark.driver.python", "spark.pyspark.python");
        let (driver_variable, variable) = ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON");
        let cases: &[(Pairs<'_>, Pairs<'_>, [&str; 2])] = &[
            (&[], &[], ["default", "default"]),
            (&[], &[(variable, "v")], ["v", "v"]),
            (&[], &[(variable, "v"), (driver_variable, "d")], ["d", "v"]),
            (&[], &[(driver_variable, "d"), (variable, "")], ["d", "default"]),
            (&[(common, "c")], &[(variable, "v"), (driver_variable, "d")], ["c", "c"]),
            (&[(common, "c"), (driver, "x")], &[(variable, "v")], ["x", "c"]),
        ];
        for (settings, variables, [program, functions]) in cases {
            let conf: Conf = settings.iter().copied().collect();
            let variable = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let chosen = Interpreters::choose(&conf, variable, "default".into()).unwrap();
            let expected = Interpreters { program: program.into(), functions: functions.into() };
            assert_eq!(chosen, expected, "{settings:?} {variables:?}");
        }
    }

    #[test]
    fn an_interpreter_in_an_archive_is_found_where_it_is_unpacked() {
        let files = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(files.path().join("env/bin")).unwrap();
        std::fs::write(files.path().join("env/bin/python"), "").unwrap();
        for (given, expected) in [
            ("./env/bin/python", files.path().join("./env/bin/python")),
            ("python3", "python3".into()),
            ("/usr/bin/python3", "/usr/bin/python3".into()),
        ] {
            let interpreters = Interpreters { program: "p".into(), functions: given.into() };
            assert_eq!(interpreters.within(files.path()).functions, expected);
        }
    }
}
