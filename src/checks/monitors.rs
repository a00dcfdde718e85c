//! What Prometheus finds: monitors without targets, pods without a Service, objects that nothing
//! reads.

use crate::checks::network::edge::{in_sight, targets};
use crate::checks::subject::{Subject, WorkloadView};
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Note, Warning};
use crate::input::material::{Monitor, MonitoredNamespaces};

pub(super) fn check(subject: &Subject<'_>) {
    let extras = &subject.material.extras;
    for monitor in extras.monitors.iter().filter(|monitor| !monitor.of_pods) {
        if subject.material.platform.contains(&monitor.selector_span.file) {
            continue;
        }
        without_targets(subject, monitor);
        passed_over(subject, monitor);
    }
    no_operator(subject);
}

fn object(monitor: &Monitor) -> String {
    format!("ServiceMonitor/{}", monitor.meta.name)
}

fn without_targets(subject: &Subject<'_>, monitor: &Monitor) {
    let services = || {
        subject.material.objects.services.iter().filter(|service| {
            in_sight(monitor, &service.meta.namespace)
                && monitor.selector.matches(&service.meta.labels)
        })
    };
    if services().next().is_none() {
        // Elsewhere in the cluster it may find what these objects do not have.
        let elsewhere = monitor.namespaces != MonitoredNamespaces::Own;
        let severity = if elsewhere { Note } else { Warning };
        let message = format!("{} selects no Service of these objects", object(monitor));
        let finding = Diagnostic::new(severity, codes::MONITOR_SELECTS_NOTHING, message)
            .primary(monitor.selector_span, "matches none")
            .about(object(monitor), "spec.selector");
        subject.report(if elsewhere {
            finding.note(
                "it looks at other namespaces too: what it scrapes must be brought by the cluster",
            )
        } else {
            finding.note("nothing is scraped by it, and alerts on its metrics stay silent")
        });
        return;
    }
    if targets(subject, monitor).is_empty() && !monitor.endpoints.is_empty() {
        let first = &monitor.endpoints[0];
        let message =
            format!("{}: no Service that it selects has a port `{}`", object(monitor), first.port);
        subject.report(
            Diagnostic::new(Warning, codes::MONITOR_SELECTS_NOTHING, message)
                .primary(first.span, "no such port")
                .about(object(monitor), "spec.endpoints"),
        );
    }
}

/// Pods that carry the labels and ports that a monitor looks for, and have no Service.
fn passed_over(subject: &Subject<'_>, monitor: &Monitor) {
    if monitor.selector.is_empty() {
        return;
    }
    let has_port = |workload: &&WorkloadView<'_>| {
        let ports = crate::checks::network::ports::container_ports(workload);
        ports.iter().any(|port| {
            monitor.endpoints.iter().any(|endpoint| port.name.as_ref() == Some(&endpoint.port))
        })
    };
    let meant = subject.workloads().filter(|workload| {
        workload.runs_on()
            && in_sight(monitor, &workload.spec.meta.namespace)
            && monitor.selector.matches(&workload.spec.template.labels)
            && subject.services_of(workload).next().is_none()
    });
    for workload in meant.filter(has_port) {
        let message = format!(
            "{} has the labels and the port that {} looks for, and no Service",
            workload.name(),
            object(monitor)
        );
        let title = workload.title();
        subject.report(
            Diagnostic::new(Warning, codes::NOT_SCRAPED, message)
                .primary(title.span(), "no Service selects its pods")
                .secondary(monitor.selector_span, "finds pods through Services only")
                .about(workload.name(), title.path())
                .help("add a Service with the port, or a PodMonitor"),
        );
    }
}

/// Monitors and rules beside a Prometheus of the release that does not read them.
fn no_operator(subject: &Subject<'_>) {
    let extras = &subject.material.extras;
    let counts = |kind: &str| extras.counts.get(kind).copied().unwrap_or(0);
    let objects = counts("ServiceMonitor") + counts("PodMonitor") + counts("PrometheusRule");
    if objects == 0 || counts("Prometheus") > 0 {
        return;
    }
    let own = subject.workloads().find(|workload| {
        workload.is_sized()
            && workload.spec.template.spec.containers.iter().any(|container| {
                let image = container.image.split(['@', ':']).next().unwrap_or_default();
                image.rsplit('/').next() == Some("prometheus")
            })
    });
    let Some(own) = own else { return };
    let rules = extras.rules.alerts.len();
    let message = format!(
        "{} runs without the operator, and only the operator reads ServiceMonitors and PrometheusRules",
        own.name()
    );
    let title = own.title();
    let mut finding = Diagnostic::new(Warning, codes::NO_OPERATOR, message)
        .primary(title.span(), "a Prometheus of its own")
        .about(own.name(), title.path());
    if let Some(monitor) = extras.monitors.first() {
        finding = finding.secondary(monitor.selector_span, "read by the operator");
    }
    if let Some(alert) = extras.rules.alerts.first() {
        finding = finding.secondary(alert.span, "evaluated where the operator puts it");
    }
    subject.report(
        finding
            .note(format!("there are {objects} such objects with {rules} alerts, and no object of kind Prometheus that would select them"))
            .note("where the cluster runs an operator whose Prometheus selects this namespace, all is well"),
    );
}
