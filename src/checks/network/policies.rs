//! What NetworkPolicies let through: the rules of networking.k8s.io/v1, side by side for the pod that
//! calls and the pod that is called.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cluster::api::Labels;
use crate::input::material::{Cidr, Extras, NetworkPolicy, Peer, PolicyPort, PortName};

/// A pod as policies see it.
#[derive(Debug, Clone)]
pub(super) struct PodSide<'a> {
    pub(super) namespace: &'a str,
    pub(super) labels: &'a Labels,
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(super) enum Other<'a> {
    /// A pod of the manifests.
    Pod(PodSide<'a>),
    /// A pod of another namespace, of which no more than perhaps its namespace is known.
    Foreign(Option<&'a str>),
}

/// A port of the called pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::checks) struct PodPort {
    pub(in crate::checks) number: u16,
    /// Its name in the container, when it has one.
    pub(in crate::checks) name: Option<Arc<str>>,
    /// `TCP`, `UDP` or `SCTP`.
    pub(in crate::checks) protocol: Arc<str>,
}

/// Which way a policy looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

/// What one side says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side<'p> {
    /// No policy selects the pod for this direction.
    Open,
    /// A policy allows it.
    Allowed(&'p NetworkPolicy),
    /// Policies select the pod, and none allows it.
    Refused(Vec<&'p NetworkPolicy>),
}

impl Side<'_> {
    pub(super) fn passes(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// `allowed by a`, `not restricted`, `refused: a, b select it and none allows it`.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Open => "not restricted".to_owned(),
            Self::Allowed(policy) => format!("allowed by {}", policy.meta.name),
            Self::Refused(policies) => {
                let names: Vec<&str> = policies.iter().map(|policy| &*policy.meta.name).collect();
                let (select, none) = match names.len() {
                    1 => ("selects it", "does not allow it"),
                    _ => ("select it", "none of them allows it"),
                };
                format!("refused ({} {select}, {none})", names.join(", "))
            }
        }
    }
}

/// The policies of a release with what they need to be judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policies<'p>(pub(super) &'p Extras);

impl<'p> Policies<'p> {
    /// The policies that isolate a pod in a direction.
    pub(super) fn isolating(
        self,
        pod: &PodSide<'_>,
        direction: Direction,
    ) -> Vec<&'p NetworkPolicy> {
        let selects = |policy: &&NetworkPolicy| {
            *policy.meta.namespace == *pod.namespace && policy.pod_selector.matches(pod.labels)
        };
        let speaks = |policy: &&NetworkPolicy| match direction {
            Direction::Ingress => policy.ingress.is_some(),
            Direction::Egress => policy.egress.is_some(),
        };
        self.0.policies.iter().filter(selects).filter(speaks).collect()
    }

    /// What the pod's own side says to traffic with `other` on `port`.
    pub(super) fn side(
        self,
        pod: &PodSide<'_>,
        direction: Direction,
        other: &Other<'_>,
        port: &PodPort,
    ) -> Side<'p> {
        let isolating = self.isolating(pod, direction);
        if isolating.is_empty() {
            return Side::Open;
        }
        let allows = |policy: &&&NetworkPolicy| {
            let rules = match direction {
                Direction::Ingress => policy.ingress.as_deref(),
                Direction::Egress => policy.egress.as_deref(),
            };
            rules.unwrap_or_default().iter().any(|rule| {
                let peers = &rule.peers;
                let peer = peers.is_empty()
                    || peers.iter().any(|peer| self.peer(peer, &policy.meta.namespace, other));
                let ports = &rule.ports;
                peer && (ports.is_empty() || ports.iter().any(|entry| port_matches(entry, port)))
            })
        };
        match isolating.iter().find(allows) {
            Some(policy) => Side::Allowed(policy),
            None => Side::Refused(isolating),
        }
    }

    fn peer(self, peer: &Peer, own: &str, other: &Other<'_>) -> bool {
        match (peer, other) {
            (Peer::Block { cidr, except }, _) => may_hold_pods(*cidr, except),
            (Peer::Pods { namespaces, pods }, Other::Pod(pod)) => {
                let namespace = match namespaces {
                    None => pod.namespace == own,
                    Some(selector) => selector.matches(&self.namespace_labels(pod.namespace)),
                };
                namespace && pods.as_ref().is_none_or(|pods| pods.matches(pod.labels))
            }
            (Peer::Pods { namespaces: None, .. }, Other::Foreign(_)) => false,
            (Peer::Pods { namespaces: Some(selector), .. }, Other::Foreign(namespace)) => {
                // Labels of a pod that nobody has written may be anything, its namespace too.
                namespace.is_none_or(|name| match self.0.namespaces.get(name) {
                    Some(_) => selector.matches(&self.namespace_labels(name)),
                    // Of a namespace that is not written only its name is known.
                    None => matches_name(selector, name),
                })
            }
        }
    }

    /// Labels of a namespace: as written, and the one that every namespace has.
    fn namespace_labels(self, name: &str) -> Labels {
        let mut labels = self.0.namespaces.get(name).cloned().unwrap_or_default();
        labels.insert(Arc::from("kubernetes.io/metadata.name"), Arc::from(name));
        labels
    }

    /// Namespaces that rules name by `kubernetes.io/metadata.name`, in the order of writing.
    pub(super) fn named_namespaces(self) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        for policy in &self.0.policies {
            let rules = policy.ingress.iter().chain(&policy.egress).flatten();
            for peer in rules.flat_map(|rule| &rule.peers) {
                let Peer::Pods { namespaces: Some(selector), .. } = peer else { continue };
                let by_label = selector.match_labels.get("kubernetes.io/metadata.name").cloned();
                let listed = selector.match_expressions.iter();
                let listed = listed.filter(|it| &*it.key == "kubernetes.io/metadata.name");
                names.extend(by_label.into_iter().chain(listed.flat_map(|it| it.values.clone())));
            }
        }
        names.dedup();
        names
    }
}

/// Whether the expressions on the namespace's name hold, whatever other labels are asked for.
fn matches_name(selector: &crate::cluster::api::LabelSelector, name: &str) -> bool {
    let key = "kubernetes.io/metadata.name";
    let labels = selector.match_labels.get(key).is_none_or(|wanted| **wanted == *name);
    let expressions = selector.match_expressions.iter().filter(|it| &*it.key == key);
    labels && expressions.clone().all(|it| it.matches_value(Some(name)))
}

fn port_matches(entry: &PolicyPort, port: &PodPort) -> bool {
    if entry.protocol != port.protocol {
        return false;
    }
    match (&entry.port, entry.end) {
        (None, _) => true,
        (Some(PortName::Number(first)), Some(last)) => (*first..=last).contains(&port.number),
        (Some(PortName::Number(number)), None) => *number == port.number,
        (Some(PortName::Name(name)), _) => port.name.as_ref() == Some(name),
    }
}

/// Whether a range of addresses may hold pods: clusters take theirs from the private ranges.
fn may_hold_pods(cidr: Cidr, except: &[Cidr]) -> bool {
    let private =
        [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([100, 64, 0, 0], 10)];
    private.iter().any(|(octets, bits)| {
        let range = Cidr { address: IpAddr::from(*octets), bits: *bits };
        let shared = covers(cidr, range) || covers(range, cidr);
        shared && !except.iter().any(|out| covers(*out, range))
    })
}

/// Whether one range holds all of another.
fn covers(outer: Cidr, inner: Cidr) -> bool {
    let (IpAddr::V4(outer_at), IpAddr::V4(inner_at)) = (outer.address, inner.address) else {
        return outer.bits == 0 && outer.address.is_ipv6() == inner.address.is_ipv6();
    };
    if outer.bits > inner.bits {
        return false;
    }
    let shift = 32 - u32::from(outer.bits);
    let head = |address: std::net::Ipv4Addr| u64::from(u32::from(address)) >> shift;
    head(outer_at) == head(inner_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        let (address, bits) = text.split_once('/').expect("a range");
        Cidr {
            address: address.parse().expect("an address"),
            bits: bits.parse().expect("a number of bits"),
        }
    }

    #[test]
    fn pods_live_in_private_ranges_unless_these_are_left_out() {
        let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];
        let all: Vec<Cidr> = private.iter().map(|text| cidr(text)).collect();
        assert!(may_hold_pods(cidr("0.0.0.0/0"), &[]));
        assert!(!may_hold_pods(cidr("0.0.0.0/0"), &all));
        assert!(may_hold_pods(cidr("10.1.0.0/16"), &[]));
        assert!(!may_hold_pods(cidr("52.1.2.0/24"), &[]));
        assert!(!may_hold_pods(cidr("2001:db8::/32"), &[]));
    }
}
