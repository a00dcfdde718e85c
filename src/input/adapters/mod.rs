//! Objects from values alone, by the conventions of charts.
//!
//! Where no `helm` is there to render a chart, or only its values are, the objects can still be told
//! for charts that follow a convention. Each convention is a file of skeletons beside this one; every
//! figure keeps its place in the values.

mod fit;
mod skeleton;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub(super) use self::fit::fitted;
use self::skeleton::{Skeleton, separated};
use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::source::{Sources, Span};
use super::values::{Chart, Slot, Table, Tree, Values, clean};
use super::yaml::{Dialect, Node, parse};

/// A way of naming values that several charts share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// The platform's own chart.
    Aurelius,
    /// What `helm create` writes.
    Create,
    /// Bitnami's charts.
    Bitnami,
}

impl Convention {
    /// How it is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aurelius => "the Aurelius chart",
            Self::Create => "`helm create`",
            Self::Bitnami => "Bitnami",
        }
    }

    /// Whether its charts have templates of their own, so that what values say is not all there is.
    #[must_use]
    pub fn is_rough(self) -> bool {
        match self {
            Self::Aurelius => false,
            Self::Create | Self::Bitnami => true,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Aurelius => include_str!("aurelius.yaml"),
            Self::Create => include_str!("create.yaml"),
            Self::Bitnami => include_str!("bitnami.yaml"),
        }
    }

    /// The convention that values follow, by the keys that only it has.
    #[must_use]
    pub fn of(values: &Table) -> Option<Self> {
        let tables = |keys: &[&str], inside: &[&str]| {
            let fits = |key: &&&str| {
                let table = values.get(key).and_then(Tree::table);
                table.is_some_and(|table| inside.iter().any(|key| table.get(key).is_some()))
            };
            keys.iter().filter(fits).count()
        };
        let services =
            ["gateway", "webUi", "dicomService", "mlService", "renderService", "celeryWorkers"];
        if tables(&services, &["resources", "autoscaling", "replicaCount"]) >= 3 {
            return Some(Self::Aurelius);
        }
        let parts = components(values);
        let bitnami =
            ["resourcesPreset", "pdb", "containerPorts", "architecture", "podAntiAffinityPreset"];
        let marks = |table: &Table| bitnami.iter().any(|key| table.get(key).is_some());
        if marks(values) || parts.iter().any(|(_, table)| marks(table)) {
            return Some(Self::Bitnami);
        }
        let whole = ["replicaCount", "resources", "autoscaling"];
        if whole.iter().any(|key| values.get(key).is_some()) {
            return Some(Self::Create);
        }
        (!parts.is_empty()).then_some(Self::Bitnami)
    }
}

/// What a release is called and where it goes.
#[derive(Debug, Clone, Default)]
pub struct ReleaseName {
    /// The name; `None` is the chart's.
    pub name: Option<Arc<str>>,
    /// The namespace; `None` is what the convention says, else `default`.
    pub namespace: Option<Arc<str>>,
}

/// Keys that speak of the pods of a workload and not of one container.
const MARKS_OF_PODS: [&str; 16] = [
    "name",
    "create",
    "enabled",
    "affinity",
    "nodeSelector",
    "tolerations",
    "podAnnotations",
    "podLabels",
    "updateStrategy",
    "pdb",
    "podDisruptionBudget",
    "service",
    "containerPorts",
    "containerPort",
    "persistence",
    "persistentVolume",
];

/// Words in the names of what runs once and is done.
const RUN_ONCE: [&str; 8] =
    ["job", "jobs", "cronjob", "hook", "init", "migration", "migrations", "backup"];

/// The tables of values that describe one workload each.
fn components(values: &Table) -> Vec<(&Arc<str>, &Table)> {
    let fits = |(key, slot): (&'_ Arc<str>, &'_ Slot)| {
        let table = slot.value.table()?;
        let has = |keys: &[&str]| keys.iter().any(|key| table.get(key).is_some());
        // Init containers, sidecars and the pods of Jobs have resources too; what is more than that
        // says of a workload where its pods go or how many there are.
        let found = has(&["replicaCount", "replicas", "autoscaling"])
            || has(&["resources", "resourcesPreset"]) && has(&MARKS_OF_PODS);
        let words = separated(key, '-');
        let runs_once = words.split('-').any(|word| RUN_ONCE.contains(&word));
        let aside = [
            "global",
            "ingress",
            "metrics",
            "statefulset",
            "sysctl",
            "sysctlImage",
            "tls",
            "volumePermissions",
        ];
        (found && !runs_once && !aside.contains(&&**key)).then_some(())
    };
    values
        .slots
        .iter()
        .filter(|(key, slot)| fits((key, slot)).is_some())
        .filter_map(|(key, slot)| Some((key, slot.value.table()?)))
        .collect()
}

/// The objects that values give by the convention they follow; `None` when they follow none, which
/// is reported.
#[must_use]
pub fn objects_of(
    values: &Values,
    chart: Option<&Chart>,
    release: &ReleaseName,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Option<(Convention, Vec<Node>)> {
    let Some(convention) = Convention::of(&values.merged) else {
        let message = "these values follow no convention that is known, so their chart must be \
                       rendered";
        let known = [Convention::Aurelius, Convention::Create, Convention::Bitnami];
        let known: Vec<_> = known.iter().map(|it| it.name()).collect();
        let fault = Diagnostic::error(codes::UNKNOWN_CONVENTION, message)
            .note(format!("known without rendering: {}", known.join(", ")));
        diagnostics.push(fault.help(if chart.is_some() {
            "have `helm` on PATH, name it with `--helm-bin`, or render the chart and give the result with `-f`"
        } else {
            "name the chart with `--chart` and have `helm` on PATH, or render it and give the result with `-f`"
        }));
        return None;
    };
    let file = sources.add(&format!("(conventions of {})", convention.name()), convention.text());
    let definitions = parse(sources, file, Dialect::Yaml11, diagnostics);
    let definitions = definitions.first().expect("the skeletons are part of the program");
    // Null in values that stand for a whole chart removes what they would have said.
    let mut values = values.clone();
    clean(&mut values.merged);
    let globals = globals(convention, &values, chart, release);
    let skeleton = Skeleton { definitions, values: &values.merged, globals };
    Some((convention, skeleton.objects()))
}

/// `release`, `chart` and what else skeletons ask for beside the values.
fn globals(
    convention: Convention,
    values: &Values,
    chart: Option<&Chart>,
    release: &ReleaseName,
) -> BTreeMap<&'static str, Tree> {
    let span = values.merged.span;
    let word = |path: &[&str]| match Tree::Table(values.merged.clone()).at(path) {
        Some(Tree::Leaf(node)) => node.text().filter(|text| !text.is_empty()).map(Arc::from),
        Some(Tree::List(..) | Tree::Table(_)) | None => None,
    };
    let chart_name: Arc<str> = match chart {
        Some(chart) => Arc::clone(&chart.name),
        None if convention == Convention::Aurelius => Arc::from("aurelius"),
        None => word(&["nameOverride"]).unwrap_or_else(|| folder_name(values)),
    };
    let name = release.name.clone().unwrap_or_else(|| Arc::clone(&chart_name));
    let production =
        word(&["global", "environment"]).is_some_and(|it: Arc<str>| *it == *"production");
    let namespace = release.namespace.clone().unwrap_or_else(|| match convention {
        Convention::Aurelius if production => Arc::from("production"),
        Convention::Aurelius => Arc::from("aurelius"),
        Convention::Create | Convention::Bitnami => Arc::from("default"),
    });
    let base = word(&["nameOverride"]).unwrap_or_else(|| Arc::clone(&chart_name));
    let full: Arc<str> = word(&["fullnameOverride"]).unwrap_or_else(|| {
        if name.contains(&*base) { Arc::clone(&name) } else { format!("{name}-{base}").into() }
    });
    let prefix = word(&["fullnameOverride"]).map_or(String::new(), |name| format!("{name}-"));
    let version = chart.map_or_else(|| Arc::from("1.0.0"), |chart| Arc::clone(&chart.version));
    let app_version = chart.and_then(|chart| chart.app_version.clone());
    let app_version = app_version.unwrap_or_else(|| Arc::clone(&version));
    let table = |pairs: &[(&str, &str)]| {
        let slot = |(key, text): &(&str, &str)| {
            (Arc::from(*key), Slot { key_span: span, value: Tree::text(text, span) })
        };
        Tree::Table(Table { span, slots: pairs.iter().map(slot).collect() })
    };
    BTreeMap::from([
        ("release", table(&[("name", &name), ("namespace", &namespace)])),
        (
            "chart",
            table(&[
                ("name", &chart_name),
                ("fullName", &base),
                ("version", &version),
                ("appVersion", &app_version),
                // Text of no letters holds for nothing.
                ("given", if chart.is_some() { "yes" } else { "" }),
            ]),
        ),
        ("full", table(&[("name", &full)])),
        ("prefix", table(&[("text", &prefix)])),
        ("components", parts(values, span)),
        ("whole", whole(values, span)),
    ])
}

/// The values themselves, where the whole chart is one workload.
fn whole(values: &Values, span: Span) -> Tree {
    let marks = ["replicaCount", "resources", "resourcesPreset", "autoscaling"];
    let mut table = Table::empty(span);
    if marks.iter().any(|key| values.merged.get(key).is_some()) {
        let value = Tree::Table(values.merged.clone());
        let first = values.merged.slots.values().map(|slot| slot.key_span).min();
        let key_span = first.unwrap_or(span);
        table.slots.insert(Arc::from("values"), Slot { key_span, value });
    }
    Tree::Table(table)
}

/// Every table that describes a workload, by its key.
fn parts(values: &Values, span: Span) -> Tree {
    let of = |key: &Arc<str>| values.merged.slots.get(key).cloned();
    let slots = components(&values.merged)
        .into_iter()
        .filter_map(|(key, _)| Some((Arc::clone(key), of(key)?)))
        .collect();
    Tree::Table(Table { span, slots })
}

/// The name of the folder of the first values file: mostly that of the chart.
fn folder_name(values: &Values) -> Arc<str> {
    let first = values.layers.first().map(|layer| Path::new(&*layer.name));
    let folder = first.and_then(Path::parent).and_then(Path::file_name);
    let name = folder.map(|name| name.to_string_lossy().to_lowercase());
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "release".to_owned());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(plain).collect::<String>().into()
}
