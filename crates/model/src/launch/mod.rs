//! What the processes of an application are told at their start, each once, as one JSON document: through a file or a pipe, or, where
//! there is neither, through the environment.

mod driver;
mod executor;
mod secret;

pub use driver::{Access, Addresses, DriverSettings, Forget, Program, WithoutManager};
pub use executor::{ExecutorSettings, Mount};
pub use secret::Secret;

/// Stands where a process expects the path of its settings, and says that they are in the environment.
pub const FROM_ENVIRONMENT: &str = "env";

/// Variable of the environment that holds the settings then.
pub const SETTINGS_VARIABLE: &str = "FIRESTEEL_SETTINGS";

/// Variable of the environment from which a pod's settings take the application's token.
pub const TOKEN_VARIABLE: &str = "FIRESTEEL_TOKEN";

/// Variable of the environment from which a pod's settings take the application's TLS identity.
pub const IDENTITY_VARIABLE: &str = "FIRESTEEL_IDENTITY";
