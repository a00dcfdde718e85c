//! Services at their limits: CPU, GPU, work that piles up, and autoscalers that do not see it.

use crate::findings::code::{self, Code};
use crate::findings::demand::capacity_text;
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::{grouped, percent};
use crate::findings::{Case, Stretch, stretches};
use crate::metrics::StationPoint;
use crate::model::id::{HpaId, StationId, WorkloadId};
use crate::model::record::HpaSync;
use crate::service::spec::StationKind;
use crate::trace::tell;
use crate::units::SimDuration;

/// Share of the CPU limit from which on a service counts as saturated.
const CPU_FULL: f64 = 0.97;
/// Share of GPU time from which on a service counts as saturated.
const GPU_FULL: f64 = 0.95;
/// A shorter saturation is a peak that queues absorb.
const SATURATED_AT_LEAST: SimDuration = SimDuration::from_secs(30);
/// Fewer waiting requests than this many for each ready pod are not a backlog.
const WAITING_PER_POD: u32 = 4;
/// Fewer waiting requests in all are not a backlog.
const WAITING_AT_LEAST: u32 = 20;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for (position, station) in case.scenario.services.stations.iter().enumerate() {
        let id = StationId::at(position);
        let Some(workload) = station.workload else { continue };
        let before = findings.len();
        cpu(case, id, workload, findings);
        gpu(case, id, workload, findings);
        backlog(case, id, workload, findings);
        blind(case, id, workload, &mut findings.split_off(before), findings);
    }
}

fn cpu(case: &Case<'_>, id: StationId, workload: WorkloadId, findings: &mut Vec<Finding>) {
    let samples = case.series.workload(workload);
    let usage = |at: usize| {
        let sample = &samples[at];
        let capacity = case.cpu_capacity(id, sample);
        if capacity > 0.0 { sample.cpu_cores / capacity } else { 0.0 }
    };
    for stretch in stretches(case, |at| usage(at) >= CPU_FULL) {
        let sample = &samples[stretch.peak_of(|at| samples[at].cpu_cores)];
        let station = &case.scenario.services.stations[id.index()];
        let waiting = peak_waiting(case.series.station(id), &stretch);
        let mut note = lasted(case, &stretch);
        if waiting > 0 {
            note = format!("{note}; up to {} requests wait", grouped(f64::from(waiting)));
        }
        let why = capacity_text(case, workload, sample);
        let message = format!("{} CPU {why}", station.name);
        let told = Told { code: &code::CPU_SATURATED, message, note };
        findings.extend(finding(case, id, &stretch, told));
    }
}

fn gpu(case: &Case<'_>, id: StationId, workload: WorkloadId, findings: &mut Vec<Finding>) {
    let points = case.series.station(id);
    let busy = |at: usize| points[at].state.gpu_busy.unwrap_or(0.0);
    for stretch in stretches(case, |at| busy(at) >= GPU_FULL) {
        let ready = case.series.workload(workload)[stretch.first].ready;
        let name = &case.scenario.services.stations[id.index()].name;
        let waiting = peak_waiting(points, &stretch);
        let worst = busy(stretch.peak_of(busy));
        let message = format!("{name} GPUs busy {} ({ready} pods)", percent(worst));
        let queue = format!("up to {} wait", grouped(f64::from(waiting)));
        let note = format!("{}; {queue}", lasted(case, &stretch));
        let told = Told { code: &code::GPU_SATURATED, message, note };
        findings.extend(finding(case, id, &stretch, told));
    }
}

fn backlog(case: &Case<'_>, id: StationId, workload: WorkloadId, findings: &mut Vec<Finding>) {
    let points = case.series.station(id);
    let most = points.iter().map(|point| point.state.waiting).max().unwrap_or(0);
    let pods = case.series.workload(workload).iter().map(|sample| sample.ready).max().unwrap_or(0);
    if most < WAITING_AT_LEAST.max(pods * WAITING_PER_POD) {
        return;
    }
    let floor = most / 10;
    for stretch in stretches(case, |at| points[at].state.waiting > floor) {
        let peak = stretch.peak_of(|at| f64::from(points[at].state.waiting));
        let waiting = points[peak].state.waiting;
        if waiting < most / 2 {
            continue;
        }
        let station = &case.scenario.services.stations[id.index()];
        let what = match station.kind {
            StationKind::Worker(_) => "tasks",
            StationKind::Cpu(_) | StationKind::Gpu(_) | StationKind::Delay => "requests",
        };
        let count = grouped(f64::from(waiting));
        let message = format!("{} queue grows to {count} {what}", station.name);
        let at = case.history.clock().offset(case.instant(peak));
        let note = format!("longest at {at}, {}", lasted(case, &stretch));
        let told = Told { code: &code::BACKLOG_GROWS, message, note };
        findings.extend(finding(case, id, &stretch, told));
    }
}

fn peak_waiting(points: &[StationPoint], stretch: &Stretch) -> u32 {
    points[stretch.first..=stretch.last].iter().map(|p| p.state.waiting).max().unwrap_or(0)
}

fn lasted(case: &Case<'_>, stretch: &Stretch) -> String {
    let (from, until) = (case.instant(stretch.first), stretch.end(case));
    if stretch.open { "until the end".to_owned() } else { format!("for {}", until.since(from)) }
}

/// What a stretch of saturation is told as.
struct Told {
    code: &'static Code,
    message: String,
    note: String,
}

fn finding(case: &Case<'_>, id: StationId, stretch: &Stretch, told: Told) -> Option<Finding> {
    let (from, until) = (case.instant(stretch.first), stretch.end(case));
    if until.since(from) < SATURATED_AT_LEAST {
        return None;
    }
    let Told { code, message, note } = told;
    let workload = case.scenario.services.stations[id.index()].workload;
    let container = workload.and_then(|workload| {
        case.scenario.workloads[workload.index()].template.spec.containers.first()
    });
    Some(Finding {
        code,
        severity: Severity::Warning,
        from,
        until: (!stretch.open).then_some(until),
        subject: Subject::Station(id),
        message,
        note,
        evidence: [from, until].map(|at| Evidence { at, object: EvidenceObject::Series }).to_vec(),
        origins: container.map(|c| c.resources_origin.clone()).into_iter().collect(),
    })
}

/// A saturated service whose HPA asked for nothing all the while: the HPA looks elsewhere.
fn blind(
    case: &Case<'_>,
    id: StationId,
    workload: WorkloadId,
    saturated: &mut Vec<Finding>,
    findings: &mut Vec<Finding>,
) {
    let hpas = case.scenario.hpas.iter().enumerate();
    for (position, hpa) in hpas.filter(|(_, hpa)| hpa.target == workload) {
        let hpa_id = HpaId::at(position);
        let worst = saturated
            .iter()
            .max_by_key(|finding| finding.until.unwrap_or(case.end()).since(finding.from));
        let Some(worst) = worst else { continue };
        let Some(sync) = most_wanting(case, hpa_id, worst) else { continue };
        let seen: Vec<String> = sync
            .metrics
            .iter()
            .map(|m| format!("{} {} of {}", tell::metric_name(m), m.current, m.target))
            .collect();
        let name = &case.scenario.services.stations[id.index()].name;
        findings.push(Finding {
            code: &code::HPA_BLIND,
            severity: Severity::Warning,
            from: worst.from,
            until: worst.until,
            subject: Subject::Hpa(hpa_id),
            message: format!("{} HPA sees no need to scale", hpa.meta.name),
            note: format!("{} while {name} is saturated", seen.join(", ")),
            evidence: vec![Evidence { at: worst.from, object: EvidenceObject::Hpa(hpa_id) }],
            origins: vec![hpa.meta.origin.clone()],
        });
    }
    findings.append(saturated);
}

/// The sync that wanted most, when none of them wanted more pods than there were.
fn most_wanting<'a>(case: &Case<'a>, hpa: HpaId, saturated: &Finding) -> Option<&'a HpaSync> {
    let until = saturated.until.unwrap_or(case.end());
    let syncs = || case.history.syncs(hpa, saturated.from, until);
    let wanted_more = syncs().any(|(entry, sync)| {
        entry.proposals.is_some_and(|(_, most)| most > sync.current) || sync.desired > sync.current
    });
    if wanted_more {
        return None;
    }
    let ratio =
        |sync: &HpaSync| sync.metrics.iter().filter_map(|m| m.ratio).fold(0.0_f64, f64::max);
    syncs().map(|(_, sync)| sync).max_by(|one, other| ratio(one).total_cmp(&ratio(other)))
}
