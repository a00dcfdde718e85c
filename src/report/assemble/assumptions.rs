//! What a reader of a report would otherwise have to guess: assumptions, and what stays outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::VolumeMode;
use crate::model::id::WorkloadId;
use crate::scenario::profile::HOURS_PER_MONTH;
use crate::scenario::{Scenario, ServiceModel};
use crate::service::spec::StationKind;
use crate::units::SimDuration;
use crate::units::counted;

/// What the figures of a run rest on beside its inputs, one sentence each.
pub(in crate::report) fn assumptions(scenario: &Scenario) -> Vec<String> {
    let sync = u64::try_from(scenario.hpa_config.sync_period_ns).unwrap_or(0);
    let mut said = vec![
        format!("metrics-server scrapes every {}", scenario.metric_resolution),
        format!("the HPA controller syncs every {}", SimDuration::from_nanos(sync)),
        format!(
            "a controller reacts {} after a change it watches",
            scenario.timings.controller_reaction
        ),
        "a pod computes on up to its CPU limit, or on the whole node without one; the cores of a full \
         node go round by CPU requests, and limits hold in the mean, in periods of 100ms only where a \
         service says `cfs: exact`"
            .to_owned(),
        network(scenario).to_owned(),
        "latencies are known to 0.05 %, those of single intervals and windows to 0.4 %".to_owned(),
        volumes(scenario).to_owned(),
        memory(scenario).to_owned(),
        "checks are client calls that were answered well".to_owned(),
        format!("a month has {HOURS_PER_MONTH} hours at the mean cost rate of the measured time"),
    ];
    said.extend(alerts(scenario));
    said.extend(fluid(scenario));
    said.extend(unprofiled(scenario));
    said.extend(unsized_images(scenario));
    said.extend(prefetching(scenario));
    said.extend(karpenter(scenario));
    said
}

/// How long messages travel.
fn network(scenario: &Scenario) -> &'static str {
    if scenario.services.network.is_some() {
        "messages travel as long as `network` says, without loss; a client that is refused at once asks \
         again after 1ms"
    } else {
        "a request reaches a pod and an answer its client without delay; a client that is refused at \
         once asks again after 1ms"
    }
}

/// What alerts rest on.
fn alerts(scenario: &Scenario) -> Vec<String> {
    let alerts = &scenario.alerts;
    if !alerts.is_watched() {
        return Vec::new();
    }
    let mut said = vec![format!(
        "Prometheus scrapes everything at one moment every {}, evaluates rules every {} where their \
         group does not say, and loses nothing",
        alerts.scrape_interval, alerts.evaluation_interval
    )];
    if alerts.wanted.iter().any(|name| name.starts_with("http_")) {
        said.push(
            "requests are exposed under the names and buckets of Prometheus' client libraries, as one \
             series for all pods of a service, operation and status"
                .to_owned(),
        );
    }
    if alerts.wanted.iter().any(|name| name.starts_with("container_")) {
        said.push(
            "Prometheus keeps every series of cAdvisor, those of whole pods among them".to_owned(),
        );
    }
    said
}

/// What Karpenter's part rests on.
fn karpenter(scenario: &Scenario) -> Vec<String> {
    if scenario.karpenter.is_none() {
        return Vec::new();
    }
    [
        "of the spot pools that would do, Karpenter's launches take the cheapest of the better half; how \
         deep a pool is nobody publishes: it is drawn once from the seed",
        "startup taints of a node go when the DaemonSet pods that tolerate them are ready there, or with \
         the node Ready when no DaemonSet does",
        "Karpenter's planning takes no time and never runs out of it; its nodes drift when an \
         `upgradePool` event replaces their image, and for no other reason",
        "node repair, reserved capacity, static pools and node overlays of Karpenter are not simulated",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn memory(scenario: &Scenario) -> &'static str {
    match scenario.model {
        ServiceModel::Requests => {
            "memory is held against limits once a second, as the most that was held"
        }
        ServiceModel::Fluid { .. } => {
            "memory is held against limits every 10s, as the most that was held at a tick"
        }
    }
}

/// What the fluid model does without.
fn fluid(scenario: &Scenario) -> Option<String> {
    let ServiceModel::Fluid { tick } = scenario.model else { return None };
    Some(format!(
        "model: fluid, in ticks of {tick}, longer while nothing changes: requests are rates, waiting is \
         that of queueing formulas, and bursts that only single requests make are not seen; a client's \
         calls come at the rate of its iterations, pauses do not set them off in time; iterations at \
         the end of a load run on",
    ))
}

fn volumes(scenario: &Scenario) -> &'static str {
    match scenario.volumes.mode {
        VolumeMode::Trusted => {
            "claims of Deployments are served on every node by a provisioner that can do what they ask \
             (volumes: trusted); those of StatefulSets are zonal disks"
        }
        VolumeMode::Enforced => "every claim is served as its provisioner serves it",
    }
}

/// What was read and decides nothing: fields, and objects by kind.
pub(in crate::report) fn not_simulated(scenario: &Scenario) -> Vec<String> {
    let objects = scenario.ignored.iter();
    let objects = objects.map(|(kind, count)| format!("{kind} ({})", counted(*count, "object")));
    scenario.not_simulated.iter().map(ToString::to_string).chain(objects).collect()
}

/// Workloads whose pods nobody described: their usage is guessed from their requests.
fn unprofiled(scenario: &Scenario) -> Option<String> {
    let profiled: BTreeSet<WorkloadId> =
        scenario.services.stations.iter().filter_map(|station| station.workload).collect();
    let names: Vec<&str> = (0..scenario.workloads.len())
        .filter(|position| !profiled.contains(&WorkloadId::at(*position)))
        .map(|position| &*scenario.workloads[position].meta.name)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "pods without a service use a tenth of the CPU and half of the memory they request: {}",
            names.join(", ")
        )
    })
}

/// Images whose size no profile states.
fn unsized_images(scenario: &Scenario) -> Option<String> {
    let containers = scenario.workloads.iter().flat_map(|w| w.template.spec.containers.iter());
    let names: BTreeSet<&Arc<str>> = containers
        .map(|container| &container.image)
        .filter(|image| !scenario.images.knows(image))
        .collect();
    let names: Vec<&str> = names.into_iter().map(|name| &**name).collect();
    (!names.is_empty()).then(|| {
        let gib = scenario.images.default.as_gib();
        format!("images of unknown size are taken to have {gib:.2} GiB: {}", names.join(", "))
    })
}

/// Workers set tasks aside only where single tasks are known.
fn prefetching(scenario: &Scenario) -> Option<String> {
    if matches!(scenario.model, ServiceModel::Requests) {
        return None;
    }
    let prefetches = |kind: &StationKind| matches!(kind, StationKind::Worker(w) if w.prefetch > 1);
    let names: Vec<&str> = scenario
        .services
        .stations
        .iter()
        .filter(|station| prefetches(&station.kind))
        .map(|station| &*station.name)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "workers take a task when they have room; prefetch has no effect: {}",
            names.join(", ")
        )
    })
}
