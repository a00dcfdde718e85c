//! What the Prometheus operator reads: ServiceMonitor, PodMonitor and PrometheusRule; and rule files
//! of Prometheus itself.
//!
//! These types grow with every release of the operator, so fields that decide nothing here are not
//! looked at.

use std::sync::Arc;

use crate::cluster::api::meta::ObjectMeta;
use crate::cluster::api::selector::LabelSelector;
use crate::input::decode::Value;
use crate::input::kubernetes::meta::{metadata, object_fields, selector};
use crate::input::source::Span;

/// A ServiceMonitor or PodMonitor.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Name, namespace, origin.
    pub meta: ObjectMeta,
    /// Whether it selects pods instead of Services.
    pub of_pods: bool,
    /// `spec.selector`.
    pub selector: LabelSelector,
    /// Where the selector stands.
    pub selector_span: Span,
    /// Namespaces it looks at.
    pub namespaces: MonitoredNamespaces,
    /// Ports that are scraped.
    pub endpoints: Vec<Endpoint>,
}

/// `spec.namespaceSelector`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitoredNamespaces {
    /// Its own.
    Own,
    /// All.
    Any,
    /// Those listed.
    Named(Vec<Arc<str>>),
}

/// One entry of `endpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `port`: a name of the Service's (or container's) port, or `targetPort` as text.
    pub port: Arc<str>,
    /// Whether `port` is a `targetPort`.
    pub target: bool,
    /// Where it stands.
    pub span: Span,
}

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// `alert`.
    pub name: Arc<str>,
    /// `expr`.
    pub expression: Arc<str>,
    /// Where the expression stands.
    pub span: Span,
    /// The object that holds it, for messages.
    pub object: Arc<str>,
    /// The namespace of that object; `default` for a plain file.
    pub namespace: Arc<str>,
    /// The path inside the object.
    pub path: Arc<str>,
}

/// A recording rule: it makes a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingRule {
    /// `record`: the name of the metric.
    pub name: Arc<str>,
}

/// All rules of a PrometheusRule or rule file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// Alerts.
    pub alerts: Vec<AlertRule>,
    /// Recording rules.
    pub recordings: Vec<RecordingRule>,
}

/// monitoring.coreos.com/v1 ServiceMonitor or PodMonitor.
pub(super) fn monitor(value: &Value<'_>, of_pods: bool) -> Option<Monitor> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.required("spec")?;
    let selector_value = spec.get("selector");
    let selector = selector_value.as_ref().map_or_else(|| Some(LabelSelector::default()), selector);
    let list = if of_pods { "podMetricsEndpoints" } else { "endpoints" };
    let endpoints = spec.get(list).map(|list| list.elements()).unwrap_or_default();
    Some(Monitor {
        meta: meta?,
        of_pods,
        selector: selector?,
        selector_span: selector_value.as_ref().unwrap_or(&spec).span(),
        namespaces: namespaces(&spec),
        endpoints: endpoints.iter().filter_map(endpoint).collect(),
    })
}

fn namespaces(spec: &Value<'_>) -> MonitoredNamespaces {
    let Some(chosen) = spec.get("namespaceSelector") else { return MonitoredNamespaces::Own };
    let any = chosen.get("any").is_some_and(|any| {
        any.node()
            .scalar()
            .is_some_and(|scalar| scalar.value == crate::input::yaml::ScalarValue::Boolean(true))
    });
    if any {
        return MonitoredNamespaces::Any;
    }
    let names = chosen.get("matchNames").map(|names| names.elements()).unwrap_or_default();
    let names: Vec<Arc<str>> =
        names.iter().filter_map(|name| name.node().text().map(Arc::from)).collect();
    if names.is_empty() { MonitoredNamespaces::Own } else { MonitoredNamespaces::Named(names) }
}

fn endpoint(value: &Value<'_>) -> Option<Endpoint> {
    let named = |key| {
        let port = value.get(key)?;
        let text = port.node().scalar()?.text.clone();
        Some((text, port.span()))
    };
    let target = value.get("port").is_none();
    let (port, span) = if target { named("targetPort")? } else { named("port")? };
    Some(Endpoint { port, target, span })
}

/// `groups[].rules[]` of a PrometheusRule (`spec` leads to them) or of a rule file.
pub(super) fn rules(value: &Value<'_>, groups: &Value<'_>, namespace: &Arc<str>) -> Rules {
    let mut found = Rules::default();
    for group in groups.elements() {
        let rules = group.get("rules").map(|rules| rules.elements()).unwrap_or_default();
        for rule in rules {
            if let Some(name) = rule.get("record").and_then(|name| text(&name)) {
                found.recordings.push(RecordingRule { name });
                continue;
            }
            let (Some(name), Some(expression)) = (rule.get("alert"), rule.get("expr")) else {
                continue;
            };
            let Some(scalar) = expression.node().scalar() else { continue };
            let Some(name) = text(&name) else { continue };
            found.alerts.push(AlertRule {
                name,
                expression: Arc::clone(&scalar.text),
                span: expression.span(),
                object: Arc::from(value.object()),
                namespace: Arc::clone(namespace),
                path: Arc::from(expression.path()),
            });
        }
    }
    found
}

fn text(value: &Value<'_>) -> Option<Arc<str>> {
    value.node().scalar().map(|scalar| Arc::clone(&scalar.text))
}
