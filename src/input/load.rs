//! `load`: k6's scenarios and shortcuts, verbatim, and our own executors.

use super::codes;
use super::decode::{Fields, Value, nearest};
use super::{hospital_day, replay};
use crate::load::draft::{Bursts, Diurnal, Level, LevelSource, OpenVus, RateStage, Spike, VuStage};
use crate::load::mix::Mix;
use crate::load::{Executor, LoadDraft, LoadSpec, Rate, Spacing};
use crate::model::id::ClassId;
use crate::service::ServiceGraph;
use crate::units::SimDuration;

/// What an entry may refer to.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'g> {
    /// Classes by name; `None` when the services were wrong, so that names cannot be judged.
    pub(super) services: Option<&'g ServiceGraph>,
    /// The measured time, which our executors fill by default.
    pub(super) duration: SimDuration,
    /// Time of day at the start of measuring.
    pub(super) time_of_day: SimDuration,
    /// Day of the week then, counted from Monday; `None` when the scenario states no start.
    pub(super) weekday: Option<usize>,
}

const EXECUTORS: [&str; 11] = [
    "constant-arrival-rate",
    "ramping-arrival-rate",
    "constant-vus",
    "ramping-vus",
    "shared-iterations",
    "per-vu-iterations",
    "diurnal",
    "spike",
    "step",
    "replay",
    "hospital-day",
];

/// All loads of a scenario.
pub(super) fn loads(value: &Value<'_>, around: Surroundings<'_>) -> Option<Vec<LoadSpec>> {
    let fields = value.fields()?;
    // k6 refuses `scenarios` beside a shortcut, and two shortcuts.
    let kind = fields.at_most_one(&["scenarios", "stages", "iterations", "duration"]);
    let Some(kind) = kind else {
        fields.ignore(&["vus", "exec", "mix"]);
        fields.finish("load");
        return None;
    };
    match kind {
        Some(("scenarios", scenarios)) => {
            fields.finish("load; the fields of one load belong into `scenarios.NAME`");
            let entries = scenarios.entries()?;
            if entries.is_empty() {
                let message = "must have at least one load";
                scenarios.report(scenarios.error(codes::INVALID_VALUE, message));
                return None;
            }
            let read: Vec<_> =
                entries.iter().map(|(name, entry)| entry_of(name.text, entry, around)).collect();
            read.into_iter().collect()
        }
        Some((shortcut, body)) => {
            let executor = shortcut_executor(&fields, shortcut, &body);
            let mix = mix(&fields, around);
            fields.finish("load");
            let draft = LoadDraft::new("default", mix?, executor?);
            accept(value, draft).map(|load| vec![load])
        }
        None => {
            let error =
                value.error(codes::MISSING_FIELD, "needs `scenarios`, or one of k6's shortcuts");
            value.report(error.note("shortcuts: stages; vus and duration; vus and iterations"));
            fields.ignore(&["vus", "exec", "mix"]);
            fields.finish("load");
            None
        }
    }
}

fn shortcut_executor(fields: &Fields<'_>, shortcut: &str, body: &Value<'_>) -> Option<Executor> {
    let vus = fields.read_or("vus", 1, count);
    match shortcut {
        "stages" => Some(Executor::RampingVus {
            start_vus: vus?,
            stages: body.list(vu_stage)?,
            graceful_ramp_down: LoadDraft::GRACEFUL_STOP,
        }),
        "iterations" => Some(Executor::SharedIterations {
            vus: vus?,
            iterations: body.integer(1..=u64::from(u32::MAX))?,
            max_duration: LoadDraft::MAX_DURATION,
        }),
        _ => Some(Executor::ConstantVus { vus: vus?, duration: body.k6_duration()? }),
    }
}

fn entry_of(name: &str, value: &Value<'_>, around: Surroundings<'_>) -> Option<LoadSpec> {
    let fields = value.fields()?;
    let executor_value = fields.required("executor");
    let executor_name = executor_value.as_ref().and_then(executor_name);
    let mix = mix(&fields, around);
    let start_time = fields.read_or("startTime", SimDuration::ZERO, Value::k6_duration);
    let graceful_stop =
        fields.read_or("gracefulStop", LoadDraft::GRACEFUL_STOP, Value::k6_duration);
    let stated = fields.read("arrivals", spacing);
    let usual = match executor_name {
        Some("hospital-day") => Spacing::Bursty(hospital_day::SPACING),
        Some(_) | None => Spacing::default(),
    };
    let spacing = stated.map(|stated| stated.unwrap_or(usual));
    fields.ignore(&["env", "tags", "options"]);
    let Some(executor_name) = executor_name else {
        // Which fields belong here is not known without the executor.
        return None;
    };
    let begin = start_time.unwrap_or_default();
    let executor = executor(&fields, executor_name, begin, around);
    fields.finish(&format!("a load with the executor `{executor_name}`"));
    let draft = LoadDraft {
        name: name.to_owned(),
        mix: mix?,
        start_time: start_time?,
        graceful_stop: graceful_stop?,
        spacing: spacing?,
        executor: executor?,
    };
    accept(value, draft)
}

/// `poisson`, `uniform`, or `{mmpp: {indexOfDispersion: 5}}`.
fn spacing(value: &Value<'_>) -> Option<Spacing> {
    if value.node().mapping().is_none() {
        let words = [("poisson", Spacing::Poisson), ("uniform", Spacing::Uniform)];
        return value.word(&words);
    }
    let fields = value.fields()?;
    let bursts = fields.required("mmpp").and_then(|mmpp| {
        let fields = mmpp.fields()?;
        let index = fields
            .required("indexOfDispersion")
            .and_then(|index| index.number(1.000_001..=1_000_000.0));
        let swing = fields.read_or("swing", 0.8, |value| value.number(0.01..=1.0));
        fields.finish("a bursty load");
        Some(Bursts { index_of_dispersion: index?, swing: swing? })
    });
    fields.finish("the arrivals of a load");
    bursts.map(Spacing::Bursty)
}

/// Checks a draft; what is wrong is reported at the field it names.
fn accept(value: &Value<'_>, draft: LoadDraft) -> Option<LoadSpec> {
    match LoadSpec::new(draft) {
        Ok(load) => Some(load),
        Err(errors) => {
            for error in errors {
                let place = value.descend(&error.field);
                let subject = if place.path() == value.path() {
                    format!("{} ", error.field)
                } else {
                    String::new()
                };
                value.report(
                    place.error(codes::INVALID_LOAD, &format!("{subject}{}", error.problem)),
                );
            }
            None
        }
    }
}

fn executor_name(value: &Value<'_>) -> Option<&'static str> {
    let name = value.non_empty()?;
    let found = EXECUTORS.iter().find(|known| **known == name);
    if found.is_none() {
        let mut error =
            value.error(codes::UNKNOWN_EXECUTOR, &format!("is `{name}`, which is no executor"));
        if name == "externally-controlled" {
            error = error.note("k6 removed this executor in version 2");
        }
        if let Some(near) = nearest(name, EXECUTORS) {
            error = error.replace("a similar executor exists", value.span(), near);
        }
        value.report(error.note(format!("executors: {}", EXECUTORS.join(", "))));
    }
    found.copied()
}

/// `exec: CLASS` or `mix: {CLASS: WEIGHT}`; k6's default is the class `default`, which a single
/// class stands in for.
fn mix(fields: &Fields<'_>, around: Surroundings<'_>) -> Option<Mix> {
    let chosen = fields.at_most_one(&["exec", "mix"])?;
    let services = around.services?;
    match chosen {
        Some(("exec", value)) => class(&value, value.non_empty()?, services).map(Mix::only),
        Some((_, value)) => {
            let mut weighted = Vec::new();
            let mut complete = true;
            for (name, weight) in value.entries()? {
                let class = class(&weight, name.text, services);
                match (class, weight.number(0.0..=f64::MAX)) {
                    (Some(class), Some(weight)) => weighted.push((class, weight)),
                    _ => complete = false,
                }
            }
            if !complete {
                return None;
            }
            let mix = Mix::weighted(&weighted);
            mix.map_err(|error| value.report(value.error(codes::INVALID_LOAD, &error.to_string())))
                .ok()
        }
        None => {
            let default = services.class_named("default");
            let only = (services.classes.len() == 1).then_some(ClassId(0));
            let class = default.or(only);
            if class.is_none() {
                fields.report_missing("exec");
            }
            class.map(Mix::only)
        }
    }
}

fn class(value: &Value<'_>, name: &str, services: &ServiceGraph) -> Option<ClassId> {
    let found = services.class_named(name);
    if found.is_none() {
        let known = services.classes.iter().map(|class| &*class.name);
        value.report(value.unknown_reference(name, "class", known));
    }
    found
}

fn executor(
    fields: &Fields<'_>,
    name: &str,
    begin: SimDuration,
    around: Surroundings<'_>,
) -> Option<Executor> {
    match name {
        "constant-arrival-rate" => constant_arrival_rate(fields),
        "ramping-arrival-rate" => ramping_arrival_rate(fields),
        "constant-vus" => {
            let vus = fields.read_or("vus", 1, count);
            let duration = fields.required("duration").and_then(|value| value.k6_duration());
            Some(Executor::ConstantVus { vus: vus?, duration: duration? })
        }
        "ramping-vus" => {
            let start_vus = fields.read_or("startVUs", 1, count);
            let stages = fields.required("stages").and_then(|value| value.list(vu_stage));
            let graceful_ramp_down =
                fields.read_or("gracefulRampDown", LoadDraft::GRACEFUL_STOP, Value::k6_duration);
            Some(Executor::RampingVus {
                start_vus: start_vus?,
                stages: stages?,
                graceful_ramp_down: graceful_ramp_down?,
            })
        }
        "shared-iterations" | "per-vu-iterations" => iterations(fields, name),
        "diurnal" => diurnal(fields, begin, around),
        "spike" => spike(fields, begin, around),
        "replay" => replay::replay(fields, around.duration.saturating_sub(begin)),
        "hospital-day" => hospital_day::hospital_day(fields, begin, around),
        _ => {
            let levels = fields.required("levels").and_then(|value| value.list(level));
            Some(Executor::Step { levels: levels?, source: LevelSource::Written })
        }
    }
}

fn count(value: &Value<'_>) -> Option<u32> {
    value.integer(0..=u32::MAX)
}

fn amount(value: &Value<'_>) -> Option<f64> {
    value.number(0.0..=f64::MAX)
}

fn time_unit(fields: &Fields<'_>) -> Option<SimDuration> {
    let unit = fields.optional("timeUnit");
    let Some(value) = unit else { return Some(SimDuration::from_secs(1)) };
    let unit = value.k6_duration()?;
    if unit.is_zero() {
        value.report(value.error(codes::INVALID_LOAD, "must be above zero"));
        return None;
    }
    Some(unit)
}

fn open_vus(fields: &Fields<'_>) -> Option<OpenVus> {
    let pre_allocated = fields.required("preAllocatedVUs").and_then(|value| count(&value));
    let max = fields.read("maxVUs", count);
    let pre_allocated = pre_allocated?;
    Some(OpenVus { pre_allocated, max: max?.unwrap_or(pre_allocated) })
}

fn constant_arrival_rate(fields: &Fields<'_>) -> Option<Executor> {
    let rate = fields.required("rate").and_then(|value| amount(&value));
    let unit = time_unit(fields);
    let duration = fields.required("duration").and_then(|value| value.k6_duration());
    let vus = open_vus(fields);
    Some(Executor::ConstantArrivalRate {
        rate: Rate::new(rate?, unit?),
        duration: duration?,
        vus: vus?,
    })
}

fn ramping_arrival_rate(fields: &Fields<'_>) -> Option<Executor> {
    let start = fields.read_or("startRate", 0.0, amount);
    let unit = time_unit(fields);
    let stages = fields.required("stages").and_then(|value| value.list(stage));
    let vus = open_vus(fields);
    let unit = unit?;
    let stages = stages?
        .into_iter()
        .map(|(duration, target)| RateStage { duration, target: Rate::new(target, unit) });
    Some(Executor::RampingArrivalRate {
        start_rate: Rate::new(start?, unit),
        stages: stages.collect(),
        vus: vus?,
    })
}

fn stage(value: &Value<'_>) -> Option<(SimDuration, f64)> {
    let fields = value.fields()?;
    let duration = fields.required("duration").and_then(|value| value.k6_duration());
    let target = fields.required("target").and_then(|value| amount(&value));
    fields.finish("a stage");
    Some((duration?, target?))
}

fn vu_stage(value: &Value<'_>) -> Option<VuStage> {
    let fields = value.fields()?;
    let duration = fields.required("duration").and_then(|value| value.k6_duration());
    let target = fields.required("target").and_then(|value| count(&value));
    fields.finish("a stage");
    Some(VuStage { duration: duration?, target: target? })
}

fn iterations(fields: &Fields<'_>, name: &str) -> Option<Executor> {
    let vus = fields.read_or("vus", 1, count);
    let iterations =
        fields.read_or("iterations", 1, |value| value.integer(1..=u64::from(u32::MAX)));
    let max_duration = fields.read_or("maxDuration", LoadDraft::MAX_DURATION, Value::k6_duration);
    let (vus, iterations, max_duration) = (vus?, iterations?, max_duration?);
    Some(if name == "shared-iterations" {
        Executor::SharedIterations { vus, iterations, max_duration }
    } else {
        Executor::PerVuIterations { vus, iterations, max_duration }
    })
}

fn rate(fields: &Fields<'_>, name: &'static str) -> Option<Rate> {
    fields.required(name).and_then(|value| value.rate())
}

/// How long one of our executors lasts: to the end of the measured time unless stated.
pub(super) fn span(
    fields: &Fields<'_>,
    begin: SimDuration,
    around: Surroundings<'_>,
) -> Option<SimDuration> {
    fields.read_or("duration", around.duration.saturating_sub(begin), Value::k6_duration)
}

fn diurnal(fields: &Fields<'_>, begin: SimDuration, around: Surroundings<'_>) -> Option<Executor> {
    let base = rate(fields, "base");
    let peak = rate(fields, "peak");
    let peak_at = fields.read("peakAt", Value::k6_duration);
    let profile = fields.read("profile", |value| {
        let weights = value.list(amount)?;
        let found = weights.len();
        let day: Option<[f64; 24]> = weights.try_into().ok();
        if day.is_none() {
            value.report(value.error(
                codes::INVALID_LOAD,
                &format!("has {found} weights, needs 24: one for each hour"),
            ));
        }
        day
    });
    let duration = span(fields, begin, around);
    let day = 86_400_000_000_000;
    let clock = SimDuration::from_nanos((around.time_of_day + begin).as_nanos() % day);
    Some(Executor::Diurnal(Diurnal {
        base: base?,
        peak: peak?,
        peak_at: peak_at?,
        profile: profile?,
        clock,
        duration: duration?,
    }))
}

fn spike(fields: &Fields<'_>, begin: SimDuration, around: Surroundings<'_>) -> Option<Executor> {
    let base = rate(fields, "base");
    let peak = rate(fields, "peak");
    let at = fields.required("at").and_then(|value| value.k6_duration());
    let rise = fields.read_or("rise", SimDuration::ZERO, Value::k6_duration);
    let hold = fields.required("hold").and_then(|value| value.k6_duration());
    let fall = fields.read_or("fall", SimDuration::ZERO, Value::k6_duration);
    let duration = span(fields, begin, around);
    Some(Executor::Spike(Spike {
        base: base?,
        peak: peak?,
        at: at?,
        rise: rise?,
        hold: hold?,
        fall: fall?,
        duration: duration?,
    }))
}

fn level(value: &Value<'_>) -> Option<Level> {
    let fields = value.fields()?;
    let duration = fields.required("duration").and_then(|value| value.k6_duration());
    let rate = rate(&fields, "rate");
    fields.finish("a level");
    Some(Level { duration: duration?, rate: rate? })
}
