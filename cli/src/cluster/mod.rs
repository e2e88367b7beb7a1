//! Applications on a cluster: the implementation of `submit`, `status`, `list`, `logs` and `kill`.
//! They use nothing but the API server and the permissions of the user who runs them.

mod arguments;
mod connect;
mod display;
mod error;
mod files;
mod follow;
mod logs;
mod output;
mod state_changes;
mod submission;

pub(crate) use arguments::{
    ClusterArguments, KillArguments, ListArguments, LogsArguments, Place, SubmitArguments,
    UnsupportedFlags,
};

use crate::notify;
use anyhow::{Context, Result, bail};
use arguments::DryRun;
use connect::{Cluster, bounded};
use crd::SparkApplication;
use crd::names::{APP_NAME, DRIVER_CONTAINER, EXECUTOR_CONTAINER, EXECUTOR_ID};
use follow::Shown;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use logs::{Copied, Extent, Source};
use model::conf::Conf;
use output::Output;
use std::io::Write;
use submission::{Request, Submission};

/// Field manager for the API server.
const FIELD_MANAGER: &str = "firesteel-submit";

/// Creates an application, follows it to its end, and returns its exit code.
pub(crate) async fn submit(given: &SubmitArguments, conf: Conf) -> Result<u8> {
    let file = given.file.as_deref().context("no file to submit is given")?;
    let random = uuid::Uuid::new_v4().simple().to_string();
    let submission = submission::submission(Request {
        conf,
        place: &given.place,
        file,
        arguments: &given.arguments,
        dependencies: &given.dependencies,
        class: given.class.as_deref(),
        suffix: random[..6].to_owned(),
    })?;
    let spec = &submission.application.spec;
    for field in crd::unsupported(spec) {
        notify(&format!("{field} has no effect"));
    }
    if given.dry_run == Some(DryRun::Client) {
        let namespace = submission.place.namespace.as_deref().unwrap_or("default");
        check(&submission, namespace)?;
        print(&yaml(&submission)?)?;
        return Ok(0);
    }
    let cluster = Cluster::find(&submission.place).await?;
    check(&submission, &cluster.namespace)?;
    let created = create(&cluster, &submission, given.dry_run.is_some()).await?;
    let name = created.name_any();
    if given.dry_run.is_some() {
        notify(&format!("the cluster would accept {name}"));
        return Ok(0);
    }
    notify(&format!("{name}: created in namespace {}", cluster.namespace));
    let waits = if given.no_wait { false } else { given.wait || submission.wait };
    if waits { Box::pin(follow::follow(&cluster, &name, Shown::All)).await } else { Ok(0) }
}

/// The cluster that a submission's flags and settings name, for `--kill` and `--status`.
pub(crate) fn place(given: &SubmitArguments, mut conf: Conf) -> Result<Place> {
    submission::place_of(&mut conf, &given.place)
}

/// Refuses now what the operator would refuse later.
fn check(submission: &Submission, namespace: &str) -> Result<()> {
    let checked = crd::validate(&submission.application.spec, namespace);
    if let Err(problems) = checked {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        bail!("{}", problems.join("; "));
    }
    Ok(())
}

fn yaml(submission: &Submission) -> Result<String> {
    let mut text = serde_saphyr::to_string(&serde_json::to_value(&submission.application)?)?;
    if let Some(mut files) = submission.files.object(None) {
        files.metadata.namespace.clone_from(&submission.application.metadata.namespace);
        text = format!("{text}---\n{}", serde_saphyr::to_string(&serde_json::to_value(files)?)?);
    }
    Ok(text)
}

/// Creates the application, then its files: the driver waits for them, and without an owner they
/// would never be deleted.
async fn create(
    cluster: &Cluster,
    submission: &Submission,
    is_dry: bool,
) -> Result<SparkApplication> {
    let params = |dry_run| PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let applications: Api<SparkApplication> = cluster.api();
    let maps: Api<ConfigMap> = cluster.api();
    let sending = |error| cluster.explain(error, "sending the program's files");
    // Tried first with a dry run: a user who may not send files should not get an application
    // without them.
    if let Some(files) = submission.files.object(None) {
        bounded(maps.create(&params(true), &files)).await.map_err(sending)?;
    }
    let created = bounded(applications.create(&params(is_dry), &submission.application)).await;
    let created = created.map_err(|error| cluster.explain(error, "submitting the application"))?;
    let owner = created.controller_owner_ref(&()).filter(|_| !is_dry);
    if let Some(files) = owner.and_then(|owner| submission.files.object(Some(owner)))
        && let Err(error) = bounded(maps.create(&params(false), &files)).await
    {
        let problem = sending(error);
        // Without its files the application would wait for ever.
        let Err(error) = delete(cluster, &created).await else { return Err(problem) };
        let name = created.name_any();
        bail!("{problem}; {error}; `{name}` is left over; delete it with `firesteel kill {name}`");
    }
    Ok(created)
}

/// Deletes this application, and no later one of its name.
async fn delete(cluster: &Cluster, application: &SparkApplication) -> Result<()> {
    let name = application.name_any();
    let only = Preconditions { uid: application.uid(), resource_version: None };
    let applications: Api<SparkApplication> = cluster.api();
    let params = DeleteParams::default().preconditions(only);
    let deleted = bounded(applications.delete(&name, &params)).await;
    deleted.map_err(|error| cluster.explain(error, &format!("deleting {name}")))?;
    Ok(())
}

/// The text to print about one application, or about all of a namespace.
pub(crate) async fn status(place: Place, name: Option<&str>, json: bool) -> Result<String> {
    let Some(name) = name else {
        return list_of(&Cluster::find(&place).await?, false, json).await;
    };
    let cluster = named_cluster(place, name).await?;
    let mut application = find(&cluster, bare(name)).await?;
    if json {
        drop_managed_fields(&mut application);
        return Ok(serde_json::to_string_pretty(&application)? + "\n");
    }
    Ok(display::one(&application, Timestamp::now()))
}

/// The text to print about all applications.
pub(crate) async fn list(given: &ListArguments) -> Result<String> {
    let cluster = Cluster::find(&given.cluster.place()?).await?;
    list_of(&cluster, given.all_namespaces, given.json).await
}

async fn list_of(cluster: &Cluster, all_namespaces: bool, json: bool) -> Result<String> {
    let api = if all_namespaces { cluster.everywhere() } else { cluster.api::<SparkApplication>() };
    let all = bounded(api.list(&ListParams::default())).await;
    let mut all = all.map_err(|error| cluster.explain(error, "listing applications"))?.items;
    if !json {
        return Ok(display::list(&all, Timestamp::now(), all_namespaces));
    }
    all.iter_mut().for_each(drop_managed_fields);
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// Drops the managed fields, which only the API server uses.
fn drop_managed_fields(application: &mut SparkApplication) {
    application.metadata.managed_fields = None;
}

/// Prints the output of the driver or of an executor.
pub(crate) async fn logs(given: &LogsArguments) -> Result<u8> {
    let cluster = Cluster::find(&given.cluster.place()?).await?;
    let application = find(&cluster, &given.name).await?;
    if given.follow && given.executor.is_none() {
        let following = follow::follow(&cluster, &given.name, Shown::Output(given.tail));
        return Box::pin(following).await;
    }
    let source = match given.executor {
        Some(executor) => executor_source(&cluster, &given.name, executor).await?,
        None => driver_source(&application)?,
    };
    let extent =
        if given.follow { Extent::ToTheEnd(given.tail) } else { Extent::SoFar(given.tail) };
    let out = Output::begin()?;
    let copied = logs::copy(&cluster, &source, extent, &out).await;
    match copied.map_err(|error| cluster.explain(error, "reading the output"))? {
        Copied::Done | Copied::Unread => Ok(0),
        Copied::Missing => bail!("the pod {} is gone, and its output with it", source.pod),
    }
}

fn driver_source(application: &SparkApplication) -> Result<Source> {
    let status = application.status.clone().unwrap_or_default();
    let Some((pod, _)) = state_changes::driver(&status) else {
        let state = display::state_name(status.application_state.state);
        bail!("{} has no driver: its state is {state}; -f waits for one", application.name_any());
    };
    Ok(Source { pod: pod.to_owned(), container: DRIVER_CONTAINER })
}

async fn executor_source(cluster: &Cluster, name: &str, executor: u64) -> Result<Source> {
    let pods: Api<Pod> = cluster.api();
    let params = ListParams::default().labels(&format!("{APP_NAME}={name},{EXECUTOR_ID}"));
    let all = bounded(pods.list(&params)).await;
    let all = all.map_err(|error| cluster.explain(error, "listing executors"))?.items;
    let number = executor.to_string();
    let found = all.iter().find(|pod| pod.labels().get(EXECUTOR_ID) == Some(&number));
    if let Some(pod) = found {
        return Ok(Source { pod: pod.name_any(), container: EXECUTOR_CONTAINER });
    }
    let mut there: Vec<u64> =
        all.iter().filter_map(|pod| pod.labels().get(EXECUTOR_ID)?.parse().ok()).collect();
    there.sort_unstable();
    let there: Vec<String> = there.iter().map(ToString::to_string).collect();
    match there.as_slice() {
        [] => bail!("{name} has no executors"),
        there => bail!("{name} has no executor {executor}; it has {}", there.join(", ")),
    }
}

/// Deletes applications and everything they own. A missing one does not keep the others from being
/// deleted, but shows in the exit code.
pub(crate) async fn kill(place: &Place, names: &[String]) -> u8 {
    let mut code = 0;
    for name in names {
        match kill_one(place, name).await {
            Ok(message) => notify(&message),
            Err(error) => {
                notify(&format!("{error:#}"));
                code = 1;
            }
        }
    }
    code
}

async fn kill_one(place: &Place, name: &str) -> Result<String> {
    let cluster = named_cluster(place.clone(), name).await?;
    let application = find(&cluster, bare(name)).await?;
    delete(&cluster, &application).await?;
    Ok(format!("{}: deleted from namespace {}", application.name_any(), cluster.namespace))
}

/// `spark-submit` writes `NAMESPACE:NAME`.
async fn named_cluster(mut place: Place, name: &str) -> Result<Cluster> {
    if let Some((namespace, _)) = name.split_once(':') {
        place.namespace = Some(namespace.to_owned());
    }
    Cluster::find(&place).await
}

fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, name)| name)
}

/// An application, or an error that names the one that was probably meant.
async fn find(cluster: &Cluster, name: &str) -> Result<SparkApplication> {
    let applications: Api<SparkApplication> = cluster.api();
    let doing = format!("looking up {name}");
    match bounded(applications.get(name)).await {
        Ok(found) => Ok(found),
        Err(error) if error::is_missing(&error) => {
            // A user who may see one application may not be allowed to list all; then there is no
            // hint.
            let all = bounded(applications.list(&ListParams::default())).await;
            let all = all.map(|all| all.items).unwrap_or_default();
            let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
            bail!("{}", missing(name, &cluster.namespace, &names))
        }
        Err(error) => Err(cluster.explain(error, &doing)),
    }
}

fn missing(name: &str, namespace: &str, names: &[String]) -> String {
    let near = names
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near {
        Some((_, near)) => format!("; did you mean {near}?"),
        None => "; `firesteel list -A` shows applications in all namespaces".to_owned(),
    };
    format!("there is no application `{name}` in namespace {namespace}{hint}")
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_suggests_the_nearest_one() {
        let names = ["chapter15-0a1b2c".to_owned(), "pi".to_owned()];
        let check = |name: &str, expected: &str| {
            let text = missing(name, "jobs", &names);
            assert!(
                text.starts_with(&format!("there is no application `{name}` in namespace jobs"))
            );
            assert!(text.ends_with(expected), "{text}");
        };
        check("chapter15", "did you mean chapter15-0a1b2c?");
        check("pj", "in all namespaces");
        check("qqqq", "in all namespaces");
        assert_eq!((bare("a:b"), bare("b")), ("b", "b"));
    }
}
