//! A scenario's day beside what was recorded of it, as it is written and under other policies.

use std::path::{Path, PathBuf};

use crate::backtest::aligned::along;
use crate::backtest::{Backtest, Course, Outcome, Total, divergences};
use crate::cli::bench::variants::{Variants, policies};
use crate::cli::files::to_stderr;
use crate::cli::terminal::Color;
use crate::cli::{Exit, say_error};
use crate::model::id::HpaId;
use crate::model::record::HpaSync;
use crate::report::columns::{Column, Courses};
use crate::report::{Told, assemble};
use crate::scenario::Scenario;
use crate::sweep::{Figures, Measure, RunResult, SweepOptions, evaluate};
use crate::trace::Keep;
use crate::units::SimTime;

use super::Days;
use super::args::BacktestArgs;
use super::record::{Record, Recorded, Table, record};

/// Figures of the whole day that are told.
const TOTALS: [(Measure, &str, f64); 6] = [
    (Measure::P95, "ms", 1.0),
    (Measure::P99, "ms", 1.0),
    (Measure::Failed, "%", 100.0),
    (Measure::PodHours, "h", 1.0),
    (Measure::NodeHours, "h", 1.0),
    (Measure::CostPerMonth, "money", 1.0),
];

/// A run of the day.
struct Played<'s> {
    policy: &'s str,
    scenario: &'s Scenario,
    result: RunResult,
    courses: Courses,
}

/// Runs the day under each policy and holds it against the record.
pub(super) fn day(path: &Path, args: &BacktestArgs, color: Color) -> Result<Days, Exit> {
    if args.recorded.is_empty() {
        to_stderr(
            "error: nothing recorded is named to hold the scenario against\n\
             hint: --recorded replicas/gateway=replicas.json, or a folder that `run -o csv=DIR` wrote",
        );
        return Err(Exit::Usage);
    }
    let max_gap_s = args.max_gap.as_secs_f64();
    let record = record(&args.recorded, max_gap_s, args.starts.as_deref())?;
    let policies = policies(&args.policy, color)?;
    let mut options = args.inputs.load_options(args.seed, color)?;
    options.load.clone_from(&args.load);
    let mut variants = Variants::new(&[PathBuf::from(path)], &options, (args.fluid, false), color)?;
    for policy in &policies {
        variants.add(policy);
    }
    let mut played = Vec::new();
    for (policy, scenarios) in variants.names.iter().zip(&variants.scenarios) {
        match scenarios.first() {
            Some(Ok(scenario)) => played.push(play(policy, scenario, args.seed)?),
            Some(Err(reason)) => {
                to_stderr(&format!("error: {policy} does not run here: {reason}"));
                return Err(Exit::Usage);
            }
            None => {}
        }
    }
    let name = variants.titles.first().cloned().unwrap_or_default();
    let compared = compared(&name, &record, &played, args)?;
    Ok((vec![compared], variants.inputs()))
}

fn play<'s>(
    policy: &'s str,
    scenario: &'s Scenario,
    seed: Option<u64>,
) -> Result<Played<'s>, Exit> {
    let options = SweepOptions {
        keep: Keep::Everything,
        ..SweepOptions::single(seed.unwrap_or(scenario.seed))
    };
    let results = evaluate(scenario, options, &|_| {}).map_err(|error| {
        say_error(&error);
        Exit::Usage
    })?;
    let courses = assemble(scenario, options.seed, &results, false, Told::default()).courses;
    let result = results.into_iter().next().expect("one run was asked for");
    Ok(Played { policy, scenario, result, courses })
}

fn compared(
    name: &str,
    record: &Record,
    played: &[Played<'_>],
    args: &BacktestArgs,
) -> Result<Backtest, Exit> {
    let mut problems = Vec::new();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for own in played {
        let mut outcome = Outcome { policy: own.policy.to_owned(), ..Outcome::default() };
        for recorded in wanted(record, own) {
            match course(recorded, &own.courses, args.max_gap.as_secs_f64()) {
                Ok(course) => outcome.courses.push(course),
                Err(problem) => problems.push(problem),
            }
        }
        outcome.totals = totals(record, own, &outcome.courses);
        for (course, recorded) in outcome.courses.iter().zip(wanted(record, own)) {
            if matches!(recorded.metric.key, "replicas" | "nodes") {
                let base = outcomes.first().zip(played.first());
                let (found, healed) = told(recorded, course, own, base, args.grace.as_secs_f64());
                outcome.divergences.extend(found);
                outcome.healed += healed;
            }
        }
        outcome.divergences.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        outcomes.push(outcome);
        if !problems.is_empty() {
            break;
        }
    }
    problems.dedup();
    for problem in &problems {
        to_stderr(&format!("error: {problem}"));
    }
    if !problems.is_empty() {
        return Err(Exit::Usage);
    }
    let begin = played.first().map_or(SimTime::ZERO, |it| it.result.history.clock().measured_from);
    Ok(Backtest { name: name.to_owned(), begin, outcomes, notes: notes(args) })
}

fn notes(args: &BacktestArgs) -> Vec<String> {
    vec![
        format!(
            "recorded values hold until the next one, for {} at most; where there is none the instant is left out",
            args.max_gap
        ),
        "durations are those of the calls that ended since the instant before; a rate window of the recording is not undone"
            .to_owned(),
        "the cost of recorded nodes is that of the scenario's prices, unless it was recorded".to_owned(),
    ]
}

/// What of the record is compared: all of it, or where a run wrote it what moves or is scaled.
fn wanted<'r>(record: &'r Record, own: &Played<'_>) -> Vec<&'r Recorded> {
    let scaled = |name: &str| {
        own.scenario.hpas.iter().any(|hpa| {
            own.scenario.workloads.get(hpa.target.index()).is_some_and(|it| it.to_string() == name)
        })
    };
    let moves = |recorded: &Recorded| {
        recorded.points.windows(2).any(|pair| (pair[0].1 - pair[1].1).abs() > 1e-9)
    };
    let told = |recorded: &&Recorded| match recorded.metric.table {
        Table::Workloads if record.everything => scaled(&recorded.name) || moves(recorded),
        Table::Workloads | Table::Load | Table::Latency | Table::Pools => true,
    };
    record.metrics.iter().filter(told).collect()
}

fn course(recorded: &Recorded, courses: &Courses, max_gap_s: f64) -> Result<Course, String> {
    let (metric, name) = (recorded.metric, &recorded.name);
    let simulated = simulated(recorded, courses)?;
    let what = match (metric.table, name.as_str()) {
        (_, "") => metric.key.to_owned(),
        (Table::Latency, "all") => metric.key.to_owned(),
        (_, name) => format!("{}/{}", metric.key, name.rsplit('/').next().unwrap_or(name)),
    };
    Ok(Course {
        what,
        unit: metric.unit,
        steps: metric.steps,
        recorded: along(&recorded.points, &courses.times_s, max_gap_s),
        simulated: simulated.iter().map(|value| value.map(|it| it * metric.own_scale)).collect(),
        times_s: courses.times_s.clone(),
    })
}

fn simulated(recorded: &Recorded, courses: &Courses) -> Result<Vec<Option<f64>>, String> {
    let (metric, name) = (recorded.metric, recorded.name.as_str());
    let of = |columns: &[Column], wanted: &str| {
        columns.iter().find(|column| column.name == wanted).map(|column| column.values.clone())
    };
    let things = match metric.table {
        Table::Load if metric.column == "failed_share" => {
            let failed = of(&courses.load, "failed_per_second").unwrap_or_default();
            let completed = of(&courses.load, "completed_per_second").unwrap_or_default();
            let share = |(failed, completed): (&Option<f64>, &Option<f64>)| {
                let (failed, completed) = ((*failed)?, (*completed)?);
                (failed + completed > 0.0).then(|| failed / (failed + completed))
            };
            return Ok(failed.iter().zip(&completed).map(share).collect());
        }
        Table::Load => return Ok(of(&courses.load, metric.column).unwrap_or_default()),
        Table::Latency => &courses.latency,
        Table::Workloads => &courses.workloads,
        Table::Pools => &courses.pools,
    };
    let name = if metric.table == Table::Latency && name.is_empty() { "all" } else { name };
    let is_it = |own: &str| own == name || own.rsplit('/').next() == Some(name);
    let found: Vec<_> = things.iter().filter(|it| name.is_empty() || is_it(&it.name)).collect();
    if found.is_empty() {
        let known: Vec<&str> = things.iter().map(|thing| &*thing.name).collect();
        let known = known.join(", ");
        return Err(format!(
            "--recorded {}/{name}: the scenario has no `{name}`, but {known}",
            metric.key
        ));
    }
    let columns: Vec<&[Option<f64>]> =
        found.iter().filter_map(|thing| thing.column(metric.column)).collect();
    let sum = |instant: usize| {
        columns.iter().map(|values| values.get(instant).copied().flatten()).sum::<Option<f64>>()
    };
    Ok((0..courses.times_s.len()).map(sum).collect())
}

/// Whole-day figures: those of the run, with what was recorded or follows from it.
fn totals(record: &Record, own: &Played<'_>, courses: &[Course]) -> Vec<Total> {
    let figures = Figures::of(own.scenario, &own.result, false);
    let mut totals: Vec<Total> = TOTALS
        .into_iter()
        .map(|(measure, unit, scale)| {
            let stated = record.totals.iter().rev().find(|(it, _)| *it == measure);
            Total {
                what: measure.name().to_owned(),
                unit,
                recorded: stated.map(|(_, value)| value * scale),
                simulated: figures.get(measure).map(|value| value * scale),
            }
        })
        .collect();
    for course in courses {
        let (recorded, simulated) = course.hours();
        let told = |what: String, unit, recorded| Total {
            what,
            unit,
            recorded: Some(recorded),
            simulated: Some(simulated),
        };
        match course.what.split('/').next().unwrap_or_default() {
            "replicas" | "nodes" => {
                totals.push(told(format!("{} over time", course.what), "h", recorded));
            }
            "cost_per_hour" => {
                totals.push(told(format!("cost of {}", pool(course)), "money", recorded))
            }
            _ => {}
        }
        let prices = (course.what.starts_with("nodes") && !priced(courses, course))
            .then(|| own.courses.pools.iter().find(|it| it.name == pool(course)))
            .flatten();
        let rate = prices.and_then(|it| price(&it.columns));
        if let Some(rate) = rate {
            let mut cost = told(format!("cost of {}", pool(course)), "money", recorded * rate);
            cost.simulated = Some(simulated * rate);
            totals.push(cost);
        }
    }
    totals.extend(failed(courses));
    totals
}

fn pool(course: &Course) -> &str {
    course.what.split_once('/').map_or("all nodes", |(_, name)| name)
}

/// Whether the cost of the same nodes was recorded.
fn priced(courses: &[Course], nodes: &Course) -> bool {
    let mut costs = courses.iter().filter(|it| it.what.starts_with("cost_per_hour"));
    costs.any(|it| pool(it) == pool(nodes))
}

/// What a node of a pool costs an hour, over the run.
fn price(columns: &[Column]) -> Option<f64> {
    let total = |name: &str| -> Option<f64> {
        let column = columns.iter().find(|column| column.name == name)?;
        Some(column.values.iter().flatten().sum())
    };
    let (nodes, cost) = (total("nodes")?, total("cost_per_hour")?);
    (nodes > 0.0 && cost > 0.0).then(|| cost / nodes)
}

/// The share of failed calls over the whole day, where both rates were recorded.
fn failed(courses: &[Course]) -> Option<Total> {
    let of = |what: &str| courses.iter().find(|course| course.what == what).map(Course::hours);
    let (failed, answered) = (of("failed_per_second")?, of("rate")?);
    let share = |failed: f64, answered: f64| {
        (failed + answered > 0.0).then(|| 100.0 * failed / (failed + answered))
    };
    Some(Total {
        what: "failed, from rates".to_owned(),
        unit: "%",
        recorded: share(failed.0, answered.0),
        simulated: share(failed.1, answered.1),
    })
}

/// Decisions of a size that differ, with the syncs behind them.
fn told(
    recorded: &Recorded,
    course: &Course,
    own: &Played<'_>,
    base: Option<(&Outcome, &Played<'_>)>,
    grace_s: f64,
) -> (Vec<crate::backtest::Divergence>, usize) {
    let same = |base: &Outcome, at: usize| {
        let it = base.courses.iter().find(|it| it.what == course.what)?;
        let (recorded, simulated) =
            (it.recorded.get(at)?.as_ref()?, it.simulated.get(at)?.as_ref()?);
        ((recorded - simulated).abs() < 0.5).then_some(())
    };
    let decisions = |at: usize| {
        let ours = sync_before(own, &recorded.name, &course.times_s, at);
        let theirs = base.and_then(|(outcome, played)| {
            same(outcome, at)?;
            sync_before(played, &recorded.name, &course.times_s, at)
        });
        (ours, theirs)
    };
    let (mut found, healed) = divergences(course, grace_s, &decisions);
    if recorded.metric.key == "nodes" {
        for divergence in &mut found {
            divergence.cause = node_cause(own, divergence.at_s);
        }
    }
    (found, healed)
}

/// The sync that made the size at an instant: the last one that wrote a size since the instant before, else the last one.
fn sync_before(own: &Played<'_>, name: &str, times_s: &[f64], at: usize) -> Option<HpaSync> {
    let scenario = own.scenario;
    let position = scenario.hpas.iter().position(|hpa| {
        let target = scenario.workloads.get(hpa.target.index()).map(ToString::to_string);
        target.is_some_and(|it| it == name || it.rsplit('/').next() == Some(name))
    })?;
    let clock = own.result.history.clock();
    let seconds = |instant: SimTime| clock.offset(instant).as_secs_f64();
    let until = *times_s.get(at)?;
    let from = at.checked_sub(1).and_then(|before| times_s.get(before)).copied().unwrap_or(-1.0);
    let mut last = None;
    let mut wrote = None;
    for (entry, sync) in own.result.history.all_syncs(HpaId::at(position)) {
        if seconds(entry.first) > until {
            break;
        }
        last = Some(sync);
        if sync.rescaled && seconds(entry.first) > from {
            wrote = Some(sync);
        }
    }
    wrote.or(last).cloned()
}

/// What the autoscaler of nodes last decided before an instant, or that nothing did.
fn node_cause(own: &Played<'_>, at_s: f64) -> String {
    use crate::model::record::Decider;
    use crate::trace::tell;
    let history = &own.result.history;
    let clock = history.clock();
    let mut last = None;
    for entry in history.entries() {
        if clock.offset(entry.first).as_secs_f64() > at_s {
            break;
        }
        if let Some((Decider::ClusterAutoscaler, reason)) = entry.decision() {
            last = Some((entry.last, reason));
        }
    }
    last.map_or_else(
        || "the simulated autoscaler of nodes has decided nothing so far".to_owned(),
        |(at, reason)| {
            let told = tell::reason(history.names(), clock, reason);
            format!(
                "the simulated autoscaler of nodes last decided at {}: {told}",
                clock.offset(at)
            )
        },
    )
}
