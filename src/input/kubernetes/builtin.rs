//! The groups and kinds that every cluster has: what names one of these groups and none of its kinds is a
//! slip of the pen, and the API server refuses it.

use super::Judgement;
use crate::input::codes;
use crate::input::decode::{Value, nearest};
use crate::input::diagnostic::Diagnostic;

/// Kinds by API group (Kubernetes 1.36, staging/src/k8s.io/api), with those that older releases had.
const GROUPS: [(&str, &[&str]); 14] = [
    (
        "",
        &[
            "Binding",
            "ComponentStatus",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "List",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("autoscaling", &["HorizontalPodAutoscaler", "Scale"]),
    ("batch", &["CronJob", "Job"]),
    ("policy", &["Eviction", "PodDisruptionBudget", "PodSecurityPolicy"]),
    (
        "networking.k8s.io",
        &["IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR"],
    ),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    (
        "storage.k8s.io",
        &[
            "CSIDriver",
            "CSINode",
            "CSIStorageCapacity",
            "StorageClass",
            "VolumeAttachment",
            "VolumeAttributesClass",
        ],
    ),
    ("scheduling.k8s.io", &["PodGroup", "PriorityClass", "Workload"]),
    ("coordination.k8s.io", &["Lease", "LeaseCandidate"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
];

fn kinds_of(group: &str) -> Option<&'static [&'static str]> {
    GROUPS.iter().find(|(name, _)| *name == group).map(|(_, kinds)| *kinds)
}

/// What is wrong with the pair of `apiVersion` and `kind`, when no cluster can have it; `current` is the
/// version of a kind that is read.
pub(super) fn misplaced(value: &Value<'_>, version: &str, kind: &str) -> Option<Diagnostic> {
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let at = |field: &str| value.descend(field).span();
    let home = || GROUPS.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(name, _)| *name);
    let Some(kinds) = kinds_of(group) else {
        // A group of someone else's may have any kind; one that is a slip away from ours may not.
        let near = nearest(group, GROUPS.iter().map(|(name, _)| *name))?;
        kinds_of(near)?.contains(&kind).then_some(())?;
        let message = format!("has apiVersion {version}, and {kind} is in the group {near}");
        let error = value.error(codes::UNKNOWN_KIND, &message).primary(at("apiVersion"), "");
        return Some(suggested(error, value, kind));
    };
    if kinds.contains(&kind) {
        // The kind is there; its version may not be.
        let current =
            current(kind).filter(|_| matches!(super::judge(version, kind), Judgement::Ignore))?;
        let message =
            format!("has apiVersion {version}, which does not exist; {kind} is in {current}");
        let error = value.error(codes::UNKNOWN_KIND, &message).primary(at("apiVersion"), "");
        return Some(suggested(error, value, kind));
    }
    if home().is_some() {
        let message = format!("is of kind {kind}, which {version} does not have");
        let error = value.error(codes::UNKNOWN_KIND, &message).primary(at("apiVersion"), "");
        return Some(suggested(error, value, kind));
    }
    let message = format!("is of kind {kind}, which {version} does not have");
    let note = "the API server says: no matches for kind";
    Some(match nearest(kind, kinds.iter().copied()) {
        Some(near) => value
            .error(codes::UNKNOWN_KIND, &message)
            .primary(at("kind"), "")
            .note(format!("{note} \"{kind}\" in version \"{version}\""))
            .replace("did you mean", at("kind"), near),
        None => value
            .warning(codes::UNKNOWN_KIND, &message)
            .primary(at("kind"), "not looked at")
            .note(format!("{note} \"{kind}\" in version \"{version}\"")),
    })
}

/// The version of a kind whose objects are read.
fn current(kind: &str) -> Option<&'static str> {
    let versions = [
        "apps/v1",
        "autoscaling/v2",
        "batch/v1",
        "policy/v1",
        "v1",
        "storage.k8s.io/v1",
        "scheduling.k8s.io/v1",
    ];
    versions.into_iter().find(|version| matches!(super::judge(version, kind), Judgement::Decode(_)))
}

fn suggested(error: Diagnostic, value: &Value<'_>, kind: &str) -> Diagnostic {
    let span = value.descend("apiVersion").span();
    match current(kind) {
        Some(current) => error.replace("write", span, current),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use crate::input::decode::Context;
    use crate::input::diagnostic::Diagnostics;
    use crate::input::kubernetes::Objects;
    use crate::input::source::Sources;
    use crate::input::yaml::{Dialect, parse};

    fn told(version: &str, kind: &str) -> Option<(String, Option<String>)> {
        let (mut sources, diagnostics) = (Sources::new(), Diagnostics::new());
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
        let file = sources.add("a.yaml", &text);
        let nodes = parse(&sources, file, Dialect::Yaml11, &diagnostics);
        let mut objects = Objects::default();
        objects.read(Context { sources: &sources, diagnostics: &diagnostics }, &nodes[0]);
        let first = diagnostics.sorted().into_iter().find(|it| it.code().number() == 13)?;
        let edit = first.helps().first().and_then(|help| help.replacement.as_ref());
        Some((first.severity().word().to_owned(), edit.map(|edit| edit.text.clone())))
    }

    #[test]
    fn slips_in_kind_and_version_are_told_and_foreign_kinds_are_not() {
        let error = |edit: &str| Some(("error".to_owned(), Some(edit.to_owned())));
        let rows = [
            ("apps/v1", "Deploymnt", error("Deployment")),
            ("apps/v1", "deployment", error("Deployment")),
            ("v1", "Deployment", error("apps/v1")),
            ("apps/v2", "Deployment", error("apps/v1")),
            ("app/v1", "Deployment", error("apps/v1")),
            ("autoscaling/v3", "HorizontalPodAutoscaler", error("autoscaling/v2")),
            ("apps/v1", "Service", error("v1")),
            ("apps/v1", "Sandwich", Some(("warning".to_owned(), None))),
            ("serving.knative.dev/v1", "Service", None),
            ("example.com/v1", "Deploymnt", None),
            ("v1", "ConfigMap", None),
            ("rbac.authorization.k8s.io/v1", "Role", None),
            ("networking.k8s.io/v1beta1", "Ingress", None),
            ("extensions/v1beta1", "Ingress", None),
        ];
        for (version, kind, expected) in rows {
            assert_eq!(told(version, kind), expected, "{version} {kind}");
        }
    }
}
