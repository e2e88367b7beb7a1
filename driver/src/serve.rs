//! The listeners: one for executors and the cluster manager, one for Spark Connect.

use crate::error::Error;
use proto::Identity;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Bytes of one stream that may be on their way.
const STREAM_WINDOW: u32 = 4 << 20;
/// Bytes of one connection that may be on their way.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Time between the pings by which a dead peer is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long open streams may take to end, once the server is to.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// A server that runs until it is closed.
#[derive(Debug)]
pub(crate) struct Serving {
    close: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Listens; returns the address too, with the port that was taken.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let taken = listener.local_addr().map_err(failed)?;
    Ok((listener, taken))
}

/// Serves on a listener of this runtime; with an identity, only who shows it, too.
pub(crate) fn serve(
    runtime: &Handle,
    listener: TcpListener,
    routes: Routes,
    identity: Option<&Identity>,
) -> Result<Serving, Error> {
    let (close, mut closing) = watch::channel(false);
    let mut server = Server::builder();
    if let Some(identity) = identity {
        server = server.tls_config(identity.server()).map_err(Error::Tls)?;
    }
    let server = server
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            // A closed channel means that the driver is gone: the same.
            async move { drop(closing.wait_for(|close| *close).await) },
        );
    let task = runtime.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!("a server has failed: {error}");
        }
    });
    Ok(Serving { close, task })
}

impl Serving {
    /// Accepts nothing new, lets streams that are ending end, and closes.
    pub(crate) async fn close(mut self) {
        self.close.send_replace(true);
        if tokio::time::timeout(CLOSE_WAIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}
