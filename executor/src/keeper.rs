//! Keeps the place of this executor's outputs: says at intervals that the application lives, sweeps
//! what dead ones have left beside it, and notices when the place is gone.

use shuffle::{Home, Volume};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(10);

/// Starts a thread for it, which ends when nobody listens any more. It says once if the volume is
/// gone.
pub(crate) fn start(volume: Volume, mut home: Option<Home>) -> std::io::Result<mpsc::Receiver<()>> {
    let (gone, is_gone) = mpsc::channel(1);
    // A thread of its own, which the end of the process does not wait for: a network file system
    // may not answer.
    std::thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        while !gone.is_closed() {
            if beat(home.as_mut()) || volume.is_gone() {
                let _ = gone.try_send(());
                return;
            }
            std::thread::sleep(BEAT);
        }
    })?;
    Ok(is_gone)
}

/// Gives a sign of life. Returns whether the application's directory is gone.
fn beat(home: Option<&mut Home>) -> bool {
    let Some(home) = home else { return false };
    match home.beat() {
        Ok(swept) => {
            if !swept.is_empty() {
                // The signs of life go on meanwhile.
                std::thread::spawn(move || swept.into_iter().for_each(delete));
            }
            false
        }
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => {
            tracing::warn!("no sign of life in {}: {error}", home.path().display());
            false
        }
    }
}

/// Deletes what a dead application has left; others may do so at the same time.
fn delete(directory: PathBuf) {
    tracing::info!("{} was left by an application that is dead", directory.display());
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!("{} could not be deleted: {error}", directory.display());
        }
        Ok(()) | Err(_) => {}
    }
}
