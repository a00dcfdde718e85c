//! NetworkPolicy (networking.k8s.io/v1): who may talk to the pods it selects, and to whom they may.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cluster::api::meta::ObjectMeta;
use crate::cluster::api::selector::LabelSelector;
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::kubernetes::meta::{metadata, object_fields, selector};
use crate::input::source::Span;

/// A NetworkPolicy as written.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPolicy {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.podSelector`; empty selects every pod of the namespace.
    pub pod_selector: LabelSelector,
    /// Where the selector stands.
    pub selector_span: Span,
    /// The rules of incoming traffic; `None` when it says nothing about it.
    pub ingress: Option<Vec<PolicyRule>>,
    /// The rules of outgoing traffic; `None` when it says nothing about it.
    pub egress: Option<Vec<PolicyRule>>,
}

/// One rule: traffic passes when one peer and one port match.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyRule {
    /// `from` or `to`; empty is everyone.
    pub peers: Vec<Peer>,
    /// `ports`; empty is every port.
    pub ports: Vec<PolicyPort>,
    /// Where the rule stands.
    pub span: Span,
}

/// Who is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Peer {
    /// Pods by their labels and the labels of their namespace.
    Pods {
        /// Namespaces; `None` is the policy's own.
        namespaces: Option<LabelSelector>,
        /// Pods in them; `None` is all.
        pods: Option<LabelSelector>,
    },
    /// Addresses.
    Block {
        /// `cidr`.
        cidr: Cidr,
        /// Parts of it that are not meant.
        except: Vec<Cidr>,
    },
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub bits: u8,
}

/// One entry of `ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Arc<str>,
    /// Which port; `None` is all of the protocol.
    pub port: Option<PortName>,
    /// The last port of a range that begins at `port`.
    pub end: Option<u16>,
}

/// A port by number, or by the name that a container gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortName {
    /// By number.
    Number(u16),
    /// By name.
    Name(Arc<str>),
}

impl std::fmt::Display for PortName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// networking.k8s.io/v1 NetworkPolicy. Without `policyTypes` it speaks of incoming traffic, and of
/// outgoing when it has such rules (apis/networking/v1/defaults.go `SetDefaults_NetworkPolicy`).
pub(super) fn network_policy(value: &Value<'_>) -> Option<NetworkPolicy> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec_value = fields.required("spec");
    fields.finish("NetworkPolicy (networking.k8s.io/v1)");
    let spec = spec_value?.fields()?;
    let selector_value = spec.optional("podSelector");
    let pod_selector =
        selector_value.as_ref().map_or_else(|| Some(LabelSelector::default()), selector);
    let types = spec.read("policyTypes", |value| {
        value.list(|item| {
            item.word(&[("Ingress", Direction::Ingress), ("Egress", Direction::Egress)])
        })
    });
    let ingress =
        spec.read_or("ingress", Vec::new(), |value| value.list(|rule| policy_rule(rule, "from")));
    let egress =
        spec.read_or("egress", Vec::new(), |value| value.list(|rule| policy_rule(rule, "to")));
    spec.finish("NetworkPolicySpec (networking.k8s.io/v1)");
    let (types, ingress, egress) = (types?, ingress?, egress?);
    let speaks = |direction| match &types {
        Some(types) if !types.is_empty() => types.contains(&direction),
        Some(_) | None => direction == Direction::Ingress || !egress.is_empty(),
    };
    Some(NetworkPolicy {
        meta: meta?,
        pod_selector: pod_selector?,
        selector_span: selector_value.as_ref().unwrap_or(value).span(),
        ingress: speaks(Direction::Ingress).then_some(ingress),
        egress: speaks(Direction::Egress).then_some(egress.clone()),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

fn policy_rule(value: &Value<'_>, side: &'static str) -> Option<PolicyRule> {
    let fields = value.fields()?;
    let peers = fields.read_or(side, Vec::new(), |value| value.list(peer));
    let ports = fields.read_or("ports", Vec::new(), |value| value.list(policy_port));
    fields.finish("a rule of a NetworkPolicy");
    Some(PolicyRule { peers: peers?, ports: ports?, span: value.span() })
}

fn peer(value: &Value<'_>) -> Option<Peer> {
    let fields = value.fields()?;
    let pods = fields.read("podSelector", selector);
    let namespaces = fields.read("namespaceSelector", selector);
    let block = fields.read("ipBlock", |value| {
        let fields = value.fields()?;
        let range = fields.required("cidr").and_then(|value| cidr(&value));
        let except = fields.read_or("except", Vec::new(), |value| value.list(cidr));
        fields.finish("IPBlock (networking.k8s.io/v1)");
        Some(Peer::Block { cidr: range?, except: except? })
    });
    fields.finish("NetworkPolicyPeer (networking.k8s.io/v1)");
    let (pods, namespaces) = (pods?, namespaces?);
    match block? {
        Some(_) if pods.is_some() || namespaces.is_some() => {
            let message = "must not have a selector beside `ipBlock`";
            value.report(value.error(codes::EXCLUSIVE_FIELDS, message));
            None
        }
        Some(block) => Some(block),
        None if pods.is_none() && namespaces.is_none() => {
            let message = "must have `podSelector`, `namespaceSelector` or `ipBlock`";
            value.report(value.error(codes::MISSING_FIELD, message));
            None
        }
        None => Some(Peer::Pods { namespaces, pods }),
    }
}

fn cidr(value: &Value<'_>) -> Option<Cidr> {
    let text = value.string()?;
    let parsed = text.split_once('/').and_then(|(address, bits)| {
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.parse().ok().filter(|bits| *bits <= most)?;
        Some(Cidr { address, bits })
    });
    if parsed.is_none() {
        let message = format!("is `{text}`, must be a range of addresses such as `10.0.0.0/8`");
        value.report(value.error(codes::INVALID_VALUE, &message));
    }
    parsed
}

fn policy_port(value: &Value<'_>) -> Option<PolicyPort> {
    let fields = value.fields()?;
    let protocols = [("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP")];
    let protocol = fields.read_or("protocol", "TCP", |value| value.word(&protocols));
    let port = fields.read("port", port_name);
    let end_value = fields.optional("endPort");
    let end =
        end_value.as_ref().map_or(Some(None), |value| value.integer(1..=65_535_u16).map(Some));
    fields.finish("NetworkPolicyPort (networking.k8s.io/v1)");
    let (port, end) = (port?, end?);
    if let (Some(last), Some(value)) = (end, end_value) {
        let fault = match &port {
            Some(PortName::Number(first)) if last >= *first => None,
            Some(PortName::Number(_)) => Some("must be greater than or equal to `port`"),
            Some(PortName::Name(_)) => Some("may not be specified when `port` is a name"),
            None => Some("may not be specified without `port`"),
        };
        if let Some(fault) = fault {
            value.report(value.error(codes::OUT_OF_RANGE, fault));
            return None;
        }
    }
    Some(PolicyPort { protocol: protocol?.into(), port, end })
}

/// A port by number or name.
pub(super) fn port_name(value: &Value<'_>) -> Option<PortName> {
    match value.node().text() {
        Some(name) => Some(PortName::Name(name.into())),
        None => value.integer(1..=65_535_u16).map(PortName::Number),
    }
}
