//! From the path of a scenario to the validated whole, or to everything that is wrong with its
//! documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::alerts::rule_groups;
use super::catalogue::{Catalogue, catalogue};
use super::cluster_profile::{self, ClusterProfile, cluster_profile, profile_of};
use super::cron::{Start, lay_schedules};
use super::custom_metrics::custom_metrics;
use super::decode::{Context, Fields, Shapes};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::documents::{Documents, Listed, paths, read, read_manifests};
use super::jobs::{JobDurations, job_durations, set_durations};
use super::karpenter;
use super::keda;
use super::kubernetes::Objects;
use super::live_cluster::{is_objects, live_cluster};
use super::own_document::{head, single};
use super::patch::{Patch, PatchTarget, to_documents, to_objects};
use super::processes::processes;
use super::release::{Release, ReleaseInputs};
use super::releases::register;
use super::rollouts;
use super::scenario::{ScenarioDocument, scenario};
use super::services::service_graph;
use super::source::{FileId, Sources, Span};
use super::yaml::{Dialect, Node, parse};
use crate::cluster::api::WorkloadSpec;
use crate::control::scheduler::ServiceSelector;
use crate::model::id::WorkloadId;
use crate::scenario::alerts::{AlertsSpec, RuleGroup};
use crate::scenario::scaled_object::ScaledObject;
use crate::scenario::{
    CustomMetricSpec, DisruptionSpec, DisruptionTarget, HpaObject, InputFile, Later, Processes,
    Scenario, ServiceModel, WorkloadChange,
};
use crate::service::ServiceGraph;

/// What the command line states instead of the scenario.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// What is deployed, in place of what `inputs` names; values go on top.
    pub release: ReleaseInputs,
    /// Cluster profile in place of `inputs.cluster`.
    pub cluster: Option<PathBuf>,
    /// A document of kind Load in place of `load`.
    pub load: Option<PathBuf>,
    /// Seed in place of `seed`.
    pub seed: Option<u64>,
    /// Single figures in place of those in the documents.
    pub patches: Vec<Patch>,
}

/// A scenario with what was said about its documents.
#[derive(Debug)]
pub struct Loaded {
    /// The scenario; `None` when any document has an error.
    pub scenario: Option<Scenario>,
    /// All that was found, sorted; warnings also beside a scenario.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

/// All files of a scenario, parsed.
#[derive(Default, Clone)]
pub(super) struct Files {
    pub(super) scenario: Option<Documents>,
    pub(super) profile: Option<Documents>,
    catalogue: Option<FileId>,
    /// The nodes of a live cluster that the profile names.
    nodes: Vec<Documents>,
    pub(super) services: Vec<Documents>,
    /// A load that stands in for the scenario's.
    load: Option<Documents>,
    pub(super) manifests: Vec<Documents>,
    /// Whether some of the release could not be read.
    is_partial: bool,
    /// Rule files that the scenario names.
    pub(super) rules: Vec<Documents>,
    /// The manifests of upgrades, by the position of the event.
    pub(super) upgrades: Vec<(usize, Documents)>,
}

impl Files {
    /// The services of a scenario and nothing else of it.
    pub(super) fn with_services(services: Vec<Documents>) -> Self {
        Self { services, ..Self::default() }
    }
}

/// Reads a scenario and every file it names, and checks all of them before anything is said to be
/// right.
#[must_use]
pub fn load_scenario(path: &Path, options: &LoadOptions) -> Loaded {
    load_scenario_from(Sources::new(), path, options)
}

/// As [`load_scenario`], with files that are there already: their paths are not looked for on disk.
#[must_use]
pub fn load_scenario_from(mut sources: Sources, path: &Path, options: &LoadOptions) -> Loaded {
    let diagnostics = Diagnostics::new();
    let files = read_files(path, options, &mut sources, &diagnostics);
    decode_files(sources, &files, diagnostics, options)
}

/// Decodes files that were read, with what was said about them so far.
pub(super) fn decode_files(
    sources: Sources,
    files: &Files,
    diagnostics: Diagnostics,
    options: &LoadOptions,
) -> Loaded {
    let context = Context { sources: &sources, diagnostics: &diagnostics };
    let scenario = decode(context, files, options);
    let scenario = scenario.filter(|_| !diagnostics.has_errors());
    // A decoder that returns nothing without a word would leave the author in the dark.
    assert!(scenario.is_some() || diagnostics.has_errors(), "a refusal has its diagnostic");
    let diagnostics = diagnostics.sorted();
    Loaded { scenario, diagnostics, sources }
}

/// What decoders ask of the documents that a scenario names.
pub(super) fn shapes(mut sources: Sources, paths: &[&Path]) -> Shapes {
    let diagnostics = Diagnostics::watching();
    for path in paths {
        let options = LoadOptions::default();
        let files = read_files(path, &options, &mut sources, &diagnostics);
        decode(Context { sources: &sources, diagnostics: &diagnostics }, &files, &options);
    }
    diagnostics.into_shapes()
}

/// Follows the paths from document to document. Their shapes are judged later, when all texts are
/// there.
pub(super) fn read_files(
    path: &Path,
    options: &LoadOptions,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Files {
    let mut files = Files::default();
    let Some(mut documents) = read(path, None, Dialect::Core, sources, diagnostics) else {
        return files;
    };
    let patches = &options.patches;
    to_documents(&PatchTarget::Scenario, patches, [&mut documents], sources, diagnostics);
    let inputs = documents.nodes.first().and_then(|node| node.get("inputs"));
    let listed = |name| inputs.map_or_else(Vec::new, |inputs| paths(inputs.get(name), path));
    let release = Release::of(&options.release, inputs, path);
    let release = release.patched(patches, sources, diagnostics);
    let cluster = stated_or(options.cluster.as_slice(), listed("cluster"));
    for (path, span) in listed("services") {
        files.services.extend(read(&path, span, Dialect::Core, sources, diagnostics));
    }
    let before = diagnostics.error_count();
    files.manifests.extend(release.documents(sources, diagnostics));
    files.is_partial = diagnostics.error_count() > before;
    if let Some((path, span)) = cluster.into_iter().next() {
        read_cluster(&mut files, &path, span, patches, sources, diagnostics);
    }
    let load = stated_or(options.load.as_slice(), listed("load"));
    read_load(&mut files, load, sources, diagnostics);
    let alerts = documents.nodes.first().and_then(|node| node.get("alerts"));
    for (path, span) in paths(alerts.and_then(|alerts| alerts.get("rules")), path) {
        files.rules.extend(read_manifests(&path, span, sources, diagnostics));
    }
    read_recordings(&documents, path, sources, diagnostics);
    to_documents(&PatchTarget::Services, patches, &mut files.services, sources, diagnostics);
    to_objects(patches, &mut files.manifests, sources, diagnostics);
    let events = documents.nodes.first().and_then(|node| node.get("events"));
    for (position, event) in events.and_then(Node::sequence).unwrap_or_default().iter().enumerate()
    {
        let next = event.get("upgrade").and_then(|upgrade| upgrade.get("manifests"));
        for (path, span) in paths(next, path) {
            let read = read_manifests(&path, span, sources, diagnostics);
            files.upgrades.extend(read.into_iter().map(|documents| (position, documents)));
        }
        let values = event.get("upgrade").and_then(|upgrade| upgrade.get("values"));
        let values = paths(values, path);
        if !values.is_empty() && release.has_values() {
            let read = release.upgraded(values).documents(sources, diagnostics);
            files.upgrades.extend(read.into_iter().map(|documents| (position, documents)));
        }
    }
    files.scenario = Some(documents);
    files
}

/// Reads a load that stands in for the scenario's, with the recordings that it replays.
fn read_load(files: &mut Files, listed: Listed, sources: &mut Sources, diagnostics: &Diagnostics) {
    let Some((path, span)) = listed.into_iter().next() else { return };
    files.load = read(&path, span, Dialect::Core, sources, diagnostics);
    if let Some(documents) = &files.load {
        read_recordings(documents, &path, sources, diagnostics);
    }
}

/// Reads the recordings that loads replay; their decoder finds them by their paths.
fn read_recordings(
    documents: &Documents,
    path: &Path,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) {
    let load = documents.nodes.first().and_then(|node| node.get("load"));
    let loads = load.and_then(|load| load.get("scenarios")).and_then(Node::mapping);
    for load in loads.unwrap_or_default() {
        if load.value.get("executor").and_then(Node::text) != Some("replay") {
            continue;
        }
        for (path, span) in paths(load.value.get("file"), path) {
            sources.read(&path, span, diagnostics);
        }
    }
}

/// Reads a cluster with what its profile names: catalogue, nodes, and the objects that every such
/// cluster has.
pub(super) fn read_cluster(
    files: &mut Files,
    path: &Path,
    span: Option<Span>,
    patches: &[Patch],
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) {
    let Some(mut profile) = read_profile_file(path, span, sources, diagnostics) else { return };
    to_documents(&PatchTarget::Cluster, patches, [&mut profile], sources, diagnostics);
    let node = profile.nodes.first();
    let listed = |name| paths(node.and_then(|node| node.get(name)), path);
    if let Some((path, span)) = listed("catalogue").into_iter().next() {
        files.catalogue = sources.read(&path, span, diagnostics);
    }
    for (path, span) in listed("nodes") {
        files.nodes.extend(read_manifests(&path, span, sources, diagnostics));
    }
    for (path, span) in listed("manifests") {
        files.manifests.extend(read_manifests(&path, span, sources, diagnostics));
    }
    files.profile = Some(profile);
}

/// A cluster profile, or the nodes of a live cluster, whose texts follow the rules of Kubernetes.
fn read_profile_file(
    path: &Path,
    span: Option<Span>,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) -> Option<Documents> {
    let profile = read(path, span, Dialect::Core, sources, diagnostics)?;
    if !profile.nodes.first().is_some_and(is_objects) {
        return Some(profile);
    }
    let nodes = parse(sources, profile.file, Dialect::Yaml11, &Diagnostics::new());
    Some(Documents { nodes, ..profile })
}

fn stated_or(stated: &[PathBuf], written: Listed) -> Listed {
    if stated.is_empty() {
        written
    } else {
        stated.iter().map(|path| (path.clone(), None)).collect()
    }
}

pub(super) fn decode(
    context: Context<'_>,
    files: &Files,
    options: &LoadOptions,
) -> Option<Scenario> {
    let mut objects = Objects::default();
    if files.is_partial {
        objects.set_partial();
    }
    for node in files.manifests.iter().flat_map(|documents| &documents.nodes) {
        objects.read(context, node);
    }
    objects.resolve_priorities(context);
    objects.resolve_limits(context);
    let upgrades = read_upgrades(context, &files.upgrades, &objects);
    let registered = register(&mut objects, &upgrades, context);
    let hpas = registered.hpas;
    let profile =
        files.profile.as_ref().and_then(|documents| read_profile(context, documents, files));
    let (services, durations, processes) = read_services(context, &files.services, &objects);
    let rules = rule_groups(context, &files.manifests, &files.rules);
    let documents = files.scenario.as_ref()?;
    let mut profile = profile;
    let attached = profile.as_mut().map(|it| karpenter::attach(context, &mut objects, it));
    let document = {
        let mut read = |fields: &Fields<'_>, name| {
            let release = rollouts::Release {
                objects: &objects,
                hpas: &hpas,
                upgrades: &upgrades,
                upgraded_hpas: &registered.upgraded,
                later: &registered.later,
                rules: &rules,
                stated: !options.release.is_empty(),
                load: files.load.as_ref(),
            };
            scenario(fields, name, &release, profile.as_mut(), services.as_ref())
        };
        single(context, documents, "Scenario", &mut read)
    };
    let path = Arc::clone(context.sources.file(documents.file).name());
    attached.flatten()?;
    let (durations, mut document) = (durations?, document?);
    set_durations(&mut objects.workloads.iter_mut().enumerate().collect::<Vec<_>>(), &durations);
    for (id, workload) in rewritten(&mut document.disruptions) {
        set_durations(&mut [(id.index(), workload)], &durations);
    }
    let (profile, services, later) = (profile?, services?, registered.later);
    let (processes, metrics) = processes?;
    let parts = Parts {
        objects,
        hpas,
        profile,
        services,
        document,
        path,
        later,
        processes,
        metrics,
        rules,
        upgrades,
    };
    Some(assemble(context, parts, options))
}

/// All parts of a scenario, each found right.
struct Parts {
    objects: Objects,
    hpas: Vec<Arc<HpaObject>>,
    profile: ClusterProfile,
    services: ServiceGraph,
    document: ScenarioDocument,
    path: Arc<str>,
    later: Later,
    processes: Processes,
    metrics: Vec<CustomMetricSpec>,
    rules: Vec<RuleGroup>,
    upgrades: BTreeMap<usize, Objects>,
}

fn assemble(context: Context<'_>, parts: Parts, options: &LoadOptions) -> Scenario {
    let Parts {
        mut objects,
        hpas,
        profile,
        services,
        mut document,
        path,
        later,
        processes,
        metrics,
        rules,
        upgrades,
    } = parts;
    let mut idle = lay_all_schedules(&mut objects, &mut document);
    let total = document.warm_up + document.duration;
    let start = document.wall_clock();
    let laid = profile.draft.map(|draft| karpenter::lay(draft, start, document.warm_up, total));
    let (karpenter, unplaced) = laid.map_or((None, Vec::new()), |(it, idle)| (Some(it), idle));
    idle.extend(unplaced);
    let not_simulated =
        idle.into_iter().map(|name| Arc::from(format!("{name} (the scenario states no `start`)")));
    let polled = keda_objects(context, &objects, &upgrades, &hpas, &services, &metrics, &document);
    let alerts = watched(&mut document, rules, &services);
    let passed_over = ignored(&objects, &alerts);
    Scenario {
        selectors: selectors(&objects),
        scaled_objects: polled,
        name: document.name,
        path,
        description: document.description,
        inputs: input_files(context),
        cluster: profile.name,
        provider: profile.provider,
        machines: profile.machines,
        capacity: profile.capacity,
        pools: shared(profile.pools),
        initial_replicas: document.initial_replicas,
        hpas,
        services: Arc::new(services),
        loads: document.loads,
        disruptions: document.disruptions,
        thresholds: document.thresholds,
        timings: profile.timings,
        images: profile.images,
        metric_resolution: profile.metric_resolution,
        hpa_config: profile.hpa_config,
        autoscaler: profile.autoscaler,
        karpenter,
        expander_priorities: objects.expander_priorities,
        group_options: profile.group_options,
        prices: profile.prices,
        start: document.start,
        duration: document.duration,
        warm_up: document.warm_up,
        model: document.model,
        seed: options.seed.unwrap_or(document.seed),
        ignored: passed_over,
        not_simulated: not_simulated.chain(profile.ignored_flags).collect(),
        workloads: shared(objects.workloads),
        budgets: shared(objects.budgets),
        volumes: profile.volumes,
        pulls: profile.pulls,
        quotas: shared(objects.quotas),
        later,
        processes,
        custom_metrics: metrics,
        alerts: Arc::new(alerts),
        claims: shared(objects.claims),
        storage_classes: shared(objects.storage_classes),
    }
}

/// What KEDA polls, with what its triggers look at.
fn keda_objects(
    context: Context<'_>,
    objects: &Objects,
    upgrades: &BTreeMap<usize, Objects>,
    hpas: &[Arc<HpaObject>],
    services: &ServiceGraph,
    metrics: &[CustomMetricSpec],
    document: &ScenarioDocument,
) -> Vec<ScaledObject> {
    let around = keda::Surroundings {
        context,
        workloads: &objects.workloads,
        hpas,
        services,
        metrics,
        start: document.wall_clock(),
        warm_up: document.warm_up,
        total: document.warm_up + document.duration,
    };
    let mut all = keda::scaled_objects(&objects.scaled_objects, None, &around);
    for (position, next) in upgrades {
        all.extend(keda::scaled_objects(&next.scaled_objects, Some(*position), &around));
    }
    all
}

/// Every file that was read, with its hash.
fn input_files(context: Context<'_>) -> Vec<InputFile> {
    let inputs = context.sources.files().map(|(_, file)| InputFile {
        path: Arc::clone(file.name()),
        sha256: Arc::clone(file.sha256()),
    });
    inputs.collect()
}

/// The rules that a run looks at. The fluid model is for speed: it looks at them when it is told to.
fn watched(
    document: &mut ScenarioDocument,
    rules: Vec<RuleGroup>,
    services: &ServiceGraph,
) -> AlertsSpec {
    let epoch_s = document.wall_clock().and_then(|it| it.epoch_s(document.warm_up));
    let spec = match (document.alerts.take(), document.model) {
        (Some(stated), _) => stated.with_groups(rules),
        (None, ServiceModel::Requests) => AlertsSpec::default().with_groups(rules),
        (None, ServiceModel::Fluid { .. }) => return AlertsSpec::default(),
    };
    if services.stations.iter().all(|station| station.pools.is_empty()) {
        let why = "no service states a pool of connections";
        return spec.at(epoch_s).without("db_connection_pool_", why);
    }
    spec.at(epoch_s)
}

/// Objects that decide nothing, by kind.
fn ignored(objects: &Objects, alerts: &AlertsSpec) -> Vec<(Arc<str>, u32)> {
    let rules = |kind: &str| kind == "PrometheusRule" && !alerts.groups.is_empty();
    let counted = objects.ignored.iter().filter(|(kind, _)| !rules(kind));
    let counted = counted
        .map(|(kind, count)| (Arc::from(kind.as_str()), u32::try_from(*count).unwrap_or(u32::MAX)));
    counted.collect()
}

/// Services that select pods.
fn selectors(objects: &Objects) -> Vec<ServiceSelector> {
    let selectors = objects.services.iter().filter(|service| !service.selector.is_empty());
    let selectors = selectors.map(|service| ServiceSelector {
        namespace: Arc::clone(&service.meta.namespace),
        selector: service.selector.clone(),
    });
    selectors.collect()
}

/// Lays the schedules of all CronJobs on the clock of the run, those that upgrades write among them.
/// Answers which of them never come, because the scenario states no start.
fn lay_all_schedules(objects: &mut Objects, document: &mut ScenarioDocument) -> Vec<String> {
    let total = document.warm_up + document.duration;
    let (warm_up, text, zone) = (document.warm_up, document.start.clone(), document.zone);
    let start = text.as_deref().map(|text| Start { text, zone });
    let mut idle = lay_schedules(&mut objects.workloads, start, warm_up, total);
    for (_, workload) in rewritten(&mut document.disruptions) {
        idle.extend(lay_schedules(std::slice::from_mut(workload), start, warm_up, total));
    }
    idle.sort();
    idle.dedup();
    idle
}

/// The specs that upgrades write, to fill in what other documents say about them.
fn rewritten(
    disruptions: &mut [DisruptionSpec],
) -> impl Iterator<Item = (WorkloadId, &mut WorkloadSpec)> {
    let rollouts = disruptions.iter_mut().filter_map(|disruption| {
        let DisruptionTarget::Rollout(spec) = &mut disruption.target else { return None };
        Some(Arc::make_mut(spec))
    });
    rollouts.flat_map(|rollout| {
        let hooks = rollout.hooks.iter_mut().flatten();
        let hooks = hooks.map(|(id, spec)| (*id, Arc::make_mut(spec)));
        let written = rollout.workloads.iter_mut().filter_map(|(id, change)| match change {
            WorkloadChange::Written { spec, .. } => Some((*id, Arc::make_mut(spec))),
            WorkloadChange::Image { .. } | WorkloadChange::Restart => None,
        });
        hooks.chain(written)
    })
}

fn shared<T>(items: Vec<T>) -> Vec<Arc<T>> {
    items.into_iter().map(Arc::new).collect()
}

pub(super) fn read_profile(
    context: Context<'_>,
    documents: &Documents,
    files: &Files,
) -> Option<ClusterProfile> {
    if documents.nodes.first().is_some_and(is_objects) {
        let nodes: Vec<&Node> = documents.nodes.iter().collect();
        let name = Arc::clone(context.sources.file(documents.file).name());
        return live_cluster(context, &nodes, None).map(|live| profile_of(live, name));
    }
    let mut read = |fields: &Fields<'_>, name| {
        let provider =
            fields.value().node().get("provider").map(|_| fields.value().descend("provider"));
        let provider = provider.and_then(|value| cluster_profile::provider(&value));
        let machines: Option<Catalogue> = files
            .catalogue
            .zip(provider)
            .map(|(file, provider)| catalogue(context, file, provider));
        let nodes: Vec<&Node> = files.nodes.iter().flat_map(|documents| &documents.nodes).collect();
        let live =
            if nodes.is_empty() { None } else { live_cluster(context, &nodes, machines.as_ref()) };
        cluster_profile(fields, name, machines.as_ref(), live)
    };
    single(context, documents, "ClusterProfile", &mut read)
}

/// What documents of `ServiceProfiles` say: services, durations of Jobs, processes and metrics.
type Profiles =
    (Option<ServiceGraph>, Option<JobDurations>, Option<(Processes, Vec<CustomMetricSpec>)>);

pub(super) fn read_services(
    context: Context<'_>,
    files: &[Documents],
    objects: &Objects,
) -> Profiles {
    let mut complete = true;
    let mut documents = Vec::new();
    for node in files.iter().flat_map(|documents| &documents.nodes) {
        match head(context, node, "ServiceProfiles") {
            Some((fields, name)) => {
                complete &= name.is_some();
                documents.push(fields);
            }
            None => complete = false,
        }
    }
    let graph = service_graph(&documents, objects);
    let durations = job_durations(&documents, objects);
    let processes = processes(&documents, graph.as_ref(), objects);
    let metrics = custom_metrics(&documents, graph.as_ref());
    for fields in documents {
        fields.finish("ServiceProfiles (aurelius.dev/v1)");
    }
    (graph.filter(|_| complete), durations, processes.zip(metrics))
}

/// The manifests of each upgrade. Its objects may use classes and limits that are there already.
fn read_upgrades(
    context: Context<'_>,
    files: &[(usize, Documents)],
    release: &Objects,
) -> BTreeMap<usize, Objects> {
    let mut upgrades: BTreeMap<usize, Objects> = BTreeMap::new();
    for (position, documents) in files {
        let next = upgrades.entry(*position).or_default();
        for node in &documents.nodes {
            next.read(context, node);
        }
    }
    for next in upgrades.values_mut() {
        next.inherit(release);
        next.resolve_priorities(context);
        next.resolve_limits(context);
    }
    upgrades
}
