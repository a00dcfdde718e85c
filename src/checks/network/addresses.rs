//! Addresses of Services in the configuration of pods: environment, arguments, ConfigMaps.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::checks::subject::{Subject, WorkloadView};
use crate::input::decode::Value;
use crate::input::kubernetes::ServiceObject;
use crate::input::material::ConfigKind;
use crate::input::source::Span;

/// An address that a pod is configured with.
#[derive(Debug, Clone)]
pub(super) struct Address<'a> {
    /// The Service.
    pub(super) service: &'a ServiceObject,
    /// The port, when it is stated.
    pub(super) port: Option<u16>,
    /// The key it is configured under; the argument itself for arguments.
    pub(super) key: String,
    /// Where it stands.
    pub(super) span: Span,
}

/// Words in the names of variables that hold addresses.
const ADDRESS_WORDS: [&str; 11] = [
    "HOST", "ADDR", "URL", "URI", "ENDPOINT", "SERVICE", "SERVER", "BROKER", "DSN", "BACKEND",
    "UPSTREAM",
];

/// The addresses that a workload's pods are configured with, each Service and port once.
pub(super) fn addresses<'a>(
    subject: &Subject<'a>,
    workload: &WorkloadView<'_>,
) -> Vec<Address<'a>> {
    let mut found: Vec<Address<'a>> = Vec::new();
    let mut seen = BTreeSet::new();
    for (key, text, span) in texts(subject, workload) {
        for (service, port) in services_in(subject, &workload.spec.meta.namespace, &key, &text) {
            if seen.insert((
                Arc::clone(&service.meta.namespace),
                Arc::clone(&service.meta.name),
                port,
            )) {
                found.push(Address { service, port, key: key.clone(), span });
            }
        }
    }
    found
}

/// Every text that configures the pods: key, text, place.
fn texts(subject: &Subject<'_>, workload: &WorkloadView<'_>) -> Vec<(String, Arc<str>, Span)> {
    let mut found = Vec::new();
    for (_, container) in workload.containers() {
        for list in ["command", "args"] {
            let words = container.get(list).map(|list| list.elements()).unwrap_or_default();
            for word in words {
                let Some(text) = word.node().scalar().map(|scalar| Arc::clone(&scalar.text)) else {
                    continue;
                };
                let key = text.split_once('=').map_or("", |(key, _)| key).to_owned();
                found.push((key, text, word.span()));
            }
        }
        for variable in container.get("env").map(|env| env.elements()).unwrap_or_default() {
            let Some(name) =
                variable.get("name").and_then(|name| name.node().text().map(str::to_owned))
            else {
                continue;
            };
            if let Some(value) = variable.get("value") {
                if let Some(scalar) = value.node().scalar() {
                    found.push((name, Arc::clone(&scalar.text), value.span()));
                }
            } else if let Some(reference) = variable.at(&["valueFrom", "configMapKeyRef"]) {
                let wanted =
                    reference.get("key").and_then(|key| key.node().text().map(str::to_owned));
                found.extend(config(subject, workload, &reference, wanted.as_deref()));
            }
        }
        for source in container.get("envFrom").map(|list| list.elements()).unwrap_or_default() {
            if let Some(reference) = source.get("configMapRef") {
                found.extend(config(subject, workload, &reference, None));
            }
        }
    }
    // By name, as the keys of a rendered ConfigMap stand.
    found.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    found
}

/// The entries of a ConfigMap that is referred to.
fn config(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    reference: &Value<'_>,
    key: Option<&str>,
) -> Vec<(String, Arc<str>, Span)> {
    let Some(name) = reference.get("name") else { return Vec::new() };
    let Some(name) = name.node().text() else { return Vec::new() };
    let namespace = &workload.spec.meta.namespace;
    let configs = subject.material.extras.configs.iter();
    let named = configs.filter(|config| {
        config.kind == ConfigKind::ConfigMap
            && *config.meta.name == *name
            && config.meta.namespace == *namespace
    });
    let entries = named.flat_map(|config| &config.entries);
    let wanted = entries.filter(|entry| key.is_none_or(|key| *entry.key == *key));
    wanted.map(|entry| (entry.key.to_string(), Arc::clone(&entry.text), entry.span)).collect()
}

/// The Services that a text names, with the port where it is stated.
fn services_in<'a>(
    subject: &Subject<'a>,
    namespace: &str,
    key: &str,
    text: &str,
) -> Vec<(&'a ServiceObject, Option<u16>)> {
    let upper = key.to_ascii_uppercase();
    let meant = ADDRESS_WORDS.iter().any(|word| upper.contains(word));
    let separators = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '=' | '"' | '\'');
    let tokens = text.split(separators).filter(|token| !token.is_empty());
    tokens
        .filter_map(|token| {
            let (scheme, rest) = match token.split_once("://") {
                Some((scheme, rest)) => (Some(scheme), rest.trim_start_matches('/')),
                None => (None, token),
            };
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            let (host, port) = match authority.rsplit_once(':') {
                Some((host, port)) => (host, port.parse::<u16>().ok()),
                None => (authority, None),
            };
            if scheme.is_none() && port.is_none() && !meant {
                return None;
            }
            service_named(subject, namespace, host).map(|service| (service, port))
        })
        .collect()
}

/// The Service of a host name: `web`, `web.ns`, `web.ns.svc.cluster.local`, or a pod of a headless
/// one, `db-0.db`.
fn service_named<'a>(
    subject: &Subject<'a>,
    namespace: &str,
    host: &str,
) -> Option<&'a ServiceObject> {
    let labels: Vec<&str> = host.split('.').collect();
    let services = &subject.material.objects.services;
    let named = |name: &str, namespace: &str| {
        services
            .iter()
            .find(|service| *service.meta.name == *name && *service.meta.namespace == *namespace)
    };
    let direct = |at: usize| {
        let name = labels.get(at)?;
        let rest = labels.get(at + 1..)?;
        match rest {
            [] => named(name, namespace),
            [other] | [other, "svc", ..] => named(name, other),
            _ => None,
        }
    };
    direct(0).or_else(|| direct(1).filter(|service| service.headless))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::diagnostic::Diagnostics;
    use crate::input::material::{MaterialInputs, load_material};

    #[test]
    fn hosts_are_found_where_an_address_is_meant() {
        let service = |name: &str, extra: &str| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: prod}}\nspec: {{{extra}ports: [{{port: 80}}]}}\n---\n"
            )
        };
        let text = service("db", "clusterIP: None, ") + &service("web", "");
        let inputs =
            MaterialInputs { texts: vec![("t".to_owned(), text)], ..MaterialInputs::default() };
        let material = load_material(&inputs);
        let diagnostics = Diagnostics::new();
        let subject = Subject::new(&material, &diagnostics);
        let rows = [
            ("DB_HOST", "db", vec![("db", None)]),
            ("TITLE", "db", vec![]),
            ("X", "redis://:secret@db:6379/0", vec![("db", Some(6379))]),
            ("X", "dns:///web:50052", vec![("web", Some(50052))]),
            ("X", "http://db-0.db.prod.svc.cluster.local:9000/data", vec![("db", Some(9000))]),
            ("X", "web.prod:80, db:5432", vec![("web", Some(80)), ("db", Some(5432))]),
            ("X", "web.other:80", vec![]),
            ("", "--host=db", vec![]),
            ("--host", "--host=db", vec![("db", None)]),
        ];
        for (key, text, expected) in rows {
            let found = services_in(&subject, "prod", key, text);
            let found: Vec<(&str, Option<u16>)> =
                found.iter().map(|(service, port)| (&*service.meta.name, *port)).collect();
            assert_eq!(found, expected, "{key} {text}");
        }
    }
}
