//! Past days of an HPA again, out of what the controller saw or out of series.

use std::path::Path;

use crate::backtest::recorded::{is_loops, loops};
use crate::backtest::series::{Points, day};
use crate::backtest::{Backtest, Day, Policy, Step, compared, replay};
use crate::cli::backtest::args::BacktestArgs;
use crate::cli::files::to_stderr;
use crate::cli::recordings;
use crate::control::hpa::{Amounts, HpaConfig, HpaSpec, MetricSpec};
use crate::input::adapters::ReleaseName;
use crate::input::diagnostic::{Diagnostic, Severity};
use crate::input::kubernetes::Objects;
use crate::input::recordings::{Columns, Recording};
use crate::input::render::{Colour, render_all};
use crate::input::source::Sources;
use crate::input::values::ValueInputs;
use crate::input::{Helm, ReleaseInputs, load_objects, objects_in};
use crate::units::convert::round_i64;

/// A day with the HPA that it had.
struct Case {
    day: Day,
    spec: HpaSpec,
    config: HpaConfig,
}

/// Replays what was recorded of HPAs, under the figures they had and under others.
pub(super) fn days(args: &BacktestArgs) -> Option<Vec<Backtest>> {
    let cases = cases(args)?;
    let mut others = Vec::new();
    for path in &args.policy {
        let name =
            path.file_stem().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
        others.push((name, autoscaler(&objects(path)?, None, path)?));
    }
    Some(cases.iter().map(|case| replayed(args, case, &others)).collect())
}

fn replayed(args: &BacktestArgs, case: &Case, others: &[(String, HpaSpec)]) -> Backtest {
    let policies =
        [("as it was".to_owned(), case.spec.clone())].into_iter().chain(others.iter().cloned());
    let results: Vec<(String, Vec<Step>)> = policies
        .map(|(name, spec)| {
            let ready_after_ns = round_i64(args.ready_after * 1e9);
            let policy = Policy { name, spec, config: case.config.clone(), ready_after_ns };
            let steps = replay(&case.day, &policy);
            (policy.name, steps)
        })
        .collect();
    compared(&case.day.name, &results)
}

fn refuse<T>(message: &str) -> Option<T> {
    to_stderr(&format!("error: {message}"));
    None
}

fn cases(args: &BacktestArgs) -> Option<Vec<Case>> {
    match (&args.day, args.inputs.manifests.as_slice(), &args.replicas, &args.cpu) {
        (Some(path), [], None, None) => recorded(path),
        (None, [manifests], Some(replicas), Some(cpu)) => {
            series(args, manifests, replicas, cpu).map(|case| vec![case])
        }
        _ => refuse(
            "needs a scenario with --recorded, a recording of syncs, or all of --manifests, --replicas and --cpu\n\
             hint: aurelius-sim backtest scenario.yaml --recorded replicas/gateway=replicas.json\n\
             hint: aurelius-sim backtest -f hpa.yaml --replicas replicas.json --cpu cpu.json",
        ),
    }
}

fn recorded(path: &Path) -> Option<Vec<Case>> {
    let text = recordings::text(path)?;
    if !is_loops(&text) {
        return refuse(&format!(
            "{}: is no scenario and holds no recorded syncs\nhint: a recording is a line of JSON for each day, with `hpa` and `syncs`",
            path.display()
        ));
    }
    let loops = match loops(&text) {
        Ok(loops) => loops,
        Err(problem) => return refuse(&format!("{}: {problem}", path.display())),
    };
    let case = |recorded: crate::backtest::recorded::Loop| {
        let loaded = objects_in(&recorded.day.name, &recorded.manifest);
        let objects = well(loaded.objects, &loaded.diagnostics, &loaded.sources)?;
        let spec = autoscaler(&objects, None, path)?;
        Some(Case { spec, day: recorded.day, config: recorded.config })
    };
    loops.into_iter().map(case).collect()
}

fn series(args: &BacktestArgs, manifests: &Path, replicas: &Path, cpu: &Path) -> Option<Case> {
    let objects = objects(manifests)?;
    let spec = autoscaler(&objects, args.hpa.as_deref(), manifests)?;
    let hpa = objects
        .autoscalers
        .iter()
        .find(|hpa| args.hpa.as_ref().is_none_or(|name| *hpa.meta.name == **name))?;
    let target = &*hpa.target_name;
    let workload = objects.workloads.iter().find(|workload| *workload.meta.name == *target);
    let Some(workload) = workload else {
        return refuse(&format!(
            "{}: has no workload {target}, which the HPA scales",
            manifests.display()
        ));
    };
    let containers = &workload.template.spec.containers;
    let requests: Vec<(String, Amounts)> = containers
        .iter()
        .map(|container| {
            let cpu_milli = container.requests.cpu.map(|cpu| cpu.0);
            (container.name.to_string(), Amounts { cpu_milli, memory_milli: None })
        })
        .collect();
    let config = HpaConfig::default();
    let points = |path: &Path| -> Option<Points> {
        let recording = recordings::read(path, |_| Columns::default())?;
        Some(summed(&recording))
    };
    let made = day(target, &points(replicas)?, &points(cpu)?, &requests, config.sync_period_ns);
    match made {
        Ok(day) => Some(Case { day, spec, config }),
        Err(problem) => refuse(&problem),
    }
}

/// The sum of all series at each instant.
fn summed(recording: &Recording) -> Points {
    let mut sums = std::collections::BTreeMap::new();
    for sample in recording.series.iter().flat_map(|series| &series.samples) {
        if sample.value.is_finite() {
            *sums.entry(sample.at_ns).or_insert(0.0) += sample.value;
        }
    }
    sums.into_iter().collect()
}

fn objects(path: &Path) -> Option<Objects> {
    let inputs = ReleaseInputs {
        manifests: vec![path.to_owned()],
        chart: None,
        values: ValueInputs::default(),
        release: ReleaseName::default(),
        helm: Helm::OnPath,
    };
    let loaded = load_objects(&inputs);
    well(loaded.objects, &loaded.diagnostics, &loaded.sources)
}

/// The objects, unless something about them is an error.
fn well(objects: Objects, diagnostics: &[Diagnostic], sources: &Sources) -> Option<Objects> {
    if diagnostics.iter().any(|it| it.severity() == Severity::Error) {
        to_stderr(&render_all(diagnostics, sources, Colour::Plain));
        return None;
    }
    Some(objects)
}

/// The HPA of a file, on what can be replayed.
fn autoscaler(objects: &Objects, name: Option<&str>, path: &Path) -> Option<HpaSpec> {
    let named = |hpa: &&crate::input::kubernetes::AutoscalerSpec| {
        name.is_none_or(|name| &*hpa.meta.name == name)
    };
    let mut found = objects.autoscalers.iter().filter(named);
    let Some(hpa) = found.next() else {
        return refuse(&format!("{}: has no such HorizontalPodAutoscaler", path.display()));
    };
    if found.next().is_some() {
        return refuse(&format!(
            "{}: has several HorizontalPodAutoscalers: say which with --hpa NAME",
            path.display()
        ));
    }
    let resources = |metric: &MetricSpec| {
        matches!(metric, MetricSpec::Resource { .. } | MetricSpec::ContainerResource { .. })
    };
    if !hpa.spec.metrics.iter().all(resources) {
        return refuse(&format!(
            "{}: {} scales on metrics that were not recorded; only CPU and memory can be replayed",
            path.display(),
            hpa.meta.name
        ));
    }
    Some(hpa.spec.clone())
}
