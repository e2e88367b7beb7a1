//! The user's program: it asks for jobs through Spark Connect (Python) or through a session of its
//! own (SQL).

mod python;
mod sql_file;

pub(crate) use python::Python;
pub(crate) use sql_file::run_sql_file;
