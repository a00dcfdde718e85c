//! The options of a k6 script, as `k6 inspect` prints them, as a document of kind Load.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::input::json;

/// Fields of options that make a load when there are no scenarios.
const SHORTCUTS: [&str; 5] = ["stages", "iterations", "duration", "vus", "scenarios"];
/// Fields of a scenario that say nothing here.
const SILENT: [&str; 4] = ["env", "tags", "options", "exec"];

/// A load made of options, and what of them was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The document.
    pub document: String,
    /// Options that are no load: thresholds and the like.
    pub left_out: Vec<String>,
}

/// Whether a text is the options of a script.
#[must_use]
pub fn is_options(text: &str) -> bool {
    let Ok(Value::Object(options)) = serde_json::from_str::<Value>(text) else { return false };
    SHORTCUTS.iter().any(|name| options.get(*name).is_some_and(|value| !value.is_null()))
}

/// Converts options. Every scenario calls a class: that of `classes` under its `exec` (or its name), else
/// `class`.
///
/// # Errors
///
/// A sentence when the text is no options or has no load.
pub fn convert(
    text: &str,
    name: &str,
    class: Option<&str>,
    classes: &BTreeMap<String, String>,
) -> Result<Converted, String> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("is no JSON: {}", json::cause(&error)))?;
    let Value::Object(options) = value else {
        return Err("is JSON, but no options of k6".to_owned());
    };
    let mut document = format!(
        "# The options of a k6 script, as `k6 inspect` prints them.\napiVersion: aurelius.dev/v1\nkind: Load\nmetadata: {{name: {name}}}\nload:\n"
    );
    let class_of = |scenario: &str, exec: Option<&str>| {
        let named = exec.and_then(|exec| classes.get(exec)).or_else(|| classes.get(scenario));
        named.map(String::as_str).or(class).or(exec).unwrap_or("default").to_owned()
    };
    match options.get("scenarios") {
        Some(Value::Object(scenarios)) if !scenarios.is_empty() => {
            document.push_str("  scenarios:\n");
            for (scenario, body) in scenarios {
                let Value::Object(body) = body else {
                    return Err(format!("has the scenario `{scenario}`, which is no object"));
                };
                let exec = body.get("exec").and_then(Value::as_str);
                entry(&mut document, scenario, body, &class_of(scenario, exec));
            }
        }
        _ => {
            let mut found = false;
            for name in SHORTCUTS {
                if let Some(value) = options.get(name).filter(|value| !value.is_null()) {
                    let _ = writeln!(document, "  {name}: {}", flow(value));
                    found = true;
                }
            }
            if !found {
                return Err("has neither scenarios, stages, iterations nor duration".to_owned());
            }
            let _ = writeln!(document, "  exec: {}", class_of("default", None));
        }
    }
    let ours = |name: &str| SHORTCUTS.contains(&name);
    let left_out = options.iter().filter(|(name, value)| !ours(name) && says(value));
    let left_out = left_out.map(|(name, _)| name.clone()).collect();
    Ok(Converted { document, left_out })
}

/// Whether an option is anything but empty.
fn says(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    }
}

/// Iterations of k6 lie evenly within their rate.
fn entry(document: &mut String, name: &str, body: &Map<String, Value>, class: &str) {
    let _ = writeln!(document, "    {name}:");
    for (field, value) in body {
        if !value.is_null() && !SILENT.contains(&field.as_str()) {
            let _ = writeln!(document, "      {field}: {}", flow(value));
        }
    }
    let _ = writeln!(document, "      exec: {class}");
    let open =
        body.get("executor").and_then(Value::as_str).is_some_and(|it| it.ends_with("arrival-rate"));
    if open {
        document.push_str("      arrivals: uniform\n");
    }
}

/// JSON is YAML, but for nulls within, which k6 means as absent.
fn flow(value: &Value) -> String {
    pruned(value).to_string()
}

fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), pruned(value)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.iter().map(pruned).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_keep_their_fields_and_get_a_class() {
        let text = r#"{"paused":null,"vus":null,"scenarios":{"browse":{"executor":"ramping-arrival-rate",
            "startTime":null,"gracefulStop":null,"env":null,"exec":"browse","tags":null,"startRate":2,
            "timeUnit":"1s","stages":[{"duration":"100s","target":25}],"preAllocatedVUs":20,"maxVUs":null}},
            "thresholds":{"http_req_failed":["rate<0.01"]}}"#;
        assert!(is_options(text));
        let converted = convert(text, "run", None, &BTreeMap::new()).expect("options");
        assert_eq!(converted.left_out, ["thresholds"]);
        let expected = "    browse:\n      executor: \"ramping-arrival-rate\"\n      startRate: 2\n      timeUnit: \"1s\"\n      \
                        stages: [{\"duration\":\"100s\",\"target\":25}]\n      preAllocatedVUs: 20\n      exec: browse\n      arrivals: uniform\n";
        assert!(converted.document.ends_with(expected), "{}", converted.document);
    }

    #[test]
    fn shortcuts_are_taken_and_other_texts_refused() {
        let converted =
            convert(r#"{"vus":5,"duration":"30s"}"#, "run", Some("get"), &BTreeMap::new())
                .expect("options");
        assert!(
            converted.document.ends_with("load:\n  duration: \"30s\"\n  vus: 5\n  exec: get\n")
        );
        assert!(!is_options("time,value\n1,2\n"));
        assert!(convert("[]", "run", None, &BTreeMap::new()).is_err());
        assert!(convert("{}", "run", None, &BTreeMap::new()).is_err());
    }
}
