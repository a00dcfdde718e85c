//! Volume claims as the scheduler sees them.

use std::sync::Arc;

use crate::cluster::api::Labels;
use crate::cluster::api::scheduling::NodeSelectorTerm;

/// A PersistentVolumeClaim of a pod, and how far its binding has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Namespace and name, e.g. `aurelius/data-postgresql-0`.
    pub name: Arc<str>,
    /// Access mode `ReadWriteOncePod`.
    pub read_write_once_pod: bool,
    /// The CSI driver that attaches it; `None` for volumes no driver counts.
    pub driver: Option<Arc<str>>,
    /// Binding.
    pub binding: ClaimBinding,
}

/// How far the binding of a claim has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimBinding {
    /// There is no such claim.
    Missing,
    /// Unbound, of a class that binds at once: nothing the scheduler could do.
    Immediate,
    /// Unbound, of a class that waits for the first consumer.
    WaitsForConsumer {
        /// `allowedTopologies` of the class; empty allows every node.
        allowed_topologies: Vec<NodeSelectorTerm>,
    },
    /// Bound to a volume.
    Bound {
        /// The volume's node affinity; `None` is any node.
        node_affinity: Option<Vec<NodeSelectorTerm>>,
        /// The volume's labels, of which zone and region bind it to nodes.
        labels: Labels,
    },
}
