//! Ingress (networking.k8s.io/v1): which names of the outside lead to which Services.

use std::sync::Arc;

use super::network_policy::{PortName, port_name};
use crate::cluster::api::meta::ObjectMeta;
use crate::input::decode::Value;
use crate::input::kubernetes::meta::{metadata, object_fields};
use crate::input::source::Span;

/// An Ingress as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingress {
    /// Name, namespace, annotations, origin.
    pub meta: ObjectMeta,
    /// `spec.ingressClassName`, or the annotation that came before it.
    pub class: Option<Arc<str>>,
    /// Where requests go.
    pub backends: Vec<Backend>,
    /// Secrets of `spec.tls`, with their places.
    pub tls_secrets: Vec<(Arc<str>, Span)>,
}

/// A Service and port that requests go to.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// The host of its rule; empty for the default backend or a rule without one.
    pub host: Arc<str>,
    /// The path; empty for the default backend.
    pub path: Arc<str>,
    /// `service.name`.
    pub service: Arc<str>,
    /// `service.port`.
    pub port: Option<PortName>,
    /// Where the Service is named.
    pub span: Span,
}

/// networking.k8s.io/v1 Ingress.
pub(super) fn ingress(value: &Value<'_>) -> Option<Ingress> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec_value = fields.required("spec");
    fields.finish("Ingress (networking.k8s.io/v1)");
    let spec = spec_value?.fields()?;
    let class = spec.read("ingressClassName", Value::shared);
    let default = spec.read("defaultBackend", |value| backend(value, "", ""));
    let rules = spec.read_or("rules", Vec::new(), |value| value.list(rule));
    let tls = spec.read_or("tls", Vec::new(), |value| value.list(tls));
    spec.finish("IngressSpec (networking.k8s.io/v1)");
    let meta = meta?;
    let older = || meta.annotations.get("kubernetes.io/ingress.class").cloned();
    let class = class?.or_else(older);
    let backends = default?.flatten().into_iter().chain(rules?.into_iter().flatten()).collect();
    Some(Ingress { class, backends, tls_secrets: tls?.into_iter().flatten().collect(), meta })
}

fn tls(value: &Value<'_>) -> Option<Option<(Arc<str>, Span)>> {
    let fields = value.fields()?;
    let secret = fields.read("secretName", |value| Some((value.shared()?, value.span())));
    fields.ignore(&["hosts"]);
    fields.finish("IngressTLS (networking.k8s.io/v1)");
    secret
}

fn rule(value: &Value<'_>) -> Option<Vec<Backend>> {
    let fields = value.fields()?;
    let host = fields.read_or("host", Arc::from(""), Value::shared);
    let http = fields.optional("http");
    fields.finish("IngressRule (networking.k8s.io/v1)");
    let host = host?;
    let Some(http) = http else { return Some(Vec::new()) };
    let http = http.fields()?;
    let paths = http.required("paths").and_then(|paths| paths.list(|path| one_path(path, &host)));
    http.finish("HTTPIngressRuleValue (networking.k8s.io/v1)");
    Some(paths?.into_iter().flatten().collect())
}

fn one_path(value: &Value<'_>, host: &str) -> Option<Option<Backend>> {
    let fields = value.fields()?;
    let path = fields.read_or("path", Arc::from("/"), Value::shared);
    fields.ignore(&["pathType"]);
    let path = path?;
    let backend = fields.required("backend").and_then(|value| backend(&value, host, &path));
    fields.finish("HTTPIngressPath (networking.k8s.io/v1)");
    backend
}

/// A backend; `Some(None)` for one that is no Service.
fn backend(value: &Value<'_>, host: &str, path: &str) -> Option<Option<Backend>> {
    let fields = value.fields()?;
    let service = fields.optional("service");
    fields.ignore(&["resource"]);
    fields.finish("IngressBackend (networking.k8s.io/v1)");
    let Some(service) = service else { return Some(None) };
    let fields = service.fields()?;
    let name_value = fields.required("name");
    let name = name_value.as_ref().and_then(Value::shared);
    let port = fields.read("port", |value| {
        let fields = value.fields()?;
        let name = fields.optional("name");
        let number = fields.optional("number");
        fields.finish("ServiceBackendPort (networking.k8s.io/v1)");
        name.or(number).map_or(Some(None), |value| port_name(&value).map(Some))
    });
    fields.finish("IngressServiceBackend (networking.k8s.io/v1)");
    Some(Some(Backend {
        host: host.into(),
        path: path.into(),
        service: name?,
        port: port?.flatten(),
        span: name_value?.span(),
    }))
}
