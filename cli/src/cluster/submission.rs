//! The arguments of `submit` as a resource: `spark-submit`'s flags and settings become fields of a
//! `SparkApplication`; those without a field stay settings. Nothing here talks to a cluster.

use super::arguments::{self, Place, PlaceArguments};
use super::files::{Files, here};
use crate::arguments::DependencyArguments;
use crate::manifest::read_manifest;
use anyhow::{Context, Result, bail};
use crd::{ProgramType, SparkApplication, SparkApplicationSpec};
use model::conf::{self, Conf};
use model::launch::Dependencies;
use std::path::Path;

/// A request to submit.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// Flags, `--conf` and the properties file.
    pub conf: Conf,
    pub place: &'a PlaceArguments,
    /// The program or the manifest.
    pub file: &'a str,
    pub arguments: &'a [String],
    pub dependencies: &'a DependencyArguments,
    pub class: Option<&'a str>,
    /// Suffix that distinguishes applications of the same file, unless a name is given.
    pub suffix: String,
}

/// The submission to make.
#[derive(Debug, PartialEq)]
pub(crate) struct Submission {
    pub application: SparkApplication,
    /// Local files to send along.
    pub files: Files,
    pub place: Place,
    /// Whether to wait for its end, if no flag decides that.
    pub wait: bool,
}

/// The Spark version that programs are written for.
const SPARK_VERSION: &str = "4.2.0";
/// Length limit of a resource's name; the names of its pods are longer.
const MAX_NAME_LENGTH: usize = 63;

/// Keys about how to submit, which are not settings of the application.
const NAMESPACE: &str = "spark.kubernetes.namespace";
const CONTEXT: &str = "spark.kubernetes.context";
const WAIT: &str = "spark.kubernetes.submission.waitAppCompletion";

/// Builds the submission.
pub(crate) fn submission(request: Request<'_>) -> Result<Submission> {
    let Request { mut conf, place, file, arguments, dependencies, class, suffix } = request;
    let mut place = place_of(&mut conf, place)?;
    if let Some(mode) = taken(&mut conf, conf::DEPLOY_MODE.name).filter(|mode| mode != "cluster") {
        bail!(
            "--deploy-mode `{mode}` is not supported on a cluster: the driver runs there, in a pod; it must be cluster"
        );
    }
    let wait = match taken(&mut conf, WAIT).as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => bail!("setting {WAIT}: `{other}` is neither true nor false"),
    };
    let mut files = Files::new(&suffix);
    let mut application = if is_manifest(file) {
        from_manifest(file, arguments, class, &mut conf)?
    } else {
        from_program(file, class, &mut conf, (&suffix, &mut files))?
    };
    let spec = &mut application.spec;
    if !is_manifest(file) {
        spec.arguments = arguments.to_vec();
    }
    let given = Dependencies::from(dependencies.clone()).with_settings(&conf)?;
    for key in [&conf::SUBMIT_PY_FILES, &conf::FILES, &conf::ARCHIVES] {
        conf.unset(key.name);
    }
    if !given.is_empty() {
        let deps = spec.deps.get_or_insert_default();
        for (from, to) in [
            (given.py_files, &mut deps.py_files),
            (given.files, &mut deps.files),
            (given.archives, &mut deps.archives),
        ] {
            for file in from {
                to.push(files.carry_named(&file)?);
            }
        }
    }
    for (key, set) in FIELDS {
        if let Some(value) = taken(&mut conf, key) {
            set(spec, value).map_err(|problem| anyhow::anyhow!("setting {key}: {problem}"))?;
        }
    }
    for (key, value) in conf.iter() {
        spec.spark_conf.insert(key.to_owned(), value.to_owned());
    }
    if let Some(mount) = files.mount() {
        spec.executor.pod.config_maps.push(mount.clone());
        spec.driver.pod.config_maps.push(mount);
    }
    settle_namespace(&mut application, &mut place)?;
    Ok(Submission { application, files, place, wait })
}

/// Both the manifest and a flag may set the namespace, but not to different ones.
fn settle_namespace(application: &mut SparkApplication, place: &mut Place) -> Result<()> {
    let written = &mut application.metadata.namespace;
    match (written.as_deref(), place.namespace.as_deref()) {
        (Some(written), Some(given)) if written != given => {
            bail!("the manifest sets the namespace {written}, but --namespace sets {given}")
        }
        (Some(written), _) => place.namespace = Some(written.to_owned()),
        (None, given) => *written = given.map(str::to_owned),
    }
    Ok(())
}

fn taken(conf: &mut Conf, key: &str) -> Option<String> {
    let value = conf.given(key).map(str::to_owned);
    conf.unset(key);
    value
}

/// Takes out the settings that choose the cluster; flags take precedence.
pub(super) fn place_of(conf: &mut Conf, given: &PlaceArguments) -> Result<Place> {
    let master = taken(conf, conf::MASTER.name);
    let mut place = Place::new(master.as_deref().unwrap_or(arguments::MASTER), given)?;
    let (namespace, context) = (taken(conf, NAMESPACE), taken(conf, CONTEXT));
    place.namespace = place.namespace.or(namespace);
    place.context = place.context.or(context);
    Ok(place)
}

fn is_manifest(file: &str) -> bool {
    matches!(extension(file).as_str(), "yaml" | "yml")
}

fn extension(file: &str) -> String {
    Path::new(file).extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn from_manifest(
    file: &str,
    arguments: &[String],
    class: Option<&str>,
    conf: &mut Conf,
) -> Result<SparkApplication> {
    if !arguments.is_empty() {
        bail!("arguments of a manifest's program belong in its field spec.arguments");
    }
    if class.is_some() {
        bail!("the class of a manifest's program belongs in its field spec.mainClass");
    }
    let mut application = read_manifest(Path::new(here(file)))?;
    if let Some(name) = conf.given(conf::APP_NAME.name) {
        application.metadata.name = Some(resource_name(name, MAX_NAME_LENGTH));
        application.metadata.generate_name = None;
    }
    Ok(application)
}

fn from_program(
    file: &str,
    class: Option<&str>,
    conf: &mut Conf,
    (suffix, files): (&str, &mut Files),
) -> Result<SparkApplication> {
    let type_ = match (extension(file).as_str(), class) {
        ("jar", Some(_)) => ProgramType::Scala,
        ("jar", None) => bail!("{file}: a JVM program needs --class"),
        (_, Some(class)) => bail!("--class `{class}` needs a .jar file; {file} is not one"),
        ("py", None) => ProgramType::Python,
        ("sql", None) => ProgramType::Sql,
        _ => bail!(
            "{file}: not a program; it must end in .py (Python), .sql (SQL) or .yaml (a SparkApplication manifest)"
        ),
    };
    // A JVM file is not read, wherever it is.
    let there = if type_ == ProgramType::Scala { file.to_owned() } else { files.carry(file)? };
    let given = conf.given(conf::APP_NAME.name);
    let name = given.map_or_else(
        || {
            let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
            format!("{}-{suffix}", resource_name(&stem, MAX_NAME_LENGTH - suffix.len() - 1))
        },
        |name| resource_name(name, MAX_NAME_LENGTH),
    );
    // A name equal to the resource's own is redundant.
    if given == Some(name.as_str()) {
        conf.unset(conf::APP_NAME.name);
    }
    let spec = serde_json::json!({
        "type": type_,
        "mode": "cluster",
        "sparkVersion": SPARK_VERSION,
        "mainApplicationFile": there,
        "mainClass": class,
        "driver": {},
        "executor": {},
    });
    let spec = serde_json::from_value(spec).context("building the resource")?;
    Ok(SparkApplication::new(&name, spec))
}

/// A valid resource name, as close as possible to the given one.
fn resource_name(text: &str, room: usize) -> String {
    let mut name = String::new();
    for letter in text.to_lowercase().chars() {
        match letter {
            'a'..='z' => name.push(letter),
            // A name must start with a letter.
            '0'..='9' if name.is_empty() => name.extend(['a', 'p', 'p', '-', letter]),
            '0'..='9' => name.push(letter),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(room);
    let name = name.trim_end_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

type Set = fn(&mut SparkApplicationSpec, String) -> Result<(), String>;

/// Keys that have a field of their own.
const FIELDS: &[(&str, Set)] = &[
    ("spark.driver.cores", |spec, value| number(&value).map(|n| spec.driver.pod.cores = Some(n))),
    ("spark.driver.memory", |spec, value| {
        spec.driver.pod.memory = Some(value);
        Ok(())
    }),
    ("spark.executor.cores", |spec, value| {
        number(&value).map(|n| spec.executor.pod.cores = Some(n))
    }),
    ("spark.executor.memory", |spec, value| {
        spec.executor.pod.memory = Some(value);
        Ok(())
    }),
    ("spark.executor.instances", |spec, value| {
        number(&value).map(|n| spec.executor.instances = Some(n))
    }),
    ("spark.kubernetes.container.image", |spec, value| {
        spec.image = Some(value);
        Ok(())
    }),
    ("spark.kubernetes.driver.container.image", |spec, value| {
        spec.driver.pod.image = Some(value);
        Ok(())
    }),
    ("spark.kubernetes.executor.container.image", |spec, value| {
        spec.executor.pod.image = Some(value);
        Ok(())
    }),
    ("spark.kubernetes.driver.pod.name", |spec, value| {
        spec.driver.pod_name = Some(value);
        Ok(())
    }),
    ("spark.kubernetes.authenticate.driver.serviceAccountName", |spec, value| {
        spec.driver.pod.service_account = Some(value);
        Ok(())
    }),
    ("spark.kubernetes.authenticate.executor.serviceAccountName", |spec, value| {
        spec.executor.pod.service_account = Some(value);
        Ok(())
    }),
    ("spark.dynamicAllocation.enabled", |spec, value| {
        boolean(&value).map(|truth| spec.dynamic_allocation.get_or_insert_default().enabled = truth)
    }),
    ("spark.dynamicAllocation.initialExecutors", |spec, value| {
        let wanted = spec.dynamic_allocation.get_or_insert_default();
        number(&value).map(|n| wanted.initial_executors = Some(n))
    }),
    ("spark.dynamicAllocation.minExecutors", |spec, value| {
        let wanted = spec.dynamic_allocation.get_or_insert_default();
        number(&value).map(|n| wanted.min_executors = Some(n))
    }),
    ("spark.dynamicAllocation.maxExecutors", |spec, value| {
        let wanted = spec.dynamic_allocation.get_or_insert_default();
        number(&value).map(|n| wanted.max_executors = Some(n))
    }),
];

fn number(text: &str) -> Result<i32, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a whole number"))
}

fn boolean(text: &str) -> Result<bool, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is neither true nor false"))
}

#[cfg(test)]
mod tests;
