//! What someone has stated that the release needs, held against what its figures add up to.

use crate::checks::subject::{Subject, WorkloadView};
use crate::cluster::api::WorkloadKind;
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Note, Warning};
use crate::input::material::{Amounts, RequirementRow, RequirementSet, Requirements};
use crate::input::source::Span;
use crate::units::convert::{f64_from_i64, f64_from_usize};
use crate::units::{Bytes, MilliCpu};

const GIB: i64 = 1 << 30;
const MIB: i64 = 1 << 20;

pub(super) fn check(subject: &Subject<'_>) {
    let Some(stated) = &subject.material.requirements else { return };
    let Some(set) = chosen(subject, stated) else { return };
    for row in &set.rows {
        judge_row(subject, stated, set, row);
    }
    total(subject, stated, set);
    gpus(subject, stated, set);
}

/// The set that is meant: the one whose rows come closest to the objects; the first among equals.
fn chosen<'s>(subject: &Subject<'_>, stated: &'s Requirements) -> Option<&'s RequirementSet> {
    let by_distance = |one: &&RequirementSet, other: &&RequirementSet| {
        distance(subject, one).total_cmp(&distance(subject, other))
    };
    stated.sets.iter().min_by(by_distance)
}

/// How far the rows of a set are from the objects: replicas, CPU and memory, each as the part of the
/// larger figure that the smaller one lacks, on average.
fn distance(subject: &Subject<'_>, set: &RequirementSet) -> f64 {
    let mut apart = Vec::new();
    let mut compare = |stated: Option<i64>, found: i64| {
        let Some(stated) = stated else { return };
        let most = f64_from_i64(stated.max(found));
        let less = f64_from_i64(stated.min(found));
        apart.push(if most > 0.0 { (most - less) / most } else { 0.0 });
    };
    for row in &set.rows {
        let mut found = Sum::default();
        members(subject, row).for_each(|it| found.add(sum(subject, it, it.least)));
        let replicas = row.replicas_min.map(i64::from);
        let times = if row.per_replica { replicas.unwrap_or(1) } else { 1 };
        let (cpu, memory, _) = plain(&row.amounts);
        compare(replicas, found.pods);
        compare(cpu.map(|cpu| cpu.saturating_mul(times)), found.cpu.0);
        compare(memory.map(|memory| memory.saturating_mul(times)), found.memory.0);
    }
    let count = apart.len().max(1);
    apart.iter().sum::<f64>() / f64_from_usize(count)
}

fn members<'s, 'a>(
    subject: &'s Subject<'a>,
    row: &'s RequirementRow,
) -> impl Iterator<Item = &'s WorkloadView<'a>> {
    row.workloads.iter().filter_map(|name| subject.workload_named(name))
}

/// What pods of a workload add up to.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    cpu: MilliCpu,
    memory: Bytes,
    storage: Bytes,
    /// Volumes that add up to the storage.
    volumes: i64,
    pods: i64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        self.storage += other.storage;
        self.volumes += other.volumes;
        self.pods += other.pods;
    }
}

/// A workload with so many pods. A claim that all pods share counts once.
fn sum(subject: &Subject<'_>, workload: &WorkloadView<'_>, pods: i32) -> Sum {
    let requests = workload.template.spec.requests();
    let pods = i64::from(pods);
    let times = |amount: i64| amount.saturating_mul(pods);
    let mut own = Sum {
        cpu: MilliCpu(times(requests.cpu.0)),
        memory: Bytes(times(requests.memory.0)),
        pods,
        ..Sum::default()
    };
    if let WorkloadKind::StatefulSet { claims, .. } = &workload.spec.kind {
        for claim in claims {
            own.storage += Bytes(times(claim.storage.0));
            own.volumes += pods;
        }
    }
    for name in workload.shared_claims() {
        let shared = subject.material.objects.claims.iter().find(|claim| {
            claim.meta.name == *name && claim.meta.namespace == workload.spec.meta.namespace
        });
        if let Some(claim) = shared {
            own.storage += claim.storage;
            own.volumes += 1;
        }
    }
    for size in scratch(workload) {
        own.storage += Bytes(times(size));
        own.volumes += pods;
    }
    own
}

/// Sizes of the bounded scratch volumes of a pod (bytes).
fn scratch(workload: &WorkloadView<'_>) -> Vec<i64> {
    let volumes =
        workload.pod_spec().get("volumes").map(|list| list.elements()).unwrap_or_default();
    let sizes = volumes.iter().filter_map(|volume| volume.at(&["emptyDir", "sizeLimit"]));
    sizes.filter_map(|size: Value<'_>| size.bytes()).map(|bytes| bytes.0).collect()
}

/// Stated amounts without their places.
fn plain(amounts: &Amounts) -> (Option<i64>, Option<i64>, Option<i64>) {
    (
        amounts.cpu.map(|(cpu, _)| cpu.0),
        amounts.memory.map(|(memory, _)| memory.0),
        amounts.storage.map(|(storage, _)| storage.0),
    )
}

/// One figure that differs: what, where, and both sides.
struct Difference {
    what: &'static str,
    span: Span,
    stated: String,
    found: String,
    short: bool,
}

fn judge_row(
    subject: &Subject<'_>,
    stated: &Requirements,
    set: &RequirementSet,
    row: &RequirementRow,
) {
    let about = format!("{}.{}", set.name, row.name);
    let object = format!("Requirements/{}", stated.name);
    let workloads: Vec<&WorkloadView<'_>> = members(subject, row).collect();
    if workloads.len() < row.workloads.len() {
        let absent: Vec<&str> = row
            .workloads
            .iter()
            .filter(|name| subject.workload_named(name).is_none())
            .map(|name| &**name)
            .collect();
        let message = format!(
            "requirement `{}` is about {}, which is not among the objects",
            row.name,
            absent.join(", ")
        );
        subject.report(
            Diagnostic::new(Note, codes::REQUIREMENT_ROW, message)
                .primary(row.span, "not judged")
                .about(object, about),
        );
        return;
    }
    let mut found = Sum::default();
    for workload in &workloads {
        found.add(sum(subject, workload, if row.per_replica { 1 } else { workload.least }));
    }
    let differences = differences(row, &workloads, found);
    let Some(first) = differences.first() else { return };
    let figures: Vec<String> = differences
        .iter()
        .map(|it| format!("{} {} stated, {} in the objects", it.what, it.stated, it.found))
        .collect();
    let scope = if row.per_replica { " (each replica)" } else { "" };
    let message = format!("requirement `{}`{scope}: {}", row.name, figures.join("; "));
    let severity = if differences.iter().any(|it| it.short) { Warning } else { Note };
    let mut finding = Diagnostic::new(severity, codes::REQUIREMENT_ROW, message)
        .primary(first.span, format!("{} stated", first.stated))
        .about(object, about);
    for other in &differences[1..] {
        finding = finding.secondary(other.span, format!("{} stated", other.stated));
    }
    if let Some(workload) = workloads.first() {
        finding = finding.secondary(
            workload.title().span(),
            format!("{} .. {} pods", workload.least, workload.most),
        );
    }
    subject.report(finding);
}

fn differences(
    row: &RequirementRow,
    workloads: &[&WorkloadView<'_>],
    found: Sum,
) -> Vec<Difference> {
    let mut all = Vec::new();
    let pods = found.pods.max(1);
    let apart = |stated: i64, found: i64, unit: i64, count: i64| {
        stated.abs_diff(found) > unit.saturating_mul(count).unsigned_abs()
    };
    if let Some((cpu, span)) = row.amounts.cpu
        && apart(cpu.0, found.cpu.0, 1, pods)
    {
        all.push(Difference {
            what: "cpu",
            span,
            stated: cpu.to_string(),
            found: found.cpu.to_string(),
            short: cpu < found.cpu,
        });
    }
    if let Some((memory, span)) = row.amounts.memory
        && apart(memory.0, found.memory.0, MIB, pods)
    {
        all.push(Difference {
            what: "memory",
            span,
            stated: gib(memory),
            found: gib(found.memory),
            short: memory < found.memory,
        });
    }
    if let Some((storage, span)) = row.amounts.storage
        && apart(storage.0, found.storage.0, GIB, found.volumes.max(1))
    {
        let each = found.storage.0 / found.volumes.max(1);
        let detail = match found.volumes {
            0 => "none".to_owned(),
            1 => gib(found.storage),
            count => format!("{} ({count} x {})", gib(found.storage), gib(Bytes(each))),
        };
        all.push(Difference {
            what: "storage",
            span,
            stated: gib(storage),
            found: detail,
            short: storage < found.storage,
        });
    }
    let count = |size: fn(&WorkloadView<'_>) -> i32| {
        workloads.iter().map(|workload| size(workload)).sum::<i32>()
    };
    let (least, most) = (count(|it| it.least), count(|it| it.most));
    for (what, stated, found) in
        [("replicas", row.replicas_min, least), ("replicas at most", row.replicas_max, most)]
    {
        if let Some(stated) = stated.filter(|stated| *stated != found) {
            let short = stated < found;
            all.push(Difference {
                what,
                span: row.span,
                stated: stated.to_string(),
                found: found.to_string(),
                short,
            });
        }
    }
    all
}

fn cores(cpu: MilliCpu) -> String {
    if cpu.0 % 1000 == 0 {
        cpu.to_string()
    } else {
        format!("{:.2}", cpu.as_cores()).trim_end_matches('0').to_owned()
    }
}

fn gib(bytes: Bytes) -> String {
    if bytes.0 >= GIB << 10 && bytes.0 % (GIB << 10) != 0 {
        return format!("{:.2}Ti", bytes.as_gib() / 1024.0);
    }
    if bytes.0 % GIB == 0 || bytes.0 < GIB {
        bytes.to_string()
    } else {
        format!("{:.2}Gi", bytes.as_gib())
    }
}

/// What the rows of a set add up to.
fn rows(set: &RequirementSet) -> (i64, i64, i64) {
    let mut sums = (0_i64, 0_i64, 0_i64);
    for row in &set.rows {
        let times = if row.per_replica { i64::from(row.replicas_min.unwrap_or(1)) } else { 1 };
        let (cpu, memory, storage) = plain(&row.amounts);
        let times = |amount: Option<i64>| amount.unwrap_or(0).saturating_mul(times);
        sums.0 = sums.0.saturating_add(times(cpu));
        sums.1 = sums.1.saturating_add(times(memory));
        sums.2 = sums.2.saturating_add(times(storage));
    }
    sums
}

fn total(subject: &Subject<'_>, stated: &Requirements, set: &RequirementSet) {
    let (Some(total), Some(span)) = (&set.total, set.total_span) else { return };
    let mut all = Sum::default();
    for workload in subject.workloads().filter(|workload| workload.is_sized()) {
        all.add(sum(subject, workload, workload.least));
    }
    let of_rows = rows(set);
    let mut lines = Vec::new();
    let mut short = false;
    let mut say =
        |what: &str, stated: Option<i64>, rows: i64, objects: i64, show: &dyn Fn(i64) -> String| {
            let Some(stated) = stated else { return };
            // A hundredth is rounding in a sum of so many figures.
            let apart = |other: i64| {
                stated.abs_diff(other).saturating_mul(100) > stated.max(other).unsigned_abs()
            };
            if apart(rows) || apart(objects) {
                short |= stated < rows.max(objects) && apart(rows.max(objects));
                lines.push(format!(
                    "{what}: {} stated, its rows add up to {}, the objects at their minimum to {}",
                    show(stated),
                    show(rows),
                    show(objects)
                ));
            }
        };
    let (cpu, memory, storage) = plain(total);
    say("cpu", cpu, of_rows.0, all.cpu.0, &|amount| cores(MilliCpu(amount)));
    say("memory", memory, of_rows.1, all.memory.0, &|amount| gib(Bytes(amount)));
    say("storage", storage, of_rows.2, all.storage.0, &|amount| gib(Bytes(amount)));
    if lines.is_empty() {
        return;
    }
    let message =
        format!("the stated total of `{}` disagrees with its rows or with the objects", set.name);
    let severity = if short { Warning } else { Note };
    let mut finding = Diagnostic::new(severity, codes::REQUIREMENT_TOTAL, message)
        .primary(span, "this total")
        .about(format!("Requirements/{}", stated.name), format!("{}.total", set.name));
    for line in lines {
        finding = finding.note(line);
    }
    subject.report(finding);
}

/// GPUs that the pods ask for, at their minimum and maximum.
fn gpus(subject: &Subject<'_>, stated: &Requirements, set: &RequirementSet) {
    let Some((count, span)) = set.gpus else { return };
    let mut parts = Vec::new();
    let (mut least, mut most) = (0_i64, 0_i64);
    for workload in subject.workloads().filter(|workload| workload.is_sized()) {
        let requests = workload.template.spec.requests();
        let each: i64 = requests
            .extended()
            .filter(|(name, _)| name.ends_with("/gpu"))
            .fold(0, |sum, (_, amount)| sum.saturating_add(amount));
        if each == 0 {
            continue;
        }
        least = least.saturating_add(each.saturating_mul(i64::from(workload.least)));
        most = most.saturating_add(each.saturating_mul(i64::from(workload.most)));
        parts.push((workload, each));
    }
    let (severity, message) = if least > count {
        (
            Warning,
            format!(
                "{count} GPUs are stated, and the pods ask for {least} at their minimum and {most} at their maximum"
            ),
        )
    } else if most < count {
        (Note, format!("{count} GPUs are stated, and the pods never ask for more than {most}"))
    } else {
        return;
    };
    let mut finding = Diagnostic::new(severity, codes::REQUIREMENT_GPUS, message)
        .primary(span, "stated")
        .about(format!("Requirements/{}", stated.name), format!("{}.gpus", set.name));
    for (workload, each) in &parts {
        finding = finding.note(format!(
            "{}: {} to {} pods with {each} each",
            workload.name(),
            workload.least,
            workload.most
        ));
    }
    if let Some(cluster) = &subject.material.cluster {
        let has: i64 = cluster
            .pools
            .iter()
            .map(|pool| {
                let each: i64 = pool
                    .instance
                    .allocatable
                    .extended()
                    .filter(|(name, _)| name.ends_with("/gpu"))
                    .map(|(_, amount)| amount)
                    .sum();
                i64::from(pool.max) * each
            })
            .sum();
        finding = finding.note(format!("the pools of {} grow to {has}", cluster.name));
    }
    subject.report(finding);
}
