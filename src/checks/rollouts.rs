//! Rolling updates: surge that finds no room, and pods taken away that a budget wants to keep.

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::cluster::api::budget::Allowance;
use crate::cluster::api::workload::{DeploymentStrategy, WorkloadKind};
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Severity::{Note, Warning};

pub(super) fn check(subject: &Subject<'_>) {
    for workload in subject.workloads() {
        let WorkloadKind::Deployment { strategy, .. } = &workload.spec.kind else { continue };
        let DeploymentStrategy::RollingUpdate { max_surge, max_unavailable } = strategy else {
            continue;
        };
        let least = workload.least;
        if least < 1 {
            continue;
        }
        // Both zero is not allowed: then one may be unavailable (deployment_util.go `ResolveFenceposts`).
        let surge = max_surge.scaled(least, true);
        let unavailable = max_unavailable.scaled(least, false);
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        if unavailable == 0 {
            room_for_surge(subject, workload, surge);
        }
        against_budget(subject, workload, unavailable);
    }
}

fn strategy<'a>(workload: &WorkloadView<'a>) -> Value<'a> {
    workload.value.at(&["spec", "strategy"]).unwrap_or_else(|| workload.title())
}

/// The update cannot begin without a place for a new pod.
fn room_for_surge(subject: &Subject<'_>, workload: &WorkloadView<'_>, surge: i32) {
    let Some(trial) = subject.trial() else { return };
    let fits_at_all = trial
        .at_minimum()
        .is_some_and(|placed| placed.get(&workload.position) == Some(&workload.least));
    if !fits_at_all {
        return;
    }
    let device = workload.template.spec.requests().extended().next().map(|(name, _)| name.clone());
    let Some(found) = trial.more(subject, workload, surge.max(1)) else { return };
    if found == 0 {
        let message =
            format!("{}: a rolling update finds no room for its first new pod", workload.name());
        subject.report(
            at(&strategy(workload), Warning, codes::SURGE_WITHOUT_ROOM, message, format!("maxUnavailable rounds to 0 of {} pods, so a new pod must come first", workload.least))
                .note("with every workload at its minimum and every pool at its maximum the largest cluster is full")
                .help("allow maxUnavailable 1, or let the pool grow"),
        );
        return;
    }
    // Device pods most often fill their node: above the minimum the spare node is gone.
    let Some(device) = device else { return };
    let Some(room) = trial.more(subject, workload, workload.most.saturating_sub(workload.least))
    else {
        return;
    };
    if workload.least + room >= workload.most {
        return;
    }
    let full = workload.least + room;
    let message = format!(
        "{}: a rolling update needs one more {device}, and at {full} pods the pool has none",
        workload.name()
    );
    subject.report(
        at(&strategy(workload), Warning, codes::SURGE_WITHOUT_ROOM, message, format!("maxUnavailable rounds to 0 of {} pods, so a new pod must come first", workload.least))
            .note(format!("beside the minimum of all others {full} pods fit; from there on a rollout waits until its progress deadline"))
            .help("allow maxUnavailable 1 with maxSurge 0, or keep a spare node"),
    );
}

/// A rollout may go below what the budget keeps; evictions are then refused.
fn against_budget(subject: &Subject<'_>, workload: &WorkloadView<'_>, unavailable: i32) {
    let least = workload.least;
    for budget in &subject.material.objects.budgets {
        let selects = budget.meta.namespace == workload.spec.meta.namespace
            && budget
                .selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&workload.spec.template.labels));
        let Some(allowance) = budget.allowance.filter(|_| selects) else { continue };
        let desired = match allowance {
            Allowance::MinAvailable(amount) => amount.scaled(least, true),
            Allowance::MaxUnavailable(amount) => least - amount.scaled(least, true),
        };
        // A budget that never allows anything is told elsewhere.
        if unavailable == 0 || desired >= least || least - unavailable > desired {
            continue;
        }
        let kept = least - unavailable;
        let message = format!(
            "{}: a rollout leaves {kept} of {least} pods ready, and the budget keeps {desired}",
            workload.name()
        );
        let mut finding = at(
            &strategy(workload),
            Note,
            codes::ROLLOUT_AGAINST_BUDGET,
            message,
            format!("up to {unavailable} unavailable"),
        );
        let value = subject.value("PodDisruptionBudget", &budget.meta);
        let fields = ["minAvailable", "maxUnavailable"];
        if let Some(place) =
            value.and_then(|value| fields.iter().find_map(|field| value.at(&["spec", field])))
        {
            finding = finding.secondary(place.span(), "the budget");
        }
        subject.report(
            finding.note(
                "budgets do not hold back rollouts; drains are refused while one is under way",
            ),
        );
    }
}
