//! Documents of kind ScalingPolicy: another way of scaling, laid over any scenario.
//!
//! A policy changes objects, not code: what it writes are the HorizontalPodAutoscalers,
//! ScaledObjects, budgets, pods and flags that someone would apply to the cluster, and everything
//! behind decides by them as by any others. In every text of a policy `$(WORKLOAD)` stands for the
//! name of the workload it is applied to, `$(SERVICE)` for the service that runs in it, and any other
//! `$(NAME)` for what `workloads` says of it.

mod apply;
mod schedule;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::codes;
use super::decode::{Context, Fields, Value};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::documents::read;
use super::loader::{LoadOptions, Loaded, decode_files, read_files};
use super::own_document::single;
use super::patch::Patch;
use super::source::Sources;
use super::yaml::Dialect;
use crate::scenario::Scenario;
use crate::scenario::minimums::{Forecast, Rightsize};
use crate::units::SimDuration;

/// A way of scaling, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingPolicy {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// In words.
    pub description: Arc<str>,
    /// Path of the document, as it was named.
    pub path: Arc<str>,
    /// SHA-256 of the document.
    pub sha256: Arc<str>,
    /// Workloads it is applied to, with what its texts say for each; all that are scaled when absent.
    workloads: Option<BTreeMap<String, Variables>>,
    scale: Option<Scale>,
    metrics: Option<Json>,
    budget: Option<Json>,
    schedule: Vec<Step>,
    headroom: Option<Headroom>,
    autoscaler: Option<Json>,
    pools: Option<Json>,
    cluster: Option<PathBuf>,
    patches: Vec<Patch>,
    /// Minimums that follow a forecast; laid when a day before is known.
    pub forecast: Option<Forecast>,
    /// Requests that follow usage; laid when a day before is known.
    pub rightsize: Option<Rightsize>,
}

impl ScalingPolicy {
    /// Whether it is applied to a workload, when that is scaled.
    #[must_use]
    pub fn covers(&self, kind: &str, name: &str) -> bool {
        self.workloads.as_ref().is_none_or(|named| {
            named.contains_key(name) || named.contains_key(&format!("{kind}/{name}"))
        })
    }
}

/// What `$(NAME)` stands for.
type Variables = BTreeMap<String, String>;

/// Who decides about replicas.
#[derive(Debug, Clone, PartialEq)]
enum Scale {
    /// Nobody: they are set once.
    Replicas(Count),
    /// A HorizontalPodAutoscaler, written over the one that is there.
    Hpa(Json),
    /// A ScaledObject of KEDA in place of whatever is there.
    Keda(Json),
}

/// A number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    /// So many.
    Exactly(i64),
    /// `minReplicas` of the autoscaler that goes.
    Minimum,
    /// `maxReplicas` of it.
    Maximum,
}

/// A time from which an HPA has another minimum.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    at: When,
    min_replicas: String,
}

/// A moment of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Since measuring began.
    After(SimDuration),
    /// Of each day.
    Clock(SimDuration),
}

/// Pods that hold room for others and give way to them.
#[derive(Debug, Clone, PartialEq)]
struct Headroom {
    pods: i64,
    requests: Json,
    node_selector: Option<Json>,
    tolerations: Option<Json>,
}

/// A policy with what was said about its document.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The policy; `None` when its document has an error.
    pub policy: Option<ScalingPolicy>,
    /// All that was found, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
}

/// Reads a document of kind ScalingPolicy.
#[must_use]
pub fn load_policy(path: &Path) -> LoadedPolicy {
    let diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let documents = read(path, None, Dialect::Core, &mut sources, &diagnostics);
    let context = Context { sources: &sources, diagnostics: &diagnostics };
    let policy = documents.as_ref().and_then(|documents| {
        let file = sources.file(documents.file);
        let (name_of_file, sha256) = (Arc::clone(file.name()), Arc::clone(file.sha256()));
        let mut read = |fields: &Fields<'_>, name: Option<Arc<str>>| {
            let policy = policy(fields, path)?;
            Some(ScalingPolicy {
                name: name?,
                path: Arc::clone(&name_of_file),
                sha256: Arc::clone(&sha256),
                ..policy
            })
        };
        single(context, documents, "ScalingPolicy", &mut read)
    });
    let policy = policy.filter(|_| !diagnostics.has_errors());
    LoadedPolicy { policy, diagnostics: diagnostics.sorted(), sources }
}

fn policy(fields: &Fields<'_>, path: &Path) -> Option<ScalingPolicy> {
    let description = fields.read_or("description", Arc::from(""), Value::shared);
    let workloads = fields.read("workloads", workloads);
    let scale = fields.read("scale", scale);
    let metrics = fields.read("metrics", tree);
    let budget = fields.read("budget", tree);
    let schedule = fields.read_or("schedule", Vec::new(), |value| value.list(step));
    let headroom = fields.read("headroom", headroom);
    let autoscaler = fields.read("clusterAutoscaler", tree);
    let pools = fields.read("nodePools", tree);
    let cluster = fields.read("cluster", Value::non_empty);
    let patches = fields.read_or("patches", Vec::new(), |value| value.list(patch));
    let forecast = fields.read("forecast", forecast);
    let rightsize = fields.read("rightsize", rightsize);
    let folder = path.parent().unwrap_or(Path::new(""));
    Some(ScalingPolicy {
        name: Arc::from(""),
        description: description?,
        path: Arc::from(""),
        sha256: Arc::from(""),
        workloads: workloads?,
        scale: scale?,
        metrics: metrics?,
        budget: budget?,
        schedule: schedule?,
        headroom: headroom?,
        autoscaler: autoscaler?,
        pools: pools?,
        cluster: cluster?.map(|cluster| folder.join(cluster)),
        patches: patches?,
        forecast: forecast?,
        rightsize: rightsize?,
    })
}

/// A list of names, or a mapping from names to variables.
fn workloads(value: &Value<'_>) -> Option<BTreeMap<String, Variables>> {
    if value.node().sequence().is_some() {
        let names = value.list(|name| name.non_empty().map(str::to_owned))?;
        return Some(names.into_iter().map(|name| (name, Variables::new())).collect());
    }
    let mut all = BTreeMap::new();
    for (name, value) in value.entries()? {
        let mut variables = Variables::new();
        for (key, value) in value.entries()? {
            variables.insert(key.text.to_owned(), as_written(&value)?);
        }
        all.insert(name.text.to_owned(), variables);
    }
    Some(all)
}

/// The text of a scalar, whatever its type.
fn as_written(value: &Value<'_>) -> Option<String> {
    let scalar = value.node().scalar().map(|scalar| scalar.text.to_string());
    scalar.or_else(|| value.wrong_type("a number or text"))
}

/// Whatever stands there: it is judged where the object it goes into is.
fn tree(value: &Value<'_>) -> Option<Json> {
    if value.node().mapping().is_none() {
        return value.wrong_type("a mapping");
    }
    Some(value.node().to_json_value())
}

fn scale(value: &Value<'_>) -> Option<Scale> {
    let fields = value.fields()?;
    let (kind, body) = fields.exactly_one(&["replicas", "hpa", "keda"])?;
    let scale = match kind {
        "replicas" => Scale::Replicas(count(&body)?),
        "hpa" => Scale::Hpa(tree(&body)?),
        _ => Scale::Keda(tree(&body)?),
    };
    fields.finish("scale");
    Some(scale)
}

fn count(value: &Value<'_>) -> Option<Count> {
    match value.node().text() {
        Some("minimum") => Some(Count::Minimum),
        Some("maximum") => Some(Count::Maximum),
        _ => value.integer(0..=100_000_i64).map(Count::Exactly),
    }
}

fn step(value: &Value<'_>) -> Option<Step> {
    let fields = value.fields()?;
    let (kind, at) = fields.exactly_one(&["after", "clock"])?;
    let at = if kind == "after" {
        When::After(at.duration()?)
    } else {
        let time = at.non_empty()?;
        let parts = time.split_once(':').map(|(hours, minutes)| (hours.parse(), minutes.parse()));
        let Some((Ok(hours @ 0..=23_u64), Ok(minutes @ 0..=59_u64))) = parts else {
            let message = format!("is `{time}`, must be a time of day such as \"07:45\"");
            at.report(at.error(codes::INVALID_VALUE, &message));
            return None;
        };
        When::Clock(SimDuration::from_secs(hours * 3_600 + minutes * 60))
    };
    let least = fields.required("minReplicas")?;
    let min_replicas = as_written(&least)?;
    fields.finish("a step of a schedule");
    Some(Step { at, min_replicas })
}

fn headroom(value: &Value<'_>) -> Option<Headroom> {
    let fields = value.fields()?;
    let pods = fields.required("pods").and_then(|pods| pods.integer(1..=10_000_i64));
    let requests = fields.required("requests").and_then(|requests| tree(&requests));
    let node_selector = fields.read("nodeSelector", tree);
    let tolerations = fields.read("tolerations", |value| {
        value.items()?;
        Some(value.node().to_json_value())
    });
    fields.finish("headroom");
    Some(Headroom {
        pods: pods?,
        requests: requests?,
        node_selector: node_selector?,
        tolerations: tolerations?,
    })
}

fn patch(value: &Value<'_>) -> Option<Patch> {
    let text = value.non_empty()?;
    match Patch::parse(text) {
        Ok(patch) => Some(patch),
        Err(error) => {
            value.report(value.error(codes::INVALID_PATCH, &error.to_string()));
            None
        }
    }
}

fn forecast(value: &Value<'_>) -> Option<Forecast> {
    let fields = value.fields()?;
    let target = fields.read_or("target", 0.7, Value::share);
    let lead = fields.read_or("lead", SimDuration::from_secs(300), Value::duration);
    let every = fields.read_or("every", SimDuration::from_secs(300), super::policy::positive);
    fields.finish("a forecast");
    let target = target?;
    if target <= 0.0 {
        value.report(value.error(codes::OUT_OF_RANGE, "has a `target` of nothing"));
        return None;
    }
    Some(Forecast { target, lead: lead?, every: every? })
}

fn rightsize(value: &Value<'_>) -> Option<Rightsize> {
    let fields = value.fields()?;
    let percentile = fields.read_or("percentile", 90.0, |value| value.number(1.0..=100.0));
    let margin = fields.read_or("margin", 0.15, Value::share);
    fields.finish("rightsize");
    Some(Rightsize { percentile: percentile?, margin: margin? })
}

/// Reads a scenario and lays a policy over it.
///
/// What follows from a day before ([`ScalingPolicy::forecast`], [`ScalingPolicy::rightsize`]) is not
/// laid here: nothing has run yet.
#[must_use]
pub fn load_scenario_under(path: &Path, options: &LoadOptions, policy: &ScalingPolicy) -> Loaded {
    let diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let mut options = options.clone();
    if let Some(cluster) = &policy.cluster {
        options.cluster = Some(cluster.clone());
    }
    options.patches.extend(policy.patches.iter().cloned());
    let mut files = read_files(path, &options, &mut sources, &diagnostics);
    let chosen = apply::apply(policy, &mut files, &mut sources, &diagnostics);
    let mut loaded = decode_files(sources, &files, diagnostics, &options);
    if let Some(scenario) = &mut loaded.scenario {
        schedule::lay(policy, &chosen, scenario);
        narrow(policy, scenario);
    }
    loaded
}

/// A policy is one of the files that a result comes from.
fn narrow(policy: &ScalingPolicy, scenario: &mut Scenario) {
    let (path, sha256) = (Arc::clone(&policy.path), Arc::clone(&policy.sha256));
    scenario.inputs.retain(|input| !input.path.starts_with(apply::GENERATED));
    scenario.inputs.push(crate::scenario::InputFile { path, sha256 });
}

/// A text with the variables of a workload in it.
fn filled(json: &Json, variables: &Variables) -> Json {
    match json {
        Json::String(text) => {
            let mut text = text.clone();
            for (name, value) in variables {
                text = text.replace(&format!("$({name})"), value);
            }
            Json::String(text)
        }
        Json::Array(items) => items.iter().map(|item| filled(item, variables)).collect(),
        Json::Object(entries) => {
            let entry = |(key, value): (&String, &Json)| {
                let key = filled(&Json::String(key.clone()), variables);
                (key.as_str().unwrap_or_default().to_owned(), filled(value, variables))
            };
            Json::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => json.clone(),
    }
}

/// What is written over what is there: mappings key by key, `null` takes a key away, anything else
/// replaces (RFC 7396).
fn merge(under: &mut Json, over: &Json) {
    let Json::Object(over) = over else {
        *under = over.clone();
        return;
    };
    if !under.is_object() {
        *under = Json::Object(Map::new());
    }
    let Some(entries) = under.as_object_mut() else { return };
    for (key, value) in over {
        if value.is_null() {
            entries.shift_remove(key);
        } else {
            merge(entries.entry(key.clone()).or_insert(Json::Null), value);
        }
    }
}

#[cfg(test)]
mod tests;
