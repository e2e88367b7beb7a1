//! What every connection of an application stands on: its token and, where connections are encrypted, its identity.

use crate::{BadIdentity, BadToken, Identity, Token};
use tonic::transport::Endpoint;

/// What the processes of one application have and nobody else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Every call and every request carries it.
    pub token: Token,
    /// With one, connections are encrypted and peers must show it; without, they are plain.
    pub identity: Option<Identity>,
}

impl Credentials {
    /// Reads both as a process is told them.
    ///
    /// # Errors
    /// If one is not what it should be.
    pub fn read(token: &str, identity: Option<&str>) -> Result<Self, BadCredentials> {
        Ok(Self { token: Token::new(token)?, identity: identity.map(Identity::parse).transpose()? })
    }

    /// The way to a gRPC server of the application's. `address`: `host:port`.
    ///
    /// # Errors
    /// If that is not an address.
    pub fn endpoint(&self, address: &str) -> Result<Endpoint, tonic::transport::Error> {
        match &self.identity {
            None => Endpoint::from_shared(format!("http://{address}")),
            Some(identity) => {
                Endpoint::from_shared(format!("https://{address}"))?.tls_config(identity.client())
            }
        }
    }
}

/// Credentials that a process cannot use.
#[derive(Debug, thiserror::Error)]
pub enum BadCredentials {
    /// The token.
    #[error(transparent)]
    Token(#[from] BadToken),
    /// The identity.
    #[error("bad TLS identity: {0}")]
    Identity(#[from] BadIdentity),
}
