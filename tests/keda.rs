//! KEDA in a cluster: workers go when there is nothing to do, come back when there is, and between one
//! and the maximum the HPA of the ScaledObject decides.

use std::fs;
use std::path::Path;

use aurelius_sim::control::hpa::MetricSpec;
use aurelius_sim::input::{LoadOptions, load_scenario};
use aurelius_sim::model::record::{About, Record};
use aurelius_sim::scenario::Scenario;
use aurelius_sim::scenario::scaled_object::TriggerSource;
use aurelius_sim::sweep::{RunResult, SweepOptions, run};
use aurelius_sim::units::SimTime;

/// Orders from the third minute to the eighth, for workers under a ScaledObject.
fn scenario(spec: &str) -> Scenario {
    annotated("", spec)
}

fn annotated(annotations: &str, spec: &str) -> Scenario {
    let (scenario, said) = loaded(annotations, spec);
    scenario.unwrap_or_else(|| panic!("{said:?}"))
}

/// The scenario, if it is right, and all that was said about it.
fn loaded(annotations: &str, spec: &str) -> (Option<Scenario>, Vec<String>) {
    written(&object(annotations, spec), None)
}

/// A scenario in which an upgrade after ten minutes writes the object with another spec.
fn upgraded(before: &str, after: &str) -> Scenario {
    let (scenario, said) = written(&object("", before), Some(&object("", after)));
    scenario.unwrap_or_else(|| panic!("{said:?}"))
}

fn object(annotations: &str, spec: &str) -> String {
    format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: careful, annotations: {{{annotations}}}}}\nspec:\n  \
         scaleTargetRef: {{name: careful}}\n{spec}"
    )
}

fn written(object: &str, next: Option<&str>) -> (Option<Scenario>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(folder.path().join("object.yaml"), object).expect("it can be written");
    let text = fs::read_to_string(root.join("scenarios/celery-scale-in.yaml")).expect("shipped");
    let (head, tail) = text.split_once("events:").expect("it has events");
    let (_, thresholds) = tail.split_once("thresholds:").expect("it has thresholds");
    let mut events = String::new();
    if let Some(next) = next {
        fs::write(folder.path().join("next.yaml"), next).expect("it can be written");
        events = "events:\n  - {at: 10m, upgrade: {manifests: [../profiles/lessons/workers.yaml, \
                  next.yaml]}}\n"
            .to_owned();
    }
    let text = format!("{head}{events}thresholds:{thresholds}")
        .replace("../profiles", &root.join("profiles").display().to_string())
        .replacen("workers.yaml]", "workers.yaml, object.yaml]", 1)
        .replace("duration: 35m", "start: 2026-11-23T07:00:00\nduration: 30m")
        .replace("duration: 9m", "duration: 5m, startTime: 3m");
    let path = folder.path().join("scenario.yaml");
    fs::write(&path, text).expect("it can be written");
    let loaded = load_scenario(&path, &LoadOptions::default());
    let said: Vec<String> = loaded.diagnostics.iter().map(|it| it.message().to_owned()).collect();
    (loaded.scenario, said)
}

fn play(scenario: &Scenario) -> RunResult {
    run(scenario, SweepOptions::single(7), 0, &|_| {})
}

/// Events of the ScaledObject, with when they came.
fn events(result: &RunResult) -> Vec<(SimTime, &'static str, String)> {
    let entries = result.history.entries().iter();
    let events = entries.filter_map(|entry| {
        let Record::Announced { about: About::ScaledObject(_), event, message } = &entry.record
        else {
            return None;
        };
        Some((entry.first, *event, message.to_string()))
    });
    events.collect()
}

/// Replicas of the workers that were wanted, at every instant.
fn wanted(scenario: &Scenario, result: &RunResult) -> Vec<i32> {
    let at = scenario.workloads.iter().position(|it| *it.meta.name == *"careful");
    let samples = &result.measurements.series().workloads[at.expect("it is there")];
    samples.iter().map(|sample| sample.desired).collect()
}

const QUEUE: &str =
    "  triggers:\n    - {type: redis, metadata: {listName: celery, listLength: \"2\"}}\n";

#[test]
fn workers_go_after_the_cooldown_and_come_when_the_first_task_waits() {
    let spec =
        format!("  pollingInterval: 15\n  cooldownPeriod: 120\n  minReplicaCount: 0\n{QUEUE}");
    let scenario = scenario(&spec);
    assert!(matches!(scenario.scaled_objects[0].triggers[0].source, TriggerSource::Waiting(_)));
    let result = play(&scenario);
    let events = events(&result);
    let names: Vec<&str> = events.iter().map(|(_, event, _)| *event).collect();
    // Never active before the first order: no cooldown then. Warm-up is two minutes.
    assert_eq!(
        names,
        ["KEDAScaleTargetDeactivated", "KEDAScaleTargetActivated", "KEDAScaleTargetDeactivated"],
        "{events:?}"
    );
    assert_eq!(events[0].0, SimTime::ZERO, "KEDA polls as soon as it sees an object");
    assert_eq!(
        events[1].2,
        "Scaled apps/v1.Deployment default/careful from 0 to 1, triggered by s0-redis-celery"
    );
    let (come, gone) = (events[1].0, events[2].0);
    assert!(come > SimTime::from_secs(300) && come < SimTime::from_secs(345), "{come}");
    let replicas = wanted(&scenario, &result);
    assert_eq!(replicas.first(), Some(&0));
    assert_eq!(replicas.last(), Some(&0));
    assert!(replicas.iter().any(|it| *it > 1), "the HPA took over: {replicas:?}");
    // The list was empty for more than the cooldown, and the polls are 15 s apart.
    assert!(gone.since(come).as_secs_f64() > 120.0 + 60.0, "{come} {gone}");
}

#[test]
fn a_minimum_keeps_the_last_replicas_and_activation_asks_for_more_than_a_little() {
    let kept = scenario(&format!("  cooldownPeriod: 30\n  minReplicaCount: 2\n{QUEUE}"));
    let result = play(&kept);
    assert_eq!(events(&result), []);
    assert_eq!(wanted(&kept, &result).into_iter().min(), Some(2));
    let trigger = QUEUE.replace("\"2\"", "\"2\", activationListLength: \"100000\"");
    let never = scenario(&format!("  minReplicaCount: 0\n{trigger}"));
    let result = play(&never);
    assert_eq!(events(&result).len(), 1, "it goes and never comes back");
    assert_eq!(wanted(&never, &result).into_iter().max(), Some(0));
}

#[test]
fn a_cron_trigger_holds_its_replicas_within_its_window() {
    // From 07:10 to 07:20; the scenario begins at 07:00.
    let spec = "  minReplicaCount: 0\n  cooldownPeriod: 60\n  pollingInterval: 10\n  triggers:\n    - \
                {type: cron, metadata: {timezone: Etc/UTC, start: 10 7 * * *, end: 20 7 * * *, \
                desiredReplicas: \"5\"}}\n";
    let scenario = scenario(spec);
    let [MetricSpec::External { metric, target }] = scenario.hpas[0].spec.metrics.as_slice() else {
        panic!("one external metric")
    };
    assert!(metric.name.starts_with("s0-cron"), "{}", metric.name);
    assert_eq!(target.average_value.map(|value| value.value_ceil()), Some(1));
    let result = play(&scenario);
    let replicas = wanted(&scenario, &result);
    let times = &result.measurements.series().times;
    let at = |minute: u32| {
        let position = times.iter().position(|it| it.as_secs_f64() >= f64::from(minute) * 60.0);
        replicas[position.expect("it is within the run")]
    };
    assert_eq!((at(5), at(13), at(19)), (0, 5, 5), "{replicas:?}");
    // Behind the window the last replicas go after the cooldown, all at once: that is KEDA's doing.
    assert_eq!(at(23), 0, "{replicas:?}");
}

#[test]
fn a_trigger_without_a_source_fails_and_takes_nothing_away() {
    let spec = "  minReplicaCount: 0\n  triggers:\n    - {type: prometheus, metadata: {query: \
                nobody-measures-this, threshold: \"5\"}}\n";
    let scenario = scenario(spec);
    assert_eq!(scenario.scaled_objects[0].triggers[0].source, TriggerSource::Unmeasured);
    let result = play(&scenario);
    assert_eq!(events(&result), []);
    assert!(wanted(&scenario, &result).iter().all(|it| *it >= 1));
}

/// The trigger fails from the beginning; the fallback holds after more failures than its threshold,
/// counted over polls and syncs of the HPA.
#[test]
fn a_fallback_asks_for_its_replicas_when_a_trigger_keeps_failing() {
    let with = |fallback: &str| {
        scenario(&format!(
            "  minReplicaCount: 0\n  maxReplicaCount: 20\n{fallback}  triggers:\n    - {{type: \
             prometheus, metadata: {{query: nobody-measures-this, threshold: \"5\"}}}}\n"
        ))
    };
    let held = with("  fallback: {failureThreshold: 3, replicas: 7}\n");
    let replicas = wanted(&held, &play(&held));
    assert_eq!(replicas.last(), Some(&7), "{replicas:?}");
    assert!(replicas.iter().all(|it| *it >= 1), "nothing goes to none: {replicas:?}");
    let patient = with("  fallback: {failureThreshold: 100000, replicas: 7}\n");
    let replicas = wanted(&patient, &play(&patient));
    assert!(replicas.iter().all(|it| *it == replicas[0]), "{replicas:?}");
}

#[test]
fn annotations_pause_an_object_or_one_direction_of_it() {
    let spec = format!("  minReplicaCount: 0\n{QUEUE}");
    for annotation in ["paused: \"true\"", "paused: perhaps"] {
        let paused = annotated(&format!("autoscaling.keda.sh/{annotation}"), &spec);
        assert!(paused.scaled_objects.is_empty() && paused.hpas.is_empty(), "{annotation}");
    }
    let held = annotated("autoscaling.keda.sh/paused-replicas: \"5\"", &spec);
    assert!(held.scaled_objects.is_empty() && held.hpas.is_empty());
    let replicas = wanted(&held, &play(&held));
    assert!(replicas.iter().all(|it| *it == 5), "{replicas:?}");
    let awake = annotated("autoscaling.keda.sh/paused: \"False\"", &spec);
    assert_eq!(awake.scaled_objects.len(), 1);
    let scale_in = annotated("autoscaling.keda.sh/paused-scale-in: \"true\"", &spec);
    let result = play(&scale_in);
    assert_eq!(events(&result), []);
    let replicas = wanted(&scale_in, &result);
    assert!(replicas.is_sorted() && replicas[0] >= 1, "nothing is taken away: {replicas:?}");
    let forced = annotated("autoscaling.keda.sh/force-activation: \"true\"", &spec);
    assert_eq!(events(&play(&forced)), [], "active without any trigger");
}

/// A formula decides in the place of its triggers, for the operator and for the HPA.
#[test]
fn a_formula_stands_for_all_triggers() {
    let with = |formula: &str| {
        format!(
            "  minReplicaCount: 0\n  maxReplicaCount: 20\n  cooldownPeriod: 60\n  advanced:\n    scalingModifiers: \
             {{formula: '{formula}', target: \"1\", activationTarget: \"2\"}}\n  triggers:\n    - {{type: \
             redis, name: tasks, metadata: {{listName: celery}}}}\n    - {{type: cron, name: hours, metadata: \
             {{timezone: Etc/UTC, start: 10 7 * * *, end: 20 7 * * *, desiredReplicas: \"6\"}}}}\n"
        )
    };
    let scenario = scenario(&with("hours > 0 ? hours : 0"));
    let [MetricSpec::External { metric, .. }] = scenario.hpas[0].spec.metrics.as_slice() else {
        panic!("one metric in the place of two")
    };
    assert_eq!(metric.name, "composite-metric");
    let result = play(&scenario);
    let replicas = wanted(&scenario, &result);
    assert_eq!(replicas.iter().max(), Some(&6), "{replicas:?}");
    let events = events(&result);
    assert_eq!(
        events[1].2,
        "Scaled apps/v1.Deployment default/careful from 0 to 1, triggered by composite-metric"
    );
    // Orders come from the third minute on, and the formula does not look at them.
    assert!(events[1].0 >= SimTime::from_secs(720), "{events:?}");
    let (_, said) = loaded("", &with("hours > 0 ? other : 0"));
    assert!(said[0].contains("names `other`, which is no trigger (`tasks`, `hours`)"), "{said:?}");
}

/// What KEDA's admission refuses is an error here, all of it at once.
#[test]
fn what_admission_refuses_is_an_error() {
    let cpu =
        "  triggers:\n    - {type: cpu, metricType: Utilization, metadata: {value: \"70\"}}\n";
    let rows: [(String, &[&str]); 9] = [
        (
            format!("  fallback: {{failureThreshold: 3, replicas: 2}}\n{cpu}"),
            &["has only `cpu` and `memory`", "needs a trigger that is not `cpu` or `memory`"],
        ),
        (format!("  minReplicaCount: 2\n  idleReplicaCount: 2\n{QUEUE}"), &["(2) must be below minReplicaCount (2)"]),
        (format!("  idleReplicaCount: 0\n{QUEUE}"), &["(0) must be below minReplicaCount (0)"]),
        (
            format!("  fallback: {{failureThreshold: 3, replicas: 2, behavior: scalingModifiers}}\n{QUEUE}"),
            &["which needs `advanced.scalingModifiers.formula`"],
        ),
        (
            "  triggers:\n    - {type: cron, useCachedMetrics: true, metadata: {timezone: Etc/UTC, start: 1 * * * *, end: 2 * * * *, desiredReplicas: \"1\"}}\n".to_owned(),
            &["is not supported for the scaler `cron`"],
        ),
        (
            "  triggers:\n    - {type: redis, name: a, metadata: {listName: one}}\n    - {type: redis, name: a, metadata: {listName: two}}\n".to_owned(),
            &["has the name `a` of another trigger"],
        ),
        (
            "  triggers:\n    - {type: rabbitmq, metadata: {queueName: x, value: \"5\"}}\n".to_owned(),
            &["needs a `mode` beside its `value`"],
        ),
        (
            "  minReplicaCount: 1\n  triggers:\n    - {type: cpu, metadata: {value: \"70\"}}\n".to_owned(),
            &["needs `metricType: Utilization` or `metricType: AverageValue`"],
        ),
        ("  triggers: []\n".to_owned(), &["must have at least one trigger"]),
    ];
    for (spec, expected) in rows {
        let (scenario, said) = loaded("", &spec);
        assert!(scenario.is_none(), "{spec}: {said:?}");
        for expected in expected {
            assert!(said.iter().any(|it| it.contains(expected)), "{spec}: {said:?}");
        }
    }
    let (_, said) = loaded("autoscaling.keda.sh/paused-replicas: many", QUEUE);
    assert!(said[0].contains("paused-replicas: `many`"), "{said:?}");
}

/// Where the sources of triggers look, by what their scalers ask.
#[test]
fn sources_are_what_the_scalers_ask() {
    let rows = [
        ("redis, metadata: {listName: celery}", "s0-redis-celery", "Waiting"),
        (
            "redis-streams, metadata: {stream: a.b, consumerGroup: g}",
            "s0-redis-streams-a-b",
            "InHands",
        ),
        (
            "redis-streams, metadata: {stream: s, consumerGroup: g, lagCount: \"3\"}",
            "s0-redis-streams-s",
            "Waiting",
        ),
        ("redis-streams, metadata: {stream: s}", "s0-redis-streams-s", "Inside"),
        ("rabbitmq, metadata: {queueName: a/b}", "s0-rabbitmq-a-2Fb", "Inside"),
        (
            "rabbitmq, metadata: {queueName: q, mode: QueueLength, value: \"7\", excludeUnacknowledged: \"true\"}",
            "s0-rabbitmq-q",
            "Waiting",
        ),
        (
            "rabbitmq, metadata: {queueName: q, mode: MessageRate, value: \"7\"}",
            "s0-rabbitmq-q",
            "Unmeasured",
        ),
        ("kafka, metadata: {topic: t, allowIdleConsumers: \"true\"}", "s0-kafka-t", "Inside"),
        ("kafka, metadata: {topic: t, partitionLimitation: 0-3}", "s0-kafka-t", "Lag"),
        ("kafka, metadata: {topic: t}", "s0-kafka-t", "Inside"),
        ("aws-sqs-queue, metadata: {queueURL: https://sqs/1/mine}", "s0-aws-sqs-mine", "Inside"),
        (
            "aws-sqs-queue, metadata: {queueURL: mine, scaleOnInFlight: \"false\"}",
            "s0-aws-sqs-mine",
            "Waiting",
        ),
        (
            "cron, metadata: {timezone: Etc/UTC, start: 10 7 * * 1-5, end: \"*/20 7 * * *\", desiredReplicas: \"1\"}",
            "s0-cron-Etc-UTC-107xx1-5-xSl207xxx",
            "Cron",
        ),
    ];
    for (trigger, metric, source) in rows {
        let scenario = scenario(&format!("  triggers:\n    - {{type: {trigger}}}\n"));
        let found = &scenario.scaled_objects[0].triggers[0];
        assert_eq!(&*found.metric, metric, "{trigger}");
        assert!(format!("{:?}", found.source).starts_with(source), "{trigger}: {:?}", found.source);
    }
    let (_, said) = loaded("", "  triggers:\n    - {type: kafka, metadata: {topic: t}}\n");
    assert!(said[0].contains("how many partitions the topic"), "{said:?}");
}

/// An upgrade writes another ScaledObject, and a rollback the one before: KEDA follows.
#[test]
fn an_upgrade_may_change_the_triggers() {
    let first = format!("  minReplicaCount: 1\n{QUEUE}");
    let scenario = upgraded(
        &first,
        "  minReplicaCount: 3\n  triggers:\n    - {type: redis, metadata: {listName: celery, listLength: \"100000\"}}\n",
    );
    assert_eq!(scenario.scaled_objects.len(), 2);
    let replicas = wanted(&scenario, &play(&scenario));
    assert_eq!((replicas.first(), replicas.last()), (Some(&1), Some(&3)), "{replicas:?}");
}
