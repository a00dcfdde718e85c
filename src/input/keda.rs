//! ScaledObjects resolved: which HPA is theirs, and where their triggers look.
//!
//! A simulated cluster has no Redis to ask. What a list, a queue or a topic holds is what waits for a
//! service: the one of the queue's name, else the one that runs in the pods that are scaled. An
//! expression of Prometheus is the metric of service profiles whose name stands in it. Cron triggers
//! follow the clock of the zone they name. What a source cannot tell here (rates of a queue, how many
//! partitions a topic has) is said, not guessed.

use std::sync::Arc;

use super::codes;
use super::cron;
use super::decode::Context;
use super::diagnostic::Diagnostic;
use super::kubernetes::{ScaledObjectSpec, TriggerSpec};
use crate::cluster::api::WorkloadSpec;
use crate::control::keda::{KedaSpec, triggers};
use crate::model::id::{HpaId, StationId};
use crate::scenario::scaled_object::{Partitions, ScaledObject, Trigger, TriggerSource};
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

/// The ScaledObjects whose HPA scales something: of the release that is there, or of an upgrade.
pub(super) fn scaled_objects(
    objects: &[ScaledObjectSpec],
    upgrade: Option<usize>,
    around: &Surroundings<'_>,
) -> Vec<ScaledObject> {
    objects.iter().filter_map(|object| scaled_object(object, upgrade, around)).collect()
}

fn scaled_object(
    object: &ScaledObjectSpec,
    upgrade: Option<usize>,
    around: &Surroundings<'_>,
) -> Option<ScaledObject> {
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
    // Another release may have had another autoscaler for the same target.
    let made = |hpa: &Arc<HpaObject>| is_target(hpa) && hpa.meta.name == object.hpa_name;
    let at = around.hpas.iter().position(made)?;
    let own = around.services.station_of(around.hpas[at].target);
    let served = object.triggers.iter().filter_map(|trigger| Some((trigger, trigger.external()?)));
    let (mut polled, mut specs) = (Vec::new(), Vec::new());
    for (trigger, (metric, target)) in served {
        polled.push(Trigger {
            metric: Arc::from(metric),
            source: source(object, trigger, own, around),
            activation: activation(trigger),
        });
        let amount = target.average_value.or(target.value).map_or(0.0, |it| it.approximate_f64());
        specs.push(triggers::TriggerSpec {
            name: trigger.name.clone(),
            target: amount,
            of_whole: target.value.is_some(),
            cached: trigger.cached,
        });
    }
    let (namespace, name) = (&object.meta.namespace, &object.target_name);
    Some(ScaledObject {
        name: Arc::clone(&object.meta.name),
        hpa: HpaId::at(at),
        target: Arc::from(format!("apps/v1.{} {namespace}/{name}", object.target_kind)),
        spec: KedaSpec {
            polling_interval: object.polling_interval.max(SimDuration::from_secs(1)),
            cooldown_period: object.cooldown_period,
            initial_cooldown_period: object.initial_cooldown_period,
            idle_replicas: object.idle_replicas,
            min_replicas: object.min_replicas,
            fallback: object.fallback,
            annotations: object.annotations,
            resources_alone: specs.is_empty(),
            triggers: specs,
            modifiers: object.modifiers.clone(),
        },
        triggers: polled,
        upgrade,
    })
}

fn source(
    object: &ScaledObjectSpec,
    trigger: &TriggerSpec,
    own: Option<StationId>,
    around: &Surroundings<'_>,
) -> TriggerSource {
    let named = |key: &str| {
        let stations = around.services.stations.iter();
        let wanted = trigger.text(key)?;
        stations.map(|it| &*it.name).position(|name| name == wanted).map(StationId::at)
    };
    let queue = |key: &str| named(key).or(own);
    let found = match &*trigger.kind {
        "redis" | "redis-cluster" | "redis-sentinel" => {
            queue("listName").map(TriggerSource::Waiting)
        }
        "redis-streams" | "redis-cluster-streams" | "redis-sentinel-streams" => {
            queue("stream").map(|station| of_stream(trigger, station))
        }
        "rabbitmq" => match trigger.text("mode") {
            None | Some("QueueLength") if trigger.is("excludeUnacknowledged", false) => {
                queue("queueName").map(TriggerSource::Waiting)
            }
            None | Some("QueueLength") => queue("queueName").map(TriggerSource::Inside),
            Some(_) => None,
        },
        "kafka" | "apache-kafka" => {
            queue("topic").map(|station| of_topic(object, trigger, station, around))
        }
        "aws-sqs-queue" if trigger.is("scaleOnInFlight", true) => {
            queue("queueURL").map(TriggerSource::Inside)
        }
        "aws-sqs-queue" => queue("queueURL").map(TriggerSource::Waiting),
        "prometheus" => {
            let is_meant = |metric: &CustomMetricSpec| {
                trigger.text("metricName") == Some(&*metric.name)
                    || trigger.text("query").is_some_and(|query| has_word(query, &metric.name))
            };
            let nothing_is_zero = trigger.is("ignoreNullValues", true);
            let at = around.metrics.iter().position(is_meant);
            at.map(|at| TriggerSource::Metric { at, nothing_is_zero })
        }
        "cron" => windows(object, trigger, around),
        _ => None,
    };
    found.unwrap_or_else(|| {
        let what = match trigger.text("mode").filter(|_| &*trigger.kind == "rabbitmq") {
            Some(mode) => format!("`rabbitmq` with the mode {mode}"),
            None => format!("`{}`", trigger.kind),
        };
        let message = format!(
            "ScaledObject/{}: nothing is simulated that its trigger {what} could ask, so that it \
             fails as it would without its source",
            object.meta.name
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

/// What a stream counts by: what its group has not taken (`lagCount`) or not acknowledged
/// (`pendingEntriesCount`), or without a group all that is in it; workers are taken to delete an entry
/// when they are done (keda, pkg/scalers/redis_streams_scaler.go `createEntriesCountFn`).
fn of_stream(trigger: &TriggerSpec, station: StationId) -> TriggerSource {
    if trigger.text("consumerGroup").is_none_or(str::is_empty) {
        TriggerSource::Inside(station)
    } else if trigger.text("lagCount").is_some_and(|text| text != "0") {
        TriggerSource::Waiting(station)
    } else {
        TriggerSource::InHands(station)
    }
}

/// The lag of a topic. How many partitions it has stands only in `partitionLimitation`: without it
/// nothing bounds the lag, which is said unless `allowIdleConsumers` says the same.
fn of_topic(
    object: &ScaledObjectSpec,
    trigger: &TriggerSpec,
    station: StationId,
    around: &Surroundings<'_>,
) -> TriggerSource {
    let (even, only_with_lag) = (
        trigger.is("ensureEvenDistributionOfPartitions", false),
        trigger.is("limitToPartitionsWithLag", false),
    );
    let idle = trigger.is("allowIdleConsumers", false);
    let say = |diagnostic: Diagnostic| {
        let note = format!("written at {}", trigger.origin);
        around.context.diagnostics.push(diagnostic.note(note));
    };
    let name = &object.meta.name;
    if only_with_lag && (idle || even) {
        let message = format!(
            "ScaledObject/{name}: its kafka trigger has `limitToPartitionsWithLag`, which cannot be set \
             beside `allowIdleConsumers` or `ensureEvenDistributionOfPartitions`"
        );
        say(Diagnostic::error(codes::INVALID_VALUE, message));
    }
    if idle && !even {
        return TriggerSource::Inside(station);
    }
    let threshold = trigger.text("lagThreshold").map_or(Some(10), |text| text.parse().ok());
    let stated = trigger.text("partitionLimitation").filter(|text| !text.trim().is_empty());
    let count = stated.map(partitions);
    match (count, threshold) {
        (Some(Some(count)), Some(threshold @ 1_i64..)) => {
            let partitions = Partitions { count, threshold, even, only_with_lag };
            TriggerSource::Lag(station, partitions)
        }
        (_, Some(..=0) | None) => {
            let message = format!(
                "ScaledObject/{name}: its kafka trigger has a `lagThreshold` that is no whole number above 0"
            );
            say(Diagnostic::error(codes::INVALID_VALUE, message));
            TriggerSource::Unmeasured
        }
        (Some(None), _) => {
            let message = format!(
                "ScaledObject/{name}: its kafka trigger has a `partitionLimitation` that cannot be read"
            );
            say(Diagnostic::error(codes::INVALID_VALUE, message).help("write `0-11` or `0,3,7`"));
            TriggerSource::Unmeasured
        }
        (None, _) => {
            let message = format!(
                "ScaledObject/{name}: how many partitions the topic of its kafka trigger has is not \
                 known, so that its lag asks for as many replicas as it likes"
            );
            say(Diagnostic::warning(codes::UNSUPPORTED, message)
                .help("name all partitions (`partitionLimitation: 0-11`), or set `allowIdleConsumers: \"true\"`"));
            TriggerSource::Inside(station)
        }
    }
}

/// How many partitions a text such as `0-11` or `1,4-6` names (kafka_scaler.go
/// `parsePartitionLimitation`): each place once, at most a million.
fn partitions(text: &str) -> Option<i64> {
    let mut all = std::collections::BTreeSet::new();
    for part in text.split(',') {
        let number = |text: &str| text.trim().parse::<i32>().ok().filter(|at| *at < 1_000_000);
        let (from, to) = match part.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(part)?, number(part)?),
        };
        all.extend(from..=to);
    }
    i64::try_from(all.len()).ok().filter(|count| *count > 0)
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
    let text = |key: &str| trigger.text(key);
    let refuse = |problem: &str| {
        let name = &object.meta.name;
        let message = format!("ScaledObject/{name}: its cron trigger {problem}");
        let error = Diagnostic::error(codes::INVALID_VALUE, message);
        around.context.diagnostics.push(error.note(format!("written at {}", trigger.origin)));
        Some(TriggerSource::Unmeasured)
    };
    let replicas = text("desiredReplicas").and_then(|text| text.trim().parse().ok());
    let Some(replicas) = replicas.filter(|replicas| *replicas != 0) else {
        return refuse("needs `desiredReplicas`, a whole number in quotes that is not 0");
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

/// Windows of a schedule: it is open wherever the next thing to come is an end, also an end at the very
/// time of a start. So a second start before the end closes the time before it, and a second end opens
/// the time before it, as KEDA has it. Behind the last known time it is open after a start.
pub(super) fn pair_up(starts: &[SimTime], ends: &[SimTime]) -> Vec<(SimTime, SimTime)> {
    let mut events: Vec<(SimTime, bool)> = ends.iter().map(|at| (*at, true)).collect();
    events.extend(starts.iter().map(|at| (*at, false)));
    events.sort_by_key(|(at, ends)| (*at, !ends));
    events.dedup_by_key(|(at, _)| *at);
    let mut windows: Vec<(SimTime, SimTime)> = Vec::new();
    let mut since = SimTime::ZERO;
    let mut open = |from: SimTime, until: SimTime| match windows.last_mut() {
        Some(last) if last.1 == from => last.1 = until,
        _ => windows.push((from, until)),
    };
    for (at, is_end) in &events {
        if *is_end {
            open(since, *at);
        }
        since = *at;
    }
    if events.last().is_some_and(|(_, is_end)| !is_end) {
        open(since, SimTime::MAX);
    }
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
        type Row = (&'static [u64], &'static [u64], &'static [(u64, u64)]);
        let rows: [Row; 7] = [
            (&[10], &[20], &[(10, 20)]),
            // KEDA looks which of both comes next: a second start closes, a second end opens.
            (&[10, 12], &[20, 22], &[(12, 22)]),
            (&[30], &[20], &[(0, 20), (30, u64::MAX)]),
            (&[10], &[10, 20], &[(0, 20)]),
            (&[], &[], &[]),
            (&[], &[5], &[(0, 5)]),
            (&[5, 30], &[20, 40], &[(5, 20), (30, 40)]),
        ];
        for (starts, ends, expected) in rows {
            let found = pair_up(&at(starts), &at(ends));
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
    fn partitions_are_counted_once_each() {
        let rows = [
            ("0-11", Some(12)),
            ("1, 4-6,5", Some(4)),
            ("7", Some(1)),
            ("6-4", None),
            ("", None),
            ("a", None),
            ("0-999999999", None),
        ];
        for (text, expected) in rows {
            assert_eq!(partitions(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_words_of_an_expression() {
        assert!(has_word("sum(rate(gateway-rps[2m]))", "gateway-rps"));
        assert!(!has_word("sum(rate(my-gateway-rps[2m]))", "gateway-rps"));
        assert!(has_word("a", "a") && !has_word("ab", "a"));
    }
}
