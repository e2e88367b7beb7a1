//! The cluster manager of one machine: starts the driver, attaches to it, and starts, watches and replaces the executors that it
//! wishes for. When it returns, nothing of the application is left: no process, no file.

use crate::application::{self, Application};
use crate::home::{self, Contact, Home};
use crate::processes::{self, ending, exit_code};
use crate::progress::Progress;
use crate::python;
use crate::say;
use crate::stop::Stop;
use anyhow::{Context, Result, bail};
use driver::{Access, Addresses, WithoutManager};
use model::conf::{self, Conf};
use model::{ApplicationId, Epoch, ExecutorId, VolumeId};
use proto::pb;
use proto::pb::cluster_client::ClusterClient;
use proto::pb::executor_fact::{Ended, Running, State};
use proto::pb::to_manager::Fact;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// How long the driver may take to end after it said so or was told to.
const GRACE: Duration = Duration::from_secs(20);
/// How long a driver that cannot be reached may take to end.
const REFUSED: Duration = Duration::from_secs(2);
/// How long a driver goes on when this command is gone.
const ORPHAN: WithoutManager = WithoutManager::EndAfterMs(1000);
/// The only incarnation: on one machine a driver that dies is not replaced.
const EPOCH: Epoch = Epoch(1);
/// Exit code of an application whose executors ended too often.
const TOO_MANY_EXECUTOR_FAILURES: u8 = 11;

/// What the application is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Its program.
    Program,
    /// Whoever connects to this port of the loopback address, without a token.
    Connect {
        /// 0 takes a free one.
        port: u16,
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
    let home = Home::create(&id, base.as_deref())?;
    let settings = driver_settings(&application, service, &id, &home)?;
    let token = settings.token.clone();
    let stop = Stop::listen()?;
    let (child, addresses) = processes::driver(settings, log).await?;
    let cluster = addresses.cluster.clone();
    home::announce(&Contact { application_id: id.clone(), cluster, token: token.clone() })?;
    if let Service::Connect { .. } = service {
        say_address(&addresses)?;
    }
    let mut template = executor_template(conf, &id, &token, &addresses, &home)?;
    if let Some(memory) = master.memory {
        template.memory_bytes = memory.0;
    }
    let pods = Executors::new(template, conf, master.executors, log)?;
    let progress =
        Progress::on_terminal(conf.get(&conf::UI_SHOW_PROGRESS)? && service == Service::Program);
    let mut manager = Manager { executors: pods, progress, stop, end: None };
    manager.until_the_end(child, &addresses, &token).await
}

fn say_address(addresses: &Addresses) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Spark Connect at {}", addresses.connect)?;
    Ok(out.flush()?)
}

fn driver_settings(
    application: &Application,
    service: Service,
    id: &str,
    home: &Home,
) -> Result<driver::Settings> {
    let conf = &application.conf;
    let name = conf.find(&conf::APP_NAME)?.unwrap_or_else(|| "firesteel".to_owned());
    let token =
        uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string();
    let mut settings = driver::Settings::new(ApplicationId(id.to_owned()), name, token);
    settings.epoch = EPOCH;
    settings.conf = conf.clone();
    settings.without_manager = ORPHAN;
    settings.remove = vec![home.path().to_owned()];
    if let Service::Connect { port } = service {
        settings.connect.set_port(port);
        settings.connect_access = Access::Open;
    }
    if let Some(program) = &application.program {
        let mut python_path = python::install(home.path())?;
        python_path.extend(program.py_files.iter().cloned());
        let more = conf.find(&conf::SUBMIT_PY_FILES)?.unwrap_or_default();
        python_path.extend(more.split(',').filter(|file| !file.is_empty()).map(PathBuf::from));
        settings.program = Some(driver::Program {
            file: program.file.clone(),
            arguments: program.arguments.clone(),
            python: conf
                .find(&conf::PYSPARK_PYTHON)?
                .map_or_else(|| "python3".into(), PathBuf::from),
            python_path,
        });
    }
    Ok(settings)
}

fn executor_template(
    conf: &Conf,
    id: &str,
    token: &str,
    addresses: &Addresses,
    home: &Home,
) -> Result<executor::Settings> {
    Ok(executor::Settings {
        application: ApplicationId(id.to_owned()),
        executor: ExecutorId(0),
        driver: addresses.cluster.clone(),
        token: token.to_owned(),
        epoch: EPOCH,
        slots: 1,
        memory_bytes: conf.get(&conf::EXECUTOR_MEMORY)?.0,
        volume: executor::Mount {
            volume: VolumeId("shared".into()),
            path: home.path().join("shuffle"),
        },
        scratch: home.path().join("scratch"),
        host: "127.0.0.1".to_owned(),
        sync: conf.get(&conf::SHUFFLE_SYNC)?,
    })
}

struct Manager {
    executors: Executors,
    progress: Option<Progress>,
    stop: Stop,
    /// How the application ended, once that is known, with a sentence for people.
    end: Option<(u8, String)>,
}

impl Manager {
    /// Attaches to the driver and serves it until it has ended.
    async fn until_the_end(
        &mut self,
        mut driver: Child,
        addresses: &Addresses,
        token: &str,
    ) -> Result<u8> {
        let (facts, outgoing) = mpsc::channel(16);
        let mut wishes = match attach(addresses, token, outgoing).await {
            Ok(wishes) => wishes,
            // A driver that has ended says more by its exit code than the connection that it refused.
            Err(error) => match tokio::time::timeout(REFUSED, driver.wait()).await {
                Ok(status) => return Ok(self.verdict(status?)),
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
                Some(ended) = self.executors.watch.join_next() => self.on_executor_end(ended?, &facts).await?,
                (what, code) = self.stop.next() => {
                    self.end.get_or_insert((code, String::new()));
                    tell_stop(&facts, what).await;
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
        Ok(self.verdict(status))
    }

    /// The exit code, and a word to the user where it would not be understood.
    fn verdict(&mut self, status: ExitStatus) -> u8 {
        match (self.end.take(), status.code()) {
            (Some((code, message)), _) => {
                say(&message);
                code
            }
            (None, Some(_)) => exit_code(status),
            (None, None) => {
                say(&format!("the driver ended: {}", ending(status)));
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
                self.executors.grant(&wish).await?;
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
                self.executors.ending = true;
            }
            None => {}
        }
        Ok(())
    }

    async fn on_executor_end(
        &mut self,
        (id, status): (u64, ExitStatus),
        facts: &mpsc::Sender<pb::FromManager>,
    ) -> Result<()> {
        self.executors.ended(id, status);
        self.executors.clear_after(id).await;
        if self.executors.failures > self.executors.max_failures {
            let message = format!(
                "{} executors ended on their own; the last: {}",
                self.executors.failures,
                ending(status)
            );
            self.end.get_or_insert((TOO_MANY_EXECUTOR_FAILURES, message.clone()));
            tell_stop(facts, &message).await;
            return Ok(());
        }
        // First the end of the old one, then the new one: the driver learns why before it learns what next.
        self.executors.report(facts).await;
        self.executors.fill().await?;
        self.executors.report(facts).await;
        Ok(())
    }
}

/// The stream to the driver, and from it.
async fn attach(
    addresses: &Addresses,
    token: &str,
    facts: mpsc::Receiver<pb::FromManager>,
) -> Result<tonic::Streaming<pb::ToManager>> {
    let endpoint =
        tonic::transport::Endpoint::from_shared(format!("http://{}", addresses.cluster))?;
    let channel = endpoint.connect().await.context("connecting to the driver")?;
    let mut client = ClusterClient::with_interceptor(channel, proto::Token::new(token)?.sender())
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

async fn tell_stop(facts: &mpsc::Sender<pb::FromManager>, reason: &str) {
    let stop = pb::from_manager::Fact::Stop(pb::Stop { reason: reason.to_owned() });
    // A driver that is gone needs not be told.
    let _ = facts.send(pb::FromManager { epoch: EPOCH.0, fact: Some(stop) }).await;
}

/// The executors of the application.
#[derive(Debug)]
struct Executors {
    template: executor::Settings,
    /// What they log.
    log: &'static str,
    own_volumes: bool,
    wanted: u32,
    next: u64,
    /// Facts of all of them, the ended ones until the driver has seen their end.
    facts: BTreeMap<u64, State>,
    watch: JoinSet<(u64, ExitStatus)>,
    /// Dropping a sender ends its executor.
    leashes: BTreeMap<u64, tokio::sync::oneshot::Sender<()>>,
    failures: u32,
    max_failures: u32,
    ending: bool,
}

impl Executors {
    fn new(
        template: executor::Settings,
        conf: &Conf,
        wanted: u32,
        log: &'static str,
    ) -> Result<Self> {
        let own_volumes = match conf.get(&conf::SHUFFLE_VOLUME)?.as_str() {
            "shared" => false,
            "own" => true,
            other => {
                bail!("setting {}: `{other}` is neither shared nor own", conf::SHUFFLE_VOLUME.name)
            }
        };
        let max_failures =
            conf.find(&conf::EXECUTOR_MAX_FAILURES)?.unwrap_or_else(|| (2 * wanted).max(3));
        Ok(Self {
            template,
            log,
            own_volumes,
            wanted: 0,
            next: 0,
            facts: BTreeMap::new(),
            watch: JoinSet::new(),
            leashes: BTreeMap::new(),
            failures: 0,
            max_failures,
            ending: false,
        })
    }

    async fn grant(&mut self, wish: &pb::Wish) -> Result<()> {
        for id in &wish.release {
            match self.facts.get(id) {
                Some(State::Ended(_)) => drop(self.facts.remove(id)),
                _ => drop(self.leashes.remove(id)),
            }
        }
        self.wanted = wish.executors;
        self.template.slots = wish.cores;
        self.fill().await
    }

    /// Starts what is missing.
    async fn fill(&mut self) -> Result<()> {
        while !self.ending && self.leashes.len() < self.wanted as usize {
            let id = self.next;
            self.next += 1;
            let settings = self.settings(id);
            std::fs::create_dir_all(&settings.volume.path)?;
            std::fs::create_dir_all(&settings.scratch)?;
            let child = processes::executor(&settings, self.log).await?;
            let (leash, cut) = tokio::sync::oneshot::channel();
            self.leashes.insert(id, leash);
            self.facts.insert(id, State::Running(Running {}));
            self.watch.spawn(watch(id, child, cut));
        }
        Ok(())
    }

    fn settings(&self, id: u64) -> executor::Settings {
        let mut settings = self.template.clone();
        settings.executor = ExecutorId(id);
        settings.scratch = settings.scratch.join(id.to_string());
        if let Some(volume) = self.own_volume(id) {
            settings.volume = volume;
        }
        settings
    }

    /// The volume that only this executor mounts, if each has one.
    fn own_volume(&self, id: u64) -> Option<executor::Mount> {
        let base = self.template.volume.path.parent().unwrap_or(Path::new("/"));
        self.own_volumes.then(|| executor::Mount {
            volume: VolumeId(format!("executor-{id}")),
            path: base.join(format!("shuffle-{id}")),
        })
    }

    /// Removes what an executor that has ended leaves and nobody can use: what it spilled, and its own volume.
    async fn clear_after(&self, id: u64) {
        let scratch = self.template.scratch.join(id.to_string());
        for path in self.own_volume(id).map(|volume| volume.path).into_iter().chain([scratch]) {
            // What cannot be removed now goes with the directory of the application.
            let _ = tokio::fs::remove_dir_all(path).await;
        }
    }

    fn ended(&mut self, id: u64, status: ExitStatus) {
        let expected = self.leashes.remove(&id).is_none() || self.ending;
        if !expected {
            self.failures += 1;
            tracing::warn!("executor {id} ended: {}", ending(status));
        }
        let reason = match status.code() {
            Some(0) => "Completed",
            Some(_) => "Error",
            None => "Killed",
        };
        self.facts.insert(
            id,
            State::Ended(Ended {
                exit_code: status.code(),
                reason: reason.to_owned(),
                message: ending(status),
                // A process that somebody killed did not fail by what the program did; one that ended itself did.
                app_caused: !expected && status.code().is_some(),
                lost_volumes: self
                    .own_volume(id)
                    .map(|volume| volume.volume.0)
                    .into_iter()
                    .collect(),
            }),
        );
    }

    async fn report(&self, facts: &mpsc::Sender<pb::FromManager>) {
        let executors = self
            .facts
            .iter()
            .map(|(id, state)| pb::ExecutorFact { executor: *id, state: Some(state.clone()) })
            .collect();
        let fact = pb::from_manager::Fact::Executors(pb::ExecutorFacts { executors });
        // A driver that is gone needs not be told.
        let _ = facts.send(pb::FromManager { epoch: EPOCH.0, fact: Some(fact) }).await;
    }

    /// Ends all that still run and waits for them.
    async fn end_all(&mut self) {
        self.ending = true;
        let patient = tokio::time::timeout(Duration::from_secs(2), async {
            while self.watch.join_next().await.is_some() {}
        });
        if patient.await.is_err() {
            self.leashes.clear();
            while self.watch.join_next().await.is_some() {}
        }
    }
}

/// Waits for the end of an executor, or ends it when its leash is cut.
async fn watch(
    id: u64,
    mut child: Child,
    cut: tokio::sync::oneshot::Receiver<()>,
) -> (u64, ExitStatus) {
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        _ = cut => None,
    };
    let status = if let Some(status) = ended {
        status
    } else {
        let _ = child.start_kill();
        child.wait().await
    };
    (id, status.expect("a child that was started can be waited for"))
}
