//! A `SparkApplication` manifest run on this machine: the fields that apply here, and notes for
//! those that only matter on Kubernetes.

use crate::application::{Application, Program};
use anyhow::{Context, Result, bail};
use crd::{FieldPath, Language, Problem, SparkApplication, SparkApplicationSpec};
use model::conf;
use model::launch::Dependencies;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Fields of a specification that apply here. All others matter on Kubernetes only.
const SPEC: &[&str] = &[
    "type",
    "sparkVersion",
    "mode",
    "mainApplicationFile",
    "arguments",
    "sparkConf",
    "hadoopConf",
    "driver",
    "executor",
    "deps",
    "pythonVersion",
];
/// The same for driver and executors.
const ROLE: &[&str] = &["cores", "memory", "instances"];
/// The same for a program's dependencies.
const DEPS: &[&str] = &["pyFiles", "files", "archives"];

/// Reads a manifest file as a cluster would.
pub(crate) fn read_manifest(path: &Path) -> Result<SparkApplication> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    crd::read_manifest(&text).with_context(|| format!("{shown}"))
}

/// Reads a manifest file, to run it here.
pub(crate) fn read(path: &Path) -> Result<Application> {
    let directory = path.parent().unwrap_or(Path::new("."));
    application(read_manifest(path)?, directory).with_context(|| format!("{}", path.display()))
}

/// The application of a resource whose manifest is in a directory.
fn application(resource: SparkApplication, directory: &Path) -> Result<Application> {
    let SparkApplication { metadata, mut spec, .. } = resource;
    let mut notes = elsewhere(&spec)?;
    // The driver runs here whatever the mode is, and where executors run is set as on the command
    // line.
    spec.mode = None;
    let master = spec.spark_conf.remove(conf::MASTER.name);
    // The rules for a cluster do not apply to dependencies.
    let mut deps = spec.deps.take().unwrap_or_default();
    let others = [&mut deps.py_files, &mut deps.files, &mut deps.archives].into_iter().flatten();
    for file in spec.main_application_file.iter_mut().chain(others) {
        *file = located(file, directory, &mut notes)?;
    }
    let dependencies =
        Dependencies { py_files: deps.py_files, files: deps.files, archives: deps.archives };
    let namespace = spec.spark_conf.get("spark.kubernetes.namespace").cloned();
    let namespace = metadata.namespace.or(namespace).unwrap_or_default();
    let valid = match crd::validate(&spec, &namespace) {
        Ok(valid) => valid,
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
            bail!("{}", problems.join("; "))
        }
    };
    let (Language::Python { file } | Language::Sql { file }) = valid.program.language else {
        bail!(
            "spec.type: this example exists only in the image; examples/pi.py is the same program"
        )
    };
    let mut conf = valid.settings;
    notes.extend(
        spec.spark_conf
            .keys()
            .filter(|key| conf.given(key).is_none())
            .map(|key| note(&FieldPath::new("spec.sparkConf").key(key))),
    );
    if conf.given(conf::APP_NAME.name).is_none() {
        let name = metadata.name.or(metadata.generate_name).unwrap_or_default();
        conf.set(conf::APP_NAME.name, name);
    }
    let executor = &valid.executor;
    let memory = executor.memory.program.0 >> 20;
    let all = format!("local-cluster[{},{},{memory}]", valid.executors.initial, executor.cpu.slots);
    conf.set(conf::MASTER.name, master.unwrap_or(all));
    let program =
        Program { file: PathBuf::from(file), arguments: valid.program.arguments, name: None };
    Ok(Application { dependencies, notes, ..Application::of(program, conf) })
}

/// A note for each set field that has no effect here.
fn elsewhere(spec: &SparkApplicationSpec) -> Result<Vec<String>> {
    let spec = serde_json::to_value(spec)?;
    let at = FieldPath::new("spec");
    let mut notes = Vec::new();
    let mut look = |value: &Value, at: &FieldPath, served: &[&str]| {
        let fields = value.as_object().into_iter().flatten();
        let others = fields.filter(|(name, _)| !served.contains(&name.as_str()));
        notes.extend(others.map(|(name, _)| note(&at.field(name))));
    };
    look(&spec, &at, SPEC);
    for (name, served) in [("driver", ROLE), ("executor", ROLE), ("deps", DEPS)] {
        look(&spec[name], &at.field(name), served);
    }
    Ok(notes)
}

fn note(field: &FieldPath) -> String {
    format!("{field} only has an effect on Kubernetes")
}

/// The path of a manifest's file on this machine: `local://` and `file://` are absolute, others are
/// relative to the manifest. A file that only the image has is looked for beside the manifest. A
/// remote file is returned as it is, and refused later.
fn located(file: &str, directory: &Path, notes: &mut Vec<String>) -> Result<String> {
    let plain =
        file.strip_prefix("local://").or_else(|| file.strip_prefix("file://")).unwrap_or(file);
    if plain.contains("://") {
        return Ok(plain.to_owned());
    }
    let path = directory.join(plain);
    let beside = Path::new(plain).file_name().map(|name| directory.join(name));
    let found = match beside.filter(|beside| !path.exists() && beside.exists()) {
        Some(beside) => {
            notes.push(format!(
                "{plain} does not exist on this machine; using {}",
                beside.display()
            ));
            beside
        }
        None => path,
    };
    let Ok(found) = std::path::absolute(found)?.into_os_string().into_string() else {
        bail!("{file}: the path of the manifest is not UTF-8")
    };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: firesteel.dev/v1beta2
kind: SparkApplication
metadata: {name: pi}
spec:
  type: Python
  mode: client
  sparkVersion: 4.2.0
  image: firesteel:1
  mainApplicationFile: pi.py
  arguments: [\"10\", 20]
  sparkConf: {spark.sql.shuffle.partitions: 3, spark.sql.ansi.enabled: false, spark.kubernetes.driver.label.team: a}
  deps: {pyFiles: [more.zip, \"https://h/a.py\"], archives: [\"e.tar.gz#env\"], jars: [local:///a.jar]}
  driver: {cores: 1, memory: 512m, serviceAccount: spark}
  executor: {instances: 3, cores: 2, memory: 1g, env: [{name: A, value: b}]}
";

    fn run(text: &str) -> Result<Application> {
        application(crd::read_manifest(text)?, Path::new("/dir"))
    }

    #[test]
    fn a_manifest_becomes_an_application() {
        let application = run(GOOD).unwrap();
        let program = application.program.unwrap();
        assert_eq!(program.file, Path::new("/dir/pi.py"));
        assert_eq!(program.arguments, ["10", "20"]);
        assert_eq!(application.dependencies.py_files, ["/dir/more.zip", "https://h/a.py"]);
        assert_eq!(application.dependencies.archives, ["/dir/e.tar.gz#env"]);
        assert_eq!(application.modules, [Path::new("/dir")]);
        for (key, expected) in [
            ("spark.master", "local-cluster[3,2,1024]"),
            ("spark.app.name", "pi"),
            ("spark.driver.memory", "512m"),
            ("spark.executor.instances", "3"),
            ("spark.sql.shuffle.partitions", "3"),
            ("spark.sql.ansi.enabled", "false"),
        ] {
            assert_eq!(application.conf.given(key), Some(expected), "{key}");
        }
        let fields: Vec<&str> =
            application.notes.iter().filter_map(|note| note.split_whitespace().next()).collect();
        assert_eq!(
            fields,
            [
                "spec.image",
                "spec.driver.serviceAccount",
                "spec.executor.env",
                "spec.deps.jars",
                "spec.sparkConf[spark.kubernetes.driver.label.team]",
            ]
        );
        assert!(application.notes[0].ends_with(" only has an effect on Kubernetes"));
    }

    #[test]
    fn settings_of_the_manifest_take_precedence_over_its_name_and_its_executors() {
        let given = "sparkConf: {spark.master: \"local[2]\", spark.app.name: other, ";
        let application = run(&GOOD.replace("sparkConf: {", given)).unwrap();
        assert_eq!(application.conf.given("spark.master"), Some("local[2]"));
        assert_eq!(application.conf.given("spark.app.name"), Some("other"));
    }

    #[test]
    fn problems_are_reported_in_one_line_that_names_the_field() {
        let cases = [
            (
                "mainApplicationFile",
                "mainAplicationFile",
                "spec.mainAplicationFile: there is no such field; did you mean `mainApplicationFile`?",
            ),
            ("instances: 3", "instances: none", "spec.executor.instances: invalid type"),
            ("instances: 3", "instances: -3", "spec.executor.instances: must not be negative"),
            ("type: Python", "type: Scala", "spec.type: there is no JVM"),
            ("memory: 512m", "memory: lots", "spec.driver.memory: `lots` is not a size"),
            ("  mainApplicationFile: pi.py\n", "", "spec.mainApplicationFile: is missing"),
            ("pi.py", "s3a://bucket/pi.py", "nothing is downloaded"),
            ("pi.py", "pi.sql", "spec.mainApplicationFile: `/dir/pi.sql` is not a `.py` file"),
            ("partitions: 3", "partitions: few", "spec.sparkConf[spark.sql.shuffle.partitions]"),
            (
                "type: Python",
                "type: Scala\n  mainClass: org.apache.spark.examples.SparkPi",
                "examples/pi.py is the same program",
            ),
        ];
        for (from, to, expected) in cases {
            let problem = format!("{:#}", run(&GOOD.replace(from, to)).unwrap_err());
            assert!(problem.contains(expected), "{problem}\n{expected}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }

    #[test]
    fn a_file_that_only_the_image_has_is_taken_from_beside_the_manifest() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pi.py");
        std::fs::write(&file, "").unwrap();
        let mut notes = Vec::new();
        let mut found = |text: &str| located(text, directory.path(), &mut notes).unwrap();
        assert_eq!(found("local:///opt/no/such/pi.py"), file.to_str().unwrap());
        assert_eq!(found("pi.py"), file.to_str().unwrap());
        assert_eq!(found("local:///opt/no/such/other.py"), "/opt/no/such/other.py");
        assert_eq!(notes.len(), 1, "{notes:?}");
    }
}
