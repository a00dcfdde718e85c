//! Variants of scenarios: each scenario under each policy, ready to run.

use std::path::{Path, PathBuf};

use crate::cli::files::to_stderr;
use crate::cli::terminal::Color;
use crate::cli::{Exit, run::say_loaded};
use crate::input::diagnostic::Severity;
use crate::input::render::{Colour as DiagnosticColour, render_all};
use crate::input::source::io_cause;
use crate::input::{
    LoadOptions, Loaded, Patch, ScalingPolicy, load_policy, load_scenario, load_scenario_under,
};
use crate::scenario::Scenario;
use crate::sweep::{SweepOptions, hindsight, run};
use crate::units::SimDuration;

/// The name of no policy.
pub(in crate::cli) const AS_WRITTEN: &str = "as written";
/// Warm-up of a bench at least.
const WARM_UP: SimDuration = SimDuration::from_secs(600);
/// The replication that plays the day before: none of those that are measured.
const DAY_BEFORE: u64 = 1 << 40;

/// Scenarios under policies.
pub(in crate::cli) struct Variants {
    /// Names of the scenarios.
    pub(in crate::cli) titles: Vec<String>,
    /// Names of the policies.
    pub(in crate::cli) names: Vec<String>,
    /// By policy, then by scenario; what cannot be run with the reason.
    pub(in crate::cli) scenarios: Vec<Vec<Result<Scenario, String>>>,
    paths: Vec<PathBuf>,
    options: Vec<LoadOptions>,
}

impl Variants {
    /// Reads scenarios as they are written; all of them have to be right. With `fluid` those that
    /// allow it are read for the fluid model; with `warm` all of them have a warm-up of ten minutes
    /// at least, in which a policy finds the nodes it needs before anything is measured.
    pub(in crate::cli) fn new(
        paths: &[PathBuf],
        options: &LoadOptions,
        (fluid, warm): (bool, bool),
        color: Color,
    ) -> Result<Self, Exit> {
        let mut variants = Self {
            titles: Vec::new(),
            names: vec![AS_WRITTEN.to_owned()],
            scenarios: vec![Vec::new()],
            paths: paths.to_vec(),
            options: Vec::new(),
        };
        for path in paths {
            let mut own = options.clone();
            if fluid {
                let mut rates = options.clone();
                rates.patches.extend(Patch::parse("scenario:model=fluid"));
                if load_scenario(path, &rates).scenario.is_some() {
                    own = rates;
                }
            }
            let loaded = load_scenario(path, &own);
            let mut scenario = say_loaded(loaded, true, color).ok_or(Exit::Usage)?;
            if warm && scenario.warm_up < WARM_UP {
                own.patches.extend(Patch::parse(&format!("scenario:warmUp={WARM_UP}")));
                scenario = say_loaded(load_scenario(path, &own), true, color).ok_or(Exit::Usage)?;
            }
            variants.titles.push(unique(&scenario.name, path, &variants.titles));
            variants.scenarios[0].push(Ok(scenario));
            variants.options.push(own);
        }
        Ok(variants)
    }

    /// Adds the scenarios under a policy.
    pub(in crate::cli) fn add(&mut self, policy: &ScalingPolicy) {
        let under = |(path, options): (&PathBuf, &LoadOptions)| {
            taken(load_scenario_under(path, options, policy))
                .map(|scenario| with_hindsight(scenario, policy))
        };
        let scenarios = self.paths.iter().zip(&self.options).map(under).collect();
        self.push(policy.name.to_string(), scenarios);
    }

    /// Adds variants that were read by other means.
    pub(in crate::cli) fn push(&mut self, name: String, scenarios: Vec<Result<Scenario, String>>) {
        self.names.push(name);
        self.scenarios.push(scenarios);
    }

    /// Paths of the scenarios.
    pub(in crate::cli) fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// How a scenario was read.
    pub(in crate::cli) fn options(&self, scenario: usize) -> &LoadOptions {
        &self.options[scenario]
    }

    /// Every file that anything was made from, once.
    pub(in crate::cli) fn inputs(&self) -> Vec<(String, String)> {
        let scenarios = self.scenarios.iter().flatten().filter_map(|it| it.as_ref().ok());
        let files = scenarios.flat_map(|scenario| &scenario.inputs);
        let files = files.map(|file| (file.path.to_string(), file.sha256.to_string()));
        files.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}

/// A scenario, or the first thing that is wrong with it.
pub(in crate::cli) fn taken(loaded: Loaded) -> Result<Scenario, String> {
    let Loaded { scenario, diagnostics, .. } = loaded;
    scenario.ok_or_else(|| {
        let mut errors = diagnostics.iter().filter(|it| it.severity() == Severity::Error);
        errors.next().map(|it| it.message().to_owned()).unwrap_or_default()
    })
}

/// Lays what follows from the day before, which is run for it.
pub(in crate::cli) fn with_hindsight(mut scenario: Scenario, policy: &ScalingPolicy) -> Scenario {
    if policy.forecast.is_none() && policy.rightsize.is_none() {
        return scenario;
    }
    let before = run(&scenario, SweepOptions::single(scenario.seed), DAY_BEFORE, &|_| {});
    let covers = |kind: &str, name: &str| policy.covers(kind, name);
    if let Some(rule) = policy.rightsize {
        hindsight::rightsize(&mut scenario, &before, rule, &covers);
    }
    if let Some(forecast) = policy.forecast {
        hindsight::lay_forecast(&mut scenario, &before, forecast, &policy.name, &covers);
    }
    scenario
}

/// The name of a scenario, with its file when another one has that name.
fn unique(name: &str, path: &Path, taken: &[String]) -> String {
    if taken.iter().any(|other| other == name) {
        format!("{name} ({})", path.display())
    } else {
        name.to_owned()
    }
}

/// Scenario documents as they are named; a folder stands for the documents of that kind in it.
pub(in crate::cli) fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Exit> {
    files(paths, "Scenario")
}

/// Reads policies; all have to be right, and no two may have one name.
pub(in crate::cli) fn policies(
    paths: &[PathBuf],
    color: Color,
) -> Result<Vec<ScalingPolicy>, Exit> {
    let mut policies: Vec<ScalingPolicy> = Vec::new();
    let mut wrong = false;
    for path in files(paths, "ScalingPolicy")? {
        match policy(&path, color) {
            Some(policy) => {
                let twice = policies.iter().any(|other| other.name == policy.name);
                if twice || *policy.name == *AS_WRITTEN {
                    to_stderr(&format!("error: two policies have the name `{}`", policy.name));
                    wrong = true;
                }
                policies.push(policy);
            }
            None => wrong = true,
        }
    }
    if wrong { Err(Exit::Usage) } else { Ok(policies) }
}

/// Reads a policy; what is wrong with it goes to stderr.
pub(in crate::cli) fn policy(path: &Path, color: Color) -> Option<ScalingPolicy> {
    let loaded = load_policy(path);
    if !loaded.diagnostics.is_empty() {
        use std::io::IsTerminal;
        let wanted = crate::cli::terminal::wants_colour(color, std::io::stderr().is_terminal());
        let colour = if wanted { DiagnosticColour::Coloured } else { DiagnosticColour::Plain };
        to_stderr(&render_all(&loaded.diagnostics, &loaded.sources, colour));
    }
    loaded.policy
}

fn files(paths: &[PathBuf], kind: &str) -> Result<Vec<PathBuf>, Exit> {
    let mut all = Vec::new();
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| {
            to_stderr(&format!("error: cannot read {}: {}", path.display(), io_cause(&error)));
            Exit::Usage
        })?;
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|it| it == "yaml" || it == "yml"))
            .filter(|path| kind_of(path).as_deref() == Some(kind))
            .collect();
        if found.is_empty() {
            to_stderr(&format!("error: {} holds no document of kind {kind}", path.display()));
            return Err(Exit::Usage);
        }
        found.sort();
        all.append(&mut found);
    }
    Ok(all)
}

/// The kind of a document, as its first `kind:` says.
pub(in crate::cli) fn kind_of(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let kind = text.lines().find_map(|line| line.strip_prefix("kind:"))?;
    Some(kind.split('#').next().unwrap_or_default().trim().trim_matches('"').to_owned())
}
