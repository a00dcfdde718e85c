//! Service and PriorityClass: what they add to other objects.

use std::sync::Arc;

use super::meta::{metadata, object_fields, strings};
use crate::cluster::api::meta::{Labels, ObjectMeta};
use crate::input::decode::Value;

/// v1 Service, as far as it says which pods get traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceObject {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.selector`; a Service without one selects nothing.
    pub selector: Labels,
    /// Where its ports lead in a pod: `targetPort`, or the port itself; numbers or names.
    pub targets: Vec<Arc<str>>,
    /// `spec.clusterIP: None`: clients see the pods themselves.
    pub headless: bool,
}

/// scheduling.k8s.io/v1 PriorityClass.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorityClass {
    /// Name and origin.
    pub meta: ObjectMeta,
    /// `value`.
    pub value: i32,
    /// `globalDefault`.
    pub global_default: bool,
    /// `preemptionPolicy: Never`.
    pub never_preempts: bool,
}

/// The fields of `spec` that decide nothing here.
const ASIDE: [&str; 18] = [
    "allocateLoadBalancerNodePorts",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "publishNotReadyAddresses",
    "sessionAffinity",
    "sessionAffinityConfig",
    "topologyKeys",
    "trafficDistribution",
    "type",
];

/// v1 Service.
pub(super) fn service(value: &Value<'_>) -> Option<ServiceObject> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.optional("spec");
    fields.finish("Service (v1)");
    let (selector, targets, headless) = match spec {
        None => (Some(Labels::new()), Some(Vec::new()), Some(false)),
        Some(spec) => {
            let spec = spec.fields()?;
            let selector = spec.read_or("selector", Labels::new(), strings);
            let headless =
                spec.read_or("clusterIP", false, |ip| ip.string().map(|ip| ip == "None"));
            let targets = spec.read_or("ports", Vec::new(), |value| value.list(target));
            spec.ignore(&ASIDE);
            spec.finish("ServiceSpec (v1)");
            (selector, targets, headless)
        }
    };
    Some(ServiceObject { meta: meta?, selector: selector?, targets: targets?, headless: headless? })
}

/// Where one of its ports leads.
fn target(value: &Value<'_>) -> Option<Arc<str>> {
    let fields = value.fields()?;
    let text = |value: Value<'_>| match value.node().text() {
        Some(name) => Some(Arc::from(name)),
        None => value.integer(1..=65_535_u32).map(|number| Arc::from(number.to_string())),
    };
    let port = fields.optional("port").and_then(text);
    let target = fields.optional("targetPort").and_then(text);
    fields.ignore_all();
    Some(target.or(port).unwrap_or_default())
}

/// scheduling.k8s.io/v1 PriorityClass.
pub(super) fn priority_class(value: &Value<'_>) -> Option<PriorityClass> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let amount = fields.required("value").and_then(|value| value.integer(i32::MIN..=i32::MAX));
    let global_default = fields.read_or("globalDefault", false, Value::boolean);
    let policies = [("Never", true), ("PreemptLowerPriority", false)];
    let never_preempts = fields.read_or("preemptionPolicy", false, |value| value.word(&policies));
    fields.ignore(&["description"]);
    fields.finish("PriorityClass (scheduling.k8s.io/v1)");
    Some(PriorityClass {
        meta: meta?,
        value: amount?,
        global_default: global_default?,
        never_preempts: never_preempts?,
    })
}

/// The classes that every cluster has (pkg/apis/scheduling/types.go `SystemPriorityClasses`).
pub(super) fn system_priority(name: &str) -> Option<i32> {
    match name {
        "system-cluster-critical" => Some(2_000_000_000),
        "system-node-critical" => Some(2_000_001_000),
        _ => None,
    }
}

/// Priority and preemption of a class by name, among the system's and the given ones.
pub(super) fn priority_of(name: &Arc<str>, classes: &[PriorityClass]) -> Option<(i32, bool)> {
    let own = || {
        let class = classes.iter().find(|class| class.meta.name == *name)?;
        Some((class.value, class.never_preempts))
    };
    system_priority(name).map(|value| (value, false)).or_else(own)
}
