//! Probes and grace periods: traffic that comes too early, starts that are too slow, ends that are
//! too short.

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::cluster::api::pod::Probe;
use crate::engine::Dist;
use crate::input::codes;
use crate::input::diagnostic::Severity::{Error, Note, Warning};
use crate::service::spec::{OperationSpec, StationKind, StationSpec};
use crate::units::SimDuration;

pub(super) fn check(subject: &Subject<'_>) {
    for workload in subject.workloads() {
        if !workload.runs_on() {
            continue;
        }
        readiness(subject, workload);
        if let Some(station) = subject.station_of(workload) {
            slow_start(subject, workload, station);
            grace(subject, workload, station);
        }
        hook_beyond_grace(subject, workload);
    }
}

/// Behind a Service, at least one container must say when it is ready.
fn readiness(subject: &Subject<'_>, workload: &WorkloadView<'_>) {
    let Some(service) = subject.services_of(workload).next() else { return };
    let spec = &workload.template.spec;
    let probed = spec.containers.iter().any(|container| container.readiness_probe.is_some());
    if probed || workload.roughly_told {
        return;
    }
    let Some(first) = spec.containers.first() else { return };
    let container = workload.container(&first.name);
    let place = container.get("name").unwrap_or(container);
    let message = format!(
        "{} has no readiness probe and gets traffic of Service/{}",
        workload.name(),
        service.meta.name
    );
    let mut finding = at(&place, Warning, codes::NO_READINESS, message, "no readinessProbe");
    if let Some(selector) =
        subject.value("Service", &service.meta).and_then(|value| value.at(&["spec", "selector"]))
    {
        finding = finding.secondary(selector.span(), "selects its pods");
    }
    subject.report(finding.note("pods get requests as soon as their containers run, and a rollout takes old pods away before new ones serve"));
}

/// How long a probe waits until it kills: the first failure may come after the initial delay, and
/// each further one a period later (prober/worker.go `doProbe`).
fn patience(probe: &Probe) -> SimDuration {
    let periods = u64::from(probe.failure_threshold.saturating_sub(1));
    let waits = probe.period.as_nanos().saturating_mul(periods);
    SimDuration::from_nanos(probe.initial_delay.as_nanos().saturating_add(waits)) + probe.timeout
}

/// The process answers when it is up; start and warm-up are known from the profile.
fn slow_start(subject: &Subject<'_>, workload: &WorkloadView<'_>, station: &StationSpec) {
    let Some(first) = workload.template.spec.containers.first() else { return };
    let (probe, name) = match (&first.startup_probe, &first.liveness_probe) {
        (Some(probe), _) => (probe, "startupProbe"),
        (None, Some(probe)) => (probe, "livenessProbe"),
        (None, None) => return,
    };
    let warm_up = station.warm_up.as_ref().map_or(0.0, Dist::mean);
    let start = station.start.mean() + warm_up;
    let patience = patience(probe).as_secs_f64();
    if start <= patience {
        return;
    }
    let container = workload.container(&first.name);
    let place = container.get(name).unwrap_or(container);
    let message = format!(
        "{}: {name} kills it after {patience:.0}s, and it needs {start:.0}s to start",
        workload.name()
    );
    subject.report(
        at(
            &place,
            Error,
            codes::LIVENESS_KILLS_START,
            message,
            format!("{patience:.0}s until it is killed"),
        )
        .note(format!(
            "`{}` starts in {:.1}s and warms up for {warm_up:.1}s on average (service profile)",
            station.name,
            station.start.mean()
        ))
        .help(
            "give it a startupProbe with failureThreshold x periodSeconds above the slowest start",
        ),
    );
}

/// The longest that one request or task may keep a pod busy.
fn longest<'g>(
    subject: &'g Subject<'_>,
    station: &StationSpec,
) -> Option<(&'g OperationSpec, SimDuration)> {
    let graph = subject.material.services.as_ref()?;
    let own =
        |operation: &&OperationSpec| graph.stations[operation.station.index()].name == station.name;
    let timed = graph
        .operations
        .iter()
        .filter(own)
        .filter_map(|operation| Some((operation, operation.timeout?)));
    timed.max_by_key(|(_, timeout)| *timeout)
}

fn grace(subject: &Subject<'_>, workload: &WorkloadView<'_>, station: &StationSpec) {
    let spec = &workload.template.spec;
    let hook = spec
        .containers
        .iter()
        .map(|container| container.pre_stop)
        .max()
        .unwrap_or(SimDuration::ZERO);
    let left = spec.termination_grace.as_nanos().saturating_sub(hook.as_nanos());
    let left = SimDuration::from_nanos(left);
    let Some((operation, timeout)) = longest(subject, station) else { return };
    if timeout <= left {
        return;
    }
    // A store's answers are short whatever their callers allow.
    let worst = operation.gpu.as_ref().map_or(0.0, |work| match work {
        crate::service::spec::GpuWork::Time(time) => time.mean(),
        crate::service::spec::GpuWork::Items(_) => 0.0,
    });
    let typical = operation.cpu.as_ref().map_or(0.0, Dist::mean)
        + operation.wait.as_ref().map_or(0.0, Dist::mean)
        + worst
        + called(subject, operation);
    let tasks = matches!(station.kind, StationKind::Worker(_));
    // What is ten times shorter than the grace is cut only when something else is wrong already.
    if typical * 10.0 < left.as_secs_f64() && !tasks {
        return;
    }
    let severity = if typical > left.as_secs_f64() { Warning } else { Note };
    let what = if tasks { "tasks" } else { "requests" };
    let place = workload
        .pod_spec()
        .get("terminationGracePeriodSeconds")
        .unwrap_or_else(|| workload.title());
    let message = format!(
        "{}: {what} may take {timeout}, and pods are killed {left} after they are told to stop",
        workload.name()
    );
    let mut finding = at(
        &place,
        severity,
        codes::GRACE_TOO_SHORT,
        message,
        format!("{} of grace", spec.termination_grace),
    )
    .note(format!(
        "the longest is `{}`: {typical:.1}s on average, given up after {timeout}",
        operation.name
    ));
    if let StationKind::Worker(worker) = &station.kind {
        finding = finding.note(if worker.late_acks {
            "a task that is cut is delivered again (late acknowledgement)"
        } else {
            "a task that is cut is lost (early acknowledgement)"
        });
    }
    subject.report(finding);
}

/// Mean time that an operation waits for those it calls.
fn called(subject: &Subject<'_>, operation: &OperationSpec) -> f64 {
    let Some(graph) = &subject.material.services else { return 0.0 };
    let one = |call: &crate::service::spec::CallSpec| {
        let target = &graph.operations[call.operation.index()];
        let own = target.cpu.as_ref().map_or(0.0, Dist::mean)
            + target.wait.as_ref().map_or(0.0, Dist::mean);
        let device = target.gpu.as_ref().map_or(0.0, |work| match work {
            crate::service::spec::GpuWork::Time(time) => time.mean(),
            crate::service::spec::GpuWork::Items(_) => 0.0,
        });
        (own + device) * call.probability * f64::from(call.count)
    };
    operation.steps.iter().map(|step| step.calls.iter().map(one).fold(0.0, f64::max)).sum()
}

/// The preStop hook alone takes the whole grace.
fn hook_beyond_grace(subject: &Subject<'_>, workload: &WorkloadView<'_>) {
    let spec = &workload.template.spec;
    for container in &spec.containers {
        if container.pre_stop.is_zero() || container.pre_stop < spec.termination_grace {
            continue;
        }
        let tree = workload.container(&container.name);
        let place = tree.at(&["lifecycle", "preStop"]).unwrap_or(tree);
        let message = format!(
            "{}: the preStop hook of `{}` takes {}, the whole grace of {}",
            workload.name(),
            container.name,
            container.pre_stop,
            spec.termination_grace
        );
        subject.report(
            at(&place, Warning, codes::GRACE_TOO_SHORT, message, "nothing is left for the process")
                .note("SIGTERM comes after the hook, and two seconds later SIGKILL"),
        );
    }
}
