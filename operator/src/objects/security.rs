//! Rights of pods. What the manifest says holds, field by field; the rest is as the restricted Pod Security Standard wants it.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    Capabilities, PodSecurityContext, SeccompProfile, SecurityContext,
};

/// User and group of the image.
const SPARK: i64 = 185;

/// Rights of a pod, with those of its template and of the manifest's field laid over ours.
pub(super) fn of_pod(given: [Option<PodSecurityContext>; 2]) -> PodSecurityContext {
    let mut context = PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(SPARK),
        run_as_group: Some(SPARK),
        // Volumes become writable for the group.
        fs_group: Some(SPARK),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    };
    for given in given.into_iter().flatten() {
        context.merge_from(given);
    }
    context
}

/// Rights of the Spark container, likewise.
pub(super) fn of_container(given: [Option<SecurityContext>; 2]) -> SecurityContext {
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
