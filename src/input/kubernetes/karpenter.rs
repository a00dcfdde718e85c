//! Karpenter's own objects: NodePools and EC2NodeClasses.
//!
//! karpenter.sh/v1 NodePool; karpenter.k8s.aws/v1 EC2NodeClass.

use std::sync::Arc;

use super::meta::{metadata, names, object_fields, template_metadata};
use super::scheduling::taint;
use crate::cluster::api::meta::{IntOrPercent, Labels, ObjectMeta};
use crate::cluster::api::scheduling::Taint;
use crate::control::karpenter::pool::{ConsolidationPolicy, DisruptionReason};
use crate::control::karpenter::requirement::{Requirement, Requirements};
use crate::input::codes;
use crate::input::cron;
use crate::input::decode::Value;
use crate::input::source::Span;
use crate::units::convert::index;
use crate::units::{Bytes, ResourceList, SimDuration};

/// A NodePool as written.
#[derive(Debug, Clone)]
pub struct NodePoolObject {
    /// Name and origin.
    pub meta: ObjectMeta,
    /// `spec.weight`.
    pub weight: i32,
    /// `spec.limits`.
    pub limits: ResourceList,
    /// Labels and annotations of the template.
    pub labels: (Labels, Labels),
    /// `taints` and `startupTaints`.
    pub taints: (Vec<Taint>, Vec<Taint>),
    /// `requirements`.
    pub requirements: Requirements,
    /// `nodeClassRef.name`, and where it stands.
    pub class: (Arc<str>, Span),
    /// `expireAfter`; `None` is `Never`.
    pub expire_after: Option<SimDuration>,
    /// `terminationGracePeriod`.
    pub termination_grace: Option<SimDuration>,
    /// `consolidationPolicy`.
    pub policy: ConsolidationPolicy,
    /// `consolidateAfter`; `None` is `Never`.
    pub consolidate_after: Option<SimDuration>,
    /// `budgets`; `None` when absent.
    pub budgets: Option<Vec<BudgetObject>>,
}

/// A budget as written.
#[derive(Debug, Clone)]
pub struct BudgetObject {
    /// `reasons`.
    pub reasons: Option<Vec<DisruptionReason>>,
    /// `nodes`.
    pub nodes: IntOrPercent,
    /// `schedule` and `duration`.
    pub schedule: Option<(Arc<str>, SimDuration)>,
}

/// An EC2NodeClass, as far as it decides anything.
#[derive(Debug, Clone)]
pub struct NodeClassObject {
    /// Name and origin.
    pub meta: ObjectMeta,
    /// Size of the disk that pods share.
    pub disk: Option<Bytes>,
    /// `kubelet.maxPods`.
    pub max_pods: Option<i64>,
    /// `kubelet.podsPerCore`.
    pub pods_per_core: Option<i64>,
    /// `kubelet.kubeReserved`.
    pub kube_reserved: ResourceList,
    /// `kubelet.systemReserved`.
    pub system_reserved: ResourceList,
    /// `kubelet.evictionHard` for memory and disk.
    pub eviction: (Option<Threshold>, Option<Threshold>),
}

/// An eviction threshold.
#[derive(Debug, Clone, Copy)]
pub enum Threshold {
    /// So much.
    Amount(Bytes),
    /// This part of the capacity.
    Share(f64),
}

/// A `karpenter.sh/v1` NodePool.
pub(super) fn node_pool(value: &Value<'_>) -> Option<NodePoolObject> {
    let object = object_fields(value)?;
    let meta = metadata(&object);
    let spec = object.required("spec").and_then(|spec| spec.fields());
    object.finish("NodePool (karpenter.sh/v1)");
    let spec = spec?;
    let weight = spec.read_or("weight", 0, |value| value.integer(1..=100));
    let limits = spec.read_or("limits", ResourceList::default(), limits);
    let replicas = spec.optional("replicas");
    if let Some(replicas) = &replicas {
        let message = "makes the pool static, which is not simulated";
        replicas.report(replicas.error(codes::UNSUPPORTED, message));
    }
    let disruption = match spec.optional("disruption") {
        Some(value) => disruption(&value),
        None => Some(Disruption::default()),
    };
    let template = spec.required("template").and_then(|value| template(&value));
    spec.finish("NodePoolSpec");
    let (template, disruption) = (template?, disruption?);
    let object = NodePoolObject {
        meta: meta?,
        weight: weight?,
        limits: limits?,
        labels: template.labels,
        taints: template.taints,
        requirements: template.requirements,
        class: template.class,
        expire_after: template.expire_after,
        termination_grace: template.termination_grace,
        policy: disruption.policy,
        consolidate_after: disruption.consolidate_after,
        budgets: disruption.budgets,
    };
    replicas.is_none().then_some(object)
}

/// `spec.limits`, where `nodes` and `pods` may be limited as well.
fn limits(value: &Value<'_>) -> Option<ResourceList> {
    let mut list = ResourceList::default();
    let mut complete = true;
    for (name, amount) in value.entries()? {
        let read = match name.text {
            "cpu" => amount.cores().map(|cores| list.cpu = Some(cores)),
            "memory" => amount.bytes().map(|bytes| list.memory = Some(bytes)),
            "ephemeral-storage" => amount.bytes().map(|bytes| list.ephemeral_storage = Some(bytes)),
            other => amount.positive_quantity().map(|quantity| {
                list.extended.push((Arc::from(other), quantity.value_ceil()));
            }),
        };
        complete &= read.is_some();
    }
    list.extended.sort();
    complete.then_some(list)
}

struct Disruption {
    policy: ConsolidationPolicy,
    consolidate_after: Option<SimDuration>,
    budgets: Option<Vec<BudgetObject>>,
}

impl Default for Disruption {
    fn default() -> Self {
        Self {
            policy: ConsolidationPolicy::WhenEmptyOrUnderutilized,
            consolidate_after: Some(SimDuration::ZERO),
            budgets: None,
        }
    }
}

fn disruption(value: &Value<'_>) -> Option<Disruption> {
    use ConsolidationPolicy::{Balanced, WhenEmpty, WhenEmptyOrUnderutilized};
    let policies = [WhenEmpty, WhenEmptyOrUnderutilized, Balanced].map(|it| (it.name(), it));
    let usual = Disruption::default();
    let fields = value.fields()?;
    let policy = fields.read_or("consolidationPolicy", usual.policy, |it| it.word(&policies));
    let after = fields.read_or("consolidateAfter", usual.consolidate_after, span_or_never);
    let budgets = fields.read("budgets", |value| value.list(budget));
    fields.finish("Disruption (karpenter.sh/v1)");
    Some(Disruption { policy: policy?, consolidate_after: after?, budgets: budgets? })
}

/// A duration or `Never`.
fn span_or_never(value: &Value<'_>) -> Option<Option<SimDuration>> {
    if value.node().text() == Some("Never") {
        return Some(None);
    }
    value.duration().map(Some)
}

fn budget(value: &Value<'_>) -> Option<BudgetObject> {
    use DisruptionReason::{Drifted, Empty, Underutilized};
    let words = [("Empty", Empty), ("Drifted", Drifted), ("Underutilized", Underutilized)];
    let fields = value.fields()?;
    let reasons = fields.read("reasons", |value| value.list(|it| it.word(&words)));
    let nodes = fields.read_or("nodes", IntOrPercent::Percent(10), count_or_percent);
    let schedule = fields.optional("schedule");
    let cron_text = schedule.as_ref().map_or(Some(None), |value| {
        let text = value.non_empty()?;
        if let Err(error) = cron::parse(text) {
            let message = format!("is `{text}`, which is no schedule: {error}");
            value.report(value.error(codes::INVALID_VALUE, &message));
            return None;
        }
        Some(Some(Arc::<str>::from(text)))
    });
    let duration = fields.read("duration", Value::duration);
    fields.finish("Budget (karpenter.sh/v1)");
    let (cron_text, duration) = (cron_text?, duration?);
    if cron_text.is_some() != duration.is_some() {
        let message = "must state `schedule` and `duration` together, or neither";
        value.report(value.error(codes::MISSING_FIELD, message));
        return None;
    }
    Some(BudgetObject { reasons: reasons?, nodes: nodes?, schedule: cron_text.zip(duration) })
}

/// `"5"` or `"10%"`.
fn count_or_percent(value: &Value<'_>) -> Option<IntOrPercent> {
    let text = match value.node().scalar() {
        Some(scalar) => scalar.text.to_string(),
        None => return value.wrong_type("a number of nodes or a percentage"),
    };
    let digits = text.strip_suffix('%').unwrap_or(&text);
    let number = digits.parse::<i32>().ok().filter(|number| *number >= 0);
    let number = number.filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let percent = digits.len() < text.len();
    match number.filter(|number| !percent || *number <= 100) {
        Some(number) if percent => Some(IntOrPercent::Percent(number)),
        Some(number) => Some(IntOrPercent::Int(number)),
        None => {
            let message = format!("is `{text}`, must be a whole number, or 0% to 100%");
            value.report(value.error(codes::OUT_OF_RANGE, &message));
            None
        }
    }
}

struct Template {
    labels: (Labels, Labels),
    taints: (Vec<Taint>, Vec<Taint>),
    requirements: Requirements,
    class: (Arc<str>, Span),
    expire_after: Option<SimDuration>,
    termination_grace: Option<SimDuration>,
}

fn template(value: &Value<'_>) -> Option<Template> {
    let outer = value.fields()?;
    let labels = template_metadata(&outer);
    let spec = outer.required("spec").and_then(|spec| spec.fields());
    outer.finish("NodeClaimTemplate (karpenter.sh/v1)");
    let spec = spec?;
    let month = Some(SimDuration::from_secs(720 * 3600));
    let taints = spec.read_or("taints", Vec::new(), |value| value.list(taint));
    let startup = spec.read_or("startupTaints", Vec::new(), |value| value.list(taint));
    let requirements = spec.required("requirements").and_then(|value| {
        let read = value.list(requirement)?;
        let mut all = Requirements::new();
        for (key, requirement) in read {
            all.add(&key, requirement);
        }
        Some(all)
    });
    let class = spec.required("nodeClassRef").and_then(|value| class_ref(&value));
    let expire_after = spec.read_or("expireAfter", month, span_or_never);
    let grace = spec.read("terminationGracePeriod", Value::duration);
    spec.finish("NodeClaimTemplateSpec");
    Some(Template {
        labels: labels?,
        taints: (taints?, startup?),
        requirements: requirements?,
        class: class?,
        expire_after: expire_after?,
        termination_grace: grace?,
    })
}

fn class_ref(value: &Value<'_>) -> Option<(Arc<str>, Span)> {
    let fields = value.fields()?;
    let group = fields.required("group");
    let kind = fields.required("kind");
    let name = fields.required("name");
    fields.finish("NodeClassReference");
    let (group, kind, name) = (group?, kind?, name?);
    let found = (group.non_empty()?, kind.non_empty()?);
    if found != ("karpenter.k8s.aws", "EC2NodeClass") {
        let message = format!("names {}/{}: only EC2NodeClass is simulated", found.0, found.1);
        value.report(value.error(codes::UNSUPPORTED, &message));
        return None;
    }
    Some((Arc::from(name.non_empty()?), name.span()))
}

/// One requirement, checked as the API server's rules do.
fn requirement(value: &Value<'_>) -> Option<(Arc<str>, Requirement)> {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte"];
    let operators = operators.map(|word| (word, word));
    let fields = value.fields()?;
    let key = fields.required("key").and_then(|key| key.non_empty().map(Arc::<str>::from));
    let operator = fields.required("operator").and_then(|it| it.word(&operators));
    let values = fields.read_or("values", Vec::new(), names);
    let least = fields.read("minValues", |value| value.integer(1..=50_u32));
    fields.finish("NodeSelectorRequirementWithMinValues");
    let (key, operator, values, least) = (key?, operator?, values?, least?);
    let number = || values.first().and_then(|value| value.parse::<i64>().ok());
    let bounded = matches!(operator, "Gt" | "Lt" | "Gte" | "Lte");
    let fault = match operator {
        "In" if values.is_empty() => Some("needs `values` for the operator In".to_owned()),
        "In" if least.is_some_and(|least| values.len() < index(least)) => {
            Some("must have at least as many `values` as `minValues`".to_owned())
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            Some(format!("must have no `values` for the operator {operator}"))
        }
        _ if bounded && (values.len() != 1 || number().is_none_or(|it| it < 0)) => {
            Some(format!("needs a single whole number, 0 or more, for the operator {operator}"))
        }
        _ => None,
    };
    if let Some(fault) = fault {
        value.report(value.error(codes::INVALID_CONSTRAINT, &fault));
        return None;
    }
    let bound = number().unwrap_or(0);
    let mut requirement = match operator {
        "In" => Requirement::one_of(values),
        "NotIn" => Requirement::none_of(values),
        "Exists" => Requirement::any(),
        "DoesNotExist" => Requirement::none(),
        "Gt" => Requirement::at_least(bound.saturating_add(1)),
        "Gte" => Requirement::at_least(bound),
        "Lt" => Requirement::at_most(bound - 1),
        _ => Requirement::at_most(bound),
    };
    requirement.min_values = least.map(index);
    Some((key, requirement))
}

/// Fields of an EC2NodeClass that decide nothing here.
const CLASS_ASIDE: [&str; 18] = [
    "subnetSelectorTerms",
    "securityGroupSelectorTerms",
    "capacityReservationSelectorTerms",
    "placementGroupSelector",
    "associatePublicIPAddress",
    "ipPrefixCount",
    "amiSelectorTerms",
    "amiFamily",
    "userData",
    "role",
    "instanceProfile",
    "tags",
    "instanceStorePolicy",
    "networkInterfaces",
    "detailedMonitoring",
    "metadataOptions",
    "connectionTracking",
    "context",
];

/// A `karpenter.k8s.aws/v1` EC2NodeClass.
pub(super) fn node_class(value: &Value<'_>) -> Option<NodeClassObject> {
    let object = object_fields(value)?;
    let meta = metadata(&object);
    let spec = object.required("spec").and_then(|spec| spec.fields());
    object.finish("EC2NodeClass (karpenter.k8s.aws/v1)");
    let spec = spec?;
    spec.ignore(&CLASS_ASIDE);
    spec.ignore(&["cpuOptions"]);
    let disk = spec.read("blockDeviceMappings", |value| {
        let devices = value.list(block_device)?;
        let root = devices.iter().find(|(root, _)| *root).or(devices.first());
        Some(root.and_then(|(_, size)| *size))
    });
    let kubelet = match spec.optional("kubelet") {
        Some(value) => kubelet(&value),
        None => Some(Kubelet::default()),
    };
    spec.finish("EC2NodeClassSpec");
    let kubelet = kubelet?;
    Some(NodeClassObject {
        meta: meta?,
        disk: disk?.flatten(),
        max_pods: kubelet.max_pods,
        pods_per_core: kubelet.pods_per_core,
        kube_reserved: kubelet.kube_reserved,
        system_reserved: kubelet.system_reserved,
        eviction: kubelet.eviction,
    })
}

/// Whether it is the root volume, and its size.
fn block_device(value: &Value<'_>) -> Option<(bool, Option<Bytes>)> {
    let fields = value.fields()?;
    let root = fields.read_or("rootVolume", false, Value::boolean);
    fields.ignore(&["deviceName"]);
    let size = fields.read("ebs", |value| {
        let fields = value.fields()?;
        let size = fields.read("volumeSize", Value::bytes);
        fields.ignore(&[
            "deleteOnTermination",
            "encrypted",
            "iops",
            "kmsKeyID",
            "snapshotID",
            "throughput",
            "volumeInitializationRate",
            "volumeType",
        ]);
        fields.finish("BlockDevice");
        size
    });
    fields.finish("BlockDeviceMapping");
    Some((root?, size?.flatten()))
}

#[derive(Default)]
struct Kubelet {
    max_pods: Option<i64>,
    pods_per_core: Option<i64>,
    kube_reserved: ResourceList,
    system_reserved: ResourceList,
    eviction: (Option<Threshold>, Option<Threshold>),
}

fn kubelet(value: &Value<'_>) -> Option<Kubelet> {
    let fields = value.fields()?;
    let count = |value: &Value<'_>| value.integer(0..=100_000_i64);
    let max_pods = fields.read("maxPods", count);
    let pods_per_core = fields.read("podsPerCore", count);
    let kube = fields.read_or("kubeReserved", ResourceList::default(), reserved);
    let system = fields.read_or("systemReserved", ResourceList::default(), reserved);
    let eviction = fields.read_or("evictionHard", (None, None), eviction_hard);
    fields.ignore(&[
        "clusterDNS",
        "evictionSoft",
        "evictionSoftGracePeriod",
        "evictionMaxPodGracePeriod",
        "imageGCHighThresholdPercent",
        "imageGCLowThresholdPercent",
        "cpuCFSQuota",
    ]);
    fields.finish("KubeletConfiguration (karpenter.k8s.aws/v1)");
    Some(Kubelet {
        max_pods: max_pods?,
        pods_per_core: pods_per_core?,
        kube_reserved: kube?,
        system_reserved: system?,
        eviction: eviction?,
    })
}

/// What the kubelet keeps: cpu, memory, ephemeral-storage and pid.
fn reserved(value: &Value<'_>) -> Option<ResourceList> {
    let fields = value.fields()?;
    let cpu = fields.read("cpu", Value::cores);
    let memory = fields.read("memory", Value::bytes);
    let disk = fields.read("ephemeral-storage", Value::bytes);
    fields.ignore(&["pid"]);
    fields.finish("reserved resources");
    Some(ResourceList {
        cpu: cpu?,
        memory: memory?,
        ephemeral_storage: disk?,
        ..ResourceList::default()
    })
}

fn eviction_hard(value: &Value<'_>) -> Option<(Option<Threshold>, Option<Threshold>)> {
    let fields = value.fields()?;
    let memory = fields.read("memory.available", threshold);
    let disk = fields.read("nodefs.available", threshold);
    fields.ignore(&[
        "nodefs.inodesFree",
        "imagefs.available",
        "imagefs.inodesFree",
        "pid.available",
    ]);
    fields.finish("evictionHard");
    Some((memory?, disk?))
}

fn threshold(value: &Value<'_>) -> Option<Threshold> {
    if value.node().text().is_some_and(|text| text.ends_with('%')) {
        return value.percent().map(Threshold::Share);
    }
    value.bytes().map(Threshold::Amount)
}
