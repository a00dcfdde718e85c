//! HorizontalPodAutoscalers: what they cannot compute, cannot move, cannot see, and what works
//! against them.

use std::sync::Arc;

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::cluster::api::pod::Container;
use crate::control::hpa::{HpaSpec, MetricSpec, ResourceName, SelectPolicy, TargetKind};
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Severity::{Error, Note, Warning};
use crate::input::kubernetes::AutoscalerSpec;
use crate::service::spec::{OperationSpec, StationKind, StationSpec};
use crate::units::MilliCpu;
use crate::units::convert::{f64_from_i64, round_u64};

/// The controller's `--horizontal-pod-autoscaler-tolerance` by default.
const TOLERANCE: f64 = 0.1;

pub(super) fn check(subject: &Subject<'_>) {
    let mut on_memory = Vec::new();
    for hpa in &subject.material.objects.autoscalers {
        let Some(value) = subject.autoscaler_value(hpa) else { continue };
        not_scalable(subject, hpa, &value);
        let mut scaled = subject.all_workloads().iter();
        let scaled =
            scaled.find(|workload| workload.autoscaler.is_some_and(|own| std::ptr::eq(own, hpa)));
        let Some(workload) = scaled.filter(|_| !subject.is_platform(&value)) else { continue };
        let look = Look { subject, hpa, value: &value, workload };
        look.without_request();
        look.replicas_beside();
        look.fixed();
        look.capped();
        look.blind_to_devices();
        if look.memory_target() {
            on_memory.push((hpa, value));
        }
    }
    say_memory(subject, &on_memory);
}

/// DaemonSets and Jobs have no scale subresource.
fn not_scalable(subject: &Subject<'_>, hpa: &AutoscalerSpec, value: &Value<'_>) {
    if !matches!(&*hpa.target_kind, "DaemonSet" | "Job" | "CronJob" | "Pod") {
        return;
    }
    let kind = &hpa.target_kind;
    let message = format!("HorizontalPodAutoscaler/{}: a {kind} cannot be scaled", hpa.meta.name);
    let place = value.at(&["spec", "scaleTargetRef", "kind"]).unwrap_or_else(|| value.clone());
    subject.report(
        at(&place, Error, codes::HPA_NOT_SCALABLE, message, "it has no scale subresource").note(
            "the controller says: FailedGetScale: the server could not find the requested resource",
        ),
    );
}

struct Look<'s, 'a> {
    subject: &'s Subject<'a>,
    hpa: &'s AutoscalerSpec,
    value: &'s Value<'a>,
    workload: &'s WorkloadView<'a>,
}

impl<'a> Look<'_, 'a> {
    fn object(&self) -> String {
        format!("HorizontalPodAutoscaler/{}", self.hpa.meta.name)
    }

    fn field(&self, path: &[&str]) -> Value<'a> {
        self.value.at(path).unwrap_or_else(|| self.value.clone())
    }

    /// The metrics with their places; CPU at 80 % at the place of the spec when none is written.
    fn metrics(&self) -> Vec<(MetricSpec, Value<'a>)> {
        let written = self.value.at(&["spec", "metrics"]).map(|list| list.elements());
        let spec = self.hpa.spec.clone().with_defaults();
        let fallback = ["targetCPUUtilizationPercentage", "maxReplicas"];
        let fallback = fallback.iter().find_map(|name| self.value.at(&["spec", name]));
        let fallback = fallback.unwrap_or_else(|| self.value.clone());
        let places = written.unwrap_or_default();
        let place = |at: usize| places.get(at).cloned().unwrap_or_else(|| fallback.clone());
        spec.metrics.into_iter().enumerate().map(|(at, metric)| (metric, place(at))).collect()
    }

    /// Utilisation of a resource that a container does not request cannot be computed
    /// (replica_calculator.go `calculatePodRequests`).
    fn without_request(&self) {
        let spec = &self.workload.template.spec;
        for (metric, place) in self.metrics() {
            let (name, only) = match &metric {
                MetricSpec::Resource { name, .. } => (name, None),
                MetricSpec::ContainerResource { name, container, .. } => (name, Some(container)),
                MetricSpec::Pods { .. }
                | MetricSpec::Object { .. }
                | MetricSpec::External { .. } => continue,
            };
            if metric.target().kind != TargetKind::Utilization || has_pod_level(self.workload, name)
            {
                continue;
            }
            let sidecars = spec.init_containers.iter().filter(|container| container.sidecar);
            let counted = spec.containers.iter().chain(sidecars);
            let counted = counted.filter(|own| only.is_none_or(|only| **only == *own.name));
            let lacking: Vec<&Container> = counted.filter(|own| !requests(own, name)).collect();
            let Some(first) = lacking.first() else { continue };
            let message = format!("{} cannot compute {name} utilization", self.object());
            let container = self.workload.container(&first.name);
            let resources = ["requests"].iter().find_map(|list| container.at(&["resources", list]));
            let resources =
                resources.or_else(|| container.get("resources")).or_else(|| container.get("name"));
            let resources = resources.unwrap_or(container);
            let label = format!("container `{}` has no {name} request", first.name);
            let pod = format!("{}-...", self.workload.spec.meta.name);
            let mut finding = at(&resources, Error, codes::HPA_WITHOUT_REQUEST, message, label)
                .secondary(
                    utilization(&place).span(),
                    "Utilization is usage / request, summed over every container",
                )
                .note(format!(
                    "the controller says: FailedGetResourceMetric: missing request for {name} in container {} of Pod {pod}; \
                     ScalingActive=False, and the replicas stay where they are",
                    first.name
                ))
                .about(self.object(), place.path());
            if lacking.len() > 1 {
                let others: Vec<&str> = lacking[1..].iter().map(|own| &*own.name).collect();
                finding = finding.note(format!("so it is with {}", others.join(", ")));
            }
            let others =
                spec.containers.iter().filter(|own| requests(own, name)).map(|own| &own.name);
            let served = others.chain([&first.name]).next().unwrap_or(&first.name);
            let percent = metric.target().average_utilization.unwrap_or(80);
            self.subject.report(finding.help(format!(
                "give `{}` a {name} request, or scale on one container:\n\
                 type: ContainerResource\n\
                 containerResource: {{name: {name}, container: {served}, target: {{type: Utilization, \
                 averageUtilization: {percent}}}}}",
                first.name
            )));
        }
    }

    fn replicas_beside(&self) {
        let Some(replicas) = self.workload.value.at(&["spec", "replicas"]) else { return };
        let object = self.workload.name();
        let number = self.workload.spec.replicas;
        let message = format!("{object} states replicas {number} beside its autoscaler");
        let range = format!("{} .. {}", self.workload.least, self.workload.most);
        self.subject.report(
            at(
                &replicas,
                Warning,
                codes::HPA_AND_REPLICAS,
                message,
                format!("each apply sets the size back to {number}"),
            )
            .secondary(
                self.field(&["spec", "scaleTargetRef", "name"]).span(),
                format!("sized here, {range}"),
            )
            .help("leave `replicas` out; the autoscaler keeps the size"),
        );
    }

    /// Minimum = maximum, or both directions disabled.
    fn fixed(&self) {
        let HpaSpec { behavior, .. } = &self.hpa.spec;
        if self.workload.least == self.workload.most {
            let size = self.workload.most;
            let message =
                format!("{} can never scale: minimum and maximum are {size}", self.object());
            let place = self.field(&["spec", "maxReplicas"]);
            let mut finding = at(&place, Warning, codes::HPA_NEVER_MOVES, message, "the maximum");
            if let Some(minimum) = self.value.at(&["spec", "minReplicas"]) {
                finding = finding.secondary(minimum.span(), "the minimum");
            }
            self.subject.report(finding);
            return;
        }
        let Some(behavior) = behavior else { return };
        let disabled = |rules: &Option<crate::control::hpa::ScalingRules>| {
            rules.as_ref().is_some_and(|rules| rules.select_policy == Some(SelectPolicy::Disabled))
        };
        let (up, down) = (disabled(&behavior.scale_up), disabled(&behavior.scale_down));
        let (severity, side, what) = match (up, down) {
            (true, true) => (Warning, "scaleUp", "can never scale: both directions are disabled"),
            (true, false) => (Warning, "scaleUp", "can never scale up: that direction is disabled"),
            (false, true) => (Note, "scaleDown", "never scales down: that direction is disabled"),
            (false, false) => return,
        };
        let place = self.field(&["spec", "behavior", side, "selectPolicy"]);
        let message = format!("{} {what}", self.object());
        self.subject.report(at(&place, severity, codes::HPA_NEVER_MOVES, message, "here"));
    }

    /// A target so high that the limit keeps usage below it: the ratio of usage to target must
    /// exceed 1 + tolerance for the size to grow (replica_calculator.go `isWithinTolerance`).
    fn capped(&self) {
        let metrics = self.metrics();
        let tolerance =
            self.hpa.spec.behavior.as_ref().and_then(|behavior| behavior.scale_up.as_ref());
        let tolerance =
            tolerance.and_then(|rules| rules.tolerance).map(|own| own.approximate_f64());
        let global = self
            .subject
            .material
            .cluster
            .as_ref()
            .map_or(TOLERANCE, |cluster| cluster.hpa.tolerance);
        let tolerance = tolerance.unwrap_or(global);
        let mut caps = Vec::new();
        for (metric, place) in &metrics {
            let MetricSpec::Resource {
                name: name @ (ResourceName::Cpu | ResourceName::Memory),
                target,
            } = metric
            else {
                return;
            };
            let Some(percent) = target.average_utilization else { return };
            let Some(most) = self.most_utilization(name) else { return };
            if most > f64::from(percent) * (1.0 + tolerance) {
                return;
            }
            caps.push((name.clone(), percent, most, place.clone()));
        }
        let Some((name, percent, most, place)) = caps.first() else { return };
        let message = format!(
            "{} can never scale up: {name} utilization stays below its target of {percent}%",
            self.object()
        );
        let most = round_u64(*most);
        let needed = f64::from(*percent) * (1.0 + tolerance);
        self.subject.report(
            at(&utilization(place), Error, codes::HPA_NEVER_MOVES, message, format!("above {needed:.0}% it would act"))
                .note(format!("the limits are {most}% of the requests, and usage cannot be more; the tolerance is {:.0}%", tolerance * 100.0))
                .help("lower the target, or raise the limit above the request"),
        );
    }

    /// The highest utilisation that the limits let happen (percent of the request).
    fn most_utilization(&self, name: &ResourceName) -> Option<f64> {
        let spec = &self.workload.template.spec;
        let requests = spec.requests();
        let (limit, request) = match name {
            ResourceName::Cpu => (spec.cpu_limit()?.0, requests.cpu.0),
            ResourceName::Memory => (spec.memory_limit()?.0, requests.memory.0),
            ResourceName::Other(_) => return None,
        };
        (request > 0).then(|| f64_from_i64(limit) / f64_from_i64(request) * 100.0)
    }

    /// Pods that ask for devices and scale on CPU and memory alone.
    fn blind_to_devices(&self) {
        let devices = self.workload.template.spec.requests();
        let Some((device, _)) = devices.extended().next() else { return };
        let device = Arc::clone(device);
        let metrics = self.metrics();
        let basic = |metric: &MetricSpec| match metric {
            MetricSpec::Resource { name, .. } | MetricSpec::ContainerResource { name, .. } => {
                matches!(name, ResourceName::Cpu | ResourceName::Memory)
            }
            MetricSpec::Pods { .. } | MetricSpec::Object { .. } | MetricSpec::External { .. } => {
                false
            }
        };
        if !metrics.iter().all(|(metric, _)| basic(metric)) {
            return;
        }
        let object = self.workload.name();
        let message = format!(
            "{} scales on CPU and memory, the work of {object} is done by {device}",
            self.object()
        );
        let place = self.value.at(&["spec", "metrics"]).unwrap_or_else(|| self.value.clone());
        let mut finding =
            at(&place, Warning, codes::HPA_BLIND_TO_GPU, message, "none of these sees the device");
        let asks = self.device_place(&device);
        finding = finding.secondary(asks.span(), "each pod has its device");
        if let Some(station) = self.subject.station_of(self.workload)
            && let Some(note) = self.busy_note(station)
        {
            finding = finding.note(note);
        }
        self.subject.report(finding.help("scale on device utilisation, queue length or requests in flight (Pods or External metrics)"));
    }

    fn device_place(&self, device: &str) -> Value<'a> {
        let containers = self.workload.containers();
        let found = containers
            .iter()
            .find_map(|(_, container)| container.at(&["resources", "limits", device]));
        found.unwrap_or_else(|| self.workload.title())
    }

    /// What CPU utilisation a pod has while its GPU is busy all the time.
    fn busy_note(&self, station: &StationSpec) -> Option<String> {
        let StationKind::Gpu(gpu) = &station.kind else { return None };
        let graph = self.subject.material.services.as_ref()?;
        let own = |operation: &&OperationSpec| {
            graph.stations[operation.station.index()].name == station.name
        };
        let share = |operation: &OperationSpec| {
            let cpu = operation.cpu.as_ref()?.mean();
            let busy = match operation.gpu.as_ref()? {
                crate::service::spec::GpuWork::Time(time) => time.mean(),
                crate::service::spec::GpuWork::Items(items) => {
                    gpu.latency.of(gpu.max_batch).as_secs_f64() / f64::from(gpu.max_batch)
                        * f64::from(*items)
                }
            };
            (busy > 0.0).then_some(cpu / busy)
        };
        // Where the CPU is the bottleneck the autoscaler does see it.
        let cores =
            self.workload.template.spec.cpu_limit().map_or(f64::INFINITY, MilliCpu::as_cores);
        let shares = graph.operations.iter().filter(own).filter_map(share);
        let shares: Vec<f64> = shares.filter(|share| *share < cores).collect();
        let highest = shares.iter().copied().fold(f64::NAN, f64::max);
        let lowest = shares.iter().copied().fold(f64::NAN, f64::min);
        let request = self.workload.template.spec.requests().cpu.as_cores();
        if !lowest.is_finite() || request <= 0.0 {
            return None;
        }
        let idle = station.idle_cpu.as_cores();
        let percent = |share: f64| round_u64((share + idle) / request * 100.0);
        let (low, high) = (percent(lowest), percent(highest));
        let range = if low == high {
            format!("{low}%")
        } else {
            format!("{low}% to {high}% (by operation)")
        };
        Some(format!(
            "with its device busy all the time, a pod of `{}` uses {range} of the cpu it requests",
            station.name
        ))
    }

    /// Judges a memory target by the profile; whether it is left to be said in general.
    fn memory_target(&self) -> bool {
        let mut unjudged = false;
        for (metric, place) in self.metrics() {
            let MetricSpec::Resource { name: ResourceName::Memory, target } = &metric else {
                continue;
            };
            let Some(percent) = target.average_utilization else { continue };
            let request = self.workload.template.spec.requests().memory;
            let Some(station) = self.subject.station_of(self.workload) else {
                unjudged = true;
                continue;
            };
            if request.0 <= 0 {
                continue;
            }
            let idle = station.idle_memory.as_f64() / request.as_f64() * 100.0;
            if idle <= f64::from(percent) {
                continue;
            }
            let message = format!(
                "{} runs to its maximum: idle pods use {}% of their memory request, the target is {percent}%",
                self.object(),
                round_u64(idle)
            );
            let most = self.workload.most;
            self.subject.report(
                at(&utilization(&place), Error, codes::HPA_MEMORY_NEVER_FALLS, message, format!("{percent}% of {request}"))
                    .note(format!("each pod of `{}` holds {} without any work (service profile), so {most} pods use no smaller share than one", station.name, station.idle_memory))
                    .help("scale on what the load moves, or raise the memory request"),
            );
        }
        unjudged
    }
}

fn utilization<'a>(metric: &Value<'a>) -> Value<'a> {
    let blocks = ["resource", "containerResource"];
    let found = blocks.iter().find_map(|block| metric.at(&[block, "target", "averageUtilization"]));
    found.unwrap_or_else(|| metric.clone())
}

fn requests(container: &Container, name: &ResourceName) -> bool {
    match name {
        ResourceName::Cpu => container.requests.cpu.is_some(),
        ResourceName::Memory => container.requests.memory.is_some(),
        ResourceName::Other(other) => container.requests.extended(other).is_some(),
    }
}

fn has_pod_level(workload: &WorkloadView<'_>, name: &ResourceName) -> bool {
    let list = &workload.template.spec.pod_requests;
    match name {
        ResourceName::Cpu => list.cpu.is_some(),
        ResourceName::Memory => list.memory.is_some(),
        ResourceName::Other(_) => false,
    }
}

/// One note for all memory targets that no profile lets judge.
fn say_memory(subject: &Subject<'_>, found: &[(&AutoscalerSpec, Value<'_>)]) {
    let Some((first, value)) = found.first() else { return };
    let names: Vec<&str> = found.iter().map(|(hpa, _)| &*hpa.meta.name).collect();
    let message = match names.len() {
        1 => format!("HorizontalPodAutoscaler/{} scales on memory", first.meta.name),
        count => format!("{count} HorizontalPodAutoscalers scale on memory: {}", names.join(", ")),
    };
    let metrics = value.at(&["spec", "metrics"]).map(|list| list.elements()).unwrap_or_default();
    let memory = |metric: &&Value<'_>| {
        metric.at(&["resource", "name"]).is_some_and(|name| name.node().text() == Some("memory"))
    };
    let place = metrics.iter().find(memory).map_or_else(|| value.clone(), utilization);
    subject.report(
        at(&place, Note, codes::HPA_MEMORY_TARGET, message, "of the memory request")
            .note("this follows the load only where a process gives memory back; heaps, caches and models do not"),
    );
}
