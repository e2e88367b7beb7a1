//! The application's token: calls without it are refused.

use std::fmt;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

const HEADER: &str = "authorization";
const SCHEME: &str = "Bearer ";

/// A token, kept out of logs. Clients add it to each call with `Token::sender`; servers refuse
/// calls without it with `Token::guard`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Creates a token. It must be printable ASCII, because it travels in a header.
    ///
    /// # Errors
    /// If the text is empty or has other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, BadToken> {
        let text = text.into();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(BadToken)
        }
    }

    /// The text itself, for passing it on to a child process.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// An interceptor that adds the token to each call of a client.
    pub fn sender(&self) -> impl Interceptor + Clone + use<> {
        let value: MetadataValue<Ascii> =
            format!("{SCHEME}{}", self.0).parse().expect("printable ASCII is a header value");
        move |mut request: Request<()>| {
            request.metadata_mut().insert(HEADER, value.clone());
            Ok(request)
        }
    }

    /// An interceptor that refuses calls without the token on a server.
    pub fn guard(&self) -> impl Interceptor + Clone + use<> {
        let token = self.clone();
        move |request: Request<()>| token.check(request.metadata()).map(|()| request)
    }

    /// Checks that the metadata carry the token.
    ///
    /// # Errors
    /// `Unauthenticated`, without saying what was wrong with it.
    pub fn check(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let given = metadata.get(HEADER).and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix(SCHEME)) {
            Some(given) if self.matches(given) => Ok(()),
            _ => Err(Status::unauthenticated("the call does not carry the application's token")),
        }
    }

    /// Compares in constant time.
    pub fn matches(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        let differences = own
            .iter()
            .enumerate()
            .fold(0, |sum, (i, byte)| sum | (byte ^ given.get(i).copied().unwrap_or(0)));
        std::hint::black_box(differences) == 0 && own.len() == given.len()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The text cannot be a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a token is printable ASCII without spaces, at least one character")]
pub struct BadToken;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_token_is_accepted() {
        let token = Token::new("s3cret").unwrap();
        let mut sender = token.sender();
        let mut guard = token.guard();
        let carried = sender.call(Request::new(())).unwrap();
        assert!(guard.call(carried).is_ok());
        for value in ["", "Bearer ", "Bearer s3cre", "Bearer s3cret1", "Bearer s3creT", "s3cret"] {
            let mut request = Request::new(());
            request.metadata_mut().insert(HEADER, value.parse().unwrap());
            assert!(guard.call(request).is_err(), "{value}");
        }
        assert!(guard.call(Request::new(())).is_err());
    }

    #[test]
    fn a_token_is_printable_and_does_not_print_itself() {
        assert!(Token::new("").is_err());
        assert!(Token::new("two words").is_err());
        assert_eq!(format!("{:?}", Token::new("s3cret").unwrap()), "Token(…)");
    }
}
