//! A connection between two executors: plain, or encrypted between those that show the
//! application's identity.

use proto::{BadIdentity, HANDSHAKE, Identity};
use std::io;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tokio_util::either::Either;

pub(super) type Connection = Either<TcpStream, TlsStream<TcpStream>>;

/// Makes connections to peers.
#[derive(Clone)]
pub(super) struct Dialler(Option<(TlsConnector, ServerName<'static>)>);

impl Dialler {
    pub(super) fn new(identity: Option<&Identity>) -> Result<Self, BadIdentity> {
        Ok(Self(identity.map(Identity::connector).transpose()?))
    }

    pub(super) async fn connect(&self, address: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.0 {
            None => Either::Left(stream),
            Some((connector, name)) => {
                Either::Right(connector.connect(name.clone(), stream).await?.into())
            }
        })
    }
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dialler").field(&self.0.as_ref().map(|(_, name)| name)).finish()
    }
}

/// Takes connections from peers.
#[derive(Clone)]
pub(super) struct Acceptor(Option<TlsAcceptor>);

impl Acceptor {
    pub(super) fn new(identity: Option<&Identity>) -> Result<Self, BadIdentity> {
        Ok(Self(identity.map(Identity::acceptor).transpose()?))
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        Ok(match &self.0 {
            None => Either::Left(stream),
            Some(acceptor) => {
                Either::Right(timeout(HANDSHAKE, acceptor.accept(stream)).await??.into())
            }
        })
    }
}
