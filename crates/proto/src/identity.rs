//! TLS between the processes of one application. All of them present the same certificate, issued
//! by an authority that exists for this application alone and whose key is discarded; peers without
//! it are refused.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Certificate, ClientTlsConfig, ServerTlsConfig};

/// The name in every certificate. Pod addresses are not known when it is issued, and the authority
/// issues no other one.
const NAME: &str = "application.firesteel";
/// Time limit on a peer's handshake.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// A certificate, its private key, and the authority that peers are verified against. Kept out of
/// logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Certificate and key, as PEM.
    own: String,
    /// Certificate of the authority, as PEM.
    authority: String,
}

impl Identity {
    /// Generates an identity for a new application. It does not expire: it ends with the
    /// application.
    ///
    /// # Errors
    /// If the system provides no randomness.
    pub fn generate() -> Result<Self, BadIdentity> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "Firesteel application");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut own = CertificateParams::new([NAME.to_owned()])?;
        own.distinguished_name.push(DnType::CommonName, NAME);
        own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        own.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let own = own.signed_by(&key, &authority)?.pem() + &key.serialize_pem();
        Ok(Self { own, authority: authority.pem() })
    }

    /// The identity as one line of text, for passing it on: PEM in Base64.
    pub fn secret(&self) -> String {
        BASE64_STANDARD.encode(format!("{}{}", self.own, self.authority))
    }

    /// Parses the text that `secret` returned.
    ///
    /// # Errors
    /// If the text is something else.
    pub fn parse(text: &str) -> Result<Self, BadIdentity> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|_| BadIdentity::Form)?;
        let pem = String::from_utf8(bytes).map_err(|_| BadIdentity::Form)?;
        let authority = pem.rfind(CERTIFICATE).ok_or(BadIdentity::Form)?;
        let (own, authority) = pem.split_at(authority);
        let identity = Self { own: own.to_owned(), authority: authority.to_owned() };
        // Checked now, and not when the first peer connects.
        identity.acceptor()?;
        Ok(identity)
    }

    /// TLS configuration of a gRPC server.
    pub fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .timeout(HANDSHAKE)
            .identity(self.to_tonic())
            .client_ca_root(Certificate::from_pem(&self.authority))
    }

    /// TLS configuration of a gRPC client.
    pub fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .timeout(HANDSHAKE)
            .identity(self.to_tonic())
            .ca_certificate(Certificate::from_pem(&self.authority))
            .domain_name(NAME)
    }

    fn to_tonic(&self) -> tonic::transport::Identity {
        tonic::transport::Identity::from_pem(&self.own, &self.own)
    }

    /// TLS acceptor of a server with another protocol.
    ///
    /// # Errors
    /// If the identity is invalid.
    pub fn acceptor(&self) -> Result<TlsAcceptor, BadIdentity> {
        let (provider, roots) = (provider(), Arc::new(self.roots()?));
        let peers = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let (chain, key) = self.certificate()?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(peers.build().map_err(|_| BadIdentity::Form)?)
            .with_single_cert(chain, key)?;
        Ok(Arc::new(config).into())
    }

    /// TLS connector of a client with another protocol, and the server name to request.
    ///
    /// # Errors
    /// If the identity is invalid.
    pub fn connector(&self) -> Result<(TlsConnector, ServerName<'static>), BadIdentity> {
        let (chain, key) = self.certificate()?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(self.roots()?)
            .with_client_auth_cert(chain, key)?;
        Ok((Arc::new(config).into(), ServerName::try_from(NAME).expect("a name of a host")))
    }

    fn roots(&self) -> Result<RootCertStore, BadIdentity> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes());
        roots.add(authority.map_err(|_| BadIdentity::Form)?)?;
        Ok(roots)
    }

    fn certificate(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), BadIdentity> {
        let certificate = CertificateDer::from_pem_slice(self.own.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.own.as_bytes());
        let (Ok(certificate), Ok(key)) = (certificate, key) else { return Err(BadIdentity::Form) };
        Ok((vec![certificate], key))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The identity cannot be generated or used.
#[derive(Debug, thiserror::Error)]
pub enum BadIdentity {
    /// The text is not an identity.
    #[error("the text is not a certificate, its key and its authority in PEM and Base64")]
    Form,
    /// Generating it failed.
    #[error("generating it failed: {0}")]
    Generate(#[from] rcgen::Error),
    /// Its parts do not match.
    #[error(transparent)]
    Tls(#[from] tokio_rustls::rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// The bytes that server and client receive from each other, if both accept each
    /// other.
    async fn meet(server: &Identity, client: &Identity) -> Option<(String, String)> {
        let (near, far) = duplex(1 << 14);
        let acceptor = server.acceptor().unwrap();
        let (connector, name) = client.connector().unwrap();
        let serve = async {
            let mut stream = acceptor.accept(far).await.ok()?;
            let mut received = [0; 4];
            stream.read_exact(&mut received).await.ok()?;
            stream.write_all(b"pong").await.ok()?;
            stream.flush().await.ok()?;
            Some(String::from_utf8_lossy(&received).into_owned())
        };
        let ask = async {
            let mut stream = connector.connect(name, near).await.ok()?;
            stream.write_all(b"ping").await.ok()?;
            stream.flush().await.ok()?;
            let mut received = [0; 4];
            stream.read_exact(&mut received).await.ok()?;
            Some(String::from_utf8_lossy(&received).into_owned())
        };
        let (accepted, answered) = tokio::join!(serve, ask);
        accepted.zip(answered)
    }

    #[tokio::test]
    async fn only_processes_of_one_application_accept_each_other() {
        let (one, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        assert_eq!(meet(&one, &one).await, Some(("ping".into(), "pong".into())));
        assert_eq!(meet(&one, &other).await, None);
        // A client that trusts the server but presents a certificate of another authority.
        let foreign = Identity { own: other.own.clone(), authority: one.authority.clone() };
        assert_eq!(meet(&one, &foreign).await, None);
        let foreign = Identity { own: one.own.clone(), authority: other.authority.clone() };
        assert_eq!(meet(&one, &foreign).await, None);
    }

    #[test]
    fn an_identity_survives_its_text_and_does_not_print_itself() {
        let identity = Identity::generate().unwrap();
        let text = identity.secret();
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        assert_eq!(Identity::parse(&text).unwrap(), identity);
        assert_eq!(format!("{identity:?}"), "Identity(…)");
        for bad in ["", "nothing", &text[..text.len() / 2], &BASE64_STANDARD.encode(CERTIFICATE)] {
            assert!(Identity::parse(bad).is_err(), "{bad}");
        }
        let other = Identity::generate().unwrap();
        let key = other.own.find("-----BEGIN PRIVATE").unwrap();
        let own_key = identity.own.find("-----BEGIN PRIVATE").unwrap();
        let mixed = format!("{}{}", &identity.own[..own_key], &other.own[key..]);
        let mixed = Identity { own: mixed, authority: identity.authority };
        assert!(Identity::parse(&mixed.secret()).is_err());
    }
}
