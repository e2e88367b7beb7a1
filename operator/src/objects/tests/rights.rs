//! The users that containers run as.

use super::*;

#[test]
fn a_container_keeps_its_user_unless_it_complies_with_the_restricted_standard() {
    let plain =
        json!({ "name": "chown", "image": "busybox", "command": ["chown", "-R", "185", "/data"] });
    let with = |context: Value| {
        let mut container = plain.clone();
        container["securityContext"] = context;
        container
    };
    let restricted =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let user = json!({ "runAsNonRoot": true, "runAsUser": 185, "runAsGroup": 185 });
    let mut filled = restricted.clone();
    filled.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
    let root = json!({ "runAsUser": 0 });
    let chown = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"], "add": ["CHOWN"] } });
    let cases = [
        // init container, its security context, whether the pod as a whole has Spark's user
        (plain.clone(), Value::Null, false),
        (with(root.clone()), root, false),
        (with(chown.clone()), chown, false),
        (with(restricted.clone()), restricted, true),
    ];
    for (container, expected, of_pod) in cases {
        let pod = executor(json!({ "executor": { "initContainers": [container] } }));
        let whole = serde_json::to_value(spec(&pod)).unwrap();
        assert_eq!(whole["initContainers"][0]["securityContext"], expected);
        let spark = &whole["containers"][0]["securityContext"];
        for (name, value) in user.as_object().unwrap() {
            let has = |place: &Value| place[name] == *value;
            assert_eq!(has(&whole["securityContext"]), of_pod, "{expected} {name}");
            assert!(of_pod || has(spark), "{expected} {name}");
        }
        assert_eq!(whole["securityContext"]["fsGroup"], 185);
        assert_eq!(spark["allowPrivilegeEscalation"], false);
    }
    // Compliant containers beside one that is not have Spark's user.
    let pod = executor(json!({ "executor": {
        "template": { "spec": { "initContainers": [plain] } },
        "sidecars": [with(json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } }))],
    } }));
    let whole = serde_json::to_value(spec(&pod)).unwrap();
    assert_eq!(whole["containers"][1]["securityContext"], filled);
    assert_eq!(whole["initContainers"][0].get("securityContext"), None);

    // The manifest's pod-level value holds for all containers.
    let pod = executor(
        json!({ "executor": { "initContainers": [plain], "podSecurityContext": { "runAsUser": 999 } } }),
    );
    let whole = serde_json::to_value(spec(&pod)).unwrap();
    assert_eq!(whole["securityContext"]["runAsUser"], 999);
    assert_eq!(whole["containers"][0]["securityContext"].get("runAsUser"), None);
    assert_eq!(whole["containers"][0]["securityContext"]["runAsGroup"], 185);
}
