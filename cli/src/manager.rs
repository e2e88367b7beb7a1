//! The cluster manager of one machine: starts the driver, attaches to it, and starts, watches and
//! replaces the executors that it wishes for. On return nothing of the application is left, neither
//! process nor file, unless shuffles are retained.

use crate::application::{self, Application};
use crate::application_dir::{self, ApplicationDir, Contact};
use crate::dependencies;
use crate::executors::{EndedExecutor, Executors};
use crate::notify;
use crate::processes::{self, ending, exit_code};
use crate::progress::Progress;
use crate::python::{self, Interpreters};
use crate::session::Answer;
use crate::signals::Signals;
use anyhow::{Context, Result};
use driver::{Access, Addresses, WithoutManager};
use model::conf::{self, Conf, Retain};
use model::launch::{Dependencies, Home, PeerPatience, ReaperSettings, WorkerSettings};
use model::{ApplicationId, Epoch, ExecutorId, ProfileId, VolumeId};
use proto::pb::cluster_client::ClusterClient;
use proto::pb::to_manager::Fact;
use proto::{Credentials, Identity, pb};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Limit on the driver's exit after it announced it or was asked for it.
const GRACE: Duration = Duration::from_secs(20);
/// Limit on the exit of a driver that cannot be reached.
const REFUSED: Duration = Duration::from_secs(2);
/// Behaviour of a driver whose cluster manager, this command, is gone.
const ORPHAN: WithoutManager = WithoutManager::EndAfterMs(1000);
/// The only incarnation: on one machine a dead driver is not replaced.
const EPOCH: Epoch = Epoch(1);
/// Exit code of an application whose executors failed too often.
const TOO_MANY_EXECUTOR_FAILURES: u8 = 11;

/// Purpose of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Runs its program.
    Program,
    /// Serves Spark Connect on this loopback port, without a token.
    Connect {
        /// 0 picks a free port.
        port: u16,
    },
    /// Serves the program that started this command, with a token, until that ends.
    Session {
        /// Id of the program's process.
        parent: i32,
    },
}

/// Runs an application to its end and returns its exit code.
pub(crate) async fn run(
    application: Application,
    service: Service,
    log: &'static str,
) -> Result<u8> {
    let conf = &application.conf;
    let master = application::master(&conf.get(&conf::MASTER)?).map_err(anyhow::Error::msg)?;
    let id = format!("firesteel-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let base = conf.find(&conf::LOCAL_DIR)?.map(PathBuf::from);
    let mut directory = ApplicationDir::create(&id, base.as_deref())?;
    let functions = functions(&application, &directory)?;
    let settings = driver_settings(&application, service, &id, (&directory, &functions))?;
    let mut template = executor_template(&settings, &directory, functions)?;
    let credentials = Credentials::read(&settings.token, settings.identity.as_deref())?;
    let mut stop = Signals::listen()?;
    if let Service::Session { parent } = service {
        stop = stop.and_end_of(parent)?;
    }
    let (child, addresses) = processes::driver(settings, log).await?;
    template.driver.clone_from(&addresses.cluster);
    application_dir::announce(&Contact {
        application_id: id.clone(),
        cluster: addresses.cluster.clone(),
        token: template.token.clone(),
        identity: template.identity.clone(),
    })?;
    match service {
        Service::Program => {}
        Service::Connect { .. } => print_address(&addresses)?,
        Service::Session { .. } => {
            let url = format!("{}/;token={}", addresses.connect, &*template.token);
            let files = template.files.as_deref().unwrap_or(Path::new(""));
            // A program that has ended meanwhile is noticed below.
            Answer::Ready { url: &url, application: &id, files }.send();
        }
    }
    if let Some(memory) = master.memory {
        template.memory_bytes = memory.0;
    }
    let most = if conf.get(&conf::DYNAMIC_ALLOCATION)? {
        conf.find(&conf::DYNAMIC_MAX_EXECUTORS)?.unwrap_or(u32::MAX)
    } else {
        master.executors
    };
    let pods = Executors::new(template, conf, most, log)?;
    let is_server = matches!(service, Service::Connect { .. });
    let progress = Progress::on_terminal(conf.get(&conf::UI_SHOW_PROGRESS)? && !is_server);
    let mut manager = Manager { executors: pods, progress, stop, end: None };
    let code = manager.until_the_end(child, &addresses, &credentials).await?;
    if is_retained(conf, code)? {
        directory.retain_shuffles();
    }
    Ok(code)
}

/// Whether shuffles outlive an application that ends with this exit code.
fn is_retained(conf: &Conf, code: u8) -> Result<bool> {
    let only_after_failure = conf.get(&conf::SHUFFLE_RETAIN)? == Retain::OnFailure;
    Ok(may_retain(conf)? && (code != 0 || !only_after_failure))
}

/// Whether shuffles outlive the application after some end.
fn may_retain(conf: &Conf) -> Result<bool> {
    let is_own_place = conf.find(&conf::LOCAL_DIR)?.is_none();
    Ok(!is_own_place && conf.get(&conf::SHUFFLE_RETAIN)? != Retain::Never)
}

fn print_address(addresses: &Addresses) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Spark Connect at {}", addresses.connect)?;
    Ok(out.flush()?)
}

/// What the program's functions need, wherever they run.
struct Functions {
    interpreters: Interpreters,
    /// Entries for the Python path, also of the program.
    python_path: Vec<PathBuf>,
    /// Further ones, which the program has by itself.
    modules: Vec<PathBuf>,
    files: PathBuf,
}

fn functions(application: &Application, directory: &ApplicationDir) -> Result<Functions> {
    let python = application.python.clone().unwrap_or_else(python::default);
    let interpreters = Interpreters::of(&application.conf, python)?;
    let mut python_path = vec![python::install(directory.path())?];
    let dependencies = application.dependencies.clone().with_settings(&application.conf)?;
    let (python, package) = (&interpreters.program, &python_path[0]);
    let staged = dependencies::stage(&dependencies, directory.path(), python, Some(package))?;
    python_path.extend(staged.python_path);
    let interpreters = interpreters.within(&staged.files);
    let modules = application.modules.clone();
    Ok(Functions { interpreters, python_path, modules, files: staged.files })
}

fn driver_settings(
    application: &Application,
    service: Service,
    id: &str,
    (directory, functions): (&ApplicationDir, &Functions),
) -> Result<driver::Settings> {
    let conf = &application.conf;
    let name = conf.find(&conf::APP_NAME)?.unwrap_or_else(|| "firesteel".to_owned());
    let token =
        uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string();
    let mut settings = driver::Settings::new(ApplicationId(id.to_owned()), name, token);
    settings.epoch = EPOCH;
    if conf.get(&conf::SSL_RPC)? {
        settings.identity = Some(Identity::generate()?.secret().into());
    }
    settings.conf = conf.clone();
    settings.without_manager = ORPHAN;
    // Where shuffles may be retained, this command deletes the rest.
    if !may_retain(conf)? {
        settings.remove = vec![directory.path().to_owned()];
    }

    if let Service::Connect { port } = service {
        settings.connect.set_port(port);
        settings.connect_access = Access::Open;
    }
    if let Some(program) = &application.program {
        settings.program = Some(driver::Program {
            file: program.file.clone(),
            arguments: program.arguments.clone(),
            python: functions.interpreters.program.clone(),
            python_path: functions.python_path.clone(),
            files: Some(functions.files.clone()),
            dependencies: Dependencies::default(),
            name: program.name.clone(),
        });
    }
    Ok(settings)
}

/// Settings of all executors. The driver's address is not known yet.
fn executor_template(
    settings: &driver::Settings,
    directory: &ApplicationDir,
    functions: Functions,
) -> Result<executor::Settings> {
    Ok(executor::Settings {
        application: settings.application.clone(),
        executor: ExecutorId(0),
        driver: String::new(),
        token: settings.token.clone(),
        identity: settings.identity.clone(),
        epoch: settings.epoch,
        profile: ProfileId::DEFAULT,
        slots: 1,
        memory_bytes: settings.conf.get(&conf::EXECUTOR_MEMORY)?.0,
        memory_fraction: settings.conf.get(&conf::MEMORY_FRACTION)?,
        volume: executor::Mount {
            volume: VolumeId("shared".into()),
            path: directory.path().join(application_dir::SHUFFLE),
            last: false,
            private: false,
        },
        home: home(&settings.conf, directory)?,
        scratch: directory.path().join("scratch"),
        host: "127.0.0.1".to_owned(),
        sync: settings.conf.get(&conf::SHUFFLE_SYNC)?,
        python: functions.interpreters.functions,
        python_path: [functions.python_path, functions.modules].concat(),
        python_workers: WorkerSettings::of(&settings.conf)?,
        peers: PeerPatience::of(&settings.conf)?,
        reaper: ReaperSettings::of(&settings.conf)?,
        files: Some(functions.files),
        dependencies: Dependencies::default(),
    })
}

/// The application's directory, if it may be on a volume of other machines. Unless its user names a
/// time, nobody else deletes it: an application that is stopped for days by its terminal lives.
fn home(conf: &Conf, directory: &ApplicationDir) -> Result<Option<Home>> {
    let time = conf.find(&conf::SHUFFLE_RETAIN_TIME)?;
    let path = directory.path().to_owned();
    let group = conf.find(&conf::SHUFFLE_SHARE)?;
    let home = Home { path, keep_seconds: time.map(|time| time.as_secs()), group };
    Ok(conf.find(&conf::LOCAL_DIR)?.map(|_| home))
}

struct Manager {
    executors: Executors,
    progress: Option<Progress>,
    stop: Signals,
    /// Exit code and message, once the application's end is decided.
    end: Option<(u8, String)>,
}

impl Manager {
    /// Attaches to the driver and serves it until it has ended.
    async fn until_the_end(
        &mut self,
        mut driver: Child,
        addresses: &Addresses,
        credentials: &Credentials,
    ) -> Result<u8> {
        let (facts, outgoing) = mpsc::channel(16);
        let mut wishes = match attach(addresses, credentials, outgoing).await {
            Ok(wishes) => wishes,
            // An exited driver's code says more than the refused connection.
            Err(error) => match tokio::time::timeout(REFUSED, driver.wait()).await {
                Ok(status) => return Ok(self.final_exit_code(status?)),
                Err(_) => return Err(error),
            },
        };
        self.executors.report(&facts).await;
        let status = loop {
            tokio::select! {
                status = driver.wait() => break status?,
                message = wishes.next() => match message {
                    Some(Ok(message)) => self.on_message(message, &facts).await?,
                    Some(Err(_)) | None => break within(GRACE, &mut driver).await?,
                },
                gone = self.executors.next_end() => self.on_executor_end(&gone?, &facts).await?,
                (what, code) = self.stop.next() => {
                    self.end.get_or_insert((code, String::new()));
                    send_stop(&facts, what).await;
                    let patience = tokio::time::timeout(GRACE, drain(&mut wishes)).await;
                    if patience.is_err() {
                        driver.start_kill()?;
                    }
                    break within(GRACE, &mut driver).await?;
                }
            }
        };
        if let Some(progress) = &mut self.progress {
            progress.clear();
        }
        self.executors.end_all().await;
        Ok(self.final_exit_code(status))
    }

    /// The exit code, after a message to the user where the code alone would not be understood.
    fn final_exit_code(&mut self, status: ExitStatus) -> u8 {
        match (self.end.take(), status.code()) {
            (Some((code, message)), _) => {
                notify(&message);
                code
            }
            (None, Some(_)) => exit_code(status),
            (None, None) => {
                notify(&format!("the driver ended: {}", ending(status)));
                exit_code(status)
            }
        }
    }

    async fn on_message(
        &mut self,
        message: pb::ToManager,
        facts: &mpsc::Sender<pb::FromManager>,
    ) -> Result<()> {
        match message.fact {
            Some(Fact::Wish(wish)) => {
                self.executors.apply_wish(&wish).await?;
                self.executors.report(facts).await;
            }
            Some(Fact::Status(status)) => {
                if let Some(progress) = &mut self.progress {
                    progress.show(&status);
                }
            }
            Some(Fact::Ended(pb::ProgramEnded { exit_code, message })) => {
                let code = u8::try_from(exit_code & 0xff).unwrap_or(1);
                self.end.get_or_insert((code, message));
                self.executors.begin_shutdown();
            }
            None => {}
        }
        Ok(())
    }

    async fn on_executor_end(
        &mut self,
        gone: &EndedExecutor,
        facts: &mpsc::Sender<pb::FromManager>,
    ) -> Result<()> {
        self.executors.ended(gone).await;
        if let Some(message) = self.executors.too_many_failed(gone) {
            self.end.get_or_insert((TOO_MANY_EXECUTOR_FAILURES, message.clone()));
            send_stop(facts, &message).await;
            return Ok(());
        }
        // The end is reported before the replacement: the driver learns the reason first.
        self.executors.report(facts).await;
        self.executors.fill().await?;
        self.executors.report(facts).await;
        Ok(())
    }
}

/// Opens the stream to the driver.
async fn attach(
    addresses: &Addresses,
    credentials: &Credentials,
    facts: mpsc::Receiver<pb::FromManager>,
) -> Result<tonic::Streaming<pb::ToManager>> {
    let endpoint = credentials.endpoint(&addresses.cluster)?;
    let channel = endpoint.connect().await.context("connecting to the driver")?;
    let mut client = ClusterClient::with_interceptor(channel, credentials.token.sender())
        .max_decoding_message_size(proto::MESSAGE_LIMIT);
    Ok(client.attach(ReceiverStream::new(facts)).await.context("attaching")?.into_inner())
}

async fn within(patience: Duration, driver: &mut Child) -> Result<ExitStatus> {
    if let Ok(status) = tokio::time::timeout(patience, driver.wait()).await {
        return Ok(status?);
    }
    driver.start_kill()?;
    Ok(driver.wait().await?)
}

async fn drain(wishes: &mut tonic::Streaming<pb::ToManager>) {
    while let Some(Ok(_)) = wishes.next().await {}
}

async fn send_stop(facts: &mpsc::Sender<pb::FromManager>, reason: &str) {
    let stop = pb::from_manager::Fact::Stop(pb::Stop { reason: reason.to_owned() });
    // The driver may be gone already.
    let _ = facts.send(pb::FromManager { epoch: EPOCH.0, fact: Some(stop) }).await;
}
