//! Arguments of the commands for a cluster, and the choice of the cluster.

use crate::arguments::{DependencyArguments, SettingArguments};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Flags that choose a cluster and a namespace.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct PlaceArguments {
    /// Namespace; the context's by default.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig; the current one by default.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig; by default KUBECONFIG or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

impl PlaceArguments {
    fn is_given(&self) -> bool {
        self.namespace.is_some() || self.context.is_some() || self.kubeconfig.is_some()
    }
}

/// The same for commands that have no other settings.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArguments {
    /// The cluster: `k8s` is the kubeconfig's, `k8s://URL` has its API server at that address.
    #[arg(long, value_name = "MASTER")]
    pub master: Option<String>,
    #[command(flatten)]
    pub place: PlaceArguments,
}

impl ClusterArguments {
    /// Whether the flags clearly name a cluster.
    pub(crate) fn is_given(&self) -> bool {
        self.master.is_some() || self.place.is_given()
    }

    /// The cluster and namespace.
    pub(crate) fn place(&self) -> Result<Place> {
        let master = self.master.as_deref().unwrap_or(MASTER);
        Place::new(master, &self.place)
    }
}

/// Value of `--master` when a cluster is meant but none is named.
pub(crate) const MASTER: &str = "k8s";

/// A cluster and a namespace, as far as they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Address of the API server, overriding the kubeconfig's.
    pub url: Option<String>,
    pub namespace: Option<String>,
    pub context: Option<String>,
    pub kubeconfig: Option<PathBuf>,
}

impl Place {
    pub(crate) fn new(master: &str, given: &PlaceArguments) -> Result<Self> {
        let PlaceArguments { namespace, context, kubeconfig } = given.clone();
        Ok(Self { url: api_server(master)?, namespace, context, kubeconfig })
    }
}

/// The address in a master, if it has one. As in Spark, `https` is the default scheme.
fn api_server(master: &str) -> Result<Option<String>> {
    let Some(url) = master.strip_prefix("k8s") else {
        bail!(
            "master `{master}` is not a cluster; it must be k8s or k8s://URL, or for this machine local…"
        );
    };
    match url.strip_prefix("://") {
        None if url.is_empty() => Ok(None),
        Some("") | None => bail!("master `{master}` is not a cluster; it must be k8s or k8s://URL"),
        Some(url) if url.contains("://") => Ok(Some(url.to_owned())),
        Some(host) => Ok(Some(format!("https://{host}"))),
    }
}

/// Arguments of `submit`.
#[derive(Debug, Args)]
#[command(
    mut_arg("master", |arg| arg.help("The cluster: `k8s` (the default) is the kubeconfig's, `k8s://URL` has its API server at that address. With `local…` this is `firesteel run`")),
    mut_arg("deploy_mode", |arg| arg.help("Where the driver runs; in a cluster only `cluster`"))
)]
pub(crate) struct SubmitArguments {
    #[command(flatten)]
    pub settings: SettingArguments,
    #[command(flatten)]
    pub unsupported: UnsupportedFlags,
    /// CPUs of the driver.
    #[arg(long, value_name = "NUMBER")]
    pub driver_cores: Option<String>,
    /// Main class of a JVM program; only Spark's Pi example, `org.apache.spark.examples.SparkPi`,
    /// is supported.
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    #[command(flatten)]
    pub dependencies: DependencyArguments,
    /// Print the resource as YAML and create nothing.
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    pub dry_run: Option<DryRun>,
    /// Follow the program's output until it ends, and exit with its exit code (the default).
    #[arg(long, overrides_with = "no_wait")]
    pub wait: bool,
    /// Return as soon as the resource is created.
    #[arg(long)]
    pub no_wait: bool,
    /// Delete an application instead, as `firesteel kill` does.
    #[arg(long, value_name = "[NAMESPACE:]NAME", conflicts_with_all = ["file", "status", "dry_run"])]
    pub kill: Option<String>,
    /// Show an application instead, as `firesteel status` does.
    #[arg(long, value_name = "[NAMESPACE:]NAME", conflicts_with = "file")]
    pub status: Option<String>,
    /// The program or the manifest: a local file, which is sent along, or `local:///path`, which is
    /// in the image.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present_any = ["kill", "status"])]
    pub file: Option<String>,
    /// Arguments of the program.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    #[command(flatten)]
    pub place: PlaceArguments,
}

/// Extent of a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// Prints the resource.
    Client,
    /// Lets the API server check the resource without storing it.
    Server,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub cluster: ClusterArguments,
    /// List all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The application.
    pub name: String,
    #[command(flatten)]
    pub cluster: ClusterArguments,
    /// Follow the output until the application has ended.
    #[arg(short, long)]
    pub follow: bool,
    /// Show this executor's output instead of the driver's.
    #[arg(short, long, value_name = "NUMBER")]
    pub executor: Option<u64>,
    /// Only this many last lines.
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
}

/// Arguments of `kill`.
#[derive(Debug, Args)]
pub(crate) struct KillArguments {
    /// The applications.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// Flags of `spark-submit` that mean nothing without a JVM, YARN or Kerberos: parsed, so that they
/// are refused by name.
#[derive(Debug, Default, Args)]
pub(crate) struct UnsupportedFlags {
    #[arg(long, hide = true)]
    jars: Option<String>,
    #[arg(long, hide = true)]
    packages: Option<String>,
    #[arg(long, hide = true)]
    exclude_packages: Option<String>,
    #[arg(long, hide = true)]
    repositories: Option<String>,
    // Its value always starts with a hyphen.
    #[arg(long, hide = true, allow_hyphen_values = true)]
    driver_java_options: Option<String>,
    #[arg(long, hide = true)]
    driver_class_path: Option<String>,
    #[arg(long, hide = true)]
    driver_library_path: Option<String>,
    #[arg(long, hide = true)]
    proxy_user: Option<String>,
    #[arg(long, hide = true)]
    principal: Option<String>,
    #[arg(long, hide = true)]
    keytab: Option<String>,
    #[arg(long, hide = true)]
    queue: Option<String>,
    #[arg(long, hide = true)]
    total_executor_cores: Option<String>,
    #[arg(long, hide = true)]
    supervise: bool,
}

impl UnsupportedFlags {
    /// Refuses the first one that is given.
    pub(crate) fn refuse(&self) -> Result<()> {
        const JVM: &str = "there is no JVM";
        const KERBEROS: &str = "there is no Kerberos";
        let flags = [
            ("--jars", &self.jars, JVM),
            ("--packages", &self.packages, JVM),
            ("--exclude-packages", &self.exclude_packages, JVM),
            ("--repositories", &self.repositories, JVM),
            ("--driver-java-options", &self.driver_java_options, JVM),
            ("--driver-class-path", &self.driver_class_path, JVM),
            ("--driver-library-path", &self.driver_library_path, JVM),
            ("--proxy-user", &self.proxy_user, KERBEROS),
            ("--principal", &self.principal, KERBEROS),
            ("--keytab", &self.keytab, KERBEROS),
            ("--queue", &self.queue, "there is no YARN"),
            (
                "--total-executor-cores",
                &self.total_executor_cores,
                "use --num-executors and --executor-cores",
            ),
        ];
        match flags.iter().find(|(_, value, _)| value.is_some()) {
            Some((flag, _, why)) => bail!("{flag} is not supported: {why}"),
            None if self.supervise => bail!(
                "--supervise is not supported: a manifest's field spec.restartPolicy says whether a driver runs again"
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_cluster_is_parsed_as_in_spark() {
        let cases = [
            ("k8s", Some(None)),
            ("k8s://https://10.0.0.1:6443", Some(Some("https://10.0.0.1:6443"))),
            ("k8s://http://127.0.0.1:8001", Some(Some("http://127.0.0.1:8001"))),
            ("k8s://example.org:443", Some(Some("https://example.org:443"))),
            ("k8s://", None),
            ("k8s:", None),
            ("k8sx", None),
            ("local[2]", None),
            ("", None),
        ];
        for (master, expected) in cases {
            let read = api_server(master).ok();
            assert_eq!(read.as_ref().map(Option::as_deref), expected, "{master}");
        }
    }
}
