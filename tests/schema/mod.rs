//! Validation of JSON by JSON Schema, as far as the schemas use it that our outputs are held against.

mod xml;

use regex::Regex;
use serde_json::Value;

pub(crate) use xml::xml_faults;

/// What is wrong with a value, by place; empty when it conforms. A keyword that is not known here
/// counts as wrong, so that nothing passes unchecked.
pub(crate) fn faults(value: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(value, schema, schema, "", &mut found);
    found
}

fn check(value: &Value, schema: &Value, root: &Value, at: &str, found: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return };
    for (keyword, wanted) in keywords {
        match keyword.as_str() {
            "$schema" | "$id" | "id" | "title" | "description" | "default" | "definitions"
            | "$defs" | "format" => {}
            "$ref" => {
                let name = wanted.as_str().expect("a reference is text").trim_start_matches('#');
                let target = root.pointer(name).expect("references are inside the schema");
                check(value, target, root, at, found);
            }
            "type" => types(value, wanted, at, found),
            "enum" | "const" => {
                let words = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                if !words.contains(value) {
                    found.push(format!("{at}: {value} is none of {words:?}"));
                }
            }
            "required" => {
                let names = wanted.as_array().into_iter().flatten().filter_map(Value::as_str);
                let absent = names.filter(|name| value.is_object() && value.get(name).is_none());
                found.extend(absent.map(|name| format!("{at}.{name} is absent")));
            }
            "properties" => {
                for (name, schema) in wanted.as_object().into_iter().flatten() {
                    if let Some(field) = value.get(name) {
                        check(field, schema, root, &format!("{at}.{name}"), found);
                    }
                }
            }
            "additionalProperties" => more(value, schema, root, at, found),
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(item, wanted, root, &format!("{at}[{number}]"), found);
                }
            }
            "minItems" | "uniqueItems" => items(value, keyword, wanted, at, found),
            "minimum" | "maximum" => {
                if let (Some(number), Some(bound)) = (value.as_f64(), wanted.as_f64())
                    && (keyword == "minimum" && number < bound
                        || keyword == "maximum" && number > bound)
                {
                    found.push(format!("{at}: {number} is beyond the {keyword} {bound}"));
                }
            }
            "pattern" => {
                let pattern = Regex::new(wanted.as_str().expect("text")).expect("a pattern");
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    found.push(format!("{at}: {value} does not match {pattern}"));
                }
            }
            "anyOf" | "oneOf" => {
                let choices = wanted.as_array().into_iter().flatten();
                let count = choices.filter(|schema| fits(value, schema, root, at)).count();
                if count == 0 || keyword == "oneOf" && count > 1 {
                    found.push(format!("{at}: {count} of the choices fit"));
                }
            }
            other => {
                found.push(format!("{at}: the schema uses {other}, which is not checked here"))
            }
        }
    }
}

fn types(value: &Value, wanted: &Value, at: &str, found: &mut Vec<String>) {
    let names: Vec<&str> = match wanted.as_array() {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => wanted.as_str().into_iter().collect(),
    };
    if !names.iter().any(|name| is_a(value, name)) {
        found.push(format!("{at}: {value} is no {}", names.join(" or ")));
    }
}

/// Fields that `properties` does not name.
fn more(value: &Value, schema: &Value, root: &Value, at: &str, found: &mut Vec<String>) {
    let (known, wanted) = (schema["properties"].as_object(), &schema["additionalProperties"]);
    for (name, field) in value.as_object().into_iter().flatten() {
        if known.is_some_and(|known| known.contains_key(name)) {
            continue;
        }
        match wanted.as_bool() {
            Some(true) => {}
            Some(false) => found.push(format!("{at}.{name} is not known")),
            None => check(field, wanted, root, &format!("{at}.{name}"), found),
        }
    }
}

fn fits(value: &Value, schema: &Value, root: &Value, at: &str) -> bool {
    let mut inner = Vec::new();
    check(value, schema, root, at, &mut inner);
    inner.is_empty()
}

fn items(value: &Value, keyword: &str, wanted: &Value, at: &str, found: &mut Vec<String>) {
    let Some(list) = value.as_array() else { return };
    if keyword == "minItems" {
        let least = wanted.as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(0);
        if list.len() < least {
            found.push(format!("{at} has {} items, {least} at least are wanted", list.len()));
        }
    } else if wanted.as_bool() == Some(true)
        && list.iter().enumerate().any(|(number, item)| list[..number].contains(item))
    {
        found.push(format!("{at} has an item twice"));
    }
}

fn is_a(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema knows a type {other}"),
    }
}
