//! ConfigMap, Secret and what makes one: the texts that pods are configured with.

use std::sync::Arc;

use crate::cluster::api::meta::ObjectMeta;
use crate::input::decode::Value;
use crate::input::kubernetes::meta::{metadata, object_fields};
use crate::input::source::Span;

/// Which kind of object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigKind {
    /// v1 ConfigMap.
    ConfigMap,
    /// v1 Secret, or an object from which an operator makes one.
    Secret,
}

impl ConfigKind {
    /// The Kubernetes kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

/// A ConfigMap or Secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which kind.
    pub kind: ConfigKind,
    /// The object as it is named in messages: `Secret/db`, `ExternalSecret/db`.
    pub object: Arc<str>,
    /// Name and namespace of the ConfigMap or Secret.
    pub meta: ObjectMeta,
    /// Its entries: key, text (of `data` of a Secret what base64 hides), place of the value.
    pub entries: Vec<Entry>,
}

/// One entry of a ConfigMap or Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Arc<str>,
    /// The text; empty when it is no text.
    pub text: Arc<str>,
    /// Where the value stands.
    pub span: Span,
    /// Whether the text is written in base64.
    pub encoded: bool,
}

/// v1 ConfigMap.
pub(super) fn config_map(value: &Value<'_>) -> Option<Config> {
    let meta = metadata(&object_fields(value)?)?;
    let entries = entries(value, "data", false);
    Some(Config { kind: ConfigKind::ConfigMap, object: value.object().into(), meta, entries })
}

/// v1 Secret: `stringData` over `data`.
pub(super) fn secret(value: &Value<'_>) -> Option<Config> {
    let meta = metadata(&object_fields(value)?)?;
    let mut found = entries(value, "stringData", false);
    found.extend(entries(value, "data", true));
    Some(Config { kind: ConfigKind::Secret, object: value.object().into(), meta, entries: found })
}

/// A Secret that an operator makes: ExternalSecret names it in `spec.target.name`, SealedSecret and
/// the Certificate of cert-manager by their own name or `spec.secretName`.
pub(super) fn made_secret(value: &Value<'_>) -> Option<Config> {
    let mut meta = metadata(&object_fields(value)?)?;
    let named = [
        &["spec", "target", "name"][..],
        &["spec", "secretName"],
        &["spec", "template", "metadata", "name"],
    ];
    let named = named.iter().find_map(|path| value.at(path));
    if let Some(name) = named.as_ref().and_then(|name| name.node().text()) {
        meta.name = name.into();
    }
    let object = value.object().into();
    Some(Config { kind: ConfigKind::Secret, object, meta, entries: Vec::new() })
}

fn entries(value: &Value<'_>, field: &str, encoded: bool) -> Vec<Entry> {
    let Some(data) = value.get(field) else { return Vec::new() };
    let pairs = data.node().mapping().unwrap_or_default();
    let entry = |pair: &crate::input::yaml::Entry| Entry {
        key: Arc::clone(&pair.key),
        text: pair.value.scalar().map_or_else(|| Arc::from(""), |scalar| Arc::clone(&scalar.text)),
        span: data.get(&pair.key).map_or(pair.key_span, |value| value.span()),
        encoded,
    };
    pairs.iter().map(entry).collect()
}
