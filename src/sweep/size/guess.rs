//! The first guess, in closed form.
//!
//! Pods by the utilisation law: so many that what they do at the worst minute is the share of their
//! requests which the autoscaler aims at, or the share of their GPUs or places at which queues stay
//! short. Requests by what a pod uses at that minute; memory by what it holds, with a margin. What a
//! run says of that guess is the search's business.

use super::figures::{Amount, Field, Figure, Figures, now};
use super::parts::{Part, bytes_of, cores_of, count_of};
use super::trial::PartUse;
use crate::scenario::Scenario;
use crate::units::convert::{ceil_u64, f64_from_i64, round_i64};
use crate::units::{Bytes, MilliCpu};

/// How boldly figures are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Boldness {
    /// Share of a GPU, or of a pod without autoscaler, that may be busy at the worst minute.
    pub busy: f64,
    /// Memory requested over memory held.
    pub memory: f64,
    /// CPU target of autoscalers; `None` keeps what is written.
    pub cpu_target: Option<f64>,
    /// Room above the most pods that are wanted, in the maximum.
    pub room: f64,
}

impl Boldness {
    /// What is recommended: targets as written, 15 % above the memory held, 10 % of room.
    pub const RECOMMENDED: Self = Self { busy: 0.85, memory: 1.15, cpu_target: None, room: 1.1 };
    /// As little as holds: targets of 85 %, 5 % above the memory held, no room.
    pub const CHEAPEST: Self = Self { busy: 0.95, memory: 1.05, cpu_target: Some(0.85), room: 1.0 };
}

/// Figures with the arithmetic behind each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reasoned {
    /// The figures.
    pub figures: Figures,
    /// Why, by figure.
    pub reasons: std::collections::BTreeMap<Figure, String>,
}

impl Reasoned {
    /// Sets a figure with its reason.
    pub fn set(&mut self, figure: Figure, amount: Amount, because: String) {
        self.reasons.insert(figure.clone(), because);
        self.figures.set(figure, amount);
    }
}

/// A limit is at most so many times the request: what lies above is not reserved on any node.
const BURST_MOST: f64 = 10.0;
/// No request below (millicores).
const CPU_LEAST: i64 = 50;
/// No memory request below.
const MEMORY_LEAST: i64 = 32 << 20;

/// The figures of one part for what it used when nothing held it back.
pub fn guess(
    scenario: &Scenario,
    part: &Part,
    used: &PartUse,
    bold: Boldness,
    into: &mut Reasoned,
) {
    match &part.hpa {
        Some(_) => scaled(scenario, part, used, bold, into),
        None => fixed(scenario, part, used, bold, into),
    }
    memory(scenario, part, used, bold, into);
}

/// The least pods a part may have: two where there are two, and one more than a budget keeps.
#[must_use]
pub fn least_pods(scenario: &Scenario, part: &Part) -> i64 {
    let today = count_of(scenario, &part.least_pods()).unwrap_or(1);
    let alive = today.clamp(1, 2);
    if part.kept_by_budget > 0 { alive.max(part.kept_by_budget + 1) } else { alive }
}

/// Cores that a pod requests.
fn request(scenario: &Scenario, part: &Part) -> Option<f64> {
    let own = cores_of(scenario, &part.container, Field::CpuRequest)?;
    Some(own + part.beside.0.as_cores())
}

fn whole(count: f64) -> i64 {
    i64::try_from(ceil_u64((count - 1e-9).max(0.0))).unwrap_or(i64::MAX)
}

/// A workload with an autoscaler.
fn scaled(scenario: &Scenario, part: &Part, used: &PartUse, bold: Boldness, into: &mut Reasoned) {
    let Some(scaling) = &part.hpa else { return };
    let floor = least_pods(scenario, part);
    let min_figure = scaling.owner.figure(Field::MinReplicas);
    let max_figure = scaling.owner.figure(Field::MaxReplicas);
    let mut min = count_of(scenario, &min_figure).unwrap_or(1).max(floor);
    if part.has_gpu {
        let wanted = whole(used.busy_gpus / bold.busy).max(floor);
        let because = format!(
            "{:.2} GPUs busy at the worst minute ÷ {:.0}% = {:.2} pods",
            used.busy_gpus,
            bold.busy * 100.0,
            used.busy_gpus / bold.busy
        );
        into.set(min_figure.clone(), Amount::Count(wanted), because);
        min = wanted;
    } else if min != count_of(scenario, &min_figure).unwrap_or(1) {
        let because = format!("a budget keeps {} of its pods", part.kept_by_budget);
        into.set(min_figure, Amount::Count(min), because);
    }
    let (Some(target), Some(mut pod)) = (scaling.cpu_target, request(scenario, part)) else {
        return;
    };
    let target = bold.cpu_target.map_or(target, |bold| bold.max(target));
    if bold.cpu_target.is_some_and(|bold| bold > scaling.cpu_target.unwrap_or(1.0) + 1e-9) {
        let because = format!("{:.0}% of the request may be used before pods come", target * 100.0);
        let percent = Amount::Percent(round_i64(target * 100.0));
        into.set(scaling.owner.figure(Field::CpuTarget), percent, because);
    }
    let at_minimum = used.cores / (f64_from_i64(min) * target);
    if at_minimum < pod * 0.9 {
        let because = format!(
            "{:.2} cores at the worst minute ÷ ({min} pods × {:.0}%) = {:.0}m",
            used.cores,
            target * 100.0,
            at_minimum * 1000.0
        );
        pod = smaller_request(scenario, part, used, at_minimum, because, into).unwrap_or(pod);
    }
    let pods = used.cores / (pod * target);
    let today = count_of(scenario, &max_figure).unwrap_or(0);
    let wanted = whole(f64_from_i64(whole(pods).max(min)) * bold.room);
    if wanted > today {
        let because = format!(
            "{:.2} cores at the worst minute ÷ ({:.0}m × {:.0}%) = {:.1} pods, and {:.0}% of room",
            used.cores,
            pod * 1000.0,
            target * 100.0,
            pods,
            (bold.room - 1.0) * 100.0
        );
        into.set(max_figure, Amount::Count(wanted), because);
    }
}

/// A workload whose number of pods is written.
fn fixed(scenario: &Scenario, part: &Part, used: &PartUse, bold: Boldness, into: &mut Reasoned) {
    let figure = part.least_pods();
    let mut pods = count_of(scenario, &figure).unwrap_or(1);
    let limit = cores_of(scenario, &part.container, Field::CpuLimit);
    if !part.stateful {
        let cores = part.cores(limit);
        let by_cpu = cores.map_or(0.0, |cores| used.cores / (cores * bold.busy));
        let by_gpu = used.busy_gpus / bold.busy;
        let wanted = whole(by_cpu.max(by_gpu)).max(least_pods(scenario, part));
        if wanted != pods && (cores.is_some() || part.has_gpu) {
            let because = if by_gpu > by_cpu {
                format!("{:.2} GPUs busy ÷ {:.0}%", used.busy_gpus, bold.busy * 100.0)
            } else {
                format!(
                    "{:.2} cores at the worst minute ÷ ({:.2} a pod × {:.0}%) = {by_cpu:.2} pods",
                    used.cores,
                    cores.unwrap_or(0.0),
                    bold.busy * 100.0
                )
            };
            into.set(figure, Amount::Count(wanted), because);
            pods = wanted;
        }
    }
    let Some(pod) = request(scenario, part) else { return };
    let share = bold.cpu_target.unwrap_or(0.7);
    let one = used.cores_of_pod.max(used.cores / f64_from_i64(pods.max(1)));
    if one / share < pod * 0.9 {
        let because = format!("{one:.2} cores a pod at the worst minute ÷ {:.0}%", share * 100.0);
        smaller_request(scenario, part, used, one / share, because, into);
    }
}

/// Lowers the request of the container that serves; the cores of the pod then, or nothing when that
/// would not be lower.
fn smaller_request(
    scenario: &Scenario,
    part: &Part,
    used: &PartUse,
    pod: f64,
    because: String,
    into: &mut Reasoned,
) -> Option<f64> {
    let figure = part.container.figure(Field::CpuRequest);
    let today = cores_of(scenario, &part.container, Field::CpuRequest)?;
    let limit = cores_of(scenario, &part.container, Field::CpuLimit);
    let held = limit.unwrap_or(today) / BURST_MOST;
    let start = scenario.processes.services.get(&part.station);
    let start = start.map_or(0.0, |start| start.start_cpu.as_cores().min(today));
    let own = pod - part.beside.0.as_cores();
    let (wanted, because) = if own < held {
        (held, format!("{because}; not below a tenth of its limit"))
    } else {
        (own, because)
    };
    let wanted = wanted.max(start).max(used.cores_of_pod.min(today));
    let milli = stepped_cpu(wanted);
    (milli < round_i64(today * 1000.0)).then(|| {
        into.set(figure, Amount::Cpu(MilliCpu(milli)), because);
        f64_from_i64(milli) / 1000.0 + part.beside.0.as_cores()
    })
}

fn memory(scenario: &Scenario, part: &Part, used: &PartUse, bold: Boldness, into: &mut Reasoned) {
    let Some(today) = bytes_of(scenario, &part.container, Field::MemoryRequest) else { return };
    let held = (used.memory_of_pod - part.beside.1.as_f64() * 0.5).max(0.0);
    let target = part.hpa.as_ref().and_then(|scaling| scaling.memory_target);
    let margin = target.map_or(bold.memory, |target| bold.memory.max(1.0 / target * 1.02));
    let wanted = stepped_memory(held * margin);
    let because = match target {
        Some(target) => format!(
            "a pod holds {} at most, below {:.0}% of the request",
            mebibytes(held),
            target * 100.0
        ),
        None => format!("a pod holds {} at most × {margin:.2}", mebibytes(held)),
    };
    let request = f64_from_i64(wanted);
    if request < today * 0.9 || request > today {
        let figure = part.container.figure(Field::MemoryRequest);
        into.set(figure, Amount::Memory(Bytes(wanted)), because.clone());
    }
    let limit = bytes_of(scenario, &part.container, Field::MemoryLimit);
    if limit.is_some_and(|limit| limit < held * bold.memory || limit < request.min(held * 2.0)) {
        let wanted = stepped_memory(held * margin.max(1.25));
        let figure = part.container.figure(Field::MemoryLimit);
        into.set(figure, Amount::Memory(Bytes(wanted)), because);
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0}Mi", bytes / 1_048_576.0)
}

/// Cores up to a figure that people write (millicores).
#[must_use]
pub fn stepped_cpu(cores: f64) -> i64 {
    let milli = i64::try_from(ceil_u64((cores * 1000.0 - 1e-6).max(0.0))).unwrap_or(i64::MAX);
    let step = cpu_step(milli);
    (milli.max(CPU_LEAST) + step - 1) / step * step
}

/// One step of a CPU figure (millicores).
#[must_use]
pub fn cpu_step(milli: i64) -> i64 {
    match milli {
        ..=500 => 50,
        501..=2000 => 100,
        _ => 250,
    }
}

/// Memory up to a figure that people write (bytes).
#[must_use]
pub fn stepped_memory(bytes: f64) -> i64 {
    let bytes = i64::try_from(ceil_u64(bytes.max(0.0))).unwrap_or(i64::MAX).max(MEMORY_LEAST);
    let step = match bytes >> 20 {
        ..=511 => 32 << 20,
        512..=2047 => 64 << 20,
        _ => 256 << 20,
    };
    (bytes + step - 1) / step * step
}

/// A budget that would let no pod go at the least size of its workload lets one go.
pub fn budgets(scenario: &Scenario, part: &Part, into: &mut Reasoned) {
    let least = into.figures.amount(scenario, &part.least_pods());
    let Some(least) = least.and_then(|amount| amount.number()) else { return };
    for budget in &part.budgets {
        let figure = budget.figure(Field::MinAvailable);
        let Some(kept) = now(scenario, &figure).and_then(|amount| amount.number()) else {
            continue;
        };
        if kept >= least {
            let because = format!("lets one of {least} pods go when nodes are drained");
            into.set(figure, Amount::Count((least - 1).max(0)), because);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_up_to_what_people_write() {
        for (cores, milli) in [(0.0, 50), (0.05, 50), (0.051, 100), (0.51, 600), (2.01, 2250)] {
            assert_eq!(stepped_cpu(cores), milli, "{cores}");
        }
        for (mebi, expected) in [(1.0, 32), (33.0, 64), (513.0, 576), (2049.0, 2304)] {
            assert_eq!(stepped_memory(mebi * 1_048_576.0) >> 20, expected, "{mebi}");
        }
    }
}
