//! The example manifests of `sparkoperator.k8s.io`, with only `apiVersion` and image changed, and
//! the pods created from them.

use crd::{Language, ScheduledSparkApplication, SparkApplication};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use operator::objects::{self, BuildContext, NewExecutor};
use operator::plan::Application;
use operator::schedule::ScheduledApplication;
use operator::{Settings, SubmissionId};
use serde_json::{Value, json};

const MANIFESTS: &str = include_str!("../../crates/crd/tests/manifests/accepted.yaml");

/// One of the manifests, with the fields that an API server adds.
fn manifest(name: &str) -> Value {
    let texts = MANIFESTS.split("\n---\n").map(serde_saphyr::from_str::<Value>);
    let mut all = texts.map(|manifest| manifest.expect("it is YAML"));
    let mut found = all
        .find(|manifest| manifest["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("there is no manifest {name}"));
    found["metadata"]["namespace"] = json!("default");
    found["metadata"]["uid"] = json!("uid-1");
    found["metadata"]["generation"] = json!(1);
    found
}

fn read(resource: &SparkApplication) -> Application {
    let app = Application::read(resource, &Settings::default());
    assert!(app.valid.is_ok(), "{:?}", app.valid);
    app
}

fn application(name: &str) -> Application {
    read(&serde_json::from_value(manifest(name)).expect("an application"))
}

/// The pods of the driver and of an executor.
fn pods(app: &Application) -> [Pod; 2] {
    let valid = app.validated().expect("it is right");
    let submission = SubmissionId::first(app.specification.clone());
    let context = BuildContext {
        app,
        valid,
        settings: &Settings::default(),
        submission: &submission,
        run: 1,
    };
    let executor =
        NewExecutor { id: 0, slot: 0, profile: model::ProfileId::DEFAULT, driver: "10.0.0.9" };
    [objects::driver_pod(&context), objects::executor_pod(&context, &executor)]
}

/// The pods as JSON values, which tests look up by pointer.
fn values(name: &str) -> [Value; 2] {
    pods(&application(name)).map(|pod| serde_json::to_value(pod).expect("a value"))
}

fn check(pod: &Value, expected: &[(&str, Value)]) {
    for (pointer, expected) in expected {
        let found = pod.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(found, expected, "{} {pointer}", pod["metadata"]["name"]);
    }
}

/// The element of a list that has a name.
fn named(list: &Value, name: &str) -> Value {
    let mut all = list.as_array().into_iter().flatten();
    all.find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}")).clone()
}

const ALL: &[&str] = &[
    "spark-pi",
    "spark-pi-configmap",
    "spark-pi-custom-resource",
    "spark-pi-dynamic-allocation",
    "spark-pi-emptydir",
    "spark-pi-kube-scheduler",
    "spark-pi-pod-template",
    "spark-pi-prometheus-servlet",
    "spark-pi-prometheus",
    "spark-pi-python",
    "spark-pi-ttl",
    "spark-pi-volcano",
    "spark-pi-yunikorn",
    "fail-submission",
];

#[test]
fn every_pod_has_the_names_that_others_look_for_and_the_restricted_rights() {
    for name in ALL {
        for (pod, role) in values(name).iter().zip(["driver", "executor"]) {
            let container = &pod["spec"]["containers"][0];
            let suffix = if role == "driver" { "driver" } else { "exec-0" };
            check(
                pod,
                &[
                    ("/metadata/name", json!(format!("{name}-{suffix}"))),
                    ("/metadata/namespace", json!("default")),
                    ("/metadata/labels/spark-role", json!(role)),
                    ("/metadata/ownerReferences/0/uid", json!("uid-1")),
                    ("/spec/containers/0/name", json!(format!("spark-kubernetes-{role}"))),
                    ("/spec/containers/0/image", json!("firesteel:test")),
                    ("/spec/restartPolicy", json!("Never")),
                    ("/spec/automountServiceAccountToken", json!(false)),
                    ("/spec/securityContext/runAsNonRoot", json!(true)),
                    ("/spec/securityContext/runAsUser", json!(185)),
                    ("/spec/securityContext/seccompProfile/type", json!("RuntimeDefault")),
                    ("/spec/hostNetwork", Value::Null),
                    ("/spec/hostPID", Value::Null),
                ],
            );
            let rights = &container["securityContext"];
            assert_eq!(rights["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(rights["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
            assert_eq!(rights["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(rights["privileged"], Value::Null, "{name}");
            for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
                let kinds: Vec<&String> = volume
                    .as_object()
                    .expect("a volume")
                    .keys()
                    .filter(|key| *key != "name")
                    .collect();
                assert!(kinds == ["emptyDir"] || kinds == ["configMap"], "{name}: {volume}");
            }
        }
    }
}

#[test]
fn the_first_example_is_ours_with_its_arguments() {
    for (name, arguments) in [("spark-pi", vec!["5000"]), ("spark-pi-emptydir", vec![])] {
        let app = application(name);
        let program = &app.validated().expect("it is right").program;
        assert_eq!(program.language, Language::SparkPi);
        assert_eq!(program.arguments, arguments);
    }
    let [driver, executor] = values("spark-pi");
    let common = [
        ("/metadata/labels/version", json!("4.0.4")),
        ("/spec/containers/0/imagePullPolicy", json!("IfNotPresent")),
        ("/spec/containers/0/resources/requests/cpu", json!("1")),
        ("/spec/containers/0/resources/requests/memory", json!("896Mi")),
        ("/spec/containers/0/resources/limits/memory", json!("896Mi")),
    ];
    check(&driver, &common);
    check(&executor, &common);
    check(&driver, &[("/spec/serviceAccountName", json!("spark-operator-spark"))]);
    let settings = named(&driver["spec"]["containers"][0]["env"], "FIRESTEEL_SETTINGS");
    let settings: Value =
        serde_json::from_str(settings["value"].as_str().expect("text")).expect("settings");
    assert_eq!(settings["program"]["file"], "/opt/firesteel/examples/pi.py");
    assert_eq!(settings["program"]["arguments"], json!(["5000"]));
    let image = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/pi.py");
    assert!(std::path::Path::new(image).exists(), "the image takes it from there");
}

#[test]
fn a_config_map_is_mounted_in_both_pods() {
    for pod in values("spark-pi-configmap") {
        let volume = named(&pod["spec"]["volumes"], "config-vol");
        assert_eq!(volume["configMap"]["name"], "test-configmap");
        let mount = named(&pod["spec"]["containers"][0]["volumeMounts"], "config-vol");
        assert_eq!(mount["mountPath"], "/opt/spark/config");
    }
    let [driver, _] = values("spark-pi-configmap");
    check(&driver, &[("/spec/containers/0/resources/limits/cpu", json!("1200m"))]);
}

#[test]
fn cpus_are_requested_and_limited_as_the_manifest_says() {
    let [driver, executor] = values("spark-pi-custom-resource");
    for (pod, request, limit) in [(driver, "0.5", "800m"), (executor, "1200m", "1500m")] {
        check(
            &pod,
            &[
                ("/spec/containers/0/resources/requests/cpu", json!(request)),
                ("/spec/containers/0/resources/limits/cpu", json!(limit)),
                ("/spec/containers/0/resources/requests/memory", json!("896Mi")),
            ],
        );
    }
    // A core is a slot, whatever CPU is requested for it.
    let app = application("spark-pi-custom-resource");
    assert_eq!(app.validated().expect("it is right").executor.cpu.slots, 1);
}

#[test]
fn an_empty_directory_in_memory_holds_shuffles() {
    for pod in values("spark-pi-emptydir") {
        let volume = named(&pod["spec"]["volumes"], "spark-local-dir-1");
        assert_eq!(volume["emptyDir"], json!({ "medium": "Memory", "sizeLimit": "1Gi" }));
        let mount = named(&pod["spec"]["containers"][0]["volumeMounts"], "spark-local-dir-1");
        assert_eq!(mount["mountPath"], "/datadir");
    }
    let [_, executor] = values("spark-pi-emptydir");
    let settings = named(&executor["spec"]["containers"][0]["env"], "FIRESTEEL_SETTINGS");
    let settings: Value =
        serde_json::from_str(settings["value"].as_str().expect("text")).expect("settings");
    assert_eq!(settings["volume"]["path"], "/datadir/firesteel-uid-1/shuffle-0");
}

#[test]
fn a_template_s_fields_are_in_the_pod_and_resources_are_the_manifest_s() {
    let [driver, executor] = values("spark-pi-pod-template");
    let container = &driver["spec"]["containers"][0];
    assert_eq!(named(&container["env"], "KEY0")["value"], "VALUE0");
    let from = &named(&container["env"], "KEY1")["valueFrom"];
    assert_eq!(from["configMapKeyRef"], json!({ "name": "test-configmap", "key": "KEY1" }));
    assert_eq!(
        container["envFrom"],
        json!([{ "configMapRef": { "name": "test-configmap-2" } }, { "secretRef": { "name": "test-secret-2" } }])
    );
    let port = named(&container["ports"], "custom-port");
    assert_eq!((&port["containerPort"], &port["protocol"]), (&json!(12345), &json!("TCP")));
    named(&container["ports"], "driver-rpc");
    check(
        &driver,
        &[
            ("/metadata/labels/spark.apache.org~1version", json!("4.0.0")),
            ("/spec/containers/0/resources/requests", json!({ "cpu": "1", "memory": "1024Mi" })),
            ("/spec/containers/0/resources/limits", json!({ "cpu": "1", "memory": "1024Mi" })),
            ("/spec/nodeSelector", json!({ "kubernetes.io/os": "linux" })),
            ("/spec/tolerations", json!([{ "operator": "Exists", "effect": "NoSchedule" }])),
            ("/spec/serviceAccountName", json!("spark-operator-spark")),
            (
                "/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm/topologyKey",
                json!("kubernetes.io/hostname"),
            ),
        ],
    );
    check(
        &executor,
        &[
            ("/spec/containers/0/resources/requests", json!({ "cpu": "1", "memory": "1536Mi" })),
            ("/spec/containers/0/resources/limits", json!({ "cpu": "1500m", "memory": "1536Mi" })),
        ],
    );
    let volume = named(&executor["spec"]["volumes"], "spark-local-dir-1");
    assert_eq!(volume["emptyDir"]["sizeLimit"], "100Mi");
    let mount = named(&executor["spec"]["containers"][0]["volumeMounts"], "spark-local-dir-1");
    assert_eq!(mount["mountPath"], "/mnt/disk1");
    // One volume for shuffles is enough.
    let names = executor["spec"]["volumes"].as_array().into_iter().flatten();
    assert!(names.into_iter().all(|volume| volume["name"] != "spark-local-dir-firesteel"));
}

#[test]
fn application_wide_fields_are_understood() {
    let dynamic = application("spark-pi-dynamic-allocation");
    let executors = dynamic.validated().expect("it is right").executors;
    assert_eq!((executors.initial, executors.min, executors.max), (2, 1, 5));
    let ttl = application("spark-pi-ttl");
    let valid = ttl.validated().expect("it is right");
    assert_eq!(valid.time_to_live.map(|time| time.as_secs()), Some(30));
    for runs in 1..=4 {
        let again = valid.restart.wait_after_failure(runs).map(|wait| wait.as_secs());
        assert_eq!(again, (runs <= 3).then(|| runs.into()));
    }
    let [driver, _] = values("spark-pi-prometheus-servlet");
    check(
        &driver,
        &[
            ("/metadata/annotations/prometheus.io~1scrape", json!("true")),
            ("/metadata/annotations/prometheus.io~1path", json!("/metrics/executors/prometheus/")),
        ],
    );
    let python = application("spark-pi-python");
    let file = "/opt/spark/examples/src/main/python/pi.py".to_owned();
    assert_eq!(
        python.validated().expect("it is right").program.language,
        Language::Python { file }
    );
    let [driver, _] = values("fail-submission");
    check(&driver, &[("/spec/serviceAccountName", json!("non-existent"))]);
}

#[test]
fn a_run_of_the_scheduled_example_is_the_first_example() {
    let resource: ScheduledSparkApplication =
        serde_json::from_value(manifest("spark-pi-scheduled")).expect("a schedule");
    let schedule = ScheduledApplication::read(&resource, &Settings::default());
    assert!(schedule.valid.is_ok(), "{:?}", schedule.valid);
    let due = Timestamp::from_second(1_783_555_200).expect("a time");
    let mut run = objects::scheduled_run(&schedule, due);
    let value = serde_json::to_value(&run).expect("a value");
    check(
        &value,
        &[
            ("/metadata/name", json!("spark-pi-scheduled-1783555200")),
            ("/metadata/labels/firesteel.dev~1scheduled-app-name", json!("spark-pi-scheduled")),
            ("/metadata/ownerReferences/0/kind", json!("ScheduledSparkApplication")),
            ("/metadata/ownerReferences/0/uid", json!("uid-1")),
        ],
    );
    run.metadata.uid = Some("uid-2".to_owned());
    let [driver, _] = pods(&read(&run)).map(|pod| pod.metadata.name.expect("a name"));
    assert_eq!(driver, "spark-pi-scheduled-1783555200-driver");
}
