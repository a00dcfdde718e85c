//! `size`: figures that hold at least cost, proven, and written as an overlay.

pub(super) mod args;
mod shown;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use self::args::{SizeArgs, SizeFormat};
use crate::cli::files::{to_stderr, write_whole};
use crate::cli::outputs::{asked_or, put, refuse_conflict};
use crate::cli::terminal::Color;
use crate::cli::terminal::wants_colour;
use crate::cli::{Exit, say_error};
use crate::control::hpa::{MetricSpec, ResourceName};
use crate::input::material::{MaterialInputs, load_material};
use crate::input::overlay::{ObjectField, ValueMap, patch_documents};
use crate::input::patch::Step;
use crate::input::render::{Colour, render_all};
use crate::input::{LoadOptions, load_scenario};
use crate::report::size::{StatedEntry, json, markdown, page, text};
use crate::scenario::Scenario;
use crate::sweep::size::{
    Amount, Field, Figure, Owner, Plan, PlanKind, SizeOptions, Sizing, now, possible, size,
};
use crate::units::convert::index;

/// Sizes the scenarios and writes what was asked for.
pub(super) fn size_scenarios(args: &SizeArgs, color: Color) -> Exit {
    match sized(args, color) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn sized(args: &SizeArgs, color: Color) -> Result<Exit, Exit> {
    refuse_conflict(&args.output)?;
    let options = args.inputs.load_options(args.seed, color)?;
    let scenarios: Vec<Scenario> = args
        .scenarios
        .iter()
        .map(|path| load(path, &options, args.quiet, color))
        .collect::<Result<_, _>>()?;
    let first = &scenarios[0];
    known_families(&args.families, first)?;
    let map = args.scenarios.iter().find_map(|path| ValueMap::read(path, &options));
    let keys = keys(first, map.as_ref());
    let stated = args.requirements.as_deref().map(stated).transpose()?;
    let sizing = size(
        &scenarios,
        &ties(&keys),
        &SizeOptions {
            runs: args.runs,
            jobs: args.jobs.map_or(0, index),
            plan: args.plan,
            strict: args.strict,
            outlook_runs: args.prove_headroom.unwrap_or(0),
            families: args.families.clone(),
        },
        &|what| {
            if !args.quiet && std::io::stderr().is_terminal() {
                to_stderr(&format!("sizing: {what}"));
            }
        },
    );
    let sizing = sizing.map_err(|error| {
        say_error(&error);
        Exit::Usage
    })?;
    let written = Written::of(first, sizing.plan(), map.as_ref(), &keys);
    let shown: BTreeMap<Figure, String> =
        keys.iter().map(|(figure, key)| (figure.clone(), joined(key))).collect();
    let page = page(&sizing, first, &shown, stated);
    let outputs = asked_or(&args.output, SizeFormat::Text);
    let made: Vec<String> = outputs
        .iter()
        .map(|output| match output.format {
            SizeFormat::Text if args.diff => difference(&written, first, sizing.plan()),
            SizeFormat::Text if args.quiet => text(&page, args.all),
            SizeFormat::Text => text(&page, args.all) + &next_command(args, &written),
            SizeFormat::Json => json(&page),
            SizeFormat::Markdown => markdown(&page),
            SizeFormat::Html => shown::html(args, &page, &scenarios, sizing.plan(), &written),
        })
        .collect();
    if let Some(path) = &args.write {
        write(path, &written, args, &options, color, sizing.plan())?;
    }
    for (output, text) in outputs.iter().zip(&made) {
        put(output, text)?;
    }
    Ok(exit(args, &sizing))
}

/// Families that the catalogue does not have are refused, with those that it has.
fn known_families(asked: &[String], scenario: &Scenario) -> Result<(), Exit> {
    let family = |name: &str| name.rsplit_once('.').map(|(family, _)| family.to_owned());
    let known: std::collections::BTreeSet<String> =
        scenario.machines.iter().filter_map(|machine| family(&machine.name)).collect();
    let Some(unknown) = asked.iter().find(|it| !known.contains(*it)) else { return Ok(()) };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    to_stderr(&format!(
        "error: --families: the catalogue of {} has no family `{unknown}`; it has {}",
        scenario.cluster,
        known.join(", ")
    ));
    Err(Exit::Usage)
}

fn exit(args: &SizeArgs, sizing: &Sizing) -> Exit {
    let proven = sizing.plan().proof.as_ref();
    let holds = proven.is_some_and(|proof| proof.passes == proof.runs && proof.runs > 0);
    if args.exit_zero {
        Exit::Success
    } else if args.check && !sizing.today.holds {
        Exit::Findings
    } else if !holds {
        Exit::ThresholdFailed
    } else if args.detailed_exitcode && !sizing.plan().changes.0.is_empty() {
        Exit::Differs
    } else {
        Exit::Success
    }
}

fn load(path: &Path, options: &LoadOptions, quiet: bool, color: Color) -> Result<Scenario, Exit> {
    let loaded = load_scenario(path, options);
    let wanted = wants_colour(color, std::io::stderr().is_terminal());
    let colour = if wanted { Colour::Coloured } else { Colour::Plain };
    if loaded.scenario.is_none() || !quiet {
        let said = render_all(&loaded.diagnostics, &loaded.sources, colour);
        if !said.is_empty() {
            to_stderr(&said);
        }
    }
    loaded.scenario.ok_or(Exit::Usage)
}

/// The set of a document of requirements that has a total.
fn stated(path: &Path) -> Result<StatedEntry, Exit> {
    let requirements = Some(path.to_owned());
    let material = load_material(&MaterialInputs { requirements, ..MaterialInputs::default() });
    let found = material.requirements.as_ref().and_then(|all| {
        let set = all.sets.iter().find(|set| set.total.is_some())?;
        let total = set.total?;
        Some(StatedEntry {
            name: set.name.to_string(),
            cpu: total.cpu.map(|(cpu, _)| cpu.as_cores()),
            memory_gib: total.memory.map(|(bytes, _)| bytes.as_gib()),
            gpus: set.gpus.map(|(count, _)| count),
            storage_gib: total.storage.map(|(bytes, _)| bytes.as_gib()),
            short: Vec::new(),
            lacks: Vec::new(),
        })
    });
    found.ok_or_else(|| {
        let said = render_all(&material.diagnostics, &material.sources, Colour::Plain);
        let cause = "it holds no set of requirements with a total";
        to_stderr(&format!("{said}error: cannot use {}: {cause}", path.display()));
        Exit::Usage
    })
}

/// The keys of a chart's values that figures stand for.
fn keys(scenario: &Scenario, map: Option<&ValueMap>) -> BTreeMap<Figure, Vec<String>> {
    let Some(map) = map else { return BTreeMap::new() };
    let key = |figure: Figure| {
        let field = object_field(scenario, &figure)?;
        let key = map.key_of(&field)?;
        Some((figure, key))
    };
    possible(scenario).into_iter().filter_map(key).collect()
}

/// Figures that share a key.
fn ties(keys: &BTreeMap<Figure, Vec<String>>) -> Vec<Vec<Figure>> {
    let mut groups: BTreeMap<&Vec<String>, Vec<Figure>> = BTreeMap::new();
    for (figure, key) in keys {
        groups.entry(key).or_default().push(figure.clone());
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

fn joined(key: &[String]) -> String {
    let escaped = key.iter().map(|key| key.replace('.', "\\."));
    escaped.collect::<Vec<_>>().join(".")
}

/// A figure as a field of its object.
fn object_field(scenario: &Scenario, figure: &Figure) -> Option<ObjectField> {
    let owner = &figure.owner;
    let key = |name: &str| Step::Key(name.to_owned());
    let keys = |names: &[&str]| names.iter().map(|name| key(name)).collect::<Vec<_>>();
    let resource = |list: &str, name: &str| {
        let mut path = keys(&["spec", "template", "spec", "containers"]);
        path.push(Step::Named(owner.container.as_ref()?.to_string()));
        path.extend(keys(&["resources", list, name]));
        Some(path)
    };
    let path = match figure.field {
        Field::CpuRequest => resource("requests", "cpu")?,
        Field::CpuLimit => resource("limits", "cpu")?,
        Field::MemoryRequest => resource("requests", "memory")?,
        Field::MemoryLimit => resource("limits", "memory")?,
        Field::Replicas => keys(&["spec", "replicas"]),
        Field::MinReplicas => keys(&["spec", "minReplicas"]),
        Field::MaxReplicas => keys(&["spec", "maxReplicas"]),
        Field::MinAvailable => keys(&["spec", "minAvailable"]),
        Field::CpuTarget => {
            let mut hpas = scenario.hpas.iter();
            let hpa = hpas.find(|hpa| hpa.meta.name == owner.name)?;
            let is_cpu = |metric: &MetricSpec| {
                matches!(metric, MetricSpec::Resource { name: ResourceName::Cpu, .. })
            };
            let mut path = keys(&["spec", "metrics"]);
            path.push(Step::Index(hpa.spec.metrics.iter().position(is_cpu)?));
            path.extend(keys(&["resource", "target", "averageUtilization"]));
            path
        }
        Field::PoolMin | Field::PoolMax | Field::PoolInstance => return None,
    };
    let (kind, namespace) = (owner.kind.to_owned(), owner.namespace.to_string());
    Some(ObjectField { kind, namespace, name: owner.name.to_string(), path })
}

/// What a plan is as files.
struct Written {
    /// Values, or patches of objects where there are no values.
    release: String,
    /// Whether it is values.
    is_values: bool,
    /// A patch of the cluster profile; empty without a change of pools.
    cluster: String,
    /// Figures that have no place in either.
    unplaced: Vec<String>,
}

impl Written {
    fn of(
        scenario: &Scenario,
        plan: &Plan,
        map: Option<&ValueMap>,
        keys: &BTreeMap<Figure, Vec<String>>,
    ) -> Self {
        let (mut values, mut objects, mut pools) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut unplaced = Vec::new();
        for (figure, amount) in &plan.changes.0 {
            let value = bare(amount);
            if figure.owner.kind == "NodePool" {
                pools.insert(pool_field(scenario, figure), value);
            } else if let Some(key) = keys.get(figure) {
                values.insert(key.clone(), value);
            } else {
                match object_field(scenario, figure) {
                    Some(field) if map.is_none() => {
                        objects.extend(object_setting(scenario, plan, figure, field, value));
                    }
                    _ => unplaced.push(format!("{} {}", figure.owner, figure.field.path())),
                }
            }
        }
        let planned = plan.changes.apply(scenario);
        for (before, after) in scenario.pools.iter().zip(&planned.pools) {
            // A size at the start that lies outside the new bounds moves with them.
            if before.initial != after.initial {
                let figure = Owner::pool(after).figure(Field::PoolMin);
                let mut field = pool_field(scenario, &figure);
                field.path.pop();
                field.path.push(Step::Key("initial".to_owned()));
                pools.insert(field, after.initial.to_string());
            }
        }
        let values_text =
            map.map(|map| if values.is_empty() { String::new() } else { map.overlay(&values) });
        Self {
            is_values: values_text.is_some(),
            release: values_text.unwrap_or_else(|| patch_documents(&objects)),
            cluster: patch_documents(&pools),
            unplaced,
        }
    }
}

/// An amount as it is written in YAML.
fn bare(amount: &Amount) -> String {
    if let Amount::Percent(percent) = amount { percent.to_string() } else { amount.to_string() }
}

/// A text or number in YAML: what could be read as a number and is a quantity stands in quotes.
fn quoted(field: Field, value: String) -> String {
    let quantity = matches!(
        field,
        Field::CpuRequest | Field::CpuLimit | Field::MemoryRequest | Field::MemoryLimit
    );
    if quantity { format!("\"{value}\"") } else { value }
}

fn pool_field(scenario: &Scenario, figure: &Figure) -> ObjectField {
    let path = vec![
        Step::Key("nodePools".to_owned()),
        Step::Named(figure.owner.name.to_string()),
        Step::Key(figure.field.path().to_owned()),
    ];
    let (kind, name) = ("ClusterProfile".to_owned(), scenario.cluster.to_string());
    ObjectField { kind, namespace: String::new(), name, path }
}

/// A field with its value for a patch of objects. Lists without names are replaced as a whole, so a
/// target of an autoscaler takes all its metrics along.
fn object_setting(
    scenario: &Scenario,
    plan: &Plan,
    figure: &Figure,
    mut field: ObjectField,
    value: String,
) -> Option<(ObjectField, String)> {
    if figure.field != Field::CpuTarget {
        return Some((field, quoted(figure.field, value)));
    }
    let planned = plan.changes.apply(scenario);
    let hpa = planned.hpas.iter().find(|hpa| hpa.meta.name == figure.owner.name)?;
    let metrics = hpa.spec.metrics.iter().map(|metric| match metric {
        MetricSpec::Resource { name, target } => Some(format!(
            "{{type: Resource, resource: {{name: {name}, target: {{type: Utilization, \
             averageUtilization: {}}}}}}}",
            target.average_utilization?
        )),
        MetricSpec::ContainerResource { .. }
        | MetricSpec::Pods { .. }
        | MetricSpec::Object { .. }
        | MetricSpec::External { .. } => None,
    });
    let metrics: Option<Vec<String>> = metrics.collect();
    field.path = vec![Step::Key("spec".to_owned()), Step::Key("metrics".to_owned())];
    Some((field, format!("[{}]", metrics?.join(", "))))
}

/// Where the patch of the cluster profile goes: beside the overlay.
fn cluster_path(path: &Path) -> PathBuf {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    path.with_file_name(format!("{}.cluster.yaml", stem.unwrap_or_else(|| "sized".to_owned())))
}

/// Writes the overlay, reads it back, and looks whether it gives what it shall.
fn write(
    path: &Path,
    written: &Written,
    args: &SizeArgs,
    options: &LoadOptions,
    color: Color,
    plan: &Plan,
) -> Result<(), Exit> {
    let failed = |error: crate::cli::files::WriteError| {
        say_error(&error);
        Exit::Usage
    };
    let named: Vec<String> = args.scenarios.iter().map(|it| it.display().to_string()).collect();
    let head =
        format!("# The {} figures of `aurelius-sim size {}`.\n", plan.kind.name(), named.join(" "));
    let body = if written.release.is_empty() { "{}\n" } else { written.release.as_str() };
    write_whole(path, &format!("{head}{body}")).map_err(failed)?;
    let mut inputs = args.inputs.clone();
    if written.is_values {
        inputs.values.add_file(path);
    } else {
        inputs.patch.push(path.display().to_string());
    }
    if !written.cluster.is_empty() {
        let beside = cluster_path(path);
        write_whole(&beside, &format!("{head}{}", written.cluster)).map_err(failed)?;
        inputs.patch.push(beside.display().to_string());
    }
    let again = inputs.load_options(options.seed, color)?;
    let scenario = load(&args.scenarios[0], &again, true, color)?;
    let mut lost = written.unplaced.clone();
    for (figure, amount) in &plan.changes.0 {
        let read = now(&scenario, figure);
        let name = format!("{} {}", figure.owner, figure.field.path());
        if read.as_ref() != Some(amount) && !lost.contains(&name) {
            lost.push(name);
        }
    }
    if !lost.is_empty() {
        to_stderr(&format!(
            "warning: these figures have no key in the chart's values and are not in {}: {}",
            path.display(),
            lost.join(", ")
        ));
    }
    Ok(())
}

/// The overlay as a difference: what is there, and what it becomes.
fn difference(written: &Written, scenario: &Scenario, plan: &Plan) -> String {
    let mut text = String::from("--- now\n+++ sized\n");
    for (figure, amount) in &plan.changes.0 {
        let before = now(scenario, figure).unwrap_or(Amount::Absent);
        let _ =
            writeln!(text, "@@ {} {} @@\n-{before}\n+{amount}", figure.owner, figure.field.path());
    }
    text.push('\n');
    text.push_str(&written.release);
    text.push_str(&written.cluster);
    text
}

fn next_command(args: &SizeArgs, written: &Written) -> String {
    let scenario = args.scenarios[0].display();
    match &args.write {
        Some(path) => {
            let option = if written.is_values { "--values" } else { "--patch" };
            let mut text =
                format!("\nNext: aurelius-sim run {scenario} {option} {}", path.display());
            if !written.cluster.is_empty() {
                let _ = write!(text, " --patch {}", cluster_path(path).display());
            }
            text.push('\n');
            text
        }
        None => {
            let plan = if args.plan == PlanKind::Recommended { " [--plan smallest]" } else { "" };
            format!("\nWrite it: aurelius-sim size {scenario} --write values-sized.yaml{plan}\n")
        }
    }
}
