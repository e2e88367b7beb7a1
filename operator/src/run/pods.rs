//! The watched pods, indexed by application, so that a pass need not search all pods of a cluster.

use crate::names;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::SetOnce;

/// An application by namespace and name: pods of a deleted application of that name count until
/// they are gone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    namespace: String,
    name: String,
}

impl Key {
    /// The key of the application of this name.
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The application named by a pod's label.
    fn of_pod(pod: &Pod) -> Option<Self> {
        let name = pod.labels().get(names::APP_NAME)?;
        Some(Self::new(&pod.namespace().unwrap_or_default(), name))
    }

    /// The key as a controller's object reference.
    pub(super) fn reference<K: kube::Resource<DynamicType = ()>>(&self) -> ObjectRef<K> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

type Known = HashMap<Key, BTreeMap<String, Arc<Pod>>>;

/// The pods of one watch.
#[derive(Debug)]
pub(super) struct Pods {
    known: RwLock<Known>,
    /// Pods of a list in progress.
    listed: RwLock<Known>,
    complete: SetOnce<()>,
}

impl Pods {
    pub(super) fn new() -> Self {
        Self { known: RwLock::default(), listed: RwLock::default(), complete: SetOnce::new() }
    }

    /// Waits for the first complete list: until then, unknown pods may exist.
    pub(super) async fn wait_until_listed(&self) {
        self.complete.wait().await;
    }

    /// Whether a list has been completed.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.initialized()
    }

    /// The pods of an application.
    pub(super) fn of(&self, app: &Key) -> Vec<Arc<Pod>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(app).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// The pods of all applications in a namespace whose names have this prefix.
    pub(super) fn of_names_with_prefix(&self, namespace: &str, prefix: &str) -> Vec<Arc<Pod>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let apps = known
            .iter()
            .filter(|(app, _)| app.namespace == namespace && app.name.starts_with(prefix));
        apps.flat_map(|(_, pods)| pods.values()).cloned().collect()
    }

    /// Applies a watch event and returns the applications affected. A restarted list also affects
    /// applications whose pods were deleted unseen.
    pub(super) fn take(&self, event: Event<Pod>) -> Vec<Key> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Apply(pod) => insert(&mut known, pod).into_iter().collect(),
            Event::Delete(pod) => remove(&mut known, &pod).into_iter().collect(),
            Event::Init => {
                listed.clear();
                Vec::new()
            }
            Event::InitApply(pod) => {
                insert(&mut listed, pod);
                Vec::new()
            }
            Event::InitDone => {
                let before = std::mem::replace(&mut *known, std::mem::take(&mut listed));
                let touched: HashSet<Key> =
                    before.into_keys().chain(known.keys().cloned()).collect();
                // Later lists change nothing.
                let _ = self.complete.set(());
                touched.into_iter().collect()
            }
        }
    }
}

fn insert(pods: &mut Known, pod: Pod) -> Option<Key> {
    let key = Key::of_pod(&pod)?;
    pods.entry(key.clone()).or_default().insert(pod.name_any(), Arc::new(pod));
    Some(key)
}

fn remove(pods: &mut Known, pod: &Pod) -> Option<Key> {
    let key = Key::of_pod(pod)?;
    if let Some(of_app) = pods.get_mut(&key) {
        of_app.remove(&pod.name_any());
        if of_app.is_empty() {
            pods.remove(&key);
        }
    }
    Some(key)
}

/// Removes what passes do not read, so that the pods of thousands of applications need little
/// memory.
pub(super) fn prune(pod: &mut Pod) {
    pod.spec = None;
    pod.metadata.managed_fields = None;
    pod.metadata.annotations = None;
    if let Some(status) = pod.status.take() {
        pod.status = Some(PodStatus {
            phase: status.phase,
            reason: status.reason,
            message: status.message,
            pod_ip: status.pod_ip,
            conditions: status.conditions,
            container_statuses: status.container_statuses,
            init_container_statuses: status.init_container_statuses,
            ..PodStatus::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(app: &str, name: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.namespace = Some("space".to_owned());
        pod.metadata.labels = Some([(names::APP_NAME.to_owned(), app.to_owned())].into());
        pod
    }

    fn names_of(pods: &Pods, app: &str) -> Vec<String> {
        pods.of(&Key::new("space", app)).iter().map(|pod| pod.name_any()).collect()
    }

    #[test]
    fn a_new_list_replaces_the_old_one_at_its_end_and_affects_what_is_gone() {
        let pods = Pods::new();
        assert_eq!(pods.take(Event::Apply(pod("a", "a-driver"))), [Key::new("space", "a")]);
        pods.take(Event::Apply(pod("a", "a-exec-0")));
        pods.take(Event::Delete(pod("a", "a-exec-0")));
        assert_eq!(names_of(&pods, "a"), ["a-driver"]);

        assert!(pods.take(Event::Init).is_empty());
        assert!(pods.take(Event::InitApply(pod("b", "b-driver"))).is_empty());
        assert_eq!(names_of(&pods, "a"), ["a-driver"], "an incomplete list shows nothing");
        let mut touched = pods.take(Event::InitDone);
        touched.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(touched, [Key::new("space", "a"), Key::new("space", "b")]);
        assert!(names_of(&pods, "a").is_empty());
        assert_eq!(names_of(&pods, "b"), ["b-driver"]);
    }
}
