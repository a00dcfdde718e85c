//! Single figures changed by path: `load.scenarios.clinicians.rate=400`, from a command line or a search.
//!
//! A patch is `PATH=VALUE` or `TARGET:PATH=VALUE`. Targets are `values` (Helm's, as `--set`),
//! `scenario`, `cluster`, `services`, and an object by `Kind/name` or `Kind/namespace/name`. Without a
//! target the first key decides: a field of Scenario documents means the scenario, anything else the
//! values. Keys are separated by dots, a backslash keeps a dot; `[2]` is a place of a list, `[general]`
//! the item whose `name` it is. Values are YAML in one line.

mod apply;
mod documents;

use std::fmt;

use super::codes;
use super::diagnostic::Diagnostic;
use super::source::{Sources, Span};

pub(super) use apply::{to_documents, to_objects};
pub use documents::patches_in;

/// Paths are nested so deep at most.
const STEPS_MOST: usize = 64;

/// Fields of Scenario documents: what a path without target is looked up in first.
const SCENARIO_FIELDS: [&str; 15] = [
    "alerts",
    "description",
    "duration",
    "events",
    "inputs",
    "load",
    "metadata",
    "model",
    "overrides",
    "replicas",
    "seed",
    "start",
    "thresholds",
    "tick",
    "warmUp",
];

/// Which document a patch changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PatchTarget {
    /// The values of the release, as `--set` would.
    Values,
    /// The scenario document.
    Scenario,
    /// The cluster profile.
    Cluster,
    /// The service profiles.
    Services,
    /// A Kubernetes object of the release or the cluster, after values and templates.
    Object {
        /// Its kind.
        kind: String,
        /// Its namespace, when it is stated.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A key of a mapping.
    Key(String),
    /// A place of a list, from 0.
    Index(usize),
    /// The item of a list that has this `name`.
    Named(String),
}

/// A figure to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Where.
    pub target: PatchTarget,
    /// The way to the figure, never empty.
    pub path: Vec<Step>,
    /// What it becomes: YAML in one line.
    pub value: String,
}

/// Why a text is no patch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no patch: {cause}")]
pub struct PatchError {
    text: String,
    cause: String,
}

impl Patch {
    /// Reads `[TARGET:]PATH=VALUE`.
    ///
    /// # Errors
    /// When there is no equals sign or the path cannot be read.
    pub fn parse(text: &str) -> Result<Self, PatchError> {
        let Some(at) = equals_sign(text) else {
            let cause = "it has no `=`, as in `gateway.autoscaling.maxReplicas=30`".to_owned();
            return Err(PatchError { text: text.to_owned(), cause });
        };
        Self::new(&text[..at], &text[at + 1..])
    }

    /// A patch of a place written as `[TARGET:]PATH`.
    ///
    /// # Errors
    /// When the path cannot be read.
    pub fn new(place: &str, value: &str) -> Result<Self, PatchError> {
        let wrong = |cause: String| PatchError { text: place.to_owned(), cause };
        let (target, written) = target_of(place);
        let path = steps(written).map_err(wrong)?;
        let target = target.unwrap_or_else(|| match path.first() {
            Some(Step::Key(key)) if SCENARIO_FIELDS.contains(&key.as_str()) => {
                PatchTarget::Scenario
            }
            _ => PatchTarget::Values,
        });
        if !matches!(path.first(), Some(Step::Key(_))) {
            return Err(wrong("it must begin with a key".to_owned()));
        }
        Ok(Self { target, path, value: value.to_owned() })
    }

    /// The place alone, as it can be read again: `scenario:load.scenarios.readers.rate`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.target, written(&self.path))
    }

    /// The value as a text of its own, so that what is said about it points into the patch.
    fn in_sources(&self, sources: &mut Sources) -> Span {
        let file = sources.add(&format!("patch {}", self.place()), &self.value);
        Span { file, start: 0, end: u32::try_from(self.value.len()).unwrap_or(u32::MAX) }
    }

    /// A patch that cannot be applied and is in no document yet.
    pub(super) fn refused_in(&self, sources: &mut Sources, cause: &str) -> Diagnostic {
        let span = self.in_sources(sources);
        self.refused(span, cause)
    }

    /// A patch that cannot be applied.
    fn refused(&self, span: Span, cause: &str) -> Diagnostic {
        let message = format!("cannot apply `{self}`: {cause}");
        Diagnostic::error(codes::INVALID_PATCH, message).primary(span, "")
    }
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.place(), self.value)
    }
}

impl fmt::Display for PatchTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Values => f.write_str("values"),
            Self::Scenario => f.write_str("scenario"),
            Self::Cluster => f.write_str("cluster"),
            Self::Services => f.write_str("services"),
            Self::Object { kind, namespace: None, name } => write!(f, "{kind}/{name}"),
            Self::Object { kind, namespace: Some(namespace), name } => {
                write!(f, "{kind}/{namespace}/{name}")
            }
        }
    }
}

/// The equals sign that ends the path: the first that is neither escaped nor in brackets.
fn equals_sign(text: &str) -> Option<usize> {
    let (mut escaped, mut open) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => open = true,
            ']' => open = false,
            '=' if !open => return Some(at),
            _ => {}
        }
    }
    None
}

/// The target, when one is written, and the rest.
fn target_of(place: &str) -> (Option<PatchTarget>, &str) {
    let Some((head, rest)) = place.split_once(':') else { return (None, place) };
    let target = match head {
        "values" => PatchTarget::Values,
        "scenario" => PatchTarget::Scenario,
        "cluster" => PatchTarget::Cluster,
        "services" => PatchTarget::Services,
        _ => {
            let parts: Vec<&str> = head.split('/').collect();
            let is_kind = parts[0].starts_with(|c: char| c.is_ascii_uppercase())
                && parts[0].chars().all(|c| c.is_ascii_alphanumeric());
            let owned = |text: &str| text.to_owned();
            match parts.as_slice() {
                [kind, name] if is_kind => {
                    PatchTarget::Object { kind: owned(kind), namespace: None, name: owned(name) }
                }
                [kind, namespace, name] if is_kind => PatchTarget::Object {
                    kind: owned(kind),
                    namespace: Some(owned(namespace)),
                    name: owned(name),
                },
                _ => return (None, place),
            }
        }
    };
    (Some(target), rest)
}

/// `a.b\.c[0][general]` as steps.
fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut key = String::new();
    let mut after_bracket = false;
    let mut letters = text.chars();
    let flush = |key: &mut String, steps: &mut Vec<Step>, after_bracket: bool| {
        if key.is_empty() && !after_bracket {
            return Err("a key is empty".to_owned());
        }
        if !key.is_empty() {
            steps.push(Step::Key(std::mem::take(key)));
        }
        Ok(())
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => key.extend(letters.next()),
            '.' => {
                flush(&mut key, &mut steps, after_bracket)?;
                after_bracket = false;
            }
            '[' => {
                flush(&mut key, &mut steps, after_bracket)?;
                let inside: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                if inside.is_empty() {
                    return Err("brackets are empty".to_owned());
                }
                let index = inside.parse::<usize>();
                steps.push(index.map_or(Step::Named(inside), Step::Index));
                after_bracket = true;
            }
            _ if after_bracket => {
                return Err("behind a bracket comes a dot or another bracket".to_owned());
            }
            _ => key.push(letter),
        }
        if steps.len() > STEPS_MOST {
            return Err(format!("it has more than {STEPS_MOST} steps"));
        }
    }
    flush(&mut key, &mut steps, after_bracket)?;
    Ok(steps)
}

/// Steps as [`steps`] reads them.
fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                for letter in key.chars() {
                    if matches!(letter, '.' | '=' | '[' | '\\') {
                        text.push('\\');
                    }
                    text.push(letter);
                }
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Named(name) => text.push_str(&format!("[{name}]")),
        }
    }
    text
}

/// Patches of values in the words of `--set` and `--set-string`, in this order.
pub(super) fn assignments(patches: &[Patch]) -> (Vec<String>, Vec<String>) {
    let (mut set, mut set_string) = (Vec::new(), Vec::new());
    for patch in patches.iter().filter(|patch| patch.target == PatchTarget::Values) {
        let value = patch.value.trim();
        let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
        let place = written(&patch.path).replace(',', r"\,");
        let list = value.starts_with('[') && value.ends_with(']');
        let text = if quoted || list { &value[1..value.len() - 1] } else { value };
        if list {
            set.push(format!("{place}={{{text}}}"));
        } else {
            let escaped = text.replace('\\', r"\\").replace(',', r"\,");
            let escaped = if escaped.starts_with('{') { format!(r"\{escaped}") } else { escaped };
            let into = if quoted { &mut set_string } else { &mut set };
            into.push(format!("{place}={escaped}"));
        }
    }
    (set, set_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_stated_or_follow_from_the_first_key() {
        for (text, place) in [
            ("load.scenarios.readers.rate=4", "scenario:load.scenarios.readers.rate"),
            ("gateway.autoscaling.maxReplicas=4", "values:gateway.autoscaling.maxReplicas"),
            ("values:replicas=4", "values:replicas"),
            ("cluster:nodePools[general].max=4", "cluster:nodePools[general].max"),
            ("services:services.api.places=4", "services:services.api.places"),
            ("Deployment/api:spec.replicas=4", "Deployment/api:spec.replicas"),
            ("Deployment/prod/api:spec.replicas=4", "Deployment/prod/api:spec.replicas"),
            (
                r"Deployment/api:metadata.annotations.a\.b/c=4",
                r"Deployment/api:metadata.annotations.a\.b/c",
            ),
            (
                "thresholds.http_req_duration{name:a}[0]=4",
                "scenario:thresholds.http_req_duration{name:a}[0]",
            ),
            (r"a\=b[x=y]=4", r"values:a\=b[x=y]"),
        ] {
            let patch = Patch::parse(text).expect("it is a patch");
            assert_eq!(patch.place(), place, "{text}");
            assert_eq!(patch.value, "4");
            assert_eq!(Patch::parse(&patch.to_string()), Ok(patch), "it reads back");
        }
    }

    #[test]
    fn what_is_no_patch_says_why() {
        for (text, cause) in [
            ("a.b", "it has no `=`"),
            ("=3", "a key is empty"),
            ("a..b=3", "a key is empty"),
            ("a[]=3", "brackets are empty"),
            ("a[0]b=3", "behind a bracket"),
            ("[0]=3", "a key is empty"),
        ] {
            let error = Patch::parse(text).expect_err("it is wrong").to_string();
            assert!(error.contains(cause), "{text}: {error}");
        }
        assert!(Patch::parse(&format!("{}=1", "a.".repeat(99) + "a")).is_err());
    }

    #[test]
    fn values_become_assignments_as_helm_takes_them() {
        let patch = |text| Patch::parse(text).expect("it is a patch");
        let patches = [
            patch("web.replicas=3"),
            patch(r#"web.tag="1.10""#),
            patch("web.hosts=[a, b]"),
            patch(r"a\.b=x,y"),
            patch("load.x=3"),
        ];
        let (set, set_string) = assignments(&patches);
        assert_eq!(set, ["web.replicas=3", "web.hosts={a, b}", r"a\.b=x\,y"]);
        assert_eq!(set_string, ["web.tag=1.10"]);
    }
}
