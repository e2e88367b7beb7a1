//! Volumes of a pod, the claims they need, and the place of the shuffles on them.

use super::{BuildContext, child_metadata};
use crate::names;
use crate::plan::Application;
use crd::{Claim, ClaimName, Retention, Role, RoleVolume, Source, Validated};
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, EphemeralVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate, PersistentVolumeClaimVolumeSource, Volume, VolumeMount,
    VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use model::VolumeId;
use model::conf::{self, Retain};
use model::launch::Home;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Volume for shuffles when the manifest declares none.
const OWN_LOCAL_DIR: &str = "spark-local-dir-firesteel";
/// Mount path of that volume.
const OWN_LOCAL_PATH: &str = "/var/data/spark-local-dir";
/// Volume for temporary files: the root file system is read-only.
const TMP: &str = "firesteel-tmp";

/// The pod that a volume is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    Driver,
    Executor { slot: u32 },
}

/// The place where an executor keeps its shuffles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShuffleVolume {
    pub(super) id: VolumeId,
    pub(super) path: PathBuf,
    pub(super) scratch: PathBuf,
    /// The application's directory, if there may be others beside it.
    pub(super) home: Option<PathBuf>,
    /// Whether no other pod can mount the volume once this pod is gone.
    pub(super) goes_with_pod: bool,
    /// Whether its files stay on disk even then, unless they are deleted.
    pub(super) stays_behind: bool,
}

/// The claims that the driver's pod needs.
pub fn driver_claims(context: &BuildContext<'_>) -> Vec<PersistentVolumeClaim> {
    claims(context, &context.valid.driver, Whose::Driver)
}

/// The claims that an executor's pod in this slot needs.
pub fn executor_claims(context: &BuildContext<'_>, slot: u32) -> Vec<PersistentVolumeClaim> {
    claims(context, &context.valid.executor, Whose::Executor { slot })
}

/// The volume that becomes unreachable with this executor's pod, if any.
pub fn lost_volume(app: &Application, executor: &Role, id: u64, slot: u32) -> Option<String> {
    let volume = shuffle_volume(app, executor, id, slot);
    volume.goes_with_pod.then_some(volume.id.0)
}

/// Descriptions of where data stays once the application is gone, and until when: retained claims
/// of the driver and of this many executor slots, and volumes that the application does not own,
/// unless executors have cleared those, as they do when it has `completed`. `ended`: when it did.
pub fn remaining(
    app: &Application,
    valid: &Validated,
    slots: u32,
    (completed, ended): (bool, Option<Timestamp>),
) -> Vec<String> {
    let retained = valid.settings.get(&conf::SHUFFLE_RETAIN) == Ok(Retain::Always);
    let slots = (0..slots).map(|slot| Whose::Executor { slot });
    let roles = [(&valid.driver, vec![Whose::Driver]), (&valid.executor, slots.collect())];
    let mut found = Vec::new();
    for (role, all) in roles {
        for volume in &role.volumes {
            match &volume.source {
                Source::Claim(claim) if claim.retention == Retention::Forever => {
                    let names = all.iter().map(|whose| claim_name(app, claim, volume, *whose));
                    found.extend(names.map(|name| format!("claim {name}")));
                }
                Source::Volume(source) if volume.holds_shuffles() && !all.is_empty() => {
                    // Nobody could read again what is in a directory of a node.
                    let cleared = completed && (source.host_path.is_some() || !retained);
                    let stays = foreign(source).filter(|_| !cleared);
                    found.extend(stays.map(|place| place + &until(valid, ended)));
                }
                Source::Claim(_) | Source::Volume(_) => {}
            }
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|name| seen.insert(name.clone()));
    found
}

/// When the application's directory may be deleted by others, if there is a limit.
fn until(valid: &Validated, ended: Option<Timestamp>) -> String {
    let home = Home::of(PathBuf::new(), &valid.settings).ok();
    let Some(keep) = home.and_then(|home| home.keep()) else { return String::new() };
    match ended.and_then(|ended| ended.checked_add(keep).ok()) {
        Some(end) => format!(" (until {end:.0})"),
        None => format!(" (until {} after its end)", hours(keep)),
    }
}

/// `24h`, or `1h30m`.
fn hours(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    match minutes % 60 {
        0 => format!("{}h", minutes / 60),
        rest => format!("{}h{rest}m", minutes / 60),
    }
}

/// Describes a volume that the application does not own.
fn foreign(volume: &Volume) -> Option<String> {
    let claim = volume.persistent_volume_claim.as_ref();
    let claim = claim.map(|claim| format!("claim {}", claim.claim_name));
    let nfs = volume.nfs.as_ref().map(|nfs| format!("NFS {}:{}", nfs.server, nfs.path));
    let host = volume.host_path.as_ref().map(|host| format!("directory {} of nodes", host.path));
    claim.or(nfs).or(host)
}

fn claims(context: &BuildContext<'_>, role: &Role, whose: Whose) -> Vec<PersistentVolumeClaim> {
    let volumes = role.volumes.iter().filter_map(|volume| match &volume.source {
        // A claim that ends with its pod is created with it, by Kubernetes.
        Source::Claim(claim) if claim.retention != Retention::Pod => Some((volume, claim)),
        Source::Claim(_) | Source::Volume(_) => None,
    });
    volumes
        .map(|(volume, wanted)| {
            let name = claim_name(context.app, wanted, volume, whose);
            let mut metadata = child_metadata(context.app, name);
            let mut labels = wanted.labels.clone();
            labels.extend(metadata.labels.take().unwrap_or_default());
            if wanted.retention == Retention::Forever {
                // A claim with an owner would be deleted with it.
                metadata.owner_references = None;
                labels.insert(names::RETAINED.to_owned(), "true".to_owned());
            }
            metadata.labels = Some(labels);
            metadata.annotations = annotations(wanted);
            let spec = Some(claim_spec(wanted));
            PersistentVolumeClaim { metadata, spec, status: None }
        })
        .collect()
}

fn annotations(claim: &Claim) -> Option<BTreeMap<String, String>> {
    Some(claim.annotations.clone()).filter(|given| !given.is_empty())
}

fn claim_spec(claim: &Claim) -> PersistentVolumeClaimSpec {
    let requests = BTreeMap::from([("storage".to_owned(), Quantity(claim.size.to_string()))]);
    PersistentVolumeClaimSpec {
        access_modes: Some(vec![claim.access_mode.to_owned()]),
        storage_class_name: claim.storage_class.clone(),
        resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
        ..PersistentVolumeClaimSpec::default()
    }
}

/// A claim that Kubernetes creates and deletes with the pod.
fn ephemeral(app: &Application, volume: &RoleVolume, claim: &Claim) -> Volume {
    let mut labels = claim.labels.clone();
    labels.extend(child_metadata(app, String::new()).labels.unwrap_or_default());
    let metadata = ObjectMeta {
        labels: Some(labels),
        annotations: annotations(claim),
        ..ObjectMeta::default()
    };
    let template =
        PersistentVolumeClaimTemplate { metadata: Some(metadata), spec: claim_spec(claim) };
    let source = EphemeralVolumeSource { volume_claim_template: Some(template) };
    Volume { name: volume.name.clone(), ephemeral: Some(source), ..Volume::default() }
}

fn claim_name(app: &Application, claim: &Claim, volume: &RoleVolume, whose: Whose) -> String {
    match (&claim.name, whose) {
        (ClaimName::Fixed(name), _) => name.clone(),
        (ClaimName::PerPod, Whose::Driver) => names::driver_claim(&app.name, &volume.name),
        (ClaimName::PerPod, Whose::Executor { slot }) => {
            names::executor_claim(&app.name, slot, &volume.name)
        }
    }
}

/// The volumes of a pod and the mounts of its Spark container. The template's own volumes are
/// already in place.
pub(super) fn of_pod(
    app: &Application,
    role: &Role,
    whose: Whose,
) -> (Vec<Volume>, Vec<VolumeMount>) {
    let template = role.shape.template.as_ref().and_then(|template| template.spec.as_ref());
    let declared = |name: &str| {
        template.iter().flat_map(|spec| spec.volumes.iter().flatten()).any(|own| own.name == name)
    };
    let mut volumes = Vec::new();
    let mut mounts: Vec<VolumeMount> = Vec::new();
    for volume in &role.volumes {
        match &volume.source {
            Source::Volume(source) if declared(&source.name) => {}
            Source::Volume(source) => volumes.push(source.as_ref().clone()),
            Source::Claim(claim) if claim.retention == Retention::Pod => {
                volumes.push(ephemeral(app, volume, claim));
            }
            Source::Claim(claim) => {
                let source = PersistentVolumeClaimVolumeSource {
                    claim_name: claim_name(app, claim, volume, whose),
                    read_only: claim.read_only.then_some(true),
                };
                volumes.push(Volume {
                    name: volume.name.clone(),
                    persistent_volume_claim: Some(source),
                    ..Volume::default()
                });
            }
        }
        mounts.extend(volume.mounts.iter().cloned());
    }
    let mut empty = |name: &str, path: &str| {
        let source = EmptyDirVolumeSource::default();
        volumes.push(Volume {
            name: name.to_owned(),
            empty_dir: Some(source),
            ..Volume::default()
        });
        mounts.push(VolumeMount {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            ..VolumeMount::default()
        });
    };
    if role.local_dirs().next().is_none() {
        empty(OWN_LOCAL_DIR, OWN_LOCAL_PATH);
    }
    let is_tmp = |mount: &VolumeMount| mount.mount_path.trim_end_matches('/') == "/tmp";
    if !role.volumes.iter().flat_map(|volume| &volume.mounts).any(is_tmp) {
        empty(TMP, "/tmp");
    }
    (volumes, mounts)
}

/// The driver's directory for files.
pub(super) fn local_dir(role: &Role) -> &str {
    role.local_dirs().next().unwrap_or(OWN_LOCAL_PATH)
}

/// The place where an executor keeps its shuffles: the first volume declared for them. A volume
/// that several pods mount at once is shared; one mounted only by a slot's pods is passed on from
/// each to the next; any other ends with the pod.
pub(super) fn shuffle_volume(app: &Application, role: &Role, id: u64, slot: u32) -> ShuffleVolume {
    let own = VolumeId(format!("executor-{id}"));
    let volume =
        role.volumes.iter().find(|volume| volume.holds_shuffles() && !volume.mounts.is_empty());
    let Some(volume) = volume else {
        let base = PathBuf::from(OWN_LOCAL_PATH);
        return ShuffleVolume {
            id: own,
            path: base.join("shuffle"),
            scratch: base.join("scratch"),
            home: None,
            goes_with_pod: true,
            stays_behind: false,
        };
    };
    let mount = PathBuf::from(&volume.mounts[0].mount_path);
    let home = mount.join(format!("firesteel-{}", app.uid));
    let scratch = home.join(format!("scratch-{id}"));
    let shared = |name: &str| ShuffleVolume {
        id: VolumeId(name.to_owned()),
        path: home.join("shuffle"),
        scratch: scratch.clone(),
        home: Some(home.clone()),
        goes_with_pod: false,
        stays_behind: false,
    };
    // All pods of a node see its directories, and the node is not known yet.
    let own_directory = || ShuffleVolume {
        id: own.clone(),
        path: home.join(format!("shuffle-{id}")),
        scratch: scratch.clone(),
        home: Some(home.clone()),
        goes_with_pod: true,
        stays_behind: false,
    };
    match &volume.source {
        Source::Claim(claim) if claim.retention == Retention::Pod => own_directory(),
        Source::Claim(claim) => {
            let name = claim_name(app, claim, volume, Whose::Executor { slot });
            shared(&name)
        }
        Source::Volume(source) => {
            if let Some(claim) = &source.persistent_volume_claim {
                return shared(&claim.claim_name);
            }
            if source.nfs.is_some() {
                return shared(&volume.name);
            }
            ShuffleVolume { stays_behind: source.host_path.is_some(), ..own_directory() }
        }
    }
}
