//! A namespace for one test, with an operator that has the chart's permissions.

use crate::drivers::{Drivers, Script};
use crate::kills::Kill;
use crd::{SparkApplication, State};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role, RoleBinding};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::client::ClientBuilder;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, Config, ResourceExt};
use operator::Settings;
use operator::run::{Lease, Options, run};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(2);
const ACCOUNT: &str = "operator";

static DEFINED: OnceCell<()> = OnceCell::const_new();
static PORTS: AtomicU16 = AtomicU16::new(0);

/// A namespace.
pub(crate) struct Place {
    /// A client with all permissions.
    pub(crate) admin: Client,
    pub(crate) namespace: String,
    /// Port that drivers listen on, each at its own address.
    pub(crate) port: u16,
    config: Config,
}

/// An operator in a runtime of its own, so that it can be killed.
pub(crate) struct Running {
    runtime: Option<Runtime>,
    stop: CancellationToken,
    ended: Option<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Ends it abruptly.
    pub(crate) fn kill(mut self) {
        self.runtime.take().expect("it runs").shutdown_background();
    }

    /// Ends it as a signal does.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let ended = self.ended.take().expect("it runs");
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends").expect("without a panic");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Place {
    pub(crate) async fn new(name: &str) -> Self {
        let config = Config::infer().await.expect("KUBECONFIG names an API server");
        let admin = Client::try_from(config.clone()).expect("a client");
        DEFINED.get_or_init(|| define(&admin)).await;
        let namespace = format!("{name}-{}", std::process::id());
        let object = serde_json::from_value(json!({ "metadata": { "name": namespace } }))
            .expect("a namespace");
        Api::<Namespace>::all(admin.clone())
            .create(&PostParams::default(), &object)
            .await
            .expect("created");
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), &namespace);
        eventually("the namespace has its account", async || {
            accounts.get_opt("default").await.ok().flatten().is_some()
        })
        .await;
        // Each test has its own port: drivers of two tests share addresses.
        let port =
            20_000 + (std::process::id() % 20_000) as u16 + PORTS.fetch_add(1, Ordering::Relaxed);
        let place = Self { admin, namespace, port, config };
        place.give_rights().await;
        place
    }

    /// The operator's account, with the chart's rules for one namespace.
    async fn give_rights(&self) {
        let manifests = include_str!("../../../deploy/operator.yaml");
        let documents: Vec<Value> = manifests
            .split("\n---\n")
            .map(|document| serde_saphyr::from_str(document).expect("a document"))
            .collect();
        let role = documents.iter().find(|one| one["kind"] == "ClusterRole").expect("a role");
        let mut rules = serde_json::from_value::<ClusterRole>(role.clone())
            .expect("a role")
            .rules
            .expect("rules");
        // It keeps its lease in its own namespace.
        rules.push(PolicyRule {
            api_groups: Some(vec!["coordination.k8s.io".to_owned()]),
            resources: Some(vec!["leases".to_owned()]),
            verbs: ["get", "create", "patch", "update"].map(str::to_owned).into(),
            ..PolicyRule::default()
        });
        let account = json!({ "metadata": { "name": ACCOUNT } });
        self.put::<ServiceAccount>(account).await;
        self.put::<Role>(json!({ "metadata": { "name": ACCOUNT }, "rules": rules })).await;
        self.put::<RoleBinding>(json!({
            "metadata": { "name": ACCOUNT },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace }],
        }))
        .await;
    }

    async fn put<K>(&self, object: Value)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.admin.clone(), &self.namespace);
        let object = serde_json::from_value(object).expect("an object");
        api.create(&PostParams::default(), &object).await.expect("created");
    }

    /// Starts an operator; `kill` says where it dies.
    pub(crate) fn operator(&self, kill: Option<&Kill>) -> Running {
        self.start(kill, None, ACCOUNT)
    }

    /// Starts an operator that runs only while it holds the lease.
    pub(crate) fn leased(&self, identity: &str) -> Running {
        let lease =
            Lease { name: "lease".to_owned(), namespace: self.namespace.clone(), seconds: 3 };
        self.start(None, Some(lease), identity)
    }

    fn start(&self, kill: Option<&Kill>, lease: Option<Lease>, identity: &str) -> Running {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let options = Options {
            settings: Settings { driver_port: self.port, ..Settings::default() },
            namespaces: vec![self.namespace.clone()],
            concurrency: 8,
            listen: ([127, 0, 0, 1], 0).into(),
            identity: identity.to_owned(),
            lease,
        };
        let (namespace, config) = (self.namespace.clone(), self.config.clone());
        let (kill, stop) = (kill.cloned(), CancellationToken::new());
        let stopped = stop.clone();
        let ended = runtime.spawn(async move {
            // A busy API server knows of a new account's rights a little later.
            let client = account(&namespace, config.clone(), None).await;
            let known: Api<SparkApplication> = Api::namespaced(client, &namespace);
            let deadline = Instant::now() + PATIENCE;
            while let Err(error) = known.list(&ListParams::default()).await {
                assert!(Instant::now() < deadline, "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let client = account(&namespace, config, kill).await;
            run(client, options, stopped).await.expect("it runs until it is stopped");
        });
        Running { runtime: Some(runtime), stop, ended: Some(ended) }
    }

    /// Plays the nodes of this namespace, and the drivers on them.
    pub(crate) fn play(&self, script: Script) -> Drivers {
        Drivers::play(self, script)
    }

    pub(crate) fn applications(&self) -> Api<SparkApplication> {
        Api::namespaced(self.admin.clone(), &self.namespace)
    }

    pub(crate) async fn create(&self, app: &SparkApplication) {
        self.applications().create(&PostParams::default(), app).await.expect("created");
    }

    /// The pods with these labels that are not being deleted.
    pub(crate) async fn pods(&self, labels: &str) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.admin.clone(), &self.namespace);
        let mut items =
            pods.list(&ListParams::default().labels(labels)).await.expect("a list").items;
        items.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        items
    }

    /// Waits until the application is in this state.
    pub(crate) async fn until(&self, name: &str, wanted: State) -> SparkApplication {
        let applications = self.applications();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let app = applications.get(name).await.expect("the application");
            if state(&app) == wanted {
                return app;
            }
            assert!(Instant::now() < deadline, "{name} is not {wanted:?}: {:#?}", app.status);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A client with the operator's account. The token is requested by a separate client: connections
/// end with the runtime that opened them.
async fn account(namespace: &str, config: Config, kill: Option<Kill>) -> Client {
    let admin = Client::try_from(config.clone()).expect("a client");
    let accounts: Api<ServiceAccount> = Api::namespaced(admin, namespace);
    let wanted = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let made = accounts
        .create_token_request(ACCOUNT, &PostParams::default(), &wanted)
        .await
        .expect("a token");
    let mut config = config;
    config.auth_info = kube::config::AuthInfo {
        token: Some(made.status.expect("a token").token.into()),
        ..kube::config::AuthInfo::default()
    };
    let builder = ClientBuilder::try_from(config).expect("a client");
    match kill {
        Some(kill) => builder.with_layer(&kill).build(),
        None => builder.build(),
    }
}

async fn define(admin: &Client) {
    let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let api: Api<DynamicObject> = Api::all_with(admin.clone(), &ApiResource::from_gvk(&gvk));
    for definition in crd::definitions() {
        let name = definition.object["metadata"]["name"].as_str().expect("a name");
        let how = PatchParams::apply("tests").force();
        api.patch(name, &how, &Patch::Apply(&definition.object)).await.expect("defined");
    }
    let applications: Api<SparkApplication> = Api::all(admin.clone());
    eventually("applications are served", async || {
        applications.list(&ListParams::default()).await.is_ok()
    })
    .await;
}

/// An application with these fields of its specification.
pub(crate) fn application(name: &str, fields: Value) -> SparkApplication {
    let mut spec = json!({
        "type": "Python", "mode": "cluster", "sparkVersion": "4.2.0", "image": "nothing:1",
        "mainApplicationFile": "local:///nothing.py",
        "driver": { "cores": 1, "memory": "512m" }, "executor": { "instances": 2, "cores": 1, "memory": "512m" },
    });
    for (field, value) in fields.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    let kind = json!({ "apiVersion": "firesteel.dev/v1beta2", "kind": "SparkApplication", "metadata": { "name": name }, "spec": spec });
    serde_json::from_value(kind).expect("an application")
}

pub(crate) fn state(app: &SparkApplication) -> State {
    app.status.as_ref().map(|status| status.application_state.state).unwrap_or_default()
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The name of a pod's application.
pub(crate) fn application_of(pod: &Pod) -> String {
    pod.labels().get("firesteel.dev/app-name").cloned().unwrap_or_default()
}
