//! The tables of services and node pools.

use crate::findings::text::{cores, millis, percent};
use crate::findings::{Finding, Subject, code};
use crate::metrics::cost::cents;
use crate::metrics::start_up::StartPhase;
use crate::model::id::{HpaId, PoolId, StationId, WorkloadId};
use crate::model::observer::{PoolSample, WorkloadSample};
use crate::report::sparkline::sparkline;
use crate::report::text::Told;
use crate::report::text::layout::{Line, Page, Role};
use crate::report::text::sections::thousands;
use crate::units::convert::f64_from_u64;

/// Cells of a sparkline.
const CELLS: usize = 6;

/// A service's row and how much it matters.
struct Row {
    weight: (bool, u64, u64),
    cells: Vec<(Role, String)>,
}

pub(super) fn services(told: &Told<'_>, page: &mut Page, most: usize) {
    let stations = &told.case.scenario.services.stations;
    let mut rows: Vec<(usize, Row)> = Vec::new();
    for (position, station) in stations.iter().enumerate() {
        if let Some(workload) = station.workload {
            rows.push((position, row(told, page, StationId::at(position), workload)));
        }
    }
    if rows.is_empty() {
        return;
    }
    let all = rows.len();
    if all > most {
        rows.sort_by_key(|(position, row)| (std::cmp::Reverse(row.weight), *position));
        rows.truncate(most.saturating_sub(1));
        rows.sort_by_key(|(position, _)| *position);
    }
    let shown = rows.len();
    let head = [
        "SERVICE",
        "REPLICAS",
        "CPU/REQ",
        "MEM/REQ",
        "P(50)",
        "P(95)",
        "P(99)",
        "FAILED",
        "LIMITED BY",
    ];
    let cells: Vec<_> = rows.into_iter().map(|(_, row)| row.cells).collect();
    page.table(&head, &cells);
    if shown < all {
        let text = format!("  and {} more services, none of them limited more", all - shown);
        page.add(Line::new().with(Role::Quiet, text));
    }
}

fn row(told: &Told<'_>, page: &Page, id: StationId, workload: WorkloadId) -> Row {
    let samples = told.case.series.workload(workload);
    let figures = told.measured.station(id);
    let share = |used: fn(&WorkloadSample) -> f64, of: fn(&WorkloadSample) -> f64| {
        let shares = samples.iter().filter(|sample| of(sample) > 0.0);
        shares.map(|sample| used(sample) / of(sample)).reduce(f64::max)
    };
    let shown = |share: Option<f64>| share.map_or_else(|| "—".to_owned(), whole_percent);
    let cpu = share(|s| s.cpu_cores, |s| s.cpu_requested_cores);
    let memory = share(|s| s.memory_bytes, |s| s.memory_requested_bytes);
    let all = figures.ends.total();
    let failures = figures.ends.failures();
    let time = |p: f64| figures.sojourns.percentile_ms(p).map_or_else(|| "—".to_owned(), millis);
    let failed = if all == 0 {
        "—".to_owned()
    } else {
        percent(f64_from_u64(failures) / f64_from_u64(all))
    };
    let limited = limited_by(told, id, workload);
    let name = told.case.scenario.services.stations[id.index()].name.to_string();
    let plain = |text: String| (Role::Plain, text);
    let limited_role = if limited.is_some() { Role::Doubtful } else { Role::Quiet };
    let failed_role = if failures > 0 { Role::Bad } else { Role::Plain };
    Row {
        weight: (limited.is_some(), failures, all),
        cells: vec![
            plain(name),
            plain(replicas(page, samples)),
            plain(cpu.map_or_else(|| "—".to_owned(), whole_percent)),
            plain(shown(memory)),
            plain(time(50.0)),
            plain(time(95.0)),
            plain(time(99.0)),
            (failed_role, failed),
            (limited_role, limited.unwrap_or_else(|| "—".to_owned())),
        ],
    }
}

/// Whole percent, cut off.
fn whole_percent(share: f64) -> String {
    format!("{}%", crate::units::convert::trunc_i64(share * 100.0 + 1e-9))
}

/// `7→20 ▁▁▅█▆▂`.
fn replicas(page: &Page, samples: &[WorkloadSample]) -> String {
    let ready: Vec<f64> = samples.iter().map(|sample| f64::from(sample.ready)).collect();
    let first = samples.first().map_or(0, |sample| sample.ready);
    let most = samples.iter().map(|sample| sample.ready).max().unwrap_or(0);
    let least = samples.iter().map(|sample| sample.ready).min().unwrap_or(0);
    // The extreme that lies further from the beginning is the one to tell.
    let other = if most - first >= first - least { most } else { least };
    let counts = if other == first { format!("{first}") } else { format!("{first}→{other}") };
    let line = sparkline(&ready, CELLS, page.style().charset);
    format!("{counts:<6} {line}")
}

/// What kept the service from doing more, in a word or two.
fn limited_by(told: &Told<'_>, id: StationId, workload: WorkloadId) -> Option<String> {
    let hpas = told.case.scenario.hpas.iter().enumerate();
    let hpas: Vec<Subject> = hpas
        .filter(|(_, hpa)| hpa.target == workload)
        .map(|(position, _)| Subject::Hpa(HpaId::at(position)))
        .collect();
    let about = |finding: &&Finding| {
        finding.subject == Subject::Station(id)
            || finding.subject == Subject::Workload(workload)
            || hpas.contains(&finding.subject)
    };
    let has = |code: &code::Code| {
        told.findings.iter().filter(about).any(|finding| finding.code.id == code.id)
    };
    let saturated = has(&code::CPU_SATURATED) || has(&code::GPU_SATURATED);
    let rows = [
        (has(&code::HPA_AT_MAXIMUM) && saturated, "HPA maxReplicas"),
        (has(&code::NO_SCALE_UP), "pool maximum"),
        (has(&code::GPU_SATURATED) && has(&code::HPA_BLIND), "GPU, HPA blind"),
        (has(&code::GPU_SATURATED), "GPU"),
        (has(&code::CPU_SATURATED) && has(&code::HPA_BLIND), "CPU, HPA blind"),
        (has(&code::HPA_HELD_BY_WINDOW) && saturated, "HPA window"),
        (has(&code::CPU_SATURATED), "CPU"),
        (has(&code::PODS_PENDING), "no node"),
        (has(&code::HPA_AT_MAXIMUM), "HPA maxReplicas"),
        (has(&code::BACKLOG_GROWS), "queue"),
    ];
    rows.iter().find(|(holds, _)| *holds).map(|(_, text)| (*text).to_owned())
}

pub(super) fn nodes(told: &Told<'_>, page: &mut Page, most: usize) {
    let pools = &told.case.scenario.pools;
    let told_pools: Vec<PoolId> = told.case.series.told_pools(pools).collect();
    if told_pools.is_empty() {
        return;
    }
    let rows: Vec<_> = told_pools.iter().take(most).map(|id| pool_row(told, *id)).collect();
    page.table(
        &["NODES", "COUNT", "CPU REQUESTED", "MEM REQUESTED", "GPUS", "$/MO", "IDLE"],
        &rows,
    );
    if told_pools.len() > most {
        let text = format!("  and {} more pools", told_pools.len() - most);
        page.add(Line::new().with(Role::Quiet, text));
    }
}

fn pool_row(told: &Told<'_>, id: PoolId) -> Vec<(Role, String)> {
    let spec = &told.case.scenario.pools[id.index()];
    let samples = told.case.series.pools.get(id.index()).map_or(&[][..], Vec::as_slice);
    let first = samples.first().map_or(0, |sample| sample.nodes);
    let most = samples.iter().map(|sample| sample.nodes).max().unwrap_or(0);
    let least = samples.iter().map(|sample| sample.nodes).min().unwrap_or(0);
    let other = if most - first >= first - least { most } else { least };
    let count = if other == first { format!("{first}") } else { format!("{first}→{other}") };
    let peak = |of: fn(&PoolSample) -> f64| {
        samples.iter().max_by(|one, other| of(one).total_cmp(&of(other)))
    };
    let share = |used: f64, of: f64| {
        if of > 0.0 { whole_percent(used / of) } else { "—".to_owned() }
    };
    let cpu = peak(|s| s.cpu_requested_cores).map_or_else(String::new, |s| {
        let used = s.cpu_requested_cores;
        format!("{} ({})", cores(used), share(used, s.cpu_allocatable_cores))
    });
    let memory = peak(|s| s.memory_requested_bytes).map_or_else(String::new, |s| {
        let used = s.memory_requested_bytes;
        let gib = used / 1_073_741_824.0;
        format!("{gib:.1}Gi ({})", share(used, s.memory_allocatable_bytes))
    });
    let gpus = samples.iter().max_by_key(|s| (s.gpus_requested, s.gpus_allocatable));
    let gpus = gpus.filter(|s| s.gpus_allocatable + s.gpus_requested > 0);
    let cost = told.cost.pools.get(id.index());
    let money = |amount: rust_decimal::Decimal| format!("${}", thousands(cents(amount)));
    let per_month = cost.and_then(|cost| cost.per_month);
    let idle = cost.and_then(|cost| Some((cost.idle_per_month?, cost.idle_share?)));
    let cells = vec![
        spec.name.to_string(),
        count,
        cpu,
        memory,
        gpus.map_or_else(
            || "—".to_owned(),
            |s| format!("{} of {}", s.gpus_requested, s.gpus_allocatable),
        ),
        per_month.map_or_else(|| "unknown".to_owned(), money),
        idle.map_or_else(
            || "—".to_owned(),
            |(idle, share)| format!("{} ({})", money(idle), whole_percent(share)),
        ),
    ];
    cells.into_iter().map(|text| (Role::Plain, text)).collect()
}

/// From pending to serving, for workloads whose pods waited for machines.
pub(super) fn start_ups(told: &Told<'_>, page: &mut Page) {
    let scenario = told.case.scenario;
    let measured = scenario.workloads.iter().enumerate().filter_map(|(position, spec)| {
        Some((spec, told.measured.start_ups(WorkloadId::at(position))?))
    });
    let span = |ms: Option<f64>| millis(ms.unwrap_or(0.0));
    let rows: Vec<Vec<(Role, String)>> = measured
        .map(|(spec, start_ups)| {
            let mut row = vec![
                (Role::Plain, spec.meta.name.to_string()),
                (Role::Plain, start_ups.total.count().to_string()),
            ];
            let all = start_ups.phases.iter().chain([&start_ups.total]);
            row.extend(all.map(|tally| (Role::Plain, span(tally.percentile_ms(50.0)))));
            row
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    let phases = StartPhase::ALL.iter().map(|phase| phase.name().to_uppercase());
    let head: Vec<String> = ["PENDING TO SERVING", "PODS"]
        .iter()
        .map(ToString::to_string)
        .chain(phases)
        .chain(["IN ALL".to_owned()])
        .collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    page.table(&head, &rows);
}
