//! ConfigMaps and Secrets: placeholders, and references to what nobody makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::input::codes;
use crate::input::decode::Value;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Note, Warning};
use crate::input::material::{Config, ConfigKind, Entry};
use crate::input::yaml::ScalarValue;

/// Texts that stand for a secret without being one, in lower case.
const PLACEHOLDERS: [&str; 15] = [
    "changeme",
    "change-me",
    "change_me",
    "changeit",
    "password",
    "secret",
    "placeholder",
    "todo",
    "fixme",
    "replaceme",
    "replace-me",
    "replace_me",
    "example",
    "dummy",
    "xxx",
];

/// Words in the key that tell that the value is a secret.
const SECRET_KEYS: [&str; 8] =
    ["password", "passwd", "secret", "token", "apikey", "api_key", "api-key", "key"];

pub(super) fn check(subject: &Subject<'_>) {
    for config in
        subject.material.extras.configs.iter().filter(|config| config.kind == ConfigKind::Secret)
    {
        placeholders(subject, config);
    }
    references(subject);
}

fn placeholders(subject: &Subject<'_>, config: &Config) {
    let found: Vec<(&Entry, String)> = config
        .entries
        .iter()
        .filter_map(|entry| placeholder(entry).map(|text| (entry, text)))
        .collect();
    let Some((first, text)) = found.first() else { return };
    if subject.material.platform.contains(&first.span.file) {
        return;
    }
    let keys: Vec<&str> = found.iter().map(|(entry, _)| &*entry.key).collect();
    // Nothing at all may be meant: a store without a password, a token for an integration that is off.
    let empty = found.iter().all(|(_, text)| text.is_empty());
    let (severity, one, many) = match empty {
        true => (Note, "empty", "empty"),
        false => (Warning, "a placeholder", "placeholders"),
    };
    let message = match keys.len() {
        1 => format!("{}: `{}` is {one}", config.object, keys[0]),
        count => format!(
            "{}: {count} of {} values are {many}: {}",
            config.object,
            config.entries.len(),
            keys.join(", ")
        ),
    };
    let shown = if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") };
    let mut finding = Diagnostic::new(severity, codes::PLACEHOLDER_SECRET, message)
        .primary(first.span, format!("{shown} is no secret"))
        .about(&*config.object, format!("data.{}", first.key));
    for (entry, _) in found.iter().skip(1).take(4) {
        finding = finding.secondary(entry.span, "");
    }
    subject
        .report(finding.help("set a value of your own, or let an external secret store make it"));
}

/// The placeholder that an entry holds, when it does.
fn placeholder(entry: &Entry) -> Option<String> {
    let text = if entry.encoded { decode(&entry.text)? } else { entry.text.to_string() };
    let text = text.trim().to_owned();
    let lower = text.to_ascii_lowercase();
    let bare: String =
        lower.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    let key = entry.key.to_ascii_lowercase();
    let secret_key = SECRET_KEYS.iter().any(|word| key.contains(word));
    let known = PLACEHOLDERS.contains(&&*bare)
        || [
            "changeme",
            "change_me",
            "change-me",
            "change me",
            "replace_me",
            "replace me",
            "your-",
            "your_",
        ]
        .iter()
        .any(|word| lower.contains(word))
        || (lower.starts_with('<') && lower.ends_with('>') && lower.len() > 2);
    // An empty entry may be meant where the key tells of no secret.
    if known || (text.is_empty() && secret_key) { Some(text) } else { None }
}

/// Base64 as Secrets have it; `None` for what is not.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).expect("masked to a byte"));
        }
    }
    String::from_utf8(bytes).ok()
}

/// Where something is referred to.
struct Reference<'a> {
    kind: ConfigKind,
    namespace: Arc<str>,
    name: Arc<str>,
    place: Value<'a>,
    user: String,
}

/// References of pods and Ingresses to ConfigMaps and Secrets that no manifest makes, one finding
/// each.
fn references(subject: &Subject<'_>) {
    let mut missing: BTreeMap<(ConfigKind, Arc<str>, Arc<str>), Vec<Reference<'_>>> =
        BTreeMap::new();
    let known = |reference: &Reference<'_>| {
        subject.material.extras.configs.iter().any(|config| {
            config.kind == reference.kind
                && config.meta.name == reference.name
                && config.meta.namespace == reference.namespace
        })
    };
    // Templates may make what values only name.
    for workload in subject.workloads().filter(|workload| !workload.roughly_told) {
        for reference in pod_references(workload).into_iter().filter(|reference| !known(reference))
        {
            let key =
                (reference.kind, Arc::clone(&reference.namespace), Arc::clone(&reference.name));
            missing.entry(key).or_default().push(reference);
        }
    }
    // A set of manifests without any ConfigMap or Secret is a part of something; what it lacks is no news.
    for ((kind, _, name), users) in missing {
        let Some(first) = users.first() else { continue };
        let names: Vec<&str> = users.iter().map(|reference| &*reference.user).collect();
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        names.dedup();
        let needs = if names.len() == 1 { "needs" } else { "need" };
        let message = format!(
            "no manifest makes the {} `{name}` that {} {needs}",
            kind.name(),
            listed(&names)
        );
        subject.report(
            at(&first.place, Note, codes::MISSING_REFERENCE, message, "not among the objects")
                .note("when it is not in the cluster either: CreateContainerConfigError, or FailedMount, and the containers never start"),
        );
    }
    for ingress in &subject.material.extras.ingresses {
        let Some(value) = subject.value("Ingress", &ingress.meta) else { continue };
        let absent = ingress.tls_secrets.iter().filter(|(name, _)| {
            !subject.material.extras.configs.iter().any(|config| {
                config.kind == ConfigKind::Secret
                    && config.meta.name == *name
                    && config.meta.namespace == ingress.meta.namespace
            })
        });
        // cert-manager makes the Secret when it is told to by an annotation.
        let managed =
            ingress.meta.annotations.keys().any(|key| key.starts_with("cert-manager.io/"));
        for (name, span) in absent.filter(|_| !managed) {
            if first_with(subject, ingress, name) {
                let message = format!(
                    "no manifest makes the Secret `{name}` with the certificate of {}",
                    value.object()
                );
                subject.report(
                    Diagnostic::new(Note, codes::MISSING_REFERENCE, message)
                        .primary(*span, "not among the objects")
                        .about(value.object(), "spec.tls")
                        .note("without it the controller serves a certificate of its own that no client trusts"),
                );
            }
        }
    }
}

/// Whether an Ingress is the first that names a certificate: one finding says it for all.
fn first_with(
    subject: &Subject<'_>,
    ingress: &crate::input::material::Ingress,
    name: &Arc<str>,
) -> bool {
    let naming = |other: &&crate::input::material::Ingress| {
        other.meta.namespace == ingress.meta.namespace
            && other.tls_secrets.iter().any(|(own, _)| own == name)
    };
    subject
        .material
        .extras
        .ingresses
        .iter()
        .find(naming)
        .is_some_and(|first| first.meta.name == ingress.meta.name)
}

fn listed(names: &[String]) -> String {
    match names {
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => "nobody".to_owned(),
    }
}

fn pod_references<'a>(workload: &WorkloadView<'a>) -> Vec<Reference<'a>> {
    let mut found = Vec::new();
    let mut take = |kind, place: Option<Value<'a>>, field: &str| {
        let Some(place) = place else { return };
        if is_true(place.get("optional")) {
            return;
        }
        let Some(name) = place.get(field) else { return };
        let Some(text) = name.node().text().map(Arc::from) else { return };
        let namespace = Arc::clone(&workload.spec.meta.namespace);
        found.push(Reference { kind, namespace, name: text, place: name, user: workload.name() });
    };
    for (_, container) in workload.containers() {
        for source in container.get("envFrom").map(|list| list.elements()).unwrap_or_default() {
            take(ConfigKind::ConfigMap, source.get("configMapRef"), "name");
            take(ConfigKind::Secret, source.get("secretRef"), "name");
        }
        for variable in container.get("env").map(|list| list.elements()).unwrap_or_default() {
            take(ConfigKind::ConfigMap, variable.at(&["valueFrom", "configMapKeyRef"]), "name");
            take(ConfigKind::Secret, variable.at(&["valueFrom", "secretKeyRef"]), "name");
        }
    }
    for volume in workload.pod_spec().get("volumes").map(|list| list.elements()).unwrap_or_default()
    {
        take(ConfigKind::ConfigMap, volume.get("configMap"), "name");
        take(ConfigKind::Secret, volume.get("secret"), "secretName");
    }
    found
}

fn is_true(value: Option<Value<'_>>) -> bool {
    let scalar = value.as_ref().and_then(|value| value.node().scalar());
    scalar.is_some_and(|scalar| scalar.value == ScalarValue::Boolean(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::source::Sources;

    #[test]
    fn placeholders_are_told_from_secrets() {
        let mut sources = Sources::new();
        let file = sources.add("s.yaml", "x");
        let span = crate::input::source::Span { file, start: 0, end: 1 };
        let rows = [
            ("PASSWORD", "CHANGE_ME", false, true),
            ("PASSWORD", "Q0hBTkdFX01F", true, true),
            ("PASSWORD", "c3VwZXItNHI=", true, false),
            ("PASSWORD", "", false, true),
            ("ca.crt", "", false, false),
            ("TOKEN", "<your token>", false, true),
            ("url", "https://example.org", false, false),
            ("PASSWORD", "Tr0ub4dor&3", false, false),
        ];
        for (key, text, encoded, expected) in rows {
            let entry = Entry { key: key.into(), text: text.into(), span, encoded };
            assert_eq!(placeholder(&entry).is_some(), expected, "{key}={text}");
        }
    }
}
