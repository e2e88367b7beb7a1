//! Submissions and the resources they become.

use super::*;

static NO_FILES: DependencyArguments = NONE;
const NONE: DependencyArguments =
    DependencyArguments { py_files: Vec::new(), files: Vec::new(), archives: Vec::new() };

fn request<'a>(conf: &[(&str, &str)], file: &'a str, place: &'a PlaceArguments) -> Request<'a> {
    Request {
        conf: conf.iter().copied().collect(),
        place,
        file,
        arguments: &[],
        dependencies: &NO_FILES,
        class: None,
        suffix: "0a1b2c".to_owned(),
    }
}

fn made(conf: &[(&str, &str)], file: &str) -> Result<Submission> {
    submission(request(conf, file, &PlaceArguments::default()))
}

#[test]
fn flags_and_settings_become_fields_and_the_rest_stays_settings() {
    let conf = [
        ("spark.master", "k8s://https://c:6443"),
        ("spark.submit.deployMode", "cluster"),
        ("spark.app.name", "My Pi (2)"),
        ("spark.driver.cores", "2"),
        ("spark.driver.memory", "2g"),
        ("spark.executor.cores", "4"),
        ("spark.executor.memory", "3g"),
        ("spark.executor.instances", "5"),
        ("spark.kubernetes.container.image", "i:1"),
        ("spark.kubernetes.namespace", "jobs"),
        ("spark.kubernetes.driver.pod.name", "pi-main"),
        ("spark.kubernetes.authenticate.driver.serviceAccountName", "spark"),
        ("spark.kubernetes.submission.waitAppCompletion", "false"),
        ("spark.kubernetes.driver.label.team", "a"),
        ("spark.dynamicAllocation.enabled", "true"),
        ("spark.dynamicAllocation.maxExecutors", "9"),
        ("spark.sql.shuffle.partitions", "7"),
        ("spark.submit.pyFiles", "local:///a.zip, local:///b.py"),
        ("spark.archives", "https://h/e.tar.gz#env"),
    ];
    let arguments = ["--rows".to_owned(), "5".to_owned()];
    let place = PlaceArguments { context: Some("mine".to_owned()), ..Default::default() };
    let asked = Request { arguments: &arguments, ..request(&conf, "local:///opt/pi.py", &place) };
    let made = submission(asked).unwrap();
    let expected = serde_json::json!({
        "apiVersion": "firesteel.dev/v1beta2",
        "kind": "SparkApplication",
        "metadata": { "name": "my-pi-2", "namespace": "jobs" },
        "spec": {
            "type": "Python",
            "mode": "cluster",
            "sparkVersion": "4.2.0",
            "image": "i:1",
            "mainApplicationFile": "local:///opt/pi.py",
            "arguments": ["--rows", "5"],
            "sparkConf": {
                "spark.app.name": "My Pi (2)",
                "spark.kubernetes.driver.label.team": "a",
                "spark.sql.shuffle.partitions": "7",
            },
            "driver": { "cores": 2, "memory": "2g", "podName": "pi-main", "serviceAccount": "spark" },
            "executor": { "cores": 4, "memory": "3g", "instances": 5 },
            "deps": {
                "pyFiles": ["local:///a.zip", "local:///b.py"],
                "archives": ["https://h/e.tar.gz#env"],
            },
            "dynamicAllocation": { "enabled": true, "maxExecutors": 9 },
        },
    });
    assert_eq!(serde_json::to_value(&made.application).unwrap(), expected);
    assert!(!made.wait);
    let place = Place {
        url: Some("https://c:6443".to_owned()),
        namespace: Some("jobs".to_owned()),
        context: Some("mine".to_owned()),
        kubeconfig: None,
    };
    assert_eq!(made.place, place);
    assert!(crd::validate(&made.application.spec, "jobs").is_ok());
    assert!(crd::unsupported(&made.application.spec).is_empty());
}

#[test]
fn a_local_program_is_sent_along_and_named_by_its_path_in_the_pod() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("Count words.py"), "").unwrap();
    std::fs::write(path("count.py"), "print()").unwrap();
    std::fs::write(path("more.py"), "").unwrap();
    assert!(made(&[], &path("Count words.py")).unwrap_err().to_string().contains("letters"));
    let more = DependencyArguments { py_files: vec![path("more.py")], ..NONE };
    let file = path("count.py");
    let place = PlaceArguments::default();
    let made = submission(Request { dependencies: &more, ..request(&[], &file, &place) }).unwrap();
    let spec = &made.application.spec;
    assert_eq!(made.application.metadata.name.as_deref(), Some("count-0a1b2c"));
    assert_eq!(
        spec.main_application_file.as_deref(),
        Some("local:///opt/firesteel/submitted/count.py")
    );
    assert_eq!(spec.deps.as_ref().unwrap().py_files, ["local:///opt/firesteel/submitted/more.py"]);
    let mount = &spec.driver.pod.config_maps[0];
    assert_eq!(
        (mount.name.as_str(), mount.path.as_str()),
        ("submitted-0a1b2c", "/opt/firesteel/submitted")
    );
    let object = made.files.object(None).unwrap();
    assert_eq!(object.metadata.name.as_deref(), Some(mount.name.as_str()));
    assert_eq!(object.binary_data.unwrap()["count.py"].0, b"print()");
    assert!(made.wait);
    assert!(crd::validate(spec, "default").is_ok());
}

#[test]
fn settings_override_a_manifest_and_the_rest_of_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.yaml");
    let text = include_str!("../../../../examples/chapter15.yaml");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let conf = [
        ("spark.app.name", "other"),
        ("spark.executor.instances", "7"),
        ("spark.default.parallelism", "2"),
    ];
    let made = made(&conf, file).unwrap();
    let mut expected = read_manifest(Path::new(file)).unwrap();
    expected.metadata.name = Some("other".to_owned());
    expected.spec.executor.instances = Some(7);
    expected.spec.spark_conf.insert("spark.default.parallelism".to_owned(), "2".to_owned());
    expected.spec.spark_conf.insert("spark.app.name".to_owned(), "other".to_owned());
    assert_eq!(made.application, expected);
    let jobs = PlaceArguments { namespace: Some("jobs".to_owned()), ..Default::default() };
    let there = submission(request(&[], file, &jobs)).unwrap();
    assert_eq!(there.application.metadata.namespace.as_deref(), Some("jobs"));
    std::fs::write(file, text.replace("metadata:\n", "metadata:\n  namespace: night\n")).unwrap();
    let place = PlaceArguments::default();
    let night = submission(request(&[], file, &place)).unwrap();
    assert_eq!(night.place.namespace.as_deref(), Some("night"));
    let two = submission(request(&[], file, &jobs)).unwrap_err().to_string();
    assert_eq!(two, "the manifest sets the namespace night, but --namespace sets jobs");
    let arguments = ["x".to_owned()];
    for wrong in [
        Request { arguments: &arguments, ..request(&[], file, &place) },
        Request { class: Some("C"), ..request(&[], file, &place) },
    ] {
        assert!(submission(wrong).unwrap_err().to_string().contains("belong"));
    }
}

#[test]
fn spark_s_first_example_needs_no_jar() {
    let place = PlaceArguments::default();
    let class = Some("org.apache.spark.examples.SparkPi");
    let jar = "local:///opt/spark/examples/jars/spark-examples.jar";
    let made = submission(Request { class, ..request(&[], jar, &place) }).unwrap();
    assert_eq!(made.application.metadata.name.as_deref(), Some("spark-examples-0a1b2c"));
    assert!(crd::validate(&made.application.spec, "default").is_ok());
}

#[test]
fn unsupported_submissions_are_refused_by_name() {
    let pi = "local:///pi.py";
    let cases: &[(&[(&str, &str)], &str, &str)] = &[
        (&[("spark.master", "yarn")], pi, "master `yarn` is not a cluster"),
        (&[("spark.submit.deployMode", "client")], pi, "it must be cluster"),
        (&[("spark.executor.instances", "many")], pi, "setting spark.executor.instances: `many`"),
        (&[("spark.dynamicAllocation.enabled", "yes")], pi, "neither true nor false"),
        (&[("spark.kubernetes.submission.waitAppCompletion", "no")], pi, "neither true nor false"),
        (&[], "local:///pi.R", "not a program"),
        (&[], "local:///pi.jar", "needs --class"),
        (&[], "missing.py", "missing.py: no such file"),
        (&[], "missing.yaml", "missing.yaml"),
        (&[], "https://example.org/pi.py", "nothing is downloaded"),
        (&[("spark.submit.pyFiles", "s3://b/a.py")], pi, "nothing is downloaded"),
    ];
    for (conf, file, expected) in cases {
        let problem = format!("{:#}", made(conf, file).unwrap_err());
        assert!(problem.contains(expected), "{problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
}

#[test]
fn any_name_becomes_a_valid_resource_name() {
    let long = "x".repeat(80);
    let cases = [
        ("pi", "pi"),
        ("My Pi (2)", "my-pi-2"),
        ("__a__b", "a-b"),
        ("15 chapters", "app-15-chapters"),
        ("Überblick", "berblick"),
        ("日本", "app"),
        ("", "app"),
        (long.as_str(), &long[..63]),
    ];
    for (given, expected) in cases {
        assert_eq!(resource_name(given, MAX_NAME_LENGTH), expected, "{given}");
    }
    assert_eq!(resource_name("abc-def", 4), "abc");
}
