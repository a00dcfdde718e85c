//! Validation of JSON by JSON Schema, as far as the schemas use it that our outputs are held against,
//! and of XML by a schema that knows elements, their children and their attributes.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use regex::Regex;
use serde_json::Value;

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
        let before = found.len();
        match keyword.as_str() {
            "$schema" | "$id" | "id" | "title" | "description" | "default" | "definitions"
            | "$defs" | "format" => {}
            "$ref" => {
                let name = wanted.as_str().expect("a reference is text").trim_start_matches('#');
                let target = root.pointer(name).expect("references are inside the schema");
                check(value, target, root, at, found);
            }
            "type" => {
                let names: Vec<&str> = match wanted {
                    Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                    name => name.as_str().into_iter().collect(),
                };
                if !names.iter().any(|name| is_a(value, name)) {
                    found.push(format!("{at}: {value} is no {}", names.join(" or ")));
                }
            }
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
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                let more = value.as_object().into_iter().flatten();
                for (name, field) in
                    more.filter(|(name, _)| known.is_none_or(|it| !it.contains_key(*name)))
                {
                    match wanted {
                        Value::Bool(true) => {}
                        Value::Bool(false) => found.push(format!("{at}.{name} is not known")),
                        schema => check(field, schema, root, &format!("{at}.{name}"), found),
                    }
                }
            }
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
                let fits = |schema: &&Value| {
                    let mut inner = Vec::new();
                    check(value, schema, root, at, &mut inner);
                    inner.is_empty()
                };
                let count = wanted.as_array().into_iter().flatten().filter(fits).count();
                if count == 0 || keyword == "oneOf" && count > 1 {
                    found.push(format!("{at}: {count} of the choices fit"));
                }
            }
            other => {
                found.push(format!("{at}: the schema uses {other}, which is not checked here"))
            }
        }
        assert!(found.len() >= before);
    }
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

/// What an element may have.
#[derive(Debug, Default, Clone)]
struct Element {
    children: BTreeSet<String>,
    attributes: BTreeSet<String>,
    required: BTreeSet<String>,
    /// Attributes whose values match a pattern.
    patterns: BTreeMap<String, String>,
    mixed: bool,
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).expect("attributes are well formed")?;
    Some(String::from_utf8_lossy(&found.value).into_owned())
}

/// The elements of an XML schema: which children, attributes and texts each may have. Order and number
/// of children are free in the schemas that are used.
fn elements(xsd: &str) -> BTreeMap<String, Element> {
    let mut reader = Reader::from_str(xsd);
    let mut all: BTreeMap<String, Element> = BTreeMap::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut types: BTreeMap<String, Element> = BTreeMap::new();
    let (mut current, mut in_type, mut simple) = (None::<String>, None::<String>, None::<String>);
    let mut patterns: BTreeMap<String, String> = BTreeMap::new();
    loop {
        match reader.read_event().expect("the schema is XML") {
            Event::Eof => break,
            Event::Start(tag) | Event::Empty(tag) => {
                let name = attribute(&tag, "name");
                let into =
                    |current: &Option<String>, in_type: &Option<String>| match (in_type, current) {
                        (Some(kind), _) => Some((true, kind.clone())),
                        (None, Some(element)) => Some((false, element.clone())),
                        (None, None) => None,
                    };
                match tag.local_name().as_ref() {
                    b"simpleType" => simple = name,
                    b"pattern" => {
                        let (kind, value) = (simple.clone(), attribute(&tag, "value"));
                        patterns.extend(kind.zip(value));
                    }
                    b"complexType" if name.is_some() => {
                        let mixed = attribute(&tag, "mixed").as_deref() == Some("true");
                        let name = name.expect("just seen");
                        types.insert(name.clone(), Element { mixed, ..Element::default() });
                        in_type = Some(name);
                    }
                    b"complexType" => {
                        let element = current.as_ref().and_then(|name| all.get_mut(name));
                        if let Some(element) = element {
                            element.mixed = attribute(&tag, "mixed").as_deref() == Some("true");
                        }
                    }
                    b"element" => {
                        let child = attribute(&tag, "ref").or_else(|| name.clone());
                        let child = child.expect("an element has a name");
                        match into(&current, &in_type) {
                            Some((true, kind)) => {
                                types.entry(kind).or_default().children.insert(child);
                            }
                            Some((false, parent)) => {
                                all.entry(parent).or_default().children.insert(child);
                            }
                            None => {
                                all.entry(child.clone()).or_default();
                                match attribute(&tag, "type") {
                                    Some(kind) => {
                                        kinds.insert(child, kind);
                                    }
                                    None => current = Some(child),
                                }
                            }
                        }
                    }
                    b"attribute" => {
                        let name = name.expect("an attribute has a name");
                        let Some((is_type, owner)) = into(&current, &in_type) else { continue };
                        let map = if is_type { &mut types } else { &mut all };
                        let element = map.entry(owner).or_default();
                        if attribute(&tag, "use").as_deref() == Some("required") {
                            element.required.insert(name.clone());
                        }
                        if let Some(kind) = attribute(&tag, "type") {
                            element.patterns.insert(name.clone(), kind);
                        }
                        element.attributes.insert(name);
                    }
                    _ => {}
                }
            }
            Event::End(tag) => match tag.local_name().as_ref() {
                b"complexType" => in_type = None,
                b"simpleType" => simple = None,
                b"element" => current = None,
                _ => {}
            },
            _ => {}
        }
    }
    for (name, kind) in kinds {
        let element = types.get(&kind).cloned();
        // What is of a simple type holds text and nothing else.
        all.insert(name, element.unwrap_or(Element { mixed: true, ..Element::default() }));
    }
    for element in all.values_mut() {
        element.patterns.retain(|_, kind| match patterns.get(kind) {
            Some(pattern) => {
                *kind = format!("^(?:{pattern})$");
                true
            }
            None => false,
        });
    }
    all
}

/// What is wrong with an XML document by a schema; empty when it conforms.
pub(crate) fn xml_faults(text: &str, xsd: &str) -> Vec<String> {
    let known = elements(xsd);
    let mut found = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut reader = Reader::from_str(text);
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                found.push(format!("it is no XML: {error}"));
                return found;
            }
        };
        match event {
            Event::Eof => break,
            Event::Start(ref tag) | Event::Empty(ref tag) => {
                let name = String::from_utf8_lossy(tag.local_name().as_ref()).into_owned();
                found.extend(element_faults(tag, &name, open.last(), &known));
                if matches!(event, Event::Start(_)) {
                    open.push(name);
                }
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Text(text) => {
                let blank = text.iter().all(u8::is_ascii_whitespace);
                let mixed = open.last().and_then(|name| known.get(name)).is_some_and(|it| it.mixed);
                if !blank && !mixed {
                    found.push(format!("text is not allowed in {open:?}"));
                }
            }
            _ => {}
        }
    }
    found
}

fn element_faults(
    tag: &BytesStart<'_>,
    name: &str,
    parent: Option<&String>,
    known: &BTreeMap<String, Element>,
) -> Vec<String> {
    let mut found = Vec::new();
    let Some(element) = known.get(name) else { return vec![format!("<{name}> is not known")] };
    if let Some(parent) = parent.and_then(|name| known.get(name))
        && !parent.children.contains(name)
    {
        found.push(format!("<{name}> stands where it may not"));
    }
    let mut seen = BTreeSet::new();
    for attribute in tag.attributes() {
        let attribute = attribute.expect("attributes are well formed");
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let value = String::from_utf8_lossy(&attribute.value).into_owned();
        if !element.attributes.contains(&key) {
            found.push(format!("<{name}> has no attribute {key}"));
        }
        if let Some(pattern) = element.patterns.get(&key)
            && !Regex::new(pattern).expect("a pattern").is_match(&value)
        {
            found.push(format!("<{name} {key}={value}> does not match {pattern}"));
        }
        seen.insert(key);
    }
    found.extend(element.required.difference(&seen).map(|key| format!("<{name}> lacks {key}")));
    found
}
