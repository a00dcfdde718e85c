//! Where pods can run at all: each pool's empty nodes asked by the scheduler's own filters, and
//! constraints that need more places than there are.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::checks::trial::{Answer, labels_of};
use crate::cluster::api::scheduling::{PodAffinityTerm, WhenUnsatisfiable, node_selector_matches};
use crate::cluster::api::{InstanceType, NodePoolSpec, TaintEffect};
use crate::control::scheduler::{Plugin, Rejection};
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Error, Warning};
use crate::input::material::ClusterFacts;
use crate::units::Resources;
use crate::units::convert::index;

const HOSTNAME: &str = "kubernetes.io/hostname";

pub(super) fn check(subject: &Subject<'_>) {
    let Some(cluster) = &subject.material.cluster else { return };
    for workload in subject.workloads() {
        let runs = placeable(subject, cluster, workload);
        if runs.is_empty() {
            continue;
        }
        limit_above_nodes(subject, cluster, workload, &runs);
        if workload.is_sized() {
            domains(subject, cluster, workload, &runs);
        }
    }
}

/// The pools whose empty nodes take the pods; none is a finding.
fn placeable(
    subject: &Subject<'_>,
    cluster: &ClusterFacts,
    workload: &WorkloadView<'_>,
) -> Vec<usize> {
    let Some(trial) = subject.trial() else { return Vec::new() };
    let answers = trial.answers(subject, workload);
    let runs = answers.iter().filter(|answer| answer.rejection.is_none());
    let runs: Vec<usize> = runs.map(|answer| answer.pool).collect();
    let wanted = !workload.is_sized() || workload.most > 0;
    if runs.is_empty()
        && wanted
        && !workload.is_daemon()
        && workload.spec.template.spec.node_name.is_none()
    {
        let finding = missing_device(cluster, workload);
        let finding = finding.unwrap_or_else(|| nowhere(subject, cluster, workload, &answers));
        let says = trial.sentence(subject, workload, &answers);
        subject.report(finding.note(format!("kube-scheduler would say: {says}")));
    }
    runs
}

/// Pods that ask for a device no pool has, whatever else is wrong.
fn missing_device(cluster: &ClusterFacts, workload: &WorkloadView<'_>) -> Option<Diagnostic> {
    let requests = workload.template.spec.requests();
    let offered =
        |device: &str| cluster.pools.iter().any(|pool| pool.instance.allocatable.get(device) > 0);
    let requests = &requests;
    let (device, amount) = requests.extended().find(|(device, _)| !offered(device))?;
    let object = workload.name();
    let message = format!("{object} asks for {device}, and no node pool has one");
    let place = workload.containers().iter().find_map(|(_, container)| {
        let lists = ["limits", "requests"].iter();
        lists.filter_map(|list| container.at(&["resources", list, device])).next()
    });
    let place = place.unwrap_or_else(|| workload.title());
    let label = format!("{amount} a pod, {} pods", workload.least.max(1));
    let pools: Vec<String> = cluster
        .pools
        .iter()
        .map(|pool| format!("{} ({}, 0)", pool.name, pool.instance.name))
        .collect();
    let fit = machines_that_fit(cluster, requests);
    let help = if fit.is_empty() {
        "add a pool whose instance type has the device; `aurelius-sim explain AUR502` shows one"
            .to_owned()
    } else {
        format!(
            "add a pool with the device; the cheapest machine types that fit one pod:\n{}\n\
             `aurelius-sim explain AUR502` shows a pool",
            fit.join("\n")
        )
    };
    Some(
        at(&place, Error, codes::NO_GPU_POOL, message, label)
            .note(format!("pools of {}: {}", cluster.name, pools.join(", ")))
            .help(help),
    )
}

/// The cheapest machine types of the catalogue that take a pod when they are empty.
fn machines_that_fit(cluster: &ClusterFacts, requests: &Resources) -> Vec<String> {
    const SHOWN: usize = 3;
    let fits = |machine: &&Arc<InstanceType>| {
        let has = &machine.allocatable;
        requests.cpu <= has.cpu
            && requests.memory <= has.memory
            && requests.extended().all(|(device, amount)| amount <= has.get(device))
    };
    let mut machines: Vec<&Arc<InstanceType>> = cluster.machines.iter().filter(fits).collect();
    // Without a price last.
    let price =
        |machine: &InstanceType| (machine.on_demand_per_hour.is_none(), machine.on_demand_per_hour);
    machines.sort_by_key(|machine| (price(machine), Arc::clone(&machine.name)));
    let row = |machine: &&Arc<InstanceType>| {
        let devices: Vec<String> = requests
            .extended()
            .map(|(device, _)| format!("{} {device}", machine.capacity.get(device)))
            .collect();
        let price =
            machine.on_demand_per_hour.map_or(String::new(), |price| format!("  ${price}/h"));
        format!(
            "  {}  {} CPU  {}  {}{price}",
            machine.name,
            machine.capacity.cpu,
            gib(machine.capacity.memory),
            devices.join(", ")
        )
    };
    machines.iter().take(SHOWN).map(row).collect()
}

fn nowhere(
    subject: &Subject<'_>,
    cluster: &ClusterFacts,
    workload: &WorkloadView<'_>,
    answers: &[Answer],
) -> Diagnostic {
    let object = workload.name();
    let message = format!("no node pool can ever run {object}");
    let spec = workload.pod_spec();
    let by_size = answers.iter().any(|answer| {
        answer.rejection.is_some_and(|rejection| rejection.plugin() == Plugin::NodeResourcesFit)
    });
    let by_labels = answers.iter().any(|answer| {
        answer.rejection.is_some_and(|rejection| rejection.plugin() == Plugin::NodeAffinity)
    });
    let selector = spec.get("nodeSelector").or_else(|| spec.at(&["affinity", "nodeAffinity"]));
    let requests =
        workload.containers().first().and_then(|(_, first)| first.at(&["resources", "requests"]));
    let place = match (selector, requests) {
        (Some(selector), _) if by_labels => selector,
        (_, Some(requests)) if by_size => requests,
        (selector, requests) => selector.or(requests).unwrap_or_else(|| workload.title()),
    };
    let label = "no pool satisfies this";
    let mut finding = at(&place, Error, codes::NO_POOL_CAN_RUN, message, label);
    let mut closest: Option<(usize, &NodePoolSpec)> = None;
    for answer in answers {
        let pool = &cluster.pools[answer.pool];
        let Some(rejection) = answer.rejection else { continue };
        let (missing, why) = why_not(subject, workload, pool, answer.pool, rejection);
        finding = finding.note(format!("pool `{}` ({}): {why}", pool.name, pool.instance.name));
        if closest.is_none_or(|(least, _)| missing < least) {
            closest = Some((missing, pool));
        }
    }
    let Some((_, pool)) = closest else { return finding };
    match spec.get("nodeSelector") {
        Some(selector) if by_labels => wanted_labels(finding, &selector, workload, pool),
        _ if cluster.pools.len() > 1 => {
            finding.help(format!("the closest pool is `{}`", pool.name))
        }
        _ => finding,
    }
}

/// Points at each label of a nodeSelector and says how the closest pool stands to it.
fn wanted_labels(
    mut finding: Diagnostic,
    selector: &Value<'_>,
    workload: &WorkloadView<'_>,
    pool: &NodePoolSpec,
) -> Diagnostic {
    let labels = labels_of(pool, &pool.name, pool.zones.first());
    let wanted = &workload.template.spec.node_selector;
    let mut lacking = Vec::new();
    for (key, value) in wanted {
        let Some(place) = selector.get(key) else { continue };
        let span = place.key_span().to(place.span());
        let has = labels.get(key);
        if has == Some(value) {
            finding = finding.secondary(span, format!("pool `{}` has this label", pool.name));
            continue;
        }
        let told = match has {
            Some(has) => format!("the closest pool, `{}`, has {key}={has}", pool.name),
            None => format!("the closest pool, `{}`, has no label {key}", pool.name),
        };
        finding = match lacking.is_empty() {
            true => finding.primary(span, told),
            false => finding.secondary(span, told),
        };
        lacking.push((key, value, has));
    }
    let (met, all) = (wanted.len().saturating_sub(lacking.len()), wanted.len());
    let Some((key, value, has)) = lacking.first() else {
        return finding.help(format!("the closest pool is `{}`", pool.name));
    };
    let or = match has {
        Some(has) if lacking.len() == 1 => format!("use `{key}: {has}`, or "),
        _ => String::new(),
    };
    finding.help(format!(
        "the closest pool is `{}` ({met} of {all} labels match): {or}give its nodes the label {key}={value}",
        pool.name
    ))
}

/// How many things are in the way of a pool, and which.
fn why_not(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    pool: &NodePoolSpec,
    position: usize,
    rejection: Rejection,
) -> (usize, String) {
    let spec = &workload.template.spec;
    let mut reasons = Vec::new();
    let zone = pool.zones.first();
    let labels = labels_of(pool, &pool.name, zone);
    if !node_selector_matches(&spec.node_selector, &labels) {
        let wanted =
            spec.node_selector.iter().filter(|(key, value)| labels.get(*key) != Some(value));
        for (key, value) in wanted {
            reasons.push(match labels.get(key) {
                Some(own) => format!("has {key}={own}, not {value}"),
                None => format!("has no label {key} ({key}={value} is wanted)"),
            });
        }
    }
    let repels = |effect| effect != TaintEffect::PreferNoSchedule;
    for taint in pool.taints.iter().filter(|taint| repels(taint.effect)) {
        if !spec.tolerations.iter().any(|toleration| toleration.tolerates(taint)) {
            reasons.push(format!("taint {taint} is not tolerated"));
        }
    }
    if rejection.plugin() == Plugin::NodeResourcesFit || reasons.is_empty() {
        let room = subject.trial().and_then(|trial| trial.room(position));
        let requests = spec.requests();
        if let Some(room) = room {
            if requests.cpu > room.cpu {
                reasons.push(format!(
                    "{} cores wanted, {} left on an empty node",
                    requests.cpu, room.cpu
                ));
            }
            if requests.memory > room.memory {
                reasons.push(format!(
                    "{} of memory wanted, {} left on an empty node",
                    requests.memory,
                    gib(room.memory)
                ));
            }
            for (device, amount) in requests.extended() {
                let has = room.get(device);
                if has < amount {
                    reasons.push(format!("{amount} {device} wanted, {has} on a node"));
                }
            }
        }
    }
    if reasons.is_empty() {
        let words = subject.trial().map(|trial| trial.words(subject, workload, rejection));
        reasons.extend(words);
    }
    (reasons.len(), reasons.join("; "))
}

/// Memory as people write it.
pub(super) fn gib(bytes: crate::units::Bytes) -> String {
    if bytes.0 % (1 << 20) == 0 && bytes.0 < 1 << 40 {
        bytes.to_string()
    } else {
        format!("{:.1}Gi", bytes.as_gib())
    }
}

/// Limits above what the nodes that take the pods have at all.
fn limit_above_nodes(
    subject: &Subject<'_>,
    cluster: &ClusterFacts,
    workload: &WorkloadView<'_>,
    runs: &[usize],
) {
    let spec = &workload.template.spec;
    let limit = spec.memory_limit();
    let pools = || runs.iter().map(|pool| &cluster.pools[*pool]);
    let Some(largest) = pools().max_by_key(|pool| pool.instance.allocatable.memory) else { return };
    let has = largest.instance.allocatable.memory;
    let Some(limit) = limit.filter(|limit| *limit > has) else { return };
    let message = format!(
        "{}: memory limit of {limit} is above what any node it can run on has for pods ({})",
        workload.name(),
        gib(has)
    );
    let largest = spec.containers.iter().max_by_key(|container| container.limits.memory);
    let place = largest.map(|container| workload.container(&container.name));
    let place = place.and_then(|container| container.at(&["resources", "limits", "memory"]));
    let place = place.unwrap_or_else(|| workload.title());
    let mut names = String::new();
    for pool in pools() {
        let comma = if names.is_empty() { "" } else { ", " };
        let _ = write!(
            names,
            "{comma}{} ({}: {})",
            pool.name,
            pool.instance.name,
            gib(pool.instance.allocatable.memory)
        );
    }
    subject.report(
        at(&place, Warning, codes::LIMIT_ABOVE_NODE, message, "never reached")
            .note(format!("pools that take it: {names}"))
            .note("before the limit acts the node is out of memory, and the kubelet evicts"),
    );
}

/// Required anti-affinity to the own pods, and hard spread with a minimum of domains.
fn domains(
    subject: &Subject<'_>,
    cluster: &ClusterFacts,
    workload: &WorkloadView<'_>,
    runs: &[usize],
) {
    let template = &workload.template;
    let own = |term: &&PodAffinityTerm| {
        term.namespaces.is_empty()
            && term
                .label_selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&template.labels))
    };
    for term in template.spec.affinity.pod_anti_required.iter().filter(own) {
        let places = places(cluster, runs, &term.topology_key);
        let path =
            ["affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
        let place = workload.pod_spec().at(&path);
        too_few(subject, workload, place, &term.topology_key, places);
    }
    for spread in &template.spec.topology_spread {
        let hard = spread.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
        let places = places(cluster, runs, &spread.topology_key);
        let Some(least) = spread.min_domains.filter(|_| hard) else { continue };
        // With fewer domains than wanted the global minimum counts as zero: each holds maxSkew pods.
        let fit = places.saturating_mul(spread.max_skew);
        if places < least && fit < workload.most {
            let place = workload.pod_spec().get("topologySpreadConstraints");
            too_few(subject, workload, place, &spread.topology_key, fit);
        }
    }
}

fn too_few(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    place: Option<Value<'_>>,
    key: &str,
    places: i32,
) {
    let (severity, size, word) = if workload.least > places {
        (Error, workload.least, "needs")
    } else if workload.most > places {
        (Warning, workload.most, "may grow to")
    } else {
        return;
    };
    let message = format!(
        "{} {word} {size} pods, of which only {places} can be apart by {key}",
        workload.name()
    );
    let place = place.unwrap_or_else(|| workload.title());
    subject.report(
        at(&place, severity, codes::TOO_FEW_DOMAINS, message, "required")
            .secondary(
                workload.least_place(subject).span(),
                format!("{} .. {} pods", workload.least, workload.most),
            )
            .note(format!("in the largest cluster the pools allow there are {places} such places")),
    );
}

/// How many values of a topology key the largest cluster has among the given pools.
fn places(cluster: &ClusterFacts, runs: &[usize], key: &str) -> i32 {
    let pools = || runs.iter().map(|pool| &cluster.pools[*pool]);
    if key == HOSTNAME {
        let nodes: usize = pools().map(|pool| index(pool.max)).sum();
        return crate::units::convert::count_i32(nodes);
    }
    let mut values: Vec<&str> = pools()
        .flat_map(|pool| match key {
            "topology.kubernetes.io/zone" => {
                pool.zones.iter().map(|zone| &**zone).collect::<Vec<_>>()
            }
            _ => pool.labels.get(key).map(|value| &**value).into_iter().collect(),
        })
        .collect();
    values.sort_unstable();
    values.dedup();
    crate::units::convert::count_i32(values.len())
}
