//! The volumes of a pod: those of the specification that it mounts, those of `sparkConf`, config
//! maps and secrets. Volumes named `spark-local-dir-…` hold shuffles, whatever their source.

use super::keys::RETAIN_CLAIMS;
use super::pod::{Shape, all};
use super::{Given, Kind, Problems, RoleKeys, paths};
use crate::SparkApplicationSpec;
use crate::problem::{FieldPath, Problem};
use crate::quantity::Amount;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource, NFSVolumeSource,
    PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use model::conf::{self, Retain, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Prefix of the names of volumes for shuffles.
const LOCAL_DIR: &str = "spark-local-dir-";

/// Key that asks for claims which several pods of one node may mount.
const LEGACY_ACCESS_MODE: &str = "spark.kubernetes.legacy.useReadWriteOnceAccessMode";

/// Key that, if false, ties executors' claims to their pods.
const OWNED_BY_DRIVER: &str = "spark.kubernetes.driver.ownPersistentVolumeClaim";

/// Key that, if false, keeps executors from mounting the claims of earlier ones.
const REUSED: &str = "spark.kubernetes.driver.reusePersistentVolumeClaim";

/// A volume of a pod, and its mounts in the Spark container.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleVolume {
    /// Its name in the pod.
    pub name: String,
    /// Its source.
    pub source: Source,
    /// Its mounts; empty if only other containers mount it.
    pub mounts: Vec<VolumeMount>,
}

impl RoleVolume {
    /// Whether shuffles are kept on it.
    pub fn holds_shuffles(&self) -> bool {
        self.name.starts_with(LOCAL_DIR)
    }
}

/// Source of a volume.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// As Kubernetes describes it.
    Volume(Box<Volume>),
    /// A claim to create.
    Claim(Claim),
}

/// A claim to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: ClaimName,
    /// Its storage class; the cluster's default if `None`.
    pub storage_class: Option<String>,
    /// Its size.
    pub size: Amount,
    /// Its access mode.
    pub access_mode: &'static str,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether pods mount it read-only.
    pub read_only: bool,
    /// Its lifetime.
    pub retention: Retention,
}

/// Lifetime of a created claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Retention {
    /// As long as the one pod that mounts it.
    Pod,
    /// As long as the application: executors pass it on to their successors.
    #[default]
    Application,
    /// Until a user deletes it.
    Forever,
}

/// The name of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimName {
    /// One claim per pod.
    PerPod,
    /// One claim for all pods of the role.
    Fixed(String),
}

/// Kinds of volumes in `sparkConf`, with the properties of each.
pub(crate) const KINDS: &[(&str, &[&str])] = &[
    ("hostPath", &["options.path", "options.type"]),
    ("emptyDir", &["options.medium", "options.sizeLimit"]),
    ("nfs", &["options.server", "options.path"]),
    ("persistentVolumeClaim", &["options.claimName", "options.storageClass", "options.sizeLimit"]),
];

const MOUNT: &[&str] = &["mount.path", "mount.subPath", "mount.subPathExpr", "mount.readOnly"];

/// The properties of a kind.
pub(crate) fn properties(kind: &str) -> Vec<&'static str> {
    let own = KINDS.iter().filter(|(name, _)| *name == kind).flat_map(|(_, own)| own.iter());
    own.chain(MOUNT).copied().collect()
}

/// Reads the volumes of a role.
pub(super) fn read(
    spec: &SparkApplicationSpec,
    given: &Given<'_>,
    keys: &RoleKeys,
    shape: &Shape,
    problems: &mut Problems,
) -> Vec<RoleVolume> {
    let mut volumes = of_fields(spec, given, shape, problems);
    let legacy = spec.spark_conf.get(LEGACY_ACCESS_MODE).is_some_and(|text| text.trim() == "true");
    let access_mode = if legacy { "ReadWriteOnce" } else { "ReadWriteOncePod" };
    let retention = retention(spec, given.kind, problems);
    for ((kind, name), properties) in &keys.volumes {
        let reader = Reader { given, kind, name, properties, access_mode, retention };
        let at = reader.at("");
        if volumes.iter().any(|volume| volume.name == *name) {
            problems.add(at, format!("more than one volume is named `{name}`"));
        } else if let Some(volume) = reader.volume(problems) {
            volumes.push(volume);
        }
    }
    mounted_objects(given, keys, &mut volumes);
    paths::check(given, keys, shape, problems);
    volumes
}

/// Lifetime of a role's created claims.
fn retention(spec: &SparkApplicationSpec, kind: Kind, problems: &mut Problems) -> Retention {
    let is = |key: &str, wanted: &str| {
        spec.spark_conf.get(key).is_some_and(|value| value.trim() == wanted)
    };
    let with_pod = [OWNED_BY_DRIVER, REUSED].into_iter().find(|key| is(key, "false"));
    let (name, retain) = retain(spec, problems);
    match (retain, with_pod) {
        (Retain::Always | Retain::OnFailure, Some(key)) => {
            let at = FieldPath::new("spec.sparkConf").key(name);
            let value = spec.spark_conf.get(name).map_or("", |value| value.trim());
            problems.add(
                at,
                format!("is `{value}`, but {key} is false: a claim cannot both end with its pod and be kept"),
            );
            Retention::Application
        }
        (Retain::Always, None) => Retention::Forever,
        (Retain::Never, Some(_)) if kind == Kind::Executor => Retention::Pod,
        (Retain::Never | Retain::OnFailure, _) => Retention::Application,
    }
}

/// When shuffles outlive the application, and the key that says so.
fn retain(spec: &SparkApplicationSpec, problems: &mut Problems) -> (&'static str, Retain) {
    let given = |key| Some((key, Retain::parse(spec.spark_conf.get(key)?).ok()?));
    match (given(conf::SHUFFLE_RETAIN.name), given(RETAIN_CLAIMS)) {
        (Some(newer), Some((key, older))) if newer.1 != older => {
            let at = FieldPath::new("spec.sparkConf").key(key);
            problems.add(at, format!("is another name of {}, which has another value", newer.0));
            newer
        }
        (newer, older) => newer.or(older).unwrap_or((conf::SHUFFLE_RETAIN.name, Retain::Never)),
    }
}

/// The volumes of the specification that any container of this role mounts.
fn of_fields(
    spec: &SparkApplicationSpec,
    given: &Given<'_>,
    shape: &Shape,
    problems: &mut Problems,
) -> Vec<RoleVolume> {
    let at = given.at().field("volumeMounts");
    let mounts = all(&given.pod.volume_mounts, &at, problems);
    let volumes = read_volumes(spec, problems);
    let pods = shape.template.iter().filter_map(|template| template.spec.as_ref());
    let in_template: Vec<&str> = pods
        .flat_map(|spec| spec.volumes.iter().flatten())
        .map(|volume| volume.name.as_str())
        .collect();
    for (index, mount) in mounts.iter().enumerate() {
        let names = volumes.iter().map(|volume| volume.name.as_str());
        let mut names = names.chain(in_template.iter().copied());
        if !names.clone().any(|name| name == mount.name) {
            let problem = format!("spec.volumes has no volume `{}`", mount.name);
            let at = at.index(index).field("name");
            problems.0.push(Problem::new(at, problem).with_nearest(&mount.name, &mut names));
        }
    }
    let others: BTreeSet<&str> = shape
        .sidecars
        .iter()
        .chain(&shape.init_containers)
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .map(|mount| mount.name.as_str())
        .collect();
    let mut found = Vec::new();
    for volume in volumes {
        let mounts: Vec<VolumeMount> =
            mounts.iter().filter(|mount| mount.name == volume.name).cloned().collect();
        if !mounts.is_empty() || others.contains(volume.name.as_str()) {
            let name = volume.name.clone();
            found.push(RoleVolume { name, source: Source::Volume(Box::new(volume)), mounts });
        }
    }
    of_template(given, shape, &mounts, &mut found);
    found
}

/// The template's volumes that its Spark container or the role's fields mount. The pod has them
/// already.
fn of_template(
    given: &Given<'_>,
    shape: &Shape,
    mounts: &[VolumeMount],
    found: &mut Vec<RoleVolume>,
) {
    let Some(pod) = shape.template.as_ref().and_then(|template| template.spec.as_ref()) else {
        return;
    };
    let container = format!("spark-kubernetes-{}", given.kind.name());
    let of_container = pod
        .containers
        .iter()
        .filter(|known| known.name == container)
        .flat_map(|container| container.volume_mounts.iter().flatten());
    let mounts: Vec<&VolumeMount> = mounts.iter().chain(of_container).collect();
    for volume in pod.volumes.iter().flatten() {
        let here = mounts.iter().filter(|mount| mount.name == volume.name);
        let here: Vec<VolumeMount> = here.map(|mount| (*mount).clone()).collect();
        if !here.is_empty() && !found.iter().any(|other| other.name == volume.name) {
            let source = Source::Volume(Box::new(volume.clone()));
            found.push(RoleVolume { name: volume.name.clone(), source, mounts: here });
        }
    }
}

fn read_volumes(spec: &SparkApplicationSpec, problems: &mut Problems) -> Vec<Volume> {
    let at = FieldPath::new("spec.volumes");
    let volumes: Vec<Volume> = all(&spec.volumes, &at, problems);
    let mut names = BTreeSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let at = at.index(index).field("name");
        if volume.name.is_empty() {
            problems.add(at, "is missing");
        } else if !names.insert(&volume.name) {
            problems.add(at, format!("more than one volume is named `{}`", volume.name));
        }
    }
    volumes
}

/// One volume of `sparkConf`.
struct Reader<'a> {
    given: &'a Given<'a>,
    kind: &'a str,
    name: &'a str,
    properties: &'a BTreeMap<String, String>,
    access_mode: &'static str,
    retention: Retention,
}

impl Reader<'_> {
    fn at(&self, property: &str) -> FieldPath {
        let role = self.given.kind.name();
        let key = format!("spark.kubernetes.{role}.volumes.{}.{}", self.kind, self.name);
        let key = if property.is_empty() { key } else { format!("{key}.{property}") };
        FieldPath::new("spec.sparkConf").key(&key)
    }

    fn get(&self, property: &str) -> Option<String> {
        self.properties.get(property).cloned()
    }

    fn need(&self, property: &str, problems: &mut Problems) -> Option<String> {
        let found = self.get(property);
        if found.is_none() {
            problems.add(self.at(property), "is missing");
        }
        found
    }

    fn size(&self, problems: &mut Problems) -> Option<Amount> {
        let text = self.get("options.sizeLimit")?;
        let at = self.at("options.sizeLimit");
        let size = Amount::parse(&text).map_err(|error| error.to_string()).and_then(|size| {
            if size.ceil() < 1024 {
                return Err(format!("`{text}` is less than 1Ki; is the unit missing?"));
            }
            Ok(size)
        });
        problems.take(size.map_err(|problem| Problem::new(at, problem)))
    }

    fn volume(&self, problems: &mut Problems) -> Option<RoleVolume> {
        let mount = self.mount(problems);
        let volume = |volume: Volume| Source::Volume(Box::new(volume));
        let named = Volume { name: self.name.to_owned(), ..Volume::default() };
        let source = match self.kind {
            "hostPath" => {
                let path = self.need("options.path", problems)?;
                let host_path = HostPathVolumeSource { path, type_: self.get("options.type") };
                volume(Volume { host_path: Some(host_path), ..named })
            }
            "emptyDir" => {
                let size_limit = self.size(problems).map(|size| Quantity(size.to_string()));
                let medium = self.get("options.medium").filter(|medium| !medium.is_empty());
                let empty_dir = EmptyDirVolumeSource { medium, size_limit };
                volume(Volume { empty_dir: Some(empty_dir), ..named })
            }
            "nfs" => {
                let server = self.need("options.server", problems);
                let path = self.need("options.path", problems)?;
                let nfs = NFSVolumeSource { server: server?, path, read_only: None };
                volume(Volume { nfs: Some(nfs), ..named })
            }
            _ => self.claim(mount.as_ref(), named, problems)?,
        };
        let mount = mount?;
        Some(RoleVolume { name: self.name.to_owned(), source, mounts: vec![mount] })
    }

    fn mount(&self, problems: &mut Problems) -> Option<VolumeMount> {
        let path = self.need("mount.path", problems);
        let sub_path = self.get("mount.subPath").filter(|path| !path.is_empty());
        let sub_path_expr = self.get("mount.subPathExpr").filter(|path| !path.is_empty());
        if sub_path.is_some() && sub_path_expr.is_some() {
            problems.add(self.at("mount.subPathExpr"), "and mount.subPath are mutually exclusive");
        }
        let read_only = match self.get("mount.readOnly").as_deref().map(str::trim) {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(other) => {
                problems
                    .add(self.at("mount.readOnly"), format!("`{other}` is neither true nor false"));
                None
            }
        };
        Some(VolumeMount {
            name: self.name.to_owned(),
            mount_path: path?,
            sub_path,
            sub_path_expr,
            read_only,
            ..VolumeMount::default()
        })
    }

    /// A claim: an existing one or, with a size, one to create.
    fn claim(
        &self,
        mount: Option<&VolumeMount>,
        named: Volume,
        problems: &mut Problems,
    ) -> Option<Source> {
        let claim_name = self.need("options.claimName", problems)?;
        let size = self.size(problems);
        let per_pod = claim_name.contains("OnDemand") || claim_name.contains("SPARK_EXECUTOR_ID");
        let read_only = mount.and_then(|mount| mount.read_only).unwrap_or(false);
        let Some(size) = size else {
            if per_pod {
                let problem = "is missing; a claim created for each pod needs a size";
                problems.add(self.at("options.sizeLimit"), problem);
                return None;
            }
            let claim = PersistentVolumeClaimVolumeSource {
                claim_name,
                read_only: Some(read_only).filter(|read_only| *read_only),
            };
            let volume = Volume { persistent_volume_claim: Some(claim), ..named };
            return Some(Source::Volume(Box::new(volume)));
        };
        let family = |prefix: &str| -> BTreeMap<String, String> {
            let all = self.properties.iter();
            all.filter_map(|(name, value)| {
                Some((name.strip_prefix(prefix)?.to_owned(), value.clone()))
            })
            .collect()
        };
        Some(Source::Claim(Claim {
            name: if per_pod { ClaimName::PerPod } else { ClaimName::Fixed(claim_name) },
            storage_class: self.get("options.storageClass"),
            size,
            access_mode: self.access_mode,
            labels: family("label."),
            annotations: family("annotation."),
            read_only,
            // A claim shared by all pods belongs to none of them.
            retention: match self.retention {
                Retention::Pod if !per_pod => Retention::Application,
                retention => retention,
            },
        }))
    }
}

/// Config maps and secrets that are mounted as a whole.
fn mounted_objects(given: &Given<'_>, keys: &RoleKeys, volumes: &mut Vec<RoleVolume>) {
    let mut add = |name: String, path: &str, volume: Volume| {
        let mount = VolumeMount {
            name: name.clone(),
            mount_path: path.to_owned(),
            ..VolumeMount::default()
        };
        let volume = Volume { name: name.clone(), ..volume };
        let source = Source::Volume(Box::new(volume));
        volumes.push(RoleVolume { name, source, mounts: vec![mount] });
    };
    for (index, config_map) in given.pod.config_maps.iter().enumerate() {
        let source = ConfigMapVolumeSource { name: config_map.name.clone(), ..Default::default() };
        let volume = Volume { config_map: Some(source), ..Volume::default() };
        add(format!("firesteel-config-map-{index}"), &config_map.path, volume);
    }
    let of_fields = given.pod.secrets.iter().map(|secret| (&secret.name, &secret.path));
    for (index, (secret, path)) in of_fields.chain(&keys.secrets).enumerate() {
        let source = SecretVolumeSource { secret_name: Some(secret.clone()), ..Default::default() };
        let volume = Volume { secret: Some(source), ..Volume::default() };
        add(format!("firesteel-secret-{index}"), path, volume);
    }
}
