//! Why a driver could not start or run.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a driver could not start or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `spark.*` setting has a wrong value.
    #[error(transparent)]
    Conf(#[from] model::conf::BadSetting),
    /// The application's token or its identity cannot be one.
    #[error(transparent)]
    Credentials(#[from] proto::BadCredentials),
    /// It is to encrypt and was not told with what.
    #[error(
        "spark.ssl.rpc.enabled is true, but whoever started this driver gave it no TLS identity"
    )]
    NoIdentity,
    /// It cannot serve TLS.
    #[error("setting up TLS")]
    Tls(#[source] tonic::transport::Error),
    /// It could not listen.
    #[error("listening on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// It could not say where it is reached.
    #[error("writing the driver's addresses to {}", path.display())]
    Announce {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The user's program could not be started.
    #[error("starting {}", program.display())]
    Program {
        /// Which.
        program: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file, such as the user's program, could not be read.
    #[error("reading {}", file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file of the scheduler's pools is no XML.
    #[error("reading the pools in {}", file.display())]
    Pools {
        /// Which file.
        file: PathBuf,
        /// Why not.
        source: roxmltree::Error,
    },
    /// The query engine could not be set up.
    #[error("setting up the query engine: {0}")]
    Engine(#[source] plan::SparkError),
    /// The process's threads could not be started.
    #[error("starting threads")]
    Runtime(#[source] std::io::Error),
    /// A defect of this program.
    #[error("a part of the driver has failed")]
    Panicked(#[source] tokio::task::JoinError),
    /// Signals cannot be heard.
    #[error("listening for signals")]
    Signals(#[source] std::io::Error),
}
