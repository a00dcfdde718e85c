//! Volume claims as the scheduler sees them.

use std::sync::Arc;

use crate::cluster::api::scheduling::NodeSelectorTerm;
use crate::cluster::api::selector::SelectorRequirement;
use crate::cluster::api::{Labels, SelectorOperator};
use crate::cluster::{self, Cluster, Pod};

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
    /// Someone deleted it, and a pod still uses it.
    Deleting,
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

/// The claims of a live pod; `None` without any.
pub(crate) fn live_claims(cluster: &Cluster, pod: &Pod) -> Option<Arc<[Claim]>> {
    let names = cluster.claims_of(pod);
    if names.is_empty() {
        return None;
    }
    let see = |name: Arc<str>| match cluster.claim(&name) {
        Some(claim) => seen(claim),
        None => {
            Claim { name, read_write_once_pod: false, driver: None, binding: ClaimBinding::Missing }
        }
    };
    Some(names.into_iter().map(see).collect())
}

fn seen(claim: &cluster::Claim) -> Claim {
    let binding = if claim.deleting {
        ClaimBinding::Deleting
    } else if claim.bound {
        let node_affinity = claim.zone.as_ref().map(|zone| vec![zone_term(zone)]);
        ClaimBinding::Bound { node_affinity, labels: Labels::new() }
    } else if claim.waits_for_consumer {
        ClaimBinding::WaitsForConsumer { allowed_topologies: Vec::new() }
    } else {
        ClaimBinding::Immediate
    };
    Claim {
        name: Arc::clone(&claim.name),
        read_write_once_pod: claim.one_pod,
        driver: claim.driver.clone(),
        binding,
    }
}

/// The node affinity of a zonal disk.
fn zone_term(zone: &Arc<str>) -> NodeSelectorTerm {
    let requirement = SelectorRequirement {
        key: Arc::from("topology.kubernetes.io/zone"),
        operator: SelectorOperator::In,
        values: vec![Arc::clone(zone)],
    };
    NodeSelectorTerm { match_expressions: vec![requirement], match_fields: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::api::PodTemplate;
    use crate::control::scheduler::{
        Framework, NodeInfo, NodeSlot, PodDescription, PodInfo, Rejection, Snapshot, Surroundings,
    };
    use crate::model::id::PodId;

    const ZONE: &str = "topology.kubernetes.io/zone";

    fn claim(binding: ClaimBinding) -> Claim {
        let (name, driver) = (Arc::from("default/data"), Some(Arc::from("ebs.csi.aws.com")));
        Claim { name, read_write_once_pod: false, driver, binding }
    }

    fn in_zone(zone: &str) -> Vec<NodeSelectorTerm> {
        let requirement = SelectorRequirement {
            key: Arc::from(ZONE),
            operator: SelectorOperator::In,
            values: vec![Arc::from(zone)],
        };
        vec![NodeSelectorTerm { match_expressions: vec![requirement], match_fields: Vec::new() }]
    }

    /// One node in zone `a` that attaches one volume at most.
    fn cluster() -> (Snapshot, NodeSlot, PodInfo) {
        let mut snapshot = Snapshot::new(Surroundings::default());
        let slot = snapshot.add_node(NodeInfo {
            name: Arc::from("node"),
            labels: Labels::from([(Arc::from(ZONE), Arc::from("a"))]),
            max_pods: 10,
            volume_limits: [(Arc::from("ebs.csi.aws.com"), 1)].into(),
            ..NodeInfo::default()
        });
        let shape = snapshot.add_shape(PodDescription {
            namespace: Arc::from("default"),
            labels: Labels::new(),
            template: Arc::new(PodTemplate::default()),
            owner_selector: None,
        });
        (snapshot, slot, PodInfo::new(PodId(1), shape))
    }

    fn with(pod: &PodInfo, claim: Claim) -> PodInfo {
        PodInfo { claims: Some(Arc::from([claim])), ..pod.clone() }
    }

    fn bound(affinity: Option<Vec<NodeSelectorTerm>>, zones: Option<&str>) -> ClaimBinding {
        let labels = zones.map(|zones| (Arc::from(ZONE), Arc::from(zones)));
        ClaimBinding::Bound { node_affinity: affinity, labels: labels.into_iter().collect() }
    }

    #[test]
    fn volumes_pin_pods_to_where_they_can_be_used() {
        let waits = |allowed_topologies| ClaimBinding::WaitsForConsumer { allowed_topologies };
        let rows = [
            (bound(None, None), Ok(())),
            (bound(Some(in_zone("a")), None), Ok(())),
            (bound(Some(in_zone("b")), None), Err(Rejection::VolumeNodeAffinity)),
            (bound(None, Some("b__a")), Ok(())),
            (bound(None, Some("b__c")), Err(Rejection::VolumeZone)),
            (waits(Vec::new()), Ok(())),
            (waits(in_zone("b")), Err(Rejection::VolumeUnavailable)),
            (ClaimBinding::Immediate, Err(Rejection::ClaimUnbound)),
            (ClaimBinding::Missing, Err(Rejection::ClaimMissing)),
        ];
        let (mut snapshot, slot, pod) = cluster();
        for (binding, expected) in rows {
            let pod = with(&pod, claim(binding.clone()));
            let answer = Framework::new().check(&mut snapshot, &pod, slot);
            assert_eq!(answer, expected, "{binding:?}");
        }
    }

    #[test]
    fn a_node_attaches_so_many_volumes_and_the_same_one_twice() {
        let (mut snapshot, slot, pod) = cluster();
        snapshot.add_pod(slot, with(&pod, claim(bound(None, None))));
        let check = |snapshot: &mut Snapshot, claim: Claim| {
            Framework::new().check(snapshot, &with(&pod, claim), slot)
        };
        let same = claim(bound(None, None));
        assert_eq!(check(&mut snapshot, same.clone()), Ok(()));
        let other = Claim { name: Arc::from("default/other"), ..same.clone() };
        assert_eq!(check(&mut snapshot, other), Err(Rejection::VolumeLimit));
        let alone = Claim { read_write_once_pod: true, ..same };
        assert_eq!(check(&mut snapshot, alone), Err(Rejection::ReadWriteOncePod));
    }
}
