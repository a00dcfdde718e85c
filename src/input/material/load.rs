//! From paths to [`Material`]: every file read, every fault kept, nothing thrown away because
//! something else is wrong.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::beside::Beside;
use super::own_kind::OwnKind;
use super::requirements::{Requirements, requirements};
use super::{ClusterFacts, Extras, Material, ObjectKey, each_object};
use crate::cluster::api::ObjectMeta;
use crate::input::cluster_profile::ClusterProfile;
use crate::input::codes;
use crate::input::decode::{Context, Value};
use crate::input::diagnostic::{Diagnostic, Diagnostics};
use crate::input::documents::{Documents, paths, read};
use crate::input::hpa_targets::resolve_hpas;
use crate::input::kubernetes::{AutoscalerSpec, Objects};
use crate::input::loader::{
    Files, LoadOptions, decode, read_cluster, read_files, read_profile, read_services,
};
use crate::input::own_document::single;
use crate::input::release::{Release, ReleaseInputs};
use crate::input::source::{FileId, Sources};
use crate::input::yaml::{Dialect, Node, parse};
use crate::scenario::Scenario;
use crate::service::ServiceGraph;

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct MaterialInputs {
    /// Documents of any kind: manifests, and our own, which are told apart by what they say they
    /// are. `-` is standard input.
    pub files: Vec<PathBuf>,
    /// A chart with values, values alone, further manifests.
    pub release: ReleaseInputs,
    /// A cluster profile, in place of the scenario's.
    pub cluster: Option<PathBuf>,
    /// Service profiles.
    pub services: Vec<PathBuf>,
    /// Requirements.
    pub requirements: Option<PathBuf>,
    /// Manifests that are in no file: their name and text.
    pub texts: Vec<(String, String)>,
    /// Whether what is not named is looked for beside the release.
    pub look_beside: bool,
}

/// Reads everything that is named and what it names in turn.
#[must_use]
pub fn load_material(inputs: &MaterialInputs) -> Material {
    let diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let mut parts = Parts::default();
    read_all(inputs, &mut parts, &mut sources, &diagnostics);
    let platform = platform_files(&parts, &sources);
    let roughly_told = roughly_told_files(&parts);
    let context = Context { sources: &sources, diagnostics: &diagnostics };
    let read = understand(context, &parts);
    let diagnostics = diagnostics.sorted();
    let Parts { found_beside, unclear_clusters, .. } = parts;
    let Understood { objects, extras, written, cluster, services, requirements, scenario } = read;
    Material {
        sources,
        diagnostics,
        objects,
        extras,
        written,
        platform,
        roughly_told,
        cluster,
        services,
        requirements,
        scenario,
        found_beside,
        unclear_clusters,
    }
}

#[derive(Default)]
struct Parts {
    files: Files,
    requirements: Option<Documents>,
    /// Rule files of Prometheus, which say no kind.
    rules: Vec<Documents>,
    found_beside: Vec<PathBuf>,
    unclear_clusters: Vec<PathBuf>,
}

struct Understood {
    objects: Objects,
    extras: Extras,
    written: BTreeMap<ObjectKey, Node>,
    cluster: Option<ClusterFacts>,
    services: Option<ServiceGraph>,
    requirements: Option<Requirements>,
    scenario: Option<Scenario>,
}

fn read_all(
    inputs: &MaterialInputs,
    parts: &mut Parts,
    sources: &mut Sources,
    diagnostics: &Diagnostics,
) {
    let mut own = OwnFiles::default();
    let mut manifests = Vec::new();
    for (name, text) in &inputs.texts {
        let file = sources.add(name, text);
        let kind = own_kind(sources, file);
        let dialect = if kind.is_some() { Dialect::Core } else { Dialect::Yaml11 };
        let documents = Documents::written(file, parse(sources, file, dialect, diagnostics));
        match kind {
            Some(OwnKind::Services) => parts.files.services.push(documents),
            Some(OwnKind::Requirements) => parts.requirements = Some(documents),
            Some(OwnKind::Cluster | OwnKind::Scenario | OwnKind::Config) => {}
            None if is_rule_file(text) => parts.rules.push(documents),
            None => parts.files.manifests.push(documents),
        }
    }
    for path in inputs.release.manifests.iter().chain(&inputs.files) {
        if path.is_dir() {
            manifests.push(path.clone());
            continue;
        }
        let Some(file) = sources.read(path, None, diagnostics) else { continue };
        if let Some(kind) = own_kind(sources, file) {
            own.put(kind, path);
        } else if is_rule_file(sources.file(file).text()) {
            parts.rules.extend(read(path, None, Dialect::Yaml11, sources, diagnostics));
        } else {
            manifests.push(path.clone());
        }
    }
    look_beside(inputs, &mut own, parts);
    let cluster = inputs.cluster.clone().or(own.cluster);
    let release = ReleaseInputs { manifests, ..inputs.release.clone() };
    if let Some(path) = own.scenario {
        let options = LoadOptions { release, cluster: cluster.clone(), ..LoadOptions::default() };
        parts.files = read_files(&path, &options, sources, diagnostics);
    } else {
        let documents = Release::of(&release, None, Path::new("")).documents(sources, diagnostics);
        // Whoever names files means objects; a pipe whose beginning failed must not look like success.
        if !release.has_values() && inputs.texts.is_empty() {
            report_empty(&documents, sources, diagnostics);
        }
        parts.files.manifests.extend(documents);
        if let Some(path) = &cluster {
            read_cluster(&mut parts.files, path, None, &[], sources, diagnostics);
        }
    }
    for path in inputs.services.iter().chain(&own.services) {
        parts.files.services.extend(read(path, None, Dialect::Core, sources, diagnostics));
    }
    if let Some(path) = inputs.requirements.as_ref().or(own.requirements.as_ref()) {
        parts.requirements = read(path, None, Dialect::Core, sources, diagnostics);
    }
}

/// Says of files that hold no document, when none of them holds any.
fn report_empty(documents: &[Documents], sources: &Sources, diagnostics: &Diagnostics) {
    let holds = |documents: &Documents| documents.nodes.iter().any(|node| !node.is_null());
    if diagnostics.has_errors() || documents.iter().any(holds) {
        return;
    }
    for empty in documents {
        let name = sources.file(empty.file).name();
        let message = format!("there is no object in {name}: it is empty or all comments");
        diagnostics.push(
            Diagnostic::error(codes::UNREADABLE_FILE, message)
                .help("see whether the command that wrote it failed"),
        );
    }
}

/// Takes what lies beside the release for what nobody named.
fn look_beside(inputs: &MaterialInputs, own: &mut OwnFiles, parts: &mut Parts) {
    // A scenario names what it needs.
    if !inputs.look_beside || own.scenario.is_some() {
        return;
    }
    let Beside { mut clusters, services, requirements } =
        Beside::of(&inputs.release, &inputs.files);
    if inputs.cluster.is_none() && own.cluster.is_none() {
        if clusters.len() > 1 {
            parts.unclear_clusters = clusters;
        } else if let Some(cluster) = clusters.pop() {
            parts.found_beside.push(cluster.clone());
            own.cluster = Some(cluster);
        }
    }
    if inputs.services.is_empty() && own.services.is_empty() {
        parts.found_beside.extend(services.iter().cloned());
        own.services = services;
    }
    if inputs.requirements.is_none() && own.requirements.is_none() {
        own.requirements = requirements.into_iter().next();
        parts.found_beside.extend(own.requirements.clone());
    }
}

/// Our own documents among the files, by kind.
#[derive(Default)]
struct OwnFiles {
    scenario: Option<PathBuf>,
    cluster: Option<PathBuf>,
    services: Vec<PathBuf>,
    requirements: Option<PathBuf>,
}

impl OwnFiles {
    fn put(&mut self, kind: OwnKind, path: &Path) {
        let path = path.to_owned();
        match kind {
            OwnKind::Scenario => self.scenario = Some(path),
            OwnKind::Cluster => self.cluster = Some(path),
            OwnKind::Services => self.services.push(path),
            OwnKind::Requirements => self.requirements = Some(path),
            // It speaks of commands and not of a release.
            OwnKind::Config => {}
        }
    }
}

/// Which of our own kinds a file says it is.
fn own_kind(sources: &Sources, file: FileId) -> Option<OwnKind> {
    // Parsing twice would be slow, and few files hold the word.
    if !sources.file(file).text().contains("aurelius.dev/v") {
        return None;
    }
    let nodes = parse(sources, file, Dialect::Core, &Diagnostics::new());
    let node = nodes.first()?;
    let version = node.get("apiVersion").and_then(Node::text)?;
    if !version.starts_with("aurelius.dev/") {
        return None;
    }
    node.get("kind").and_then(Node::text).map(OwnKind::named)
}

/// A rule file of Prometheus: `groups` at the top, and no kind.
fn is_rule_file(text: &str) -> bool {
    let top = |key: &str| text.lines().any(|line| line.starts_with(key));
    top("groups:") && !top("kind:")
}

/// The values files from which objects are told that may be without what templates add.
fn roughly_told_files(parts: &Parts) -> BTreeSet<FileId> {
    let told = parts.files.manifests.iter().filter(|documents| documents.roughly_told);
    told.flat_map(|documents| documents.nodes.iter().map(|node| node.span.file)).collect()
}

/// The files of the cluster's own objects: those that its profile names.
fn platform_files(parts: &Parts, sources: &Sources) -> BTreeSet<FileId> {
    let Some(profile) = &parts.files.profile else { return BTreeSet::new() };
    let holder = sources.file(profile.file).path().map(Path::to_owned).unwrap_or_default();
    let listed = paths(profile.nodes.first().and_then(|node| node.get("manifests")), &holder);
    let belongs = |path: &Path| listed.iter().any(|(listed, _)| path.starts_with(listed));
    let files = sources.files().filter(|(_, file)| file.path().is_some_and(belongs));
    files.map(|(id, _)| id).collect()
}

fn understand(context: Context<'_>, parts: &Parts) -> Understood {
    let files = &parts.files;
    // A scenario is decoded as a run decodes it, and what that says is said once; the objects are
    // then read again without a word, because a run keeps nothing of a scenario that is wrong.
    let silent = Diagnostics::new();
    let scenario =
        files.scenario.as_ref().and_then(|_| decode(context, files, &LoadOptions::default()));
    let quiet = match &files.scenario {
        Some(_) => Context { diagnostics: &silent, ..context },
        None => context,
    };
    let mut objects = Objects::default();
    for node in files.manifests.iter().flat_map(|documents| &documents.nodes) {
        objects.read(quiet, node);
    }
    // Their order decides nothing, and what is said of them shall not depend on it.
    objects.services.sort_by(|one, other| by_name(&one.meta, &other.meta));
    objects.resolve_priorities(quiet);
    objects.resolve_limits(quiet);
    let mut extras = Extras::default();
    let mut written = BTreeMap::new();
    for node in files.manifests.iter().flat_map(|documents| &documents.nodes) {
        each_object(context, node, &mut |version, kind, value| {
            extras.read(version, kind, &value);
            if let Some(key) = key(kind, &value) {
                written.entry(key).or_insert_with(|| value.node().clone());
            }
        });
    }
    extras.policies.sort_by(|one, other| by_name(&one.meta, &other.meta));
    // A target that is there and could not be read has been told of already.
    let unread = |hpa: &&AutoscalerSpec| {
        let kind = Arc::clone(&hpa.target_kind);
        let (namespace, name) = (Arc::clone(&hpa.meta.namespace), Arc::clone(&hpa.target_name));
        let wanted = format!("{kind}/{name}");
        let decoded = objects.named(&wanted, Some(&namespace)).is_some();
        !decoded && written.contains_key(&ObjectKey { kind, namespace, name })
    };
    let told: Vec<AutoscalerSpec> =
        objects.autoscalers.iter().filter(|hpa| !unread(hpa)).cloned().collect();
    resolve_hpas(&told, &objects, quiet);
    for node in parts.rules.iter().chain(&parts.files.rules).flat_map(|documents| &documents.nodes)
    {
        let value = Value::root(context, node, "");
        if let Some(groups) = value.get("groups") {
            extras.take_rules(&value, &groups, &Arc::from("default"));
        }
    }
    let profile =
        files.profile.as_ref().and_then(|documents| read_profile(quiet, documents, files));
    let services = match files.services.is_empty() {
        true => None,
        false => read_services(quiet, &files.services, &objects).0,
    };
    let requirements = parts.requirements.as_ref().and_then(|documents| {
        single(context, documents, "Requirements", &mut |fields, name| {
            let read = requirements(fields, name.unwrap_or_default());
            // Every key is a set; what a set does not know it says itself.
            fields.ignore_all();
            read
        })
    });
    let cluster = profile.map(|profile| facts(profile, scenario.as_ref()));
    Understood { objects, extras, written, cluster, services, requirements, scenario }
}

fn by_name(one: &ObjectMeta, other: &ObjectMeta) -> Ordering {
    (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name))
}

fn key(kind: &str, value: &Value<'_>) -> Option<ObjectKey> {
    let name = value.at(&["metadata", "name"])?;
    let name = name.node().text()?.into();
    Some(ObjectKey { kind: kind.into(), namespace: super::namespace(value), name })
}

fn facts(profile: ClusterProfile, scenario: Option<&Scenario>) -> ClusterFacts {
    let pools = match scenario {
        // The scenario may have changed them.
        Some(scenario) => scenario.pools.iter().map(|pool| (**pool).clone()).collect(),
        None => profile.pools,
    };
    ClusterFacts {
        name: profile.name,
        provider: profile.provider,
        pools,
        machines: profile.catalogue.values().cloned().collect(),
        volumes: scenario.map_or(profile.volumes.mode, |scenario| scenario.volumes.mode),
        hpa: profile.hpa_config,
    }
}
