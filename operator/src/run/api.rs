//! Requests to the API server, and the meaning of its answers.

use crate::names;
use crate::plan::{Application, Change, Ending, Object};
use crate::schedule::ScheduledApplication;
use crd::SparkApplication;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DeserializeGuard;
use kube::core::response::Status;
use kube::{Client, Resource, ResourceExt};
use proto::Credentials;
use serde_json::json;
use std::fmt::Debug;

/// Client of the API server.
#[derive(Clone)]
pub(super) struct Server {
    client: Client,
}

impl Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

/// Outcome of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// The object is as intended.
    Done,
    /// An object of another owner has this name.
    Foreign,
    /// The server will never accept it; its message.
    Refused(String),
}

/// Outcome of a status write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusWritten {
    /// Written.
    Done,
    /// The version that was read is stale.
    Stale,
    /// The resource was deleted.
    Gone,
}

impl Server {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn applications(&self, namespace: &str) -> Api<SparkApplication> {
        self.api(namespace)
    }

    /// The application's current pods, and any pod that has its driver's name, whoever owns it.
    pub(super) async fn pods(&self, app: &Application) -> kube::Result<Vec<Pod>> {
        let api = self.api::<Pod>(&app.namespace);
        let labelled = ListParams::default().labels(&format!("{}={}", names::APP_NAME, app.name));
        let mut pods = api.list(&labelled).await?.items;
        if let Some(named) = api.get_opt(&app.driver_name()).await?
            && !pods.iter().any(|pod| pod.uid() == named.uid())
        {
            pods.push(named);
        }
        Ok(pods)
    }

    /// The credentials of the application's driver, if it owns the secret.
    pub(super) async fn credentials(&self, app: &Application) -> kube::Result<Option<Credentials>> {
        let secret =
            self.api::<Secret>(&app.namespace).get_opt(&names::token_secret(&app.name)).await?;
        Ok(secret.filter(|secret| is_owned_by(secret, &app.uid)).and_then(|secret| {
            let mut data = secret.data?;
            let mut text = |key| String::from_utf8(data.remove(key)?.0).ok();
            let token = text(names::TOKEN_KEY)?;
            let identity = text(names::IDENTITY_KEY);
            Credentials::read(&token, identity.as_deref()).ok()
        }))
    }

    /// Writes the status over the version that was read and no other.
    pub(super) async fn write_status<K>(
        &self,
        resource: &K,
        status: &impl serde::Serialize,
    ) -> kube::Result<StatusWritten>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: serde::de::DeserializeOwned,
    {
        let name = resource.name_any();
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": name, "uid": resource.uid(), "resourceVersion": resource.resource_version() },
            "status": status,
        });
        let how = PatchParams::apply(names::FIELD_MANAGER).force();
        let api = self.api::<K>(&resource.namespace().unwrap_or_default());
        match api.patch_status(&name, &how, &Patch::Apply(body)).await {
            Ok(_) => Ok(StatusWritten::Done),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(StatusWritten::Stale),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(StatusWritten::Gone),
            Err(error) => Err(error),
        }
    }

    /// Current applications of a namespace.
    pub(super) async fn applications_in(
        &self,
        namespace: &str,
    ) -> kube::Result<Vec<SparkApplication>> {
        let api = self.api::<DeserializeGuard<SparkApplication>>(namespace);
        let listed = api.list(&ListParams::default()).await?;
        // An application that cannot be parsed was not created by a schedule.
        Ok(listed.items.into_iter().filter_map(|app| app.0.ok()).collect())
    }

    /// Current driver pods of a namespace.
    pub(super) async fn drivers_in(&self, namespace: &str) -> kube::Result<Vec<Pod>> {
        let drivers = ListParams::default().labels(&format!("{}=driver", names::ROLE));
        Ok(self.api::<Pod>(namespace).list(&drivers).await?.items)
    }

    /// Creates a run of a schedule.
    pub(super) async fn create_run(
        &self,
        schedule: &ScheduledApplication,
        run: &SparkApplication,
    ) -> kube::Result<Written> {
        self.create_child(&schedule.namespace, &schedule.uid, run).await
    }

    /// Deletes a run of a schedule if its uid, and optionally its version, still match.
    pub(super) async fn delete_run(
        &self,
        namespace: &str,
        name: &str,
        uid: String,
        version: Option<String>,
    ) -> kube::Result<Written> {
        let only = Preconditions { uid: Some(uid), resource_version: version };
        let delete = DeleteParams::background().preconditions(only);
        gone_is_done(self.applications(namespace).delete(name, &delete).await)
    }

    /// Makes a change.
    pub(super) async fn change(&self, app: &Application, change: Change) -> kube::Result<Written> {
        match change {
            Change::Create(Object::Secret(secret)) => self.create(app, *secret).await,
            Change::Create(Object::Claim(claim)) => {
                // An existing claim is mounted whoever created it: that is what a name in a
                // manifest means, and a retained claim has no owner.
                let written = self.create::<PersistentVolumeClaim>(app, *claim).await?;
                Ok(if written == Written::Foreign { Written::Done } else { written })
            }
            Change::Create(Object::Pod(pod)) => self.create(app, *pod).await,
            Change::DeletePod { name, uid, how } => {
                let mut delete = DeleteParams::default().preconditions(only(uid));
                if how == Ending::Forced {
                    delete = delete.grace_period(0);
                }
                gone_is_done(self.api::<Pod>(&app.namespace).delete(&name, &delete).await)
            }
            Change::Retire { name, uid } => {
                let body =
                    json!({ "metadata": { "uid": uid, "labels": { names::INACTIVE: "true" } } });
                let how = PatchParams {
                    field_manager: Some(names::FIELD_MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                let api = self.api::<Pod>(&app.namespace);
                gone_is_done(api.patch_metadata(&name, &how, &Patch::Merge(body)).await)
            }
            Change::DeleteApplication => {
                let delete = DeleteParams::background().preconditions(only(app.uid.clone()));
                gone_is_done(self.applications(&app.namespace).delete(&app.name, &delete).await)
            }
        }
    }

    async fn create<K>(&self, app: &Application, object: K) -> kube::Result<Written>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        self.create_child(&app.namespace, &app.uid, &object).await
    }

    async fn create_child<K>(
        &self,
        namespace: &str,
        owner: &str,
        object: &K,
    ) -> kube::Result<Written>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let api = self.api::<K>(namespace);
        let how = PostParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&how, object).await {
            Ok(_) => Ok(Written::Done),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let present = api.get_metadata_opt(&object.name_any()).await?;
                // If it is gone by now, the next pass creates it; if it is ours, it is what was
                // wanted.
                let is_ours = present.is_none_or(|present| is_owned_by(&present, owner));
                Ok(if is_ours { Written::Done } else { Written::Foreign })
            }
            Err(kube::Error::Api(status)) if is_final(&status) => {
                Ok(Written::Refused(status.message.clone()))
            }
            Err(error) => Err(error),
        }
    }
}

fn only(uid: String) -> Preconditions {
    Preconditions { uid: Some(uid), resource_version: None }
}

fn is_owned_by<K: Resource>(object: &K, uid: &str) -> bool {
    object.owner_references().iter().any(|owner| owner.uid == uid)
}

/// Whether the server would answer the same again: the object is invalid or forbidden. A busy
/// server or a missing namespace does not count.
fn is_final(status: &Status) -> bool {
    matches!(status.code, 400 | 403 | 405 | 413 | 422)
}

/// Treats a missing or replaced object as success: there is nothing left to delete or mark.
fn gone_is_done<T>(answer: kube::Result<T>) -> kube::Result<Written> {
    match answer {
        Ok(_) => Ok(Written::Done),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {
            Ok(Written::Done)
        }
        Err(error) => Err(error),
    }
}
