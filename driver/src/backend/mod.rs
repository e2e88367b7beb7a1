//! Sessions over the engine, as Spark Connect and SQL programs use them. Each request's jobs run
//! under one runner, so that its progress is one, and so that dropping the request cancels them.

mod rows;
mod session;

pub(crate) use session::Session;

use crate::blobs::Blobs;
use crate::run_job::Runners;
use crate::settings::Access;
use engine::Shared;
use model::conf::Conf;
use plan::{SparkError, TextParser};
use proto::Token;
use sql::SparkParser;
use std::sync::Arc;
use tonic::service::Routes;

/// Opens sessions that share the application's settings and tables.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    shared: Arc<Shared>,
    parser: Arc<dyn TextParser>,
    conf: Conf,
    runners: Runners,
    blobs: Blobs,
}

impl Sessions {
    pub(crate) fn new(conf: &Conf, runners: Runners, blobs: Blobs) -> Result<Self, SparkError> {
        let shared = Arc::new(Shared::for_application(conf)?);
        Ok(Self { shared, parser: Arc::new(SparkParser), conf: conf.clone(), runners, blobs })
    }

    /// A fresh session.
    pub(crate) fn open(&self) -> Session {
        let parser = Arc::clone(&self.parser);
        let engine = engine::Session::new(Arc::clone(&self.shared), parser, self.conf.clone());
        Session::new(engine, self.runners.clone(), self.blobs.clone())
    }
}

#[async_trait::async_trait]
impl connect::Backend for Sessions {
    async fn open(&self, _: &connect::SessionKey) -> Result<Arc<dyn connect::Session>, SparkError> {
        Ok(Arc::new(Sessions::open(self)))
    }
}

/// The service of Spark Connect.
pub(crate) fn connect_routes(sessions: &Sessions, access: Access, token: &Token) -> Routes {
    let token = match access {
        Access::Token => Some(token.secret().to_owned()),
        Access::Open => None,
    };
    connect::routes(Arc::new(sessions.clone()), token)
}
