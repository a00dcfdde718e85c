//! SARIF 2.1.0, as code scanners upload it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{HELP_URI, word};
use crate::checks::Code;
use crate::checks::review::IN_BASELINE;
use crate::checks::{Finding, Location, Review};

/// One run with all findings, suppressed ones among them; a line break at the end.
#[must_use]
pub fn sarif(review: &Review) -> String {
    let all = || review.findings.iter().chain(&review.suppressed);
    let codes: BTreeSet<Code> = all().map(|finding| finding.code).collect();
    let position: BTreeMap<Code, usize> =
        codes.iter().enumerate().map(|(at, code)| (*code, at)).collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> =
        all().map(|finding| result(finding, position[&finding.code])).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "aurelius-sim",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": "https://aurelius.dev",
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The folder in which the command ran."}}},
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn rule(code: Code) -> Value {
    let entry = code.entry();
    let words = entry.slug.replace('-', " ");
    json!({
        "id": code.to_string(),
        "name": entry.slug,
        "shortDescription": {"text": words},
        "fullDescription": {"text": entry.explanation},
        "helpUri": format!("{HELP_URI}{code}"),
        "help": {"text": entry.explanation},
        "properties": {"tags": ["kubernetes", theme(code)]},
    })
}

/// The class of a code by its hundreds.
fn theme(code: Code) -> &'static str {
    match code.number() / 100 {
        0 => "syntax",
        1 => "quantities",
        2 => "values",
        3 => "autoscaling",
        4 => "disruption",
        5 => "scheduling",
        6 => "resources",
        7 => "network",
        _ => "cost",
    }
}

fn result(finding: &Finding, rule: usize) -> Value {
    let mut text = finding.message.clone();
    for note in &finding.notes {
        text.push('\n');
        text.push_str(note);
    }
    let mut result = json!({
        "ruleId": finding.code.to_string(),
        "ruleIndex": rule,
        "level": word(finding.severity),
        "message": {"text": text},
        "partialFingerprints": {"aurelius/v1": finding.fingerprint},
    });
    if let Some(place) = &finding.place {
        result["locations"] = json!([location(place, finding)]);
    }
    if !finding.related.is_empty() {
        let related = finding.related.iter().enumerate();
        let related = related.map(|(at, (place, label))| {
            json!({"id": at + 1, "physicalLocation": physical(place), "message": {"text": label}})
        });
        result["relatedLocations"] = related.collect();
    }
    let edits: Vec<Value> = finding.helps.iter().filter_map(|help| {
        let (place, new) = help.edit.as_ref()?;
        Some(json!({
            "description": {"text": help.text},
            "artifactChanges": [{
                "artifactLocation": artifact(place),
                "replacements": [{"deletedRegion": region(place), "insertedContent": {"text": new}}],
            }],
        }))
    }).collect();
    if !edits.is_empty() {
        result["fixes"] = Value::Array(edits);
    }
    if let Some(reason) = &finding.suppression {
        let kind = if reason == IN_BASELINE { "external" } else { "inSource" };
        let mut entry = json!({"kind": kind});
        if !reason.is_empty() {
            entry["justification"] = json!(reason);
        }
        result["suppressions"] = json!([entry]);
    }
    result
}

fn location(place: &Location, finding: &Finding) -> Value {
    let mut location = json!({"physicalLocation": physical(place)});
    if !finding.object.is_empty() {
        let full = if finding.path.is_empty() {
            finding.object.clone()
        } else {
            format!("{}.{}", finding.object, finding.path)
        };
        location["logicalLocations"] = json!([{"fullyQualifiedName": full, "kind": "object"}]);
    }
    location
}

fn physical(place: &Location) -> Value {
    json!({"artifactLocation": artifact(place), "region": region(place)})
}

fn artifact(place: &Location) -> Value {
    json!({"uri": uri(&place.file), "uriBaseId": "%SRCROOT%"})
}

fn region(place: &Location) -> Value {
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    })
}

/// A path as a relative URI reference: what a URI may not hold is written in per cent.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            b'\\' => uri.push('/'),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
