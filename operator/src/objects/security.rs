//! Rights of pods. What the manifest says holds, field by field; the rest is as the restricted Pod Security Standard wants it, for the Spark
//! container and for every other one that is within it. A container that is not, such as one that begins as root to give a directory to
//! somebody else, has what its image and its manifest say; whether that is allowed, the namespace decides.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext,
};

/// User and group of the image.
const SPARK: i64 = 185;

/// Rights of the Spark container, with those of its template and of the manifest's field laid over ours.
pub(super) fn of_spark(given: [Option<SecurityContext>; 2]) -> SecurityContext {
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

/// Gives a pod its rights, those of its template and of the manifest's field laid over ours. Its first container is Spark's. The user
/// is the pod's, unless that would make it one of a container that has another: then it is told to each that it is for.
pub(super) fn give(pod: &mut PodSpec, given: [Option<PodSecurityContext>; 2]) {
    let mut said = PodSecurityContext::default();
    for given in given.into_iter().flatten() {
        said.merge_from(given);
    }
    let mut context = PodSecurityContext {
        // Volumes become writable for the group.
        fs_group: Some(SPARK),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    };
    let user = user(&said);
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
    context.merge_from(said);
    pod.security_context = Some(context);
}

/// Who runs, as far as the pod's manifest does not say it.
fn user(said: &PodSecurityContext) -> SecurityContext {
    SecurityContext {
        run_as_non_root: said.run_as_non_root.is_none().then_some(true),
        run_as_user: said.run_as_user.is_none().then_some(SPARK),
        run_as_group: said.run_as_group.is_none().then_some(SPARK),
        ..SecurityContext::default()
    }
}

/// Whether a container is within the restricted standard by what it says itself, whoever it runs as.
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
