//! A review as a value: everything that was found, with places as people count them, ready for any
//! output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::network::CallVerdict;
use super::suppress::{self, Suppressions};
use super::table::{Category, table};
use crate::input::codes::{self, Code};
use crate::input::diagnostic::{Diagnostic, Severity};
use crate::input::material::Material;
use crate::input::source::{Sources, Span};
use crate::scenario::InputFile;

/// The reason of what is suppressed because an earlier result knew it.
pub const IN_BASELINE: &str = "in the baseline";

/// What a review came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// What was found and is not suppressed, sorted by place.
    pub findings: Vec<Finding>,
    /// The same as they were reported, for the renderer of snippets.
    pub reported: Vec<Diagnostic>,
    /// What was found and is suppressed.
    pub suppressed: Vec<Finding>,
    /// How many objects of the release there are, by kind.
    pub objects: BTreeMap<Arc<str>, usize>,
    /// What can be said of the checks that follow a deployment.
    pub categories: Vec<Category>,
    /// Every call of the service graph, judged by the NetworkPolicies; empty without profiles.
    pub calls: Vec<CallVerdict>,
    /// Every file, with its hash.
    pub inputs: Vec<InputFile>,
    /// What was given beside the objects: `cluster eks-t4`, `services`, ...
    pub given: Vec<String>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `AUR401`.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The object it is about, `Deployment/web`; may be empty.
    pub object: String,
    /// The path inside the object; may be empty.
    pub path: String,
    /// What is wrong, with the values.
    pub message: String,
    /// The place to blame.
    pub place: Option<Location>,
    /// What the place has to do with it.
    pub label: String,
    /// Other places that matter.
    pub related: Vec<(Location, String)>,
    /// What the real system would say, and why it matters.
    pub notes: Vec<String>,
    /// What to do.
    pub helps: Vec<Help>,
    /// The same for the same fault, also when lines have moved.
    pub fingerprint: String,
    /// The reason of its suppression.
    pub suppression: Option<String>,
}

/// A stretch of text in a file; lines and columns are counted from 1, the end is exclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The path as it was given.
    pub file: Arc<str>,
    /// First line.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// One past the last column.
    pub end_column: u32,
}

/// Advice, perhaps with an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Help {
    /// The words.
    pub text: String,
    /// What to replace by what.
    pub edit: Option<(Location, String)>,
    /// Whether `--fix` applies the edit.
    pub certain: bool,
}

/// Which findings are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only codes that begin so; empty is all.
    pub select: Vec<String>,
    /// No codes that begin so.
    pub ignore: Vec<String>,
    /// Fingerprints that are known already.
    pub known: BTreeSet<String>,
    /// Whether what is not simulated or written twice is an error, and a suppression needs a reason.
    pub strict: bool,
}

impl Selection {
    fn wants(&self, code: Code) -> bool {
        let code = code.to_string();
        let matches = |list: &[String]| list.iter().any(|prefix| code.starts_with(&**prefix));
        (self.select.is_empty() || matches(&self.select)) && !matches(&self.ignore)
    }
}

/// Judges a material by all rules.
#[must_use]
pub fn review(material: &Material, selection: &Selection) -> Review {
    let mut all: Vec<Diagnostic> = material.diagnostics.clone();
    let (found, calls) = super::check_with_calls(material);
    all.extend(found);
    if selection.strict {
        all = all.into_iter().map(stricter).collect();
    }
    sort(&mut all);
    let categories = table(material, &all);
    let suppressions = Suppressions::of(material);
    let wanted = all.iter().filter(|diagnostic| selection.wants(diagnostic.code()));
    let used = wanted
        .filter_map(|diagnostic| Some((suppressions.reason(diagnostic)?.span, diagnostic.code())));
    let used = used.collect();
    all.extend(suppress::unused(material, &used, |code| selection.wants(code)));
    sort(&mut all);
    let mut sorter = Sorter::new(material, selection, suppressions);
    all.into_iter().for_each(|diagnostic| sorter.take(diagnostic));
    let Sorter { findings, reported, suppressed, .. } = sorter;
    let inputs = material.sources.files().map(|(_, file)| InputFile {
        path: Arc::clone(file.name()),
        sha256: Arc::clone(file.sha256()),
    });
    Review {
        findings,
        reported,
        suppressed,
        objects: material.extras.counts.clone(),
        categories,
        calls,
        inputs: inputs.collect(),
        given: given(material),
    }
}

/// Strictly seen, a field that changes nothing is as wrong as one that does not exist.
fn stricter(diagnostic: Diagnostic) -> Diagnostic {
    match diagnostic.code() {
        codes::UNSUPPORTED | codes::DUPLICATE_KEY => diagnostic.with_severity(Severity::Error),
        _ => diagnostic,
    }
}

/// By place, each once.
fn sort(all: &mut Vec<Diagnostic>) {
    all.sort_by_key(|diagnostic| {
        let place = diagnostic.place().map(|label| label.span);
        (place, diagnostic.code(), diagnostic.message().to_owned())
    });
    all.dedup();
}

/// Parts what is found into what counts and what someone has decided to live with.
struct Sorter<'a> {
    material: &'a Material,
    selection: &'a Selection,
    suppressions: Suppressions<'a>,
    seen: BTreeMap<String, usize>,
    findings: Vec<Finding>,
    reported: Vec<Diagnostic>,
    suppressed: Vec<Finding>,
}

impl<'a> Sorter<'a> {
    fn new(
        material: &'a Material,
        selection: &'a Selection,
        suppressions: Suppressions<'a>,
    ) -> Self {
        Self {
            material,
            selection,
            suppressions,
            seen: BTreeMap::new(),
            findings: Vec::new(),
            reported: Vec::new(),
            suppressed: Vec::new(),
        }
    }

    fn take(&mut self, mut diagnostic: Diagnostic) {
        let mut written = self.suppressions.reason(&diagnostic);
        if self.selection.strict && written.as_ref().is_some_and(|it| it.reason.is_empty()) {
            let bare = written.take().map(|it| it.span);
            let text = "ignored here without a reason, which --strict asks for";
            if let Some(span) = bare {
                diagnostic = diagnostic.secondary(span, text);
            }
        }
        let mut finding = finding(&diagnostic, &self.material.sources, &mut self.seen);
        if !self.selection.wants(finding.code) {
            return;
        }
        finding.suppression = written.map(|written| written.reason).or_else(|| {
            let known = self.selection.known.contains(&finding.fingerprint);
            known.then(|| IN_BASELINE.to_owned())
        });
        // What cannot be read cannot be wished away.
        if finding.suppression.is_some()
            && finding.code.number() >= codes::UNUSED_SUPPRESSION.number()
        {
            self.suppressed.push(finding);
        } else {
            self.findings.push(finding);
            self.reported.push(diagnostic);
        }
    }
}

fn given(material: &Material) -> Vec<String> {
    let cluster = material.cluster.as_ref().map(|cluster| format!("cluster {}", cluster.name));
    let services = material.services.as_ref();
    let services = services.map(|graph| format!("{} service profiles", graph.stations.len()));
    let stated = material.requirements.as_ref();
    let stated = stated.map(|stated| format!("requirements {}", stated.name));
    let scenario = material.scenario.as_ref().map(|scenario| format!("scenario {}", scenario.name));
    [scenario, cluster, services, stated].into_iter().flatten().collect()
}

fn finding(
    diagnostic: &Diagnostic,
    sources: &Sources,
    seen: &mut BTreeMap<String, usize>,
) -> Finding {
    let here = |span: Span| location(sources, span);
    let helps = diagnostic.helps().iter().map(|help| Help {
        text: help.text.clone(),
        edit: help.replacement.as_ref().map(|edit| (here(edit.span), edit.text.clone())),
        certain: help.certain,
    });
    let related = diagnostic.other_places().iter();
    Finding {
        code: diagnostic.code(),
        severity: diagnostic.severity(),
        object: diagnostic.object().to_owned(),
        path: diagnostic.path().to_owned(),
        message: diagnostic.message().to_owned(),
        place: diagnostic.place().map(|label| here(label.span)),
        label: diagnostic.place().map(|label| label.text.clone()).unwrap_or_default(),
        related: related.map(|label| (here(label.span), label.text.clone())).collect(),
        notes: diagnostic.notes().to_vec(),
        helps: helps.collect(),
        fingerprint: fingerprint(diagnostic, sources, seen),
        suppression: None,
    }
}

fn location(sources: &Sources, span: Span) -> Location {
    let file = sources.file(span.file);
    let (from, to) = (file.line_column(span.start), file.line_column(span.end));
    Location {
        file: Arc::clone(file.name()),
        line: from.line,
        column: from.column,
        end_line: to.line,
        end_column: to.column,
    }
}

/// A hash over code, object and path, and a count for those that share all three; lines, columns and
/// figures play no part.
fn fingerprint(
    diagnostic: &Diagnostic,
    sources: &Sources,
    seen: &mut BTreeMap<String, usize>,
) -> String {
    let (object, path) = (diagnostic.object(), diagnostic.path());
    // What is about no object is known by its file and the words of its message.
    let whom = if object.is_empty() {
        let file = diagnostic.place().map(|label| sources.file(label.span.file).name().to_string());
        format!("{}\n{}", file.unwrap_or_default(), diagnostic.message())
    } else {
        format!("{object}\n{path}")
    };
    let base = format!("{}\n{whom}", diagnostic.code());
    let count = seen.entry(base.clone()).or_default();
    *count += 1;
    let hash = Sha256::digest(format!("{base}\n{count}").as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Review {
    /// How many findings are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// How many objects there are.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.objects.values().sum()
    }

    /// How many findings `--fix` can mend.
    #[must_use]
    pub fn fixable(&self) -> usize {
        let certain = |finding: &&Finding| {
            finding.helps.iter().any(|help| help.certain && help.edit.is_some())
        };
        self.findings.iter().filter(certain).count()
    }
}
