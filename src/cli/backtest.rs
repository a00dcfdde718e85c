//! `backtest`: a past day of an HPA again, under the figures it had and under others.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::backtest::recorded::{is_loops, loops};
use crate::backtest::series::{Points, day};
use crate::backtest::{Day, Policy, Step, replay, told};
use crate::cli::Exit;
use crate::cli::files::{to_stderr, to_stdout, write_whole};
use crate::cli::{recordings, say_error};
use crate::control::hpa::{Amounts, HpaConfig, HpaSpec, MetricSpec};
use crate::input::adapters::ReleaseName;
use crate::input::diagnostic::{Diagnostic, Severity};
use crate::input::kubernetes::Objects;
use crate::input::recordings::{Columns, Recording};
use crate::input::render::{Colour, render_all};
use crate::input::source::Sources;
use crate::input::values::ValueInputs;
use crate::input::{Helm, ReleaseInputs, load_objects, objects_in};
use crate::report::backtest::picture;
use crate::units::convert::round_i64;

/// Arguments of `backtest`.
#[derive(Debug, Args)]
#[command(
    after_help = "Either a recording of what the controller saw (JSON lines: name, controller, hpa, syncs), or series: \
--manifests with the HPA and its workload, --replicas and --cpu (Prometheus, CSV). As long as the simulated size is the \
recorded one the controller sees the recorded pods; where they part, the recorded demand is shared by the simulated pods."
)]
pub(super) struct BacktestArgs {
    /// Recorded syncs of HPAs, one loop a line.
    recording: Option<PathBuf>,
    /// The HPA as it was, and its workload.
    #[arg(short = 'f', long = "manifests", value_name = "FILE")]
    manifests: Option<PathBuf>,
    /// Recorded sizes over time.
    #[arg(long, value_name = "FILE")]
    replicas: Option<PathBuf>,
    /// Recorded CPU in use of all its pods (cores).
    #[arg(long, value_name = "FILE")]
    cpu: Option<PathBuf>,
    /// The HPA of that name, when there are several.
    #[arg(long, value_name = "NAME")]
    hpa: Option<String>,
    /// Another HPA (a manifest) for the same day; repeatable.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// From decision to ready pod, for pods that were not recorded (s).
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    ready_after: f64,
    /// Write every sync as CSV there.
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Write a picture there.
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
}

/// A day with the HPA that it had.
struct Case {
    day: Day,
    spec: HpaSpec,
    config: HpaConfig,
}

/// Replays and tells.
pub(super) fn backtest(args: &BacktestArgs) -> Exit {
    let run = || -> Option<Exit> {
        let cases = cases(args)?;
        let mut others = Vec::new();
        for path in &args.policy {
            let name =
                path.file_stem().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
            others.push((name, autoscaler(&objects(path)?, None, path)?));
        }
        finish(args, &cases, &others)
    };
    run().unwrap_or(Exit::Usage)
}

fn finish(args: &BacktestArgs, cases: &[Case], others: &[(String, HpaSpec)]) -> Option<Exit> {
    let mut text = String::new();
    let mut csv = String::from("day,policy,t_s,recorded,simulated,desired,cores\n");
    let mut drawn = None;
    for case in cases {
        let policies =
            [("as it was".to_owned(), case.spec.clone())].into_iter().chain(others.iter().cloned());
        let results: Vec<(String, Vec<Step>)> = policies
            .map(|(name, spec)| {
                let ready_after_ns = round_i64(args.ready_after.max(0.0) * 1e9);
                let policy = Policy { name, spec, config: case.config.clone(), ready_after_ns };
                let steps = replay(&case.day, &policy);
                (policy.name, steps)
            })
            .collect();
        text.push_str(&told(&case.day.name, &results));
        for (policy, steps) in &results {
            for step in steps {
                csv.push_str(&format!(
                    "{},{policy},{:.3},{},{},{},{:.4}\n",
                    case.day.name,
                    step.at_s,
                    step.recorded,
                    step.simulated,
                    step.desired,
                    step.cores
                ));
            }
        }
        drawn.get_or_insert_with(|| picture(&case.day.name, &results));
    }
    let files = [(&args.csv, csv), (&args.picture, drawn.unwrap_or_default())];
    for (path, text) in files {
        if let Some(path) = path {
            write_whole(path, &text).map_err(|error| say_error(&error)).ok()?;
        }
    }
    to_stdout(&text).map_err(|error| say_error(&error)).ok()?;
    Some(Exit::Success)
}

fn refuse<T>(message: &str) -> Option<T> {
    to_stderr(&format!("error: {message}"));
    None
}

fn cases(args: &BacktestArgs) -> Option<Vec<Case>> {
    match (&args.recording, &args.manifests, &args.replicas, &args.cpu) {
        (Some(path), None, None, None) => recorded(path),
        (None, Some(manifests), Some(replicas), Some(cpu)) => {
            series(args, manifests, replicas, cpu).map(|case| vec![case])
        }
        _ => refuse(
            "needs either a recording of syncs, or all of --manifests, --replicas and --cpu\n\
             hint: aurelius-sim backtest -f hpa.yaml --replicas replicas.json --cpu cpu.json",
        ),
    }
}

fn recorded(path: &Path) -> Option<Vec<Case>> {
    let text = recordings::text(path)?;
    if !is_loops(&text) {
        return refuse(&format!(
            "{}: holds no recorded syncs\nhint: a recording is a line of JSON for each day, with `hpa` and `syncs`",
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
