//! Kubernetes objects as they are: rendered charts, `kubectl get -o yaml`, lists; what decides is
//! decoded, the rest counted.
//!
//! Fields are checked strictly, as kubectl's default validation does: a misspelt field is an error,
//! not a default.

mod autoscaler;
mod budget;
mod builtin;
mod container;
mod daemon_set;
mod deployment;
mod expander_priorities;
mod job;
pub(in crate::input) mod karpenter;
mod limit;
pub(in crate::input) mod meta;
mod node;
mod pod;
mod scaled_object;
pub(in crate::input) mod scheduling;
mod service;
mod stateful_set;
mod storage;
mod strangers;
mod vertical;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

pub use autoscaler::AutoscalerSpec;
pub use karpenter::{NodeClassObject, NodePoolObject};
pub use node::NodeObject;
pub use pod::PodObject;
pub use scaled_object::{ScaledObjectSpec, TriggerSpec};
pub use service::{PriorityClass, ServiceObject};
pub use vertical::VerticalAutoscaler;
pub use workload::REPLICAS_MOST;

use super::codes;
use super::decode::{Context, Value};
use super::diagnostic::Diagnostic;
use super::source::{FileId, Span};
use super::yaml::Node;
use crate::cluster::admission;
use crate::cluster::api::meta::ObjectMeta;
use crate::cluster::api::{
    LimitRangeSpec, PersistentVolumeClaimSpec, PodDisruptionBudgetSpec, ResourceQuotaSpec,
    StorageClassSpec, WorkloadSpec,
};
use crate::control::cluster_autoscaler::Priorities;

/// The objects of all manifests of a run, in the order of reading.
#[derive(Debug, Default)]
pub struct Objects {
    /// Deployments, StatefulSets, DaemonSets and ReplicaSets without an owner.
    pub workloads: Vec<WorkloadSpec>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Vec<AutoscalerSpec>,
    /// PodDisruptionBudgets.
    pub budgets: Vec<PodDisruptionBudgetSpec>,
    /// PersistentVolumeClaims that stand alone.
    pub claims: Vec<PersistentVolumeClaimSpec>,
    /// StorageClasses.
    pub storage_classes: Vec<StorageClassSpec>,
    /// Services.
    pub services: Vec<ServiceObject>,
    /// PriorityClasses.
    pub priority_classes: Vec<PriorityClass>,
    /// ResourceQuotas.
    pub quotas: Vec<ResourceQuotaSpec>,
    /// LimitRanges.
    pub limit_ranges: Vec<LimitRangeSpec>,
    /// NodePools of Karpenter.
    pub node_pools: Vec<NodePoolObject>,
    /// EC2NodeClasses of Karpenter.
    pub node_classes: Vec<NodeClassObject>,
    /// What the priority expander of the Cluster Autoscaler reads, when there is such a ConfigMap.
    pub expander_priorities: Priorities,
    /// Nodes of a live cluster.
    pub nodes: Vec<NodeObject>,
    /// Pods that no controller made; they are read and not simulated.
    pub pods: Vec<PodObject>,
    /// KEDA's ScaledObjects; the HPA of each is among `autoscalers`.
    pub scaled_objects: Vec<ScaledObjectSpec>,
    /// VerticalPodAutoscalers; they are read and not simulated.
    pub vertical_autoscalers: Vec<VerticalAutoscaler>,
    /// How many objects of each other kind were passed over.
    pub ignored: BTreeMap<String, usize>,
    /// Where the name of each object stands, and the whole of it.
    seen: BTreeMap<Key, (Span, Span)>,
    /// Kind and name of workloads that are written and wrong.
    broken: BTreeSet<(String, String)>,
    /// Whether files of the release could not be read: whatever is missing may be in them.
    is_partial: bool,
}

/// Kind, namespace and name.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// An object with a name of its own.
trait Named {
    fn meta(&self) -> &ObjectMeta;
}

macro_rules! named {
    ($($object:ty),* $(,)?) => {
        $(impl Named for $object {
            fn meta(&self) -> &ObjectMeta {
                &self.meta
            }
        })*
    };
}

named!(
    AutoscalerSpec,
    LimitRangeSpec,
    NodeClassObject,
    NodeObject,
    NodePoolObject,
    PersistentVolumeClaimSpec,
    PodDisruptionBudgetSpec,
    PodObject,
    PriorityClass,
    ResourceQuotaSpec,
    ServiceObject,
    StorageClassSpec,
    VerticalAutoscaler,
    WorkloadSpec,
);

/// Whether objects of a kind that is read belong to no namespace.
fn is_cluster_wide(kind: &str) -> bool {
    const KINDS: [&str; 5] = ["EC2NodeClass", "Node", "NodePool", "PriorityClass", "StorageClass"];
    KINDS.contains(&kind)
}

/// A kind that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Autoscaler { first_version: bool },
    Budget,
    Claim,
    StorageClass,
    Service,
    PriorityClass,
    Job,
    CronJob,
    VeleroSchedule,
    Quota,
    LimitRange,
    NodePool,
    NodeClass,
    Node,
    Pod,
    ScaledObject,
    VerticalAutoscaler,
}

/// What is to be done with an object.
enum Judgement {
    Decode(Kind),
    /// As `Decode`, with a version that clusters no longer serve but whose fields are the same.
    Outdated(Kind, &'static str),
    /// A version whose fields differ.
    Gone(&'static str),
    Ignore,
}

impl Objects {
    /// Reads a document: one object, or a list of objects.
    pub fn read(&mut self, context: Context<'_>, document: &Node) {
        self.read_value(&Value::root(context, document, ""));
    }

    fn read_value(&mut self, value: &Value<'_>) {
        let text = |key| value.node().get(key).and_then(Node::text);
        let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            value.report(strangers::no_object(value));
            return;
        };
        if let Some(items) = value.node().get("items").filter(|_| kind.ends_with("List")) {
            let entries = value.fields().and_then(|fields| fields.optional("items"));
            if !items.is_null() {
                for item in entries.and_then(|items| items.items()).unwrap_or_default() {
                    self.read_value(&item);
                }
            }
            return;
        }
        let name =
            value.node().get("metadata").and_then(|meta| meta.get("name")).and_then(Node::text);
        let value = value.as_root(format!("{kind}/{}", name.unwrap_or("?")));
        match judge(version, kind) {
            Judgement::Decode(known) => self.decode(&value, known),
            Judgement::Outdated(known, current) => {
                let message = format!("has apiVersion {version}, which clusters no longer serve");
                value.report(version_warning(&value, &message, current));
                self.decode(&value, known);
            }
            Judgement::Gone(current) => {
                let message = format!("has apiVersion {version}, which clusters no longer serve");
                let error = value.error(codes::UNKNOWN_KIND, &message);
                value.report(
                    error.help(format!("the current version is {current}, whose fields differ")),
                );
            }
            Judgement::Ignore if kind == "ConfigMap" && name == Some(expander_priorities::NAME) => {
                let read = expander_priorities::expander_priorities(&value);
                self.expander_priorities = read.unwrap_or_default();
            }
            Judgement::Ignore => {
                let fault = builtin::misplaced(&value, version, kind);
                fault
                    .or_else(|| strangers::kustomization(&value, version))
                    .into_iter()
                    .for_each(|fault| value.report(fault));
                self.ignore(&value);
            }
        }
    }

    fn decode(&mut self, value: &Value<'_>, kind: Kind) {
        match kind {
            // Their controllers are simulated and will make them again.
            Kind::ReplicaSet | Kind::Job | Kind::Pod | Kind::Autoscaler { .. }
                if is_owned(value.node()) =>
            {
                self.ignore(value);
            }
            Kind::Deployment => self.workload(value, deployment::deployment(value)),
            Kind::StatefulSet => self.workload(value, stateful_set::stateful_set(value)),
            Kind::DaemonSet => self.workload(value, daemon_set::daemon_set(value)),
            Kind::ReplicaSet => self.workload(value, deployment::replica_set(value)),
            Kind::Job => self.workload(value, job::job(value)),
            Kind::CronJob => self.workload(value, job::cron_job(value)),
            Kind::VeleroSchedule => self.workload(value, job::velero_schedule(value)),
            Kind::Quota => self.keep(value, limit::resource_quota(value), |it| &mut it.quotas),
            Kind::LimitRange => {
                self.keep(value, limit::limit_range(value), |it| &mut it.limit_ranges);
            }
            Kind::NodePool => {
                self.keep(value, karpenter::node_pool(value), |it| &mut it.node_pools);
            }
            Kind::NodeClass => {
                self.keep(value, karpenter::node_class(value), |it| &mut it.node_classes);
            }
            Kind::Autoscaler { first_version } => {
                let spec = autoscaler::autoscaler(value, first_version);
                self.keep(value, spec, |it| &mut it.autoscalers);
            }
            Kind::Budget => self.keep(value, budget::budget(value), |it| &mut it.budgets),
            Kind::Claim => self.keep(value, storage::claim(value), |it| &mut it.claims),
            Kind::StorageClass => {
                self.keep(value, storage::storage_class(value), |it| &mut it.storage_classes);
            }
            Kind::Service => self.keep(value, service::service(value), |it| &mut it.services),
            Kind::PriorityClass => {
                self.keep(value, service::priority_class(value), |it| &mut it.priority_classes);
            }
            Kind::Node => self.keep(value, node::node(value), |it| &mut it.nodes),
            Kind::Pod => {
                self.ignore(value);
                self.keep(value, pod::pod(value), |it| &mut it.pods);
            }
            Kind::ScaledObject => {
                if let Some((object, autoscaler)) = scaled_object::scaled_object(value)
                    && self.is_new(value, &object.meta)
                {
                    // KEDA deletes the HPA of an object that is paused (keda,
                    // controllers/keda/scaledobject_controller.go `handlePause`).
                    if !object.paused {
                        self.autoscalers.push(autoscaler);
                    }
                    self.scaled_objects.push(object);
                }
            }
            Kind::VerticalAutoscaler => {
                self.ignore(value);
                let spec = vertical::vertical_autoscaler(value);
                self.keep(value, spec, |it| &mut it.vertical_autoscalers);
            }
        }
    }

    /// The size at which a paused ScaledObject holds a workload.
    pub(in crate::input) fn paused_replicas(&self, workload: &WorkloadSpec) -> Option<i32> {
        let mine = self.scaled_objects.iter().find(|object| {
            object.meta.namespace == workload.meta.namespace
                && object.target_name == workload.meta.name
                && *object.target_kind == *workload.kind_name()
        });
        mine?.paused_replicas
    }

    /// Counts an object that takes no part.
    fn ignore(&mut self, value: &Value<'_>) {
        let kind = value.node().get("kind").and_then(Node::text).unwrap_or_default();
        *self.ignored.entry(kind.to_owned()).or_default() += 1;
    }

    fn workload(&mut self, value: &Value<'_>, spec: Option<WorkloadSpec>) {
        if spec.is_none() {
            let text = |node: Option<&Node>| node.and_then(Node::text).unwrap_or("").to_owned();
            let name = value.node().get("metadata").and_then(|meta| meta.get("name"));
            self.broken.insert((text(value.node().get("kind")), text(name)));
        }
        self.keep(value, spec, |it| &mut it.workloads);
    }

    /// Keeps an object that was decoded, unless it was written before.
    fn keep<T: Named>(
        &mut self,
        value: &Value<'_>,
        spec: Option<T>,
        into: fn(&mut Self) -> &mut Vec<T>,
    ) {
        if let Some(spec) = spec
            && self.is_new(value, spec.meta())
        {
            into(self).push(spec);
        }
    }

    /// Whether no object of the same kind, namespace and name was read before; a second one is an
    /// error.
    fn is_new(&mut self, value: &Value<'_>, meta: &ObjectMeta) -> bool {
        let kind = value.node().get("kind").and_then(Node::text).unwrap_or_default();
        let key = (Arc::from(kind), Arc::clone(&meta.namespace), Arc::clone(&meta.name));
        let span = value.descend("metadata.name").span();
        let whole = value.node().span;
        let Some(&(first, first_whole)) = self.seen.get(&key) else {
            self.seen.insert(key, (span, whole));
            return true;
        };
        // The same text twice, as where several files repeat what they all need, is one object.
        let sources = value.context().sources;
        if sources.text(whole).trim_end() == sources.text(first_whole).trim_end() {
            return false;
        }
        let place = match is_cluster_wide(kind) {
            true => String::new(),
            false => format!(" in namespace {}", meta.namespace),
        };
        let message = format!("{kind}/{}{place} is written twice", meta.name);
        value.report(
            Diagnostic::error(codes::DUPLICATE_NAME, message)
                .primary(span, "again here")
                .secondary(first, "first here"),
        );
        false
    }

    /// Files of the release could not be read, which is told where they are named; what others ask
    /// of their objects is not told once more as missing.
    pub fn set_partial(&mut self) {
        self.is_partial = true;
    }

    /// Whether a workload of this name, or `Kind/name`, is written and wrong: then what is wrong with it
    /// was said, and that it is missing need not be.
    #[must_use]
    pub fn is_broken(&self, wanted: &str) -> bool {
        if self.is_partial {
            return true;
        }
        let (kind, name) = match wanted.split_once('/') {
            Some((kind, name)) => (Some(kind), name),
            None => (None, wanted),
        };
        let mut broken = self.broken.iter();
        broken.any(|(of, called)| called == name && kind.is_none_or(|kind| kind == of))
    }

    /// The file in which an object was read.
    #[must_use]
    pub fn file_of(&self, kind: &str, meta: &ObjectMeta) -> Option<FileId> {
        let key = (Arc::from(kind), Arc::clone(&meta.namespace), Arc::clone(&meta.name));
        self.seen.get(&key).map(|(name, _)| name.file)
    }

    /// Gives the pods of every workload the priority of their class. Call it when all documents are
    /// read.
    ///
    /// A class that is in no manifest is warned of and counts as priority 0: it may exist in the
    /// cluster.
    pub fn resolve_priorities(&mut self, context: Context<'_>) {
        let Self { workloads, priority_classes, .. } = self;
        let default = priority_classes.iter().find(|class| class.global_default);
        for workload in workloads {
            let spec = &workload.template.spec;
            let found = match &spec.priority_class {
                Some(name) => service::priority_of(name, priority_classes).or_else(|| {
                    let origin = &workload.meta.origin;
                    let message = format!(
                        "{workload} ({origin}): no manifest has the PriorityClass `{name}`; \
                         taken as priority 0"
                    );
                    let warning = Diagnostic::warning(codes::UNKNOWN_REFERENCE, message);
                    context.diagnostics.push(warning);
                    None
                }),
                None => default.map(|class| (class.value, class.never_preempts)),
            };
            if let Some((priority, never_preempts)) = found {
                let template = Arc::make_mut(&mut workload.template);
                template.spec.priority = priority;
                template.spec.never_preempts |= never_preempts;
            }
        }
    }

    /// Takes over what is not written anew: classes of priority and limits.
    pub fn inherit(&mut self, other: &Self) {
        for class in &other.priority_classes {
            if !self.priority_classes.iter().any(|own| own.meta.name == class.meta.name) {
                self.priority_classes.push(class.clone());
            }
        }
        for range in &other.limit_ranges {
            let same = |own: &LimitRangeSpec| {
                own.meta.name == range.meta.name && own.meta.namespace == range.meta.namespace
            };
            if !self.limit_ranges.iter().any(same) {
                self.limit_ranges.push(range.clone());
            }
        }
    }

    /// Gives containers the limits and requests that the LimitRanges of their namespace state for
    /// those that lack them. Call it when all documents are read.
    pub fn resolve_limits(&mut self, context: Context<'_>) {
        for workload in &mut self.workloads {
            let ranges = self.limit_ranges.iter();
            let ranges = ranges.filter(|it| it.meta.namespace == workload.meta.namespace);
            for (range, item) in ranges.flat_map(|it| it.items.iter().map(move |item| (it, item))) {
                let template = Arc::make_mut(&mut workload.template);
                let Some(said) = admission::limit_range(template, item) else { continue };
                let origin = &workload.meta.origin;
                let name = &range.meta.name;
                let message =
                    format!("{workload} ({origin}): LimitRange/{name} forbids its pods: {said}");
                context.diagnostics.push(Diagnostic::error(codes::REQUEST_ABOVE_LIMIT, message));
            }
        }
    }

    /// `ignored 14 objects of 2 kinds (Ingress 10, ConfigMap 4)`; nothing when there are none.
    #[must_use]
    pub fn ignored_summary(&self) -> Option<String> {
        let total: usize = self.ignored.values().sum();
        if total == 0 {
            return None;
        }
        let mut kinds: Vec<_> = self.ignored.iter().collect();
        kinds.sort_by_key(|&(kind, &count)| (std::cmp::Reverse(count), kind));
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let (objects, of_kinds) = (plural(total), plural(kinds.len()));
        let mut line =
            format!("ignored {total} object{objects} of {} kind{of_kinds} (", kinds.len());
        for (at, (kind, count)) in kinds.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(line, "{comma}{kind} {count}").expect("writing to memory cannot fail");
        }
        Some(line + ")")
    }

    /// The position of a workload by `Kind/name` or plain name; without a namespace in any of them.
    #[must_use]
    pub fn named(&self, wanted: &str, namespace: Option<&str>) -> Option<usize> {
        let (kind, name) = match wanted.split_once('/') {
            Some((kind, name)) => (Some(kind), name),
            None => (None, wanted),
        };
        self.workloads.iter().position(|workload| {
            *workload.meta.name == *name
                && kind.is_none_or(|kind| kind == workload.kind_name())
                && namespace.is_none_or(|namespace| namespace == &*workload.meta.namespace)
        })
    }
}

/// Whether a controller made this object; the controller is simulated and will make it again. A
/// tool that only deploys may own an autoscaler, and does not make it: KEDA does.
fn is_owned(node: &Node) -> bool {
    let owners = node.get("metadata").and_then(|meta| meta.get("ownerReferences"));
    let mut owners = owners.and_then(Node::sequence).unwrap_or_default().iter();
    let is = |node: &Node, kind| node.get("kind").and_then(Node::text) == Some(kind);
    if is(node, "HorizontalPodAutoscaler") {
        return owners.any(|owner| is(owner, "ScaledObject"));
    }
    owners.next().is_some()
}

fn judge(version: &str, kind: &str) -> Judgement {
    use Judgement::{Decode, Gone, Ignore, Outdated};
    let known = match kind {
        "Deployment" => Kind::Deployment,
        "StatefulSet" => Kind::StatefulSet,
        "DaemonSet" => Kind::DaemonSet,
        "ReplicaSet" => Kind::ReplicaSet,
        "HorizontalPodAutoscaler" => {
            Kind::Autoscaler { first_version: version == "autoscaling/v1" }
        }
        "PodDisruptionBudget" => Kind::Budget,
        "PersistentVolumeClaim" => Kind::Claim,
        "StorageClass" => Kind::StorageClass,
        "Service" => Kind::Service,
        "PriorityClass" => Kind::PriorityClass,
        "Job" => Kind::Job,
        "CronJob" => Kind::CronJob,
        "Schedule" => Kind::VeleroSchedule,
        "ResourceQuota" => Kind::Quota,
        "LimitRange" => Kind::LimitRange,
        "NodePool" => Kind::NodePool,
        "EC2NodeClass" => Kind::NodeClass,
        "Node" => Kind::Node,
        "Pod" => Kind::Pod,
        "ScaledObject" => Kind::ScaledObject,
        "VerticalPodAutoscaler" => Kind::VerticalAutoscaler,
        _ => return Ignore,
    };
    let current = match known {
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet => "apps/v1",
        Kind::Autoscaler { .. } => "autoscaling/v2",
        Kind::Budget => "policy/v1",
        Kind::Claim | Kind::Service | Kind::Quota | Kind::LimitRange => "v1",
        Kind::Node | Kind::Pod => "v1",
        Kind::ScaledObject => "keda.sh/v1alpha1",
        Kind::VerticalAutoscaler => "autoscaling.k8s.io/v1",
        Kind::Job | Kind::CronJob => "batch/v1",
        Kind::VeleroSchedule => "velero.io/v1",
        Kind::StorageClass => "storage.k8s.io/v1",
        Kind::PriorityClass => "scheduling.k8s.io/v1",
        Kind::NodePool => "karpenter.sh/v1",
        Kind::NodeClass => "karpenter.k8s.aws/v1",
    };
    match version {
        _ if version == current => Decode(known),
        "autoscaling/v1" if matches!(known, Kind::Autoscaler { .. }) => Decode(known),
        "autoscaling/v2beta2"
        | "policy/v1beta1"
        | "batch/v1beta1"
        | "storage.k8s.io/v1beta1"
        | "scheduling.k8s.io/v1beta1" => Outdated(known, current),
        "karpenter.sh/v1beta1" | "karpenter.k8s.aws/v1beta1" => Gone(current),
        "apps/v1beta1" | "apps/v1beta2" | "extensions/v1beta1" | "autoscaling/v2beta1" => {
            Gone(current)
        }
        // The same word in another group is another kind.
        _ => Ignore,
    }
}

fn version_warning(value: &Value<'_>, message: &str, current: &str) -> Diagnostic {
    let span = value.descend("apiVersion").span();
    value.warning(codes::UNKNOWN_KIND, message).primary(span, "").replace(
        "its fields are the same in the current version",
        span,
        current,
    )
}

#[cfg(test)]
mod karpenter_tests;
#[cfg(test)]
mod tests;
