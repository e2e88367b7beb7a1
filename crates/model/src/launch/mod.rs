//! Settings that an application's processes get at their start, once, as one JSON document: through
//! a file or a pipe or, where there is neither, through the environment.

mod dependencies;
mod driver;
mod executor;
mod secret;

pub use dependencies::Dependencies;
pub use driver::{Access, Addresses, DriverSettings, Forget, Program, WithoutManager};
pub use executor::{ExecutorSettings, Home, Mount, PeerPatience, ReaperSettings, WorkerSettings};
pub use secret::Secret;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Takes the place of the settings' path if they are in the environment.
pub const FROM_ENVIRONMENT: &str = "env";

/// Environment variable with the settings, or their first part.
pub const SETTINGS_VARIABLE: &str = "FIRESTEEL_SETTINGS";

/// Environment variable with a part of the settings, counted from 0: Linux starts no process with a
/// variable of more than 128 KiB.
pub fn settings_variable(part: usize) -> String {
    if part == 0 { SETTINGS_VARIABLE.to_owned() } else { format!("{SETTINGS_VARIABLE}_{part}") }
}

/// The settings from the environment, joined from their parts; `variable` looks one up.
pub fn settings_of(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut settings = variable(SETTINGS_VARIABLE)?;
    for part in (1..).map_while(|part| variable(&settings_variable(part))) {
        settings.push_str(&part);
    }
    Some(settings)
}

/// Whether a variable must be hidden from the user's program.
fn is_hidden(variable: &str) -> bool {
    let is_part = |rest: &str| rest.is_empty() || rest.starts_with('_');
    variable.strip_prefix(SETTINGS_VARIABLE).is_some_and(is_part)
        || matches!(variable, TOKEN_VARIABLE | IDENTITY_VARIABLE)
}

/// Removes what only the application's own processes may know from the environment of one that runs
/// the user's code.
pub fn hide_secrets(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        if is_hidden(&variable.to_string_lossy()) {
            command.env_remove(variable);
        }
    }
}

/// A `PYTHONPATH` with these entries before the inherited ones; `None` if there are none.
pub fn python_path(entries: &[PathBuf]) -> Option<OsString> {
    let inherited = std::env::var_os("PYTHONPATH").filter(|path| !path.is_empty());
    let inherited = inherited.iter().flat_map(std::env::split_paths);
    let all: Vec<_> = entries.iter().cloned().chain(inherited).collect();
    // A path with a colon cannot be written there; Python would not find it either way.
    (!all.is_empty()).then(|| std::env::join_paths(all).ok()).flatten()
}

/// Environment variable of a program with the directory of the application's files.
pub const FILES_VARIABLE: &str = "FIRESTEEL_FILES";

/// Environment variable that a pod's settings take the application's token from.
pub const TOKEN_VARIABLE: &str = "FIRESTEEL_TOKEN";

/// Environment variable that a pod's settings take the application's TLS identity from.
pub const IDENTITY_VARIABLE: &str = "FIRESTEEL_IDENTITY";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn settings_are_put_together_from_their_parts_in_order() {
        let parts = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let named = parts.iter().enumerate();
        let mut environment: BTreeMap<String, String> =
            named.map(|(part, text)| (settings_variable(part), (*text).to_owned())).collect();
        let read = |environment: &BTreeMap<String, String>| {
            settings_of(|variable| environment.get(variable).cloned())
        };
        assert_eq!(read(&environment).as_deref(), Some("abcdefghijkl"));
        environment.retain(|name, _| name == SETTINGS_VARIABLE);
        assert_eq!(read(&environment).as_deref(), Some("a"));
        environment.clear();
        assert_eq!(read(&environment), None);
    }

    #[test]
    fn a_program_sees_no_part_of_the_settings() {
        for (variable, hidden) in [
            ("FIRESTEEL_SETTINGS", true),
            ("FIRESTEEL_SETTINGS_12", true),
            ("FIRESTEEL_TOKEN", true),
            ("FIRESTEEL_IDENTITY", true),
            ("FIRESTEEL_POD_IP", false),
            ("FIRESTEEL_LOG", false),
            ("FIRESTEEL_SETTINGSX", false),
        ] {
            assert_eq!(is_hidden(variable), hidden, "{variable}");
        }
    }
}
