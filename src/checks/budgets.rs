//! PodDisruptionBudgets: those that block every drain, protect nothing, or protect the wrong thing.

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::cluster::api::budget::{Allowance, PodDisruptionBudgetSpec};
use crate::cluster::api::meta::{IntOrPercent, Labels};
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Severity::{Error, Note, Warning};

pub(super) fn check(subject: &Subject<'_>) {
    let mut guarded: Vec<(usize, &PodDisruptionBudgetSpec)> = Vec::new();
    for budget in &subject.material.objects.budgets {
        let Some(value) = subject.value("PodDisruptionBudget", &budget.meta) else { continue };
        if subject.is_platform(&value) {
            continue;
        }
        let workloads: Vec<&WorkloadView<'_>> =
            subject.all_workloads().iter().filter(|workload| covers(budget, workload)).collect();
        let sized: Vec<&WorkloadView<'_>> =
            workloads.iter().copied().filter(|workload| workload.is_sized()).collect();
        match (workloads.as_slice(), sized.as_slice()) {
            ([], _) => selects_nothing(subject, budget, &value),
            (_, [only]) => one(subject, budget, &value, only),
            (_, []) => {}
            (_, [first, second, ..]) => several(subject, &value, first, second, sized.len()),
        }
        for workload in sized {
            let before = guarded.iter().find(|(position, _)| *position == workload.position);
            if let Some((_, other)) = before {
                overlap(subject, &value, other, workload);
            }
            guarded.push((workload.position, budget));
        }
    }
    unguarded(subject, &guarded);
}

fn covers(budget: &PodDisruptionBudgetSpec, workload: &WorkloadView<'_>) -> bool {
    budget.meta.namespace == workload.spec.meta.namespace
        && budget
            .selector
            .as_ref()
            .is_some_and(|selector| selector.matches(&workload.spec.template.labels))
}

/// The pods that may go when `replicas` are expected and all are healthy (disruption.go
/// `getExpectedPodCount`: percentages are rounded up on both sides).
fn allowed(allowance: Allowance, replicas: i32) -> i32 {
    let desired = match allowance {
        Allowance::MinAvailable(least) => least.scaled(replicas, true),
        Allowance::MaxUnavailable(most) => (replicas - most.scaled(replicas, true)).max(0),
    };
    (replicas - desired).max(0)
}

/// `1 pod`, `3 pods`.
fn counted(count: i32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn place<'a>(value: &Value<'a>) -> Value<'a> {
    let fields = ["minAvailable", "maxUnavailable"];
    let found = fields.iter().find_map(|field| value.at(&["spec", field]));
    found.unwrap_or_else(|| value.clone())
}

fn one(
    subject: &Subject<'_>,
    budget: &PodDisruptionBudgetSpec,
    value: &Value<'_>,
    workload: &WorkloadView<'_>,
) {
    let Some(allowance) = budget.allowance else {
        without_bound(subject, value);
        return;
    };
    let object = value.object();
    let least = workload.least;
    let (word, amount) = match allowance {
        Allowance::MinAvailable(amount) => ("minAvailable", amount),
        Allowance::MaxUnavailable(amount) => ("maxUnavailable", amount),
    };
    if least <= 0 {
        return;
    }
    let free = allowed(allowance, least);
    let written = place(value);
    if free == 0 {
        let message = format!("{object} can block every node drain");
        let rests = workload.least_place(subject);
        let who = if workload.autoscaler.is_some() { "the HPA" } else { "the workload" };
        let label = format!("{who} rests at {}", counted(least, "replica"));
        let desired = match allowance {
            Allowance::MinAvailable(least_available) => least_available.scaled(least, true),
            Allowance::MaxUnavailable(most) => least - most.scaled(least, true),
        };
        let code = if least == 1 { codes::PDB_SINGLE_REPLICA } else { codes::PDB_NEVER_ALLOWS };
        // A size that nobody wrote is one until someone else sets it, as an autoscaler elsewhere does.
        let unwritten =
            workload.autoscaler.is_none() && workload.value.at(&["spec", "replicas"]).is_none();
        let severity = if unwritten { Note } else { Error };
        let mut finding = at(&written, severity, code, message, format!("{word} {amount} ..."))
            .secondary(rests.span(), format!("... and {label}: allowed disruptions = {least} - {desired} = 0"))
            .note("evictions fail with: Cannot evict pod as it would violate the pod's disruption budget.")
            .note("this stalls node upgrades, scale-down of nodes and the handling of spot interruptions");
        if let IntOrPercent::Percent(_) = amount {
            finding = finding.note(format!(
                "{amount} of {} is rounded up to {}",
                counted(least, "pod"),
                amount.scaled(least, true)
            ));
        }
        let enough = first_that_allows(allowance, least, workload.most);
        let help = match enough {
            Some(size) if least > 1 => {
                format!("let one pod go at any size (or raise the minimum of replicas to {size})")
            }
            _ => "let one pod go at any size".to_owned(),
        };
        finding = match (word, value.at(&["spec", "minAvailable"])) {
            // The fix is certain only where the field is written as it is read: not in a values file.
            ("minAvailable", Some(field)) if is_manifest_field(&field, "minAvailable", subject) => {
                finding.fix(help, field.key_span().to(field.node().span), "maxUnavailable: 1")
            }
            _ => finding.help(format!("{help}: maxUnavailable: 1")),
        };
        subject.report(finding);
        return;
    }
    if let IntOrPercent::Percent(_) = amount {
        percent(subject, value, workload, allowance, amount);
    } else if free * 2 > least && workload.autoscaler.is_some() && word == "minAvailable" {
        let message = format!("{object} lets {free} of {least} pods go at once");
        let label = format!("{word} {amount}, and the HPA never goes below {least}");
        subject.report(
            at(&written, Note, codes::PDB_TOO_LOOSE, message, label)
                .secondary(workload.least_place(subject).span(), "the least number of replicas")
                .note("it was written for fewer replicas; a percentage or maxUnavailable follows the size"),
        );
    }
}

/// Whether the key in front of a value is the field's own name on the same line.
fn is_manifest_field(field: &Value<'_>, name: &str, subject: &Subject<'_>) -> bool {
    let sources = &subject.material.sources;
    let (key, value) = (field.key_span(), field.node().span);
    key.file == value.file
        && key.end <= value.start
        && sources.text(key).trim_matches('"') == name
        && !sources.text(key.to(value)).contains('\n')
}

/// The smallest size from which on a disruption is allowed.
fn first_that_allows(allowance: Allowance, least: i32, most: i32) -> Option<i32> {
    (least + 1..=most.max(least + 1).min(least + 1000)).find(|size| allowed(allowance, *size) > 0)
}

/// A percentage that comes to all pods but none, or to all, somewhere between minimum and maximum.
fn percent(
    subject: &Subject<'_>,
    value: &Value<'_>,
    workload: &WorkloadView<'_>,
    allowance: Allowance,
    amount: IntOrPercent,
) {
    let least = workload.least;
    let free = allowed(allowance, least);
    let exact = amount.scaled(least, true) == amount.scaled(least, false);
    if exact || free < least || least < 2 {
        return;
    }
    let message = format!("{}: {amount} of {least} pods rounds up to all of them", value.object());
    subject.report(at(
        &place(value),
        Warning,
        codes::PDB_ROUNDING,
        message,
        "every pod may go at once",
    ));
}

/// Neither bound: the controller expects no pods and allows nothing (disruption.go
/// `getExpectedPodCount`).
fn without_bound(subject: &Subject<'_>, value: &Value<'_>) {
    let message = format!("{} has neither minAvailable nor maxUnavailable", value.object());
    let place = value.at(&["spec"]).unwrap_or_else(|| value.clone());
    let place = place.get("selector").unwrap_or(place);
    subject.report(
        at(&place, Error, codes::PDB_WITHOUT_BOUND, message, "no bound beside the selector")
            .note("evictions fail with: Cannot evict pod as it would violate the pod's disruption budget.")
            .help("let one pod go at any size: maxUnavailable: 1"),
    );
}

fn selects_nothing(subject: &Subject<'_>, budget: &PodDisruptionBudgetSpec, value: &Value<'_>) {
    let matches =
        |labels: &Labels| budget.selector.as_ref().is_some_and(|selector| selector.matches(labels));
    if subject.may_be_unseen(&budget.meta.namespace, matches) {
        return;
    }
    let message = format!("{} selects no pod", value.object());
    let selector = value.at(&["spec", "selector"]).unwrap_or_else(|| value.clone());
    let namespace = &budget.meta.namespace;
    let label = format!("no workload in namespace {namespace} has pods with these labels");
    let mut finding = at(&selector, Warning, codes::PDB_SELECTS_NOTHING, message, label);
    let elsewhere = subject.all_workloads().iter().find(|workload| {
        budget
            .selector
            .as_ref()
            .is_some_and(|selector| selector.matches(&workload.spec.template.labels))
    });
    if let Some(workload) = elsewhere {
        finding = finding.note(format!(
            "{} matches, and is in namespace {}",
            workload.name(),
            workload.spec.meta.namespace
        ));
    }
    subject.report(finding);
}

fn several(
    subject: &Subject<'_>,
    value: &Value<'_>,
    first: &WorkloadView<'_>,
    second: &WorkloadView<'_>,
    count: usize,
) {
    let message = format!("{} selects the pods of {count} workloads", value.object());
    let selector = value.at(&["spec", "selector"]).unwrap_or_else(|| value.clone());
    subject.report(
        at(&selector, Warning, codes::PDB_SEVERAL_WORKLOADS, message, "matches both")
            .secondary(first.title().span(), format!("{}, {} pods at least", first.name(), first.least))
            .secondary(second.title().span(), format!("{}, {} pods at least", second.name(), second.least))
            .note("their pods are counted together: one may lose all of its pods while the sum still suffices"),
    );
}

fn overlap(
    subject: &Subject<'_>,
    value: &Value<'_>,
    other: &PodDisruptionBudgetSpec,
    workload: &WorkloadView<'_>,
) {
    let object = value.object();
    let message =
        format!("{object} and PodDisruptionBudget/{} select the same pods", other.meta.name);
    let selector = value.at(&["spec", "selector"]).unwrap_or_else(|| value.clone());
    let mut finding = at(
        &selector,
        Error,
        codes::PDB_OVERLAP,
        message,
        format!("both select {}", workload.name()),
    );
    let other = subject.value("PodDisruptionBudget", &other.meta);
    if let Some(other) = other.and_then(|other| other.at(&["spec", "selector"])) {
        finding = finding.secondary(other.span(), "the other budget");
    }
    subject.report(finding.note(
        "every eviction fails with 500: This pod has more than one PodDisruptionBudget, which the \
         eviction subresource does not support.",
    ));
}

/// One note for all workloads that keep several pods and have no budget.
fn unguarded(subject: &Subject<'_>, guarded: &[(usize, &PodDisruptionBudgetSpec)]) {
    let bare: Vec<&WorkloadView<'_>> = subject
        .workloads()
        .filter(|workload| workload.is_sized() && workload.least >= 2)
        // Templates may make a budget of which no value speaks.
        .filter(|workload| !workload.roughly_told)
        .filter(|workload| !guarded.iter().any(|(position, _)| *position == workload.position))
        .collect();
    let Some(first) = bare.first() else { return };
    let names: Vec<String> = bare.iter().map(|workload| workload.name()).collect();
    let message = match names.len() {
        1 => format!("{} keeps {} pods and has no PodDisruptionBudget", names[0], first.least),
        count => format!("{count} workloads with several pods have no PodDisruptionBudget"),
    };
    let mut finding = at(&first.title(), Note, codes::NO_BUDGET, message, "no budget");
    if names.len() > 1 {
        finding = finding.note(format!("they are {}", names.join(", ")));
    }
    subject.report(finding.note("a drain of several nodes may take all pods of one at once"));
}
