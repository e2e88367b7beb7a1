//! The application to run, whether given by flags or by a manifest.

use driver::Master;
use model::conf::Conf;
use std::path::PathBuf;

/// An application to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Application {
    /// All settings, including `spark.master` and `spark.app.name`.
    pub conf: Conf,
    /// The user's program; `None` serves Spark Connect only.
    pub program: Option<Program>,
    /// Notes for the user, a sentence each.
    pub notes: Vec<String>,
}

/// A user's program: a Python or an SQL file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub file: PathBuf,
    pub arguments: Vec<String>,
    pub py_files: Vec<PathBuf>,
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
