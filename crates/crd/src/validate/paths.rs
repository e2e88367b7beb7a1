//! Mount paths of a Spark container: each is valid, and no two are the same.

use super::keys::RoleKeys;
use super::pod::Shape;
use super::{Given, Problems};
use crate::problem::FieldPath;
use std::collections::BTreeMap;

/// Refuses invalid and duplicate mount paths, naming the field of the first one.
pub(super) fn check(given: &Given<'_>, keys: &RoleKeys, shape: &Shape, problems: &mut Problems) {
    let mut taken: BTreeMap<String, FieldPath> = BTreeMap::new();
    for (at, written) in all(given, keys, shape) {
        let path = written.trim_end_matches('/');
        if !written.starts_with('/') || path.is_empty() || path.contains(':') {
            problems.add(at, format!("`{written}` is not a mount path"));
        } else if let Some(first) = taken.get(path) {
            problems.add(at, format!("`{path}` is already mounted by {first}"));
        } else {
            taken.insert(path.to_owned(), at);
        }
    }
}

/// All mount paths, each with its field.
fn all(given: &Given<'_>, keys: &RoleKeys, shape: &Shape) -> Vec<(FieldPath, String)> {
    let (at, pod, role) = (given.at(), given.pod, given.kind.name());
    let conf =
        |key: &str| FieldPath::new("spec.sparkConf").key(&format!("spark.kubernetes.{role}.{key}"));
    let mut found = Vec::new();
    for (index, mount) in pod.volume_mounts.iter().enumerate() {
        if let Some(path) = mount.raw()["mountPath"].as_str() {
            let at = at.field("volumeMounts").index(index).field("mountPath");
            found.push((at, path.to_owned()));
        }
    }
    found.extend(of_template(given, shape));
    for ((kind, name), properties) in &keys.volumes {
        if let Some(path) = properties.get("mount.path") {
            found.push((conf(&format!("volumes.{kind}.{name}.mount.path")), path.clone()));
        }
    }
    for (index, map) in pod.config_maps.iter().enumerate() {
        found.push((at.field("configMaps").index(index).field("path"), map.path.clone()));
    }
    for (index, secret) in pod.secrets.iter().enumerate() {
        found.push((at.field("secrets").index(index).field("path"), secret.path.clone()));
    }
    let of_keys = keys.secrets.iter();
    found.extend(of_keys.map(|(name, path)| (conf(&format!("secrets.{name}")), path.clone())));
    found
}

/// The mount paths of the template's Spark container: the one with its name, or else the first.
fn of_template(given: &Given<'_>, shape: &Shape) -> Vec<(FieldPath, String)> {
    let pod = shape.template.as_ref().and_then(|template| template.spec.as_ref());
    let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
    let name = format!("spark-kubernetes-{}", given.kind.name());
    let index = containers.iter().position(|known| known.name == name).unwrap_or(0);
    let mounts = containers.get(index).and_then(|container| container.volume_mounts.as_ref());
    let at = given.at().field("template.spec.containers").index(index).field("volumeMounts");
    let mounts = mounts.into_iter().flatten().enumerate();
    mounts
        .map(|(index, mount)| (at.index(index).field("mountPath"), mount.mount_path.clone()))
        .collect()
}
