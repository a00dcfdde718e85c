//! Recordings of an HPA's own sight: one JSON object a line, each a closed loop with everything that the
//! controller saw at each sync: `{name, controller, hpa, syncs: [{at, specReplicas, statusReplicas, pods,
//! podMetrics}]}`. The controller's flags are in seconds, `hpa` is the `spec` of an
//! autoscaling/v2 HorizontalPodAutoscaler, quantities are those of Kubernetes.

use serde_json::Value;

use super::{Day, Instant, Pod, Usage};
use crate::control::hpa::{Amounts, ConditionStatus, HpaConfig, PodPhase};
use crate::input::json;
use crate::units::convert::round_i64;
use crate::units::quantity::Quantity;

/// A recorded loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Loop {
    /// The day.
    pub day: Day,
    /// Flags of the controller that was recorded.
    pub config: HpaConfig,
    /// Its HPA as a manifest.
    pub manifest: String,
}

/// Whether a text looks like recorded loops.
#[must_use]
pub fn is_loops(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    serde_json::from_str::<Value>(first).is_ok_and(|line| line.get("syncs").is_some())
}

/// Reads all loops.
///
/// # Errors
///
/// A sentence with the line that is none.
pub fn loops(text: &str) -> Result<Vec<Loop>, String> {
    let lines = (1_u64..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let value: Value = serde_json::from_str(line)
                .map_err(|error| format!("line {number} is no JSON: {}", json::cause(&error)))?;
            one(&value).map_err(|problem| format!("line {number}: {problem}"))
        })
        .collect()
}

fn one(value: &Value) -> Result<Loop, String> {
    let name = value.get("name").and_then(Value::as_str).unwrap_or("loop").to_owned();
    let hpa = value.get("hpa").filter(|hpa| hpa.is_object()).ok_or("has no `hpa`")?;
    let manifest = format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: recorded}}\nspec: {hpa}\n"
    );
    let mut config = HpaConfig::default();
    if let Some(flags) = value.get("controller") {
        let seconds = |name: &str, into: &mut i64| {
            if let Some(seconds) = flags.get(name).and_then(Value::as_f64) {
                *into = nanos(seconds);
            }
        };
        seconds("downscaleStabilizationSeconds", &mut config.downscale_stabilization_ns);
        seconds("cpuInitializationPeriodSeconds", &mut config.cpu_initialization_period_ns);
        seconds("initialReadinessDelaySeconds", &mut config.initial_readiness_delay_ns);
        if let Some(tolerance) = flags.get("tolerance").and_then(Value::as_f64) {
            config.tolerance = tolerance;
        }
    }
    let syncs = value.get("syncs").and_then(Value::as_array).ok_or("has no `syncs`")?;
    let instants: Result<Vec<Instant>, String> = syncs
        .iter()
        .enumerate()
        .map(|(at, sync)| instant(sync).map_err(|problem| format!("sync {at} {problem}")))
        .collect();
    Ok(Loop { day: Day { name, instants: instants? }, config, manifest })
}

fn nanos(seconds: f64) -> i64 {
    // Seconds with fractions are whole nanoseconds before anything is compared.
    round_i64(seconds * 1e9)
}

fn time(value: &Value, name: &str) -> Option<i64> {
    value.get(name).and_then(Value::as_f64).map(nanos)
}

fn count(value: &Value, name: &str) -> Result<i32, String> {
    let count = value.get(name).and_then(Value::as_i64).and_then(|count| i32::try_from(count).ok());
    count.ok_or_else(|| format!("has no `{name}`"))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn instant(sync: &Value) -> Result<Instant, String> {
    for other in ["podsMetrics", "objectMetrics", "externalMetrics"] {
        if sync
            .get(other)
            .is_some_and(|metrics| !metrics.as_object().is_none_or(serde_json::Map::is_empty))
        {
            return Err(format!("has `{other}`: only CPU and memory can be replayed"));
        }
    }
    let replicas = count(sync, "specReplicas")?;
    Ok(Instant {
        at_ns: time(sync, "at").ok_or("has no `at`")?,
        replicas,
        status_replicas: count(sync, "statusReplicas").unwrap_or(replicas),
        pods: list(sync, "pods").iter().map(pod).collect::<Result<_, _>>()?,
        usage: list(sync, "podMetrics").iter().map(usage).collect::<Result<_, _>>()?,
    })
}

fn named(value: &Value) -> Result<String, String> {
    let name = value.get("name").and_then(Value::as_str);
    name.map(str::to_owned).ok_or_else(|| "has something without `name`".to_owned())
}

fn pod(value: &Value) -> Result<Pod, String> {
    let name = named(value)?;
    let phase = match value.get("phase").and_then(Value::as_str) {
        Some("Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some("Unknown") => PodPhase::Unknown,
        Some(_) | None => return Err(format!("has the pod {name} without a phase")),
    };
    let status = match value.get("ready").and_then(Value::as_str) {
        Some("True") => Some(ConditionStatus::True),
        Some("False") => Some(ConditionStatus::False),
        Some(_) => Some(ConditionStatus::Unknown),
        None => None,
    };
    Ok(Pod {
        phase,
        ready: status.map(|status| (status, time(value, "readyTransitionAt").unwrap_or(0))),
        start_ns: time(value, "startAt"),
        deleting: value.get("deleting").and_then(Value::as_bool).unwrap_or(false),
        requests: containers(value, "requests")?,
        name,
    })
}

fn usage(value: &Value) -> Result<Usage, String> {
    let pod = named(value)?;
    Ok(Usage {
        at_ns: time(value, "at").ok_or_else(|| format!("has usage of {pod} without `at`"))?,
        window_ns: time(value, "windowSeconds").unwrap_or(15_000_000_000),
        containers: containers(value, "usage")?,
        pod,
    })
}

fn containers(value: &Value, what: &str) -> Result<Vec<(String, Amounts)>, String> {
    let read = |container: &Value| {
        let name = named(container)?;
        let amounts = container.get(what);
        let amount = |resource: &str| -> Result<Option<i64>, String> {
            let Some(text) = amounts.and_then(|it| it.get(resource)).and_then(Value::as_str) else {
                return Ok(None);
            };
            let quantity: Quantity =
                text.parse().map_err(|error| format!("has `{text}`, no quantity: {error}"))?;
            Ok(Some(quantity.milli_value_ceil()))
        };
        Ok((name, Amounts { cpu_milli: amount("cpu")?, memory_milli: amount("memory")? }))
    };
    list(value, "containers").iter().map(read).collect()
}
