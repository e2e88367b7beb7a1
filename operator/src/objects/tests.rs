//! Objects built from manifests.

use super::*;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use serde_json::{Value, json};

mod parts;
mod rights;

fn settings() -> Settings {
    Settings { image: Some("firesteel:default".into()), ..Settings::default() }
}

fn app(spec: Value) -> Application {
    let mut whole = json!({
        "type": "Python", "sparkVersion": "4.2.0", "mainApplicationFile": "local:///opt/app.py",
        "driver": {}, "executor": {},
    });
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let resource = serde_json::from_value(json!({
        "apiVersion": "firesteel.dev/v1beta2", "kind": "SparkApplication",
        "metadata": { "name": "pi", "namespace": "jobs", "uid": "12-34", "generation": 1 },
        "spec": whole,
    }))
    .unwrap();
    let app = Application::read(&resource, &settings());
    assert_eq!(app.valid.as_ref().err(), None, "{spec}");
    app
}

fn with_context<T>(app: &Application, look: impl FnOnce(&BuildContext<'_>) -> T) -> T {
    let submission = "0123456789abcdef-3".parse().unwrap();
    let valid = app.validated().unwrap();
    look(&BuildContext { app, valid, settings: &settings(), submission: &submission, run: 1 })
}

fn driver(spec: Value) -> Pod {
    with_context(&app(spec), driver_pod)
}

fn executor(spec: Value) -> Pod {
    let executor = NewExecutor { id: 7, slot: 2, profile: ProfileId::DEFAULT, driver: "10.0.0.9" };
    with_context(&app(spec), |context| executor_pod(context, &executor))
}

fn spec(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().unwrap()
}

fn spark(pod: &Pod) -> &Container {
    &spec(pod).containers[0]
}

fn env<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let all = spark(pod).env.as_ref().unwrap();
    all.iter().find(|variable| variable.name == name)?.value.as_deref()
}

fn settings_of(pod: &Pod) -> Value {
    serde_json::from_str(env(pod, "FIRESTEEL_SETTINGS").unwrap()).unwrap()
}

#[test]
fn the_driver_of_a_minimal_manifest() {
    let pod = driver(json!({}));
    let value = serde_json::to_value(&pod).unwrap();
    assert_eq!(
        value["metadata"],
        json!({
            "name": "pi-driver", "namespace": "jobs",
            "labels": {
                "firesteel.dev/app-name": "pi",
                "firesteel.dev/encrypted": "false", "firesteel.dev/launched-by-spark-operator": "true",
                "firesteel.dev/submission-id": "0123456789abcdef-3",
                "spark-app-selector": "spark-1234", "spark-role": "driver", "spark-version": "4.2.0",
            },
            "ownerReferences": [{
                "apiVersion": "firesteel.dev/v1beta2", "kind": "SparkApplication",
                "name": "pi", "uid": "12-34", "controller": true,
            }],
        })
    );
    let mut rest = value["spec"].clone();
    let mut container = rest["containers"][0].take();
    let variables = container["env"].take();
    assert_eq!(
        container,
        json!({
            "name": "spark-kubernetes-driver", "image": "firesteel:default", "args": ["driver", "env"], "env": null,
            "ports": [{ "name": "driver-rpc", "containerPort": 7078, "protocol": "TCP" }],
            "resources": { "requests": { "cpu": "1", "memory": "1433Mi" }, "limits": { "memory": "1433Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                "readOnlyRootFilesystem": true, "runAsNonRoot": true,
            },
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [
                { "name": "spark-local-dir-firesteel", "mountPath": "/var/data/spark-local-dir" },
                { "name": "firesteel-tmp", "mountPath": "/tmp" },
            ],
        })
    );
    assert_eq!(
        rest,
        json!({
            "containers": [null], "restartPolicy": "Never",
            "automountServiceAccountToken": false, "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 185, "runAsGroup": 185, "fsGroup": 185,
                "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
            },
            "volumes": [
                { "name": "spark-local-dir-firesteel", "emptyDir": {} }, { "name": "firesteel-tmp", "emptyDir": {} },
            ],
        })
    );
    let names: Vec<_> =
        variables.as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["HOME", "FIRESTEEL_TOKEN", "FIRESTEEL_POD_IP", "FIRESTEEL_SETTINGS"]);
    assert_eq!(
        variables[1]["valueFrom"],
        json!({ "secretKeyRef": { "name": "pi-token", "key": "token" } })
    );
}

#[test]
fn encrypted_connections_give_both_sides_the_identity() {
    let manifest = json!({ "sparkConf": { "spark.ssl.rpc.enabled": "true" } });
    let encrypted =
        |pod: &Pod| pod.metadata.labels.clone().unwrap().remove("firesteel.dev/encrypted");
    for pod in [driver(manifest.clone()), executor(manifest.clone())] {
        let variables = serde_json::to_value(&spark(&pod).env).unwrap();
        let mut variables = variables.as_array().unwrap().iter();
        let identity = variables.find(|one| one["name"] == "FIRESTEEL_IDENTITY").unwrap();
        let expected = json!({ "secretKeyRef": { "name": "pi-token", "key": "identity" } });
        assert_eq!(identity["valueFrom"], expected);
        // Kubernetes expands it only in variables that come after it.
        assert!(variables.any(|one| one["name"] == "FIRESTEEL_SETTINGS"));
        assert_eq!(settings_of(&pod)["identity"], "$(FIRESTEEL_IDENTITY)");
    }
    assert_eq!(encrypted(&driver(manifest)).as_deref(), Some("true"));
    assert_eq!(settings_of(&driver(json!({})))["identity"], Value::Null);
}

#[test]
fn shuffles_are_removed_after_the_last_run_unless_they_are_kept() {
    let claim = |retain: &str| {
        let prefix = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1";
        json!({ "sparkConf": {
            format!("{prefix}.mount.path"): "/data", format!("{prefix}.options.claimName"): "OnDemand",
            format!("{prefix}.options.sizeLimit"): "1Gi", "firesteel.kubernetes.claims.retain": retain,
        } })
    };
    let policy = |type_: &str| json!({ "restartPolicy": { "type": type_, "onFailureRetries": 1 } });
    let retain = |when: &str| json!({ "sparkConf": { "firesteel.shuffle.retain": when } });
    for (manifest, run, expected) in [
        (json!({}), 1, "after-each-end"),
        (policy("Never"), 1, "after-each-end"),
        (policy("OnFailure"), 1, "after-success"),
        (policy("OnFailure"), 2, "after-each-end"),
        (policy("Always"), 1, "never"),
        (claim("never"), 1, "after-each-end"),
        (claim("always"), 1, "never"),
        (retain("never"), 1, "after-each-end"),
        (retain("onFailure"), 1, "after-success"),
        (retain("always"), 1, "never"),
    ] {
        let pod = with_context(&app(manifest.clone()), |context| {
            driver_pod(&BuildContext { run, ..*context })
        });
        assert_eq!(settings_of(&pod)["forget"], expected, "{manifest} {run}");
    }
}

#[test]
fn executors_say_how_long_others_are_to_keep_their_application_s_directory() {
    let on = |volume: Value, conf: Value| {
        let mut volume = volume;
        volume["name"] = json!("spark-local-dir-1");
        let mounts = json!([{ "name": "spark-local-dir-1", "mountPath": "/data" }]);
        json!({ "volumes": [volume], "executor": { "volumeMounts": mounts }, "sparkConf": conf })
    };
    let nfs = |conf: Value| on(json!({ "nfs": { "server": "s", "path": "/p" } }), conf);
    let home = |seconds: Value| json!({ "path": "/data/firesteel-12-34", "keep_seconds": seconds });
    for (manifest, expected) in [
        (json!({}), Value::Null),
        (nfs(json!({})), home(json!(86400))),
        (nfs(json!({ "firesteel.shuffle.retain": "onFailure" })), home(Value::Null)),
        (nfs(json!({ "firesteel.shuffle.retain.time": "2h" })), home(json!(7200))),
        (
            nfs(
                json!({ "firesteel.shuffle.retain": "always", "firesteel.shuffle.retain.time": "7d" }),
            ),
            home(json!(7 * 86400)),
        ),
        (on(json!({ "hostPath": { "path": "/mnt" } }), json!({})), home(json!(86400))),
        (
            nfs(json!({ "firesteel.shuffle.share": "team" })),
            json!({ "path": "/data/firesteel-12-34", "keep_seconds": 86400, "group": "team" }),
        ),
    ] {
        assert_eq!(settings_of(&executor(manifest.clone()))["home"], expected, "{manifest}");
    }
}

#[test]
fn driver_and_executor_get_the_settings_they_need() {
    let manifest = json!({
        "arguments": ["costs $5", "$(FIRESTEEL_TOKEN)"],
        "sparkConf": { "spark.sql.shuffle.partitions": "7", "spark.files": "local:///a.txt" },
        "deps": { "pyFiles": ["local:///opt/more.zip"], "archives": ["https://h/e.tar.gz#env"] },
        "executor": { "instances": 3, "cores": 4, "memory": "2g" },
    });
    let pod = driver(manifest.clone());
    let settings = settings_of(&pod);
    assert_eq!(settings["application"], "spark-1234");
    assert_eq!(settings["epoch"], 3);
    assert_eq!(settings["token"], "$(FIRESTEEL_TOKEN)");
    assert_eq!(settings["listen"], "0.0.0.0:7078");
    assert_eq!(settings["connect"], "127.0.0.1:15002");
    assert_eq!(settings["program"]["file"], "/opt/app.py");
    let dependencies = json!({
        "py_files": ["/opt/more.zip"],
        "files": ["local:///a.txt"],
        "archives": ["https://h/e.tar.gz#env"],
    });
    assert_eq!(settings["program"]["dependencies"], dependencies);
    // Doubled, so that Kubernetes passes on the manifest's text and not a token.
    assert_eq!(settings["program"]["arguments"], json!(["costs $$5", "$$(FIRESTEEL_TOKEN)"]));
    assert_eq!(settings["conf"]["spark.sql.shuffle.partitions"], "7");
    assert_eq!(settings["conf"]["spark.executor.instances"], "3");
    assert_eq!(settings["conf"]["spark.master"], "k8s://https://kubernetes.default.svc");
    let as_the_process_sees_it = env(&pod, "FIRESTEEL_SETTINGS")
        .unwrap()
        .replace("\"$(FIRESTEEL_TOKEN)\"", "\"secret\"")
        .replace("$$", "$");
    let read: model::launch::DriverSettings =
        serde_json::from_str(&as_the_process_sees_it).unwrap();
    assert_eq!(&*read.token, "secret");
    assert_eq!(read.program.unwrap().arguments, ["costs $5", "$(FIRESTEEL_TOKEN)"]);

    let settings = settings_of(&executor(manifest));
    let read: model::launch::ExecutorSettings = serde_json::from_value(settings.clone()).unwrap();
    assert_eq!((read.executor.0, read.slots, read.memory_bytes), (7, 4, 2 << 30));
    assert_eq!(read.driver, "10.0.0.9:7078");
    assert_eq!((read.epoch.0, read.application.0.as_str()), (3, "spark-1234"));
    assert_eq!(
        (settings["token"].as_str(), settings["host"].as_str()),
        (Some("$(FIRESTEEL_TOKEN)"), Some("$(FIRESTEEL_POD_IP)"))
    );
}

#[test]
fn an_executor_has_its_number_and_its_slot() {
    let pod = executor(json!({}));
    assert_eq!(pod.metadata.name.as_deref(), Some("pi-exec-7"));
    let labels = pod.metadata.labels.as_ref().unwrap();
    assert_eq!(labels["spark-role"], "executor");
    assert_eq!(labels["spark-exec-id"], "7");
    assert_eq!(labels["firesteel.dev/slot"], "2");
    assert_eq!(spark(&pod).name, "spark-kubernetes-executor");
    assert_eq!(spark(&pod).args.as_deref(), Some(&["executor".to_owned(), "env".to_owned()][..]));
    assert_eq!(spark(&pod).ports, None);
}

/// A manifest that sets nearly everything.
fn rich() -> Value {
    let text = r#"{
        "image": "mine:1", "imagePullPolicy": "Always", "imagePullSecrets": ["pull"],
        "nodeSelector": { "disk": "ssd" },
        "volumes": [{ "name": "config", "configMap": { "name": "c" } }],
        "driver": {
            "podName": "my-driver", "cores": 2, "coreRequest": "500m", "coreLimit": "1200m",
            "memory": "512m", "memoryOverhead": "100m", "gpu": { "name": "nvidia.com/gpu", "quantity": 1 },
            "labels": { "team": "a" }, "annotations": { "note": "b" },
            "env": [{ "name": "A", "value": "field" }, { "name": "HOME", "value": "/home" }],
            "envFrom": [{ "configMapRef": { "name": "more" } }],
            "volumeMounts": [{ "name": "config", "mountPath": "/etc/config" }],
            "tolerations": [{ "key": "spot", "operator": "Exists" }],
            "serviceAccount": "robot", "schedulerName": "volcano", "priorityClassName": "high",
            "terminationGracePeriodSeconds": 90, "hostNetwork": true, "shareProcessNamespace": true,
            "sidecars": [{ "name": "side", "image": "side:1" }],
            "initContainers": [{ "name": "init", "image": "init:1" }],
            "ports": [{ "name": "extra", "protocol": "TCP", "containerPort": 9000 }],
            "lifecycle": { "preStop": { "exec": { "command": ["sync"] } } },
            "podSecurityContext": { "runAsUser": 1000 },
            "securityContext": { "readOnlyRootFilesystem": false },
            "template": {
                "metadata": { "labels": { "team": "template", "spark-role": "wrong" }, "annotations": { "from": "template" } },
                "spec": {
                    "restartPolicy": "Always", "automountServiceAccountToken": true, "hostname": "kept",
                    "serviceAccountName": "overridden", "nodeSelector": { "zone": "x" },
                    "tolerations": [{ "key": "gpu", "operator": "Exists" }],
                    "volumes": [{ "name": "of-template", "emptyDir": {} }],
                    "containers": [
                        { "name": "first", "image": "other", "command": ["sh"], "workingDir": "/w",
                          "env": [{ "name": "A", "value": "template" }, { "name": "B", "value": "template" }],
                          "resources": { "requests": { "cpu": 9, "memory": "9Gi", "ephemeral-storage": "1Gi" } },
                          "volumeMounts": [{ "name": "of-template", "mountPath": "/t" }] },
                        { "name": "second", "image": "second:1" },
                    ],
                },
            },
        },
    }"#;
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn fields_override_the_template_and_ours_override_both() {
    let pod = driver(rich());
    let metadata = &pod.metadata;
    assert_eq!(metadata.name.as_deref(), Some("my-driver"));
    let labels = metadata.labels.as_ref().unwrap();
    assert_eq!((labels["team"].as_str(), labels["spark-role"].as_str()), ("a", "driver"));
    let annotations = metadata.annotations.as_ref().unwrap();
    assert_eq!((annotations["note"].as_str(), annotations["from"].as_str()), ("b", "template"));
    let container = serde_json::to_value(spark(&pod)).unwrap();
    for (pointer, expected) in [
        ("/name", json!("spark-kubernetes-driver")),
        ("/image", json!("mine:1")),
        ("/imagePullPolicy", json!("Always")),
        ("/command", Value::Null),
        ("/workingDir", json!("/w")),
        ("/resources/requests/cpu", json!("500m")),
        ("/resources/limits/cpu", json!("1200m")),
        ("/resources/requests/memory", json!("612Mi")),
        ("/resources/limits/memory", json!("612Mi")),
        ("/resources/requests/ephemeral-storage", json!("1Gi")),
        ("/resources/limits/nvidia.com~1gpu", json!("1")),
        ("/envFrom/0/configMapRef/name", json!("more")),
        ("/lifecycle/preStop/exec/command", json!(["sync"])),
        ("/securityContext/readOnlyRootFilesystem", json!(false)),
        ("/securityContext/allowPrivilegeEscalation", json!(false)),
        ("/ports/0/containerPort", json!(9000)),
        ("/ports/1/containerPort", json!(7078)),
    ] {
        assert_eq!(
            container.pointer(pointer).cloned().unwrap_or(Value::Null),
            expected,
            "{pointer}"
        );
    }
    assert_eq!(
        (env(&pod, "A"), env(&pod, "B"), env(&pod, "HOME")),
        (Some("field"), Some("template"), Some("/home"))
    );
    let mounts: Vec<_> =
        spark(&pod).volume_mounts.iter().flatten().map(|mount| mount.mount_path.as_str()).collect();
    assert_eq!(mounts, ["/t", "/etc/config", "/var/data/spark-local-dir", "/tmp"]);

    let whole = serde_json::to_value(spec(&pod)).unwrap();
    for (pointer, expected) in [
        ("/restartPolicy", json!("Never")),
        ("/automountServiceAccountToken", json!(false)),
        ("/hostname", json!("kept")),
        ("/serviceAccountName", json!("robot")),
        ("/nodeSelector", json!({ "disk": "ssd", "zone": "x" })),
        ("/tolerations/0/key", json!("gpu")),
        ("/tolerations/1/key", json!("spot")),
        ("/schedulerName", json!("volcano")),
        ("/priorityClassName", json!("high")),
        ("/terminationGracePeriodSeconds", json!(90)),
        ("/hostNetwork", json!(true)),
        ("/dnsPolicy", json!("ClusterFirstWithHostNet")),
        ("/shareProcessNamespace", json!(true)),
        ("/imagePullSecrets", json!([{ "name": "pull" }])),
        ("/initContainers/0/name", json!("init")),
        ("/securityContext/runAsUser", json!(1000)),
    ] {
        assert_eq!(whole.pointer(pointer).cloned().unwrap_or(Value::Null), expected, "{pointer}");
    }
    let names: Vec<_> = spec(&pod).containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["spark-kubernetes-driver", "second", "side"]);
    let volumes: Vec<_> =
        spec(&pod).volumes.iter().flatten().map(|one| one.name.as_str()).collect();
    assert_eq!(volumes, ["of-template", "config", "spark-local-dir-firesteel", "firesteel-tmp"]);
}

#[test]
fn the_spark_container_of_a_template_is_found_by_its_name() {
    let pod = driver(json!({ "driver": { "template": { "spec": { "containers": [
        { "name": "side", "image": "side:1" },
        { "name": "spark-kubernetes-driver", "workingDir": "/here" },
    ] } } } }));
    let names: Vec<_> = spec(&pod).containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["spark-kubernetes-driver", "side"]);
    assert_eq!(spark(&pod).working_dir.as_deref(), Some("/here"));
}

#[test]
fn shuffles_live_on_the_volume_that_the_manifest_names() {
    let claim = |name: &str| {
        let key = |end: &str| {
            format!(
                "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1.{end}"
            )
        };
        json!({ "sparkConf": {
            key("mount.path"): "/data", key("options.claimName"): name,
            key("options.sizeLimit"): "5Gi", key("options.storageClass"): "fast",
        } })
    };
    let volume = |source: Value| {
        let mut volume = source;
        volume["name"] = json!("spark-local-dir-1");
        json!({ "volumes": [volume], "executor": { "volumeMounts": [{ "name": "spark-local-dir-1", "mountPath": "/data" }] } })
    };
    let cases = [
        // manifest, volume id, path, whether it ends with the pod
        (json!({}), "executor-7", "/var/data/spark-local-dir/shuffle", true),
        (volume(json!({ "emptyDir": {} })), "executor-7", "/data/firesteel-12-34/shuffle-7", true),
        (
            volume(json!({ "hostPath": { "path": "/mnt" } })),
            "executor-7",
            "/data/firesteel-12-34/shuffle-7",
            true,
        ),
        (
            volume(json!({ "persistentVolumeClaim": { "claimName": "ours" } })),
            "ours",
            "/data/firesteel-12-34/shuffle",
            false,
        ),
        (
            claim("OnDemand"),
            "pi-exec-slot-2-spark-local-dir-1",
            "/data/firesteel-12-34/shuffle",
            false,
        ),
        (claim("all"), "all", "/data/firesteel-12-34/shuffle", false),
    ];
    for (manifest, id, path, goes) in cases {
        let settings = settings_of(&executor(manifest.clone()));
        // Only files in a node's directory stay although no pod mounts it again: the executor
        // removes them.
        let stays_behind = manifest.to_string().contains("hostPath");
        let expected = json!({ "volume": id, "path": path, "last": stays_behind, "private": goes });
        assert_eq!(settings["volume"], expected, "{manifest}");
        let app = app(manifest.clone());
        let lost = lost_volume(&app, &app.validated().unwrap().executor, 7, 2);
        assert_eq!(lost, goes.then(|| id.to_owned()), "{manifest}");
    }
    let claims = with_context(&app(claim("OnDemand")), |context| executor_claims(context, 2));
    let value = serde_json::to_value(&claims[0]).unwrap();
    assert_eq!(value["metadata"]["name"], "pi-exec-slot-2-spark-local-dir-1");
    assert_eq!(value["metadata"]["ownerReferences"][0]["kind"], "SparkApplication");
    assert_eq!(value["spec"]["resources"]["requests"]["storage"], "5Gi");
    assert_eq!(value["spec"]["storageClassName"], "fast");
    let pod = executor(claim("OnDemand"));
    let mounted = serde_json::to_value(&spec(&pod).volumes.as_ref().unwrap()[0]).unwrap();
    assert_eq!(mounted["persistentVolumeClaim"]["claimName"], "pi-exec-slot-2-spark-local-dir-1");
    // One private volume for temporary files; no second one for shuffles.
    assert_eq!(spec(&pod).volumes.as_ref().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_built_is_refused_with_its_field() {
    let resource = |spec: Value| {
        let mut whole = json!({ "type": "SQL", "sparkVersion": "4.2.0", "mainApplicationFile": "/a.sql", "driver": {}, "executor": {} });
        for (name, value) in spec.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "firesteel.dev/v1beta2", "kind": "SparkApplication",
            "metadata": { "name": "pi", "namespace": "jobs", "uid": "1" }, "spec": whole,
        }))
        .unwrap()
    };
    let check = |spec, settings: &Settings, expected: &str| {
        let problems = Application::read(&resource(spec), settings).valid.unwrap_err();
        assert!(problems[0].to_string().starts_with(expected), "{problems:?}");
    };
    check(json!({}), &Settings::default(), "spec.image: is missing");
    let many = vec!["x".repeat(100_000); 11];
    check(
        json!({ "image": "i", "arguments": many }),
        &Settings::default(),
        "spec.arguments: is too large: the driver's settings take 11",
    );
    let long = "x".repeat(1_100_000);
    check(
        json!({ "image": "i", "arguments": ["a"], "sparkConf": { "spark.app.name": long } }),
        &Settings::default(),
        "spec.sparkConf: is too large",
    );
}

#[test]
fn pods_have_the_names_that_settings_give_them() {
    let named = json!({ "sparkConf": {
        "spark.kubernetes.driver.pod.name": "the-driver",
        "spark.kubernetes.executor.podNamePrefix": "workers",
    } });
    assert_eq!(driver(named.clone()).metadata.name.as_deref(), Some("the-driver"));
    assert_eq!(executor(named).metadata.name.as_deref(), Some("workers-exec-7"));
}

#[test]
fn secrets_never_change() {
    let secrets = Secrets { token: "t0ken".into(), identity: "1dentity".into() };
    let secret = token_secret(&app(json!({})), secrets);
    assert_eq!(secret.metadata.name.as_deref(), Some("pi-token"));
    let data = secret.string_data.unwrap();
    assert_eq!((&*data["token"], &*data["identity"]), ("t0ken", "1dentity"));
    assert_eq!(secret.immutable, Some(true));
    assert_eq!(secret.metadata.owner_references.unwrap().len(), 1);
}
