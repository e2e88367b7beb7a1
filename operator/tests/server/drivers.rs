//! Plays nodes and drivers: a driver's pod runs as soon as it is created and serves the operator's
//! stream as a driver does; executors' pods run, too. Once as many executors run as a driver wants,
//! its program ends.

use crate::place::{Place, application_of};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use proto::pb::cluster_server::{Cluster, ClusterServer};
use proto::{Credentials, pb};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};

/// Behaviour of the drivers.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Number of executors that each wants.
    pub(crate) executors: u32,
    /// Exit codes of an application's runs in order; the last one repeats.
    pub(crate) exits: Vec<i32>,
}

/// A driver that ran.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    pub(crate) application: String,
    pub(crate) epoch: u64,
    /// Executors reported to it as running.
    pub(crate) executors: BTreeSet<u64>,
}

/// The drivers of a place.
pub(crate) struct Drivers {
    runs: Arc<Mutex<Vec<Run>>>,
    _nodes: AbortOnDropHandle<()>,
}

impl Drivers {
    pub(crate) fn play(place: &Place, script: Script) -> Self {
        let runs = Arc::default();
        let nodes = Nodes {
            client: place.admin.clone(),
            namespace: place.namespace.clone(),
            port: place.port,
            script,
            runs: Arc::clone(&runs),
        };
        Self { runs, _nodes: AbortOnDropHandle::new(tokio::spawn(nodes.watch())) }
    }

    /// All runs so far.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.runs.lock().expect("no panic").clone()
    }
}

#[derive(Clone)]
struct Nodes {
    client: Client,
    namespace: String,
    port: u16,
    script: Script,
    runs: Arc<Mutex<Vec<Run>>>,
}

impl Nodes {
    async fn watch(self) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let config = watcher::Config::default().labels("spark-role");
        let mut events = std::pin::pin!(watcher(pods, config).default_backoff());
        let mut seen = HashSet::new();
        let mut playing = tokio::task::JoinSet::new();
        while let Some(event) = events.next().await {
            let Ok(Event::Apply(pod) | Event::InitApply(pod)) = event else { continue };
            if !seen.insert(pod.uid()) {
                continue;
            }
            let nodes = self.clone();
            if pod.labels()["spark-role"] == "driver" {
                playing.spawn(async move { nodes.drive(&pod).await });
            } else {
                playing.spawn(async move {
                    nodes.write_status(&pod, "Running", json!({ "running": {} }), None).await;
                });
            }
        }
    }

    /// Writes a pod's status as its node would. A pod that is gone is ignored.
    async fn write_status(&self, pod: &Pod, phase: &str, state: Value, address: Option<String>) {
        let role = &pod.labels()["spark-role"];
        let container = json!({
            "name": format!("spark-kubernetes-{role}"), "image": "nothing:1", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        });
        let mut status = json!({ "phase": phase, "containerStatuses": [container] });
        if let Some(address) = address {
            status["podIP"] = json!(address);
            status["podIPs"] = json!([{ "ip": address }]);
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let body = Patch::Merge(json!({ "metadata": { "uid": pod.uid() }, "status": status }));
        let _ = pods.patch_status(&pod.name_any(), &PatchParams::default(), &body).await;
    }

    async fn drive(self, pod: &Pod) {
        let application = application_of(pod);
        let epoch = pod.labels()["firesteel.dev/submission-id"]
            .rsplit('-')
            .next()
            .and_then(|epoch| epoch.parse().ok())
            .expect("an epoch");
        let number = {
            let mut runs = self.runs.lock().expect("no panic");
            runs.push(Run { application: application.clone(), epoch, executors: BTreeSet::new() });
            runs.len() - 1
        };
        let earlier = self
            .runs
            .lock()
            .expect("no panic")
            .iter()
            .filter(|run| run.application == application)
            .count()
            - 1;
        let exit =
            *self.script.exits.get(earlier).or(self.script.exits.last()).expect("an exit code");
        let address = Ipv4Addr::from(
            u32::from(Ipv4Addr::new(127, 7, 0, 1)) + u32::try_from(number).expect("few"),
        );
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((address, self.port)))
            .await
            .expect("an address of its own");
        let ended = CancellationToken::new();
        let driver = Driver { nodes: self.clone(), number, epoch, exit, ended: ended.clone() };
        let Credentials { token, identity } = self.credentials(&application).await;
        let service = ClusterServer::with_interceptor(driver, token.guard());
        let mut server = tonic::transport::Server::builder();
        if has_variable(pod, "FIRESTEEL_IDENTITY") {
            let identity = identity.expect("the secret has an identity");
            server = server.tls_config(identity.server()).expect("an identity that can be served");
        }
        let serving = server.add_service(service);
        let serving = tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
        self.write_status(pod, "Running", json!({ "running": {} }), Some(address.to_string()))
            .await;
        if self.script.executors > 0 {
            ended.cancelled().await;
        }
        serving.abort();
        let reason = if exit == 0 { "Completed" } else { "Error" };
        let phase = if exit == 0 { "Succeeded" } else { "Failed" };
        self.write_status(
            pod,
            phase,
            json!({ "terminated": { "exitCode": exit, "reason": reason } }),
            None,
        )
        .await;
    }

    async fn credentials(&self, application: &str) -> Credentials {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = secrets
            .get(&format!("{application}-token"))
            .await
            .expect("the secret is there before the driver");
        let mut data = secret.data.expect("data");
        let mut text = |key| String::from_utf8(data.remove(key).expect(key).0).expect("text");
        Credentials::read(&text("token"), Some(&text("identity"))).expect("credentials")
    }
}

/// Whether the pod's program gets that variable.
fn has_variable(pod: &Pod, variable: &str) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.flat_map(|container| container.env.iter().flatten()).any(|one| one.name == variable)
}

struct Driver {
    nodes: Nodes,
    number: usize,
    epoch: u64,
    exit: i32,
    ended: CancellationToken,
}

#[tonic::async_trait]
impl Cluster for Driver {
    type AttachStream = ReceiverStream<Result<pb::ToManager, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::FromManager>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let (out, outgoing) = mpsc::channel(8);
        let (runs, number) = (Arc::clone(&self.nodes.runs), self.number);
        let (wanted, epoch, exit, ended) =
            (self.nodes.script.executors, self.epoch, self.exit, self.ended.clone());
        let mut facts = request.into_inner();
        tokio::spawn(async move {
            let wish = pb::Wish {
                executors: wanted,
                cores: 1,
                memory_bytes: 1 << 29,
                release: Vec::new(),
                profiles: Vec::new(),
            };
            let send = async |fact| out.send(Ok(pb::ToManager { epoch, fact: Some(fact) })).await;
            let _ = send(pb::to_manager::Fact::Wish(wish)).await;
            while let Some(Ok(message)) = facts.next().await {
                assert_eq!(message.epoch, epoch);
                let Some(pb::from_manager::Fact::Executors(facts)) = message.fact else { continue };
                let running: BTreeSet<u64> = facts
                    .executors
                    .iter()
                    .filter(|fact| matches!(fact.state, Some(pb::executor_fact::State::Running(_))))
                    .map(|fact| fact.executor)
                    .collect();
                let all = running.len() >= wanted as usize;
                runs.lock().expect("no panic")[number].executors = running;
                if all {
                    let _ = send(pb::to_manager::Fact::Status(progress())).await;
                    let _ = send(pb::to_manager::Fact::Ended(pb::ProgramEnded {
                        exit_code: exit,
                        message: String::new(),
                    }))
                    .await;
                    ended.cancel();
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }

    async fn status(
        &self,
        _: Request<pb::StatusRequest>,
    ) -> Result<Response<pb::ApplicationStatus>, Status> {
        Err(Status::unimplemented("not used by the operator"))
    }
}

fn progress() -> pb::ApplicationStatus {
    let stage = pb::StageStatus {
        tasks: 4,
        done: 4,
        state: pb::StageState::Done.into(),
        ..pb::StageStatus::default()
    };
    let job = pb::JobStatus {
        state: pb::JobState::Succeeded.into(),
        stages: vec![stage],
        ..pb::JobStatus::default()
    };
    pb::ApplicationStatus { jobs: vec![job], ..pb::ApplicationStatus::default() }
}
