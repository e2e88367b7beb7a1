//! Specifications and their meaning.

use super::*;
use serde_json::{Value, json};

/// A specification with some fields changed.
fn spec(changes: Value) -> SparkApplicationSpec {
    let mut whole = json!({
        "type": "Python",
        "sparkVersion": "4.2.0",
        "mainApplicationFile": "local:///app.py",
        "driver": {},
        "executor": {},
    });
    merge(&mut whole, changes);
    serde_json::from_value(whole).expect("a specification")
}

fn merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(target.entry(name).or_insert(Value::Null), change);
            }
        }
        (target, change) => *target = change,
    }
}

fn valid(changes: Value) -> Validated {
    validate(&spec(changes.clone()), "default")
        .unwrap_or_else(|problems| panic!("{changes}: {problems:?}"))
}

fn problems(changes: Value) -> Vec<String> {
    let result = validate(&spec(changes), "default");
    result.err().unwrap_or_default().iter().map(Problem::to_string).collect()
}

#[test]
fn defaults_are_those_of_spark() {
    let app = valid(json!({}));
    assert_eq!(app.program.language, Language::Python { file: "/app.py".to_owned() });
    assert_eq!(app.executors, Executors { initial: 1, min: 1, max: 1 });
    assert_eq!((app.driver.cpu.slots, app.executor.cpu.slots), (1, 1));
    assert_eq!(app.driver.cpu.request.to_string(), "1");
    assert_eq!(app.driver.cpu.limit, None);
    assert!(!app.suspended && app.delete_ended_executors);
    assert_eq!(app.time_to_live, None);
    assert_eq!(app.settings.given("spark.executor.instances"), Some("1"));
    assert_eq!(app.settings.given("spark.executor.memory"), Some("1g"));
    assert_eq!(app.driver.local_dirs().count(), 0);
}

#[test]
fn memory_is_summed_up_as_spark_does() {
    let cases = [
        // changes, mebibytes of the driver's pod, of an executor's
        (json!({}), 1024 + 409, 1024 + 409),
        (json!({"type": "SQL", "mainApplicationFile": "/a.sql"}), 1024 + 384, 1024 + 384),
        (
            json!({"driver": {"memory": "512m"}, "executor": {"memory": "8g"}}),
            512 + 384,
            8192 + 3276,
        ),
        (
            json!({"type": "SQL", "mainApplicationFile": "/a.sql", "executor": {"memory": "8g"}}),
            1408,
            8192 + 819,
        ),
        (json!({"executor": {"memory": "2048"}}), 1433, 2048 + 819),
        (json!({"executor": {"memory": "2Gi", "memoryOverhead": "512"}}), 1433, 2048 + 512),
        (
            json!({"memoryOverheadFactor": "0.2", "executor": {"memory": "8g"}}),
            1024 + 384,
            8192 + 1638,
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.memoryOverheadFactor": "0.2"}, "executor": {"memory": "8g"}}),
            1408,
            9830,
        ),
        (
            json!({"memoryOverheadFactor": "0.2", "executor": {"memory": "8g"},
                "sparkConf": {"spark.executor.memoryOverheadFactor": "0.5"}}),
            1408,
            8192 + 4096,
        ),
        (
            json!({"sparkConf": {"spark.executor.memory": "2g", "spark.driver.memory": "3g"}, "executor": {"memory": "4g"}}),
            3072 + 1228,
            4096 + 1638,
        ),
        (json!({"sparkConf": {"spark.executor.memoryOverhead": "1g"}}), 1433, 2048),
        (json!({"sparkConf": {"spark.driver.minMemoryOverhead": "1g"}}), 2048, 1433),
        (json!({"sparkConf": {"spark.executor.pyspark.memory": "1g"}}), 1433, 1433 + 1024),
        (
            json!({"sparkConf": {"spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": "1073741824"}}),
            1433,
            1433 + 1024,
        ),
        (json!({"sparkConf": {"spark.memory.offHeap.size": "1g"}}), 1433, 1433),
    ];
    for (changes, driver, executor) in cases {
        let app = valid(changes.clone());
        let found = [app.driver.memory, app.executor.memory].map(|memory| memory.request().0 >> 20);
        assert_eq!(found, [driver, executor], "{changes}");
        assert_eq!(app.driver.memory.limit, app.driver.memory.request());
    }
    let app = valid(json!({"executor": {"memory": "1g", "memoryLimit": "4g"}}));
    assert_eq!(app.executor.memory.limit, model::ByteSize::mib(4096));
}

#[test]
fn the_cpu_request_is_the_cores_unless_it_is_set() {
    let cases = [
        // changes, slots, request, limit
        (json!({"executor": {"cores": 4}}), 4, "4", None),
        (json!({"executor": {"cores": 4, "coreRequest": "500m"}}), 4, "500m", None),
        (
            json!({"executor": {"coreRequest": "1200m", "coreLimit": "1500m"}}),
            1,
            "1200m",
            Some("1500m"),
        ),
        (json!({"sparkConf": {"spark.executor.cores": "3"}}), 3, "3", None),
        (
            json!({"sparkConf": {"spark.executor.cores": "3"}, "executor": {"cores": 2}}),
            2,
            "2",
            None,
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.executor.request.cores": "0.1", "spark.kubernetes.executor.limit.cores": "2"}}),
            1,
            "0.1",
            Some("2"),
        ),
    ];
    for (changes, slots, request, limit) in cases {
        let cpu = valid(changes.clone()).executor.cpu;
        assert_eq!((cpu.slots, cpu.request.to_string()), (slots, request.to_owned()), "{changes}");
        assert_eq!(cpu.limit.map(|limit| limit.to_string()).as_deref(), limit, "{changes}");
    }
}

#[test]
fn executors_are_counted_by_the_field_the_key_or_dynamic_allocation() {
    let cases = [
        (json!({"executor": {"instances": 3}}), [3, 3, 3]),
        (json!({"sparkConf": {"spark.executor.instances": "4"}}), [4, 4, 4]),
        (
            json!({"sparkConf": {"spark.executor.instances": "4"}, "executor": {"instances": 2}}),
            [2, 2, 2],
        ),
        (json!({"dynamicAllocation": {"enabled": false, "minExecutors": 7}}), [1, 1, 1]),
        (
            json!({"dynamicAllocation": {"enabled": true, "initialExecutors": 2, "minExecutors": 1, "maxExecutors": 5}, "executor": {"instances": 1}}),
            [2, 1, 5],
        ),
        (
            json!({"dynamicAllocation": {"enabled": true, "maxExecutors": 5}, "executor": {"instances": 3}}),
            [3, 0, 5],
        ),
        (
            json!({"sparkConf": {"spark.dynamicAllocation.enabled": "true", "spark.dynamicAllocation.minExecutors": "2", "spark.dynamicAllocation.maxExecutors": "5"}}),
            [2, 2, 5],
        ),
        (
            json!({"dynamicAllocation": {"enabled": true, "minExecutors": 1}, "sparkConf": {"spark.dynamicAllocation.minExecutors": "2", "spark.dynamicAllocation.maxExecutors": "4"}}),
            [1, 1, 4],
        ),
    ];
    for (changes, [initial, min, max]) in cases {
        assert_eq!(valid(changes.clone()).executors, Executors { initial, min, max }, "{changes}");
    }
}

#[test]
fn the_driver_is_told_how_executors_are_allocated() {
    let app = valid(json!({
        "dynamicAllocation": {"enabled": true, "minExecutors": 1, "maxExecutors": 5, "shuffleTrackingTimeout": 3000, "shuffleTrackingEnabled": true},
        "executor": {"instances": 2},
    }));
    let told = |key: &str| app.settings.given(&format!("spark.dynamicAllocation.{key}"));
    let keys = ["enabled", "minExecutors", "initialExecutors", "shuffleTracking.timeout"];
    assert_eq!(keys.map(told), [Some("true"), Some("1"), Some("2"), Some("3000ms")]);
    assert_eq!(told("shuffleTracking.enabled"), Some("true"));
    assert_eq!(told("maxExecutors"), None, "the operator keeps to it");
    let key = json!({"spark.dynamicAllocation.enabled": "true"});
    let off = valid(json!({"dynamicAllocation": {"enabled": false}, "sparkConf": key}));
    assert_eq!(off.settings.given("spark.dynamicAllocation.enabled"), Some("false"));
    assert_eq!(valid(json!({})).settings.given("spark.dynamicAllocation.enabled"), None);
}

#[test]
fn keys_of_a_family_shape_the_pods_of_their_role() {
    let app = valid(json!({
        "nodeSelector": {"disk": "nvme"},
        "sparkConf": {
            "spark.kubernetes.driver.label.team": "a",
            "spark.kubernetes.executor.label.team": "b",
            "spark.kubernetes.executor.annotation.example.com/x.y": "c",
            "spark.kubernetes.node.selector.zone": "1",
            "spark.kubernetes.executor.node.selector.zone": "2",
            "spark.kubernetes.driverEnv.A": "driver",
            "spark.executorEnv.A": "executor",
            "spark.kubernetes.executor.secretKeyRef.PASSWORD": "db:password",
            "spark.kubernetes.executor.secrets.cert": "/etc/cert",
            "spark.kubernetes.scheduler.name": "other",
            "spark.kubernetes.container.image.pullSecrets": "one, two",
            "spark.kubernetes.namespace": "default",
            "spark.sql.shuffle.partitions": "7",
        },
        "driver": {"labels": {"team": "field"}},
        "executor": {
            "env": [{"name": "A", "value": "field"}],
            "secrets": [{"name": "gcp", "path": "/etc/gcp/", "secretType": "GCPServiceAccount"}],
        },
    }));
    let (driver, executor) = (&app.driver.shape, &app.executor.shape);
    assert_eq!((driver.labels["team"].as_str(), executor.labels["team"].as_str()), ("field", "b"));
    assert_eq!(executor.annotations["example.com/x.y"], "c");
    assert_eq!(
        (driver.node_selector["zone"].as_str(), executor.node_selector["zone"].as_str()),
        ("1", "2")
    );
    assert_eq!(executor.node_selector["disk"], "nvme");
    let variable = |shape: &Shape, name: &str| {
        let found: Vec<_> = shape.env.iter().filter(|found| found.name == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].clone()
    };
    assert_eq!(variable(driver, "A").value.as_deref(), Some("driver"));
    assert_eq!(variable(executor, "A").value.as_deref(), Some("field"));
    assert_eq!(
        variable(executor, "GOOGLE_APPLICATION_CREDENTIALS").value.as_deref(),
        Some("/etc/gcp/key.json")
    );
    let secret = variable(executor, "PASSWORD").value_from.and_then(|from| from.secret_key_ref);
    assert_eq!(
        secret.map(|secret| (secret.name, secret.key)),
        Some(("db".into(), "password".into()))
    );
    let mounted: Vec<&str> = app
        .executor
        .volumes
        .iter()
        .flat_map(|volume| &volume.mounts)
        .map(|mount| mount.mount_path.as_str())
        .collect();
    assert_eq!(mounted, ["/etc/gcp/", "/etc/cert"]);
    assert_eq!(driver.scheduler_name.as_deref(), Some("other"));
    assert_eq!(app.driver.pull_secrets, ["one", "two"]);
    assert_eq!(app.settings.given("spark.sql.shuffle.partitions"), Some("7"));
    assert_eq!(
        app.settings.iter().filter(|(key, _)| key.starts_with("spark.kubernetes")).count(),
        0
    );
}

#[test]
fn volumes_come_from_fields_keys_and_templates() {
    let conf = |kind: &str, rest: &str| {
        format!("spark.kubernetes.executor.volumes.{kind}.spark-local-dir-{rest}")
    };
    let app = valid(json!({
        "volumes": [
            {"name": "spark-local-dir-1", "hostPath": {"path": "/mnt/nvme"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "logs", "emptyDir": {}},
        ],
        "sparkConf": {
            (conf("emptyDir", "2.mount.path")): "/two",
            (conf("emptyDir", "2.options.medium")): "Memory",
            (conf("persistentVolumeClaim", "3.mount.path")): "/three",
            (conf("persistentVolumeClaim", "3.options.claimName")): "OnDemand",
            (conf("persistentVolumeClaim", "3.options.storageClass")): "fast",
            (conf("persistentVolumeClaim", "3.options.sizeLimit")): "10Gi",
            (conf("persistentVolumeClaim", "3.label.team")): "a",
            (conf("persistentVolumeClaim", "4.mount.path")): "/four",
            (conf("persistentVolumeClaim", "4.options.claimName")): "shared",
            (conf("nfs", "5.mount.path")): "/five",
            (conf("nfs", "5.options.server")): "nfs.example.com",
            (conf("nfs", "5.options.path")): "/export",
        },
        "driver": {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        "executor": {
            "volumeMounts": [{"name": "spark-local-dir-1", "mountPath": "/one"}],
            "sidecars": [{"name": "tail", "volumeMounts": [{"name": "logs", "mountPath": "/logs"}]}],
            "template": {"spec": {
                "containers": [{"name": "spark-kubernetes-executor",
                    "volumeMounts": [{"name": "spark-local-dir-6", "mountPath": "/six"}]}],
                "volumes": [{"name": "spark-local-dir-6", "emptyDir": {}}],
            }},
        },
    }));
    let names =
        |role: &Role| role.volumes.iter().map(|volume| volume.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&app.driver), ["data"]);
    let mut local: Vec<&str> = app.executor.local_dirs().collect();
    local.sort_unstable();
    assert_eq!(local, ["/five", "/four", "/one", "/six", "/three", "/two"]);
    assert!(names(&app.executor).contains(&"logs".to_owned()));
    let claim = app.executor.volumes.iter().find_map(|volume| match &volume.source {
        Source::Claim(claim) => Some(claim),
        Source::Volume(_) => None,
    });
    let claim = claim.expect("a claim is created");
    assert_eq!((&claim.name, claim.size.to_string()), (&ClaimName::PerPod, "10Gi".to_owned()));
    assert_eq!(
        (claim.storage_class.as_deref(), claim.access_mode),
        (Some("fast"), "ReadWriteOncePod")
    );
    assert_eq!(claim.labels["team"], "a");
}

#[test]
fn problems_are_named_with_what_was_probably_meant() {
    let cases = [
        (
            json!({"volumes": [{"name": "data"}], "driver": {"volumeMounts": [{"name": "dta", "mountPath": "/d"}]}}),
            "spec.driver.volumeMounts[0].name: spec.volumes has no volume `dta`; did you mean `data`?",
        ),
        (
            json!({"driver": {"volumeMounts": [{"name": "data", "mountPath": "data"}]}, "volumes": [{"name": "data"}]}),
            "spec.driver.volumeMounts[0].mountPath: `data` is not a mount path",
        ),
        (
            json!({"executor": {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": "x"}}}}),
            "spec.executor.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution: invalid type",
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.executor.volumes.hostPath.x.options.paht": "/a"}}),
            "did you mean `options.path`?",
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.executor.volumes.emptydir.x.mount.path": "/a"}}),
            "did you mean `emptyDir`?",
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.executor.volumes.hostPath.x": "/a"}}),
            "must be volumes.KIND.NAME.PROPERTY",
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.executor.volumes.persistentVolumeClaim.x.options.claimName": "OnDemand",
                              "spark.kubernetes.executor.volumes.persistentVolumeClaim.x.mount.path": "/a"}}),
            "x.options.sizeLimit]: is missing",
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.executor.volumes.emptyDir.x.options.sizeLimit": "10",
                              "spark.kubernetes.executor.volumes.emptyDir.x.mount.path": "/a"}}),
            "`10` is less than 1Ki",
        ),
        (
            json!({"sparkConf": {"spark.kubernetes.driver.secretKeyRef.A": "b"}}),
            "`b` is not `secret:key`",
        ),
        (
            json!({"sparkConf": {"spark.executor.instances": "few"}}),
            "`few` is not a number of executors",
        ),
        (
            json!({"sparkConf": {"spark.executor.memory": "few"}}),
            "spec.sparkConf[spark.executor.memory]: `few` is not a size",
        ),
        (
            json!({"sparkConf": {"spark.executor.memoryOverheadFactor": "-1"}}),
            "spec.sparkConf[spark.executor.memoryOverheadFactor]: `-1` is not a fraction",
        ),
        (json!({"executor": {"memory": "0"}}), "spec.executor.memory: must be more than 0"),
        (json!({"executor": {"memory": "1b"}}), "spec.executor.memory: `1b` is less than 1m"),
        (
            json!({"driver": {"sidecars": [{"name": "spark-kubernetes-driver"}]}}),
            "is the Spark container",
        ),
    ];
    for (changes, expected) in cases {
        let problems = problems(changes.clone());
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{changes}: {problems:?}"
        );
    }
    let all =
        problems(json!({"mode": "client", "driver": {"memory": "x"}, "executor": {"cores": -1}}));
    assert_eq!(all.len(), 3, "all are reported at once: {all:?}");
}

#[test]
fn of_two_mounts_at_one_path_the_second_is_reported_with_the_first() {
    let prefix = "spark.kubernetes.driver";
    let cases = [
        (
            json!({"secrets": [{"name": "a", "path": "/etc/a", "secretType": "Opaque"}, {"name": "a", "path": "/etc/a", "secretType": "Opaque"}]}),
            json!({}),
            "spec.driver.secrets[1].path: `/etc/a` is already mounted by spec.driver.secrets[0].path",
        ),
        (
            json!({"secrets": [{"name": "a", "path": "/etc/a", "secretType": "Opaque"}]}),
            json!({(format!("{prefix}.secrets.a")): "/etc/a/"}),
            "spec.sparkConf[spark.kubernetes.driver.secrets.a]: `/etc/a` is already mounted by spec.driver.secrets[0].path",
        ),
        (
            json!({"configMaps": [{"name": "a", "path": "etc"}]}),
            json!({}),
            "spec.driver.configMaps[0].path: `etc` is not a mount path",
        ),
        (
            json!({"volumeMounts": [{"name": "x", "mountPath": "/x"}]}),
            json!({(format!("{prefix}.volumes.emptyDir.y.mount.path")): "/x"}),
            "spec.sparkConf[spark.kubernetes.driver.volumes.emptyDir.y.mount.path]: `/x` is already mounted by spec.driver.volumeMounts[0].mountPath",
        ),
        (
            json!({
                "volumeMounts": [{"name": "x", "mountPath": "/x"}],
                "template": {"spec": {"containers": [{"name": "spark-kubernetes-driver", "volumeMounts": [{"name": "y", "mountPath": "/x"}]}]}},
            }),
            json!({}),
            "spec.driver.template.spec.containers[0].volumeMounts[0].mountPath: `/x` is already mounted",
        ),
    ];
    for (driver, conf, expected) in cases {
        let changes = json!({"driver": driver, "sparkConf": conf, "volumes": [{"name": "x", "emptyDir": {}}]});
        let problems = problems(changes);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn pods_are_named_by_the_field_or_the_key() {
    let (name, prefix) =
        ("spark.kubernetes.driver.pod.name", "spark.kubernetes.executor.podNamePrefix");
    let cases = [
        (json!({}), None, None),
        (
            json!({"sparkConf": {name: "a.driver", prefix: "workers"}}),
            Some("a.driver"),
            Some("workers"),
        ),
        (json!({"sparkConf": {name: "key"}, "driver": {"podName": "field"}}), Some("field"), None),
    ];
    for (changes, driver, executor) in cases {
        let app = valid(changes.clone());
        assert_eq!(app.driver_pod_name.as_deref(), driver, "{changes}");
        assert_eq!(app.executor_pod_prefix.as_deref(), executor, "{changes}");
        assert!(crate::unsupported(&spec(changes)).is_empty());
    }
    // A key of the other role has no effect.
    let wrong = spec(json!({"sparkConf": {"spark.kubernetes.executor.pod.name": "a"}}));
    assert_eq!(crate::unsupported(&wrong).len(), 1);
}

#[test]
fn manifests_for_another_definition_mean_the_same_here() {
    let app = valid(json!({
        "image": "", "imagePullPolicy": "", "sparkConf": {"spark.kubernetes.executor.deleteOnTermination": "false"},
        "driver": {
            "gpu": {"name": "nvidia.com/gpu", "quantity": 0}, "coreRequest": "0",
            "ports": [{"name": "a", "protocol": "", "containerPort": 1}],
            "secrets": [{"name": "a", "path": "/a", "secretType": "Opaque"}],
        },
        "executor": {"image": "i", "memory": "512m", "memoryLimit": "1.5Gi"},
    }));
    assert_eq!((app.driver.image, app.driver.pull_policy, app.driver.gpu), (None, None, None));
    assert_eq!(app.driver.shape.ports[0].protocol, "TCP");
    assert!(app.driver.shape.env.is_empty() && app.driver.volumes.len() == 1);
    assert!(app.driver.cpu.request.is_zero() && !app.delete_ended_executors);
    assert_eq!(app.executor.image.as_deref(), Some("i"));
    assert_eq!(app.executor.memory.limit, model::ByteSize::mib(1536));
}

#[test]
fn an_argument_too_long_for_any_process_is_reported() {
    let fits = json!({"arguments": ["x".repeat(MAX_ARGUMENT_BYTES), "y".repeat(100_000)]});
    assert_eq!(problems(fits), Vec::<String>::new());
    let long = problems(json!({"arguments": ["a", "x".repeat(131_072)]}));
    assert_eq!(long, ["spec.arguments[1]: has 131072 bytes; the limit is 131071"]);
}

#[test]
fn pods_must_reach_the_files_that_functions_need() {
    let wrong = json!({"deps": {
        "pyFiles": ["https://h/a.py", "s3a://b/x.py"],
        "files": ["/a", "x.txt"],
        "archives": ["local:///e.zip#e", "hdfs://e.zip#e"],
    }});
    let found = problems(wrong);
    let fields = ["spec.deps.pyFiles[1]", "spec.deps.files[1]", "spec.deps.archives[1]"];
    assert_eq!(found.len(), fields.len(), "{found:?}");
    for (problem, field) in found.iter().zip(fields) {
        assert!(problem.starts_with(field) && problem.contains("is neither"), "{problem}");
    }
}
