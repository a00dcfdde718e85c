//! Constraints by which pods mean their own kind, and do not meet it: spreads that count nothing,
//! anti-affinity to nobody, a StatefulSet whose governing Service gives its pods no names.

use crate::checks::subject::{Subject, WorkloadView, at, selects};
use crate::cluster::api::scheduling::PodAffinityTerm;
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::api::{LabelSelector, Labels};
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Severity::{Note, Warning};

pub(super) fn check(subject: &Subject<'_>) {
    for workload in subject.workloads() {
        spreads(subject, workload);
        anti_affinity(subject, workload);
        governing_service(subject, workload);
    }
}

/// Spread constraints that do not count the pods that carry them (podtopologyspread/common.go
/// `countPodsMatchSelector`: no selector counts nothing).
fn spreads(subject: &Subject<'_>, workload: &WorkloadView<'_>) {
    let labels = &workload.template.labels;
    for (number, spread) in workload.template.spec.topology_spread.iter().enumerate() {
        let path = format!("topologySpreadConstraints[{number}].labelSelector");
        let why = match &spread.label_selector {
            None => "it has no labelSelector, so every node looks empty to it".to_owned(),
            Some(selector) if selector.matches(labels) => continue,
            Some(selector) => match first_difference(selector, labels) {
                Some(why) => why,
                None => "its labelSelector does not select the pods that carry it".to_owned(),
            },
        };
        let key = &spread.topology_key;
        let message =
            format!("{}: the spread by {key} does not count its own pods", workload.name());
        let place = workload.pod_spec().descend(&path);
        subject.report(
            at(
                &place,
                Warning,
                codes::CONSTRAINT_MEETS_NOBODY,
                message,
                "counts other pods or none",
            )
            .note(why)
            .note("pods are placed as if the constraint were not written"),
        );
    }
}

/// Anti-affinity that was meant for the own pods: its keys are theirs, its values are not.
fn anti_affinity(subject: &Subject<'_>, workload: &WorkloadView<'_>) {
    let affinity = &workload.template.spec.affinity;
    let required =
        affinity.pod_anti_required.iter().enumerate().map(|(at, term)| {
            (format!("requiredDuringSchedulingIgnoredDuringExecution[{at}]"), term)
        });
    let preferred = affinity.pod_anti_preferred.iter().enumerate().map(|(at, (_, term))| {
        (format!("preferredDuringSchedulingIgnoredDuringExecution[{at}].podAffinityTerm"), term)
    });
    for (path, term) in required.chain(preferred) {
        let Some(why) = misses_its_own(subject, workload, term) else { continue };
        let message = format!(
            "{}: the anti-affinity by {} keeps away from no pod",
            workload.name(),
            term.topology_key
        );
        let path = format!("affinity.podAntiAffinity.{path}.labelSelector");
        let place = workload.pod_spec().descend(&path);
        subject.report(
            at(&place, Warning, codes::CONSTRAINT_MEETS_NOBODY, message, "selects no pod")
                .note(why)
                .note("pods are placed as if the constraint were not written"),
        );
    }
}

/// Why a term selects nobody, when it does and was meant for the pods that carry it.
fn misses_its_own(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    term: &PodAffinityTerm,
) -> Option<String> {
    if !term.namespaces.is_empty() || term.namespace_selector.is_some() {
        return None;
    }
    let Some(selector) = &term.label_selector else {
        return Some("it has no labelSelector, which selects nothing".to_owned());
    };
    let namespace = &workload.spec.meta.namespace;
    let meets = subject.all_workloads().iter().any(|other| {
        other.spec.meta.namespace == *namespace && selector.matches(&other.template.labels)
    });
    let own_keys =
        selector.match_labels.keys().all(|key| workload.template.labels.contains_key(key))
            && selector
                .match_expressions
                .iter()
                .all(|it| workload.template.labels.contains_key(&it.key));
    if meets || !own_keys {
        return None;
    }
    first_difference(selector, &workload.template.labels)
}

/// The first label by which pods fail a selector.
fn first_difference(selector: &LabelSelector, labels: &Labels) -> Option<String> {
    let by_label = selector.match_labels.iter().find_map(|(key, wanted)| match labels.get(key) {
        Some(own) if own == wanted => None,
        Some(own) => Some(format!("its pods have {key} {own}, not {wanted}")),
        None => Some(format!("its pods have no label {key}")),
    });
    by_label.or_else(|| {
        let fails = selector
            .match_expressions
            .iter()
            .find(|it| !it.matches_value(labels.get(&it.key).map(|value| &**value)))?;
        let own = labels.get(&fails.key).map_or("none", |value| value);
        Some(format!("the expression on {} fails for its pods, whose value is {own}", fails.key))
    })
}

/// A StatefulSet's pods have names in DNS through the headless Service that it names.
fn governing_service(subject: &Subject<'_>, workload: &WorkloadView<'_>) {
    let WorkloadKind::StatefulSet { .. } = &workload.spec.kind else { return };
    // Values alone do not tell all Services.
    if workload.roughly_told {
        return;
    }
    let Some(field) = workload.value.at(&["spec", "serviceName"]) else { return };
    let Some(name) = field.node().text().filter(|name| !name.is_empty()) else { return };
    let services = &subject.material.objects.services;
    // Where no Services are given at all, they are somewhere else.
    if services.is_empty() {
        return;
    }
    let meta = &workload.spec.meta;
    let named = |namespace: &str| {
        services.iter().find(|it| *it.meta.name == *name && *it.meta.namespace == *namespace)
    };
    let (label, why) = match named(&meta.namespace) {
        None if services.iter().any(|it| *it.meta.name == *name) => {
            ("no such Service", format!("Service/{name} is in another namespace"))
        }
        None => ("no such Service", format!("no manifest has a Service {name}")),
        Some(service) if !service.headless => (
            "not headless",
            format!("Service/{name} has a cluster IP; a headless one has clusterIP: None"),
        ),
        Some(service) if !selects(&service.selector, &workload.spec.template.labels) => {
            ("selects other pods", format!("Service/{name} does not select the pods"))
        }
        Some(_) => return,
    };
    report_governing(subject, workload, &field, label, why);
}

fn report_governing(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    field: &Value<'_>,
    label: &str,
    why: String,
) {
    let name = workload.name();
    let message = format!("{name}: its serviceName gives the pods no names in DNS");
    // One pod has no peers that want its name; clients take the Service.
    let severity = if label == "not headless" && workload.most <= 1 { Note } else { Warning };
    let pod = format!("{}-0", workload.spec.meta.name);
    subject.report(
        at(field, severity, codes::NO_GOVERNING_SERVICE, message, label).note(why).note(format!(
            "`{pod}` cannot be reached by its own name, which peers of a StatefulSet use"
        )),
    );
}
