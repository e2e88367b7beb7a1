//! The application to run, whether given by flags or by a manifest.

use driver::Master;
use model::conf::Conf;
use model::launch::Dependencies;
use std::path::PathBuf;

/// An application to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    /// All settings, including `spark.master` and `spark.app.name`.
    pub conf: Conf,
    /// The user's program; `None` serves Spark Connect only.
    pub program: Option<Program>,
    /// Files that the program and its functions need.
    pub dependencies: Dependencies,
    /// The Python of a program that runs by itself, and of whatever names no other one.
    pub python: Option<PathBuf>,
    /// Directories of modules that its functions may import.
    pub modules: Vec<PathBuf>,
    /// Notes for the user, a sentence each.
    pub notes: Vec<String>,
}

impl Application {
    /// An application of settings alone.
    pub(crate) fn new(conf: Conf) -> Self {
        Self {
            conf,
            program: None,
            dependencies: Dependencies::default(),
            python: None,
            modules: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The application of a program, whose functions may import what is beside it.
    pub(crate) fn of(program: Program, conf: Conf) -> Self {
        let beside = program.file.parent().and_then(|parent| std::path::absolute(parent).ok());
        Self { program: Some(program), modules: beside.into_iter().collect(), ..Self::new(conf) }
    }
}

/// A user's program: a Python or an SQL file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub file: PathBuf,
    pub arguments: Vec<String>,
    /// Name of an SQL program in messages; by default its path.
    pub name: Option<String>,
}

/// The value of `spark.master`, if this machine can run it.
pub(crate) fn master(text: &str) -> Result<Master, String> {
    Master::parse(text).ok_or_else(|| {
        format!(
            "master `{text}` is not supported; on one machine it is local, local[N], local[*], local[N,F] or \
             local-cluster[executors,cores,memoryMiB]; `firesteel submit` is for a cluster"
        )
    })
}
