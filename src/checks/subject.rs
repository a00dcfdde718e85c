//! What the rules look at: workloads with their trees and sizes, and lookups that many rules need.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::checks::trial::Trial;
use crate::cluster::admission::admit;
use crate::cluster::api::pod::{PodTemplate, RestartPolicy, Volume};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::api::{LabelSelector, Labels, ObjectMeta, WorkloadSpec};
use crate::input::codes::Code;
use crate::input::decode::Value;
use crate::input::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::input::kubernetes::{AutoscalerSpec, PodObject, ServiceObject};
use crate::input::material::Material;
use crate::service::spec::StationSpec;
use crate::units::{Origin, SimDuration};

/// The material with what is derived from it once.
#[derive(Debug)]
pub struct Subject<'a> {
    /// What is judged.
    pub material: &'a Material,
    diagnostics: &'a Diagnostics,
    workloads: Vec<WorkloadView<'a>>,
    trial: OnceCell<Option<Trial>>,
    by_label: OnceCell<ByLabel>,
}

/// Positions among the workloads by a namespace, a key and its value.
type ByLabel = BTreeMap<(Arc<str>, Arc<str>, Arc<str>), Vec<usize>>;

/// A workload as the rules see it; a pod that no controller made is one too.
#[derive(Debug, Clone)]
pub struct WorkloadView<'a> {
    /// Its position among the objects, which is its id; pods that stand alone come behind them.
    pub position: usize,
    /// As decoded.
    pub spec: Cow<'a, WorkloadSpec>,
    /// Whether it is one pod without a controller.
    pub alone: bool,
    /// Its template as the API server stores it.
    pub template: Arc<PodTemplate>,
    /// Its tree.
    pub value: Value<'a>,
    /// The autoscaler that sizes it.
    pub autoscaler: Option<&'a AutoscalerSpec>,
    /// Whether it belongs to the cluster and not to the release.
    pub platform: bool,
    /// Whether it is told from values and may be without what templates add.
    pub roughly_told: bool,
    /// Replicas at least: the HPA's minimum, else `replicas`.
    pub least: i32,
    /// Replicas at most: the HPA's maximum, else `replicas`.
    pub most: i32,
}

impl WorkloadView<'_> {
    /// `Deployment/web`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind_name(), self.spec.meta.name)
    }

    /// `Deployment`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        if self.alone { "Pod" } else { self.spec.kind_name() }
    }

    /// Whether its pods run until someone stops them.
    #[must_use]
    pub fn runs_on(&self) -> bool {
        if self.alone {
            return self.template.spec.restart_policy == RestartPolicy::Always;
        }
        !matches!(self.spec.kind, WorkloadKind::Job(_))
    }

    /// Whether it has as many pods as there are nodes.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        matches!(self.spec.kind, WorkloadKind::DaemonSet { .. })
    }

    /// Whether a number of replicas means anything for it.
    #[must_use]
    pub fn is_sized(&self) -> bool {
        self.runs_on() && !self.is_daemon() && !self.alone
    }

    /// Claims that its pods mount by name.
    pub fn shared_claims(&self) -> impl Iterator<Item = &Arc<str>> {
        self.spec.template.spec.volumes.iter().filter_map(|volume| match volume {
            Volume::Claim(name) => Some(name),
            Volume::EmptyDir { .. } | Volume::HostPath(_) | Volume::Other => None,
        })
    }
}

impl<'a> WorkloadView<'a> {
    /// The tree of its pods' spec.
    #[must_use]
    pub fn pod_spec(&self) -> Value<'a> {
        let keys: &[&str] = match self.kind_name() {
            "Pod" => &["spec"],
            "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
            _ => &["spec", "template", "spec"],
        };
        self.value.at(keys).unwrap_or_else(|| self.value.clone())
    }

    /// The trees of its containers, by name; sidecars and init containers among them.
    #[must_use]
    pub fn containers(&self) -> Vec<(Arc<str>, Value<'a>)> {
        let spec = self.pod_spec();
        let lists = ["containers", "initContainers"].iter().filter_map(|list| spec.get(list));
        let all = lists.flat_map(|list| list.elements());
        all.map(|container| {
            let name = container.get("name");
            let name = name.as_ref().and_then(|name| name.node().text()).unwrap_or_default();
            (Arc::from(name), container)
        })
        .collect()
    }

    /// The tree of one container.
    #[must_use]
    pub fn container(&self, name: &str) -> Value<'a> {
        let found = self.containers().into_iter().find(|(own, _)| **own == *name);
        found.map_or_else(|| self.value.clone(), |(_, value)| value)
    }

    /// Where its size is written: the HPA's minimum, else `replicas`, else its name.
    #[must_use]
    pub fn least_place(&self, subject: &Subject<'a>) -> Value<'a> {
        let hpa = self.autoscaler.and_then(|hpa| subject.autoscaler_value(hpa));
        let minimum = hpa.and_then(|hpa| hpa.at(&["spec", "minReplicas"]));
        minimum.or_else(|| self.value.at(&["spec", "replicas"])).unwrap_or_else(|| self.title())
    }

    /// Where its name is written.
    #[must_use]
    pub fn title(&self) -> Value<'a> {
        self.value.at(&["metadata", "name"]).unwrap_or_else(|| self.value.clone())
    }
}

impl<'a> Subject<'a> {
    /// Derives what the rules need.
    #[must_use]
    pub fn new(material: &'a Material, diagnostics: &'a Diagnostics) -> Self {
        let objects = &material.objects;
        let view = |(position, spec): (usize, &'a WorkloadSpec)| {
            let ObjectMeta { namespace, name, .. } = &spec.meta;
            let value = material.value(diagnostics, spec.kind_name(), namespace, name)?;
            let scales = |hpa: &&AutoscalerSpec| {
                hpa.meta.namespace == spec.meta.namespace
                    && *hpa.target_kind == *spec.kind_name()
                    && hpa.target_name == spec.meta.name
            };
            let autoscaler = objects.autoscalers.iter().find(scales);
            let (least, most) = match autoscaler {
                Some(hpa) => (hpa.spec.min_replicas.unwrap_or(1), hpa.spec.max_replicas),
                None => (spec.replicas, spec.replicas),
            };
            Some(WorkloadView {
                position,
                spec: Cow::Borrowed(spec),
                alone: false,
                template: Arc::new(admit(&spec.template)),
                platform: material.platform.contains(&value.node().span.file),
                roughly_told: material.roughly_told.contains(&value.node().span.file),
                value,
                autoscaler,
                least,
                most,
            })
        };
        let mut workloads: Vec<_> = objects.workloads.iter().enumerate().filter_map(view).collect();
        let pods =
            objects.pods.iter().filter(|pod| !is_test_of_helm(pod)).zip(objects.workloads.len()..);
        workloads.extend(pods.filter_map(|(pod, position)| {
            let ObjectMeta { namespace, name, .. } = &pod.meta;
            let value = material.value(diagnostics, "Pod", namespace, name)?;
            Some(WorkloadView {
                position,
                spec: Cow::Owned(as_workload(pod)),
                alone: true,
                template: Arc::new(admit(&pod.template)),
                platform: material.platform.contains(&value.node().span.file),
                roughly_told: material.roughly_told.contains(&value.node().span.file),
                value,
                autoscaler: None,
                least: 1,
                most: 1,
            })
        }));
        // The order of documents decides nothing, so that values and what is rendered from them are
        // told alike.
        workloads.sort_by_cached_key(|it| {
            let ObjectMeta { namespace, name, .. } = &it.spec.meta;
            (Arc::clone(namespace), it.kind_name(), Arc::clone(name))
        });
        Self { material, diagnostics, workloads, trial: OnceCell::new(), by_label: OnceCell::new() }
    }

    /// The workloads of the release.
    pub fn workloads(&self) -> impl Iterator<Item = &WorkloadView<'a>> {
        self.workloads.iter().filter(|workload| !workload.platform)
    }

    /// The workloads of release and cluster.
    #[must_use]
    pub fn all_workloads(&self) -> &[WorkloadView<'a>] {
        &self.workloads
    }

    /// A workload by `Kind/name` in any namespace.
    #[must_use]
    pub fn workload_named(&self, name: &str) -> Option<&WorkloadView<'a>> {
        self.workloads.iter().find(|workload| workload.name() == name)
    }

    /// The workload of a position among the objects.
    #[must_use]
    pub fn workload_at(&self, position: usize) -> Option<&WorkloadView<'a>> {
        self.workloads.iter().find(|workload| workload.position == position)
    }

    /// Whether what selects in a namespace may mean pods that are not looked at here: pods without
    /// a workload, and those of workloads that could not be read.
    #[must_use]
    pub fn may_be_unseen(&self, namespace: &str, matches: impl Fn(&Labels) -> bool) -> bool {
        const KINDS: [&str; 6] =
            ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];
        let objects = &self.material.objects;
        let alone = objects
            .pods
            .iter()
            .any(|pod| *pod.meta.namespace == *namespace && matches(&pod.meta.labels));
        let unread = self.material.written.keys().any(|key| {
            KINDS.contains(&&*key.kind)
                && *key.namespace == *namespace
                && !objects.workloads.iter().any(|workload| {
                    workload.meta.name == key.name && *workload.kind_name() == *key.kind
                })
        });
        alone || unread
    }

    /// The tree of an object.
    #[must_use]
    pub fn value(&self, kind: &str, meta: &ObjectMeta) -> Option<Value<'a>> {
        self.material.value(self.diagnostics, kind, &meta.namespace, &meta.name)
    }

    /// The tree of an autoscaler.
    #[must_use]
    pub fn autoscaler_value(&self, hpa: &AutoscalerSpec) -> Option<Value<'a>> {
        self.value("HorizontalPodAutoscaler", &hpa.meta)
    }

    /// The workloads whose pods a Service's selector selects, in their order.
    pub fn behind<'s>(
        &'s self,
        service: &'s ServiceObject,
    ) -> impl Iterator<Item = &'s WorkloadView<'a>> {
        let by_label = self.by_label.get_or_init(|| self.index_labels());
        let namespace = &service.meta.namespace;
        let candidates = service.selector.iter().map(|(key, value)| {
            let at = (Arc::clone(namespace), Arc::clone(key), Arc::clone(value));
            by_label.get(&at).map_or(&[][..], Vec::as_slice)
        });
        // The label that fewest carry leaves the least to compare; no label at all selects nothing.
        let fewest = candidates.min_by_key(|found| found.len()).unwrap_or_default();
        let all = fewest.iter().map(|at| &self.workloads[*at]);
        all.filter(|workload| selects(&service.selector, &workload.spec.template.labels))
    }

    fn index_labels(&self) -> ByLabel {
        let mut index = ByLabel::new();
        for (at, workload) in self.workloads.iter().enumerate() {
            let namespace = &workload.spec.meta.namespace;
            for (key, value) in &workload.spec.template.labels {
                let entry = (Arc::clone(namespace), Arc::clone(key), Arc::clone(value));
                index.entry(entry).or_default().push(at);
            }
        }
        index
    }

    /// The Services whose selector matches pods of a workload.
    pub fn services_of<'s>(
        &'s self,
        workload: &'s WorkloadView<'_>,
    ) -> impl Iterator<Item = &'a ServiceObject> + 's {
        let meta = &workload.spec.meta;
        let labels = &workload.spec.template.labels;
        self.material.objects.services.iter().filter(move |service| {
            service.meta.namespace == meta.namespace && selects(&service.selector, labels)
        })
    }

    /// The profile of a workload's service, when profiles are given.
    #[must_use]
    pub fn station_of(&self, workload: &WorkloadView<'_>) -> Option<&'a StationSpec> {
        let stations = &self.material.services.as_ref()?.stations;
        stations
            .iter()
            .find(|station| station.workload.is_some_and(|id| id.index() == workload.position))
    }

    /// Trial placements in the given cluster; `None` without one.
    #[must_use]
    pub fn trial(&self) -> Option<&Trial> {
        self.trial.get_or_init(|| Trial::new(self)).as_ref()
    }

    /// Whether a tree belongs to the cluster and not to the release.
    #[must_use]
    pub fn is_platform(&self, value: &Value<'_>) -> bool {
        self.material.platform.contains(&value.node().span.file)
    }

    /// Adds a finding.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// Whether a pod is there for `helm test` only: it is made on demand, and gone when it has ended.
fn is_test_of_helm(pod: &PodObject) -> bool {
    let hooks = pod.meta.annotations.get("helm.sh/hook");
    hooks.is_some_and(|hooks| hooks.split(',').any(|hook| hook.trim().starts_with("test")))
}

/// A pod without a controller in the shape that the rules look at: a set of one.
fn as_workload(pod: &PodObject) -> WorkloadSpec {
    WorkloadSpec {
        meta: pod.meta.clone(),
        selector: LabelSelector {
            match_labels: pod.template.labels.clone(),
            match_expressions: Vec::new(),
        },
        replicas: 1,
        replicas_origin: Origin::implied("a pod without a controller"),
        min_ready: SimDuration::ZERO,
        template: Arc::new(pod.template.clone()),
        kind: WorkloadKind::ReplicaSet,
    }
}

/// Whether a Service's selector selects pods of these labels; an empty one selects nothing.
#[must_use]
pub(super) fn selects(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A finding at a place: its message names the object itself.
pub(super) fn at(
    value: &Value<'_>,
    severity: Severity,
    code: Code,
    message: impl Into<String>,
    label: impl Into<String>,
) -> Diagnostic {
    Diagnostic::new(severity, code, message)
        .primary(value.span(), label)
        .about(value.object(), value.path())
}
