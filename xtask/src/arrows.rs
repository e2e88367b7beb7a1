//! Which room may depend on which, and what each room is built without. Facts come from
//! `cargo metadata`, so that a dependency counts however its manifest words it.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The rooms that each room may depend on directly.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("proto", &["model"]),
    ("errors", &["model"]),
    ("plan", &["errors", "model"]),
    ("sql", &["errors", "plan", "model"]),
    ("connect", &["errors", "plan", "model"]),
    ("formats", &["errors", "plan", "model"]),
    ("functions", &["errors", "formats"]),
    ("sources", &["errors", "formats", "functions", "plan", "model"]),
    ("task", &["errors", "formats", "functions", "sources", "plan", "shuffle", "model"]),
    ("catalogue", &["plan", "model"]),
    ("analysis", &["errors", "formats", "functions", "catalogue", "sources", "plan", "model"]),
    (
        "engine",
        &[
            "errors",
            "formats",
            "functions",
            "catalogue",
            "analysis",
            "sources",
            "task",
            "plan",
            "model",
        ],
    ),
    ("scheduler", &["model"]),
    ("shuffle", &["model"]),
    ("crd", &["model"]),
    (
        "driver",
        &["errors", "scheduler", "connect", "sql", "formats", "engine", "plan", "proto", "model"],
    ),
    ("executor", &["task", "shuffle", "proto", "model"]),
    ("operator", &["crd", "model", "proto"]),
    ("cli", &["driver", "executor", "crd", "proto", "model"]),
    ("xtask", &["model"]),
    ("bench", &["connect", "driver", "engine", "executor", "proto", "model", "plan", "sql"]),
];

/// The rooms that may name a crate in their manifest. Crates that are not listed are free.
const KNOWN_BY: &[(&str, &[&str])] = &[
    ("datafusion", &["functions", "sources", "task", "analysis", "engine", "bench"]),
    ("datafusion-proto", &["functions", "sources", "task"]),
    ("datafusion-spark", &["functions"]),
    ("sqlparser", &["sql"]),
    ("object_store", &["sources"]),
    ("kube", &["crd", "operator", "cli"]),
    ("k8s-openapi", &["crd", "operator", "cli"]),
];

/// The crates that must not be in a room's build, not even by way of others.
const BUILT_WITHOUT: &[(&str, &[&str])] = &[
    ("model", &["tokio", "arrow", "datafusion", "tonic", "kube"]),
    ("errors", &["tokio", "arrow", "datafusion", "tonic", "kube"]),
    ("plan", &["tokio", "arrow", "datafusion", "tonic", "kube"]),
    ("sql", &["tokio", "arrow", "datafusion", "tonic", "kube"]),
    ("catalogue", &["tokio", "arrow", "datafusion", "tonic", "kube"]),
    ("scheduler", &["tokio", "arrow", "datafusion", "tonic", "kube"]),
    ("shuffle", &["arrow", "datafusion", "tonic", "kube"]),
    ("crd", &["arrow", "datafusion", "tonic"]),
    ("connect", &["datafusion", "kube"]),
    ("formats", &["tokio", "datafusion", "tonic", "kube"]),
    ("functions", &["tonic", "kube"]),
    ("operator", &["arrow", "datafusion"]),
    ("driver", &["kube"]),
    // An executor cannot plan.
    ("executor", &["analysis", "catalogue", "engine", "sql", "connect", "kube"]),
];

/// Adds what breaks a rule.
pub(crate) fn check(root: &Path, broken: &mut Vec<String>) -> Result<()> {
    Graph::of_workspace(root)?.check(broken);
    Ok(())
}

/// Who depends on whom. Dependencies of tests and build scripts do not count.
#[derive(Debug, Default)]
struct Graph {
    rooms: BTreeSet<String>,
    /// What a manifest names, by package.
    named: BTreeMap<String, BTreeSet<String>>,
    /// What is built for a package, by package.
    built: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn of_workspace(root: &Path) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version=1", "--locked"])
            .current_dir(root)
            .output()
            .context("running cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        }
        Self::parse(&serde_json::from_slice(&output.stdout).context("reading cargo metadata")?)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let mut names = BTreeMap::new();
        let mut graph = Self::default();
        let members: BTreeSet<&str> =
            list(&metadata["workspace_members"])?.iter().filter_map(Value::as_str).collect();
        for package in list(&metadata["packages"])? {
            let (id, name) = (text(&package["id"])?, text(&package["name"])?);
            names.insert(id, name);
            if members.contains(id) {
                graph.rooms.insert(name.to_owned());
                let normal = list(&package["dependencies"])?.iter();
                let normal = normal.filter(|dependency| dependency["kind"].is_null());
                let normal = normal.map(|dependency| Ok(text(&dependency["name"])?.to_owned()));
                graph.named.insert(name.to_owned(), normal.collect::<Result<_>>()?);
            }
        }
        for node in list(&metadata["resolve"]["nodes"])? {
            let built = graph.built.entry(names[text(&node["id"])?].to_owned()).or_default();
            for dependency in list(&node["deps"])? {
                if list(&dependency["dep_kinds"])?.iter().any(|kind| kind["kind"].is_null()) {
                    built.insert(names[text(&dependency["pkg"])?].to_owned());
                }
            }
        }
        Ok(graph)
    }

    fn check(&self, broken: &mut Vec<String>) {
        for room in &self.rooms {
            let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == room) else {
                broken.push(format!("{room}: is a new room; say in xtask what it may depend on"));
                continue;
            };
            for other in &self.named[room] {
                if self.rooms.contains(other) && !allowed.contains(&other.as_str()) {
                    broken.push(format!("{room}: must not depend on {other}"));
                }
                let known_by = KNOWN_BY.iter().find(|(name, _)| name == other);
                if known_by.is_some_and(|(_, rooms)| !rooms.contains(&room.as_str())) {
                    broken.push(format!("{room}: must not know {other}"));
                }
            }
        }
        for (room, without) in BUILT_WITHOUT {
            for other in *without {
                if let Some(way) = self.way(room, other) {
                    broken.push(format!(
                        "{room}: must be built without {other}, which comes by {way}"
                    ));
                }
            }
        }
    }

    /// How a package comes into the build of another.
    fn way(&self, from: &str, to: &str) -> Option<String> {
        let mut ways = BTreeMap::from([(from, from.to_owned())]);
        let mut open = vec![from];
        while let Some(package) = open.pop() {
            for next in self.built.get(package)? {
                if ways.contains_key(next.as_str()) {
                    continue;
                }
                let way = format!("{} → {next}", ways[package]);
                if next == to {
                    return Some(way);
                }
                ways.insert(next, way);
                open.push(next);
            }
        }
        None
    }
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("cargo metadata has another form")
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().context("cargo metadata has another form")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages with what they name, which is also built.
    fn graph(packages: &[(&str, &[&str])]) -> Graph {
        let mut graph = Graph::default();
        for (name, dependencies) in packages {
            let dependencies: BTreeSet<String> =
                dependencies.iter().map(ToString::to_string).collect();
            graph.rooms.extend(
                ARROWS.iter().map(|(room, _)| *room).filter(|room| room == name).map(str::to_owned),
            );
            graph.named.insert((*name).to_owned(), dependencies.clone());
            graph.built.insert((*name).to_owned(), dependencies);
        }
        graph
    }

    #[test]
    fn an_arrow_that_is_not_drawn_is_named() {
        let graph = graph(&[
            ("model", &[]),
            ("scheduler", &["model", "crd"]),
            ("crd", &["model"]),
            ("plan", &["datafusion"]),
            ("datafusion", &[]),
            ("executor", &["task"]),
            ("task", &["analysis"]),
            ("analysis", &[]),
        ]);
        let mut broken = Vec::new();
        graph.check(&mut broken);
        let expected = [
            "plan: must not know datafusion",
            "scheduler: must not depend on crd",
            "task: must not depend on analysis",
            "plan: must be built without datafusion, which comes by plan → datafusion",
            "executor: must be built without analysis, which comes by executor → task → analysis",
        ];
        assert_eq!(broken, expected);
    }

    #[test]
    fn the_workspace_keeps_the_rules() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut broken = Vec::new();
        check(root, &mut broken).unwrap();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}
