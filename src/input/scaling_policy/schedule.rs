//! Minimums that follow a clock: at stated times an HPA is written with another `minReplicas`, as a
//! CronJob with `kubectl patch` does it.

use super::apply::Chosen;
use super::{ScalingPolicy, When, filled};
use crate::model::id::HpaId;
use crate::scenario::Scenario;
use crate::scenario::minimums::{Minimum, write_minimums};
use crate::units::SimDuration;

const DAY: SimDuration = SimDuration::from_secs(86_400);

/// Lays the schedule of a policy on a scenario. Steps before the beginning say what holds then.
pub(super) fn lay(policy: &ScalingPolicy, chosen: &[Chosen], scenario: &mut Scenario) {
    let mut steps: Vec<Minimum> = Vec::new();
    let clock = scenario.start.as_deref().and_then(time_of_day).unwrap_or(SimDuration::ZERO);
    for (at, hpa) in scenario.hpas.iter().enumerate() {
        let workload = &scenario.workloads[hpa.target.index()];
        let mine = chosen.iter().find(|one| {
            *workload.meta.name == *one.name
                && *workload.meta.namespace == *one.namespace
                && workload.kind_name() == one.kind
        });
        let Some(mine) = mine else { continue };
        for step in &policy.schedule {
            let text = filled(&step.min_replicas.clone().into(), &mine.variables);
            let Some(least) = text.as_str().and_then(|text| text.parse::<i32>().ok()) else {
                continue;
            };
            match step.at {
                When::After(after) => steps.push((after, HpaId::at(at), least)),
                When::Clock(time) => {
                    // The first time of day that is not before the start, then every day.
                    let later = if time >= clock { time } else { time + DAY };
                    let wait = later.saturating_sub(clock);
                    let mut next = wait;
                    while next < scenario.duration {
                        steps.push((next, HpaId::at(at), least));
                        next += DAY;
                    }
                }
            }
        }
    }
    write_minimums(scenario, &policy.name, &steps);
}

fn time_of_day(start: &str) -> Option<SimDuration> {
    let (_, time) = start.split_once('T')?;
    let parts: Option<Vec<u64>> = time.split(':').map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = parts?.try_into().ok()?;
    Some(SimDuration::from_secs(hours * 3_600 + minutes * 60 + seconds))
}
