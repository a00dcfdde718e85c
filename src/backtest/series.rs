//! A day out of series: recorded sizes and CPU in use, as any monitoring keeps them. Pods are made up: as
//! many as were recorded, ready, each with its even share.

use super::{Day, Instant, Pod, Usage};
use crate::control::hpa::{Amounts, ConditionStatus, PodPhase};
use crate::units::convert::{f64_from_usize, round_i64, trunc_i32};

/// metrics-server's sample is so old when the HPA looks, on average (ns): half of its resolution and what
/// scraping takes.
const AGE_NS: i64 = 10_000_000_000;
const WINDOW_NS: i64 = 15_000_000_000;

/// Time (ns) and value.
pub type Points = Vec<(i64, f64)>;

/// Makes a day of syncs that are `period_ns` apart, over the time that both series know.
///
/// # Errors
///
/// A sentence when the series have no time in common.
pub fn day(
    name: &str,
    replicas: &Points,
    cores: &Points,
    requests: &[(String, Amounts)],
    period_ns: i64,
) -> Result<Day, String> {
    let ends = |points: &Points| Some((points.first()?.0, points.last()?.0));
    let (Some(sizes), Some(demand)) = (ends(replicas), ends(cores)) else {
        return Err("there are no samples".to_owned());
    };
    let (from, to) = (sizes.0.max(demand.0), sizes.1.min(demand.1));
    if from >= to {
        return Err("the recorded sizes and the recorded CPU have no time in common".to_owned());
    }
    let mut instants = Vec::new();
    let mut at = from;
    while at <= to {
        let size = trunc_i32(held(replicas, at) + 0.5).max(0);
        let usage = held(cores, at.saturating_sub(AGE_NS).max(from));
        instants.push(instant(at - from, size, usage, requests));
        at += period_ns;
    }
    Ok(Day { name: name.to_owned(), instants })
}

/// The last value at or before an instant.
fn held(points: &Points, at: i64) -> f64 {
    let after = points.partition_point(|point| point.0 <= at);
    points[after.saturating_sub(1)].1
}

fn instant(since: i64, size: i32, cores: f64, requests: &[(String, Amounts)]) -> Instant {
    // The clock begins an hour in, so that pods of the beginning are long ready.
    const BEGIN_NS: i64 = 3_600_000_000_000;
    let now = BEGIN_NS + since;
    let count = usize::try_from(size).unwrap_or(0);
    let share = round_i64(cores.max(0.0) * 1e3 / f64_from_usize(count.max(1)));
    let pod = |at: usize| Pod {
        name: format!("pod-{at}"),
        phase: PodPhase::Running,
        ready: Some((ConditionStatus::True, 0)),
        start_ns: Some(0),
        deleting: false,
        requests: requests.to_vec(),
    };
    let usage = |at: usize| Usage {
        pod: format!("pod-{at}"),
        at_ns: now - AGE_NS,
        window_ns: WINDOW_NS,
        containers: requests
            .iter()
            .enumerate()
            .map(|(position, (name, _))| {
                let cpu = if position == 0 { share } else { 0 };
                (name.clone(), Amounts { cpu_milli: Some(cpu), memory_milli: None })
            })
            .collect(),
    };
    Instant {
        at_ns: now,
        replicas: size,
        status_replicas: size,
        pods: (0..count).map(pod).collect(),
        usage: (0..count).map(usage).collect(),
    }
}
