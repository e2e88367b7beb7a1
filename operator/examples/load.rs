//! Measures the operator: applications whose program does nothing, against a real API server. This
//! program plays the nodes: a driver's pod runs as soon as it is created, and succeeds.
//!
//!     ./dev bench-operator 1000
//!
//! It reports the time from an application's creation until its driver's pod exists, first with one
//! application at a time, then with all at once; how many applications end per minute; how long a
//! pass takes; and how much memory the operator uses.

use anyhow::{Context, Result, bail};
use crd::{SparkApplication, State};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const NAMESPACE: &str = "load";
/// Number of this program's concurrent requests.
const REQUESTS: usize = 32;
/// Number of applications created one at a time.
const ALONE: u32 = 50;
const PATIENCE: Duration = Duration::from_mins(15);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let operator = arguments.next().context("usage: load OPERATOR [APPLICATIONS]")?;
    let count: u32 = arguments.next().map_or(Ok(1000), |count| count.parse())?;
    let client = Client::try_default().await?;
    prepare(&client).await?;
    let mut operator = Operator::start(&operator)?;
    operator.ready().await?;
    let outcome = async {
        alone(&client).await?;
        measure(&client, &mut operator, count).await
    };
    let outcome = outcome.await;
    let namespaces: Api<Namespace> = Api::all(client);
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
    outcome
}

async fn prepare(client: &Client) -> Result<()> {
    for definition in crd::definitions() {
        let gvk = kube::core::GroupVersionKind::gvk(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
        );
        let kind = kube::core::ApiResource::from_gvk(&gvk);
        let api: Api<kube::core::DynamicObject> = Api::all_with(client.clone(), &kind);
        let name =
            definition.object["metadata"]["name"].as_str().context("a definition has a name")?;
        let how = PatchParams::apply("load").force();
        api.patch(name, &how, &Patch::Apply(&definition.object)).await?;
    }
    let namespace = json!({ "metadata": { "name": NAMESPACE } });
    let api: Api<Namespace> = Api::all(client.clone());
    match api.create(&PostParams::default(), &serde_json::from_value(namespace)?).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            bail!("namespace {NAMESPACE} already exists")
        }
        Err(error) => return Err(error.into()),
    }
    let applications: Api<SparkApplication> = Api::namespaced(client.clone(), NAMESPACE);
    within(Duration::from_secs(30), async || {
        applications.list(&ListParams::default()).await.is_ok()
    })
    .await
}

/// Times at which applications and pods were seen, counted from the first creation.
#[derive(Default)]
struct Seen {
    made: HashMap<String, Duration>,
    driver: HashMap<String, Duration>,
}

/// One application after another.
async fn alone(client: &Client) -> Result<()> {
    let applications: Api<SparkApplication> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let mut took = Vec::new();
    for number in 0..ALONE {
        let mut application = application(number)?;
        let name = format!("alone-{number}");
        application.metadata.name = Some(name.clone());
        applications.create(&PostParams::default(), &application).await?;
        let began = Instant::now();
        let pod = format!("{name}-driver");
        let deadline = began + Duration::from_secs(10);
        while pods.get_metadata_opt(&pod).await?.is_none() {
            if Instant::now() > deadline {
                bail!("no pod {pod}");
            }
        }
        took.push(began.elapsed());
        applications.delete(&name, &DeleteParams::default()).await?;
    }
    writeln!(
        std::io::stdout(),
        "from created to driver's pod, one at a time: {}",
        quantiles(took)
    )?;
    Ok(())
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    format!("p50 {:.1?}, p99 {:.1?}", at(50), at(99))
}

/// The histogram bucket bound that covers this fraction of the observations.
fn bound(metrics: &str, name: &str, part: f64) -> Option<String> {
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    let count =
        metrics.lines().find(|line| line.starts_with(&format!("{name}_count"))).and_then(value)?;
    let bucket = format!("{name}_bucket");
    let mut buckets = metrics.lines().filter(|line| line.starts_with(&bucket));
    let line = buckets.find(|line| value(line).is_some_and(|below| below >= count * part))?;
    Some(line.split('"').nth(1)?.to_owned())
}

async fn measure(client: &Client, operator: &mut Operator, count: u32) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let began = Instant::now();
    let mut seen = Seen::default();
    let playing = tokio::spawn(play_nodes(pods, began, count));
    let applications: Api<SparkApplication> = Api::namespaced(client.clone(), NAMESPACE);
    let made: Vec<(String, Duration)> = stream::iter(0..count)
        .map(|number| {
            let applications = applications.clone();
            async move {
                let application = application(number)?;
                applications.create(&PostParams::default(), &application).await?;
                anyhow::Ok((application.name_any(), began.elapsed()))
            }
        })
        .buffer_unordered(REQUESTS)
        .try_collect()
        .await?;
    seen.made.extend(made);
    seen.driver = tokio::time::timeout(PATIENCE, playing)
        .await
        .context("not all drivers were created")???;
    let ended = tokio::time::timeout(PATIENCE, completed(applications, count)).await;
    ended.context("not all applications completed")??;
    let took = began.elapsed();
    operator.still_runs()?;
    report(&seen, took, count, operator).await
}

/// Waits until so many applications have completed.
async fn completed(applications: Api<SparkApplication>, count: u32) -> Result<()> {
    let events = watcher(applications, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    let mut ended = HashSet::new();
    while ended.len() < count as usize {
        let Some(event) = events.next().await else { bail!("the watch on applications ended") };
        let (Event::Apply(app) | Event::InitApply(app)) = event? else { continue };
        let state = app.status.as_ref().map(|status| status.application_state.state);
        if state == Some(State::Completed) {
            ended.insert(app.name_any());
        }
    }
    Ok(())
}

async fn report(seen: &Seen, took: Duration, count: u32, operator: &Operator) -> Result<()> {
    let latencies = seen.driver.iter();
    let latencies =
        latencies.filter_map(|(name, driver)| Some(driver.saturating_sub(*seen.made.get(name)?)));
    let rate = f64::from(count) / took.as_secs_f64() * 60.0;
    let metrics = operator.get("/metrics").await?;
    let pass = |part| bound(&metrics, "firesteel_operator_pass_seconds", part).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{count} applications at once in {:.1} s: {rate:.0} per minute",
        took.as_secs_f64()
    )?;
    writeln!(out, "from created to driver's pod: {}", quantiles(latencies.collect()))?;
    writeln!(out, "a pass: p50 below {} s, p99 below {} s", pass(0.5), pass(0.99))?;
    writeln!(out, "memory of the operator: {} MiB", operator.resident_kib()? >> 10)?;
    Ok(())
}

/// An application whose program does nothing.
fn application(number: u32) -> Result<SparkApplication> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "firesteel.dev/v1beta2",
        "kind": "SparkApplication",
        "metadata": { "name": format!("load-{number}"), "namespace": NAMESPACE },
        "spec": {
            "type": "Python",
            "mode": "cluster",
            "sparkVersion": "4.2.0",
            "image": "nothing:1",
            "mainApplicationFile": "local:///nothing.py",
            "driver": { "cores": 1, "memory": "512m" },
            "executor": { "instances": 1, "cores": 1, "memory": "512m" },
        },
    }))?)
}

/// Lets each driver's pod run and succeed. Returns when each was first seen.
async fn play_nodes(
    pods: Api<Pod>,
    began: Instant,
    count: u32,
) -> Result<HashMap<String, Duration>> {
    let events = watcher(pods.clone(), watcher::Config::default().labels("spark-role=driver"))
        .default_backoff();
    let mut events = std::pin::pin!(events);
    let mut seen = HashMap::new();
    let mut playing = tokio::task::JoinSet::new();
    while seen.len() < count as usize {
        let Some(event) = events.next().await else { bail!("the watch on pods ended") };
        let (Event::Apply(pod) | Event::InitApply(pod)) = event? else { continue };
        let name = pod.name_any();
        let app = name.trim_end_matches("-driver").to_owned();
        if seen.contains_key(&app) || !app.starts_with("load-") {
            continue;
        }
        seen.insert(app, began.elapsed());
        let pods = pods.clone();
        playing.spawn(async move {
            let running = json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } });
            let ended = json!({ "terminated": { "exitCode": 0, "reason": "Completed" } });
            for (phase, state) in [("Running", running), ("Succeeded", ended)] {
                let container = json!({
                    "name": "spark-kubernetes-driver", "image": "nothing:1", "imageID": "", "ready": false, "restartCount": 0,
                    "state": state,
                });
                let status = json!({ "status": { "phase": phase, "containerStatuses": [container] } });
                pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(played) = playing.join_next().await {
        played??;
    }
    Ok(seen)
}

async fn within(patience: Duration, mut done: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !done().await {
        if Instant::now() > deadline {
            bail!("nothing within {patience:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The operator's process.
struct Operator {
    child: Child,
    address: String,
}

impl Operator {
    fn start(program: &str) -> Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let child = Command::new(program)
            .args(["--listen", &address, "--namespaces", NAMESPACE])
            .env("FIRESTEEL_LOG", "warn")
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        Ok(Self { child, address })
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.get("/readyz").await.ok().as_deref() != Some("ok") {
            self.still_runs()?;
            if Instant::now() > deadline {
                bail!("the operator is not ready");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the operator ended: {status}"),
            None => Ok(()),
        }
    }

    /// The body of an HTTP answer.
    async fn get(&self, path: &str) -> Result<String> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(&self.address).await?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: operator\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.split_once("\r\n\r\n").context("an answer has a body")?.1.to_owned())
    }

    fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("the kernel reports its memory")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
