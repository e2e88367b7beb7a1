//! Security contexts. The manifest's values hold, field by field; all others follow the restricted
//! Pod Security Standard, for the Spark container and for every other container that complies with
//! it. A container that does not, such as an init container that starts as root to change a
//! directory's owner, keeps what its image and manifest say; whether that is allowed is the
//! namespace's decision.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext,
};

/// User and group of the image.
const SPARK: i64 = 185;

/// The Spark container's security context: defaults overridden by the template's and the
/// manifest's.
pub(super) fn spark_context(given: [Option<SecurityContext>; 2]) -> SecurityContext {
    let mut context = SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        ..SecurityContext::default()
    };
    for given in given.into_iter().flatten() {
        context.merge_from(given);
    }
    context
}

/// Sets a pod's security contexts: defaults overridden by the template's and the manifest's. The
/// first container is Spark's. The user is set on the pod unless that would change a container that
/// has another user; then it is set on each compliant container.
pub(super) fn apply(pod: &mut PodSpec, given: [Option<PodSecurityContext>; 2]) {
    let mut declared = PodSecurityContext::default();
    for given in given.into_iter().flatten() {
        declared.merge_from(given);
    }
    let mut context = PodSecurityContext {
        // Makes volumes writable for the group.
        fs_group: Some(SPARK),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    };
    let user = user(&declared);
    let others = pod.containers.iter().skip(1).chain(pod.init_containers.iter().flatten());
    if others.clone().all(is_restricted) {
        context.run_as_non_root = user.run_as_non_root;
        context.run_as_user = user.run_as_user;
        context.run_as_group = user.run_as_group;
    } else {
        let containers = pod.containers.iter_mut().enumerate();
        let containers = containers.filter(|(index, one)| *index == 0 || is_restricted(one));
        let first = pod.init_containers.iter_mut().flatten().filter(|one| is_restricted(one));
        for container in containers.map(|(_, one)| one).chain(first) {
            let own = container.security_context.take().unwrap_or_default();
            let mut context = user.clone();
            context.merge_from(own);
            container.security_context = Some(context);
        }
    }
    context.merge_from(declared);
    pod.security_context = Some(context);
}

/// The user to run as, where the pod's manifest leaves it open.
fn user(declared: &PodSecurityContext) -> SecurityContext {
    SecurityContext {
        run_as_non_root: declared.run_as_non_root.is_none().then_some(true),
        run_as_user: declared.run_as_user.is_none().then_some(SPARK),
        run_as_group: declared.run_as_group.is_none().then_some(SPARK),
        ..SecurityContext::default()
    }
}

/// Whether a container by itself complies with the restricted standard, whatever user it runs as.
fn is_restricted(container: &Container) -> bool {
    let Some(context) = &container.security_context else { return false };
    let capabilities = context.capabilities.as_ref();
    let dropped = capabilities.and_then(|capabilities| capabilities.drop.as_ref());
    let added = capabilities.and_then(|capabilities| capabilities.add.as_ref());
    let is_root = context.run_as_user == Some(0) || context.run_as_non_root == Some(false);
    context.allow_privilege_escalation == Some(false)
        && dropped.is_some_and(|dropped| dropped.iter().any(|name| name == "ALL"))
        && added.is_none_or(|added| added.iter().all(|name| name == "NET_BIND_SERVICE"))
        && !is_root
}
