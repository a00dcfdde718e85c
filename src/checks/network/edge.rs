//! The edges of the release: ingress backends, scrapes by Prometheus, and names.

use std::sync::Arc;

use super::calls::{at_policy, place};
use super::policies::{Direction, Other, PodPort, PodSide, Policies, Side};
use super::ports::{ServicePort, container_ports, resolve, service_ports};
use crate::checks::subject::{Subject, WorkloadView};
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Error, Warning};
use crate::input::kubernetes::ServiceObject;
use crate::input::material::{Backend, Ingress, Monitor, MonitoredNamespaces, PortName};

/// Backends name Services and ports that are there.
pub(super) fn backends_exist(subject: &Subject<'_>) {
    for ingress in &subject.material.extras.ingresses {
        let object = format!("Ingress/{}", ingress.meta.name);
        for backend in &ingress.backends {
            let Some(service) = service_of(subject, ingress, backend) else {
                let message = format!(
                    "{object}: there is no Service `{}` behind {}",
                    backend.service,
                    host(backend)
                );
                subject.report(
                    missing(&object, backend, message)
                        .note("every request to it is answered with 503"),
                );
                continue;
            };
            let ports = service_ports(subject, service);
            let Some(wanted) = &backend.port else { continue };
            if port_of(&ports, wanted).is_none() && !ports.is_empty() {
                let message =
                    format!("{object}: Service `{}` has no port {wanted}", backend.service);
                let known: Vec<String> = ports.iter().map(told).collect();
                subject.report(
                    missing(&object, backend, message)
                        .note(format!("its ports: {}", known.join(", "))),
                );
            }
        }
    }
}

fn missing(object: &str, backend: &Backend, message: String) -> Diagnostic {
    Diagnostic::new(Error, codes::BACKEND_MISSING, message)
        .primary(backend.span, "this backend")
        .about(object, format!("{}{}", backend.host, backend.path))
}

fn told(port: &ServicePort<'_>) -> String {
    match &port.name {
        Some(name) => format!("{name} ({})", port.number),
        None => port.number.to_string(),
    }
}

fn host(backend: &Backend) -> String {
    if backend.host.is_empty() {
        "the default backend".to_owned()
    } else {
        backend.host.to_string()
    }
}

fn service_of<'a>(
    subject: &Subject<'a>,
    ingress: &Ingress,
    backend: &Backend,
) -> Option<&'a ServiceObject> {
    subject.material.objects.services.iter().find(|service| {
        service.meta.name == backend.service && service.meta.namespace == ingress.meta.namespace
    })
}

fn port_of<'p, 'a>(ports: &'p [ServicePort<'a>], wanted: &PortName) -> Option<&'p ServicePort<'a>> {
    ports.iter().find(|port| match wanted {
        PortName::Number(number) => port.number == *number,
        PortName::Name(name) => port.name.as_ref() == Some(name),
    })
}

/// The namespace of the controller of a class: one that the policies name and whose name holds that
/// of the class. A controller in the release's own namespaces is no foreigner.
fn controller(policies: Policies<'_>, ingress: &Ingress) -> Option<Arc<str>> {
    let class = ingress.class.as_deref()?;
    policies
        .named_namespaces()
        .into_iter()
        .find(|name| name.contains(class) || class.contains(&**name))
}

/// The controller may reach the pods behind every backend.
pub(super) fn backends_reachable(subject: &Subject<'_>) {
    let policies = Policies(&subject.material.extras);
    for ingress in &subject.material.extras.ingresses {
        let namespace = controller(policies, ingress);
        let other = Other::Foreign(namespace.as_deref());
        for backend in &ingress.backends {
            let Some(service) = service_of(subject, ingress, backend) else { continue };
            let ports = service_ports(subject, service);
            let port = match &backend.port {
                Some(wanted) => port_of(&ports, wanted),
                None => ports.first(),
            };
            let Some(port) = port else { continue };
            for workload in subject.behind(service) {
                let Some(target) =
                    resolve(&port.target, &port.protocol, &container_ports(workload))
                else {
                    continue;
                };
                let Side::Refused(isolating) =
                    policies.side(&side(workload), Direction::Ingress, &other, &target)
                else {
                    continue;
                };
                subject.report(blocked_backend(
                    subject,
                    ingress,
                    backend,
                    workload,
                    &target,
                    &isolating,
                    namespace.as_deref(),
                ));
            }
        }
    }
}

fn side<'s>(workload: &'s WorkloadView<'_>) -> PodSide<'s> {
    PodSide { namespace: &workload.spec.meta.namespace, labels: &workload.spec.template.labels }
}

fn blocked_backend(
    subject: &Subject<'_>,
    ingress: &Ingress,
    backend: &Backend,
    workload: &WorkloadView<'_>,
    target: &PodPort,
    isolating: &[&crate::input::material::NetworkPolicy],
    namespace: Option<&str>,
) -> Diagnostic {
    let object = format!("Ingress/{}", ingress.meta.name);
    let message = format!(
        "{object}: no NetworkPolicy lets the ingress controller reach {} on port {}",
        workload.name(),
        target.number
    );
    let names: Vec<&str> = isolating.iter().map(|policy| &*policy.meta.name).collect();
    let mut finding = Diagnostic::new(Error, codes::BACKEND_BLOCKED, message)
        .primary(backend.span, format!("{} leads here", host(backend)))
        .about(object, format!("{}{}", backend.host, backend.path));
    if let Some(first) = isolating.first() {
        finding = finding.secondary(place(subject, first), "isolates its pods for ingress");
    }
    let class = ingress.class.as_deref().unwrap_or("?");
    finding = match namespace {
        Some(namespace) => finding.note(format!("the controller of class `{class}` is taken to run in namespace {namespace}, which the policies name")),
        None => finding.note(format!("the controller of class `{class}` runs outside of the release")),
    };
    finding
        .note(format!("policies that isolate the pods for ingress: {}", names.join(", ")))
        .help("allow ingress from the controller's namespace on this port")
}

/// Workloads that look like the Prometheus that scrapes.
fn scrapers<'s, 'a>(subject: &'s Subject<'a>) -> Vec<&'s WorkloadView<'a>> {
    let is_one = |workload: &&WorkloadView<'_>| {
        workload.is_sized()
            && workload.spec.template.spec.containers.iter().any(|container| {
                let image = container.image.split(['@', ':']).next().unwrap_or_default();
                image.rsplit('/').next() == Some("prometheus")
            })
    };
    subject.all_workloads().iter().filter(is_one).collect()
}

/// The pods that a monitor selects, with the port that is scraped.
pub(in crate::checks) fn targets<'s, 'a>(
    subject: &'s Subject<'a>,
    monitor: &Monitor,
) -> Vec<(&'s WorkloadView<'a>, PodPort)> {
    let mut found = Vec::new();
    let services = subject.material.objects.services.iter().filter(|service| {
        in_sight(monitor, &service.meta.namespace) && monitor.selector.matches(&service.meta.labels)
    });
    for service in services {
        let ports = service_ports(subject, service);
        for workload in subject.behind(service) {
            let declared = container_ports(workload);
            for endpoint in &monitor.endpoints {
                let port = ports
                    .iter()
                    .find(|port| !endpoint.target && port.name.as_ref() == Some(&endpoint.port));
                let port = match port {
                    Some(port) => resolve(&port.target, &port.protocol, &declared),
                    None if endpoint.target => declared
                        .iter()
                        .find(|port| port.name.as_ref() == Some(&endpoint.port))
                        .cloned(),
                    None => None,
                };
                found.extend(port.map(|port| (workload, port)));
            }
        }
    }
    found
}

/// Whether a monitor looks at a namespace.
pub(in crate::checks) fn in_sight(monitor: &Monitor, namespace: &str) -> bool {
    match &monitor.namespaces {
        MonitoredNamespaces::Own => *monitor.meta.namespace == *namespace,
        MonitoredNamespaces::Any => true,
        MonitoredNamespaces::Named(names) => names.iter().any(|name| **name == *namespace),
    }
}

/// Prometheus may reach the metrics ports of what the monitors select.
pub(super) fn scrapes(subject: &Subject<'_>) {
    let policies = Policies(&subject.material.extras);
    let scrapers = scrapers(subject);
    for monitor in subject.material.extras.monitors.iter().filter(|monitor| !monitor.of_pods) {
        let mut refused: Vec<(String, String)> = Vec::new();
        let targets = targets(subject, monitor);
        let total = targets.len();
        for (workload, port) in &targets {
            let foreign =
                policies.side(&side(workload), Direction::Ingress, &Other::Foreign(None), port);
            let mut said = vec![(
                "a Prometheus of another namespace".to_owned(),
                foreign.told(),
                foreign.passes(),
            )];
            for scraper in scrapers.iter().filter(|scraper| scraper.position != workload.position) {
                let egress = policies.side(
                    &side(scraper),
                    Direction::Egress,
                    &Other::Pod(side(workload)),
                    port,
                );
                let ingress = policies.side(
                    &side(workload),
                    Direction::Ingress,
                    &Other::Pod(side(scraper)),
                    port,
                );
                let told = format!("egress {}; ingress {}", egress.told(), ingress.told());
                said.push((scraper.name(), told, egress.passes() && ingress.passes()));
            }
            // A Prometheus of the release is the one that is meant; without one any other may be.
            let judged = if scrapers.is_empty() { &said[..1] } else { &said[1..] };
            if !judged.is_empty() && judged.iter().all(|(_, _, passes)| !passes) {
                let (who, told, _) = &judged[0];
                refused.push((
                    format!("{}:{}", workload.spec.meta.name, port.number),
                    format!("{who}: {told}"),
                ));
            }
        }
        if refused.is_empty() {
            continue;
        }
        let object = format!("{}/{}", "ServiceMonitor", monitor.meta.name);
        let of = if refused.len() == total {
            format!("all {total}")
        } else {
            format!("{} of {total}", refused.len())
        };
        let message = format!("{object}: NetworkPolicies keep Prometheus from {of} targets");
        let mut finding = Diagnostic::new(Warning, codes::SCRAPE_BLOCKED, message)
            .primary(monitor.selector_span, "selects them")
            .about(object, "spec.selector");
        if let Some(scraper) = scrapers.first() {
            finding = finding.secondary(scraper.title().span(), "the Prometheus of the release");
        }
        let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
        finding = finding.note(format!("out of reach: {}", names.join(", ")));
        subject.report(finding.note(refused[0].1.clone()));
    }
}

/// Pods whose egress is restricted may still ask for names.
pub(super) fn names(subject: &Subject<'_>) {
    let policies = Policies(&subject.material.extras);
    let port = PodPort { number: 53, name: Some("dns".into()), protocol: "UDP".into() };
    let mut mute: Vec<(&WorkloadView<'_>, &crate::input::material::NetworkPolicy)> = Vec::new();
    for workload in subject.workloads() {
        // The cluster's own DNS runs in kube-system, of whose pods nothing else is known here.
        let other = Other::Foreign(Some("kube-system"));
        let said = policies.side(&side(workload), Direction::Egress, &other, &port);
        if let Side::Refused(isolating) = said {
            mute.extend(isolating.first().map(|policy| (workload, *policy)));
        }
    }
    let Some((_, policy)) = mute.first() else { return };
    let names: Vec<String> = mute.iter().map(|(workload, _)| workload.name()).collect();
    let message = match names.len() {
        1 => format!("{} may not ask for names: no policy allows DNS", names[0]),
        count => format!("{count} workloads may not ask for names: no policy allows DNS"),
    };
    let finding = at_policy(
        subject,
        policy,
        Warning,
        codes::DNS_BLOCKED,
        message,
        "restricts egress, and port 53 UDP is not allowed",
    );
    let finding = if names.len() > 1 {
        finding.note(format!("they are {}", names.join(", ")))
    } else {
        finding
    };
    subject.report(finding.help("allow egress to port 53, UDP and TCP"));
}
