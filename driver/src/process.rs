//! The driver process: starts the event loop and the servers, runs the program, and ends in good
//! order.

use crate::allocation::AllocationRules;
use crate::allocator;
use crate::backend::{Sessions, connect_routes};
use crate::blobs::Blobs;
use crate::control::Control;
use crate::core::{Core, DecommissionRules, Rules};
use crate::error::Error;
use crate::event_loop::{self, INBOX_LIMIT, Inbox, Input};
use crate::master::Wanted;
use crate::message::Ending;
use crate::pools;
use crate::program::{self, Python};
use crate::rows::RowStore;
use crate::run_job::Runners;
use crate::scheduling;
use crate::serve::{self, Serving};
use crate::services::{ClusterService, Door, ExecutorsService};
use crate::settings::{Access, Addresses, Settings};
use engine::RunJob;
use model::Properties;
use model::conf::{self, BadSetting, Conf};
use proto::pb::cluster_server::ClusterServer;
use proto::pb::executors_server::ExecutorsServer;
use proto::{Credentials, MESSAGE_LIMIT, Token};
use scheduler::Retention;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;

/// A driver that has started.
#[derive(Debug)]
pub struct Driver {
    addresses: Addresses,
    inbox: Inbox,
    runners: Runners,
    sessions: Sessions,
    /// Why it should end, once it should.
    stopped: watch::Receiver<Option<String>>,
    servers: Vec<Serving>,
    /// Where the event loop runs.
    _control: Control,
}

/// Runs a driver from start to end, on a runtime of its own. Returns the exit code for its process:
/// that of the program.
pub fn run(settings: Settings) -> Result<u8, Error> {
    allocator::give_back_large();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(threads())
        .thread_stack_size(connect::STACK_BYTES)
        .build()
        .map_err(Error::Runtime)?;
    let exit_code = runtime.block_on(run_to_the_end(settings));
    // What is left are requests that nobody waits for.
    runtime.shutdown_background();
    // As the kernel does it: a process has eight bits for its exit code.
    exit_code.map(|code| u8::try_from(code & 0xff).unwrap_or(u8::MAX))
}

/// Clients whose plans are made at the same time, and what else goes on in a driver.
const LEAST_THREADS: usize = 24;

/// Planning can keep a thread busy for a while. There are so many of them that no client waits for
/// the plan of another one: the operating system shares the cores among them.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from).max(LEAST_THREADS)
}

async fn run_to_the_end(settings: Settings) -> Result<i32, Error> {
    let mut term = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut int = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let driver = Driver::start(&settings).await?;
    announce(settings.announce.as_deref(), &driver.addresses)?;
    let ended = {
        let stopped = async {
            tokio::select! {
                reason = driver.stopped() => reason,
                _ = term.recv() => "the driver was told to end".to_owned(),
                _ = int.recv() => "interrupted".to_owned(),
            }
        };
        driver.run_program(&settings, stopped).await
    };
    let ending = match &ended {
        Ok(ending) => ending.clone(),
        Err(error) => Ending::stopped(1, error.to_string()),
    };
    driver.end(ending).await;
    remove(&settings.remove).await;
    ended.map(|ending| ending.exit_code)
}

impl Driver {
    /// Starts the event loop and the servers. The program is not started.
    pub async fn start(settings: &Settings) -> Result<Self, Error> {
        let Credentials { token, identity } = credentials(settings)?;
        let conf = &settings.conf;
        for warning in conf.check()? {
            tracing::warn!("{warning}");
        }
        let mut wanted = Wanted::from_conf(conf)?;
        let allocation = AllocationRules::from_conf(conf)?;
        if let Some(allocation) = &allocation {
            wanted.executors = allocation.initial;
        }
        let control = Control::start()?;
        let listen = control.runtime().spawn(serve::listen(settings.listen));
        let (cluster_listener, cluster) = listen.await.map_err(Error::Panicked)??;
        let (connect_listener, connect) = serve::listen(settings.connect).await?;
        let addresses = Addresses {
            cluster: cluster.to_string(),
            connect: format!("sc://localhost:{}", connect.port()),
        };

        let (stop, stopped) = watch::channel(None);
        let (inbox, messages) = mpsc::channel(INBOX_LIMIT);
        let rules = rules(settings, (wanted, allocation), &addresses)?;
        let dynamic = allocation.is_some();
        let scheduler = scheduling::scheduler(settings.epoch, conf, (wanted, dynamic))?;
        let scheduler = scheduler.with_sharing(pools::sharing(conf)?);
        control.runtime().spawn(event_loop::run(Core::new(rules, scheduler), messages, stop));

        // As in Spark, there is some parallelism even without executors.
        let least = if allocation.is_some() { 2 } else { 1 };
        let runners = Runners::new(inbox.clone(), wanted.slots().max(least));
        let mut session_conf = conf.clone();
        session_conf.set("spark.app.id", &*settings.application.0);
        session_conf.set("spark.app.attempt.id", settings.epoch.0.to_string());
        session_conf.set(conf::APP_NAME.name, &*settings.name);
        let blobs = Blobs::default();
        let sessions =
            Sessions::new(&session_conf, runners.clone(), blobs.clone()).map_err(Error::Engine)?;
        let directory = conf.find(&conf::LOCAL_DIR)?.map(PathBuf::from);
        let rows = RowStore::new(directory.unwrap_or_else(std::env::temp_dir));
        let door = Door { inbox: inbox.clone(), epoch: settings.epoch, rows: Arc::new(rows) };
        let servers = vec![
            serve::serve(
                control.runtime(),
                cluster_listener,
                cluster_routes((door, blobs), &token),
                identity.as_ref(),
            )?,
            // It listens where only programs of this machine, or of this pod, reach it.
            serve::serve(
                &Handle::current(),
                connect_listener,
                connect_routes(&sessions, settings.connect_access, &token),
                None,
            )?,
        ];
        Ok(Self { addresses, inbox, runners, sessions, stopped, servers, _control: control })
    }

    /// Where it is reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// A way to run jobs past all sessions, for tests and benchmarks.
    pub fn runner(&self, description: &str) -> Arc<dyn RunJob> {
        Arc::new(self.runners.runner(description, Properties::default(), None))
    }

    /// Waits until somebody wants the driver to end, and returns why.
    pub async fn stopped(&self) -> String {
        let mut stopped = self.stopped.clone();
        let reason = stopped.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// Ends it: jobs are cancelled, executors sent away, the manager is told.
    pub async fn end(self, ending: Ending) {
        let (done, is_done) = oneshot::channel();
        if self.inbox.send(Input::End { ending, done }).await.is_ok() {
            // If the event loop ended by itself, there is nothing to wait for.
            let _ = is_done.await;
        }
        futures::future::join_all(self.servers.into_iter().map(Serving::close)).await;
    }

    /// Runs the program, if there is one, until its end or until `stopped` is ready.
    async fn run_program(
        &self,
        settings: &Settings,
        stopped: impl Future<Output = String>,
    ) -> Result<Ending, Error> {
        let Some(program) = &settings.program else {
            return Ok(Ending::stopped(0, stopped.await));
        };
        if program.file.extension().is_some_and(|extension| extension == "sql") {
            let (program, sessions) = (program.clone(), self.sessions.clone());
            // On a thread of the runtime, because those have the stack that deep statements need.
            let run = tokio::spawn(async move { program::run_sql_file(&program, &sessions).await });
            return tokio::select! {
                ended = AbortOnDropHandle::new(run) => {
                    let exit_code = ended.map_err(Error::Panicked)??;
                    Ok(Ending::of_itself(exit_code, settings.forget))
                }
                message = stopped => Ok(Ending::stopped(STOPPED, message)),
            };
        }
        let token = match settings.connect_access {
            Access::Token => Some(&*settings.token),
            Access::Open => None,
        };
        let mut python = Python::start(program, &self.addresses, token)
            .await
            .map_err(|source| Error::Program { program: program.python.clone(), source })?;
        tokio::select! {
            exit_code = python.exit_code() => {
                Ok(Ending::of_itself(exit_code, settings.forget))
            }
            message = stopped => {
                tracing::warn!("the program is stopped: {message}");
                Ok(Ending::stopped(python.stop().await, message))
            }
        }
    }
}

/// Exit code of a program that was stopped by SIGTERM.
const STOPPED: i32 = 143;

/// A driver that is to encrypt and has nothing to do it with does not start.
fn credentials(settings: &Settings) -> Result<Credentials, Error> {
    let credentials = Credentials::read(&settings.token, settings.identity.as_deref())?;
    if settings.conf.get(&conf::SSL_RPC)? && credentials.identity.is_none() {
        return Err(Error::NoIdentity);
    }
    Ok(credentials)
}

fn rules(
    settings: &Settings,
    (wanted, allocation): (Wanted, Option<AllocationRules>),
    addresses: &Addresses,
) -> Result<Rules, BadSetting> {
    let conf = &settings.conf;
    Ok(Rules {
        application: settings.application.clone(),
        name: settings.name.clone(),
        connect_url: addresses.connect.clone(),
        wanted,
        allocation,
        decommission: decommission(conf)?,
        retention: retention(conf)?,
        without_manager: settings.without_manager,
        heartbeat: conf.get(&conf::HEARTBEAT_INTERVAL)?,
        timeout: conf.get(&conf::NETWORK_TIMEOUT)?,
        max_result_bytes: scheduling::max_result_bytes(conf)?,
        barrier_timeout: conf.get(&conf::BARRIER_SYNC_TIMEOUT)?,
    })
}

/// What is moved from executors that leave, if both switches are on.
fn decommission(conf: &Conf) -> Result<Option<DecommissionRules>, BadSetting> {
    let is_on = conf.get(&conf::DECOMMISSION)? && conf.get(&conf::STORAGE_DECOMMISSION)?;
    let shuffles = conf.get(&conf::DECOMMISSION_SHUFFLES)?;
    let caches = conf.get(&conf::DECOMMISSION_CACHES)?;
    Ok(is_on.then_some(DecommissionRules { shuffles, caches }))
}

/// Time that an action may take between two of its jobs.
const BETWEEN_JOBS: Duration = Duration::from_secs(10);

/// How long outputs stay that no job uses, if there is a limit.
fn retention(conf: &Conf) -> Result<Option<Retention>, BadSetting> {
    let time = conf.find(&conf::SHUFFLE_RETAIN_TIME)?;
    let bytes = conf.find(&conf::SHUFFLE_RETAIN_SIZE)?.map(|size| size.0);
    let is_limited = time.is_some() || bytes.is_some();
    Ok(is_limited.then_some(Retention { time, bytes, least: BETWEEN_JOBS }))
}

fn cluster_routes((door, blobs): (Door, Blobs), token: &Token) -> Routes {
    let executors = ExecutorsServer::new(ExecutorsService::new(door.clone(), blobs))
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let cluster = ClusterServer::new(ClusterService::new(door))
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    Routes::new(InterceptedService::new(executors, token.guard()))
        .add_service(InterceptedService::new(cluster, token.guard()))
}

/// Writes the addresses, so that whoever started this process can attach.
fn announce(path: Option<&Path>, addresses: &Addresses) -> Result<(), Error> {
    let line = serde_json::to_string(addresses).expect("two texts are JSON") + "\n";
    let written = match path {
        Some(path) => write_to(path, &line),
        None => std::io::stdout().write_all(line.as_bytes()),
    };
    let path = path.map_or_else(|| PathBuf::from("standard output"), Path::to_owned);
    written.map_err(|source| Error::Announce { path, source })
}

fn write_to(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())
}

/// Tries at removing a directory into which an executor that is ending may still write.
const REMOVE_TRIES: u32 = 10;

async fn remove(directories: &[PathBuf]) {
    for directory in directories {
        for turn in 1..=REMOVE_TRIES {
            match tokio::fs::remove_dir_all(directory).await {
                Ok(()) => break,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
                Err(_) if turn < REMOVE_TRIES => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => tracing::warn!("removing {}: {error}", directory.display()),
            }
        }
    }
}
