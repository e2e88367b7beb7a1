//! Volumes of a pod, the claims that they need, and where on them shuffles live.

use super::{Making, child_metadata};
use crate::names;
use crate::plan::Application;
use crd::{Claim, ClaimName, Role, RoleVolume, Source};
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec,
    PersistentVolumeClaimVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use model::VolumeId;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Volume for shuffles where the manifest gives none.
const OWN_LOCAL_DIR: &str = "spark-local-dir-firesteel";
/// Where it is mounted.
const OWN_LOCAL_PATH: &str = "/var/data/spark-local-dir";
/// Volume for temporary files: the root cannot be written.
const TMP: &str = "firesteel-tmp";

/// Whose pod a volume is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose {
    Driver,
    Executor { slot: u32 },
}

/// Where an executor keeps its shuffles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShuffleVolume {
    pub(super) id: VolumeId,
    pub(super) path: PathBuf,
    pub(super) scratch: PathBuf,
    /// Whether nobody mounts it again once the pod is gone.
    pub(super) goes_with_pod: bool,
}

/// The claims that the driver's pod needs.
pub fn driver_claims(making: &Making<'_>) -> Vec<PersistentVolumeClaim> {
    claims(making, &making.valid.driver, Whose::Driver)
}

/// The claims that an executor's pod in this slot needs.
pub fn executor_claims(making: &Making<'_>, slot: u32) -> Vec<PersistentVolumeClaim> {
    claims(making, &making.valid.executor, Whose::Executor { slot })
}

/// The volume that nobody mounts again once the pod of this executor is gone, if it is so.
pub fn lost_volume(app: &Application, executor: &Role, id: u64, slot: u32) -> Option<String> {
    let volume = shuffle_volume(app, executor, id, slot);
    volume.goes_with_pod.then_some(volume.id.0)
}

fn claims(making: &Making<'_>, role: &Role, whose: Whose) -> Vec<PersistentVolumeClaim> {
    let volumes = role.volumes.iter().filter_map(|volume| match &volume.source {
        Source::Claim(claim) => Some((volume, claim)),
        Source::Volume(_) => None,
    });
    volumes
        .map(|(volume, wanted)| {
            let name = claim_name(making.app, wanted, volume, whose);
            let mut metadata = child_metadata(making.app, name);
            let mut labels = wanted.labels.clone();
            labels.extend(metadata.labels.take().unwrap_or_default());
            metadata.labels = Some(labels);
            metadata.annotations =
                Some(wanted.annotations.clone()).filter(|given| !given.is_empty());
            let requests =
                BTreeMap::from([("storage".to_owned(), Quantity(wanted.size.to_string()))]);
            let spec = PersistentVolumeClaimSpec {
                access_modes: Some(vec![wanted.access_mode.to_owned()]),
                storage_class_name: wanted.storage_class.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(requests),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            };
            PersistentVolumeClaim { metadata, spec: Some(spec), status: None }
        })
        .collect()
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

/// The volumes of a pod and where its Spark container mounts them. Those that its template declares are there already.
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

/// Directory for what the driver keeps on disk.
pub(super) fn local_dir(role: &Role) -> &str {
    role.local_dirs().next().unwrap_or(OWN_LOCAL_PATH)
}

/// Where an executor keeps its shuffles: on the first volume for them. What several pods mount at once is shared by all; what only the
/// pods of one slot mount is handed on from one to the next; the rest goes with the pod.
pub(super) fn shuffle_volume(app: &Application, role: &Role, id: u64, slot: u32) -> ShuffleVolume {
    let own = VolumeId(format!("executor-{id}"));
    let of_app = format!("firesteel-{}", app.uid);
    let volume =
        role.volumes.iter().find(|volume| volume.holds_shuffles() && !volume.mounts.is_empty());
    let Some(volume) = volume else {
        let base = PathBuf::from(OWN_LOCAL_PATH);
        return ShuffleVolume {
            id: own,
            path: base.join("shuffle"),
            scratch: base.join("scratch"),
            goes_with_pod: true,
        };
    };
    let mount = PathBuf::from(&volume.mounts[0].mount_path);
    let scratch = mount.join(&of_app).join(format!("scratch-{id}"));
    let shared = |name: &str| ShuffleVolume {
        id: VolumeId(name.to_owned()),
        path: mount.join(&of_app).join("shuffle"),
        scratch: scratch.clone(),
        goes_with_pod: false,
    };
    match &volume.source {
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
            // A directory of the node's is seen by all pods of that node, and which node that is, is not known yet.
            let own_directory = mount.join(&of_app).join(format!("shuffle-{id}"));
            ShuffleVolume { id: own, path: own_directory, scratch, goes_with_pod: true }
        }
    }
}
