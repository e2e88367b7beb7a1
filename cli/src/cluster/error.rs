//! Errors between this machine and a cluster, each as one line that says what to do about it.

use kube::Error;
use kube::core::Status;

/// The error for people. `doing` is the attempted action, `url` the cluster's address.
pub(crate) fn explain(error: Error, doing: &str, url: &str) -> anyhow::Error {
    anyhow::anyhow!("{}", sentence(&error, doing, url))
}

/// Whether the object does not exist although its kind does.
pub(crate) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404 && !is_unknown_kind(status) && !is_namespace(status))
}

/// Whether a retry would not help: the user lacks the permission.
pub(crate) fn is_final(error: &Error) -> bool {
    matches!(error, Error::Api(status) if matches!(status.code, 401 | 403 | 404))
}

fn sentence(error: &Error, doing: &str, url: &str) -> String {
    match error {
        Error::Api(status) => answered(status, doing, url),
        Error::Auth(error) => format!(
            "{doing}: cannot log in to the cluster at {url}: {}; check the user of the kubeconfig's context",
            root(error)
        ),
        Error::Service(error) => unreachable(&root(error.as_ref()), doing, url),
        Error::HyperError(error) => unreachable(&root(error), doing, url),
        other => format!("{doing}: {other}"),
    }
}

fn unreachable(cause: &str, doing: &str, url: &str) -> String {
    format!(
        "{doing}: no cluster answers at {url}: {cause}; is it running, and is it the one you mean? \
         (--context, --kubeconfig or --master k8s://URL name another)"
    )
}

/// The API server's error as a sentence.
fn answered(status: &Status, doing: &str, url: &str) -> String {
    let message = status.message.trim();
    let details = status.details.as_ref();
    let name = details.map(|details| details.name.as_str()).unwrap_or_default();
    let kind = details.map(|details| details.kind.as_str()).unwrap_or_default();
    match status.code {
        401 => format!(
            "{doing}: the cluster at {url} does not accept your credentials; log in again, or choose another context (--context)"
        ),
        403 if message.contains("cannot") => {
            format!("{doing}: {message}; ask for a role that allows it")
        }
        403 => format!("{doing}: {message}"),
        404 if is_unknown_kind(status) => format!(
            "{doing}: Firesteel is not installed in the cluster at {url}: it does not know SparkApplications; \
             install the chart charts/firesteel, or at least `kubectl apply -f crds/`"
        ),
        404 if is_namespace(status) => {
            format!("{doing}: there is no namespace `{name}`; --namespace names another")
        }
        409 if status.reason == "AlreadyExists" && kind == "sparkapplications" => format!(
            "{doing}: there is an application `{name}` already; see `firesteel status {name}`, remove it by \
             `firesteel kill {name}`, or take another --name"
        ),
        422 => {
            let causes: Vec<String> = details
                .iter()
                .flat_map(|details| &details.causes)
                .map(|cause| match cause.field.trim_start_matches('<').trim_end_matches('>') {
                    "" => cause.message.clone(),
                    field => format!("{field}: {}", cause.message),
                })
                .collect();
            let all = if causes.is_empty() { message.to_owned() } else { causes.join("; ") };
            format!("{doing}: the cluster rejects it: {all}")
        }
        _ => format!("{doing}: {message}"),
    }
}

/// An API server that does not know the kind names no object.
fn is_unknown_kind(status: &Status) -> bool {
    let named = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
    status.code == 404 && !named
}

fn is_namespace(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| details.kind == "namespaces")
}

/// The root cause of an error, which a person can do something about.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut lowest = error;
    while let Some(source) = lowest.source() {
        lowest = source;
    }
    lowest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(status: serde_json::Value, expected: &str) {
        let status: Status = serde_json::from_value(status).unwrap();
        let text = sentence(&Error::Api(Box::new(status)), "creating it", "https://c:6443");
        assert!(text.starts_with("creating it: ") && text.contains(expected), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        check(json!({ "code": 401, "message": "Unauthorized" }), "choose another context");
        check(
            json!({ "code": 403, "reason": "Forbidden", "message": "sparkapplications.firesteel.dev is forbidden: User \"u\" cannot create resource" }),
            "User \"u\" cannot create resource; ask for a role",
        );
        check(
            json!({ "code": 404, "reason": "Failed to parse error data", "message": "404 page not found\n" }),
            "kubectl apply -f crds/",
        );
        check(
            json!({ "code": 404, "reason": "NotFound", "message": "namespaces \"x\" not found", "details": { "name": "x", "kind": "namespaces" } }),
            "there is no namespace `x`",
        );
        check(
            json!({ "code": 409, "reason": "AlreadyExists", "details": { "name": "pi", "kind": "sparkapplications" } }),
            "`firesteel kill pi`",
        );
        check(
            json!({ "code": 409, "reason": "AlreadyExists", "message": "configmaps \"s\" already exists", "details": { "name": "s", "kind": "configmaps" } }),
            "creating it: configmaps \"s\" already exists",
        );
        check(
            json!({ "code": 422, "reason": "Invalid", "message": "long", "details": { "name": "pi", "causes": [
                { "field": "spec.type", "message": "Unsupported value" }, { "field": "<nil>", "message": "and more" },
            ] } }),
            "the cluster rejects it: spec.type: Unsupported value; ",
        );
        check(json!({ "code": 500, "message": "etcd is away" }), "etcd is away");
    }

    #[test]
    fn missing_objects_kinds_and_namespaces_are_told_apart() {
        let is_missing_with = |details: serde_json::Value| {
            let status = json!({ "code": 404, "message": "m", "details": details });
            is_missing(&Error::Api(serde_json::from_value(status).unwrap()))
        };
        assert!(is_missing_with(json!({ "name": "pi", "kind": "sparkapplications" })));
        assert!(!is_missing_with(json!({ "name": "x", "kind": "namespaces" })));
        assert!(!is_missing_with(json!(null)));
    }
}
