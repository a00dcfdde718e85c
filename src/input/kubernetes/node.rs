//! Node (v1): machines of a live cluster, as `kubectl get nodes -o yaml` shows them.

use std::sync::Arc;

use super::meta::metadata;
use super::scheduling::taint;
use crate::cluster::api::meta::ObjectMeta;
use crate::cluster::api::scheduling::Taint;
use crate::input::decode::Value;
use crate::scenario::Provider;
use crate::units::{Bytes, MilliCpu, Resources};

/// A machine of a live cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeObject {
    /// Name, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// The cloud, as the scheme of `spec.providerID` tells; `None` outside the known ones.
    pub provider: Option<Provider>,
    /// `status.capacity`.
    pub capacity: Resources,
    /// `status.allocatable`; the capacity when absent, as the kubelet has it without reservations.
    pub allocatable: Resources,
    /// Pods that it can run: `status.allocatable.pods`, 110 when absent (the kubelet's default).
    pub max_pods: i64,
    /// Data volumes that can be attached at once, when an in-tree driver says so:
    /// `attachable-volumes-*`.
    pub max_volumes: Option<i64>,
}

impl NodeObject {
    /// The value of the first of these labels that the node has.
    #[must_use]
    pub fn label(&self, keys: &[&str]) -> Option<&Arc<str>> {
        keys.iter().find_map(|key| self.meta.labels.get(*key))
    }
}

/// v1 Node. Of `status` only the resources are read: the rest tells of a moment that is over.
pub(super) fn node(value: &Value<'_>) -> Option<NodeObject> {
    let fields = value.fields()?;
    let meta = metadata(&fields);
    let spec = fields.read("spec", |spec| {
        let spec = spec.fields()?;
        let taints = spec.read_or("taints", Vec::new(), |value| value.list(taint));
        let unschedulable = spec.read_or("unschedulable", false, Value::boolean);
        let provider = spec.read("providerID", Value::string);
        spec.ignore(&["configSource", "externalID", "podCIDR", "podCIDRs"]);
        spec.finish("NodeSpec (v1)");
        Some((taints?, unschedulable?, provider?.and_then(provider_of)))
    });
    let status = fields.required("status").and_then(|status| {
        let status = status.fields()?;
        let capacity = status.required("capacity").and_then(|capacity| machine(&capacity));
        let allocatable = status.read("allocatable", machine);
        let capacity = capacity?;
        let allocatable = allocatable?.unwrap_or_else(|| capacity.clone());
        Some((capacity, allocatable))
    });
    fields.ignore(&["apiVersion", "kind"]);
    fields.finish("Node (v1)");
    let (taints, unschedulable, provider) = spec?.unwrap_or_default();
    let (capacity, allocatable) = status?;
    Some(NodeObject {
        meta: meta?,
        taints,
        unschedulable,
        provider,
        max_pods: allocatable.pods.or(capacity.pods).unwrap_or(110),
        max_volumes: allocatable.volumes,
        capacity: capacity.resources,
        allocatable: allocatable.resources,
    })
}

/// What a machine has.
#[derive(Debug, Clone, Default)]
struct Machine {
    resources: Resources,
    pods: Option<i64>,
    volumes: Option<i64>,
}

/// The resources of a node; names that are no resource of pods are passed over, as the kubelet may
/// report anything.
fn machine(value: &Value<'_>) -> Option<Machine> {
    let mut machine = Machine::default();
    let mut complete = true;
    for (name, amount) in value.entries()? {
        let Some(quantity) = amount.positive_quantity() else {
            complete = false;
            continue;
        };
        match name.text {
            "cpu" => machine.resources.cpu = MilliCpu(quantity.milli_value_ceil()),
            "memory" => machine.resources.memory = Bytes(quantity.value_ceil()),
            "ephemeral-storage" => {
                machine.resources.ephemeral_storage = Bytes(quantity.value_ceil());
            }
            "pods" => machine.pods = Some(quantity.value_ceil()),
            volumes if volumes.starts_with("attachable-volumes-") => {
                machine.volumes = Some(quantity.value_ceil());
            }
            extended if extended.contains('/') || extended.starts_with("hugepages-") => {
                machine.resources.set(&Arc::from(extended), quantity.value_ceil());
            }
            _ => {}
        }
    }
    complete.then_some(machine)
}

fn provider_of(id: &str) -> Option<Provider> {
    match id.split_once("://")?.0 {
        "aws" => Some(Provider::Eks),
        "gce" => Some(Provider::Gke),
        "azure" => Some(Provider::Aks),
        _ => None,
    }
}
