//! NodePorts (nodeports/node_ports.go; framework/types.go `HostPortInfo.CheckConflict`).

use crate::cluster::api::pod::HostPort;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::NodeInfo;

/// No host port may be taken.
pub(super) fn filter(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    let taken = |port: &HostPort| node.host_ports.iter().any(|used| conflict(port, used));
    rules.shape.host_ports.iter().any(taken).then_some(Rejection::Ports)
}

/// One port of one protocol on one address; `0.0.0.0` is every address.
pub(crate) fn conflict(one: &HostPort, other: &HostPort) -> bool {
    let everywhere = |port: &HostPort| &*port.ip == "0.0.0.0";
    one.port == other.port
        && one.protocol == other.protocol
        && (one.ip == other.ip || everywhere(one) || everywhere(other))
}
