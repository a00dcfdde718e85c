//! Objects that select nothing, and ports that lead nowhere.

use crate::checks::network::ports::{container_ports, resolve, service_ports};
use crate::checks::subject::{Subject, WorkloadView, at, selects};
use crate::input::codes;
use crate::input::diagnostic::Severity::Warning;

pub(super) fn check(subject: &Subject<'_>) {
    services(subject);
    policies(subject);
}

fn services(subject: &Subject<'_>) {
    for service in &subject.material.objects.services {
        let Some(value) = subject.value("Service", &service.meta) else { continue };
        if service.selector.is_empty() || subject.is_platform(&value) {
            continue;
        }
        let behind: Vec<&WorkloadView<'_>> = subject.behind(service).collect();
        if behind.is_empty() {
            nothing(subject, service, &value);
            continue;
        }
        for port in service_ports(subject, service) {
            let leads = behind.iter().any(|workload| {
                resolve(&port.target, &port.protocol, &container_ports(workload)).is_some()
            });
            if leads || behind.iter().any(|workload| workload.roughly_told) {
                continue;
            }
            let place = port.value.get("targetPort").unwrap_or_else(|| port.value.clone());
            let names: Vec<String> = behind.iter().map(|workload| workload.name()).collect();
            let message = format!(
                "{}: no container of {} has a port named `{}`",
                value.object(),
                names.join(", "),
                port.target
            );
            let known: Vec<String> = behind
                .iter()
                .flat_map(|workload| container_ports(workload))
                .filter_map(|port| port.name)
                .map(|name| name.to_string())
                .collect();
            let mut finding = at(&place, Warning, codes::PORT_MISSING, message, "leads nowhere");
            finding = finding.note(if known.is_empty() {
                "the containers name no port".to_owned()
            } else {
                format!("ports of the containers: {}", known.join(", "))
            });
            subject.report(finding);
        }
    }
}

fn nothing(
    subject: &Subject<'_>,
    service: &crate::input::kubernetes::ServiceObject,
    value: &crate::input::decode::Value<'_>,
) {
    // Pods that an operator or a person makes are in no workload; so it is with a chart's part.
    let same_namespace = subject
        .all_workloads()
        .iter()
        .any(|workload| workload.spec.meta.namespace == service.meta.namespace);
    let owned = service
        .meta
        .labels
        .keys()
        .chain(service.selector.keys())
        .any(|key| key.contains("operator"));
    let unseen =
        subject.may_be_unseen(&service.meta.namespace, |labels| selects(&service.selector, labels));
    if !same_namespace || owned || unseen {
        return;
    }
    let place = value.at(&["spec", "selector"]).unwrap_or_else(|| value.clone());
    let namespace = &service.meta.namespace;
    let message = format!("{} selects no pod", value.object());
    let mut finding = at(
        &place,
        Warning,
        codes::SERVICE_SELECTS_NOTHING,
        message,
        format!("no workload in namespace {namespace} has pods with these labels"),
    );
    let elsewhere = subject
        .all_workloads()
        .iter()
        .find(|workload| selects(&service.selector, &workload.spec.template.labels));
    if let Some(workload) = elsewhere {
        finding = finding.note(format!(
            "{} matches, and is in namespace {}",
            workload.name(),
            workload.spec.meta.namespace
        ));
    } else if let Some((workload, missing)) = closest(subject, service) {
        finding = finding.note(format!("the closest is {}: {missing}", workload.name()));
    }
    subject.report(finding.note("it has no endpoints: connections are refused"));
}

/// The workload that lacks the fewest labels, with the first of them.
fn closest<'s, 'a>(
    subject: &'s Subject<'a>,
    service: &crate::input::kubernetes::ServiceObject,
) -> Option<(&'s WorkloadView<'a>, String)> {
    let lacks = |workload: &&WorkloadView<'_>| {
        let labels = &workload.spec.template.labels;
        service.selector.iter().filter(|(key, value)| labels.get(*key) != Some(value)).count()
    };
    let same = subject
        .all_workloads()
        .iter()
        .filter(|workload| workload.spec.meta.namespace == service.meta.namespace);
    let workload =
        same.min_by_key(lacks).filter(|workload| lacks(workload) < service.selector.len())?;
    let labels = &workload.spec.template.labels;
    let (key, value) =
        service.selector.iter().find(|(key, value)| labels.get(*key) != Some(value))?;
    Some((
        workload,
        match labels.get(key) {
            Some(own) => format!("its label {key} is {own}, not {value}"),
            None => format!("it has no label {key}"),
        },
    ))
}

fn policies(subject: &Subject<'_>) {
    for policy in &subject.material.extras.policies {
        let Some(value) = subject.value("NetworkPolicy", &policy.meta) else { continue };
        let namespace = &policy.meta.namespace;
        let mut own = subject
            .all_workloads()
            .iter()
            .filter(|workload| workload.spec.meta.namespace == *namespace)
            .peekable();
        if policy.pod_selector.is_empty() || own.peek().is_none() || subject.is_platform(&value) {
            continue;
        }
        let unseen = subject.may_be_unseen(namespace, |labels| policy.pod_selector.matches(labels));
        if unseen || own.any(|workload| policy.pod_selector.matches(&workload.spec.template.labels))
        {
            continue;
        }
        let message = format!("{} selects no pod", value.object());
        subject.report(at(
            &value.at(&["spec", "podSelector"]).unwrap_or_else(|| value.clone()),
            Warning,
            codes::POLICY_SELECTS_NOTHING,
            message,
            format!("no workload in namespace {namespace} has pods with these labels"),
        ));
    }
}
