//! ScaledObjects resolved: which HPA is theirs, and where their triggers look.
//!
//! A simulated cluster has no Redis to ask. What a list, a queue or a topic holds is what waits for a
//! service: the one of the queue's name, else the one that runs in the pods that are scaled. An
//! expression of Prometheus is the metric of service profiles whose name stands in it. Cron triggers
//! follow the clock of the zone they name.

use std::sync::Arc;

use super::codes;
use super::cron;
use super::decode::Context;
use super::diagnostic::Diagnostic;
use super::kubernetes::{ScaledObjectSpec, TriggerSpec};
use crate::cluster::api::WorkloadSpec;
use crate::control::keda::KedaSpec;
use crate::model::id::{HpaId, StationId};
use crate::scenario::scaled_object::{ScaledObject, Trigger, TriggerSource};
use crate::scenario::{CustomMetricSpec, HpaObject};
use crate::service::ServiceGraph;
use crate::units::{SimDuration, SimTime};

/// What ScaledObjects refer to.
pub(super) struct Surroundings<'a> {
    pub(super) context: Context<'a>,
    pub(super) workloads: &'a [WorkloadSpec],
    pub(super) hpas: &'a [Arc<HpaObject>],
    pub(super) services: &'a ServiceGraph,
    pub(super) metrics: &'a [CustomMetricSpec],
    pub(super) start: Option<cron::Start<'a>>,
    pub(super) warm_up: SimDuration,
    pub(super) total: SimDuration,
}

/// The ScaledObjects whose HPA scales something.
pub(super) fn scaled_objects(
    objects: &[ScaledObjectSpec],
    around: &Surroundings<'_>,
) -> Vec<ScaledObject> {
    objects.iter().filter_map(|object| scaled_object(object, around)).collect()
}

fn scaled_object(object: &ScaledObjectSpec, around: &Surroundings<'_>) -> Option<ScaledObject> {
    if object.paused {
        // KEDA stops asking and deletes the HPA it made.
        return None;
    }
    let is_target = |hpa: &Arc<HpaObject>| {
        let workload = &around.workloads[hpa.target.index()];
        workload.meta.namespace == object.meta.namespace
            && workload.meta.name == object.target_name
            && workload.kind_name() == &*object.target_kind
    };
    let at = around.hpas.iter().position(is_target)?;
    let own = around.services.station_of(around.hpas[at].target);
    let triggers = object.triggers.iter().filter_map(|trigger| {
        Some(Trigger {
            metric: Arc::from(trigger.external_metric()?),
            source: source(object, trigger, own, around),
            activation: activation(trigger),
        })
    });
    Some(ScaledObject {
        name: Arc::clone(&object.meta.name),
        hpa: HpaId::at(at),
        spec: KedaSpec {
            polling_interval: object.polling_interval.max(SimDuration::from_secs(1)),
            cooldown_period: object.cooldown_period,
            initial_cooldown_period: object.initial_cooldown_period,
            idle_replicas: object.idle_replicas,
            min_replicas: object.min_replicas,
            fallback: object.fallback,
            annotations: object.annotations,
        },
        triggers: triggers.collect(),
    })
}

fn source(
    object: &ScaledObjectSpec,
    trigger: &TriggerSpec,
    own: Option<StationId>,
    around: &Surroundings<'_>,
) -> TriggerSource {
    let text = |key: &str| trigger.metadata.get(key).map(|text| &**text);
    let named = |key: &str| {
        let stations = around.services.stations.iter();
        let wanted = text(key)?;
        stations.map(|it| &*it.name).position(|name| name == wanted).map(StationId::at)
    };
    let queue = |key: &str| named(key).or(own);
    let found = match &*trigger.kind {
        "redis" | "redis-cluster" | "redis-sentinel" => {
            queue("listName").map(TriggerSource::Waiting)
        }
        "redis-streams" | "redis-cluster-streams" | "redis-sentinel-streams" => {
            queue("stream").map(TriggerSource::Inside)
        }
        "rabbitmq" => queue("queueName").map(TriggerSource::Inside),
        "kafka" | "apache-kafka" => queue("topic").map(TriggerSource::Inside),
        "aws-sqs-queue" => queue("queueURL").map(TriggerSource::Inside),
        "prometheus" => {
            let is_meant = |metric: &CustomMetricSpec| {
                text("metricName") == Some(&*metric.name)
                    || text("query").is_some_and(|query| has_word(query, &metric.name))
            };
            around.metrics.iter().position(is_meant).map(TriggerSource::Metric)
        }
        "cron" => windows(object, trigger, around),
        _ => None,
    };
    found.unwrap_or_else(|| {
        let message = format!(
            "ScaledObject/{}: nothing is simulated that its trigger `{}` could ask, so that it \
             fails as it would without its source",
            object.meta.name, trigger.kind
        );
        let warning = Diagnostic::warning(codes::UNSUPPORTED, message);
        around
            .context
            .diagnostics
            .push(warning.note(format!("written at {}", trigger.origin)).help(
            "for `prometheus` name a metric of service profiles in the query; queues are those of \
             the service that is scaled, or of the service of that name",
        ));
        TriggerSource::Unmeasured
    })
}

/// Whether a name stands in an expression as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside)
    })
}

/// Above which value a trigger is active: the field of its scaler, 0 when absent.
fn activation(trigger: &TriggerSpec) -> f64 {
    let field = match &*trigger.kind {
        "redis" | "redis-cluster" | "redis-sentinel" => "activationListLength",
        "redis-streams" | "redis-cluster-streams" | "redis-sentinel-streams" => {
            "activationLagCount"
        }
        "kafka" | "apache-kafka" => "activationLagThreshold",
        "aws-sqs-queue" => "activationQueueLength",
        "prometheus" => "activationThreshold",
        _ => "activationValue",
    };
    let value = trigger.metadata.get(field).and_then(|text| text.trim().parse().ok());
    value.filter(|value: &f64| value.is_finite()).unwrap_or(0.0)
}

/// The windows of a cron trigger: it is active when its next end comes before its next start (keda,
/// pkg/scalers/cron_scaler.go `IsActive`), that is from each start to the next end.
fn windows(
    object: &ScaledObjectSpec,
    trigger: &TriggerSpec,
    around: &Surroundings<'_>,
) -> Option<TriggerSource> {
    let text = |key: &str| trigger.metadata.get(key).map(|text| &**text);
    let refuse = |problem: &str| {
        let name = &object.meta.name;
        let message = format!("ScaledObject/{name}: its cron trigger {problem}");
        let error = Diagnostic::error(codes::INVALID_VALUE, message);
        around.context.diagnostics.push(error.note(format!("written at {}", trigger.origin)));
        Some(TriggerSource::Unmeasured)
    };
    let Some(replicas) = text("desiredReplicas").and_then(|text| text.trim().parse().ok()) else {
        return refuse("needs `desiredReplicas`, a whole number in quotes");
    };
    let (Some(from), Some(until)) = (text("start"), text("end")) else {
        return refuse("needs `start` and `end`");
    };
    let Some(zone) = text("timezone") else { return refuse("needs `timezone`") };
    let zone = match cron::zone(zone) {
        Ok(zone) => zone,
        Err(problem) => return refuse(&format!("has a `timezone` that {problem}")),
    };
    if from == until {
        return refuse("starts when it ends");
    }
    let (from, until) = match (cron::parse(from), cron::parse(until)) {
        (Ok(from), Ok(until)) => (from, until),
        (Err(problem), _) | (_, Err(problem)) => {
            return refuse(&format!("has a schedule that cannot be read: {problem}"));
        }
    };
    let Some(start) = around.start else {
        return refuse("needs a scenario that states its `start`");
    };
    let windows = cron::open_between((&from, &until), start, zone, around.warm_up, around.total);
    Some(TriggerSource::Cron { windows, replicas })
}

/// Windows of a schedule that are open, with one that is open from the beginning.
pub(super) fn pair_up(starts: &[SimTime], ends: &[SimTime], open: bool) -> Vec<(SimTime, SimTime)> {
    let mut windows = Vec::new();
    let mut since = open.then_some(SimTime::ZERO);
    let mut events: Vec<(SimTime, bool)> = starts.iter().map(|at| (*at, true)).collect();
    events.extend(ends.iter().map(|at| (*at, false)));
    events.sort_unstable();
    for (at, begins) in events {
        match (begins, since) {
            (true, None) => since = Some(at),
            (false, Some(from)) => {
                windows.push((from, at));
                since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    windows.extend(since.map(|from| (from, SimTime::MAX)));
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_run_from_each_start_to_the_next_end() {
        let at = |seconds: &[u64]| -> Vec<SimTime> {
            seconds.iter().copied().map(SimTime::from_secs).collect()
        };
        type Row = (&'static [u64], &'static [u64], bool, &'static [(u64, u64)]);
        let rows: [Row; 5] = [
            (&[10], &[20], false, &[(10, 20)]),
            (&[10, 12], &[20, 22], false, &[(10, 20)]),
            (&[30], &[20], true, &[(0, 20), (30, u64::MAX)]),
            (&[], &[], true, &[(0, u64::MAX)]),
            (&[], &[5], false, &[]),
        ];
        for (starts, ends, open, expected) in rows {
            let found = pair_up(&at(starts), &at(ends), open);
            let expected: Vec<(SimTime, SimTime)> = expected
                .iter()
                .map(|(from, until)| {
                    let end = |it: u64| {
                        if it == u64::MAX { SimTime::MAX } else { SimTime::from_secs(it) }
                    };
                    (SimTime::from_secs(*from), end(*until))
                })
                .collect();
            assert_eq!(found, expected, "{starts:?} {ends:?}");
        }
    }

    #[test]
    fn names_are_words_of_an_expression() {
        assert!(has_word("sum(rate(gateway-rps[2m]))", "gateway-rps"));
        assert!(!has_word("sum(rate(my-gateway-rps[2m]))", "gateway-rps"));
        assert!(has_word("a", "a") && !has_word("ab", "a"));
    }
}
