//! Credentials for every connection of an application: its token and, if connections are encrypted,
//! its TLS identity.

use crate::{BadIdentity, BadToken, Identity, Token};
use tonic::transport::Endpoint;

/// Credentials shared by the processes of one application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The token that every call and request carries.
    pub token: Token,
    /// With an identity, connections are encrypted and peers must present it; without one, they are
    /// plain.
    pub identity: Option<Identity>,
}

impl Credentials {
    /// Reads both from a process's settings.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(token: &str, identity: Option<&str>) -> Result<Self, BadCredentials> {
        Ok(Self { token: Token::new(token)?, identity: identity.map(Identity::parse).transpose()? })
    }

    /// The endpoint of one of the application's gRPC servers. `address`: `host:port`.
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

/// The credentials are unusable.
#[derive(Debug, thiserror::Error)]
pub enum BadCredentials {
    /// The token.
    #[error(transparent)]
    Token(#[from] BadToken),
    /// The identity.
    #[error("bad TLS identity: {0}")]
    Identity(#[from] BadIdentity),
}
