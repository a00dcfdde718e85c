//! One JSON document, of the shape that `review.v1.schema.json` describes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::word;
use crate::checks::{Answer, Finding, Location, Review, Severity};

/// The schema's name; it stands in every document.
pub const SCHEMA: &str = "https://aurelius.dev/schema/review.v1.schema.json";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    version: &'static str,
    tool: Tool,
    inputs: Vec<Input<'a>>,
    given: &'a [String],
    objects: BTreeMap<&'a str, usize>,
    summary: Summary,
    findings: Vec<Item<'a>>,
    suppressed: Vec<Item<'a>>,
    checks_before_deployment: Vec<Check<'a>>,
    calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    from: &'a str,
    to: &'a str,
    port: u16,
    allowed: bool,
    because: &'a str,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Input<'a> {
    path: &'a str,
    sha256: &'a str,
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    suppressed: usize,
    fixable: usize,
}

#[derive(Serialize)]
struct Item<'a> {
    code: String,
    name: &'static str,
    level: &'static str,
    object: &'a str,
    path: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Place<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    helps: Vec<Advice<'a>>,
    fingerprint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppression: Option<&'a str>,
}

#[derive(Serialize)]
struct Place<'a> {
    path: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
struct Related<'a> {
    location: Place<'a>,
    message: &'a str,
}

#[derive(Serialize)]
struct Advice<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<Edit<'a>>,
    fixable: bool,
}

#[derive(Serialize)]
struct Edit<'a> {
    location: Place<'a>,
    text: &'a str,
}

#[derive(Serialize)]
struct Check<'a> {
    category: &'static str,
    answer: &'static str,
    because: &'a str,
}

/// The document, with a line break at the end.
///
/// # Panics
/// Never: the value holds nothing that JSON cannot say.
#[must_use]
pub fn json(review: &Review) -> String {
    let inputs = review.inputs.iter();
    let document = Document {
        schema: SCHEMA,
        version: "1.0.0",
        tool: Tool { name: "aurelius-sim", version: env!("CARGO_PKG_VERSION") },
        inputs: inputs.map(|file| Input { path: &file.path, sha256: &file.sha256 }).collect(),
        given: &review.given,
        objects: review.objects.iter().map(|(kind, count)| (&**kind, *count)).collect(),
        summary: Summary {
            errors: review.count(Severity::Error),
            warnings: review.count(Severity::Warning),
            notes: review.count(Severity::Note),
            suppressed: review.suppressed.len(),
            fixable: review.fixable(),
        },
        findings: review.findings.iter().map(item).collect(),
        suppressed: review.suppressed.iter().map(item).collect(),
        checks_before_deployment: review
            .categories
            .iter()
            .map(|category| Check {
                category: category.name,
                answer: match category.answer {
                    Answer::Holds => "holds",
                    Answer::Fails => "fails",
                    Answer::Unknown => "unknown",
                },
                because: &category.because,
            })
            .collect(),
        calls: review
            .calls
            .iter()
            .map(|call| Call {
                from: &call.from,
                to: &call.to,
                port: call.port,
                allowed: call.allowed,
                because: &call.because,
            })
            .collect(),
    };
    let text = serde_json::to_string_pretty(&document);
    text.expect("plain structs of text and numbers are always JSON") + "\n"
}

fn item(finding: &Finding) -> Item<'_> {
    Item {
        code: finding.code.to_string(),
        name: finding.code.entry().slug,
        level: word(finding.severity),
        object: &finding.object,
        path: &finding.path,
        message: &finding.message,
        location: finding.place.as_ref().map(place),
        related: finding
            .related
            .iter()
            .map(|(location, message)| Related { location: place(location), message })
            .collect(),
        notes: &finding.notes,
        helps: finding
            .helps
            .iter()
            .map(|help| Advice {
                message: &help.text,
                edit: help
                    .edit
                    .as_ref()
                    .map(|(location, text)| Edit { location: place(location), text }),
                fixable: help.certain && help.edit.is_some(),
            })
            .collect(),
        fingerprint: &finding.fingerprint,
        suppression: finding.suppression.as_deref(),
    }
}

fn place(location: &Location) -> Place<'_> {
    Place {
        path: &location.file,
        line: location.line,
        column: location.column,
        end_line: location.end_line,
        end_column: location.end_column,
    }
}
