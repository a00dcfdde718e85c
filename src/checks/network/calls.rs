//! Calls between pods: those of the service graph, and those that addresses in the configuration
//! stand for.

use std::collections::BTreeMap;

use super::addresses::addresses;
use super::policies::{Direction, Other, PodPort, PodSide, Policies, Side};
use super::ports::{container_ports, resolve, service_ports};
use crate::checks::subject::{Subject, WorkloadView, at};
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Error, Warning};
use crate::input::kubernetes::ServiceObject;
use crate::input::material::NetworkPolicy;
use crate::input::source::Span;
use crate::service::spec::CallMode;

/// One call of the service graph, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallVerdict {
    /// The workload that calls.
    pub from: String,
    /// The workload that is called.
    pub to: String,
    /// The port of the called pod.
    pub port: u16,
    /// Whether the traffic passes.
    pub allowed: bool,
    /// What each side says.
    pub because: String,
}

/// A connection from pods to pods.
struct Connection<'s, 'a> {
    to: &'s WorkloadView<'a>,
    port: PodPort,
    egress: Side<'a>,
    ingress: Side<'a>,
    /// What it is for: operations, or the keys of the configuration.
    purpose: Vec<String>,
    /// The Service it goes through.
    service: Option<String>,
    /// Where the address is configured.
    place: Option<Span>,
}

impl Connection<'_, '_> {
    fn passes(&self) -> bool {
        self.egress.passes() && self.ingress.passes()
    }

    fn told(&self) -> String {
        format!("egress {}; ingress {}", self.egress.told(), self.ingress.told())
    }
}

pub(super) fn check(subject: &Subject<'_>) {
    for from in subject.workloads() {
        let in_graph = subject.station_of(from).is_some();
        let connections =
            if in_graph { graph_calls(subject, from) } else { configured(subject, from) };
        let blocked: Vec<&Connection<'_, '_>> =
            connections.iter().filter(|it| !it.passes()).collect();
        if !blocked.is_empty() {
            subject.report(finding(subject, from, &blocked, connections.len(), in_graph));
        }
    }
}

/// Every call of the service graph with its verdict, when there are policies and profiles.
#[must_use]
pub(in crate::checks) fn verdicts(subject: &Subject<'_>) -> Vec<CallVerdict> {
    let mut found = Vec::new();
    for from in subject.workloads() {
        for connection in graph_calls(subject, from) {
            found.push(CallVerdict {
                from: from.name(),
                to: connection.to.name(),
                port: connection.port.number,
                allowed: connection.passes(),
                because: connection.told(),
            });
        }
    }
    found
}

fn side_of<'s>(workload: &'s WorkloadView<'_>) -> PodSide<'s> {
    PodSide { namespace: &workload.spec.meta.namespace, labels: &workload.spec.template.labels }
}

/// What both sides say to one connection.
fn connect<'s, 'a>(
    subject: &Subject<'a>,
    from: &WorkloadView<'_>,
    to: &'s WorkloadView<'a>,
    port: PodPort,
) -> Connection<'s, 'a> {
    let policies = Policies(&subject.material.extras);
    let (here, there) = (side_of(from), side_of(to));
    let egress = policies.side(&here, Direction::Egress, &Other::Pod(there.clone()), &port);
    let ingress = policies.side(&there, Direction::Ingress, &Other::Pod(here), &port);
    Connection { to, port, egress, ingress, purpose: Vec::new(), service: None, place: None }
}

/// The calls that the operations of a workload's service wait for. Tasks that are handed to a broker
/// do not connect to their worker.
fn graph_calls<'s, 'a>(
    subject: &'s Subject<'a>,
    from: &WorkloadView<'_>,
) -> Vec<Connection<'s, 'a>> {
    let Some(graph) = &subject.material.services else { return Vec::new() };
    let mut called: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let own = graph.operations.iter().filter(|operation| {
        let station = &graph.stations[operation.station.index()];
        station.workload.is_some_and(|id| id.index() == from.position)
    });
    for call in own.flat_map(|operation| &operation.steps).flat_map(|step| &step.calls) {
        let operation = &graph.operations[call.operation.index()];
        let station = &graph.stations[operation.station.index()];
        let Some(target) = station.workload.filter(|_| call.mode == CallMode::Wait) else {
            continue;
        };
        let names = called.entry(target.index()).or_default();
        if !names.iter().any(|name| **name == *operation.name) {
            names.push(operation.name.to_string());
        }
    }
    let connection = |(position, purpose): (usize, Vec<String>)| {
        let to = subject.workload_at(position).filter(|to| to.position != from.position)?;
        let mut ways: Vec<(PodPort, Option<String>)> = Vec::new();
        for service in subject.services_of(to) {
            ways.extend(ways_through(subject, service, to));
        }
        if ways.is_empty() {
            ways.extend(container_ports(to).into_iter().map(|port| (port, None)));
        }
        // Which of its ports is called is not stated, so one that passes is enough.
        let mut tried = ways
            .into_iter()
            .filter(|(port, _)| &*port.protocol == "TCP")
            .map(|(port, service)| Connection { service, ..connect(subject, from, to, port) });
        let first = tried.next()?;
        let chosen =
            if first.passes() { first } else { tried.find(Connection::passes).unwrap_or(first) };
        Some(Connection { purpose, ..chosen })
    };
    let mut connections: Vec<_> = called.into_iter().filter_map(connection).collect();
    connections.sort_by_cached_key(|it| it.to.name());
    connections
}

fn ways_through(
    subject: &Subject<'_>,
    service: &ServiceObject,
    to: &WorkloadView<'_>,
) -> Vec<(PodPort, Option<String>)> {
    let declared = container_ports(to);
    let ports = service_ports(subject, service).into_iter();
    let resolved = ports.filter_map(|port| resolve(&port.target, &port.protocol, &declared));
    resolved.map(|port| (port, Some(service.meta.name.to_string()))).collect()
}

/// The connections that a workload's configured addresses stand for.
fn configured<'s, 'a>(
    subject: &'s Subject<'a>,
    from: &WorkloadView<'_>,
) -> Vec<Connection<'s, 'a>> {
    let mut found: Vec<Connection<'s, 'a>> = Vec::new();
    for address in addresses(subject, from) {
        let behind = subject.behind(address.service);
        let targets = behind.filter(|to| to.position != from.position);
        for to in targets {
            let declared = container_ports(to);
            let ports = service_ports(subject, address.service);
            let meant =
                ports.iter().filter(|port| address.port.is_none_or(|number| port.number == number));
            let mut ways =
                meant.filter_map(|port| resolve(&port.target, &port.protocol, &declared));
            let Some(first) = ways.next() else { continue };
            let first = connect(subject, from, to, first);
            let chosen = if first.passes() {
                first
            } else {
                ways.map(|port| connect(subject, from, to, port))
                    .find(Connection::passes)
                    .unwrap_or(first)
            };
            let known =
                found.iter_mut().find(|it| it.to.position == to.position && it.port == chosen.port);
            match known {
                Some(known) => known.purpose.push(address.key.clone()),
                None => found.push(Connection {
                    purpose: vec![address.key.clone()],
                    service: Some(address.service.meta.name.to_string()),
                    place: Some(address.span),
                    ..chosen
                }),
            }
        }
    }
    found
}

/// One finding for all blocked connections of a workload.
fn finding(
    subject: &Subject<'_>,
    from: &WorkloadView<'_>,
    blocked: &[&Connection<'_, '_>],
    all: usize,
    in_graph: bool,
) -> Diagnostic {
    let name = from.name();
    let count = blocked.len();
    let (code, severity, message) = if in_graph {
        let of = if count == all { format!("all {all}") } else { format!("{count} of {all}") };
        let message = format!("{name}: NetworkPolicies block {of} services that it calls");
        (codes::CALL_BLOCKED, Error, message)
    } else {
        let plural = if count == 1 { "address" } else { "addresses" };
        let message =
            format!("{name}: NetworkPolicies block {count} {plural} it is configured with");
        (codes::ADDRESS_BLOCKED, Warning, message)
    };
    let outgoing = blocked.iter().find_map(|it| refusing(&it.egress));
    let incoming = blocked.iter().find_map(|it| refusing(&it.ingress));
    let short = &from.spec.meta.name;
    let mut finding = Diagnostic::new(severity, code, message);
    match (outgoing, incoming) {
        (Some(policy), incoming) => {
            finding = finding.primary(
                place(subject, policy),
                format!("selects `{short}` for egress, so what no policy allows is dropped"),
            );
            if let Some(other) = incoming {
                finding =
                    finding.secondary(place(subject, other), "selects those it calls for ingress");
            }
        }
        (None, Some(policy)) => {
            finding = finding.primary(
                place(subject, policy),
                "selects those it calls for ingress, so what no policy allows is dropped",
            );
        }
        (None, None) => {}
    }
    let title = from.title();
    finding = finding.secondary(title.span(), "the caller").about(name, code.entry().slug);
    if let Some(place) = blocked.iter().find_map(|it| it.place) {
        finding = finding.secondary(place, "an address it is configured with");
    }
    for connection in blocked {
        let to =
            connection.service.clone().unwrap_or_else(|| connection.to.spec.meta.name.to_string());
        let purpose = shortened(&connection.purpose);
        finding = finding.note(format!(
            "{to}:{} ({purpose}): {}",
            connection.port.number,
            connection.told()
        ));
    }
    finding.help("allow each call on both sides: egress of the caller and ingress of the called")
}

fn shortened(purpose: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = purpose.iter().take(SHOWN).map(String::as_str).collect();
    let more = purpose.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &rest
}

/// The policy to point at: the one that says least, which is most often a denial by default.
fn refusing<'p>(side: &Side<'p>) -> Option<&'p NetworkPolicy> {
    let Side::Refused(policies) = side else { return None };
    policies
        .iter()
        .copied()
        .find(|policy| policy.pod_selector.is_empty())
        .or_else(|| policies.first().copied())
}

/// Where a policy selects its pods.
pub(super) fn place(subject: &Subject<'_>, policy: &NetworkPolicy) -> Span {
    let value = subject.value("NetworkPolicy", &policy.meta);
    let selector = value.and_then(|value| value.at(&["spec", "podSelector"]));
    selector.map_or(policy.selector_span, |selector| selector.span())
}

/// A finding at a policy.
pub(super) fn at_policy(
    subject: &Subject<'_>,
    policy: &NetworkPolicy,
    severity: crate::checks::Severity,
    code: codes::Code,
    message: String,
    label: &str,
) -> Diagnostic {
    match subject.value("NetworkPolicy", &policy.meta) {
        Some(value) => {
            let selector = value.at(&["spec", "podSelector"]).unwrap_or(value);
            at(&selector, severity, code, message, label)
        }
        None => Diagnostic::new(severity, code, message).primary(policy.selector_span, label),
    }
}
