//! Everything there is to judge before a run: objects with their trees, a cluster, service profiles,
//! requirements and a scenario, whichever of them are given.
//!
//! A run needs all of its documents to be right; a review takes what could be read and goes on. So
//! what one broken file hides is no more than that file.

mod beside;
mod config;
mod ingress;
mod load;
mod monitoring;
mod network_policy;
mod own_kind;
mod requirements;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

pub use config::{Config, ConfigKind, Entry};
pub use ingress::{Backend, Ingress};
pub use load::{MaterialInputs, load_material};
pub use monitoring::{AlertRule, Endpoint, Monitor, MonitoredNamespaces, RecordingRule, Rules};
pub use network_policy::{Cidr, NetworkPolicy, Peer, PolicyPort, PolicyRule, PortName};
pub use requirements::{Amounts, RequirementRow, RequirementSet, Requirements};

use super::decode::{Context, Value};
use super::diagnostic::{Diagnostic, Diagnostics};
use super::kubernetes::Objects;
use super::source::{FileId, Sources};
use super::yaml::Node;
use crate::cluster::VolumeMode;
use crate::cluster::api::{InstanceType, NodePoolSpec};
use crate::control::hpa::HpaConfig;
use crate::scenario::{Provider, Scenario};
use crate::service::ServiceGraph;

/// What is to be judged.
#[derive(Debug)]
pub struct Material {
    /// The texts.
    pub sources: Sources,
    /// What reading them came to, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// The objects that take part in a simulation.
    pub objects: Objects,
    /// The objects that only a review looks at.
    pub extras: Extras,
    /// Every object as written, by kind, namespace and name.
    pub written: BTreeMap<ObjectKey, Node>,
    /// Files that belong to the cluster and not to the release: their objects are taken as given.
    pub platform: BTreeSet<FileId>,
    /// Values files from which objects are told by a convention that charts follow only roughly: what
    /// such objects lack, the templates of their chart may add.
    pub roughly_told: BTreeSet<FileId>,
    /// The cluster, when one is given.
    pub cluster: Option<ClusterFacts>,
    /// Service profiles, when given and right.
    pub services: Option<ServiceGraph>,
    /// Requirements, when given.
    pub requirements: Option<Requirements>,
    /// The scenario, when one is given and right in all its documents.
    pub scenario: Option<Scenario>,
    /// Files that nobody named: they lie beside the release and were taken.
    pub found_beside: Vec<PathBuf>,
    /// Clusters that lie beside the release: too many to say which is meant.
    pub unclear_clusters: Vec<PathBuf>,
}

/// Kind, namespace and name of an object; no namespace for kinds that have none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// `kind`.
    pub kind: Arc<str>,
    /// `metadata.namespace`, or `default`.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

/// A cluster as far as a review looks at it.
#[derive(Debug, Clone)]
pub struct ClusterFacts {
    /// Name of its profile.
    pub name: Arc<str>,
    /// Whose cluster it is.
    pub provider: Provider,
    /// Node pools.
    pub pools: Vec<NodePoolSpec>,
    /// Machine types of the catalogue that its profile names.
    pub machines: Vec<Arc<InstanceType>>,
    /// How claims are served.
    pub volumes: VolumeMode,
    /// Flags of the HPA controller.
    pub hpa: HpaConfig,
}

/// Objects that a simulation passes over.
#[derive(Debug, Default)]
pub struct Extras {
    /// NetworkPolicies.
    pub policies: Vec<NetworkPolicy>,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// ServiceMonitors and PodMonitors.
    pub monitors: Vec<Monitor>,
    /// Alert and recording rules.
    pub rules: Rules,
    /// ConfigMaps, and Secrets with those that operators make.
    pub configs: Vec<Config>,
    /// Labels of namespaces that are written.
    pub namespaces: BTreeMap<Arc<str>, crate::cluster::api::Labels>,
    /// How many objects there are of each kind, those that nobody looks at among them.
    pub counts: BTreeMap<Arc<str>, usize>,
}

/// Takes a document apart: each object of it, lists opened, with the tree under its key.
pub(super) fn each_object<'a>(
    context: Context<'a>,
    document: &'a Node,
    take: &mut dyn FnMut(&str, &str, Value<'a>),
) {
    let text = |key| document.get(key).and_then(Node::text);
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else { return };
    if kind.ends_with("List")
        && let Some(items) = document.get("items")
    {
        for item in items.sequence().unwrap_or_default() {
            each_object(context, item, take);
        }
        return;
    }
    let name = document.get("metadata").and_then(|meta| meta.get("name")).and_then(Node::text);
    let object = format!("{kind}/{}", name.unwrap_or("?"));
    take(version, kind, Value::root(context, document, object));
}

impl Extras {
    /// Reads an object that a review looks at and a simulation does not.
    fn read(&mut self, version: &str, kind: &str, value: &Value<'_>) {
        *self.counts.entry(Arc::from(kind)).or_default() += 1;
        let group = version.split_once('/').map_or("", |(group, _)| group);
        match (group, kind) {
            ("networking.k8s.io", "NetworkPolicy") => {
                self.policies.extend(network_policy::network_policy(value));
            }
            ("networking.k8s.io", "Ingress") if version == "networking.k8s.io/v1" => {
                self.ingresses.extend(ingress::ingress(value));
            }
            ("monitoring.coreos.com", "ServiceMonitor" | "PodMonitor") => {
                self.monitors.extend(monitoring::monitor(value, kind == "PodMonitor"));
            }
            ("monitoring.coreos.com", "PrometheusRule") => {
                if let Some(groups) = value.at(&["spec", "groups"]) {
                    self.take_rules(value, &groups, &namespace(value));
                }
            }
            ("", "ConfigMap") => self.configs.extend(config::config_map(value)),
            ("", "Secret") => self.configs.extend(config::secret(value)),
            (
                "external-secrets.io" | "bitnami.com" | "cert-manager.io",
                "ExternalSecret" | "SealedSecret" | "Certificate",
            ) => {
                self.configs.extend(config::made_secret(value));
            }
            ("", "Namespace") => {
                let name = value.at(&["metadata", "name"]);
                let labels = value.at(&["metadata", "labels"]);
                if let Some(name) = name.as_ref().and_then(|name| name.node().text()) {
                    let labels =
                        labels.and_then(|labels| super::kubernetes::meta::strings(&labels));
                    self.namespaces.insert(Arc::from(name), labels.unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn take_rules(&mut self, value: &Value<'_>, groups: &Value<'_>, namespace: &Arc<str>) {
        let Rules { alerts, recordings } = monitoring::rules(value, groups, namespace);
        self.rules.alerts.extend(alerts);
        self.rules.recordings.extend(recordings);
    }
}

fn namespace(value: &Value<'_>) -> Arc<str> {
    let namespace = value.at(&["metadata", "namespace"]);
    Arc::from(namespace.as_ref().and_then(|name| name.node().text()).unwrap_or("default"))
}

impl Material {
    /// The tree of an object.
    #[must_use]
    pub fn node(&self, kind: &str, namespace: &str, name: &str) -> Option<&Node> {
        let key = ObjectKey { kind: kind.into(), namespace: namespace.into(), name: name.into() };
        self.written.get(&key)
    }

    /// The tree of an object as a value whose messages open with its name.
    #[must_use]
    pub fn value<'a>(
        &'a self,
        diagnostics: &'a Diagnostics,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Option<Value<'a>> {
        let node = self.node(kind, namespace, name)?;
        let context = Context { sources: &self.sources, diagnostics };
        Some(Value::root(context, node, format!("{kind}/{name}")))
    }

    /// How many objects of the release were read.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.extras.counts.values().sum()
    }
}
