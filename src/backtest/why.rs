//! Why two sizes part: the rules at which two decisions of an HPA are not the same, and the rule that a
//! recorded size follows when only the size is known.

use std::sync::Arc;

use crate::model::record::{HpaMetricSync, HpaSync};

/// The stages at which `ours` is not what `theirs` was, in their order; a stage after the first is told when it
/// changes anything on either side.
///
/// The stages are those of a sync in their order: pods, metrics, stabilization, limits
/// (kube-controller-manager, horizontal.go `reconcileAutoscaler`).
#[must_use]
pub fn difference(ours: &HpaSync, theirs: &HpaSync) -> String {
    let sizes = if ours.current == theirs.current {
        String::new()
    } else {
        format!("with {} pods instead of {}: ", ours.current, theirs.current)
    };
    let stages: Vec<String> =
        [metrics(ours, theirs), stabilization(ours, theirs), limits(ours, theirs)]
            .into_iter()
            .flatten()
            .collect();
    if stages.is_empty() {
        format!("{sizes}every rule says the same")
    } else {
        sizes + &stages.join("; ")
    }
}

/// A metric whose proposal is not the same, the one that decides first.
fn metrics(ours: &HpaSync, theirs: &HpaSync) -> Option<String> {
    if ours.proposal == theirs.proposal {
        return None;
    }
    let deciding = |sync: &HpaSync| -> Option<HpaMetricSync> {
        let wanted = sync.proposal?;
        sync.metrics.iter().find(|metric| metric.proposal == Some(wanted)).cloned()
    };
    let (own, other) = (deciding(ours), deciding(theirs));
    Some(match (own, other) {
        (Some(own), Some(other)) if own.name() != other.name() => {
            format!("{} decides, in the record {}", asks(&own), asks(&other))
        }
        (Some(own), Some(other)) => format!("{}, in the record {}", asks(&own), asks(&other)),
        (Some(own), None) => format!("{}; in the record nothing was proposed", asks(&own)),
        (None, Some(other)) => format!("{}; in the record {}", failed(ours), asks(&other)),
        (None, None) => failed(ours),
    })
}

fn asks(metric: &HpaMetricSync) -> String {
    let wants = metric.proposal.map_or_else(|| "nothing".to_owned(), |it| it.to_string());
    format!("{} {} of {} asks for {wants}", metric.name(), metric.current, metric.target)
}

fn failed(sync: &HpaSync) -> String {
    let failure =
        sync.metrics.iter().find_map(|metric| Some((metric.name(), metric.failure.clone()?)));
    failure.map_or_else(
        || bounds_only(sync).to_owned(),
        |(name, failure)| format!("{name} could not be computed: {failure}"),
    )
}

/// Of a sync that read no metrics.
fn bounds_only(sync: &HpaSync) -> &'static str {
    if sync.desired == sync.current {
        "no metric proposed anything"
    } else {
        "the size was outside minimum and maximum"
    }
}

/// A window that holds one side and not the other, or at another size.
fn stabilization(ours: &HpaSync, theirs: &HpaSync) -> Option<String> {
    let held = |sync: &HpaSync| match (sync.proposal, sync.stabilized) {
        (Some(proposal), Some(size)) if size > proposal => {
            Some(format!("the scaleDown window holds it at {size}"))
        }
        (Some(proposal), Some(size)) if size < proposal => {
            Some(format!("the scaleUp window holds it at {size}"))
        }
        _ => None,
    };
    both(held(ours), held(theirs), "no window holds it")
}

/// A limit that stops one side and not the other, or at another size.
fn limits(ours: &HpaSync, theirs: &HpaSync) -> Option<String> {
    let stopped = |sync: &HpaSync| {
        let stopped = sync.stabilized.is_some_and(|size| size != sync.desired);
        let reason = limit(sync).filter(|_| stopped)?;
        Some(format!("{reason} stops it at {}", sync.desired))
    };
    both(stopped(ours), stopped(theirs), "nothing stops it")
}

fn both(ours: Option<String>, theirs: Option<String>, neither: &str) -> Option<String> {
    let told = |side: Option<String>| side.unwrap_or_else(|| neither.to_owned());
    (ours != theirs).then(|| format!("{}, in the record {}", told(ours), told(theirs)))
}

/// What limits a size: the reason of its condition.
fn limit(sync: &HpaSync) -> Option<Arc<str>> {
    let limits =
        |it: &&crate::model::record::HpaCondition| &*it.kind == "ScalingLimited" && it.status;
    sync.conditions.iter().find(limits).map(|condition| Arc::clone(&condition.reason))
}

/// The rule that a recorded size follows, seen from our decision at that moment.
#[must_use]
pub fn follows(sync: &HpaSync, recorded: i32) -> String {
    if recorded == sync.desired {
        return "the record does the same".to_owned();
    }
    if sync.stabilized == Some(recorded) {
        let reason = limit(sync).map(|it| format!(" ({it})")).unwrap_or_default();
        return format!("the record has what comes without our limit{reason}");
    }
    if sync.proposal == Some(recorded) {
        return "the record has what comes without a stabilization window".to_owned();
    }
    if let Some(metric) = sync.metrics.iter().find(|metric| metric.proposal == Some(recorded)) {
        return format!("the record has what {} alone asks for", metric.name());
    }
    if recorded == sync.current {
        return "the record stays: it saw other figures, looked at another moment, or could not read them"
            .to_owned();
    }
    format!(
        "no rule of this HPA makes {recorded} of these figures: a hand, another autoscaler, or figures that \
         were not recorded"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::HpaCondition;

    fn metric(name: &str, current: &str, target: &str, proposal: i32) -> HpaMetricSync {
        HpaMetricSync {
            label: Arc::from(format!("{name} resource utilization (percentage of request)")),
            current: Arc::from(current),
            target: Arc::from(target),
            proposal: Some(proposal),
            ..HpaMetricSync::default()
        }
    }

    fn sync(metrics: Vec<HpaMetricSync>, stabilized: i32, desired: i32) -> HpaSync {
        HpaSync {
            current: 4,
            proposal: metrics.iter().filter_map(|it| it.proposal).max(),
            metrics,
            stabilized: Some(stabilized),
            desired,
            ..HpaSync::default()
        }
    }

    #[test]
    fn the_stages_that_differ_are_the_cause() {
        let record = sync(vec![metric("cpu", "90%", "80%", 5)], 5, 5);
        let target = sync(vec![metric("cpu", "90%", "50%", 8)], 8, 8);
        assert_eq!(
            difference(&target, &record),
            "cpu 90% of 50% asks for 8, in the record cpu 90% of 80% asks for 5"
        );
        let other =
            sync(vec![metric("cpu", "90%", "80%", 5), metric("memory", "95%", "60%", 7)], 7, 7);
        assert_eq!(
            difference(&other, &record),
            "memory 95% of 60% asks for 7 decides, in the record cpu 90% of 80% asks for 5"
        );
        let held = sync(vec![metric("cpu", "90%", "80%", 5)], 4, 4);
        assert_eq!(
            difference(&held, &record),
            "the scaleUp window holds it at 4, in the record no window holds it"
        );
        let mut stopped = sync(vec![metric("cpu", "90%", "80%", 5)], 5, 4);
        stopped.conditions.push(HpaCondition {
            kind: Arc::from("ScalingLimited"),
            status: true,
            reason: Arc::from("TooManyReplicas"),
        });
        stopped.current = 3;
        assert_eq!(
            difference(&stopped, &record),
            "with 3 pods instead of 4: TooManyReplicas stops it at 4, in the record nothing stops it"
        );
        let both = sync(vec![metric("cpu", "90%", "50%", 8)], 4, 4);
        assert_eq!(
            difference(&both, &record),
            "cpu 90% of 50% asks for 8, in the record cpu 90% of 80% asks for 5; the scaleUp window holds it at 4, \
             in the record no window holds it"
        );
        assert_eq!(difference(&record, &record), "every rule says the same");
    }

    #[test]
    fn a_recorded_size_is_traced_to_the_rule_that_makes_it() {
        let ours =
            sync(vec![metric("cpu", "90%", "80%", 6), metric("memory", "99%", "50%", 8)], 7, 5);
        let rows = [
            (5, "the record does the same"),
            (7, "without our limit"),
            (8, "without a stabilization window"),
            (6, "what cpu alone asks for"),
            (4, "the record stays"),
            (3, "no rule of this HPA makes 3"),
        ];
        for (recorded, expected) in rows {
            let told = follows(&ours, recorded);
            assert!(told.contains(expected), "{recorded}: {told}");
        }
    }
}
