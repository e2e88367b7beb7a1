//! The executor process: runs tasks in slots and serves blocks to peers. It cannot plan and cannot
//! schedule.
//!
//! One thread talks to the driver (`link`) and keeps what was told and what runs (`tasks`, which is
//! pure), as many threads as there are slots run the attempts (`slots`), and blocks of map outputs
//! come and go beside both (`blocks`). An executor whose driver is gone ends: on a restart the
//! driver's successor gets executors of its own.

mod barriers;
mod blobs;
mod blocks;
mod keeper;
mod link;
mod moves;
pub mod python;
mod reaper;
mod settings;
mod slots;
// Not part of what this room offers: the driver's simulation plays executors with it.
#[doc(hidden)]
pub mod tasks;

pub use settings::{Mount, Settings};

use anyhow::{Context, Result};
use barriers::Waits;
use blobs::{Copies, DriverBlobs, Sources};
use blocks::{Blocks, Locations, Peers, Server, Stores};
use link::{Channels, Left, Link, Signals};
use model::launch::WorkerSettings;
use model::{ByteSize, launch};
use moves::Moves;
use proto::Credentials;
use python::{Environment, PoolSettings, Silence, Workers};
use reaper::Reaper;
use shuffle::{Catalogue, Durability, Home, Volume, WriterOptions};
use slots::Slots;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use task::{TaskRuntime, TaskSettings};
use tasks::Tasks;
use tokio::sync::mpsc;

/// Exit code of an executor that has no directories for its data; Spark's own.
const NO_LOCAL_DIRECTORY: u8 = 53;

/// How long tasks may take to notice that the executor ends.
const TASKS_WAIT: Duration = Duration::from_secs(1);

/// Stack of a thread that runs tasks: deep expressions recurse.
const STACK_BYTES: usize = 8 << 20;

/// Runs an executor until the driver lets it go or is gone. Returns the process's exit code.
pub fn run(settings: Settings) -> Result<u8> {
    // The cluster manager of this machine is the parent process: nothing outlives it, however it
    // ends.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = control.block_on(async { Signals::listen() })?;
    let (volume, home) = match open_volume(&settings) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!("{error:#}");
            return Ok(NO_LOCAL_DIRECTORY);
        }
    };
    let tasks = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.slots as usize)
        .thread_name("task")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    let shared = home.as_ref().map(Home::shared_volumes).unwrap_or_default();
    let is_gone = keeper::start(volume.clone(), home)?;
    let Settings { volume: mount, scratch, home, .. } = settings.clone();
    let handle = tasks.handle().clone();
    let volumes = Volumes { own: volume.clone(), is_gone, shared };
    let left = control.block_on(work(settings, volumes, handle, signals));
    let forget = mount.last || left.as_ref().is_ok_and(|left| left.forget);
    // Tasks that still run are of no use to anybody, but what they write would stay.
    tasks.shutdown_timeout(if forget { TASKS_WAIT } else { Duration::ZERO });
    clear(forget.then_some(volume), &scratch, home.as_ref());
    left.map(|left| left.code)
}

/// Removes what nobody needs any more.
fn clear(volume: Option<Volume>, scratch: &Path, home: Option<&launch::Home>) {
    if let Some(Err(error)) = volume.map(Volume::destroy) {
        tracing::warn!("{error}");
    }
    // Others of the application may have removed it already, as its manager on one machine does.
    let _ = std::fs::remove_dir_all(scratch);
    // The application's own directory goes with the last of what was in it.
    if let Some(home) = home {
        Home::leave(&home.path);
    }
}

fn open_volume(settings: &Settings) -> Result<(Volume, Option<Home>)> {
    let Mount { volume, path, last: _, private: _ } = &settings.volume;
    std::fs::create_dir_all(&settings.scratch)
        .with_context(|| format!("creating {}", settings.scratch.display()))?;
    // From now on, no other application takes this one for dead.
    let home = settings.home.as_ref().map(|home| {
        std::fs::create_dir_all(&home.path)
            .and_then(|()| Home::open(home))
            .with_context(|| format!("opening {}", home.path.display()))
    });
    let home = home.transpose()?;
    let opened = Volume::create(path, volume.clone(), settings.application.clone())
        .with_context(|| format!("opening volume {volume} at {}", path.display()))?;
    // From now on, what executors of an earlier driver write is refused.
    opened.raise_fence(settings.epoch)?;
    Ok((opened, home))
}

/// What an executor mounts.
struct Volumes {
    own: Volume,
    /// Says once that this one is gone.
    is_gone: mpsc::Receiver<()>,
    /// Those of other applications, to read from.
    shared: Vec<Volume>,
}

async fn work(
    settings: Settings,
    Volumes { own: volume, is_gone: gone, shared }: Volumes,
    tasks: tokio::runtime::Handle,
    signals: Signals,
) -> Result<Left> {
    let credentials = Credentials::read(&settings.token, settings.identity.as_deref())?;
    let mounted = shared.into_iter().chain([volume.clone()]);
    let catalogue = Arc::new(Catalogue::new(mounted));
    let copies = Arc::new(Copies::new(settings.scratch.join("blobs")));
    let stores = Stores { catalogue: Arc::clone(&catalogue), copies: Arc::clone(&copies) };
    let server = Server::start(&settings.host, &credentials, stores).await?;
    let peers = Arc::new(Peers::new(&credentials, settings.peers)?);
    let locations = Arc::new(Locations::default());
    let blocks = Arc::new(Blocks {
        catalogue: Arc::clone(&catalogue),
        peers: Arc::clone(&peers),
        locations: Arc::clone(&locations),
    });
    let durability = if settings.sync { Durability::Machine } else { Durability::Process };
    let writer = WriterOptions { durability, ..WriterOptions::default() };
    let task_settings = TaskSettings {
        memory: ByteSize(settings.memory_fraction.of(settings.memory_bytes)),
        slots: settings.slots,
        spill_dirs: vec![settings.scratch.clone()],
        spill_limit: ByteSize(u64::MAX / 2),
        volume: volume.clone(),
        writer: writer.clone(),
        files: settings.files.clone().unwrap_or_else(|| settings.scratch.join("work")),
    };
    std::fs::create_dir_all(&task_settings.files)
        .with_context(|| format!("creating {}", task_settings.files.display()))?;
    let environment = Environment {
        python: settings.python.clone(),
        python_path: settings.python_path.clone(),
        directory: task_settings.files.clone(),
    };
    let sources = Sources {
        credentials: credentials.clone(),
        driver: settings.driver.clone(),
        epoch: settings.epoch,
        block_address: server.address.clone(),
        peers,
    };
    let blobs = DriverBlobs::start(sources, copies);
    let mut pool = PoolSettings::new(environment, settings.slots);
    let WorkerSettings { reuse, idle_seconds, kill_idle } = settings.python_workers;
    pool.reuse = reuse;
    pool.silence = Silence {
        limit: (idle_seconds > 0).then(|| Duration::from_secs(idle_seconds)),
        kill: kill_idle,
    };
    pool.added_files = settings.scratch.join("files");
    let (door, asked) = barriers::door();
    let workers = Workers::new(pool, Arc::new(blobs), Arc::new(door))?;
    let (moves, reports) = Moves::new(Arc::clone(&blocks), (volume, writer), tasks.clone());
    let runtime = TaskRuntime::new(task_settings, blocks, Arc::new(workers))?;
    let reaper = Reaper::new(settings.reaper);
    let (slots, ends) = Slots::new(Arc::new(runtime), tasks, settings.epoch, reaper);
    let cores = settings.slots;
    let link = Link {
        settings,
        credentials,
        block_address: server.address.clone(),
        catalogue,
        locations,
        slots,
        tasks: Tasks::new(cores),
        waits: Waits::default(),
        moves,
    };
    link.serve(Channels { ends, asked, moved: reports, gone }, signals).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ApplicationId, VolumeId};

    #[test]
    fn an_end_clears_its_own_and_takes_the_application_s_directory_with_the_last() {
        let base = tempfile::tempdir().unwrap();
        let of_app = base.path().join("firesteel-1");
        let (first, second) = (of_app.join("scratch-0"), of_app.join("scratch-1"));
        for scratch in [&first, &second] {
            std::fs::create_dir_all(scratch.join("spilled")).unwrap();
        }
        let root = of_app.join("shuffle");
        let volume = Volume::create(&root, VolumeId("v".into()), ApplicationId("a".into()));
        let volume = volume.unwrap();
        let path = of_app.clone();
        let home = launch::Home { path, keep_seconds: None, group: None };
        drop(Home::open(&home).unwrap());
        clear(None, &first, Some(&home));
        assert!(!first.exists() && root.exists() && second.exists());
        clear(Some(volume), &second, Some(&home));
        assert!(!of_app.exists() && base.path().exists());
    }
}
