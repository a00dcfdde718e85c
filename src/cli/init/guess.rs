//! What objects do not say and a run needs: who is called, how often, and on which machines.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::scheduling::{TaintEffect, Toleration};
use crate::cluster::api::selector::LabelSelector;
use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::input::kubernetes::Objects;
use crate::units::convert::f64_from_u64;

/// CPU time of a request that nobody measured: a page of a web application.
pub(in crate::cli) const CPU_PER_REQUEST: &str = "10ms";
const CPU_PER_REQUEST_S: f64 = 0.010;
/// Share of the entry's CPU that the peak asks for at its first size.
const PEAK_SHARE: f64 = 0.6;
const GPU: &str = "nvidia.com/gpu";

/// A workload that takes load.
#[derive(Debug)]
pub(in crate::cli) struct Service {
    /// Name in the service profile.
    pub(in crate::cli) key: String,
    /// `Kind/name`.
    pub(in crate::cli) workload: String,
    /// Whether clients of outside reach it.
    pub(in crate::cli) entry: bool,
    /// Whether its pods have a GPU.
    pub(in crate::cli) gpu: bool,
    /// Memory that a pod has before any request (bytes).
    pub(in crate::cli) idle_memory: i64,
}

/// A pool that fits what the pods ask for.
#[derive(Debug)]
pub(in crate::cli) struct Pool {
    pub(in crate::cli) name: &'static str,
    pub(in crate::cli) instance: &'static str,
    pub(in crate::cli) min: u32,
    pub(in crate::cli) max: u32,
    pub(in crate::cli) labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Key and value of its taint.
    pub(in crate::cli) taint: Option<(Arc<str>, Arc<str>)>,
}

/// All guesses.
#[derive(Debug)]
pub(in crate::cli) struct Guess {
    pub(in crate::cli) services: Vec<Service>,
    pub(in crate::cli) pools: Vec<Pool>,
    /// Requests a second at the peak, all entries together.
    pub(in crate::cli) peak_rate: u64,
    /// Jobs and CronJobs by name.
    pub(in crate::cli) jobs: Vec<String>,
}

impl Guess {
    /// Guesses for objects; `None` when there is nothing to send load to.
    pub(in crate::cli) fn of(objects: &Objects) -> Option<Self> {
        let served: Vec<&WorkloadSpec> =
            objects.workloads.iter().filter(|workload| takes_load(workload)).collect();
        let entries = entries(objects, &served);
        let mut services: Vec<Service> = Vec::new();
        for (workload, entry) in served.iter().zip(&entries) {
            let mut key = camel(&workload.meta.name);
            while services.iter().any(|service| service.key == key) {
                key.push('2');
            }
            let requests = workload.template.spec.requests();
            services.push(Service {
                key,
                workload: workload.to_string(),
                entry: *entry,
                gpu: requests.get(GPU) > 0,
                idle_memory: requests.memory.0 / 2,
            });
        }
        services.iter().any(|service| service.entry).then_some(())?;
        let cores: f64 = served
            .iter()
            .zip(&entries)
            .filter(|(_, entry)| **entry)
            .map(|(workload, _)| f64::from(first_size(objects, workload)) * cores_of(workload))
            .fold(f64::INFINITY, f64::min);
        let rate = (cores * PEAK_SHARE / CPU_PER_REQUEST_S).clamp(1.0, 100_000.0);
        let entries = services.iter().filter(|service| service.entry).count();
        let peak_rate = crate::units::convert::ceil_u64(rate.max(1.0));
        let jobs = objects.workloads.iter().filter(|it| matches!(it.kind, WorkloadKind::Job(_)));
        Some(Self {
            pools: pools(objects),
            peak_rate: peak_rate * u64::try_from(entries).unwrap_or(1),
            jobs: jobs.map(|job| job.meta.name.to_string()).collect(),
            services,
        })
    }

    /// The names of the services that clients call.
    pub(in crate::cli) fn entry_names(&self) -> Vec<&str> {
        let entries = self.services.iter().filter(|service| service.entry);
        entries.map(|service| service.key.as_str()).collect()
    }
}

fn takes_load(workload: &WorkloadSpec) -> bool {
    match workload.kind {
        WorkloadKind::Deployment { .. }
        | WorkloadKind::StatefulSet { .. }
        | WorkloadKind::ReplicaSet => true,
        WorkloadKind::DaemonSet { .. } | WorkloadKind::Job(_) => false,
    }
}

/// CPU that a pod may use: its limit, else its request, else a tenth of a core.
fn cores_of(workload: &WorkloadSpec) -> f64 {
    let spec = &workload.template.spec;
    let request = spec.requests().cpu;
    let cpu = if request.0 > 0 { request } else { spec.cpu_limit().unwrap_or(request) };
    cpu.as_cores().max(0.1)
}

/// How many pods there are at the start.
fn first_size(objects: &Objects, workload: &WorkloadSpec) -> i32 {
    let scaled = objects.autoscalers.iter().find(|hpa| {
        *hpa.target_name == *workload.meta.name
            && *hpa.target_kind == *workload.kind_name()
            && hpa.meta.namespace == workload.meta.namespace
    });
    let minimum = scaled.map(|hpa| hpa.spec.min_replicas.unwrap_or(1));
    minimum.unwrap_or(workload.replicas).max(1)
}

fn last_size(objects: &Objects, workload: &WorkloadSpec) -> i32 {
    let scaled = objects.autoscalers.iter().find(|hpa| {
        *hpa.target_name == *workload.meta.name && hpa.meta.namespace == workload.meta.namespace
    });
    scaled.map_or(workload.replicas, |hpa| hpa.spec.max_replicas).max(1)
}

/// Who is called from outside: those whose names say so, else the scaled ones behind a Service, else
/// any behind a Service, else the first.
fn entries(objects: &Objects, served: &[&WorkloadSpec]) -> Vec<bool> {
    const WORDS: [&str; 8] =
        ["gateway", "ingress", "frontend", "nginx", "web", "api", "proxy", "edge"];
    let behind_service = |workload: &WorkloadSpec| {
        objects.services.iter().any(|service| {
            service.meta.namespace == workload.meta.namespace
                && !service.selector.is_empty()
                && LabelSelector::of_labels(service.selector.clone())
                    .matches(&workload.template.labels)
        })
    };
    let is_scaled = |workload: &WorkloadSpec| {
        objects.autoscalers.iter().any(|hpa| *hpa.target_name == *workload.meta.name)
    };
    let named = |workload: &WorkloadSpec| {
        WORDS.iter().any(|word| workload.meta.name.split(['-', '.', '_']).any(|it| it == *word))
    };
    let deployment =
        |workload: &WorkloadSpec| matches!(workload.kind, WorkloadKind::Deployment { .. });
    let rules: [&dyn Fn(&WorkloadSpec) -> bool; 4] = [
        &|workload| named(workload) && behind_service(workload),
        &|workload| deployment(workload) && is_scaled(workload) && behind_service(workload),
        &|workload| deployment(workload) && behind_service(workload),
        &|workload| behind_service(workload),
    ];
    for rule in rules {
        let found: Vec<bool> = served.iter().map(|workload| rule(workload)).collect();
        if found.contains(&true) {
            // One entry is a start; several named alike are all taken.
            return found;
        }
    }
    (0..served.len()).map(|at| at == 0).collect()
}

/// One pool for what needs no GPU, one for what does; sizes from requests at the smallest and the
/// largest.
fn pools(objects: &Objects) -> Vec<Pool> {
    let mut pools = Vec::new();
    for gpu in [false, true] {
        let mine: Vec<&WorkloadSpec> = objects
            .workloads
            .iter()
            .filter(|workload| !matches!(workload.kind, WorkloadKind::DaemonSet { .. }))
            .filter(|workload| (workload.template.spec.requests().get(GPU) > 0) == gpu)
            .collect();
        if mine.is_empty() && gpu {
            continue;
        }
        pools.push(pool(objects, &mine, gpu));
    }
    pools
}

/// A machine: name, cores, memory (GiB), GPUs; what pods get is nine tenths of it.
const MACHINES: [(&str, f64, f64, i64); 6] = [
    ("m6i.large", 2.0, 8.0, 0),
    ("m6i.xlarge", 4.0, 16.0, 0),
    ("m6i.2xlarge", 8.0, 32.0, 0),
    ("m6i.4xlarge", 16.0, 64.0, 0),
    ("m6i.8xlarge", 32.0, 128.0, 0),
    ("r6i.4xlarge", 16.0, 128.0, 0),
];
const GPU_MACHINES: [(&str, f64, f64, i64); 5] = [
    ("g4dn.xlarge", 4.0, 16.0, 1),
    ("g4dn.2xlarge", 8.0, 32.0, 1),
    ("g4dn.4xlarge", 16.0, 64.0, 1),
    ("g4dn.8xlarge", 32.0, 128.0, 1),
    ("g4dn.12xlarge", 48.0, 192.0, 4),
];
const USABLE: f64 = 0.85;

fn pool(objects: &Objects, workloads: &[&WorkloadSpec], gpu: bool) -> Pool {
    let gib = |workload: &WorkloadSpec| workload.template.spec.requests().memory.as_gib();
    let cpu = |workload: &WorkloadSpec| workload.template.spec.requests().cpu.as_cores();
    let gpus = |workload: &WorkloadSpec| {
        f64::from(i32::try_from(workload.template.spec.requests().get(GPU)).unwrap_or(i32::MAX))
    };
    let most = |of: &dyn Fn(&WorkloadSpec) -> f64| {
        workloads.iter().map(|workload| of(workload)).fold(0.0, f64::max)
    };
    let machines: &[(&str, f64, f64, i64)] = if gpu { &GPU_MACHINES } else { &MACHINES };
    let count = |machine: &(&str, f64, f64, i64), size: fn(&Objects, &WorkloadSpec) -> i32| {
        let sum = |of: &dyn Fn(&WorkloadSpec) -> f64| -> f64 {
            workloads.iter().map(|it| f64::from(size(objects, it)) * of(it)).sum()
        };
        let gpu_nodes = if machine.3 > 0 {
            sum(&gpus) / f64::from(i32::try_from(machine.3).unwrap_or(1))
        } else {
            0.0
        };
        let nodes =
            (sum(&cpu) / (machine.1 * USABLE)).max(sum(&gib) / (machine.2 * USABLE)).max(gpu_nodes);
        libm::ceil(nodes * if gpu { 1.0 } else { 1.15 })
    };
    let fits = |machine: &&(&str, f64, f64, i64)| {
        most(&cpu) <= machine.1 * USABLE && most(&gib) <= machine.2 * USABLE
    };
    // The smallest machine that the largest pod fits and of which a dozen are enough.
    let fitting: Vec<_> = machines.iter().filter(fits).collect();
    let machine = fitting
        .iter()
        .find(|machine| count(machine, first_size) <= 12.0)
        .or_else(|| fitting.last())
        .copied()
        .unwrap_or_else(|| machines.last().expect("there are machines"));
    let least = count(machine, first_size).max(if gpu { 1.0 } else { 3.0 });
    let most = count(machine, last_size).max(least);
    let whole = |nodes: f64| {
        u32::try_from(crate::units::convert::ceil_u64(nodes)).unwrap_or(u32::MAX).min(100_000)
    };
    let mut labels = BTreeMap::new();
    for workload in workloads {
        for (key, value) in &workload.template.spec.node_selector {
            if key.as_ref() != "kubernetes.io/os" && key.as_ref() != "kubernetes.io/arch" {
                labels.entry(Arc::clone(key)).or_insert_with(|| Arc::clone(value));
            }
        }
    }
    let taint = workloads.iter().flat_map(|it| &it.template.spec.tolerations).find_map(taint_of);
    Pool {
        name: if gpu { "gpu" } else { "general" },
        instance: machine.0,
        min: whole(least),
        max: whole(most),
        labels,
        taint: taint.filter(|_| gpu),
    }
}

fn taint_of(toleration: &Toleration) -> Option<(Arc<str>, Arc<str>)> {
    let key = toleration.key.clone()?;
    let schedules = toleration.effect.is_none_or(|effect| effect == TaintEffect::NoSchedule);
    let value =
        if toleration.value.is_empty() { Arc::from("true") } else { toleration.value.clone() };
    schedules.then_some((key, value))
}

/// `web-ui` is `webUi`, as the keys of profiles are written.
fn camel(name: &str) -> String {
    let mut text = String::new();
    let mut raise = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() {
            raise = !text.is_empty();
        } else if raise {
            text.extend(letter.to_uppercase());
            raise = false;
        } else {
            text.push(letter);
        }
    }
    let begins = text.chars().next().is_some_and(|letter| letter.is_ascii_alphabetic());
    if begins { text } else { format!("service{text}") }
}

/// A share of a rate, at least one.
pub(in crate::cli) fn share(rate: u64, of: f64) -> u64 {
    crate::units::convert::ceil_u64(f64_from_u64(rate) * of).max(1)
}
